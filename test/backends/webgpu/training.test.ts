/**
 * Training on two WebGPU devices: the loss follows the CPU's, steps settle (no pipeline compiled after the first, no
 * buffer of tensors and no bind group made after the third, live bytes flat), and a dry run knows the bytes beforehand. How
 * many reads are under way at once depends on the machine: the buffers they go through are bounded by the reads of two steps.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { dryRunNet } from '../../../src/alexnet/dryRun.js';
import { type NetName, nets } from '../../../src/alexnet/recipes.js';
import { Trainer } from '../../../src/alexnet/trainer.js';
import { openCpu } from '../../../src/backends/cpu/runtime/device.js';
import { Device } from '../../../src/core/device.js';
import { readFigures, takeStep } from '../../../src/train/step.js';
import { softwareDriver } from '../../../support/driver.js';
import { seededRandom } from '../cpu/numbers.js';
import { openSoftware } from './harness.js';

const driver = await softwareDriver();
const test = suite('webgpu training');

if (driver !== null) {
  const random = seededRandom('webgpu training');

  /**
   * Losses of `steps` steps on one batch of noise; `after` sees each step's end. At the net's own rate noise of four images makes
   * losses grow a thousandfold, and rounding with them: a thirtieth keeps them in view.
   */
  async function losses(
    name: NetName,
    devices: readonly Device[],
    batch: { images: Uint8Array; labels: Int32Array },
    steps: number,
    after: () => void = () => {},
  ): Promise<number[]> {
    const { architecture, recipe: own } = nets[name];
    const recipe = { ...own, learningRate: own.learningRate / 30, biasRate: own.biasRate / 30 };
    const mean = new Float32Array(architecture.channels * recipe.imageSize ** 2).fill(120);
    const trainer = new Trainer({ net: nets[name], recipe, classes: 10, devices, seed: 5, mean });
    trainer.model.train();
    const results: number[] = [];
    for (let step = 0; step < steps; step++) {
      const { sums, count } = await readFigures(takeStep(trainer, batch));
      results.push(sums.loss! / count);
      after();
    }
    return results;
  }

  function noise(name: NetName, images: number): { images: Uint8Array; labels: Int32Array } {
    const { channels, size } = nets[name].architecture;
    return {
      images: Uint8Array.from({ length: images * channels * size * size }, () => random.integer(256)),
      labels: Int32Array.from({ length: images }, () => random.integer(10)),
    };
  }

  async function compare(
    name: NetName,
    images: number,
    steps: number,
    tiles: 'direct' | 'shared',
    winograd: 'counted' | 'always' = 'counted',
  ): Promise<void> {
    const batch = noise(name, images);
    const gpus = [
      await openSoftware(driver!, { tiles, winograd }),
      await openSoftware(driver!, { tiles, winograd }, 'webgpu:1'),
    ];
    const settled: Readonly<Record<'live' | 'peak' | 'buffers' | 'pipelines' | 'bindGroups', number>>[][] =
      [];
    const readbacks: { reads: number; readbacksCreated: number }[][] = [];
    const actual = await losses(
      name,
      gpus.map((gpu, i) => new Device(`webgpu:${i}`, gpu)),
      batch,
      steps,
      () => {
        settled.push(
          gpus.map((gpu) => {
            const { buffersCreated: buffers, pipelinesCreated: pipelines, ...counters } = gpu.counters();
            const { live, peak } = gpu.memory();
            return { live, peak, buffers, pipelines, bindGroups: counters.bindGroupsCreated };
          }),
        );
        readbacks.push(gpus.map((gpu) => gpu.counters()));
      },
    );
    for (const gpu of gpus) await gpu.close();
    const account = (row: (typeof settled)[number]) => row.map(({ live, peak }) => ({ live, peak }));
    for (const row of settled.slice(3)) assert.equal(row, settled[2]);
    for (const i of gpus.keys()) {
      const counts = readbacks.map((row) => row[i]!);
      const { reads, readbacksCreated } = counts.at(-1)!;
      // Those of one step may still be under way when the next one begins its own.
      const most = (2 * reads) / steps;
      assert.ok(readbacksCreated <= most, `${readbacksCreated} buffers for ${reads} reads in ${steps} steps`);
    }
    const pipelines = (row: (typeof settled)[number]) => row.map(({ pipelines }) => pipelines);
    assert.equal(pipelines(settled.at(-1)!), pipelines(settled[0]!), 'all are compiled in the first step');

    if (winograd === 'counted') {
      const recipe = { ...nets[name].recipe, batchSize: images, augment: false, colourNoise: null };
      const dry = await dryRunNet({
        net: nets[name],
        recipe,
        classes: 10,
        devices: ['webgpu:0', 'webgpu:1'],
        settings: { tiles },
      });
      assert.equal(
        account(settled.at(-1)!),
        dry.devices.map(({ resident, peak }) => ({ live: resident, peak })),
        'the account of a dry run',
      );
    }

    const cpus = [
      new Device('cpu:0', await openCpu({ threads: 1 }, 'cpu:0')),
      new Device('cpu:1', await openCpu({ threads: 1 }, 'cpu:1')),
    ];
    const expected = await losses(name, cpus, batch, steps);
    for (const cpu of cpus) await cpu.close();
    for (const [step, loss] of expected.entries()) {
      assert.ok(
        Math.abs(actual[step]! - loss) < 1e-3 * Math.max(1, loss),
        `losses ${actual}, on the CPU ${expected}`,
      );
    }
  }

  for (const tiles of ['direct', 'shared'] as const) {
    test(`the small network, tiles ${tiles}: losses as on the CPU, steps settle`, () =>
      compare('small', 4, 6, tiles));
  }

  test("the same with Winograd's method wherever it can be", () =>
    compare('small', 4, 6, 'direct', 'always'));

  test('AlexNet at full size, two steps of one image: losses as on the CPU', () =>
    compare('alexnet', 1, 2, 'direct'));
}

test.run();
