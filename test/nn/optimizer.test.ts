/**
 * What optimizers share, seen on two written as outsiders write them, with what the doors of the package export: Adam and
 * Adagrad. Groups found by name, steps counted, slots made as they are needed, states that go on bit for bit and are
 * refused whole.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Device, e, mul, sum, type Tensor, tensor, update } from '../../src/index.js';
import {
  Linear,
  type OptimizerGroup,
  PlateauSchedule,
  parameter,
  Sequential,
  SGD,
  SlotOptimizer,
  type Trained,
} from '../../src/nn/index.js';
import { withDevices } from '../support/devices.js';
import { thrown } from '../support/errors.js';
import { inScope } from '../support/scope.js';

const test = suite('optimizers');

const [w, g, m, v] = [e.input(0), e.input(1), e.input(2), e.input(3)];
const [rate, first, second] = [e.param(0), e.param(1), e.param(2)];
const mean = e.add(e.mul(m, 0.9), e.mul(g, 0.1));
const square = e.add(e.mul(v, 0.99), e.mul(e.mul(g, g), 0.01));
const change = e.div(e.mul(rate, e.mul(mean, first)), e.add(e.sqrt(e.mul(square, second)), 1e-8));

interface AdamOptions {
  readonly learningRate?: number;
}

/** Adam with beta 0.9 and 0.99. */
class Adam extends SlotOptimizer {
  constructor(params: Trained<AdamOptions>, options: AdamOptions = {}) {
    super('Adam', params, options, { learningRate: 0.001 }, ['mean', 'square']);
  }

  protected update(x: Tensor, gradient: Tensor, { learningRate }: OptimizerGroup): void {
    const slots = [this.slot('mean', x), this.slot('square', x)];
    const params = [learningRate, 1 / (1 - 0.9 ** this.steps), 1 / (1 - 0.99 ** this.steps)];
    update([x, ...slots], [e.sub(w, change), mean, square], [x, gradient, ...slots], { params, op: 'Adam' });
  }
}

const defaults = { learningRate: 0.01, eps: 1e-10 };
const squares = e.add(e.input(2), e.mul(g, g));
const step = e.div(e.mul(e.param(0), g), e.add(e.sqrt(squares), e.param(1)));

/** Adagrad (Duchi et al. 2011): the rate over the root of the sum of all squares so far. */
class Adagrad extends SlotOptimizer<typeof defaults> {
  constructor(params: Trained<typeof defaults>, options: Partial<typeof defaults> = {}) {
    super('Adagrad', params, options, defaults, ['squares']);
  }

  protected update(x: Tensor, gradient: Tensor, group: OptimizerGroup & typeof defaults): void {
    const slot = this.slot('squares', x);
    const params = [group.learningRate, group.eps];
    update([x, slot], [e.sub(w, step), squares], [x, gradient, slot], { params, op: 'Adagrad' });
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

test('Adagrad from outside: tensors with options, or groups over them', async () => {
  await withDevices([{ threads: 1 }], async (device) => {
    const [a, b] = [parameter(tensor([1, 2], { device })), parameter(tensor([3], { device }))];
    const adagrad = new Adagrad([{ params: [a] }, { name: 'b', params: [b], learningRate: 1 }], {
      learningRate: 0.5,
      eps: 0,
    });
    assert.equal(
      adagrad.groups.map(({ params, ...settings }) => [params.length, settings]),
      [
        [1, { name: '', scheduled: true, learningRate: 0.5, eps: 0, initialRate: 0.5 }],
        [1, { name: 'b', scheduled: true, learningRate: 1, eps: 0, initialRate: 1 }],
      ],
    );
    for (const by of [3, 4]) {
      adagrad.zeroGrad();
      sum(mul(a, by)).backward();
      sum(mul(b, -by)).backward();
      adagrad.step();
    }
    // Each step is rate * g / sqrt(sum of g^2): 3 / 3, then 4 / 5.
    const moved = [...(await a.data()), ...(await b.data())];
    const expected = [1 - 0.9, 2 - 0.9, 3 + 1.8];
    assert.ok(
      moved.every((value, i) => Math.abs(value - expected[i]!) < 1e-6),
      moved.join(),
    );
    const plain = new Adagrad([a, b], { learningRate: 0.25 });
    assert.equal(plain.groups.length, 1);
    assert.is(plain.groups[0]!.learningRate, 0.25);
    assert.equal(new SGD([a], { momentum: 0.5 }).groups[0]!.momentum, 0.5);
  });
});

test('what is no parameter, group or setting is one error', async () => {
  await withDevices([{ threads: 1 }], async (device) => {
    const x = parameter(tensor([1], { device }));
    const made = (...args: unknown[]): string => thrown(() => Reflect.construct(Adagrad, args)).message;
    const form = 'expected an array: model.parameters(), or groups as in [{ params: model.parameters() }]';
    assert.is(made(new Linear(1, 1, { device })), `Adagrad: params is a Linear, ${form}`);
    assert.is(made(null), `Adagrad: params is null, ${form}`);
    assert.is(
      made(Promise.resolve([x])),
      'Adagrad: params is a Promise, expected an array: model.parameters(), or ' +
        'groups as in [{ params: model.parameters() }]: await it',
    );
    assert.match(
      made([x], 0.1),
      /^Adagrad: the argument for options is 0\.1, expected an object of learningRate, eps$/,
    );
    assert.match(made([x], { lr: 1 }), /^Adagrad: there is no option lr \(did you mean learningRate\?\)/);
    assert.match(made([x], { eps: '1' }), /^Adagrad: eps is '1', expected a number$/);
    assert.match(made([x], { eps: -1 }), /^Adagrad: eps is -1, expected a number from 0$/);
    assert.match(made([{ params: [x], momentum: 1 }]), /^Adagrad: groups\[0\]: there is no option momentum/);
    assert.match(made([{ params: x }]), /^Adagrad: groups\[0\]: params is a Tensor, expected an array$/);
    assert.match(made([x, 3]), /^Adagrad: groups\[0\]\.params\[1\] is 3, expected a Tensor/);
    assert.match(made([{ params: [] }]), /^Adagrad: got no parameters; .*#private/);
    assert.match(
      thrown(() => new Adagrad([x]).step()).message,
      /^Adagrad: no parameter has a gradient; call backward/,
    );
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
