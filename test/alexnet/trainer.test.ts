/**
 * What recipes do to training: layers that slow down and freeze, rates that a schedule leaves alone, colour noise that
 * ends, and that a trainer restored in between goes on the same.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Net, nets, type Recipe } from '../../src/alexnet/recipes.js';
import { type LabelledImages, Trainer } from '../../src/alexnet/trainer.js';
import { HostRandom } from '../../src/backends/threefry.js';
import type { Device } from '../../src/core/device.js';
import { drawOf } from '../../src/core/random.js';
import { MemoryDataset } from '../../src/data/dataset.js';
import { meanOf } from '../../src/data/images/mean.js';
import type { StateDict } from '../../src/nn/module.js';
import { TrainingLoop } from '../../src/train/loop.js';
import { restoreParts, statesOf } from '../../src/train/parts.js';
import { withDevices } from '../support/devices.js';

const test = suite('trainer');
const random = new HostRandom(drawOf(3, 0));
const data = new MemoryDataset(
  'noise',
  ['a', 'b', 'c'],
  [3, 32, 32],
  Uint8Array.from({ length: 12 * 3072 }, () => random.integer(256)),
  Int32Array.from({ length: 12 }, (_, i) => i % 3),
);
const net: Net = nets['four-layers'];

/** A trainer, and the loop that takes its epochs. */
interface Training {
  readonly trainer: Trainer;
  readonly loop: TrainingLoop<LabelledImages>;
}

async function trainingOn(device: Device, changes: Partial<Recipe>): Promise<Training> {
  const { image, pca } = await meanOf(data);
  const recipe: Recipe = { ...net.recipe, batchSize: 6, learningRate: 0.01, biasRate: 0.02, ...changes };
  const trainer = new Trainer({ net, recipe, classes: 3, devices: [device], seed: 4, mean: image, pca });
  return { trainer, loop: new TrainingLoop(trainer, trainer.schedule) };
}

async function epoch({ trainer, loop }: Training): Promise<StateDict> {
  await loop.train(trainer.source(data));
  loop.finish(null, trainer.learningRate, () => 1);
  return trainer.model.stateDict();
}

/** Names of the parameters that differ. */
function changed(a: StateDict, b: StateDict): string[] {
  return [...a].flatMap(([name, { data: old }]) =>
    old.every((x, i) => x === b.get(name)!.data[i]) ? [] : [name],
  );
}

test('a layer slows down, then freezes, and nothing else does', async () => {
  await withDevices([{ threads: 1 }], async (device) => {
    const slowed = [
      { layer: 'conv1', epoch: 1, factor: 0.1 },
      { layer: 'conv1', epoch: 2, factor: 0 },
    ];
    const training = await trainingOn(device, { slowed });
    const { trainer, loop } = training;
    const rate = (): number => trainer.optimizer.groups[0]!.learningRate;
    await epoch(training);
    assert.is(rate(), 0.01);
    const second = await epoch(training);
    assert.ok(Math.abs(rate() - 0.001) < 1e-12, `rate ${rate()}`);
    assert.is(trainer.learningRate, 0.01);
    const third = await epoch(training);
    assert.equal(
      loop.history.map(({ learningRate }) => learningRate),
      [0.01, 0.01, 0.01],
    );
    const all = [...second.keys()];
    assert.equal(
      changed(second, third),
      all.filter((name) => !name.startsWith('conv1')),
    );

    // Another trainer, restored in between, freezes the layer as well.
    const other = await trainingOn(device, { slowed });
    restoreParts(
      { ...other.trainer.restorable, loop: other.loop },
      await statesOf({ ...trainer.restorable, loop }),
      'before',
    );
    assert.equal(
      changed(third, await epoch(other)),
      all.filter((name) => !name.startsWith('conv1')),
    );
    for (const each of [training, other]) each.trainer.dispose();
    assert.is(device.memory().buffers, 0);
  });
});

test("a schedule may lower the weights' rates alone", async () => {
  await withDevices([{ threads: 1 }], async (device) => {
    const schedule = { kind: 'step', milestones: [1], factor: 0.1 } as const;
    for (const [lowered, bias] of [
      ['all', 0.002],
      ['weights', 0.02],
    ] as const) {
      const training = await trainingOn(device, { schedule, lowered });
      const { trainer } = training;
      await epoch(training);
      await epoch(training);
      const [weights, biases] = trainer.optimizer.groups.map((group) => group.learningRate);
      assert.ok(
        Math.abs(weights! - 0.001) < 1e-9 && Math.abs(biases! - bias) < 1e-9,
        `${lowered}: ${weights}, ${biases}`,
      );
      trainer.dispose();
    }
  });
});

test('colour noise changes what is learned until it ends', async () => {
  await withDevices([{ threads: 1 }], async (device) => {
    const noise = { form: 'sqrt', deviation: 0.1, divisor: 1.1 } as const;
    const [still, ended, noisy] = [
      await trainingOn(device, {}),
      await trainingOn(device, { colourNoise: { ...noise, until: 0 } }),
      await trainingOn(device, { colourNoise: { ...noise, until: null } }),
    ];
    const expected = await epoch(still);
    assert.equal(changed(expected, await epoch(ended)), []);
    assert.ok(changed(expected, await epoch(noisy)).includes('conv1.weight'));
    for (const each of [still, ended, noisy]) each.trainer.dispose();
  });
});

test('colour noise without the colours is refused', async () => {
  await withDevices([{ threads: 1 }], async (device) => {
    const colourNoise = { form: 'sqrt', deviation: 0.1, divisor: 1, until: null } as const;
    const mean = new Float32Array(3072);
    const trainer = new Trainer({
      net,
      recipe: { ...net.recipe, colourNoise },
      classes: 3,
      devices: [device],
      seed: 0,
      mean,
    });
    try {
      await new TrainingLoop(trainer, trainer.schedule).train(trainer.source(data));
      assert.unreachable();
    } catch (error) {
      assert.match(String(error), /colour noise, which needs pca/);
    }
    trainer.dispose();
  });
});

test.run();
