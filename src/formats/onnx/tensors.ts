/**
 * Numbers in ONNX files: a `TensorProto` has sizes, a type, and its elements as raw little-endian bytes, as a list of
 * numbers of its type, or in another file. Field numbers are those of onnx.proto.
 */
import { DataError } from '../../core/errors.js';
import { dtypeOf, formatShape, makeArray, type Shape, sizeOf, type TypedArray } from '../../core/shape.js';
import type { HostTensor } from '../../core/state.js';
import { bytesPerNumber, type NumberType, readNumbers } from '../numbers.js';
import { printable } from '../printable.js';
import { type Fail, failing, GrowingBytes, readMessage } from '../protobuf.js';

/** Numbers on the host with the type that the graph gives them. int64, uint32 and uint64 are held as float64. */
export interface HostValue extends HostTensor {
  readonly type: NumberType;
}

/** TensorProto.DataType of the types that are read. */
const typeNumbers: ReadonlyMap<number, NumberType> = new Map([
  [1, 'float32'],
  [2, 'uint8'],
  [3, 'int8'],
  [4, 'uint16'],
  [5, 'int16'],
  [6, 'int32'],
  [7, 'int64'],
  [9, 'bool'],
  [10, 'float16'],
  [11, 'float64'],
  [12, 'uint32'],
  [13, 'uint64'],
  [16, 'bfloat16'],
]);

/** The type that a file means by a number, or undefined for text, complex numbers and the like. */
export function typeOfNumber(code: number): NumberType | undefined {
  return typeNumbers.get(code);
}

/** A tensor of a file whose elements are in another one. */
export interface ExternalTensor {
  readonly type: NumberType;
  readonly shape: Shape;
  readonly location: string;
  readonly offset: number;
  /** Bytes, if the file says how many. */
  readonly length: number | undefined;
}

/** A named tensor of a file. */
export interface FileTensor {
  readonly name: string;
  readonly value: HostValue | ExternalTensor;
}

/** What a TensorProto's fields say. */
interface Fields {
  readonly sizes: number[];
  code: number;
  name: string;
  raw: Uint8Array | null;
  readonly floats: GrowingBytes;
  readonly doubles: GrowingBytes;
  /** Of the fields of int32, int64 and uint64. */
  readonly integers: number[];
  readonly external: Map<string, string>;
  isExternal: boolean;
}

/** Reads a TensorProto. @throws {DataError} for damage, unknown types, and elements that don't fill the shape */
export function readTensorProto(bytes: Uint8Array, file: string): FileTensor {
  const fields: Fields = {
    sizes: [],
    code: 0,
    name: '',
    raw: null,
    floats: new GrowingBytes(),
    doubles: new GrowingBytes(),
    integers: [],
    external: new Map(),
    isExternal: false,
  };
  readMessage(bytes, failing(file, 'a tensor'), (number, field) => {
    if (number === 1) field.intsInto(fields.sizes);
    else if (number === 2) fields.code = field.int();
    else if (number === 4) field.fixedInto(fields.floats, 4);
    else if (number === 5 || number === 7 || number === 11) field.intsInto(fields.integers);
    else if (number === 8) fields.name = field.text();
    else if (number === 9) fields.raw = field.bytes();
    else if (number === 10) field.fixedInto(fields.doubles, 8);
    else if (number === 13) readEntry(field.bytes(), file, fields.external);
    else if (number === 14) fields.isExternal = field.int() === 1;
  });
  const { name, sizes, code } = fields;
  const fail = failing(file, name === '' ? 'a tensor' : printable(name, 80));
  const type = typeNumbers.get(code);
  if (type === undefined) return fail(`its numbers are of type ${code}, which isn't read`);
  if (!sizes.every((n) => Number.isSafeInteger(n) && n >= 0) || !Number.isSafeInteger(sizeOf(sizes)))
    return fail(`its sizes are [${sizes.slice(0, 8).join(', ')}]`);
  return {
    name,
    value: fields.isExternal
      ? externalOf(fields, type, fail)
      : { type, shape: sizes, data: elementsOf(fields, type, fail) },
  };
}

/** Reads a StringStringEntryProto. */
function readEntry(bytes: Uint8Array, file: string, into: Map<string, string>): void {
  const entry = { key: '', value: '' };
  readMessage(bytes, failing(file, 'a tensor'), (number, field) => {
    if (number === 1) entry.key = field.text();
    if (number === 2) entry.value = field.text();
  });
  into.set(entry.key, entry.value);
}

function externalOf({ external, sizes }: Fields, type: NumberType, fail: Fail): ExternalTensor {
  const location = external.get('location') ?? '';
  const offset = Number(external.get('offset') ?? 0);
  const length = external.has('length') ? Number(external.get('length')) : undefined;
  const steps = location.split(/[/\\]/);
  if (location === '' || /^[/\\]|:|\0/.test(location) || steps.includes('..'))
    fail(`its numbers are in "${printable(location, 80)}", expected a file next to this one`);
  const counts = length === undefined ? [offset] : [offset, length];
  if (!counts.every((n) => Number.isSafeInteger(n) && n >= 0))
    fail('its place in another file is no whole number');
  return { type, shape: sizes, location, offset, length };
}

function elementsOf({ raw, sizes, ...held }: Fields, type: NumberType, fail: Fail): TypedArray {
  const count = sizeOf(sizes);
  if (raw !== null || type === 'float32' || type === 'float64') {
    const bytes = raw ?? (type === 'float32' ? held.floats.bytes() : held.doubles.bytes());
    return numbersOf(type, bytes, sizes, fail);
  }
  if (held.integers.length !== count)
    fail(`${held.integers.length} numbers, its shape ${formatShape(sizes)} takes ${count}`);
  if (type === 'float16' || type === 'bfloat16') {
    const bits = Uint16Array.from(held.integers);
    return numbersOf(type, new Uint8Array(bits.buffer), sizes, fail);
  }
  const data = makeArray(arrayType(type), count);
  data.set(held.integers);
  return data;
}

/** The array that integers of a type are held in; float64 holds those beyond int32. */
function arrayType(type: NumberType): 'float64' | 'uint8' | 'int32' {
  if (type === 'uint8' || type === 'bool') return 'uint8';
  return type === 'int64' || type === 'uint64' || type === 'uint32' ? 'float64' : 'int32';
}

/** Numbers from bytes that must fill a shape. @throws {DataError} by `fail` */
function numbersOf(type: NumberType, bytes: Uint8Array, shape: Shape, fail: Fail): TypedArray {
  const expected = sizeOf(shape) * bytesPerNumber[type];
  if (bytes.length !== expected)
    return fail(`${bytes.length} bytes of ${type}, its shape ${formatShape(shape)} takes ${expected}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // Ends of slices are given as the largest int64 there is, which int32 couldn't hold.
  const wide = (at: (i: number) => number | bigint): TypedArray =>
    Float64Array.from({ length: sizeOf(shape) }, (_, i) => Number(at(i)));
  if (type === 'int64') return wide((i) => view.getBigInt64(8 * i, true));
  if (type === 'uint64') return wide((i) => view.getBigUint64(8 * i, true));
  if (type === 'uint32') return wide((i) => view.getUint32(4 * i, true));
  const data = readNumbers(type, bytes);
  return typeof data === 'string' ? fail(data) : data;
}

/**
 * A tensor's numbers from the file that holds them.
 * @param bytes that file's
 * @throws {DataError} when they aren't all there
 */
export function readExternal(tensor: ExternalTensor, bytes: Uint8Array, file: string): HostValue {
  const { type, shape, location, offset, length = sizeOf(shape) * bytesPerNumber[type] } = tensor;
  const where = `${file}: ${printable(location, 80)}`;
  if (offset + length > bytes.length)
    throw new DataError(
      `${where}: numbers up to byte ${offset + length}, the file ends at ${bytes.length}: was it cut short?`,
    );
  return {
    type,
    shape,
    data: numbersOf(type, bytes.subarray(offset, offset + length), shape, failing(where)),
  };
}

/** Numbers that a caller gives, with the type that they say, or that their array does. */
export function hostValue(given: HostTensor | HostValue): HostValue {
  return 'type' in given ? given : { ...given, type: dtypeOf(given.data) };
}
