/** Binary codes: neighbours by L2 are found again by code; the same codes after saving; searches by hand. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Coder, nearestCodes, recallOf } from '../../src/alexnet/codes.js';
import { type FeatureTable, nearest, pickRows } from '../../src/alexnet/features.js';
import { HostRandom } from '../../src/backends/threefry.js';
import { DataError } from '../../src/core/errors.js';
import { drawOf } from '../../src/core/random.js';
import { decodeSealed, encodeSealed } from '../../src/data/sealed.js';
import { encodeSafetensors, type SafetensorsFile } from '../../src/formats/safetensors.js';
import { withDevices } from '../support/devices.js';

const test = suite('codes');
const width = 40;
const joined = (pieces: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(pieces));

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

test('a file of codes whose text can not be is refused, and takes no memory for what it claims', async () => {
  await withDevices([{ threads: 1 }], async (device) => {
    const coder = new Coder({ width, hidden: 8, bits: 8 }, device);
    const table = clustered(4, 3);
    const { tensors, metadata } = decodeSealed(joined(await coder.save(await coder.encode(table))), 'x');
    coder.dispose();
    const load = (file: SafetensorsFile): unknown => Coder.load(joined(encodeSealed(file)), 'x', device);
    const cases: [Record<string, string>, RegExp][] = [
      [{ sizes: '{' }, /^x: sizes: not JSON/],
      [{ sizes: '{"width":40,"hidden":8,"bits":12}' }, /^x: sizes: bits is 12, expected a multiple of 8/],
      [{ sizes: '{"width":40,"hidden":1e15,"bits":8}' }, /^x: encoder\.weight is 8x40, expected/],
      [{ sizes: '{"width":1e15,"hidden":8,"bits":8}' }, /^x: shift is \[40\], expected/],
      [{ names: '["0"]' }, /^x: codes is 4x1, expected 1x1/],
      [{ names: '[0, 1, 2, 3]' }, /^x: names: it\[0\] is 0, expected text/],
      [{ deviation: 'NaN' }, /^x: deviation: not JSON/],
      [{ deviation: '0' }, /^x: deviation: it is 0, expected a number above 0/],
      [{ format: 'x' }, /^x: no file of codes/],
    ];
    for (const [text, message] of cases) {
      assert.throws(
        () => load({ tensors, metadata: { ...metadata, ...text } }),
        (error: unknown) => {
          assert.instance(error, DataError, String(error));
          assert.match(String(error).replace('DataError: ', ''), message, String(error));
          return true;
        },
      );
    }
    const { 'output.bias': _, ...rest } = Object.fromEntries(tensors);
    assert.throws(
      () => load({ tensors: new Map(Object.entries(rest)), metadata }),
      (error: unknown) => error instanceof DataError && /^x: .*output\.bias is missing/s.test(error.message),
    );
    assert.throws(
      () => Coder.load(joined(encodeSafetensors({ tensors, metadata })), 'x', device),
      /no checksum/,
    );
    assert.is(device.memory().buffers, 0);
    // From before the seal.
    const earlier = encodeSafetensors({ tensors, metadata: { ...metadata, format: 'tandem-codes-1' } });
    Coder.load(joined(earlier), 'x', device).coder.dispose();
  });
});

test.run();
