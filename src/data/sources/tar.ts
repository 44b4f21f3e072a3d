/**
 * Where the files in a tar archive lie, found by reading its headers and stepping over its bodies: archives of any
 * size are used in place, their members read by position, by any thread, in any order. (Libraries that unpack
 * tars read them from end to end and don't say where they are.)
 *
 * A tar (POSIX.1-1988 "ustar", POSIX.1-2001 "pax", GNU) is a list of members, each a header of 512 bytes and a
 * body padded to 512; zeroed blocks end it. Of a header: name 0-99, size 124-135 (octal, or binary when the top
 * bit is set), checksum 148-155 (sum of the header's bytes, these eight as spaces), type 156, "ustar" 257, and after
 * "ustar\0" a prefix to the name 345-499. Types x and L hold a longer name for the member that follows, x also a
 * size. Members called .tar are archives themselves (ImageNet's training archive holds one for each class): what
 * they hold is listed as lying in a folder of their name.
 */
import { setImmediate } from 'node:timers/promises';
import { DataError } from '../../core/errors.js';

/** Bytes to be read at any place: at most `length` from `offset`, fewer only at the end. */
export interface Positional {
  readonly size: number;
  read(offset: number, length: number): Uint8Array;
}

/** A file in an archive. */
export interface TarMember {
  readonly name: string;
  readonly offset: number;
  readonly length: number;
}

/** Called while headers are read: bytes passed and bytes in all. */
export type ScanProgress = (done: number, total: number) => void;

const block = 512;

/** Bytes read at a time: a disk's least, so that stepping over large bodies costs little. */
const readAhead = 4096;

/** Headers read before other work gets a turn. */
const headersPerTurn = 5000;

/** Longest name or pax record list that is believed. */
const maxMeta = 1 << 20;

/** Whether a header's checksum is right, which no other kind of file's is but by chance. */
export function isTarHeader(header: Uint8Array): boolean {
  if (header.length < block) return false;
  let sum = 8 * 32;
  for (let i = 0; i < block; i++) if (i < 148 || i >= 156) sum += header[i]!;
  return octal(header.subarray(148, 156)) === sum;
}

/**
 * Lists the files in an archive, and in the archives it holds.
 * @param path for messages.
 * @throws {DataError} when a header is damaged or the archive is cut short.
 */
export async function listTar(
  path: string,
  archive: Positional,
  onProgress?: ScanProgress,
): Promise<TarMember[]> {
  const members: TarMember[] = [];
  const counter = { headers: 0 };
  const turn = async (at: number): Promise<void> => {
    if (++counter.headers % headersPerTurn !== 0) return;
    onProgress?.(at, archive.size);
    await setImmediate();
  };
  await listRange({ path, prefix: '', archive, start: 0, end: archive.size, members, turn });
  return members;
}

interface Range {
  readonly path: string;
  /** The folder its members lie in, with the closing slash; empty for the outermost archive. */
  readonly prefix: string;
  readonly archive: Positional;
  readonly start: number;
  readonly end: number;
  readonly members: TarMember[];
  readonly turn: (at: number) => Promise<void>;
}

async function listRange(range: Range): Promise<void> {
  const { path, prefix, archive, start, end, members, turn } = range;
  const where = prefix === '' ? path : `${path}, ${prefix.slice(0, -1)}.tar`;
  let ahead = new Uint8Array(0);
  let aheadAt = 0;
  const bytesAt = (at: number, length: number): Uint8Array => {
    if (at + length > end) throw cutShort(where, at + length - end);
    if (at < aheadAt || at + length > aheadAt + ahead.length) {
      ahead = Uint8Array.from(archive.read(at, Math.min(end - at, Math.max(length, readAhead))));
      aheadAt = at;
    }
    const bytes = ahead.subarray(at - aheadAt, at - aheadAt + length);
    if (bytes.length < length) throw cutShort(where, length - bytes.length);
    return bytes;
  };
  let longName: string | undefined;
  let longSize: number | undefined;
  for (let at = start; ; ) {
    await turn(at);
    if (at + block > end) throw cutShort(where, 2 * block);
    const header = bytesAt(at, block);
    if (header.every((byte) => byte === 0)) return;
    if (!isTarHeader(header)) {
      throw new DataError(`${where}: damaged tar archive: the header at byte ${at - start} is broken`);
    }
    const type = String.fromCharCode(header[156]!);
    const meta = 'xLgK'.includes(type);
    const size = meta ? sizeIn(header) : (longSize ?? sizeIn(header));
    const body = at + block;
    if (!Number.isSafeInteger(size) || size < 0 || (meta && size > maxMeta)) {
      throw new DataError(
        `${where}: damaged tar archive: a member at byte ${at - start} claims ${size} bytes`,
      );
    }
    if (body + size > end) throw cutShort(where, body + size - end);
    at = body + Math.ceil(size / block) * block;
    if (type === 'x') {
      const records = paxRecords(bytesAt(body, size));
      longName = records.get('path') ?? longName;
      const paxSize = records.get('size');
      if (paxSize !== undefined) longSize = Number(paxSize);
    } else if (type === 'L') {
      longName = text(bytesAt(body, size));
    } else if (!meta) {
      const name = prefix + (longName ?? nameIn(header)).replace(/^(\.?\/)+/, '');
      longName = undefined;
      longSize = undefined;
      // Old archives mark folders by a slash at the end of the name alone.
      if (!'0\0\x37'.includes(type) || name.endsWith('/')) continue;
      if (/\.tar$/i.test(name)) {
        await listRange({ ...range, prefix: `${name.slice(0, -4)}/`, start: body, end: body + size });
      } else {
        members.push({ name, offset: body, length: size });
      }
    }
  }
}

function cutShort(where: string, missing: number): DataError {
  return new DataError(
    `${where}: damaged tar archive or cut short: at least ${missing} bytes are missing at its end`,
  );
}

/** Text up to the first zero byte. */
function text(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

function octal(bytes: Uint8Array): number {
  const digits = text(bytes).trim();
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN;
}

function sizeIn(header: Uint8Array): number {
  const field = header.subarray(124, 136);
  if ((field[0]! & 0x80) === 0) return octal(field);
  return field.subarray(1).reduce((size, byte) => size * 256 + byte, 0);
}

function nameIn(header: Uint8Array): string {
  const name = text(header.subarray(0, 100));
  const posix = text(header.subarray(257, 263)) === 'ustar' && header[262] === 0;
  const prefix = posix ? text(header.subarray(345, 500)) : '';
  return prefix === '' ? name : `${prefix}/${name}`;
}

/** pax records: "LENGTH KEY=VALUE\n" each, LENGTH counting all of it. */
function paxRecords(bytes: Uint8Array): Map<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(32, at);
    const length = space < 0 ? Number.NaN : Number(new TextDecoder().decode(bytes.subarray(at, space)));
    if (!Number.isInteger(length) || length < 5 || at + length > bytes.length) break;
    const record = new TextDecoder().decode(bytes.subarray(space + 1, at + length - 1));
    const equals = record.indexOf('=');
    if (equals > 0) records.set(record.slice(0, equals), record.slice(equals + 1));
    at += length;
  }
  return records;
}
