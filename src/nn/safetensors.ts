/**
 * The safetensors format: a u64 length (little-endian), a JSON header `{name: {dtype, shape, data_offsets}}` with
 * optional text under `__metadata__`, then the numbers in C order without holes. The header is at most 100 MB.
 */
import { DataError } from '../core/errors.js';
import { bytesPerElement, type DType, dtypeOf, makeArray, sizeOf, type TypedArray } from '../core/shape.js';
import type { HostTensor, StateDict } from './module.js';

const maxHeader = 100_000_000;
const names: Readonly<Record<DType, string>> = { float32: 'F32', float64: 'F64', int32: 'I32', uint8: 'U8' };
const dtypes: ReadonlyMap<string, DType> = new Map([
  ['F32', 'float32'],
  ['F64', 'float64'],
  ['I32', 'int32'],
  ['U8', 'uint8'],
]);

/** Named tensors and text, as one file. */
export interface SafetensorsFile {
  readonly tensors: StateDict;
  readonly metadata: Readonly<Record<string, string>>;
}

/** The file's pieces in order: header, then each tensor's bytes. Write them one after the other. */
export function encodeSafetensors({ tensors, metadata }: SafetensorsFile): Uint8Array[] {
  const entries: Record<string, unknown> = { __metadata__: metadata };
  const pieces: Uint8Array[] = [];
  let offset = 0;
  for (const [name, { shape, data }] of tensors) {
    const piece = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    entries[name] = { dtype: names[dtypeOf(data)], shape, data_offsets: [offset, offset + piece.length] };
    pieces.push(piece);
    offset += piece.length;
  }
  const json = new TextEncoder().encode(JSON.stringify(entries));
  // Spaces up to a multiple of 8 align the numbers.
  const header = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(header.length - 8), true);
  header.set(json, 8);
  return [header, ...pieces];
}

/**
 * Reads a file's bytes; the tensors are copies.
 * @param file its name, for messages
 * @throws {DataError} for anything but a whole, consistent file.
 */
export function decodeSafetensors(bytes: Uint8Array, file: string): SafetensorsFile {
  const fail = (problem: string): never => {
    throw new DataError(`${file}: not a whole safetensors file: ${problem}`);
  };
  if (bytes.length < 8) fail(`${bytes.length} bytes, the header's length alone takes 8`);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (length > maxHeader) fail(`the header claims ${length} bytes, at most ${maxHeader} are allowed`);
  if (8 + length > bytes.length)
    fail(`the header claims ${length} bytes, the file has ${bytes.length} in all`);
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, 8 + length)));
  } catch {
    fail('its header is not JSON');
  }
  const body = bytes.subarray(8 + length);
  const tensors = new Map<string, HostTensor>();
  const metadata: Record<string, string> = {};
  if (!isRecord(header)) return fail('its header is not an object');
  let end = 0;
  for (const [name, entry] of Object.entries(header)) {
    if (!isRecord(entry)) fail(`${name} is not an object`);
    else if (name === '__metadata__') {
      for (const [key, value] of Object.entries(entry)) metadata[key] = String(value);
    } else {
      const tensor = readTensor(entry, body);
      if (typeof tensor === 'string') return fail(`${name}: ${tensor}`);
      tensors.set(name, tensor.value);
      end = Math.max(end, tensor.end);
    }
  }
  if (end !== body.length) fail(`the tensors end at byte ${end}, the data at ${body.length}`);
  return { tensors, metadata };
}

/** One tensor, or what is wrong with it. */
function readTensor(
  entry: Record<string, unknown>,
  body: Uint8Array,
): { value: HostTensor; end: number } | string {
  const { dtype: code, shape, data_offsets: offsets } = entry;
  const dtype = dtypes.get(String(code));
  if (!dtype) return `dtype ${String(code)} is not one of ${[...dtypes.keys()].join(', ')}`;
  if (!isSizes(shape) || !isSizes(offsets)) return 'shape or data_offsets are not whole numbers';
  const [start = 0, end = 0] = offsets;
  const expected = sizeOf(shape) * bytesPerElement[dtype];
  if (end - start !== expected) return `${end - start} bytes, its shape ${shape.join('x')} takes ${expected}`;
  if (end > body.length) return `data up to byte ${end}, the file ends at ${body.length}: was it cut short?`;
  const data: TypedArray = makeArray(dtype, sizeOf(shape));
  new Uint8Array(data.buffer).set(body.subarray(start, end));
  return { value: { shape, data }, end };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}
