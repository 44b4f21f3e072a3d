/** Sets of safetensors files: what an index may say, and where it and the files disagree. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { HostTensor } from '../../src/core/state.js';
import { encodeSafetensors } from '../../src/formats/safetensors.js';
import { decodeSafetensorsSet } from '../../src/formats/safetensorsSet.js';
import { joined, refused } from './damage.js';

test('a set of files by its index, and every disagreement by name', async () => {
  const shard = (...names: string[]): Uint8Array =>
    joined(
      ...encodeSafetensors({
        tensors: new Map(names.map((name) => [name, { shape: [1], data: Float32Array.of(name.length) }])),
        metadata: {},
      }),
    );
  const asked: string[] = [];
  const read = (map: object, shards: Record<string, Uint8Array>): Promise<unknown> =>
    decodeSafetensorsSet(
      JSON.stringify({ metadata: { total_size: 12 }, weight_map: map }),
      'x.json',
      async (name) => {
        asked.push(name);
        return shards[name] ?? new Uint8Array(0);
      },
    );
  const map = { 'fc.weight': '2.safetensors', conv: '1.safetensors', 'fc.b': '2.safetensors' };
  const one = shard('conv');
  const two = shard('fc.b', 'fc.weight');
  const tensor = (n: number): HostTensor => ({ shape: [1], data: Float32Array.of(n) });
  assert.equal(
    await read(map, { '1.safetensors': one, '2.safetensors': two }),
    new Map([
      ['fc.weight', tensor(9)],
      ['conv', tensor(4)],
      ['fc.b', tensor(4)],
    ]),
  );
  assert.equal(asked, ['2.safetensors', '1.safetensors']);
  const refuses = (name: string, index: object, two: Uint8Array, message: RegExp): Promise<void> =>
    refused(name, () => read(index, { '1.safetensors': one, '2.safetensors': two }), message);
  await refuses('x.json: ', map, shard('fc.b'), /places fc\.weight in 2\.safetensors, which doesn't hold it/);
  await refuses('x.json: ', map, shard('fc.b', 'fc.weight', 'z'), /2\.safetensors holds z, which/);
  await refuses('2.safetensors: ', map, two.subarray(0, -1), /cut short/);
  asked.length = 0;
  for (const path of ['../1.safetensors', '/etc/passwd', 'a\\b', 'https://x', '..', ''])
    await refuses('x.json: ', { w: path }, two, /weight_map\["w"\] is .*expected the name of a file next to/);
  await refuses('x.json: ', { w: 3 }, two, /expected/);
  assert.equal(asked, [], 'nothing is read by such an index');
});

test.run();
