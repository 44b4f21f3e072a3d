/**
 * What optimizers share, seen on an Adam of forty lines: groups found by name, steps counted, slots made as
 * they are needed, states that go on bit for bit and are refused whole.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { mapInto } from '../../src/core/ops/launch.js';
import { type Device, e, mul, sum, type Tensor, tensor } from '../../src/index.js';
import {
  type GroupOptions,
  Linear,
  type OptimizerGroup,
  PlateauSchedule,
  Sequential,
  SlotOptimizer,
} from '../../src/nn/index.js';
import { parameter } from '../../src/nn/module.js';
import { withDevices } from '../support/devices.js';
import { inScope } from '../support/scope.js';

const test = suite('optimizers');

const [w, g, m, v] = [e.input(0), e.input(1), e.input(2), e.input(3)];
const [rate, first, second] = [e.param(0), e.param(1), e.param(2)];
const mean = e.add(e.mul(m, 0.9), e.mul(g, 0.1));
const square = e.add(e.mul(v, 0.99), e.mul(e.mul(g, g), 0.01));
const change = e.div(e.mul(rate, e.mul(mean, first)), e.add(e.sqrt(e.mul(square, second)), 1e-8));

/** Adam with beta 0.9 and 0.99. */
class Adam extends SlotOptimizer {
  constructor(groups: readonly GroupOptions[]) {
    const settled = groups.map(
      (group): OptimizerGroup => ({ name: '', scheduled: true, initialRate: group.learningRate, ...group }),
    );
    super('Adam', settled, ['mean', 'square']);
  }

  protected update(x: Tensor, gradient: Tensor, { learningRate }: OptimizerGroup): void {
    const slots = [this.slot('mean', x), this.slot('square', x)];
    const params = [learningRate, 1 / (1 - 0.9 ** this.steps), 1 / (1 - 0.99 ** this.steps)];
    mapInto('Adam', [e.sub(w, change), mean, square], [x, gradient, ...slots], [x, ...slots], { params });
  }
}

const net = (device: Device): Sequential =>
  new Sequential(new Linear(3, 2, { device }), new Linear(2, 1, { device }));

/** Some steps on inputs that depend on the step. */
async function steps(model: Sequential, adam: Adam, from: number, until: number): Promise<void> {
  const { device } = model.parameters()[0]!;
  for (let step = from; step < until; step++) {
    await inScope(async () => {
      const x = tensor([1, -step, 0.5], { shape: [1, 3], device });
      const out = model.forward(x);
      adam.zeroGrad();
      sum(mul(out, out)).backward();
    });
    adam.step();
  }
}

test('an optimizer from outside steps, and goes on from its state bit for bit', async () => {
  await withDevices([{ threads: 1 }], async (device) => {
    const model = net(device);
    const begun = await model.stateDict();
    const whole = new Adam([{ params: model.parameters(), learningRate: 0.1 }]);
    await steps(model, whole, 0, 5);
    const expected = await model.stateDict();
    assert.is(whole.steps, 5);

    const other = net(device);
    other.loadStateDict(begun);
    const before = new Adam([{ params: other.parameters(), learningRate: 0.1 }]);
    await steps(other, before, 0, 2);
    const state = await before.state(other);
    assert.equal([...state.tensors!.keys()].slice(0, 2), ['mean.0.weight', 'mean.0.bias']);
    assert.equal(state.json, { steps: 2 });
    const after = new Adam([{ params: other.parameters(), learningRate: 0.1 }]);
    after.loadState(state, other);
    await steps(other, after, 2, 5);
    assert.equal(await other.stateDict(), expected);
    for (const each of [model, other, whole, before, after]) each.dispose();
    other.zeroGrad();
    model.zeroGrad();
    assert.is(device.memory().buffers, 0);
  });
});

test('a state that does not fit is refused, and nothing has changed', async () => {
  await withDevices([{ threads: 1 }], async (device) => {
    const model = net(device);
    const adam = new Adam([{ params: model.parameters(), learningRate: 0.1 }]);
    await steps(model, adam, 0, 2);
    const state = await adam.state(model);
    const tensors = state.tensors!;
    const without = new Map([...tensors].filter(([name]) => name !== 'square.1.bias'));
    const odd = new Map(tensors).set('mean.0.bias', { shape: [3], data: new Float32Array(3) });
    const unknown = new Map(tensors).set('speed.0.bias', { shape: [2], data: new Float32Array(2) });
    const cases: [typeof state, RegExp][] = [
      [{ ...state, tensors: without }, /Adam, square: 1\.bias is missing/],
      [{ ...state, tensors: odd }, /Adam, mean: 0\.bias is \[3\], expected \[2\]/],
      [{ ...state, tensors: unknown }, /Adam: speed\.0\.bias is unknown here/],
      [{ tensors }, /Adam: steps is undefined in this state, expected a number/],
      [{ tensors, json: { steps: -1 } }, /steps is -1 in this state, expected a whole number from 0/],
    ];
    for (const [given, message] of cases) assert.throws(() => adam.loadState(given, model), message);
    assert.equal(await adam.state(model), state);
  });
});

test('groups have names, and schedules work on the groups of any optimizer', async () => {
  await withDevices([{ threads: 1 }], async (device) => {
    const x = (): Tensor => parameter(tensor([1], { device }));
    const adam = new Adam([
      { name: 'body', params: [x()], learningRate: 0.1 },
      { name: 'head', params: [x()], learningRate: 0.4, scheduled: false },
    ]);
    new PlateauSchedule(adam, { patience: 1, factor: 0.5 }).finish(Number.NaN);
    assert.equal(
      adam.groups.map(({ name, learningRate }) => [name, learningRate]),
      [
        ['body', 0.05],
        ['head', 0.4],
      ],
    );
    const shared = x();
    const twice = [{ params: [shared, shared], learningRate: 1 }];
    assert.throws(() => new Adam(twice), /Adam: a parameter is in two groups/);
    assert.throws(() => new Adam([{ params: [], learningRate: -1 }]), /Adam: learningRate is -1/);
  });
});

test.run();
