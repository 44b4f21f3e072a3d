/**
 * Reading zip archives that are in memory. All numbers are little-endian.
 *
 *     local header   PK 03 04, 30 bytes, then the name and an extra field, then the file's bytes
 *     directory      PK 01 02, 46 bytes for each file: flags at 8, method at 10, CRC at 16, packed and full size at 20
 *                    and 24, lengths of name, extra field and comment at 28, 30, 32, place of the local header at 42
 *     end            PK 05 06, 22 bytes and a comment: number of files at 10, size and place of the directory at 12, 16
 *     zip64          a field of 0xffffffff stands in the extra field 1 as 8 bytes; those of the end in the record
 *                    PK 06 06, whose place the 20 bytes PK 06 07 before the end say
 *
 * Method 0 is stored, 8 deflated. The directory rules; a local header only says where its file's bytes begin.
 */
import { DataError } from '../core/errors.js';
import { crc32 } from './crc32.js';
import { printable } from './printable.js';

/** A file of an archive, still packed. */
interface ZipEntry {
  readonly name: string;
  /** Bytes it has unpacked. */
  readonly size: number;
  /** Whether it is deflated rather than stored. */
  readonly deflated: boolean;
  /** Its bytes in the archive, which they share. */
  readonly packed: Uint8Array;
  /** CRC-32 of the unpacked bytes. */
  readonly crc: number;
}

/** Deflate makes at most 1032 bytes of one. */
const mostRatio = 1032;

/** Whether bytes begin as a zip archive does. */
export function isZip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x50 && bytes[1] === 0x4b && (bytes[2] === 3 || bytes[2] === 5);
}

/**
 * The files of an archive by name; folders are left out. Nothing is unpacked yet.
 * @param file its name, for messages
 * @throws {DataError} for a damaged archive, files that overlap, have the same name, are encrypted or packed in another way
 */
export function readZip(bytes: Uint8Array, file: string): ReadonlyMap<string, ZipEntry> {
  const fail = (problem: string): never => {
    throw new DataError(`${file}: not a zip archive that can be read: ${problem}`);
  };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = findEnd(view);
  if (end === undefined) return fail('it has no directory at its end: was it cut short?');
  const { count, place, size } = end;
  if (place + size > bytes.length) return fail(`its directory ends past the file's ${bytes.length} bytes`);
  const entries = new Map<string, ZipEntry>();
  const extents: { readonly start: number; readonly end: number; readonly name: string }[] = [];
  let at = place;
  for (let i = 0; i < count; i++) {
    if (at + 46 > place + size || view.getUint32(at, true) !== 0x02014b50)
      return fail(`its directory breaks off at file ${i} of ${count}`);
    const nameEnd = at + 46 + view.getUint16(at + 28, true);
    const extraEnd = nameEnd + view.getUint16(at + 30, true);
    const next = extraEnd + view.getUint16(at + 32, true);
    if (next > place + size) return fail(`its directory breaks off at file ${i} of ${count}`);
    const name = new TextDecoder().decode(bytes.subarray(at + 46, nameEnd));
    const shown = printable(name, 80);
    const wide = wideFields(view, at, nameEnd, extraEnd);
    const flags = view.getUint16(at + 8, true);
    const method = view.getUint16(at + 10, true);
    if (wide === undefined) return fail(`${shown}: its sizes are missing`);
    if (flags & 1) return fail(`${shown} is encrypted`);
    if (method !== 0 && method !== 8) return fail(`${shown} is packed by method ${method}, expected 0 or 8`);
    const { local, packed, full } = wide;
    if (local + 30 > place || view.getUint32(local, true) !== 0x04034b50)
      return fail(`${shown} isn't where the directory says`);
    const start = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    if (start + packed > place) return fail(`${shown} reaches into the directory`);
    if (method === 0 ? full !== packed : full > packed * mostRatio)
      return fail(`${shown}: ${packed} bytes can't hold ${full}`);
    if (entries.has(name)) return fail(`it has ${shown} twice`);
    extents.push({ start: local, end: start + packed, name: shown });
    if (!name.endsWith('/')) {
      const body = bytes.subarray(start, start + packed);
      entries.set(name, {
        name,
        size: full,
        deflated: method === 8,
        packed: body,
        crc: view.getUint32(at + 16, true),
      });
    }
    at = next;
  }
  extents.sort((a, b) => a.start - b.start);
  for (const [i, { start, name }] of extents.entries())
    if (i > 0 && start < extents[i - 1]!.end) return fail(`${name} overlaps ${extents[i - 1]!.name}`);
  return entries;
}

/** What the end of an archive says of its directory. */
interface End {
  readonly count: number;
  readonly place: number;
  readonly size: number;
}

/** The last end record, and the one of zip64 where it is needed. */
function findEnd(view: DataView): End | undefined {
  const from = Math.max(0, view.byteLength - 22 - 0xffff);
  for (let at = view.byteLength - 22; at >= from; at--) {
    if (view.getUint32(at, true) !== 0x06054b50) continue;
    if (at + 22 + view.getUint16(at + 20, true) !== view.byteLength) continue;
    const count = view.getUint16(at + 10, true);
    const size = view.getUint32(at + 12, true);
    const place = view.getUint32(at + 16, true);
    if (count !== 0xffff && size !== 0xffffffff && place !== 0xffffffff) return { count, place, size };
    if (at < 20 || view.getUint32(at - 20, true) !== 0x07064b50) return { count, place, size };
    const record = Number(view.getBigUint64(at - 12, true));
    if (record + 56 > at || view.getUint32(record, true) !== 0x06064b50) return undefined;
    const wide = (offset: number): number => Number(view.getBigUint64(record + offset, true));
    return { count: wide(32), size: wide(40), place: wide(48) };
  }
  return undefined;
}

/** Sizes and place of an entry of the directory; undefined when they stand in an extra field that isn't there. */
function wideFields(
  view: DataView,
  at: number,
  extra: number,
  extraEnd: number,
): { readonly full: number; readonly packed: number; readonly local: number } | undefined {
  // In the order in which the extra field has them.
  const fields = [24, 20, 42].map((offset) => view.getUint32(at + offset, true));
  if (fields.includes(0xffffffff)) {
    let field = extra;
    while (field + 4 <= extraEnd && view.getUint16(field, true) !== 1)
      field += 4 + view.getUint16(field + 2, true);
    let from = field + 4;
    for (const [i, value] of fields.entries()) {
      if (value !== 0xffffffff) continue;
      if (from + 8 > extraEnd) return undefined;
      fields[i] = Number(view.getBigUint64(from, true));
      from += 8;
    }
  }
  const [full = 0, packed = 0, local = 0] = fields;
  return { full, packed, local };
}

/**
 * The bytes of a stored file, which share the archive's.
 * @param file the archive's name, for messages
 * @throws {DataError} for a deflated or a damaged one
 */
export function storedBytes(entry: ZipEntry, file: string): Uint8Array {
  if (entry.deflated) {
    throw new DataError(
      `${file}: ${printable(entry.name, 80)} is compressed, expected a file stored as it is; pack the archive anew without compression`,
    );
  }
  return checked(entry, entry.packed, file);
}

/**
 * The bytes of a file, unpacked where it is deflated.
 * @param file the archive's name, for messages
 * @throws {DataError} for a damaged one
 */
export async function unpackedBytes(entry: ZipEntry, file: string): Promise<Uint8Array> {
  if (!entry.deflated) return storedBytes(entry, file);
  const packed = new Blob([new Uint8Array(entry.packed)]);
  const pieces: Uint8Array[] = [];
  let length = 0;
  try {
    // Collected as it comes: the size that the directory claims may be a lie.
    const reader = packed.stream().pipeThrough(new DecompressionStream('deflate-raw')).getReader();
    while (length <= entry.size) {
      const { done, value } = await reader.read();
      if (done) break;
      pieces.push(value);
      length += value.length;
    }
    await reader.cancel();
  } catch (error) {
    throw new DataError(`${file}: ${printable(entry.name, 80)} is damaged, it can't be unpacked`, {
      cause: error,
    });
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return checked(entry, bytes, file);
}

function checked(entry: ZipEntry, bytes: Uint8Array, file: string): Uint8Array {
  if (bytes.length === entry.size && crc32(bytes) === entry.crc) return bytes;
  throw new DataError(
    `${file}: ${printable(entry.name, 80)} is damaged, its size or checksum isn't the directory's`,
  );
}
