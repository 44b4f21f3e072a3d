/**
 * NumPy's .npy format, version 1.0: the bytes 93 "NUMPY" 1 0, a u16 length (little-endian), a Python dictionary
 * `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }` padded with spaces and a newline to a multiple of 64
 * bytes, then the numbers, little-endian, in C order. Versions 2 and 3 have a u32 length. Other writers use double
 * quotes, and Python 2 wrote sizes as `2L`.
 */
import { DataError } from '../core/errors.js';
import { type DType, dtypeOf, sizeOf } from '../core/shape.js';
import type { HostTensor } from '../core/state.js';
import { bytesPerNumber, isDType, type NumbersOptions, type NumberType, readNumbers } from './numbers.js';

const codes: Readonly<Record<DType, string>> = { float32: '<f4', float64: '<f8', int32: '<i4', uint8: '|u1' };
const types: ReadonlyMap<string, NumberType> = new Map([
  ['<f2', 'float16'],
  ['<f4', 'float32'],
  ['<f8', 'float64'],
  ['|b1', 'bool'],
  ['|i1', 'int8'],
  ['|u1', 'uint8'],
  ['<i2', 'int16'],
  ['<u2', 'uint16'],
  ['<i4', 'int32'],
  ['<u4', 'uint32'],
  ['<i8', 'int64'],
  ['<u8', 'uint64'],
]);
const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];

/** Longest header that is read, in bytes: what version 1 can say, many times what an array's takes. */
const maxHeader = 0xffff;

/** A file's pieces in order: header, then the numbers. */
export function encodeNpy({ shape, data }: HostTensor): Uint8Array[] {
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const fields = `{'descr': '${codes[dtypeOf(data)]}', 'fortran_order': False, 'shape': (${sizes}), }`;
  const length = Math.ceil((10 + fields.length + 1) / 64) * 64;
  const header = new Uint8Array(length).fill(0x20);
  header.set(magic);
  header.set([1, 0], 6);
  new DataView(header.buffer).setUint16(8, length - 10, true);
  header.set(new TextEncoder().encode(fields), 10);
  header[length - 1] = 0x0a;
  return [header, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)];
}

/**
 * Reads a file's bytes; the numbers are a copy. Versions 1 to 3.
 * @param file its name, for messages
 * @throws {DataError} for anything but a whole file in C order of a type that tensors have, or that is to be widened.
 */
export function decodeNpy(
  bytes: Uint8Array,
  file: string,
  { widen = false }: NumbersOptions = {},
): HostTensor {
  const fail = (problem: string): never => {
    throw new DataError(`${file}: not a .npy file that can be read: ${problem}`);
  };
  if (!magic.every((byte, i) => bytes[i] === byte)) fail("it doesn't begin with NumPy's mark");
  const long = bytes[6]! > 1;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = long ? 12 : 10;
  if (bytes.length < start) fail('cut short in its header');
  const length = long ? view.getUint32(8, true) : view.getUint16(8, true);
  if (length > maxHeader) fail(`a header of ${length} bytes, at most ${maxHeader} are read`);
  if (bytes.length < start + length) fail('cut short in its header');
  const header = parseHeader(new TextDecoder('latin1').decode(bytes.subarray(start, start + length)));
  if (header === undefined)
    return fail("its header isn't a dictionary of its numbers' type, order and shape");
  const { descr, order, sizes } = header;
  const type = types.get(descr ?? '');
  if (!type)
    return fail(`its numbers are ${descr ?? 'unnamed'}, expected one of ${[...types.keys()].join(', ')}`);
  if (!widen && !isDType(type)) {
    fail(
      `its numbers are ${descr}, expected ${Object.values(codes).join(', ')}; widen: true takes them as wider ones`,
    );
  }
  if (order !== 'False') fail('its numbers are in Fortran order');
  if (sizes === undefined) return fail('its header has no shape');
  const shape = sizes
    .split(',')
    .map((size) => size.trim())
    .filter((size) => size !== '')
    .map((size) => Number(size.replace(/L$/, '')));
  if (!shape.every((n) => Number.isSafeInteger(n) && n >= 0)) fail(`its shape is (${sizes})`);
  const body = bytes.subarray(start + length);
  const expected = sizeOf(shape) * bytesPerNumber[type];
  if (body.length !== expected)
    fail(`${body.length} bytes of numbers, its shape (${sizes}) takes ${expected}`);
  const data = readNumbers(type, new Uint8Array(body));
  return typeof data === 'string' ? fail(data) : { shape, data };
}

/** What a header's dictionary says, as text. */
interface Header {
  readonly descr: string | undefined;
  /** True or False: whether the numbers are in Fortran order. */
  readonly order: string | undefined;
  /** What stands between the brackets of the shape. */
  readonly sizes: string | undefined;
}

/** Reads a dictionary from end to end; undefined when it's none, or its values are of other kinds. */
function parseHeader(text: string): Header | undefined {
  const values = new Map<string, string>();
  const closing: Readonly<Record<string, string>> = { "'": "'", '"': '"', '(': ')' };
  let at = 0;
  const skip = (characters: string): void => {
    while (at < text.length && characters.includes(text[at]!)) at++;
  };
  /** A string, a tuple (what is inside), or a word. */
  const value = (): string => {
    skip(' \t\n');
    const close = closing[text[at] ?? ''];
    if (close === undefined) {
      const start = at;
      while (at < text.length && !',:}'.includes(text[at]!)) at++;
      return text.slice(start, at).trim();
    }
    const end = text.indexOf(close, at + 1);
    const inside = text.slice(at + 1, end < 0 ? text.length : end);
    at = end < 0 ? text.length : end + 1;
    return inside;
  };
  skip(' ');
  if (text[at++] !== '{') return undefined;
  for (;;) {
    skip(' \t\n,');
    if (text[at] === '}') break;
    const key = value();
    skip(' \t\n');
    if (text[at++] !== ':') return undefined;
    values.set(key, value());
  }
  return { descr: values.get('descr'), order: values.get('fortran_order'), sizes: values.get('shape') };
}
