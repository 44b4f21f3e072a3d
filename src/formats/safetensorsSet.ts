/**
 * Sets of safetensors files with an index, `model.safetensors.index.json`:
 *
 *     { "metadata": { "total_size": 8 }, "weight_map": { "conv.weight": "model-00001-of-00002.safetensors", .. } }
 *
 * Each tensor is in the file that the index names, and each file holds those tensors and no others.
 */
import { DataError } from '../core/errors.js';
import type { HostTensor, StateDict } from '../core/state.js';
import { object, parseJson, record, text, where } from './json.js';
import type { NumbersOptions } from './numbers.js';
import { printable } from './printable.js';
import { decodeSafetensors } from './safetensors.js';

/** The index alone says which files are read: names of files next to it, never paths that lead elsewhere. */
export const shardName = where(
  text,
  'the name of a file next to the index',
  (name) => !/[/\\:\0]/.test(name) && !['', '.', '..'].includes(name),
);
const schema = object<{ readonly weight_map: Readonly<Record<string, string>> }>({
  weight_map: record(shardName),
});

/**
 * Reads a set of files. One file's bytes are asked for after another.
 * @param index what `model.safetensors.index.json` holds
 * @param file the index's name, for messages
 * @param read gives a file's bytes by its name, which has no folders (by fetch, or from the index's folder)
 * @returns the tensors of all files, in the order of the index
 * @throws {DataError} for a damaged index or file, and where they disagree; and what `read` throws
 */
export async function decodeSafetensorsSet(
  index: string,
  file: string,
  read: (name: string) => Promise<Uint8Array>,
  options: NumbersOptions = {},
): Promise<StateDict> {
  const places = Object.entries(parseJson(index, file, schema).weight_map);
  const found = new Map<string, HostTensor>();
  const shards = new Map<string, Set<string>>();
  for (const [name, shard] of places) {
    const names = shards.get(shard);
    if (names) names.add(name);
    else shards.set(shard, new Set([name]));
  }
  for (const [shard, expected] of shards) {
    const { tensors } = decodeSafetensors(await read(shard), shard, options);
    for (const [name, tensor] of tensors) {
      if (!expected.delete(name)) {
        throw new DataError(
          `${file}: ${printable(shard, 80)} holds ${printable(name, 80)}, which the index doesn't place there`,
        );
      }
      found.set(name, tensor);
    }
    for (const name of expected) {
      throw new DataError(
        `${file}: places ${printable(name, 80)} in ${printable(shard, 80)}, which doesn't hold it`,
      );
    }
  }
  return new Map(
    places.flatMap(([name]): [string, HostTensor][] => {
      const tensor = found.get(name);
      return tensor ? [[name, tensor]] : [];
    }),
  );
}
