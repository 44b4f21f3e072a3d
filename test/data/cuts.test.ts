/** Ten crops, and the mean picture cut as the pictures were. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { HostRandom } from '../../src/backends/threefry.js';
import { ArgumentError } from '../../src/core/errors.js';
import { drawOf } from '../../src/core/random.js';
import { MemoryDataset } from '../../src/data/dataset.js';
import { centreOfMean, meanCrops, tenCrops } from '../../src/data/images/cuts.js';
import { batches } from '../../src/data/loader.js';

/** `count` pictures of side 7: pixel (x, y) of plane c of picture i is 49 c + 7 y + x + i. */
function numbered(count: number): Uint8Array {
  return Uint8Array.from({ length: count * 147 }, (_, at) => (at % 147) + Math.floor(at / 147));
}

test('ten crops: four corners and the centre, then mirrored, picture by picture', () => {
  const { images, offsets, mirrored } = tenCrops(numbered(2), 7, 4);
  assert.is(images.length, 20 * 48);
  const corners = [0, 3, 21, 24, 8];
  for (let i = 0; i < 20; i++) {
    const cut = images.subarray(i * 48, (i + 1) * 48);
    const corner = corners[i % 5]! + Math.floor(i / 10);
    const isMirrored = i % 10 >= 5;
    assert.is(mirrored[i], Number(isMirrored));
    assert.is(offsets[2 * i]! * 7 + offsets[2 * i + 1]!, corners[i % 5]);
    const across = isMirrored ? [3, 2, 1, 0] : [0, 1, 2, 3];
    for (const c of [0, 1, 2]) {
      for (const y of [0, 1, 2, 3]) {
        const row = [...cut.subarray(16 * c + 4 * y, 16 * c + 4 * y + 4)];
        assert.equal(
          row,
          across.map((x) => corner + 49 * c + 7 * y + x),
        );
      }
    }
  }
});

test('of 256 pixels and 224: corners at 0 and 32, the centre at 16', () => {
  const { offsets } = tenCrops(new Uint8Array(3 * 256 * 256), 256, 224);
  assert.equal([...offsets.subarray(0, 10)], [0, 0, 0, 32, 32, 0, 32, 32, 16, 16]);
});

test('the mean is cut where the picture was, so that a picture equal to it leaves nothing', async () => {
  const random = new HostRandom(drawOf(4, 0));
  const mean = Float32Array.from({ length: 3 * 81 }, () => random.integer(256));
  const images = new Uint8Array(50 * mean.length);
  for (let i = 0; i < 50; i++) images.set(mean, i * mean.length);
  const set = new MemoryDataset('means', ['a'], [3, 9, 9], images, new Int32Array(50));
  for await (const batch of batches(set, { batchSize: 50, crop: 6, augment: true, seed: 8 })) {
    const cut = meanCrops(mean, 9, 6, batch);
    assert.equal([...cut], [...batch.images]);
  }
  const ten = tenCrops(images.subarray(0, 2 * mean.length), 9, 6);
  assert.equal([...meanCrops(mean, 9, 6, ten)], [...ten.images]);
});

test('alike cuts share one piece of the mean, which is its centre in validation', async () => {
  const mean = Float32Array.from({ length: 147 }, (_, i) => i / 2);
  const set = new MemoryDataset('set', ['a'], [3, 7, 7], numbered(3), new Int32Array(3));
  for await (const batch of batches(set, { batchSize: 3, crop: 4 })) {
    const cut = meanCrops(mean, 7, 4, batch);
    assert.is(cut.length, 48);
    assert.equal([...cut], [...centreOfMean(mean, 7, 4)]);
  }
  assert.is(centreOfMean(mean, 7, 4)[0], 4);
});

test('a square larger than the picture is refused', () => {
  const refused = (run: () => unknown): void => {
    try {
      run();
    } catch (error) {
      assert.instance(error, ArgumentError);
      return;
    }
    assert.unreachable();
  };
  refused(() => tenCrops(numbered(1), 7, 8));
  refused(() => tenCrops(numbered(1).subarray(1), 7, 4));
  refused(() => centreOfMean(new Float32Array(147), 7, 0));
});

test.run();
