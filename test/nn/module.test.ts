/**
 * Modules: which parameters are found and under which names, the training switch, and state dicts.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Device } from '../../src/core/device.js';
import { ArgumentError } from '../../src/core/errors.js';
import { e } from '../../src/core/expr.js';
import { ones, tensor, zeros } from '../../src/core/ops/create.js';
import { mul } from '../../src/core/ops/elementwise.js';
import { sum } from '../../src/core/ops/reduce.js';
import { update } from '../../src/core/ops/update.js';
import { scope } from '../../src/core/scope.js';
import type { Tensor } from '../../src/core/tensor.js';
import { Conv2d, Dropout, Flatten, Linear, ReLU, Sequential } from '../../src/nn/index.js';
import { type HostTensor, Module, parameter } from '../../src/nn/module.js';
import { SGD } from '../../src/nn/sgd.js';
import { withDevices } from '../support/devices.js';
import { thrown } from '../support/errors.js';

const one = [{ threads: 1 }];

test('parameters are found by path, in order, in inner modules and arrays; other tensors are not', async () => {
  await withDevices(one, async (device) => {
    class Block extends Module {
      readonly scale = parameter(ones([2], { device }));
      readonly running = zeros([2], { device });
      /** An intermediate result that requires a gradient is no parameter. */
      last: Tensor = sum(this.scale);
      readonly heads = [new Linear(2, 3, { device }), new Linear(2, 4, { device, bias: false })];
      readonly body = new Sequential(new Conv2d(2, 4, [3, 1], { device, groups: 2 }), new ReLU());
      readonly shifts = [parameter(zeros([1], { device }))];
    }
    const block = new Block();
    const shapes = [...block.namedParameters()].map(([path, x]) => [path, x.shape.join('x')]);
    assert.equal(shapes, [
      ['scale', '2'],
      ['heads.0.weight', '3x2'],
      ['heads.0.bias', '3'],
      ['heads.1.weight', '4x2'],
      ['body.0.weight', '4x1x3x1'],
      ['body.0.bias', '4'],
      ['shifts.0', '1'],
    ]);
    assert.equal(block.parameters(), [...block.namedParameters().values()]);
    assert.ok(block.parameters().every((x) => x.requiresGrad));
  });
});

test('parameters and modules are found in maps and plain objects, and in what those hold', async () => {
  await withDevices(one, async (device) => {
    class Branches extends Module {
      readonly byName = { left: new Linear(1, 1, { device, bias: false }), list: [new Dropout(0.5)] };
      readonly byKey = new Map<string | number, Module>([['a', new Linear(1, 1, { device, bias: false })]]);
      readonly scales = { x: parameter(ones([1], { device })), y: 3, device, later: null };
    }
    const net = new Branches();
    assert.equal([...net.namedParameters().keys()], ['byName.left.weight', 'byKey.a.weight', 'scales.x']);
    net.eval();
    assert.is(net.byName.list[0]?.training, false);
    assert.is(net.byKey.get('a')?.training, false);
  });
});

class Counting extends Module {
  readonly scale: Tensor;
  readonly mean: Tensor;
  readonly seen: Tensor;
  readonly inner = new Flatten();

  constructor(device: Device) {
    super();
    this.scale = parameter(ones([2], { device }));
    this.mean = this.buffer(zeros([2], { device }));
    this.seen = this.buffer(zeros([], { device, dtype: 'int32' }));
  }

  forward(x: Tensor): Tensor {
    if (this.training) {
      update(this.mean, e.add(e.mul(0.5, e.input(0)), e.mul(0.5, e.input(1))), [this.mean, x]);
      update(this.seen, e.add(e.input(0), 1), [this.seen]);
    }
    return mul(this.scale, x);
  }
}

test('buffers are in the state dict, exact as int32, not among the parameters, and go with the module', async () => {
  await withDevices(one, async (device) => {
    const net = scope(() => ({ body: new Counting(device) }));
    class Whole extends Module {
      readonly body = net.body;
    }
    const whole = new Whole();
    assert.equal([...whole.namedParameters().keys()], ['body.scale']);
    assert.equal([...whole.namedBuffers().keys()], ['body.mean', 'body.seen']);
    assert.is(net.body.mean.name, 'body.mean');
    scope(() => sum(net.body.forward(tensor([2, 4], { device }))).backward());
    whole.eval();
    scope(() => void net.body.forward(tensor([9, 9], { device })));
    const state = await whole.stateDict();
    assert.equal([...state.keys()], ['body.scale', 'body.mean', 'body.seen']);
    assert.equal(state.get('body.mean')?.data, Float32Array.of(1, 2));
    assert.equal(state.get('body.seen')?.data, Int32Array.of(1));
    whole.loadStateDict(new Map([...state, ['body.seen', { shape: [], data: Int32Array.of(16_777_217) }]]));
    assert.is(await net.body.seen.item(), 16_777_217);
    // An optimizer knows parameters alone, and so does its state.
    const sgd = new SGD(whole.parameters());
    sgd.step();
    assert.equal([...((await sgd.state(whole)).tensors ?? new Map()).keys()], ['velocity.body.scale']);
    for (const each of [whole, sgd]) each.dispose();
    assert.is(device.memory().buffers, 0);
  });
});

test('a state without buffers, or with numbers they cannot hold, is one error and changes nothing', async () => {
  await withDevices(one, async (device) => {
    const net = new Counting(device);
    const before = await net.stateDict();
    const without = new Map([...before].filter(([name]) => name === 'scale'));
    assert.throws(() => net.loadStateDict(without), /^loadStateDict: mean is missing; seen is missing$/);
    const plain = new Linear(2, 1, { device });
    const more = new Map([...(await plain.stateDict()), ['mean', before.get('mean')!]]);
    assert.throws(() => plain.loadStateDict(more), /^loadStateDict: mean is unknown here$/);
    const beyond = new Map([...before, ['scale', { shape: [2], data: Float32Array.of(5, 5) }]]);
    beyond.set('seen', { shape: [], data: Float64Array.of(2 ** 40) });
    assert.throws(
      () => net.loadStateDict(beyond),
      /^loadStateDict: seen: 1099511627776 is out of the range of int32/,
    );
    assert.equal(await net.stateDict(), before);
  });
});

test('a buffer is a tensor that no gradient flows through', async () => {
  await withDevices(one, async (device) => {
    class Odd extends Module {
      constructor(make: () => unknown) {
        super();
        Reflect.apply(this.buffer, this, [make()]);
      }
    }
    const message = (x: () => unknown): string => thrown(() => new Odd(x)).message;
    const weight = parameter(ones([1], { device }));
    assert.match(
      message(() => weight),
      /^buffer: x requires a gradient, and buffers get none; use parameter\(\), or detach/,
    );
    assert.match(
      message(() => sum(weight)),
      /^buffer: x requires a gradient/,
    );
    assert.match(
      message(() => null),
      /^buffer: x is null, expected a Tensor/,
    );
    assert.match(
      message(() => Promise.resolve(weight)),
      /^buffer: x is a Promise, expected a Tensor: await it/,
    );
  });
});

test('some parameters are loaded over the others', async () => {
  await withDevices(one, async (device) => {
    const net = new Linear(2, 1, { device });
    const { weight } = Object.fromEntries(await net.stateDict());
    const some = new Map([['bias', { shape: [1], data: Float32Array.of(7) }]]);
    net.loadStateDict(new Map([...(await net.stateDict()), ...some]));
    const after = await net.stateDict();
    assert.equal(after.get('weight'), weight);
    assert.equal(after.get('bias')?.data, Float32Array.of(7));
  });
});

test('a shared parameter is found once, a frozen one stays in the state dict, and circles end', async () => {
  await withDevices(one, async (device) => {
    class Tied extends Module {
      readonly first = new Linear(2, 2, { device });
      readonly second = this.first;
      readonly weight = this.first.weight;
      parent: Module | null = null;
      readonly child = new Linear(1, 1, { device });
    }
    const tied = new Tied();
    tied.parent = tied;
    const names = ['first.weight', 'first.bias', 'child.weight', 'child.bias'];
    assert.equal([...tied.namedParameters().keys()], names);
    tied.first.weight.requiresGrad = false;
    assert.equal([...(await tied.stateDict()).keys()], names);
    tied.eval();
    assert.is(tied.child.training, false);
  });
});

test('train() and eval() switch all modules within and return the module', async () => {
  const inner = new Sequential(new Dropout(0.3), new Flatten());
  const net = new Sequential(inner, new ReLU());
  const modes = (): boolean[] => [net, inner, ...inner.layers, ...net.layers].map((m) => m.training);
  assert.ok(modes().every((on) => on));
  assert.is(net.eval(), net);
  assert.ok(modes().every((on) => !on));
  assert.is(net.train(), net);
  assert.ok(modes().every((on) => on));
});

test('parameters outlive the scope they are made in; dispose() gives them back', async () => {
  await withDevices(one, async (device) => {
    const net = scope(() => new Sequential(new Linear(3, 2, { device })));
    assert.is((await net.stateDict()).size, 2);
    sum(net.forward(ones([1, 3], { device }))).backward();
    assert.ok(net.parameters().every((x) => x.grad));
    net.zeroGrad();
    assert.ok(net.parameters().every((x) => x.grad === null));
    net.dispose();
    assert.ok(net.parameters().every((x) => x.disposed));
  });
});

test('a state dict holds copies, and loads onto another device bit for bit, whatever its dtype', async () => {
  await withDevices([{ threads: 1 }, { threads: 2 }], async (first, second) => {
    const make = (device = first): Sequential =>
      new Sequential(new Linear(3, 4, { device }), new Linear(4, 2, { device }));
    const [a, b] = [make(first), make(second)];
    const state = await a.stateDict();
    const before = await b.stateDict();
    assert.not.equal(state, before);
    b.loadStateDict(state);
    assert.equal(await b.stateDict(), state);
    state.get('0.bias')?.data.fill(7);
    assert.equal((await a.stateDict()).get('0.bias')?.data, new Float32Array(4));
    const doubles = [...(await a.stateDict())].map(([name, { shape, data }]): [string, HostTensor] => [
      name,
      { shape, data: Float64Array.from(data, (x) => x + 0.25) },
    ]);
    b.loadStateDict(new Map(doubles));
    const loaded = (await b.stateDict()).get('1.weight')?.data;
    assert.equal(loaded, Float32Array.from(doubles[2]![1].data));
  });
});

test('files of earlier versions load, which named what is in a Sequential by its property', async () => {
  await withDevices(one, async (device) => {
    const make = (): Sequential =>
      new Sequential(new ReLU(), new Sequential(new Linear(2, 3, { device })), new Linear(3, 1, { device }));
    const [a, b] = [make(), make()];
    const state = await a.stateDict();
    assert.equal([...state.keys()], ['1.0.weight', '1.0.bias', '2.weight', '2.bias']);
    const earlier = new Map(
      [...state].map(([name, held]) => [`layers.${name.replace(/^1\./, '1.layers.')}`, held]),
    );
    assert.ok(earlier.has('layers.1.layers.0.weight') && earlier.has('layers.2.bias'));
    b.loadStateDict(earlier);
    assert.equal(await b.stateDict(), state);
    const both = new Map([...state, ...earlier]);
    assert.throws(() => b.loadStateDict(both), /layers\.1\.layers\.0\.weight is unknown here/);
    const sgd = new SGD([{ params: a.parameters() }]);
    const { tensors = new Map<string, HostTensor>(), json } = await sgd.state(a);
    const velocities = [...tensors].map(([name, held]): [string, HostTensor] => [
      name.replace('velocity.2.', 'velocity.layers.2.'),
      { ...held, data: held.data.map((_, i) => i + 1) },
    ]);
    sgd.loadState({ tensors: new Map(velocities), json }, a);
    const after = await sgd.state(a);
    assert.equal(after.tensors?.get('velocity.2.weight')?.data, Float32Array.of(1, 2, 3));
  });
});

test('what a class adds to a Sequential is found beside its layers', async () => {
  await withDevices(one, async (device) => {
    class Scaled extends Sequential {
      readonly scale = parameter(ones([1], { device }));
    }
    const net = new Scaled(new Linear(1, 1, { device }));
    assert.equal([...net.namedParameters().keys()], ['0.weight', '0.bias', 'scale']);
  });
});

test('a state dict that does not fit is refused with every problem, and nothing changes', async () => {
  await withDevices(one, async (device) => {
    const net = new Sequential(new Linear(3, 4, { device }), new Linear(4, 2, { device }));
    const before = await net.stateDict();
    const zero = (...shape: number[]): HostTensor => ({
      shape,
      data: new Float32Array(shape.reduce((a, b) => a * b, 1)),
    });
    const wrong = new Map([
      ['0.weight', zero(4, 3)],
      ['0.bias', { shape: [4], data: new Float32Array(3) }],
      ['1.weight', zero(4, 2)],
      ['2.bias', zero(2)],
    ]);
    let message = '';
    try {
      net.loadStateDict(wrong);
    } catch (error) {
      assert.instance(error, ArgumentError);
      message = error instanceof Error ? error.message : '';
    }
    assert.equal(message.replace('loadStateDict: ', '').split('; '), [
      '0.bias holds 3 numbers, [4] takes 4',
      '1.weight is 4x2, expected 2x4',
      '1.bias is missing',
      '2.bias is unknown here',
    ]);
    assert.equal(await net.stateDict(), before);
  });
});

test('loading keeps the tensors, so that an optimizer made before goes on with them', async () => {
  await withDevices(one, async (device) => {
    const net = new Linear(2, 1, { device });
    const { weight } = net;
    net.loadStateDict(
      new Map([
        ['weight', { shape: [1, 2], data: Float32Array.of(3, 4) }],
        ['bias', { shape: [1], data: Float32Array.of(5) }],
      ]),
    );
    assert.is(net.weight, weight);
    assert.is(await net.forward(tensor([[10, 100]], { device })).item(), 435);
  });
});

test.run();
