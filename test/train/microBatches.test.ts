/**
 * Micro-batches: which parts a rank takes in which order, what can't be, and that one process comes to the sums of a
 * whole batch. That several ranks come to the same bits is in ranks/ranks.test.ts.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { zeros } from '../../src/core/ops/create.js';
import { type BatchSource, batchesOf } from '../../src/data/batchSource.js';
import { Layer, Linear, Sequential } from '../../src/nn/index.js';
import { partsOf, partsOfEpoch, sumInTree } from '../../src/train/microBatches.js';
import { Ranks } from '../../src/train/ranks/ranks.js';
import { withDevices } from '../support/devices.js';
import { thrown } from '../support/errors.js';

const data: BatchSource<number[]> = batchesOf('numbers', 10, { batchSize: 8 }, (indices) => [...indices]);

test('parts are taken so that neighbours of the order are what the tree adds first', async () => {
  await withDevices([{ threads: 1 }], async (device) => {
    const model = new Linear(2, 2, { device });
    const sources = partsOf(data, Ranks.alone(), model, 8);
    assert.equal(
      sources.map(({ share }) => share.rank),
      [0, 4, 2, 6, 1, 5, 3, 7],
    );
    const seen = [];
    for await (const { place, parts } of partsOfEpoch(sources, 0, 0)) {
      seen.push([place, ...parts.map(({ batch, counts }) => (counts ? batch : null))]);
    }
    // The second batch has two samples: six parts have none.
    const none = [null, null, null];
    assert.equal(seen, [
      [0, [0], [4], [2], [6], [1], [5], [3], [7]],
      [1, [8], ...none, [9], ...none],
    ]);
    model.dispose();
  });
  assert.is(
    sumInTree(['0', '4', '2', '6'], (a, b) => `(${a} + ${b})`),
    '((0 + 4) + (2 + 6))',
  );
});

test('what would depend on the number of ranks is an error', async () => {
  await withDevices([{ threads: 1 }], async (device) => {
    class Counting extends Layer {
      readonly seen = this.buffer(zeros([1], { device }));
      forward = <T>(x: T): T => x;
    }
    const model = new Sequential(new Linear(2, 2, { device }), new Counting());
    const asked = (count: number) => (): unknown => partsOf(data, Ranks.alone(), model, count);
    assert.match(thrown(asked(6)).message, /microBatches is 6, expected a power of two/);
    assert.match(thrown(asked(4)).message, /1\.seen is a buffer.*leave microBatches out/);
    const { share, ...unshared } = data;
    const fixed = (): unknown => partsOf(unshared, Ranks.alone(), new Sequential(), 4);
    assert.match(thrown(fixed).message, /numbers can't be cut into 4 shares/);
    model.dispose();
  });
});

test.run();
