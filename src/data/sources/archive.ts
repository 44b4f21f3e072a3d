/**
 * Tar archives on disk, gzipped or not. A plain one is listed without reading its bodies; a gzipped one is unpacked as
 * it's read, and its members stay in memory, within a budget.
 */
import { closeSync, createReadStream, fstatSync, openSync, type ReadStream, readSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';
import { DataError } from '../../core/errors.js';
import { formatBytes } from '../../core/text.js';
import { Budget } from '../budget.js';
import { reasonOf, throwNaming } from '../files.js';
import type { ImageSource } from '../images/imageSource.js';
import { type FilePath, nodePath, readStretch } from '../reading.js';
import { LayoutError } from './layoutError.js';
import {
  cutShort,
  listTar,
  type ScanProgress,
  type SparseFile,
  type TarInput,
  type TarListing,
} from './tar.js';
import { blockSize, isTarHeader } from './tarHeader.js';

/** Bytes read at a time to find headers: a disk's least, so that stepping over large bodies costs little. */
const readAhead = 4096;

/** What is remembered of a member besides its bytes takes about so many. */
const memberBytes = 512;

/** Bytes of a gzipped archive read at a time. */
const chunkSize = 1 << 20;

/** Other kinds of files that are given for archives, by their first bytes. */
const otherKinds: readonly (readonly [start: string, what: string])[] = [
  ['PK\x03\x04', 'a zip archive'],
  ['PK\x05\x06', 'a zip archive'],
  ['BZh', 'packed by bzip2'],
  ['\xfd7zXZ\0', 'packed by xz'],
  ['\x28\xb5\x2f\xfd', 'packed by zstd'],
  ['7z\xbc\xaf\x27\x1c', 'a 7z archive'],
  ['Rar!', 'a rar archive'],
  ['version https://git-lfs', 'a placeholder of Git LFS, whose file was not fetched'],
  ['<!DOCTYPE', 'a page of the web, not what it was to lead to'],
  ['<html', 'a page of the web, not what it was to lead to'],
];

/**
 * Lists the files of an archive.
 * @param shown its path as it's told to people
 * @throws {DataError} when it's no archive, is damaged, or can't be read.
 */
export async function listArchive(
  path: FilePath,
  shown: string,
  budget: Budget = new Budget(),
  onProgress?: ScanProgress,
): Promise<TarListing<ImageSource>> {
  try {
    const start = await readStretch(path, 0, blockSize);
    if (isGzip(start)) return await listGzip(path, shown, budget, onProgress);
    if (!isTarHeader(start)) throw noArchive(shown, start);
    const input = new FileInput(path);
    try {
      return await listTar(shown, input, (done) => onProgress?.(done, input.size));
    } finally {
      input.close();
    }
  } catch (error) {
    return throwNaming(shown, "can't be read")(error);
  }
}

/** Whether bytes begin as gzip does. */
export function isGzip(start: Uint8Array): boolean {
  return start[0] === 0x1f && start[1] === 0x8b;
}

function noArchive(shown: string, start: Uint8Array): DataError {
  const begins = Buffer.from(start.subarray(0, 32)).toString('latin1');
  const kind = otherKinds.find(([mark]) => begins.toLowerCase().startsWith(mark.toLowerCase()))?.[1];
  const what = kind === undefined ? '' : `; it is ${kind}`;
  return new LayoutError(`${shown}: neither a folder nor a tar archive (.tar or .tar.gz)${what}`);
}

async function listGzip(
  path: FilePath,
  shown: string,
  budget: Budget,
  onProgress: ScanProgress | undefined,
): Promise<TarListing<ImageSource>> {
  const input = new GzipInput(path, shown, budget);
  try {
    if (!isTarHeader(await input.peek(blockSize))) {
      throw new DataError(`${shown}: gzip, but what is packed is no tar archive (.tar.gz)`);
    }
    const { size } = await stat(nodePath(path));
    return await listTar(shown, input, () => onProgress?.(input.packed, size));
  } finally {
    await input.close();
  }
}

/** An archive whose bodies are left where they are. */
class FileInput implements TarInput<ImageSource> {
  private readonly file: number;
  readonly size: number;
  position = 0;
  private ahead = new Uint8Array(0);
  private aheadAt = 0;

  constructor(private readonly path: FilePath) {
    this.file = openSync(nodePath(path), 'r');
    this.size = fstatSync(this.file).size;
  }

  take(length: number): Uint8Array {
    if (this.position < this.aheadAt || this.position + length > this.aheadAt + this.ahead.length) {
      const wanted = Math.min(this.size - this.position, Math.max(length, readAhead));
      const bytes = new Uint8Array(Math.max(0, wanted));
      this.ahead = bytes.subarray(0, readSync(this.file, bytes, 0, bytes.length, this.position));
      this.aheadAt = this.position;
    }
    const from = this.position - this.aheadAt;
    const bytes = this.ahead.subarray(from, from + length);
    this.position += bytes.length;
    return bytes;
  }

  skip(length: number): void {
    this.position = Math.min(this.size, this.position + length);
  }

  body(stored: number, sparse?: SparseFile): ImageSource {
    const { path, position } = this;
    this.skip(stored);
    if (!sparse) return { path, offset: position, length: stored };
    let offset = position;
    const pieces = sparse.pieces.map(({ at, length }) => {
      offset += length;
      return { at, length, offset: offset - length };
    });
    return { path, pieces, length: sparse.length };
  }

  close(): void {
    closeSync(this.file);
  }
}

/** An archive that is unpacked while it's read; bodies are kept. */
class GzipInput implements TarInput<ImageSource> {
  readonly size = Number.POSITIVE_INFINITY;
  position = 0;
  private readonly file: ReadStream;
  private readonly chunks: AsyncIterator<Uint8Array>;
  private chunk: Uint8Array = new Uint8Array(0);

  constructor(
    path: FilePath,
    private readonly shown: string,
    private readonly budget: Budget,
  ) {
    const unzip = createGunzip({ chunkSize: 1 << 16 });
    this.file = createReadStream(nodePath(path), { highWaterMark: chunkSize });
    this.file.on('error', (error) => unzip.destroy(error));
    this.chunks = this.file.pipe(unzip)[Symbol.asyncIterator]();
  }

  /** Bytes read of the file. */
  get packed(): number {
    return this.file.bytesRead;
  }

  /** The next bytes, which come again with the next call. */
  async peek(length: number): Promise<Uint8Array> {
    const bytes = await this.take(length);
    this.chunk = Buffer.concat([bytes, this.chunk]);
    this.position -= bytes.length;
    return bytes;
  }

  take(length: number): Uint8Array | Promise<Uint8Array> {
    if (this.chunk.length < length) return this.gather(new Uint8Array(length));
    return this.pass(length);
  }

  async skip(length: number): Promise<void> {
    for (let left = length; left > 0; ) {
      if (this.chunk.length === 0 && !(await this.more())) return;
      left -= this.pass(left).length;
    }
  }

  async body(stored: number, sparse?: SparseFile): Promise<ImageSource> {
    const length = sparse?.length ?? stored;
    if (length + memberBytes > this.budget.left) {
      const most = formatBytes(this.budget.limit);
      throw new DataError(
        `${this.shown}: unpacks to more than the ${most} that are kept in memory: unpack it with gunzip and give the .tar`,
      );
    }
    this.budget.take(length + memberBytes, this.shown);
    const bytes = new Uint8Array(length);
    for (const piece of sparse?.pieces ?? [{ at: 0, length: stored }]) {
      const part = bytes.subarray(piece.at, piece.at + piece.length);
      const missing = part.length - (await this.gather(part)).length;
      if (missing > 0) throw cutShort(this.shown, missing);
    }
    return { bytes };
  }

  async close(): Promise<void> {
    this.file.destroy();
    await this.chunks.return?.();
  }

  /** Passes over bytes of the chunk, at most so many. */
  private pass(length: number): Uint8Array {
    const bytes = this.chunk.subarray(0, length);
    this.chunk = this.chunk.subarray(bytes.length);
    this.position += bytes.length;
    return bytes;
  }

  /** Fills an array with the next bytes. @returns what could be filled. */
  private async gather(into: Uint8Array): Promise<Uint8Array> {
    let filled = 0;
    while (filled < into.length && (this.chunk.length > 0 || (await this.more()))) {
      const bytes = this.pass(into.length - filled);
      into.set(bytes, filled);
      filled += bytes.length;
    }
    return into.subarray(0, filled);
  }

  /** Unpacks the next chunk. @returns whether there is one. */
  private async more(): Promise<boolean> {
    try {
      const { done, value } = await this.chunks.next();
      if (!done) this.chunk = value;
      return !done;
    } catch (error) {
      if (error instanceof Error && 'syscall' in error) throw error;
      throw new DataError(`${this.shown}: damaged gzip, or cut short: ${reasonOf(error)}`, { cause: error });
    }
  }
}
