/**
 * Files of weights by their endings, for Node:
 *
 *     .pt, .pth, .ckpt, .bin    torch.save
 *     .safetensors              one file
 *     .safetensors.index.json   a set of them, beside the index
 *     .npz                      numpy.savez
 *     .caffemodel               Caffe
 *     .onnx                     the constants of an ONNX model
 *
 * The last two also hold layers, whose order tells Caffe's two nets apart.
 */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DataError } from '../../core/errors.js';
import type { HostTensor, StateDict } from '../../core/state.js';
import { throwNaming } from '../../data/files.js';
import { decodeCaffe } from '../../formats/caffe.js';
import { decodeNpz } from '../../formats/npz.js';
import { readModel } from '../../formats/onnx/read.js';
import { readExternal } from '../../formats/onnx/tensors.js';
import { decodeSafetensors } from '../../formats/safetensors.js';
import { decodeSafetensorsSet } from '../../formats/safetensorsSet.js';
import { decodeTorch } from '../../formats/torch.js';
import type { WeightsFile } from './fit.js';
import type { WeightKindName } from './kinds.js';

/** How files of one format are read. */
interface Format {
  readonly endings: readonly string[];
  readonly read: (bytes: Uint8Array, path: string) => Promise<Omit<WeightsFile, 'file'>>;
}

const bytesOf = (path: string): Promise<Uint8Array> =>
  readFile(path).catch(throwNaming(path, "can't be read"));

const widen = { widen: true };

/** The bytes of a file in the same folder. @param name a file's name, which readers have checked to have no folders */
const besideOf = (path: string, name: string): Promise<Uint8Array> => bytesOf(join(dirname(path), name));

/** Caffe's AlexNet normalizes before it pools, CaffeNet after; undefined for layers that do either never. */
function kindOfCaffe(types: readonly string[]): WeightKindName | undefined {
  const [norm, pool] = ['LRN', 'Pooling'].map((type) => types.indexOf(type));
  if (norm === undefined || pool === undefined || norm < 0 || pool < 0) return undefined;
  return norm < pool ? 'bvlc-alexnet' : 'caffenet';
}

/** The constants of an ONNX model. */
async function constantsOf(bytes: Uint8Array, path: string): Promise<StateDict> {
  const found = new Map<string, HostTensor>();
  const files = new Map<string, Uint8Array>();
  for (const { name, value } of readModel(bytes, path).tensors) {
    if ('data' in value) {
      found.set(name, value);
      continue;
    }
    const file = files.get(value.location) ?? (await besideOf(path, value.location));
    files.set(value.location, file);
    found.set(name, readExternal(value, file, path));
  }
  return found;
}

const formats: readonly Format[] = [
  {
    endings: ['.pt', '.pth', '.ckpt', '.bin'],
    read: async (bytes, path) => ({ tensors: decodeTorch(bytes, path) }),
  },
  {
    endings: ['.safetensors'],
    read: async (bytes, path) => {
      const { tensors, metadata } = decodeSafetensors(bytes, path, widen);
      if (metadata.format?.startsWith('tandem-checkpoint'))
        throw new DataError(`${path}: the checkpoint of a run, with more than weights: open it as a run`);
      return { tensors };
    },
  },
  {
    endings: ['.safetensors.index.json'],
    read: async (bytes, path) => {
      const index = new TextDecoder().decode(bytes);
      return { tensors: await decodeSafetensorsSet(index, path, (name) => besideOf(path, name), widen) };
    },
  },
  { endings: ['.npz'], read: async (bytes, path) => ({ tensors: await decodeNpz(bytes, path, widen) }) },
  {
    endings: ['.caffemodel'],
    read: async (bytes, path) => {
      const { tensors, layers } = decodeCaffe(bytes, path);
      return { tensors, told: kindOfCaffe(layers.map(({ type }) => type)) };
    },
  },
  { endings: ['.onnx'], read: async (bytes, path) => ({ tensors: await constantsOf(bytes, path) }) },
];

/** Endings of files that `readWeights` reads. */
export const weightEndings: readonly string[] = formats.flatMap(({ endings }) => endings);

/**
 * Reads a file of weights by the format that its ending names.
 * @throws {DataError} for another ending, a file that can't be read, or what its format's reader refuses
 */
export async function readWeights(path: string): Promise<WeightsFile> {
  const format = formats.find(({ endings }) => endings.some((ending) => path.endsWith(ending)));
  if (!format)
    throw new DataError(`${path}: weights are read from files ending in ${weightEndings.join(', ')}`);
  return { file: path, ...(await format.read(await bytesOf(path), path)) };
}
