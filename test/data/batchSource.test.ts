/**
 * Batches of anything: the order of an epoch is drawn from (seed, epoch), and an epoch can be begun at any batch.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type BatchSource, batchesOf, type Placed } from '../../src/data/batchSource.js';
import { rejection } from '../support/errors.js';

const test = suite('batch source');

async function taken<B>(source: BatchSource<B>, epoch = 0, start = 0): Promise<Placed<B>[]> {
  const all: Placed<B>[] = [];
  for await (const entry of source.epoch(epoch, start)) all.push(entry);
  return all;
}

const words = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
const joined = (indices: Uint32Array): string => Array.from(indices, (i) => words[i]).join('');

test('batches of samples found by number, each with its place', async () => {
  const plain = batchesOf('letters', 7, { batchSize: 3 }, joined);
  assert.is(plain.length, 3);
  assert.equal(await taken(plain), [
    [0, 'abc'],
    [1, 'def'],
    [2, 'g'],
  ]);
  const even = batchesOf('letters', 7, { batchSize: 3, dropLast: true }, joined);
  assert.equal([even.length, (await taken(even)).length], [2, 2]);
});

test('an epoch is shuffled by seed and epoch alone, and goes on from any batch as it would have', async () => {
  const source = batchesOf('letters', 7, { batchSize: 2, shuffle: true, seed: 3 }, joined);
  const first = await taken(source, 0);
  assert.equal([...first.map(([, text]) => text).join('')].sort().join(''), 'abcdefg');
  assert.not.equal(await taken(source, 1), first);
  const other = batchesOf('letters', 7, { batchSize: 2, shuffle: true, seed: 4 }, joined);
  assert.not.equal(await taken(other, 0), first);
  for (let start = 0; start <= 4; start++) {
    assert.equal(await taken(source, 0, start), first.slice(start), `from batch ${start}`);
  }
});

test('a batch that can not be made is an error where it would have come; one that is not asked for is none', async () => {
  const source = batchesOf('letters', 7, { batchSize: 2 }, async (indices) => {
    if (indices[0] === 4) throw new Error('no letters');
    return joined(indices);
  });
  const got: string[] = [];
  const failed = await rejection(
    (async () => {
      for await (const [, text] of source.epoch(0, 0)) got.push(text);
    })(),
  );
  assert.equal([got, failed.message], [['ab', 'cd'], 'no letters']);
  for await (const [, text] of source.epoch(0, 0)) if (text === 'cd') break;
});

test('counts that can not be are refused', () => {
  assert.throws(
    () => batchesOf('x', 7, { batchSize: 0 }, joined),
    /batchSize 0 isn't an integer of at least 1/,
  );
  assert.throws(() => batchesOf('x', 7, { batchSize: 1, prefetch: -1 }, joined), /prefetch -1/);
});

test.run();
