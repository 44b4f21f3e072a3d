/**
 * Dry runs: the paper's network fits two devices of 1.4 GB, takes the multiply-adds and crossings that the tables
 * predict, and few dispatches beside its products; and the account is the real devices' own.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { crossings, placeLayers } from '../../src/alexnet/architecture.js';
import { dryRunNet } from '../../src/alexnet/dryRun.js';
import { nets } from '../../src/alexnet/recipes.js';
import { Trainer } from '../../src/alexnet/trainer.js';
import type { DeviceName } from '../../src/backends/open.js';
import { OutOfMemoryError } from '../../src/core/errors.js';
import { defaultGenerator } from '../../src/core/random.js';
import { products, type StepNeeds } from '../../src/train/dryRun.js';
import { GradientSums } from '../../src/train/ranks/gradients.js';
import { Ranks } from '../../src/train/ranks/ranks.js';
import { takeSharedStep, takeStep } from '../../src/train/step.js';
import { withDevices } from '../support/devices.js';

const test = suite('dry run');

const alexnet = { net: nets.alexnet, recipe: nets.alexnet.recipe, classes: 1000 };
const two: readonly DeviceName[] = ['webgpu:0', 'webgpu:1'];

function needs(devices: readonly DeviceName[]): Promise<StepNeeds> {
  return dryRunNet({ ...alexnet, devices });
}

test('AlexNet at batch 128 on two devices of 1.4 GB each', async () => {
  for (const devices of [two, ['cpu:0', 'cpu:1'] as const]) {
    for (const { name, resident, peak, reserved } of (await needs(devices)).devices) {
      assert.ok(resident > 8 * 28e6, `${name}: parameters and velocities take ${resident}`);
      assert.ok(peak > 1.5 * resident && peak <= reserved, `${name}: ${peak} of ${reserved}`);
      assert.ok(reserved <= 1.4e9, `${name}: ${reserved}`);
    }
  }
});

test("the tables' multiply-adds and crossings", async () => {
  const placed = placeLayers(nets.alexnet.architecture, nets.alexnet.placement(1000));
  const macs = placed.map(({ towers }) =>
    towers.reduce((sum, { weight, positions: [h, w] }) => sum + weight.reduce((a, b) => a * b, h * w), 0),
  );
  const forward = macs.reduce((sum, of) => sum + of, 0);
  // Forward, weight gradient, input gradient; the images need none.
  const expected = 128 * (3 * forward - macs[0]!);
  for (const devices of [two, ['cpu:0'] as const]) {
    const step = await needs(devices);
    const counted = step.devices.reduce((sum, device) => sum + device.macs, 0);
    assert.ok(Math.abs(counted / expected - 1) < 1e-9, `${counted} on ${devices}, expected ${expected}`);
    const bytes = step.crossings.reduce((sum, crossing) => sum + crossing.bytes, 0);
    const floats = crossings(placed).reduce((sum, crossing) => sum + crossing.floats, 0);
    assert.is(bytes, devices.length === 1 ? 0 : 2 * 4 * 128 * floats);
  }
});

test('a layer takes at most 12 WebGPU dispatches a step beside its products', async () => {
  for (const { name, rows } of (await needs(two)).devices) {
    const beside = rows.filter(({ kernel }) => !products.has(kernel));
    for (const { spec } of placeLayers(nets.alexnet.architecture, nets.alexnet.placement(1000))) {
      const own = beside.filter(({ layer }) => layer === spec.name);
      // SGD is outside layers: one pass over weights and biases.
      const dispatches = own.reduce((sum, row) => sum + row.dispatches, 0) + 2;
      assert.ok(dispatches <= 12, `${spec.name} on ${name}: ${dispatches}`);
    }
    const update = beside.filter(({ phase }) => phase === 'update');
    const sgd = update.reduce((sum, row) => sum + row.dispatches, 0);
    assert.ok(sgd > 0 && sgd <= 2 * 8, `${sgd} dispatches update 8 layers`);
  }
});

test('images with crops of their own take no WebGPU dispatches of their own', async () => {
  const maps = async (batchSize: number): Promise<number> => {
    const recipe = { ...nets.small.recipe, batchSize };
    const { devices } = await dryRunNet({ net: nets.small, recipe, classes: 10, devices: two });
    const rows = devices.flatMap(({ rows }) => rows).filter(({ kernel }) => /map|gather/.test(kernel));
    return rows.reduce((sum, { dispatches }) => sum + dispatches, 0);
  };
  assert.is(await maps(64), await maps(4));
});

test('a step that needs more than its limit is refused, naming the op', async () => {
  const run = dryRunNet({ ...alexnet, devices: two, settings: { memoryLimit: 600e6 } });
  const error = await run.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof OutOfMemoryError)) return assert.unreachable(`600 MB give ${error}`);
  assert.match(error.message, /^\w+: \d+ bytes asked of webgpu:[01], .* of 600000000 bytes in use/);
});

test('a batch that no memory holds, of more bytes than an array can have, is counted all the same', async () => {
  const recipe = { ...nets.alexnet.recipe, augment: false };
  const count = (batchSize: number, devices: readonly DeviceName[]): ReturnType<typeof dryRunNet> =>
    dryRunNet({ net: nets.alexnet, recipe: { ...recipe, batchSize }, classes: 1000, devices });
  for (const devices of [['cpu:0'], two] as const) {
    const [small, large] = [await count(100, devices), await count(30_000, devices)];
    for (const [i, { macs, peak, resident }] of large.devices.entries()) {
      const one = small.devices[i]!;
      assert.is(macs, 300 * one.macs);
      // What stays between steps doesn't grow with the batch; what is in use at once does.
      const growth = (peak - resident) / (one.peak - one.resident);
      assert.ok(growth > 150 && growth < 600 && peak > 2 ** 34, `${growth} times, ${peak} bytes`);
    }
    const bytes = (needs: typeof small): number => needs.crossings.reduce((sum, { bytes }) => sum + bytes, 0);
    assert.is(bytes(large), 300 * bytes(small));
  }
});

// test/backends/webgpu/training.test.ts compares WebGPU devices, which take their time to get ready.
test("the account of CPU devices is the real ones'", async () => {
  const recipe = { ...nets.small.recipe, batchSize: 3, augment: false };
  const dry = await dryRunNet({ net: nets.small, recipe, classes: 10, devices: ['cpu:0', 'cpu:1'] });
  await withDevices([{ threads: 1 }, { threads: 1 }], async (...devices) => {
    const mean = new Float32Array(3 * 32 ** 2);
    const trainer = new Trainer({ net: nets.small, recipe, classes: 10, devices, seed: 0, mean });
    trainer.model.train();
    const batch = { images: new Uint8Array(3 * 3 * 32 ** 2), labels: new Int32Array(3) };
    for (let step = 0; step < 3; step++) takeStep(trainer, batch).row.dispose();
    await Promise.all(devices.map((device) => device.sync()));
    assert.equal(
      devices.map((device) => device.memory()).map(({ live, peak }) => ({ live, peak })),
      dry.devices.map(({ resident, peak }) => ({ live: resident, peak })),
    );
    trainer.dispose();
  });
});

test("a rank's micro-batches are taken one after the other, as training takes them", async () => {
  const recipe = { ...nets.small.recipe, batchSize: 16, augment: false };
  const counted = { net: nets.small, recipe, classes: 10, devices: ['cpu:0'] as const };
  const ranks = { replicas: 2, spread: false };
  const [whole, four] = [
    await dryRunNet({ ...counted, ranks }),
    await dryRunNet({ ...counted, ranks, microBatches: 8 }),
  ];
  assert.is(four.batchSize, 8);
  const [one, cut] = [whole.devices[0]!, four.devices[0]!];
  assert.is(cut.macs, one.macs);
  assert.ok(cut.peak < one.peak && cut.resident === one.resident, `${cut.peak} of ${one.peak}`);
  assert.equal(four.collectives, whole.collectives);
  await withDevices([{ threads: 1 }], async (device) => {
    const mean = new Float32Array(3 * 32 ** 2);
    const trainer = new Trainer({ net: nets.small, recipe, classes: 10, devices: [device], seed: 0, mean });
    trainer.model.train();
    const batch = { images: new Uint8Array(2 * 3 * 32 ** 2), labels: new Int32Array(2) };
    const parts = [0, 1, 2, 3].map((rank) => ({ share: { rank, size: 4 }, batch, counts: true }));
    const sums = new GradientSums(trainer.model, Ranks.alone(), 4, 'tree');
    const sharing = { sums, of: 8, random: defaultGenerator() };
    for (let step = 0; step < 3; step++)
      for (const { row } of takeSharedStep(trainer, parts, sharing)) row.dispose();
    await device.sync();
    const { live, peak } = device.memory();
    assert.equal({ live, peak }, { live: cut.resident, peak: cut.peak });
    trainer.dispose();
  });
  const odd = await dryRunNet({ ...counted, microBatches: 3 }).catch((error: unknown) => error);
  assert.match(String(odd), /ArgumentError: dryRunNet: microBatches is 3, expected a power of two/);
});

test.run();
