/** Principal components of colours, and the noise made from them. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { HostRandom } from '../../src/backends/threefry.js';
import { drawOf } from '../../src/core/random.js';
import { MemoryDataset } from '../../src/data/dataset.js';
import { Moments, meanOf } from '../../src/data/images/mean.js';
import { type ColourForm, colourShift, type Pca, pcaOf, type Triple } from '../../src/data/images/pca.js';

const seed = Math.floor(Math.random() * 2 ** 32);
console.log(`seed ${seed}`);
const random = new HostRandom(drawOf(seed, 0));

function close(found: number, expected: number, tolerance: number, what: string): void {
  assert.ok(Math.abs(found - expected) <= tolerance, `${what}: ${found}, expected ${expected}`);
}

/** C p - lambda p must be 0, the vectors orthonormal, the values in order. */
function checkComponents({ covariance, values, vectors }: Pca, what: string): void {
  const scale = Math.max(...covariance.flat().map(Math.abs), 1e-300);
  for (const [k, p] of vectors.entries()) {
    for (const [i, row] of covariance.entries()) {
      const product = row.reduce((sum, c, j) => sum + c * p[j]!, 0);
      close(product, values[k]! * p[i]!, 1e-12 * scale, `${what}: component ${k}, row ${i}`);
    }
    for (const [l, q] of vectors.entries()) {
      const dot = p.reduce((sum, x, j) => sum + x * q[j]!, 0);
      close(dot, k === l ? 1 : 0, 1e-14, `${what}: ${k} times ${l}`);
    }
    assert.ok(k === 0 || values[k - 1]! >= values[k]!, `${what}: ${values}`);
    assert.ok(Math.max(...p) >= Math.max(...p.map(Math.abs)) - 1e-15, `${what}: sign of ${p}`);
  }
}

test("components of random covariances, of ImageNet's, and of ones without a spread", () => {
  for (let round = 0; round < 200; round++) {
    const factor = Array.from({ length: 3 }, () => [random.normal(), random.normal(), random.normal()]);
    const at = (i: number, j: number): number =>
      1000 * factor[i]!.reduce((sum, x, k) => sum + x * factor[j]![k]!, 0);
    const rows: [Triple, Triple, Triple] = [
      [at(0, 0), at(0, 1), at(0, 2)],
      [at(1, 0), at(1, 1), at(1, 2)],
      [at(2, 0), at(2, 1), at(2, 2)],
    ];
    checkComponents(pcaOf(rows), `round ${round}`);
  }
  checkComponents(
    pcaOf([
      [0, 0, 0],
      [0, 0, 0],
      [0, 0, 0],
    ]),
    'nothing',
  );
  const grey = pcaOf([
    [9, 9, 9],
    [9, 9, 9],
    [9, 9, 9],
  ]);
  checkComponents(grey, 'grey');
  close(grey.values[0], 27, 1e-12, 'grey');
  const diagonal = pcaOf([
    [1, 0, 0],
    [0, 3, 0],
    [0, 0, 2],
  ]);
  assert.equal(diagonal.values, [3, 2, 1]);
  assert.equal(diagonal.vectors[0], [0, 1, 0]);
});

/** Pictures of 4x5 whose channels depend on each other. */
function pictures(count: number): MemoryDataset {
  const images = new Uint8Array(count * 60);
  for (let i = 0; i < images.length; i++) images[i] = random.integer(256) >> (i % 60 < 20 ? 1 : 0);
  for (let at = 0; at < images.length; at += 60) {
    for (let i = 0; i < 20; i++) images[at + 40 + i] = (images[at + i]! + images[at + 20 + i]!) >> 1;
  }
  return new MemoryDataset('random', ['a'], [3, 4, 5], images, new Int32Array(count));
}

test('the covariance is that of all pixels, to the last digit', async () => {
  const set = pictures(37);
  const { pca, channels } = await meanOf(set);
  for (let x = 0; x < 3; x++) {
    for (let y = 0; y < 3; y++) {
      let sum = 0;
      for (let at = 0; at < set.images.length; at += 60) {
        for (let i = 0; i < 20; i++) {
          sum +=
            (set.images[at + 20 * x + i]! - channels[x]!) * (set.images[at + 20 * y + i]! - channels[y]!);
        }
      }
      close(pca.covariance[x]![y]!, sum / (37 * 20), 1e-9, `${x}, ${y}`);
    }
  }
  checkComponents(pca, 'pictures');
});

test('order and grouping of the pictures change no bit of mean and components', async () => {
  const set = pictures(64);
  const expected = await meanOf(set);
  assert.equal(await meanOf(set.pick(random.permutation(64)), { batchSize: 5 }), expected);
  const moments = new Moments([3, 4, 5]);
  moments.add(set.images.subarray(60 * 40));
  moments.add(set.images.subarray(0, 60 * 40));
  assert.equal(moments.mean('parts'), expected);
});

test("noise has the paper's spread along each component, literally or by its root", () => {
  const pca = pcaOf([
    [400, 0, 0],
    [0, 100, 0],
    [0, 0, 4],
  ]);
  const spread = (form: ColourForm, deviation?: number): number[] => {
    const noise = { pca, form, ...(deviation === undefined ? {} : { deviation }) };
    const sums = [0, 0, 0];
    const draws = new HostRandom(drawOf(3, 1));
    const count = 20_000;
    for (let i = 0; i < count; i++) {
      for (const [c, x] of colourShift(noise, draws).entries()) sums[c]! += x * x;
    }
    return sums.map((sum) => Math.sqrt(sum / count));
  };
  for (const [found, expected] of [
    [spread('sqrt'), [2, 1, 0.2]],
    [spread('lambda'), [40, 10, 0.4]],
    [spread('sqrt', 0.5), [10, 5, 1]],
  ] as const) {
    for (const [c, value] of found.entries()) close(value, expected[c]!, 0.03 * expected[c]!, `${found}`);
  }
});

test.run();
