/**
 * The safetensors format: a u64 length (little-endian), a JSON header `{name: {dtype, shape, data_offsets}}` with
 * optional text under `__metadata__` (null: none), then the numbers in C order, little-endian, without holes or overlaps. The header
 * begins with `{`, may end in spaces, and is at most 100 MB. Numbers of types that tensors don't have are widened as
 * numbers.ts says.
 */
import { ArgumentError, DataError } from '../core/errors.js';
import { type DType, dtypeOf, formatShape, sizeOf } from '../core/shape.js';
import type { HostTensor, StateDict } from '../core/state.js';
import { isObject, shown } from './json.js';
import {
  bytesPerNumber,
  isDType,
  type NumbersOptions,
  type NumberType,
  readNumbers,
  toHalves,
} from './numbers.js';
import { printable } from './printable.js';

const maxHeader = 100_000_000;
const metadataName = '__metadata__';
const names: Readonly<Record<DType, string>> = { float32: 'F32', float64: 'F64', int32: 'I32', uint8: 'U8' };
const types: ReadonlyMap<string, NumberType> = new Map([
  ['F16', 'float16'],
  ['BF16', 'bfloat16'],
  ['F32', 'float32'],
  ['F64', 'float64'],
  ['BOOL', 'bool'],
  ['I8', 'int8'],
  ['U8', 'uint8'],
  ['I16', 'int16'],
  ['U16', 'uint16'],
  ['I32', 'int32'],
  ['U32', 'uint32'],
  ['I64', 'int64'],
  ['U64', 'uint64'],
]);

/** Named tensors and text, as one file. */
export interface SafetensorsFile {
  readonly tensors: StateDict;
  readonly metadata: Readonly<Record<string, string>>;
}

/** How a file is written. */
export interface SafetensorsOptions {
  /** Type that float32 and float64 are rounded to, the nearest number each; default: they stay as they are. */
  readonly floats?: 'float16';
}

/**
 * The file's pieces in order: header, then each tensor's bytes. Write them one after the other. Tensors of wide numbers
 * come first, so that each begins at a multiple of its numbers' size.
 * @throws {ArgumentError} for a tensor named `__metadata__`, whose numbers don't fill its shape, or are finite and past float16.
 */
export function encodeSafetensors(
  { tensors, metadata }: SafetensorsFile,
  { floats }: SafetensorsOptions = {},
): Uint8Array[] {
  const sorted = [...tensors]
    .map(([name, tensor]) => ({ name, shape: tensor.shape, ...written(name, tensor, floats) }))
    .sort((a, b) => b.data.BYTES_PER_ELEMENT - a.data.BYTES_PER_ELEMENT);
  let offset = 0;
  const entries = sorted.map(({ name, shape, data, dtype }): [string, unknown] => {
    if (name === metadataName) {
      throw new ArgumentError(
        `encodeSafetensors: no tensor can be named ${name}; the format keeps it for text`,
      );
    }
    if (data.length !== sizeOf(shape)) {
      const given = `${data.length} numbers for ${formatShape(shape)}`;
      throw new ArgumentError(`encodeSafetensors: ${name} has ${given}, which takes ${sizeOf(shape)}`);
    }
    const start = offset;
    offset += data.byteLength;
    return [name, { dtype, shape, data_offsets: [start, offset] }];
  });
  const header = JSON.stringify(Object.fromEntries([[metadataName, metadata], ...entries]));
  const json = new TextEncoder().encode(header);
  // Spaces up to a multiple of 8 align the numbers.
  const first = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20);
  if (first.length - 8 > maxHeader) {
    throw new ArgumentError(
      `encodeSafetensors: a header of ${json.length} bytes, at most ${maxHeader} are allowed`,
    );
  }
  new DataView(first.buffer).setBigUint64(0, BigInt(first.length - 8), true);
  first.set(json, 8);
  return [first, ...sorted.map(({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength))];
}

/** A tensor's numbers as they are written, and the name of their type. */
function written(
  name: string,
  { data }: HostTensor,
  floats: 'float16' | undefined,
): { readonly data: HostTensor['data'] | Uint16Array; readonly dtype: string } {
  if (floats === undefined || !(data instanceof Float32Array || data instanceof Float64Array))
    return { data, dtype: names[dtypeOf(data)] };
  const halves = toHalves(data);
  const past = data.findIndex((value, i) => (halves[i]! & 0x7fff) === 0x7c00 && Number.isFinite(value));
  if (past >= 0) {
    throw new ArgumentError(
      `encodeSafetensors: ${name} holds ${data[past]}, float16 ends at 65504; write it as it is`,
    );
  }
  return { data: halves, dtype: 'F16' };
}

/** Where a tensor's numbers lie in the data. */
interface Extent {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

/**
 * Reads a file's bytes. The tensors share them, so that weights are in memory once; those whose place isn't a multiple
 * of their numbers' size, or that are widened, are copies.
 * @param file its name, for messages
 * @throws {DataError} for anything but a whole, consistent file: the tensors must cover the data without holes or
 * overlaps, and no name may occur twice.
 */
export function decodeSafetensors(
  bytes: Uint8Array,
  file: string,
  { widen = false }: NumbersOptions = {},
): SafetensorsFile {
  const fail = (problem: string): never => {
    throw new DataError(`${file}: not a whole safetensors file: ${problem}`);
  };
  if (bytes.length < 8) fail(`${bytes.length} bytes, the header's length alone takes 8`);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (length > maxHeader) fail(`the header claims ${length} bytes, at most ${maxHeader} are allowed`);
  if (8 + length > bytes.length)
    fail(`the header claims ${length} bytes, the file has ${bytes.length} in all`);
  const header = readHeader(bytes.subarray(8, 8 + length));
  if (typeof header === 'string') return fail(header);
  const body = bytes.subarray(8 + length);
  const tensors = new Map<string, HostTensor>();
  const extents: Extent[] = [];
  for (const [name, entry] of header.entries) {
    const tensor = isObject(entry) ? readTensor(entry, body, widen) : 'not an object';
    if (typeof tensor === 'string') return fail(`${printable(name, 80)}: ${tensor}`);
    tensors.set(name, tensor.value);
    extents.push({ name: printable(name, 80), start: tensor.start, end: tensor.end });
  }
  const { metadata } = header;
  const problem = findGap(extents, body.length);
  if (problem) fail(problem);
  return { tensors, metadata };
}

/** What the header holds: an entry for each tensor, and text. */
interface Header {
  readonly entries: ReadonlyMap<string, unknown>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** The header, or what is wrong with it. */
function readHeader(bytes: Uint8Array): Header | string {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    if (!isObject(JSON.parse(text)) || !text.startsWith('{')) return 'its header is not an object';
  } catch {
    return 'its header is not JSON';
  }
  const fields = fieldsOf(text);
  if ('twice' in fields) return `its header names ${fields.twice} twice`;
  const spelt = fields.get(metadataName) ?? 'null';
  fields.delete(metadataName);
  const entries = new Map<string, unknown>([...fields].map(([name, json]) => [name, JSON.parse(json)]));
  const value: unknown = JSON.parse(spelt);
  if (value === null) return { entries, metadata: {} };
  const texts = isText(value) ? fieldsOf(spelt) : null;
  if (!texts) return `${metadataName} is not an object of strings`;
  if ('twice' in texts) return `its ${metadataName} names ${texts.twice} twice`;
  const metadata = Object.fromEntries([...texts].map(([name, json]) => [name, String(JSON.parse(json))]));
  return { entries, metadata };
}

/**
 * The fields of an object by name, each as it is spelt; or a name that is given twice. JSON.parse keeps the last of
 * equal names without a word, and V8 of 2025 and 2026 (Node 24 to 26) can give a name with escapes for another
 * (nodejs/node#63785); of a text alone it does neither.
 * @param text JSON that was parsed before, so that only its structure has to be followed
 */
function fieldsOf(text: string): Map<string, string> | { readonly twice: string } {
  const fields = new Map<string, string>();
  let depth = 0;
  let name: string | null = null;
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    const c = text[at]!;
    if (c === '"') {
      const end = endOfText(text, at);
      if (depth === 1 && name === null) {
        name = String(JSON.parse(text.slice(at, end)));
        start = end;
      }
      at = end - 1;
    } else if (c === '{' || c === '[') depth++;
    else if (c === '}' || c === ']') depth--;
    if (name !== null && ((c === ',' && depth === 1) || depth === 0)) {
      if (fields.has(name)) return { twice: printable(name, 80) };
      fields.set(name, text.slice(text.indexOf(':', start) + 1, at));
      name = null;
    }
  }
  return fields;
}

/** The place after a text's closing quote. @param at of the opening one */
function endOfText(json: string, at: number): number {
  let end = at + 1;
  while (json[end] !== '"') end += json[end] === '\\' ? 2 : 1;
  return end + 1;
}

/** One tensor, or what is wrong with it. */
function readTensor(
  entry: Record<string, unknown>,
  body: Uint8Array,
  widen: boolean,
): ({ value: HostTensor } & Omit<Extent, 'name'>) | string {
  const { dtype: code, shape, data_offsets: offsets } = entry;
  const type = typeof code === 'string' ? types.get(code) : undefined;
  if (!type) return `dtype ${shown(code)} is not one of ${[...types.keys()].join(', ')}`;
  if (!widen && !isDType(type))
    return `dtype ${shown(code)} is none of tensors; widen: true takes it as a wider one`;
  if (!isSizes(shape) || !isSizes(offsets)) return 'shape or data_offsets are not whole numbers';
  const [start, end] = offsets;
  if (start === undefined || end === undefined || offsets.length > 2) {
    return `data_offsets holds ${offsets.length} numbers, expected 2`;
  }
  const expected = sizeOf(shape) * bytesPerNumber[type];
  if (end - start !== expected)
    return `${end - start} bytes, its shape ${formatShape(shape)} takes ${expected}`;
  if (end > body.length) return `data up to byte ${end}, the file ends at ${body.length}: was it cut short?`;
  const data = readNumbers(type, body.subarray(start, end));
  if (typeof data === 'string') return data;
  return { value: { shape, data }, start, end };
}

/** The first place where the tensors don't follow each other from 0 to `size`, in words; null if there is none. */
function findGap(extents: readonly Extent[], size: number): string | null {
  let covered: Extent = { name: 'the header', start: 0, end: 0 };
  for (const next of [...extents].sort((a, b) => a.start - b.start || a.end - b.end)) {
    if (next.start < covered.end) return `${next.name} overlaps ${covered.name}`;
    if (next.start > covered.end) {
      return `bytes ${covered.end} to ${next.start} of the data, before ${next.name}, belong to no tensor`;
    }
    covered = next;
  }
  return covered.end === size ? null : `the tensors end at byte ${covered.end}, the data at ${size}`;
}

function isText(value: unknown): value is Record<string, string> {
  return isObject(value) && Object.values(value).every((text) => typeof text === 'string');
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}
