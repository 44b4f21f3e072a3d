/** Batches: order, crops and mirroring are functions of (seed, epoch, index) and of nothing else. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type BatchSource, batchCount } from '../../src/data/batchSource.js';
import { type Dataset, type LoadedImages, MemoryDataset } from '../../src/data/dataset.js';
import { pcaOf } from '../../src/data/images/pca.js';
import { type Batch, batches, imageBatches, type LoaderOptions } from '../../src/data/loader.js';
import { rejection } from '../support/errors.js';

/** `count` pictures 6x5; picture i has plane c, pixel p = 30 c + p, plus 100 when i is odd. */
function numbered(count: number): MemoryDataset {
  const images = new Uint8Array(count * 90);
  for (let i = 0; i < images.length; i++) images[i] = (i % 90) + 100 * (Math.floor(i / 90) % 2);
  const labels = Int32Array.from({ length: count }, (_, i) => i % 2);
  return new MemoryDataset('numbered', ['even', 'odd'], [3, 6, 5], images, labels);
}

async function all(dataset: Dataset, options: LoaderOptions): Promise<Batch[]> {
  const found: Batch[] = [];
  for await (const batch of batches(dataset, options)) found.push(batch);
  return found;
}

const order = (found: readonly Batch[]): number[] => found.flatMap(({ indices }) => [...indices]);

test('an epoch visits every picture once, another epoch in another order', async () => {
  const dataset = numbered(103);
  const options = { batchSize: 10, shuffle: true, seed: 5 };
  const first = order(await all(dataset, options));
  assert.equal(
    first.slice().sort((a, b) => a - b),
    Array.from({ length: 103 }, (_, i) => i),
  );
  assert.equal(order(await all(dataset, options)), first);
  assert.not.equal(order(await all(dataset, { ...options, epoch: 1 })), first);
  assert.not.equal(order(await all(dataset, { ...options, seed: 6 })), first);
});

test('without shuffling the order is that of the set, labels with their pictures', async () => {
  const found = await all(numbered(7), { batchSize: 3 });
  assert.equal(order(found), [0, 1, 2, 3, 4, 5, 6]);
  assert.equal(
    found.map(({ images }) => images.length),
    [270, 270, 90],
  );
  for (const { images, labels, indices } of found) {
    for (const [i, index] of indices.entries()) {
      assert.is(labels[i], index % 2);
      assert.is(images[i * 90], 100 * (index % 2));
    }
  }
});

test('starting in the middle and prefetching change nothing in a batch', async () => {
  const dataset = numbered(50);
  const options = { batchSize: 8, shuffle: true, augment: true, crop: 3, seed: 9, epoch: 2 };
  const whole = await all(dataset, options);
  assert.is(whole.length, 7);
  for (const prefetch of [0, 1, 5, 100]) {
    assert.equal(await all(dataset, { ...options, prefetch }), whole);
    assert.equal(await all(dataset, { ...options, prefetch, start: 4 }), whole.slice(4));
  }
});

test('the batch size and order a picture comes in leave its crop and mirroring alone', async () => {
  const dataset = numbered(40);
  const byIndex = async (options: LoaderOptions): Promise<Map<number, string>> => {
    const found = new Map<number, string>();
    for (const { images, indices } of await all(dataset, { ...options, augment: true, crop: 4, seed: 1 })) {
      for (const [i, index] of indices.entries()) found.set(index, images.slice(i * 48, (i + 1) * 48).join());
    }
    return found;
  };
  const ordered = await byIndex({ batchSize: 40 });
  const shuffled = await byIndex({ batchSize: 7, shuffle: true });
  for (const [index, picture] of ordered) assert.is(shuffled.get(index), picture);
});

test('augmentation cuts every place and mirrors half, keeping channels together', async () => {
  const count = 4000;
  const seen = new Map<string, number>();
  for (const { images } of await all(numbered(count), { batchSize: 500, augment: true, crop: 4 })) {
    for (let at = 0; at < images.length; at += 48) {
      const [a, b] = [images[at]! % 100, images[at + 1]! % 100];
      const mirrored = b < a;
      const corner = mirrored ? a - 3 : a;
      seen.set(`${corner} ${mirrored}`, (seen.get(`${corner} ${mirrored}`) ?? 0) + 1);
      for (const plane of [1, 2]) assert.is(images[at + 16 * plane], images[at]! + 30 * plane);
      assert.is(images[at + 4], images[at]! + 5);
    }
  }
  // Corners (0..2, 0..1) of a 6x5 picture, either way round: 12, each about 1 in 12.
  assert.is(seen.size, 12);
  for (const [where, times] of seen) assert.ok(Math.abs(times - count / 12) < 100, `${where}: ${times}`);
});

test('places below the margin leave the last out; without a margin there is one', async () => {
  const corners = async (crop: number): Promise<Set<number>> => {
    const found = new Set<number>();
    const options = { batchSize: 500, augment: true, crop, places: 'below-margin' } as const;
    for (const { offsets } of await all(numbered(2000), options)) {
      for (let i = 0; i < offsets.length; i += 2) found.add(10 * offsets[i]! + offsets[i + 1]!);
    }
    return found;
  };
  // 6x5: margins 3 and 2 for 3x3, 1 and 0 for 5x5.
  assert.equal([...(await corners(3))].sort(), [0, 1, 10, 11, 20, 21].sort());
  assert.equal([...(await corners(5))], [0]);
});

test('pictures in a row share a cut when asked, also from the middle and around unreadable ones', async () => {
  const options = { batchSize: 6, augment: true, crop: 2, shuffle: true, sharedBy: 4, seed: 3 } as const;
  const cuts = async (dataset: Dataset, start = 0): Promise<Map<number, string>> => {
    const found = new Map<number, string>();
    for (const { indices, offsets, mirrored } of await all(dataset, { ...options, start })) {
      for (const [i, index] of indices.entries()) {
        found.set(index, `${offsets[2 * i]} ${offsets[2 * i + 1]} ${mirrored[i]}`);
      }
    }
    return found;
  };
  const whole = await cuts(numbered(60));
  const sequence = [...whole.values()];
  for (let i = 0; i < 60; i++) assert.is(sequence[i], sequence[i - (i % 4)]);
  assert.ok(new Set(sequence).size > 6, 'groups differ');
  for (const [index, cut] of await cuts(numbered(60), 3)) assert.is(cut, whole.get(index));
  for (const [index, cut] of await cuts(damaged(60, (i) => i % 7 === 1))) assert.is(cut, whole.get(index));
});

test('colour noise is of the picture and epoch, whatever the order, and leaves crops alone', async () => {
  const pca = pcaOf([
    [900, 100, 50],
    [100, 700, 20],
    [50, 20, 100],
  ]);
  const options = { augment: true, crop: 4, seed: 6 };
  const plainBatches = await all(numbered(30), { ...options, batchSize: 30 });
  const shifts = async (more: Partial<LoaderOptions>): Promise<Map<number, string>> => {
    const found = new Map<number, string>();
    for (const { indices, colour, images } of await all(numbered(30), {
      ...options,
      batchSize: 30,
      colour: { pca },
      ...more,
    })) {
      for (const [i, index] of indices.entries()) {
        found.set(index, [...colour!.subarray(3 * i, 3 * i + 3)].join());
        const expected = plainBatches[0]!.images.subarray(index * 48, (index + 1) * 48);
        if (!more.epoch) assert.equal([...images.subarray(i * 48, (i + 1) * 48)], [...expected]);
      }
    }
    return found;
  };
  const whole = await shifts({});
  assert.is(new Set(whole.values()).size, 30);
  for (const more of [{ shuffle: true }, { batchSize: 4, start: 2 }, { shuffle: true, prefetch: 0 }]) {
    for (const [index, shift] of await shifts(more)) assert.is(shift, whole.get(index));
  }
  assert.not.equal(await shifts({ epoch: 1 }), whole);
  assert.is(plainBatches[0]!.colour, undefined);
});

test('evaluation cuts the centre and mirrors nothing', async () => {
  const [batch] = await all(numbered(1), { batchSize: 1, crop: 2 });
  // Rows 2 and 3, columns 1 and 2 of 6x5.
  assert.equal([...batch!.images.subarray(0, 4)], [11, 12, 16, 17]);
});

test('dropLast leaves out the short batch', async () => {
  assert.is((await all(numbered(10), { batchSize: 4, dropLast: true })).length, 2);
  assert.equal([batchCount(10, 4), batchCount(10, 4, true), batchCount(8, 4, true)], [3, 2, 2]);
});

/** A set some of whose pictures can't be read. */
function damaged(count: number, bad: (index: number) => boolean): Dataset {
  const inner = numbered(count);
  const { name, classes, imageShape, labels, unreadable } = inner;
  const load = (indices: ArrayLike<number>): Promise<LoadedImages> =>
    inner.load(Array.from(indices).filter((index) => !bad(index)));
  return { name, classes, imageShape, labels, unreadable, length: count, load };
}

test('unreadable pictures make a batch smaller, and one without any is left out, numbers kept', async () => {
  const found = await all(
    damaged(12, (index) => index === 1 || (index >= 4 && index < 8)),
    { batchSize: 4 },
  );
  assert.equal(
    found.map(({ number, indices }) => [number, ...indices]),
    [
      [0, 0, 2, 3],
      [2, 8, 9, 10, 11],
    ],
  );
});

test('an error of the set reaches the caller, also when fetched ahead', async () => {
  const dataset = numbered(9);
  const failing: Dataset = {
    ...damaged(9, () => false),
    load: async (indices) => {
      if (Array.from(indices).includes(8)) throw new Error('disk gone');
      return dataset.load(indices);
    },
  };
  const found: number[] = [];
  try {
    for await (const batch of batches(failing, { batchSize: 3, prefetch: 5 })) found.push(batch.number);
    assert.unreachable();
  } catch (error) {
    assert.match(String(error), 'disk gone');
  }
  assert.equal(found, [0, 1]);
});

test('as a training takes them: places kept, options that change with the epoch, nothing left is an error', async () => {
  const taken = async (source: BatchSource<Batch>, epoch: number, start: number): Promise<unknown[]> => {
    const found: unknown[] = [];
    for await (const [place, { indices, mirrored }] of source.epoch(epoch, start)) {
      found.push([place, ...indices, ...mirrored]);
    }
    return found;
  };
  const some = damaged(6, (index) => index === 2 || index === 3);
  const source = imageBatches(some, { batchSize: 2 });
  assert.is(source.length, 3);
  assert.equal(await taken(source, 0, 0), [
    [0, 0, 1, 0, 0],
    [2, 4, 5, 0, 0],
  ]);
  assert.equal(await taken(source, 0, 2), [[2, 4, 5, 0, 0]]);
  const changing = imageBatches(some, (epoch) => ({ batchSize: 2, shuffle: epoch > 0, seed: 1 }));
  assert.equal(await taken(changing, 0, 0), await taken(source, 0, 0));
  const shuffled = imageBatches(some, { batchSize: 2, shuffle: true, seed: 1 });
  assert.equal(await taken(changing, 3, 0), await taken(shuffled, 3, 0));
  const none = imageBatches(
    damaged(4, () => true),
    { batchSize: 2 },
  );
  assert.match((await rejection(taken(none, 0, 0))).message, /0 unreadable images, none is left/);
  assert.equal(await taken(none, 0, 1), [], 'what came before was read');
});

test('what cannot be is refused', async () => {
  const refused = async (options: LoaderOptions, message: RegExp): Promise<void> => {
    try {
      await all(numbered(4), options);
    } catch (error) {
      assert.match(String(error), message);
      return;
    }
    assert.unreachable(String(message));
  };
  await refused({ batchSize: 0 }, /batchSize 0/);
  await refused({ batchSize: 2, start: -1 }, /start -1/);
  await refused({ batchSize: 2, crop: 6 }, /can't cut 6x6 from the 5x6/);
});

test.run();
