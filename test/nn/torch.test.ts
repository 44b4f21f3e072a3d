/**
 * Optimizers, clipped gradients and schedules: numbers are PyTorch's, in double precision on a CPU device, and in single
 * precision on another and on WebGPU.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Tensor } from '../../src/index.js';
import * as nn from '../../src/nn/index.js';
import {
  Adagrad,
  Adam,
  AdamW,
  type Course,
  chained,
  clipGradNorm,
  clipGradValue,
  cosine,
  exponential,
  LambdaSchedule,
  Linear,
  type Module,
  type Optimizer,
  parameter,
  RMSprop,
  SGD,
  sequential,
  warmUp,
} from '../../src/nn/index.js';
import { leaklessOnEach, list } from '../core/devices.js';
import { assertTorch, fixture, type Held, openWithSingle, place } from '../support/torch.js';

const test = suite('as PyTorch');
const devices = await openWithSingle();
const onEach = leaklessOnEach(test, devices);
test.after(async () => {
  await Promise.all(devices.map((device) => device.close()));
});

interface OptimizerCase {
  readonly optimizer: string;
  readonly options: object;
  readonly params: readonly Held[];
  readonly steps: readonly { readonly gradients: readonly Held[]; readonly params: readonly Held[] }[];
}

const makers: Readonly<Record<string, (params: readonly Tensor[], options: object) => Optimizer>> = {
  SGD: (params, options) => new SGD(params, { ...options, form: 'pytorch' }),
  Adam: (params, options) => new Adam(params, options),
  AdamW: (params, options) => new AdamW(params, options),
  RMSprop: (params, options) => new RMSprop(params, options),
  Adagrad: (params, options) => new Adagrad(params, options),
};

onEach('five steps of each optimizer', async (device) => {
  for (const { optimizer: name, options, params: begin, steps } of fixture<OptimizerCase>('optimizers')) {
    const params = begin.map((held) => parameter(place(device, held)));
    const optimizer = makers[name]!(params, options);
    for (const [i, { gradients, params: expected }] of steps.entries()) {
      optimizer.zeroGrad();
      for (const [k, x] of params.entries()) x.grad = place(device, gradients[k]!);
      optimizer.step();
      for (const [k, x] of params.entries())
        await assertTorch(x, expected[k]!, `${name} ${JSON.stringify(options)}, step ${i + 1}`);
    }
    optimizer.dispose();
    for (const x of params) x.dispose();
  }
});

interface ClippingCase {
  readonly most: number;
  readonly p: number | 'Infinity';
  readonly gradients: readonly Held[];
  readonly norm: number;
  readonly clipped: readonly Held[];
}

onEach('clipGradNorm and clipGradValue', async (device) => {
  const withGradients = (gradients: readonly Held[]): Tensor[] =>
    gradients.map((held) => {
      const x = place(device, held, true);
      x.grad = place(device, held);
      return x;
    });
  for (const { most, p, gradients, norm, clipped } of fixture<ClippingCase>('clipping')) {
    const params = withGradients(gradients);
    const total = clipGradNorm(params, most, { p: Number(p) });
    assert.ok(Math.abs((await total.item()) - norm) <= 1e-5 * norm, `norm ${p}`);
    for (const [i, x] of params.entries())
      await assertTorch(x.grad, clipped[i]!, `norm ${p}, at most ${most}`);
  }
  const [x] = withGradients([{ shape: [4], data: [-3, -0.5, 0.25, 7] }]);
  clipGradValue([x!], 0.5);
  assert.equal(await list(x!.grad!), [-0.5, -0.5, 0.25, 0.5]);
});

onEach('an optimizer goes on from its state to the bit', async (device) => {
  for (const make of Object.values(makers)) {
    const train = (model: Linear, optimizer: Optimizer, from: number, to: number): void => {
      for (let step = from; step < to; step++) {
        optimizer.zeroGrad();
        const data = Array.from({ length: 6 }, (_, i) => Math.sin(i + 7 * step));
        model.weight.grad = place(device, { shape: [2, 3], data });
        optimizer.step();
      }
    };
    const begin = (): [Linear, Optimizer] => {
      const model = new Linear(3, 2, { device, bias: false });
      return [model, make([model.weight], { learningRate: 0.1 })];
    };
    const [whole, straight] = begin();
    const start = await whole.stateDict();
    train(whole, straight, 0, 2);
    const [weights, state] = [await whole.stateDict(), await straight.state(whole)];
    train(whole, straight, 2, 4);
    const [half, resumed] = begin();
    half.loadStateDict(weights);
    resumed.loadState(state, half);
    train(half, resumed, 2, 4);
    assert.equal(await list(half.weight), await list(whole.weight), whole.constructor.name);
    assert.not.equal(await list(half.weight), [...start.get('weight')!.data]);
    for (const thing of [whole, half, straight, resumed] as readonly (Module | Optimizer)[]) thing.dispose();
  }
});

interface ScheduleCase {
  readonly schedule: string;
  readonly arguments: readonly unknown[];
  readonly stepsPerEpoch: number;
  readonly rates: readonly number[];
}

/** A course by its name and options, of those that are made of others by what the script has. */
function courseOf({ schedule, arguments: args }: ScheduleCase): Course {
  const rise = warmUp(4, 0.25);
  if (schedule === 'sequential') return sequential([rise, cosine(8)], [4]);
  if (schedule === 'chained') return chained(rise, exponential(0.8));
  return Reflect.apply(Reflect.get(nn, schedule), undefined, args);
}

test('schedules: the rates of PyTorch, before each epoch or step', () => {
  for (const expected of fixture<ScheduleCase>('schedules')) {
    const what = `${expected.schedule} ${JSON.stringify(expected.arguments)}`;
    const optimizer = {
      groups: [{ name: '', params: [], scheduled: true, initialRate: 0.5, learningRate: 0.5 }],
    };
    const { stepsPerEpoch: steps } = expected;
    const schedule = new LambdaSchedule(optimizer, courseOf(expected), { by: steps > 1 ? 'step' : 'epoch' });
    for (const [i, rate] of expected.rates.entries()) {
      if (i % steps === 0) schedule.start(i / steps);
      schedule.beforeStep(i / steps);
      const actual = optimizer.groups[0]!.learningRate;
      assert.ok(Math.abs(actual - rate) <= 1e-6 * rate, `${what}: rate ${i} is ${actual}, PyTorch's ${rate}`);
    }
    const state = schedule.state();
    optimizer.groups[0]!.learningRate = 0.5;
    schedule.loadState(state);
    assert.ok(
      Math.abs(optimizer.groups[0]!.learningRate - expected.rates.at(-1)!) < 1e-6,
      `${what}: its state`,
    );
    assert.is(schedule.finish(), false);
  }
  const optimizer = { groups: [] };
  assert.throws(() => sequential([cosine(2)], [1]), /sequential: 1 courses and milestones \[1\]/);
  assert.throws(() => cosine(-1), /cosine: epochs is -1, expected a number from 0/);
  assert.throws(
    () => Reflect.construct(LambdaSchedule, [optimizer, () => 1, { by: 'batch' }]),
    /by is 'batch'/,
  );
});

test('settings that make no sense', () => {
  const [device] = devices;
  const x = parameter(place(device!, { shape: [1], data: [1] }));
  const wrong: readonly (readonly [() => unknown, RegExp])[] = [
    [() => new SGD([x], { nesterov: true }), /SGD: dampening and nesterov are of PyTorch's form/],
    [
      () => Reflect.construct(SGD, [[x], { form: 'torch' }]),
      /SGD: form is 'torch', expected 'paper' or 'pytorch'/,
    ],
    [() => new Adam([x], { betas: [0.9, 1] }), /Adam: betas is 0.9, 1, expected 2 from 0 to below 1/],
    [() => new AdamW([x], { betas: [0.9] }), /AdamW: betas is /],
    [() => new Adam([x], { eps: -1 }), /Adam: eps is -1, expected a number from 0/],
    [() => new RMSprop([x], { alpha: 1 }), /RMSprop: alpha is 1/],
    [
      () => Reflect.construct(Adagrad, [[x], { lr: 1 }]),
      /Adagrad: there is no option lr \(did you mean learningRate/,
    ],
    [() => clipGradNorm([x], 1), /clipGradNorm: no parameter has a gradient/],
    [() => clipGradNorm([x], -1), /clipGradNorm: maxNorm is -1, expected a number from 0/],
  ];
  for (const [f, message] of wrong) assert.throws(f, message);
  x.dispose();
});

test.run();
