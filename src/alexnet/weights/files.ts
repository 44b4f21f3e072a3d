/**
 * Files of weights by their endings, for Node:
 *
 *     .pt, .pth, .ckpt, .bin    torch.save
 *     .safetensors              one file
 *     .safetensors.index.json   a set of them, beside the index
 *     .npz                      numpy.savez
 */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DataError } from '../../core/errors.js';
import { throwNaming } from '../../data/files.js';
import { decodeNpz } from '../../formats/npz.js';
import { decodeSafetensors } from '../../formats/safetensors.js';
import { decodeSafetensorsSet } from '../../formats/safetensorsSet.js';
import { decodeTorch } from '../../formats/torch.js';
import type { WeightsFile } from './fit.js';

/** How files of one format are read. */
interface Format {
  readonly endings: readonly string[];
  readonly read: (bytes: Uint8Array, path: string) => Promise<Omit<WeightsFile, 'file'>>;
}

const bytesOf = (path: string): Promise<Uint8Array> =>
  readFile(path).catch(throwNaming(path, "can't be read"));

const widen = { widen: true };

const formats: readonly Format[] = [
  {
    endings: ['.pt', '.pth', '.ckpt', '.bin'],
    read: async (bytes, path) => ({ tensors: decodeTorch(bytes, path) }),
  },
  {
    endings: ['.safetensors'],
    read: async (bytes, path) => ({ tensors: decodeSafetensors(bytes, path, widen).tensors }),
  },
  {
    endings: ['.safetensors.index.json'],
    read: async (bytes, path) => {
      const index = new TextDecoder().decode(bytes);
      const beside = (name: string): Promise<Uint8Array> => bytesOf(join(dirname(path), name));
      return { tensors: await decodeSafetensorsSet(index, path, beside, widen) };
    },
  },
  { endings: ['.npz'], read: async (bytes, path) => ({ tensors: await decodeNpz(bytes, path, widen) }) },
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
