/**
 * NumPy's .npz format: a zip archive of .npy files, written without compression as `numpy.savez` does and read with and
 * without. For each array a local header (30 bytes and the name), then the file; at the end the directory, 46 bytes and
 * the name for each, and its own 22 bytes. All numbers are little-endian.
 */
import { ArgumentError, DataError } from '../core/errors.js';
import type { HostTensor, StateDict } from '../core/state.js';
import { crc32 } from './crc32.js';
import { decodeNpy, encodeNpy } from './npy.js';
import type { NumbersOptions } from './numbers.js';
import { printable } from './printable.js';
import { readZip, unpackedBytes } from './zip.js';

/** What the classic format can count: sizes and places below 4 GiB, 65535 files. */
const maxBytes = 2 ** 32 - 1;
const maxFiles = 2 ** 16 - 1;

/** Names are UTF-8; 1 January 1980, the first day there is. */
const utf8 = 0x800;
const firstDay = 0x21;

/**
 * The file's pieces in order. Write them one after the other.
 * @param tensors by name, which may hold dots and slashes: `numpy.load(file)[name]`
 * @throws {ArgumentError} for more than the format can count.
 */
export function encodeNpz(tensors: StateDict): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  for (const [key, tensor] of tensors) {
    const name = new TextEncoder().encode(`${key}.npy`);
    const file = encodeNpy(tensor);
    const size = lengthOf(file);
    // Version, flags, method, time, day, CRC, stored and full size, and the length of the name: in both headers.
    const common = [
      u16(20, utf8, 0, 0, firstDay),
      u32(crc32(...file), size, size),
      u16(name.length, 0),
    ] as const;
    const local = [u32(0x04034b50), ...common, name, ...file];
    directory.push(u32(0x02014b50), u16(20), ...common, u16(0, 0, 0), u32(0, at), name);
    pieces.push(...local);
    at += lengthOf(local);
  }
  const length = lengthOf(directory);
  if (tensors.size > maxFiles || at + length > maxBytes) {
    throw new ArgumentError(
      `encodeNpz: ${tensors.size} arrays of ${at} bytes; a .npz file holds ${maxFiles} arrays and 4 GiB: write .safetensors`,
    );
  }
  const count = tensors.size;
  return [...pieces, ...directory, u32(0x06054b50), u16(0, 0, count, count), u32(length, at), u16(0)];
}

/** Most bytes that are unpacked of a file unless told otherwise. */
const mostUnpacked = 2 ** 31;

/**
 * Reads a file's bytes, as `numpy.savez` and `numpy.savez_compressed` write them; the numbers are copies.
 * @param file its name, for messages
 * @param options `maxBytes`: most bytes that all arrays together may take unpacked; default 2 GiB
 * @returns the arrays by name, without the ending `.npy`
 * @throws {DataError} for a damaged archive, an array that `decodeNpy` refuses, other files, and too large arrays
 */
export async function decodeNpz(
  bytes: Uint8Array,
  file: string,
  { maxBytes = mostUnpacked, ...numbers }: NumbersOptions & { readonly maxBytes?: number } = {},
): Promise<StateDict> {
  const entries = readZip(bytes, file);
  const size = [...entries.values()].reduce((sum, entry) => sum + entry.size, 0);
  if (size > maxBytes)
    throw new DataError(`${file}: ${size} bytes unpacked, at most ${maxBytes} are read; raise maxBytes`);
  const tensors = new Map<string, HostTensor>();
  for (const [name, entry] of entries) {
    const shown = printable(name, 80);
    if (!name.endsWith('.npy')) throw new DataError(`${file}: ${shown} is no array, expected .npy files`);
    tensors.set(name.slice(0, -4), decodeNpy(await unpackedBytes(entry, file), `${file}, ${shown}`, numbers));
  }
  return tensors;
}

const lengthOf = (pieces: readonly Uint8Array[]): number =>
  pieces.reduce((sum, { length }) => sum + length, 0);

function u16(...values: readonly number[]): Uint8Array {
  return Uint8Array.from(values.flatMap((value) => [value & 255, value >>> 8]));
}

function u32(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  const view = new DataView(bytes.buffer);
  for (const [i, value] of values.entries()) view.setUint32(4 * i, value, true);
  return bytes;
}
