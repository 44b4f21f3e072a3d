/** The embedded set: reproducible, disjoint, balanced, and not to be told by colour. */
import { createHash } from 'node:crypto';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { drawSynthetic, SyntheticDataset } from '../../src/data/synthetic/synthetic.js';

const range = (length: number): Uint32Array => Uint32Array.from({ length }, (_, i) => i);
const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex').slice(0, 16);

test('the first pictures are these, for good', async () => {
  const { images, labels } = await new SyntheticDataset(0, 'train', 200).load(range(200));
  assert.is(hash(images), '97f4285c53dc62d8');
  assert.equal([...labels.subarray(0, 12)], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]);
});

test('a picture is a function of its seed, split and index', async () => {
  const dataset = new SyntheticDataset(3, 'train', 50);
  const whole = await dataset.load(range(50));
  const some = await dataset.load([41, 7]);
  assert.equal(some.images.subarray(0, 3072), whole.images.subarray(41 * 3072, 42 * 3072));
  assert.equal(some.images.subarray(3072), whole.images.subarray(7 * 3072, 8 * 3072));
  assert.equal([...some.labels], [1, 7]);
  const other = new Uint8Array(3072);
  drawSynthetic(4, 'train', 41, 32, other);
  assert.not.equal(other, some.images.subarray(0, 3072));
});

test('training and validation share no picture, and none comes twice', async () => {
  const seen = new Set<string>();
  for (const split of ['train', 'validation'] as const) {
    const { images } = await new SyntheticDataset(0, split, 1000).load(range(1000));
    for (let at = 0; at < images.length; at += 3072) seen.add(hash(images.subarray(at, at + 3072)));
  }
  assert.is(seen.size, 2000);
});

test('mean colours of the classes lie too close to tell them apart', async () => {
  const count = 2000;
  const { images, labels } = await new SyntheticDataset(1, 'train', count).load(range(count));
  const colours = Array.from({ length: count }, (_, i) =>
    [0, 1, 2].map(
      (c) => images.subarray(i * 3072 + c * 1024, i * 3072 + (c + 1) * 1024).reduce((a, b) => a + b) / 1024,
    ),
  );
  const centres = Array.from({ length: 10 }, (_, label) =>
    [0, 1, 2].map((c) => {
      const own = colours.filter((_, i) => labels[i] === label);
      return own.reduce((sum, colour) => sum + colour[c]!, 0) / own.length;
    }),
  );
  const distance = (a: readonly number[], b: readonly number[]): number =>
    a.reduce((sum, x, c) => sum + (x - b[c]!) ** 2, 0);
  const wrong = colours.filter((colour, i) => {
    const distances = centres.map((centre) => distance(colour, centre));
    return distances.indexOf(Math.min(...distances)) !== labels[i];
  });
  assert.ok(wrong.length / count > 0.8, `${wrong.length / count} wrong by mean colour`);
});

test('it draws at other sizes, and refuses those that are too small', async () => {
  const dataset = new SyntheticDataset(0, 'validation', 10, 64);
  assert.equal(dataset.imageShape, [3, 64, 64]);
  assert.is((await dataset.load([9])).images.length, 3 * 64 * 64);
  assert.throws(() => new SyntheticDataset(0, 'train', 10, 8), /side 8/);
});

test.run();
