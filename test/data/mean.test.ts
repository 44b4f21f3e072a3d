/** The mean picture: exact, whatever the order and batches. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { HostRandom } from '../../src/backends/threefry.js';
import { drawOf } from '../../src/core/random.js';
import { MemoryDataset } from '../../src/data/dataset.js';
import { Moments, meanOf } from '../../src/data/images/mean.js';

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

test('sums of large and light pictures keep every digit', () => {
  // 512 x 512 pixels of 255: products up to 1.7e10 a picture, sums beyond 16 bits after 257.
  const [side, count] = [512, 300];
  const moments = new Moments([3, side, side]);
  const white = new Uint8Array(3 * side * side).fill(255);
  const black = new Uint8Array(3 * side * side).fill(255, 0, side);
  for (let i = 0; i < count; i++) moments.add(i % 2 === 0 ? white : black);
  const mean = moments.mean('white');
  assert.equal(mean.image[side - 1], 255);
  assert.equal(mean.image[side], 127.5);
  assert.equal(mean.channels, [255 * ((1 + 1 / side) / 2), 127.5, 127.5]);
  // Green and blue are 255 in half of all pixels, together.
  assert.is(mean.pca.covariance[1][2], 127.5 ** 2);
});

test('means, and products of colours, are those of plain sums', () => {
  const random = new HostRandom(drawOf(12, 0));
  for (const [height, width] of [
    [1, 1],
    [3, 7],
    [371, 401],
  ] as const) {
    const area = height * width;
    const images = Uint8Array.from({ length: 2 * 3 * area }, () => random.integer(256));
    const moments = new Moments([3, height, width]);
    moments.add(images);
    const { image, pca } = moments.mean('noise');
    assert.equal(
      image,
      images.subarray(0, 3 * area).reduce(
        (all, x, i) => {
          all[i] = (x + images[3 * area + i]!) / 2;
          return all;
        },
        new Float32Array(3 * area),
      ),
    );
    const sum = (term: (c: readonly number[]) => number): bigint => {
      let total = 0;
      for (let i = 0; i < 2 * area; i++) {
        const at = i + (i < area ? 0 : 2 * area);
        total += term([images[at]!, images[at + area]!, images[at + 2 * area]!]);
      }
      return BigInt(total);
    };
    const n = BigInt(2 * area);
    for (const x of [0, 1, 2] as const) {
      for (const y of [0, 1, 2] as const) {
        const exact = n * sum((c) => c[x]! * c[y]!) - sum((c) => c[x]!) * sum((c) => c[y]!);
        assert.is(pca.covariance[x][y], Number(exact) / Number(n * n), `${height}x${width}, ${x} ${y}`);
      }
    }
  }
});

test.run();
