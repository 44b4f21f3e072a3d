/** The mean picture: exact, whatever the order and batches. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { HostRandom } from '../../src/backends/threefry.js';
import { drawOf } from '../../src/core/random.js';
import { MemoryDataset } from '../../src/data/dataset.js';
import { meanOf } from '../../src/data/images/mean.js';

test('mean picture and colour by hand', async () => {
  const images = Uint8Array.from([...[0, 255, 10, 20, 1, 1], ...[10, 255, 30, 20, 2, 0]]);
  const set = new MemoryDataset('two', ['a', 'b'], [3, 1, 2], images, Int32Array.of(0, 1));
  const mean = await meanOf(set);
  assert.equal([...mean.image], [5, 255, 20, 20, 1.5, 0.5]);
  assert.equal(mean.channels, [130, 20, 1]);
  assert.is(mean.count, 2);
});

test('order and batch size leave every bit alone', async () => {
  const random = new HostRandom(drawOf(11, 0));
  const images = Uint8Array.from({ length: 301 * 48 }, () => random.integer(256));
  const set = new MemoryDataset('noise', ['a', 'b'], [3, 4, 4], images, new Int32Array(301));
  const mean = await meanOf(set);
  assert.equal(await meanOf(set, { batchSize: 7 }), mean);
  assert.equal(await meanOf(set.pick(random.permutation(301))), mean);
});

test.run();
