/**
 * Profiles and dry runs of anything that learns: no network of the paper's, no image.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { dryRun } from '../../src/train/dryRun.js';
import { profileRows, profileSteps } from '../../src/train/profile.js';
import { takeStep } from '../../src/train/step.js';
import { withDevices } from '../support/devices.js';
import { type Rows, regression } from './regression.js';

const test = suite('profile');
const batch: Rows = { x: new Float32Array(3 * 5).fill(0.5), y: new Float32Array(5) };

test('a profile has the kernels of the steps, in their phases', () =>
  withDevices([{ threads: 1 }], async (device) => {
    const learner = regression(device);
    const profile = await profileSteps(learner, batch, 2);
    assert.equal([profile.steps, profile.batchSize, profile.devices], [2, 5, ['cpu:0']]);
    assert.equal([...new Set(profile.kernels.map(({ phase }) => phase))], ['forward', 'backward', 'update']);
    const products = profileRows(profile).filter(({ kernel }) => kernel === 'matmul');
    assert.equal([...new Set(products.map(({ phase }) => phase))].sort(), ['backward', 'forward']);
    assert.ok(profile.kernels.every(({ start }) => start >= 0 && start <= profile.milliseconds));
    learner.dispose();
  }));

test("a dry run's account is the real device's", () =>
  withDevices([{ threads: 1 }], async (device) => {
    const needs = await dryRun(['cpu:0'], ([dry]) => {
      const learner = regression(dry!);
      return { learner, batch, samples: 5, dispose: () => learner.dispose() };
    });
    assert.is(needs.batchSize, 5);
    const learner = regression(device);
    learner.model.train();
    for (let step = 0; step < 3; step++) takeStep(learner, batch).row.dispose();
    await device.sync();
    const [dry] = needs.devices;
    const { live, peak } = device.memory();
    assert.equal([dry!.resident, dry!.peak], [live, peak]);
    // 3 to 8 and 8 to 1 units: forward, by the weights, and by the inputs of the second layer alone.
    assert.is(dry!.macs, 5 * (2 * 3 * 8 + 3 * 8 * 1));
    learner.dispose();
  }));

test.run();
