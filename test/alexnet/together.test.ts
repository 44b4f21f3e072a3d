/**
 * Several models in one process: what each computes is what it computes alone, to the bit.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Network } from '../../src/alexnet/network.js';
import * as tables from '../../src/alexnet/networks.js';
import type { Device } from '../../src/core/device.js';
import { crossEntropy } from '../../src/core/ops/loss.js';
import { scope } from '../../src/core/scope.js';
import { noGrad } from '../../src/core/tape.js';
import { Tensor } from '../../src/core/tensor.js';
import type { StateDict } from '../../src/nn/module.js';
import { SGD } from '../../src/nn/sgd.js';
import { seededRandom } from '../backends/cpu/numbers.js';
import { onDevice, randomHost, withDevices } from '../support/devices.js';
import { inScope } from '../support/scope.js';

const random = seededRandom('together');
const small = { architecture: tables.small, placement: tables.smallTowers() };
const steps = 6;

/** Batches of noise for one model. */
const batchesOf = () => Array.from({ length: steps }, () => randomHost(random, [4, 3, 32, 32]));

/** Lets whatever else is under way go on for a while. */
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, random.integer(3)));

/** Trains a network for a few steps, with others at work in between; gives losses and weights. */
async function train(
  devices: readonly Device[],
  seed: number,
  batches: ReturnType<typeof batchesOf>,
): Promise<{ losses: number[]; state: StateDict }> {
  const network = new Network({ ...small, devices, seed });
  const sgd = new SGD([{ params: network.parameters(), learningRate: 1e-3 }]);
  const losses: number[] = [];
  for (const batch of batches) {
    await pause();
    const loss = scope(() => {
      const logits = network.forward(devices.map((device) => onDevice(batch, device)));
      const labels = Tensor.from('labels', logits.device, Int32Array.of(0, 1, 2, 3), [4]);
      const loss = crossEntropy(logits, labels);
      sgd.zeroGrad();
      loss.backward();
      sgd.step();
      return loss;
    });
    await pause();
    losses.push(await loss.item());
    loss.dispose();
  }
  const state = await network.stateDict();
  sgd.dispose();
  network.dispose();
  return { losses, state };
}

/** Scores of a network in evaluation, with others at work in between. */
async function evaluate(
  devices: readonly Device[],
  batches: ReturnType<typeof batchesOf>,
): Promise<number[]> {
  const network = new Network({ ...small, devices, seed: 99 });
  network.eval();
  const scores: number[] = [];
  for (const batch of batches) {
    const logits = noGrad(() =>
      scope(() => network.forward(devices.map((device) => onDevice(batch, device)))),
    );
    await pause();
    assert.is(logits.requiresGrad, false);
    scores.push(...(await logits.data()));
    logits.dispose();
  }
  network.dispose();
  return scores;
}

for (const shared of [false, true]) {
  const where = shared ? 'on the same two devices' : 'on two devices each';
  test(`two models train at once ${where} while a third predicts: each as if alone`, async () => {
    const threads = shared ? [1, 2] : [1, 2, 1, 1];
    await withDevices(
      threads.map((count) => ({ threads: count })),
      async (...devices) => {
        const [first, second] = [devices.slice(0, 2), devices.slice(-2)];
        const [a, b, c] = [batchesOf(), batchesOf(), batchesOf()];
        const alone = [await train(first, 1, a), await train(second, 2, b), await evaluate(first, c)];
        const together = await Promise.all([train(first, 1, a), train(second, 2, b), evaluate(first, c)]);
        for (const i of [0, 1, 2]) assert.equal(together[i], alone[i], `flow ${i}`);
        for (const device of devices) assert.is(device.memory().buffers, 0, device.name);
      },
    );
  });
}

test('two predictions asked for at once', async () => {
  await withDevices([{ threads: 1 }, { threads: 1 }], async (...devices) => {
    const network = new Network({ ...small, devices, seed: 3 });
    network.eval();
    const predict = async (batch: ReturnType<typeof batchesOf>[number]): Promise<unknown> =>
      noGrad(() => scope(() => network.forward(devices.map((device) => onDevice(batch, device))).data()));
    const batches = batchesOf();
    const apart: unknown[] = [];
    for (const batch of batches) apart.push(await predict(batch));
    assert.equal(await Promise.all(batches.map(predict)), apart);
    network.dispose();
  });
});

test('a step that nobody awaits is done all the same', async () => {
  await withDevices([{ threads: 1 }, { threads: 1 }], async (...devices) => {
    const network = new Network({ ...small, devices, seed: 3 });
    const [batch] = batchesOf();
    const before = await network.stateDict();
    await inScope(async () => {
      const sgd = new SGD([{ params: network.parameters(), learningRate: 0.1 }]);
      const logits = network.forward(devices.map((device) => onDevice(batch!, device)));
      crossEntropy(logits, Tensor.from('labels', logits.device, Int32Array.of(0, 1, 2, 3), [4])).backward();
      sgd.step();
      sgd.dispose();
    });
    const after = await network.stateDict();
    for (const [name, { data }] of after) assert.not.equal(data, before.get(name)!.data, name);
    network.dispose();
  });
});

test.run();
