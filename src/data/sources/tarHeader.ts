/**
 * The header of a tar archive's member (POSIX.1-1988 "ustar", POSIX.1-2001 "pax", GNU): 512 bytes with name 0-99, size
 * 124-135 (octal, or binary when the top bit is set), checksum 148-155 (sum of the header's bytes, these eight as
 * spaces), type 156, what it links to 157-256, "ustar" 257, and after "ustar\0" a prefix to the name 345-499. Old
 * systems summed signed bytes.
 *
 * A sparse member stores pieces of a file; what is between them is zero. GNU's type S lists them in the header, 386-481
 * (place and length, 12 characters each), and in blocks that follow it; the file's length is at 483. pax has three
 * forms: records GNU.sparse.offset and .numbytes by turns; a record GNU.sparse.map; or, in version 1.0, lines of
 * numbers before the pieces.
 */
import { DataError } from '../../core/errors.js';
import { nameText } from '../reading.js';

/** Bytes of a header; bodies are padded to multiples of it. */
export const blockSize = 512;

/** Most pieces of one file. */
const maxPieces = 100_000;

/** Bytes of a sparse file and how many the archive stores of them. */
export interface Extent {
  readonly at: number;
  readonly length: number;
}

/** A member's header. */
interface Header {
  readonly type: string;
  readonly name: string;
  readonly size: number;
  /** What a link leads to; empty for others. */
  readonly link: string;
}

/** Whether a header's checksum is right, which no other kind of file's is but by chance. */
export function isTarHeader(header: Uint8Array): boolean {
  if (header.length < blockSize) return false;
  let [unsigned, signed] = [8 * 32, 8 * 32];
  for (let i = 0; i < blockSize; i++) {
    if (i >= 148 && i < 156) continue;
    const byte = header[i]!;
    unsigned += byte;
    signed += byte < 128 ? byte : byte - 256;
  }
  const stated = octal(header.subarray(148, 156));
  return stated === unsigned || stated === signed;
}

/** Reads a header whose checksum is right. Its size is NaN where it's none. */
export function readHeader(header: Uint8Array): Header {
  const name = text(header.subarray(0, 100));
  const posix = text(header.subarray(257, 263)) === 'ustar' && header[262] === 0;
  const prefix = posix ? text(header.subarray(345, 500)) : '';
  return {
    type: String.fromCharCode(header[156]!),
    name: prefix === '' ? name : `${prefix}/${name}`,
    size: number(header.subarray(124, 136)),
    link: text(header.subarray(157, 257)),
  };
}

/** A name up to the first zero byte. */
export function text(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return nameText(end < 0 ? bytes : bytes.subarray(0, end));
}

function octal(bytes: Uint8Array): number {
  const digits = text(bytes).trim();
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN;
}

function number(field: Uint8Array): number {
  if ((field[0]! & 0x80) === 0) return octal(field);
  return field.subarray(1).reduce((size, byte) => size * 256 + byte, 0);
}

/** pax records, "LENGTH KEY=VALUE\n" each, LENGTH counting all of it; in their order, as keys may come again. */
export function paxRecords(bytes: Uint8Array): [key: string, value: string][] {
  const records: [string, string][] = [];
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(32, at);
    const length = space < 0 || space - at > 10 ? Number.NaN : Number(text(bytes.subarray(at, space)));
    if (!Number.isInteger(length) || length < 5 || at + length > bytes.length) break;
    const record = bytes.subarray(space + 1, at + length - 1);
    const equals = record.indexOf(61);
    if (equals > 0) records.push([text(record.subarray(0, equals)), text(record.subarray(equals + 1))]);
    at += length;
  }
  return records;
}

/** The pieces that a GNU header of type S, or a block after it, lists; and whether another block follows. */
export function gnuPieces(block: Uint8Array, isHeader: boolean): { pieces: Extent[]; more: boolean } {
  const [start, count] = isHeader ? [386, 4] : [0, 21];
  const pieces: Extent[] = [];
  for (let i = 0; i < count; i++) {
    const at = start + 24 * i;
    if (block[at] === 0) break;
    pieces.push({
      at: number(block.subarray(at, at + 12)),
      length: number(block.subarray(at + 12, at + 24)),
    });
  }
  return { pieces, more: block[start + 24 * count] !== 0 };
}

/** The whole length of a file of which a GNU header of type S has pieces. */
export function gnuRealSize(header: Uint8Array): number {
  return number(header.subarray(483, 495));
}

/** What pax records say of a sparse member. */
export interface PaxSparse {
  readonly name: string | undefined;
  readonly realSize: number;
  /** Undefined in version 1.0, whose lines come before the pieces. */
  readonly pieces: readonly Extent[] | undefined;
}

/** Finds what pax records say of a sparse member; undefined when it isn't one. */
export function paxSparse(records: readonly (readonly [string, string])[]): PaxSparse | undefined {
  const last = new Map(records);
  const realSize = last.get('GNU.sparse.realsize') ?? last.get('GNU.sparse.size');
  if (realSize === undefined) return undefined;
  const map = last.get('GNU.sparse.map');
  const turns = records.filter(([key]) => key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes');
  const numbers = map === undefined ? turns.map(([, value]) => value) : map === '' ? [] : map.split(',');
  return {
    name: last.get('GNU.sparse.name'),
    realSize: Number(realSize),
    pieces: last.get('GNU.sparse.major') === '1' ? undefined : pairs(numbers.map(Number)),
  };
}

/**
 * Reads the lines of numbers before the pieces of a member of pax's version 1.0: how many pieces, then place and length of
 * each. @returns undefined when more lines are needed than `bytes` hold; else the pieces, and the bytes that the lines
 * take with their padding.
 */
export function pieceLines(bytes: Uint8Array): { pieces: Extent[]; taken: number } | undefined {
  const numbers: number[] = [];
  let at = 0;
  while (numbers.length < 1 + 2 * Math.min(numbers[0] ?? 1, maxPieces + 1)) {
    const end = bytes.indexOf(10, at);
    if (end < 0) return undefined;
    numbers.push(Number(text(bytes.subarray(at, end))));
    at = end + 1;
  }
  return { pieces: pairs(numbers.slice(1)), taken: Math.ceil(at / blockSize) * blockSize };
}

function pairs(numbers: readonly number[]): Extent[] {
  return Array.from({ length: numbers.length >> 1 }, (_, i) => ({
    at: numbers[2 * i]!,
    length: numbers[2 * i + 1]!,
  }));
}

/**
 * Checks that pieces follow each other within the file and are all that is stored.
 * @throws {DataError} when they don't.
 */
export function checkPieces(
  where: string,
  pieces: readonly Extent[],
  realSize: number,
  stored: number,
): void {
  let [end, sum] = [0, 0];
  const rising = pieces.every(({ at, length }) => {
    const follows = Number.isSafeInteger(at) && Number.isSafeInteger(length) && length >= 0 && at >= end;
    end = at + length;
    sum += length;
    return follows;
  });
  if (!rising || !(end <= realSize) || sum !== stored || pieces.length > maxPieces) {
    throw new DataError(`${where}: damaged tar archive: the pieces of a sparse file don't fit together`);
  }
}
