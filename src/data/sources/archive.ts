/**
 * Tar archives on disk, gzipped or not. A plain one is listed without reading its bodies; a gzipped one is unpacked into
 * memory, within a budget.
 */
import { closeSync, createReadStream, fstatSync, openSync, readSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';
import { DataError } from '../../core/errors.js';
import { formatBytes } from '../../core/text.js';
import { Budget } from '../budget.js';
import { reasonOf, throwNaming } from '../files.js';
import type { ImageSource } from '../images/imageSource.js';
import { type FilePath, nodePath, readStretch } from '../reading.js';
import { LayoutError } from './layoutError.js';
import { listTar, type ScanProgress, type Stored, type TarBytes, type TarListing } from './tar.js';
import { blockSize, isTarHeader } from './tarHeader.js';

/** Bytes read at a time to find headers: a disk's least, so that stepping over large bodies costs little. */
const readAhead = 4096;

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
): Promise<TarListing> {
  try {
    const start = await readStretch(path, 0, blockSize);
    if (isGzip(start)) return await listGzip(path, shown, budget, onProgress);
    if (!isTarHeader(start)) throw noArchive(shown, start);
    const input = new ArchiveFile(path);
    try {
      const sourceOf = (stored: Stored): ImageSource => ({ path, ...stored });
      return await listTar(shown, input, sourceOf, (done) => onProgress?.(done, input.size));
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
): Promise<TarListing> {
  const bytes = await unpacked(path, shown, budget, onProgress);
  const input: TarBytes = {
    size: bytes.length,
    at: (place, length) => bytes.subarray(place, place + length),
  };
  return listTar(shown, input, (stored) => {
    if ('offset' in stored) return { bytes: input.at(stored.offset, stored.length) };
    budget.take(stored.length, shown);
    const whole = new Uint8Array(stored.length);
    for (const { at, offset, length } of stored.pieces) whole.set(input.at(offset, length), at);
    return { bytes: whole };
  });
}

/** Unpacks a gzipped archive, as far as the budget allows. */
async function unpacked(
  path: FilePath,
  shown: string,
  budget: Budget,
  onProgress: ScanProgress | undefined,
): Promise<Uint8Array> {
  const { size } = await stat(nodePath(path));
  // The last 4 bytes say how many there are unpacked, but for what is added by joining files, or beyond 4 GiB.
  const end = Buffer.from(await readStretch(path, Math.max(0, size - 4), 4));
  const stated = end.length < 4 ? 0 : end.readUInt32LE();
  let bytes = new Uint8Array(Math.max(blockSize, Math.min(stated, budget.left)));
  let length = 0;
  const file = createReadStream(nodePath(path), { highWaterMark: chunkSize });
  const unzip = createGunzip({ chunkSize: 1 << 16 });
  file.on('error', (error) => unzip.destroy(error));
  const pieces: AsyncIterable<Uint8Array> = file.pipe(unzip);
  const isTar = (): boolean => isTarHeader(bytes.subarray(0, Math.min(length, blockSize)));
  const noTar = `${shown}: gzip, but what is packed is no tar archive (.tar.gz)`;
  try {
    for await (const piece of pieces) {
      if (piece.length > budget.left) {
        const most = formatBytes(budget.limit);
        throw new DataError(
          `${shown}: unpacks to more than the ${most} that are kept in memory: unpack it with gunzip and give the .tar`,
        );
      }
      budget.take(piece.length, shown);
      if (length + piece.length > bytes.length) {
        const larger = new Uint8Array(2 * (length + piece.length));
        larger.set(bytes.subarray(0, length));
        bytes = larger;
      }
      bytes.set(piece, length);
      const isStart = length < blockSize;
      length += piece.length;
      if (isStart && length >= blockSize && !isTar()) throw new DataError(noTar);
      onProgress?.(file.bytesRead, size);
    }
  } catch (error) {
    if (error instanceof DataError || (error instanceof Error && 'syscall' in error)) throw error;
    throw new DataError(`${shown}: damaged gzip, or cut short: ${reasonOf(error)}`, { cause: error });
  } finally {
    file.destroy();
  }
  if (!isTar()) throw new DataError(noTar);
  return bytes.subarray(0, length);
}

/** An archive whose bodies are left where they are. */
class ArchiveFile implements TarBytes {
  private readonly file: number;
  readonly size: number;
  private ahead = new Uint8Array(0);
  private aheadAt = 0;

  constructor(path: FilePath) {
    this.file = openSync(nodePath(path), 'r');
    this.size = fstatSync(this.file).size;
  }

  at(place: number, length: number): Uint8Array {
    if (place < this.aheadAt || place + length > this.aheadAt + this.ahead.length) {
      const wanted = Math.min(this.size - place, Math.max(length, readAhead));
      const bytes = new Uint8Array(Math.max(0, wanted));
      this.ahead = bytes.subarray(0, readSync(this.file, bytes, 0, bytes.length, place));
      this.aheadAt = place;
    }
    const from = place - this.aheadAt;
    return this.ahead.subarray(from, from + length);
  }

  close(): void {
    closeSync(this.file);
  }
}
