/**
 * The types of numbers that files hold, as numbers that tensors hold. All are little-endian.
 *
 *     float32, float64, int32, uint8   as they are
 *     float16    sign 1, exponent 5 (bias 15), fraction 10      to float32, exactly
 *     bfloat16   the upper half of a float32                    to float32, exactly
 *     int8, int16, uint16                                       to int32, exactly
 *     uint32, int64, uint64                                     to int32 where all of them fit, refused otherwise
 *     bool       a byte, 0 or 1                                 to uint8
 */
import { arrayAt, bytesPerElement, type DType, type TypedArray } from '../core/shape.js';

/** A type of numbers in a file. */
export type NumberType =
  | DType
  | 'float16'
  | 'bfloat16'
  | 'int8'
  | 'int16'
  | 'uint16'
  | 'uint32'
  | 'int64'
  | 'uint64'
  | 'bool';

/** How numbers are read. */
export interface NumbersOptions {
  /**
   * Take numbers of types that tensors don't have as the nearest type that holds them (float16 as float32, say).
   * Default false: they are refused by name, since files of one's own hold none.
   */
  readonly widen?: boolean;
}

/** Whether tensors have a type as it is. */
export function isDType(type: NumberType): type is DType {
  return Object.hasOwn(bytesPerElement, type);
}

/** Bytes that a number takes in a file. */
export const bytesPerNumber: Readonly<Record<NumberType, number>> = {
  float16: 2,
  bfloat16: 2,
  float32: 4,
  float64: 8,
  bool: 1,
  int8: 1,
  uint8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  uint64: 8,
};

/**
 * Numbers from a file, widened; what is wrong with them, in words. Those that need no widening share the bytes where
 * their place is a multiple of their size, and are copies elsewhere.
 * @param bytes a whole number of elements
 */
export function readNumbers(type: NumberType, bytes: Uint8Array): TypedArray | string {
  const length = bytes.length / bytesPerNumber[type];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (type) {
    case 'float32':
    case 'float64':
    case 'int32':
    case 'uint8': {
      const aligned = bytes.byteOffset % bytesPerNumber[type] === 0;
      const memory = aligned ? bytes.buffer : new Uint8Array(bytes).buffer;
      return arrayAt(type, memory, aligned ? bytes.byteOffset : 0, length);
    }
    case 'float16':
      return readHalves(view, length);
    case 'bfloat16': {
      const bits = filled(new Uint32Array(length), (i) => view.getUint16(2 * i, true) << 16);
      return new Float32Array(bits.buffer);
    }
    case 'int8':
      return filled(new Int32Array(length), (i) => view.getInt8(i));
    case 'int16':
      return filled(new Int32Array(length), (i) => view.getInt16(2 * i, true));
    case 'uint16':
      return filled(new Int32Array(length), (i) => view.getUint16(2 * i, true));
    case 'bool': {
      const wrong = bytes.find((byte) => byte > 1);
      return wrong === undefined ? new Uint8Array(bytes) : `a bool of ${wrong}, expected 0 or 1`;
    }
    case 'uint32':
      return readIntegers(
        type,
        length,
        (i) => view.getUint32(4 * i, true),
        (i) => view.getUint32(4 * i, true),
      );
    case 'int64':
      return readIntegers(
        type,
        length,
        (i) => view.getInt32(8 * i + 4, true) * 2 ** 32 + view.getUint32(8 * i, true),
        (i) => view.getBigInt64(8 * i, true),
      );
    case 'uint64':
      return readIntegers(
        type,
        length,
        (i) => view.getUint32(8 * i + 4, true) * 2 ** 32 + view.getUint32(8 * i, true),
        (i) => view.getBigUint64(8 * i, true),
      );
  }
}

function filled<A extends Int32Array | Uint32Array>(data: A, at: (i: number) => number): A {
  for (let i = 0; i < data.length; i++) data[i] = at(i);
  return data;
}

/** Integers that must fit an int32. @param exact the number for a message */
function readIntegers(
  type: NumberType,
  length: number,
  at: (i: number) => number,
  exact: (i: number) => number | bigint,
): Int32Array | string {
  const data = new Int32Array(length);
  for (let i = 0; i < length; i++) {
    const value = at(i);
    data[i] = value;
    if (data[i] !== value)
      return `its number ${i} is ${exact(i)} (${type}), tensors hold whole numbers of int32 only`;
  }
  return data;
}

function readHalves(view: DataView, length: number): Float32Array {
  const data = new Float32Array(length);
  const bits = new Uint32Array(data.buffer);
  for (let i = 0; i < length; i++) {
    const half = view.getUint16(2 * i, true);
    const sign = (half & 0x8000) << 16;
    const exponent = (half >>> 10) & 31;
    const fraction = half & 0x3ff;
    if (exponent === 0) data[i] = (sign ? -1 : 1) * fraction * 2 ** -24;
    else bits[i] = sign | ((exponent === 31 ? 255 : exponent + 112) << 23) | (fraction << 13);
  }
  return data;
}

/** Numbers as float16, each the nearest there is, of two as near the even one; past 65520 they are infinite. */
export function toHalves(numbers: Float32Array | Float64Array): Uint16Array {
  const halves = new Uint16Array(numbers.length);
  for (let i = 0; i < numbers.length; i++) halves[i] = halfOf(numbers[i]!);
  return halves;
}

const word = new DataView(new ArrayBuffer(8));
const infinity = 0x7c00;

function halfOf(value: number): number {
  word.setFloat64(0, value);
  const high = word.getUint32(0);
  const sign = (high >>> 16) & 0x8000;
  const exponent = ((high >>> 20) & 0x7ff) - 1023;
  if (exponent === 1024) return sign | (Number.isNaN(value) ? 0x7e00 : infinity);
  if (exponent > 15) return sign | infinity;
  // Below 2^-14 the step is 2^-24, above it 2^(exponent - 10); what rounds up to the next power carries by itself.
  const scale = Math.max(exponent, -14);
  const steps = Math.abs(value) * 2 ** (10 - scale);
  const whole = Math.floor(steps);
  const rest = steps - whole;
  const rounded = rest > 0.5 || (rest === 0.5 && whole % 2 === 1) ? whole + 1 : whole;
  return sign | Math.min(((scale + 14) << 10) + rounded, infinity);
}
