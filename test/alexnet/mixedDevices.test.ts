/**
 * The two towers on devices of two kinds, a CPU and a WebGPU device or two WebGPU adapters of different drivers, against
 * both on one CPU device.
 */
import { delimiter } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as tables from '../../src/alexnet/networks.js';
import { openDevice } from '../../src/backends/open.js';
import type { Device } from '../../src/core/device.js';
import { ledger } from '../../src/core/trace.js';
import { lavapipe, softwareDriver } from '../../support/driver.js';
import { seededRandom } from '../backends/cpu/numbers.js';
import { assertClose, randomHost, withDevices } from '../support/devices.js';
import { trainingStep, withNetwork } from './towers.js';

const driver = await softwareDriver();
const random = seededRandom('mixed devices');
const small = { architecture: tables.small, placement: tables.smallTowers(), seed: 11 };

/** A training step on each of the pairs against one on the CPU device. */
async function compare(cpu: Device, pairs: readonly (readonly Device[])[]): Promise<void> {
  const images = randomHost(random, [2, 3, 32, 32]);
  await withNetwork({ ...small, devices: [cpu] }, async (one) => {
    const state = await one.stateDict();
    const expected = await trainingStep(one, images);
    for (const devices of pairs) {
      await withNetwork({ ...small, devices }, async (mixed) => {
        // Normal numbers are rounded differently there.
        mixed.loadStateDict(state);
        assert.equal(await mixed.stateDict(), state);
        ledger.clear();
        const actual = await trainingStep(mixed, images);
        assertClose(actual.logits, expected.logits, 'logits', 1e-9);
        for (const [name, gradient] of expected.gradients) {
          assertClose(actual.gradients.get(name)!, gradient, `gradient of ${name}`, 1e-8);
        }
        assert.is(ledger.rows.length, 14);
      });
    }
  });
}

if (driver !== null) {
  test('a tower on a CPU and one on WebGPU give what one CPU device gives, whichever comes first', async () => {
    await withDevices([{ threads: 1 }], async (cpu) => {
      const gpu = await openDevice('webgpu:0', { driver, checkPrograms: true });
      try {
        await compare(cpu, [
          [cpu, gpu],
          [gpu, cpu],
        ]);
      } finally {
        await gpu.close();
      }
    });
  });

  const other = await lavapipe();
  if (other !== null && other !== driver) {
    test('a tower on each of two adapters of different drivers, which run at once', async () => {
      await withDevices([{ threads: 1 }], async (cpu) => {
        const options = { driver: [driver, other].join(delimiter), checkPrograms: true };
        const gpus: Device[] = [];
        try {
          for (const name of ['webgpu:0', 'webgpu:1'] as const) gpus.push(await openDevice(name, options));
          assert.is.not(gpus[0]!.description, gpus[1]!.description);
          await compare(cpu, [gpus]);
        } finally {
          await Promise.all(gpus.map((gpu) => gpu.close()));
        }
      });
    });
  }
}

test.run();
