/**
 * The files in a tar archive, found by reading its headers (tarHeader.ts) and stepping over its bodies, each padded to
 * 512 bytes. An archive on disk is used in place, whatever its size: its members are read by position, by any thread, in
 * any order. (Libraries that unpack tars read them from end to end and don't say where they are.) A gzipped one is
 * unpacked into memory first.
 *
 * Zeroed blocks end an archive. Where they are missing but no block is cut short, it is taken for whole; where another
 * header follows them (archives joined by cat), it goes on. Types x and L hold a longer name for the member that
 * follows, K a longer link, x also a size and how a file is sparse. A hard link is the file it names, and so is a symbolic
 * link to a file of the archive. Members called .tar are archives themselves (ImageNet's training archive holds one for
 * each class): what they hold is listed as lying in a folder of their name.
 */
import { posix } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { DataError } from '../../core/errors.js';
import type { ImageSource, Piece } from '../images/imageSource.js';
import { counted, listed } from './names.js';
import {
  blockSize,
  checkPieces,
  type Extent,
  gnuPieces,
  gnuRealSize,
  isTarHeader,
  type PaxSparse,
  paxRecords,
  paxSparse,
  pieceLines,
  readHeader,
  text,
} from './tarHeader.js';

/** An archive's bytes. */
export interface TarBytes {
  readonly size: number;
  /** `length` bytes from a place on; fewer where it ends. They hold until the next call. */
  at(place: number, length: number): Uint8Array;
}

/** Where a file lies in the archive: in one piece, or in several with zeros between them. */
export type Stored =
  | { readonly offset: number; readonly length: number }
  | { readonly pieces: readonly Piece[]; readonly length: number };

/** A file in an archive. */
interface TarMember {
  readonly name: string;
  readonly source: ImageSource;
}

/** What an archive holds. */
export interface TarListing {
  readonly members: readonly TarMember[];
  /** What the user should know of it, a sentence each. */
  readonly notes: readonly string[];
}

/** Called while headers are read: bytes passed and bytes in all. */
export type ScanProgress = (done: number, total: number) => void;

/** Headers read before other work gets a turn. */
const headersPerTurn = 5000;

/** Longest name or list of pax records that is believed. */
const maxMeta = 1 << 20;

/** Archives within archives that are looked into, one inside the other. */
const maxDepth = 4;

/** Links that are followed one to the next. */
const maxLinks = 16;

/**
 * Lists the files in an archive, and in the archives it holds.
 * @param path for messages.
 * @param sourceOf makes the source of a file
 * @param onHeaders called now and then with the bytes passed
 * @throws {DataError} when a header is damaged or the archive is cut short.
 */
export async function listTar(
  path: string,
  input: TarBytes,
  sourceOf: (stored: Stored) => ImageSource,
  onHeaders: (done: number) => void = () => {},
): Promise<TarListing> {
  const reader = new TarReader(path, input, sourceOf, onHeaders);
  await reader.read({ where: path, prefix: '', end: input.size, depth: 0 });
  return reader.listing();
}

/** What to say of an archive that ends before it should. */
function cutShort(where: string, missing: number): DataError {
  return new DataError(
    `${where}: damaged tar archive or cut short: at least ${missing} bytes are missing at its end`,
  );
}

/** An archive in the input. */
interface Archive {
  /** For messages. */
  readonly where: string;
  /** The folder its members lie in, with the closing slash; empty for the outermost. */
  readonly prefix: string;
  /** Position in the input where it ends at the latest. */
  readonly end: number;
  /** Archives it lies in. */
  readonly depth: number;
}

/** What members of other types say of the file that follows. */
interface Meta {
  readonly name?: string | undefined;
  readonly link?: string | undefined;
  readonly size?: number | undefined;
  readonly sparse?: PaxSparse | undefined;
}

/** The pieces of a file with zeros between them. */
interface Sparse {
  readonly length: number;
  readonly pieces: readonly Extent[];
}

interface Link {
  readonly name: string;
  readonly target: string;
}

class TarReader {
  private readonly members: TarMember[] = [];
  private readonly links: Link[] = [];
  private readonly notes: string[] = [];
  private headers = 0;
  /** Bytes passed so far. */
  private position = 0;

  constructor(
    private readonly path: string,
    private readonly input: TarBytes,
    private readonly sourceOf: (stored: Stored) => ImageSource,
    private readonly onHeaders: (done: number) => void,
  ) {}

  /** Reads an archive from its first header to its end. */
  async read(archive: Archive): Promise<void> {
    const { where, end } = archive;
    const start = this.position;
    let [ended, joined] = [false, 0];
    let meta: Meta = {};
    for (;;) {
      if (++this.headers % headersPerTurn === 0) {
        this.onHeaders(this.position);
        await setImmediate();
      }
      const at = this.position - start;
      const block = this.take(Math.min(blockSize, end - this.position));
      if (block.length === blockSize && block.every((byte) => byte === 0)) {
        ended = true;
        continue;
      }
      if (block.length === 0 || (ended && block.length < blockSize)) {
        if (!ended) {
          this.notes.push(
            `${where}: no mark says where it ends; cut short at that place, it would look the same`,
          );
        }
        break;
      }
      if (!isTarHeader(block)) {
        if (ended) {
          this.notes.push(`${where}: what follows its end, at byte ${at}, is no archive and isn't used`);
          break;
        }
        if (block.length < blockSize) throw cutShort(where, blockSize - block.length);
        throw new DataError(`${where}: damaged tar archive: the header at byte ${at} is broken`);
      }
      if (ended) joined++;
      ended = false;
      meta = await this.member(archive, block, at, meta);
    }
    if (joined > 0) this.notes.push(`${where}: ${joined + 1} archives joined into one: all are read`);
  }

  /** Reads a member. @returns what it says of the one that follows. */
  private async member(archive: Archive, block: Uint8Array, at: number, meta: Meta): Promise<Meta> {
    const { where, end } = archive;
    const header = readHeader(block);
    const { type } = header;
    const isMeta = 'xXLgK'.includes(type);
    // A hard link has no body, whatever size some writers state.
    const size = isMeta ? header.size : type === '1' ? 0 : (meta.size ?? header.size);
    if (!Number.isSafeInteger(size) || size < 0 || (isMeta && size > maxMeta)) {
      throw new DataError(`${where}: damaged tar archive: a member at byte ${at} claims ${size} bytes`);
    }
    const gnu = type === 'S' ? this.gnuSparse(where, block) : undefined;
    const bodyEnd = this.position + size;
    if (bodyEnd > end) throw cutShort(where, bodyEnd - end);
    const next = isMeta ? { ...meta, ...metaOf(type, this.bytes(where, size)) } : {};
    if (!isMeta) {
      const name = cleaned(meta.sparse?.name ?? meta.name ?? header.name);
      const path = archive.prefix + name;
      if (type === 'M') {
        throw new DataError(`${where}: one volume of an archive of several: unpack it and give the folder`);
      }
      if (type === '1') {
        this.links.push({ name: path, target: archive.prefix + cleaned(meta.link ?? header.link) });
      } else if (type === '2') {
        const target = posix.join(posix.dirname(path), meta.link ?? header.link);
        this.links.push({ name: path, target });
      } else if ('0\0\x37S'.includes(type) && !name.endsWith('/')) {
        // Old archives mark folders by a slash at the end of the name alone.
        await this.file({ archive, path, size, gnu, pax: meta.sparse });
      }
    }
    this.position = bodyEnd + ((blockSize - (size % blockSize)) % blockSize);
    if (this.position > end) throw cutShort(where, this.position - end);
    return next;
  }

  private async file(found: {
    archive: Archive;
    path: string;
    size: number;
    gnu: Sparse | undefined;
    pax: PaxSparse | undefined;
  }): Promise<void> {
    const { archive, path, size, gnu, pax } = found;
    const { where, depth } = archive;
    if (/\.tar$/i.test(path) && depth < maxDepth && !gnu && !pax) {
      const inside = { where: `${this.path}, ${path}`, prefix: `${path.slice(0, -4)}/`, depth: depth + 1 };
      return this.read({ ...inside, end: this.position + size });
    }
    const lines = pax && !pax.pieces ? this.lines(where, size) : undefined;
    const stored = size - (lines?.taken ?? 0);
    const pieces = gnu?.pieces ?? pax?.pieces ?? lines?.pieces;
    let offset = this.position;
    if (!pieces) {
      this.members.push({ name: path, source: this.sourceOf({ offset, length: stored }) });
      return;
    }
    const length = gnu?.length ?? pax?.realSize ?? 0;
    checkPieces(where, pieces, length, stored);
    const located = pieces.map((piece) => {
      offset += piece.length;
      return { ...piece, offset: offset - piece.length };
    });
    this.members.push({ name: path, source: this.sourceOf({ pieces: located, length }) });
  }

  /** How a member of GNU's type S is made: its header's pieces, and those of the blocks that follow. */
  private gnuSparse(where: string, header: Uint8Array): Sparse {
    const length = gnuRealSize(header);
    const first = gnuPieces(header, true);
    const pieces = first.pieces;
    for (let { more } = first; more; ) {
      const block = gnuPieces(this.bytes(where, blockSize), false);
      pieces.push(...block.pieces);
      more = block.more && block.pieces.length > 0;
    }
    return { length, pieces };
  }

  /** The lines of numbers before the pieces of a sparse member. */
  private lines(where: string, size: number): { pieces: Extent[]; taken: number } {
    let read = new Uint8Array(0);
    while (read.length < Math.min(size, maxMeta)) {
      read = Uint8Array.from([...read, ...this.bytes(where, blockSize)]);
      const found = pieceLines(read);
      if (found) return found;
    }
    throw new DataError(`${where}: damaged tar archive: the pieces of a sparse file aren't told`);
  }

  /** The next bytes; fewer only at the end. */
  private take(length: number): Uint8Array {
    const bytes = this.input.at(this.position, length);
    this.position += bytes.length;
    return bytes;
  }

  private bytes(where: string, length: number): Uint8Array {
    const bytes = this.take(length);
    if (bytes.length < length) throw cutShort(where, length - bytes.length);
    return bytes;
  }

  /** What was found, links being the files they lead to. */
  listing(): TarListing {
    const members = withSlashes(this.members);
    if (this.links.length === 0) return { members, notes: this.notes };
    const sources = new Map(members.map(({ name, source }) => [name, source]));
    const links = withSlashes(this.links);
    const targets = new Map(links.map(({ name, target }) => [name, target]));
    const lost: string[] = [];
    for (const { name, target } of links) {
      let at = target;
      for (let i = 0; i < maxLinks && targets.has(at); i++) at = targets.get(at) ?? at;
      const source = sources.get(at);
      if (source !== undefined) members.push({ name, source });
      else lost.push(name);
    }
    if (lost.length > 0) {
      this.notes.push(
        `${this.path}: passed over ${counted(lost.length, 'link')} to folders or to what it doesn't hold ${listed(lost)}`,
      );
    }
    return { members, notes: this.notes };
  }
}

/** What a member of type x, X, L or K says; g, which is for all that follow, says nothing that is needed. */
function metaOf(type: string, body: Uint8Array): Meta {
  if (type === 'L') return { name: text(body) };
  if (type === 'K') return { link: text(body) };
  if (type === 'g') return {};
  const records = paxRecords(body);
  const last = new Map(records);
  const [name, link, size] = [last.get('path'), last.get('linkpath'), last.get('size')];
  return {
    ...(name === undefined ? {} : { name }),
    ...(link === undefined ? {} : { link }),
    ...(size === undefined ? {} : { size: Number(size) }),
    sparse: paxSparse(records),
  };
}

/** A member's path below the archive's top. */
function cleaned(name: string): string {
  return posix.normalize(name).replace(/^(\.{0,2}\/)+/, '');
}

/** Archives made on Windows may part names by backslashes; where any slash is found, a backslash is a letter. */
function withSlashes<T extends { readonly name: string; readonly target?: string }>(
  items: readonly T[],
): T[] {
  if (items.some(({ name }) => name.includes('/')) || !items.some(({ name }) => name.includes('\\'))) {
    return [...items];
  }
  return items.map((item) => ({
    ...item,
    name: item.name.replaceAll('\\', '/'),
    ...(item.target === undefined ? {} : { target: item.target.replaceAll('\\', '/') }),
  }));
}
