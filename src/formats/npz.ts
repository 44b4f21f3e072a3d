/**
 * NumPy's .npz format: a zip archive of .npy files, here stored without compression as `numpy.savez` does. For each
 * array a local header (30 bytes and the name), then the file; at the end the directory, 46 bytes and the name for
 * each, and its own 22 bytes. All numbers are little-endian.
 */
import { ArgumentError } from '../core/errors.js';
import type { StateDict } from '../core/state.js';
import { crc32 } from './crc32.js';
import { encodeNpy } from './npy.js';

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
