/**
 * What TensorFlow.js saves, as layers or as a graph: `model.json` and files of numbers next to it.
 *
 *     { "format": "layers-model", "modelTopology": {..},
 *       "weightsManifest": [{ "paths": ["group1-shard1of1.bin"],
 *                             "weights": [{ "name": "conv/kernel", "shape": [3, 3, 3, 10], "dtype": "float32" }, ..] }] }
 *
 * The files of a group are one run of bytes, in which its weights follow each other without gaps. A weight with
 * `quantization` is stored as bytes, shorts or halves: `value = stored * scale + min`, or the half itself. Convolution
 * kernels are `[KH, KW, in, out]`, dense ones `[in, out]`, and images `[N, H, W, C]`: conventions.ts turns them round.
 */
import { DataError } from '../core/errors.js';
import { formatShape, sizeOf, type TypedArray } from '../core/shape.js';
import type { HostTensor, StateDict } from '../core/state.js';
import {
  anything,
  checkJson,
  list,
  number,
  object,
  oneOf,
  optional,
  parseJson,
  text,
  whole,
} from './json.js';
import { bytesPerNumber, type NumberType, readNumbers } from './numbers.js';
import { printable } from './printable.js';
import { type Fail, failing } from './protobuf.js';
import { shardName } from './safetensorsSet.js';

/** How a weight's numbers are stored, where not as they are. */
interface Quantization {
  readonly dtype: 'uint8' | 'uint16' | 'float16';
  readonly scale?: number | undefined;
  readonly min?: number | undefined;
}

interface Weight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly quantization?: Quantization | undefined;
}

interface Group {
  readonly paths: readonly string[];
  readonly weights: readonly Weight[];
}

interface Model {
  readonly format?: string | undefined;
  readonly modelTopology?: unknown;
  readonly weightsManifest: readonly Group[];
}

const quantization = object<Quantization>({
  dtype: oneOf('uint8', 'uint16', 'float16'),
  scale: optional(number()),
  min: optional(number()),
});

const weight = object<Weight>({
  name: text,
  shape: list(whole()),
  dtype: text,
  quantization: optional(quantization),
});

const manifest = list(object<Group>({ paths: list(shardName), weights: list(weight) }));

const modelSchema = object<Model>({
  format: optional(text),
  modelTopology: anything,
  weightsManifest: manifest,
});

/** Types of weights that tensors have. */
const types: ReadonlyMap<string, NumberType> = new Map([
  ['float32', 'float32'],
  ['int32', 'int32'],
  ['bool', 'bool'],
]);

/** A model as it was saved. */
export interface TensorflowJsModel {
  /** 'layers-model', 'graph-model', or '' where the file doesn't say. */
  readonly format: string;
  /** Its layers or its graph, as JSON. */
  readonly topology: unknown;
  /** Weights by their names, in the order of the file: `conv/kernel`. */
  readonly tensors: StateDict;
}

/**
 * Reads a model. One file's bytes are asked for after another; quantized weights become float32.
 * @param model what `model.json` holds, or a file of the list under `weightsManifest` alone
 * @param file its name, for messages
 * @param read gives a file's bytes by its name, which has no folders (by fetch, or from the folder of `model.json`)
 * @throws {DataError} for a damaged file, one that is longer or shorter than its weights, other types of numbers, and
 * names that come twice; and what `read` throws
 */
export async function decodeTensorflowJs(
  model: string,
  file: string,
  read: (name: string) => Promise<Uint8Array>,
): Promise<TensorflowJsModel> {
  const whole = parseJson(model, file, anything);
  const {
    format = '',
    modelTopology,
    weightsManifest,
  } = Array.isArray(whole)
    ? { modelTopology: null, weightsManifest: checkJson(whole, file, manifest) }
    : checkJson(whole, file, modelSchema);
  const tensors = new Map<string, HostTensor>();
  for (const { paths, weights } of weightsManifest) {
    const sizes = weights.map((each) => storedBytes(each, file));
    const total = sizes.reduce((sum, size) => sum + size, 0);
    const group = await readGroup(paths, total, file, read);
    let start = 0;
    for (const [i, each] of weights.entries()) {
      if (tensors.has(each.name)) throw new DataError(`${file}: has two weights ${printable(each.name, 80)}`);
      const end = start + (sizes[i] ?? 0);
      const data = numbersOf(each, group.subarray(start, end), failing(file, printable(each.name, 80)));
      tensors.set(each.name, { shape: each.shape, data });
      start = end;
    }
  }
  return { format, topology: modelTopology, tensors };
}

/** The bytes of a group's files, one after the other. */
async function readGroup(
  paths: readonly string[],
  total: number,
  file: string,
  read: (name: string) => Promise<Uint8Array>,
): Promise<Uint8Array> {
  const shards: Uint8Array[] = [];
  let length = 0;
  for (const path of paths) {
    const shard = await read(path);
    shards.push(shard);
    length += shard.length;
  }
  if (length !== total) {
    const names = paths.map((path) => printable(path, 60)).join(', ');
    throw new DataError(
      `${file}: ${names || 'no files'}: ${length} bytes, the weights take ${total}: was a file cut short?`,
    );
  }
  const [only] = shards;
  if (only && shards.length === 1) return only;
  const group = new Uint8Array(length);
  let start = 0;
  for (const shard of shards) {
    group.set(shard, start);
    start += shard.length;
  }
  return group;
}

function storedBytes({ name, shape, dtype, quantization: stored }: Weight, file: string): number {
  const type = types.get(dtype);
  if (!type) {
    throw new DataError(
      `${file}: ${printable(name, 80)} is ${printable(dtype, 40)}, expected ${[...types.keys()].join(', ')}`,
    );
  }
  const bytes = sizeOf(shape) * bytesPerNumber[stored?.dtype ?? type];
  if (Number.isSafeInteger(bytes)) return bytes;
  throw new DataError(`${file}: ${printable(name, 80)} is ${formatShape(shape)}, which no file can hold`);
}

function numbersOf({ dtype, quantization: stored }: Weight, bytes: Uint8Array, fail: Fail): TypedArray {
  const type = types.get(dtype) ?? 'float32';
  if (!stored) return requireNumbers(type, bytes, fail);
  const held = requireNumbers(stored.dtype, bytes, fail);
  const { scale, min } = stored;
  if (stored.dtype === 'float16') return held;
  if (scale === undefined || min === undefined) return fail('is quantized without scale and min');
  if (dtype === 'int32') return Int32Array.from(held, (value) => Math.round(value * scale + min));
  if (dtype !== 'float32') return fail(`is ${dtype} and quantized`);
  return Float32Array.from(held, (value) => value * scale + min);
}

function requireNumbers(type: NumberType, bytes: Uint8Array, fail: Fail): TypedArray {
  const data = readNumbers(type, bytes);
  return typeof data === 'string' ? fail(data) : data;
}
