/** Binary codes: neighbours by L2 are found again by code; the same codes after saving; searches by hand. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Coder, nearestCodes, recallOf } from '../../src/alexnet/codes.js';
import { type FeatureTable, nearest, pickRows } from '../../src/alexnet/features.js';
import { drawOf, HostRandom } from '../../src/core/random.js';
import { withDevices } from '../support/devices.js';

const test = suite('codes');
const width = 40;

/** Vectors around 12 centres, as the classes of a trained network lie. */
function clustered(count: number, seed: number): FeatureTable {
  const random = new HostRandom(drawOf(1, 0));
  const centres = Float32Array.from({ length: 12 * width }, () => 4 * random.normal());
  const noise = new HostRandom(drawOf(seed, 1));
  const vectors = Float32Array.from({ length: count * width }, (_, i) => {
    const [row, column] = [Math.floor(i / width), i % width];
    return 7 + centres[(row % 12) * width + column]! + noise.normal();
  });
  return { names: Array.from({ length: count }, (_, i) => `${i}`), width, vectors };
}

test('codes find most of what L2 finds, also for vectors not trained on', async () => {
  await withDevices([{ threads: 1 }], async (device) => {
    const table = clustered(240, 2);
    const rows = Array.from(table.names.keys());
    const coder = new Coder({ width, hidden: 64, bits: 32 }, device);
    const losses: number[] = [];
    const training = {
      epochs: 60,
      batchSize: 32,
      learningRate: 0.1,
      seed: 0,
      onEpoch: (_: number, loss: number) => losses.push(loss),
    };
    await coder.fit(
      pickRows(
        table,
        rows.filter((row) => row % 4 !== 0),
      ),
      training,
    );
    assert.ok(losses.at(-1)! < 0.35 && losses[0]! > 0.8, `losses ${losses[0]} to ${losses.at(-1)}`);
    const codes = await coder.encode(table);
    assert.is(codes.bytes.length, 240 * 4);
    const recall = recallOf(table, codes, {
      exact: 10,
      candidates: 30,
      queries: rows.filter((row) => row % 4 === 0),
    });
    // By chance it would be 30 / 239.
    assert.ok(recall > 0.8, `recall ${recall}`);

    const file = new Uint8Array(Buffer.concat(await coder.save(codes)));
    const read = Coder.load(file, 'codes', device);
    assert.equal(read.codes, codes);
    assert.equal(await read.coder.encode(table), codes);
    for (const each of [coder, read.coder]) each.dispose();
    assert.is(device.memory().buffers, 0);
  });
});

test('searches by hand', () => {
  const table = { names: ['a', 'b', 'c'], width: 2, vectors: Float32Array.of(0, 0, 3, 4, 1, 0) };
  assert.equal(nearest(table, Float32Array.of(0, 0), 3), [
    { row: 0, distance: 0 },
    { row: 2, distance: 1 },
    { row: 1, distance: 5 },
  ]);
  assert.throws(() => nearest(table, Float32Array.of(1), 1), /1 features, the table 2/);
  const codes = { names: ['a', 'b', 'c'], bytes: Uint8Array.of(0b1111, 1, 0, 0, 0b0111, 0) };
  assert.equal(nearestCodes(codes, Uint8Array.of(0b0111, 0), 2), [
    { row: 2, distance: 0 },
    { row: 0, distance: 2 },
  ]);
});

test('what cannot be is refused', async () => {
  await withDevices([{ threads: 1 }], async (device) => {
    assert.throws(() => new Coder({ width, hidden: 8, bits: 12 }, device), /12 bits/);
    const coder = new Coder({ width: 3, hidden: 8, bits: 8 }, device);
    try {
      await coder.encode(clustered(4, 3));
      assert.unreachable();
    } catch (error) {
      assert.match(String(error), /vectors of 3 numbers, these have 40/);
    }
    coder.dispose();
    assert.throws(() => Coder.load(new Uint8Array(4), 'x', device), /x: not a whole safetensors/);
  });
});

test.run();
