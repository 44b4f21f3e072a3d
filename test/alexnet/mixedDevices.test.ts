/**
 * The two towers on a CPU and a WebGPU device, against both on one CPU device.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as tables from '../../src/alexnet/networks.js';
import { openDevice } from '../../src/backends/open.js';
import type { Device } from '../../src/core/device.js';
import { ledger } from '../../src/core/trace.js';
import { softwareDriver } from '../../support/driver.js';
import { seededRandom } from '../backends/cpu/numbers.js';
import { assertClose, randomHost, withDevices } from '../support/devices.js';
import { trainingStep, withNetwork } from './towers.js';

const driver = await softwareDriver();
const random = seededRandom('mixed devices');
const small = { architecture: tables.small, placement: tables.smallTowers(), seed: 11 };

if (driver !== null) {
  test('a tower on a CPU and one on WebGPU give what one CPU device gives, whichever comes first', async () => {
    await withDevices([{ threads: 1 }], async (cpu) => {
      const gpu = await openDevice('webgpu:0', { driver, checkPrograms: true });
      try {
        const images = randomHost(random, [2, 3, 32, 32]);
        await withNetwork({ ...small, devices: [cpu] }, async (one) => {
          const state = await one.stateDict();
          const expected = await trainingStep(one, images);
          const compare = (devices: readonly Device[]): Promise<void> =>
            withNetwork({ ...small, devices }, async (mixed) => {
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
          await compare([cpu, gpu]);
          await compare([gpu, cpu]);
        });
      } finally {
        await gpu.close();
      }
    });
  });
}

test.run();
