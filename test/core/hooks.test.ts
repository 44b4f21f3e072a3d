/**
 * What a logger needs, on each kind of device: activations by layer as they are computed, gradients once they are
 * complete; off the tape, and without leaving anything behind.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  ArgumentError,
  abs,
  type Device,
  max,
  mean,
  mul,
  sum,
  Tensor,
  type TypedArray,
  tensor,
} from '../../src/index.js';
import { Layer, Linear, Module, ReLU, Sequential } from '../../src/nn/index.js';
import { thrown } from '../support/errors.js';
import { leaklessOnEach, list, openEachKind } from './devices.js';

const test = suite('hooks');
const devices = await openEachKind();
test.after(async () => {
  await Promise.all(devices.map((device) => device.close()));
});
const onEach = leaklessOnEach(test, devices);

const leaf = (device: Device, ...numbers: number[]): Tensor =>
  tensor(numbers, { device, requiresGrad: true });

onEach('the gradient of a result is told once, summed over all that read it', async (device) => {
  const x = leaf(device, 1, 2);
  const y = mul(x, 3);
  const told: Promise<TypedArray>[] = [];
  const stop = y.onGradient((gradient) => told.push(mul(gradient, 1).data()));
  y.onGradient(() => told.push(Promise.resolve(new Uint8Array())))();
  sum(mul(y, y)).backward();
  assert.equal(await Promise.all(told), [Float32Array.of(6, 12)]);
  assert.equal(await list(x.grad!), [18, 36]);
  stop();
});

onEach('that of a leaf is its total in each pass, whatever grad held before', async (device) => {
  const x = leaf(device, 1, 2);
  const early = sum(x);
  const told: Promise<TypedArray>[] = [];
  const stop = x.onGradient((gradient) => told.push(gradient.data()));
  early.backward();
  sum(mul(x, x)).backward();
  const [first, second] = [sum(mul(x, 2)), sum(mul(x, 4))];
  first.backward();
  second.backward();
  stop();
  sum(x).backward();
  assert.equal(
    (await Promise.all(told)).map((data) => [...data]),
    [
      [2, 4],
      [2, 2],
      [4, 4],
    ],
  );
  assert.equal(await list(x.grad!), [1 + 2 + 2 + 4 + 1, 1 + 4 + 2 + 4 + 1]);
});

onEach('a logger of activations and their gradients, by the path of each layer', async (device) => {
  const model = new Sequential(
    new Linear(2, 2, { device }),
    new ReLU(),
    new Sequential(new Linear(2, 1, { device })),
  );
  const lines: Promise<string>[] = [];
  const largest = async (what: string, x: Tensor): Promise<string> => {
    const value = max(abs(x)).item();
    return `${what} ${Number.isFinite(await value)}`;
  };
  const stops = [...model.namedModules()].map(([path, layer]) =>
    layer.onForward((module, inputs, output) => {
      assert.is(module, layer);
      assert.is(inputs.length, 1);
      if (!(output instanceof Tensor)) return;
      lines.push(largest(`forward ${path}`, output));
      output.onGradient((gradient) => lines.push(largest(`backward ${path}`, gradient)));
    }),
  );
  assert.equal([...model.namedModules().keys()], ['', '0', '1', '2', '2.0']);
  assert.equal([...model.namedParameters().keys()], ['0.weight', '0.bias', '2.0.weight', '2.0.bias']);
  mean(model.forward(tensor([[1, -2]], { device }))).backward();
  const told = await Promise.all(lines);
  assert.equal(
    told.map((line) => line.replace(/ true$/, '')),
    [
      ...['forward 0', 'forward 1', 'forward 2.0', 'forward 2', 'forward '],
      ...['backward 2.0', 'backward 2', 'backward ', 'backward 1', 'backward 0'],
    ],
  );
  for (const stop of stops) stop();
  model.forward(tensor([[1, -2]], { device }));
  assert.is(lines.length, told.length);
  model.dispose();
});

test('a forward that is a property of its own, several hooks, and what a hook throws', () => {
  const [device] = devices;
  class Twice extends Module {
    readonly forward = (x: Tensor): Tensor => mul(x, 2);
  }
  const module = new Twice();
  const order: string[] = [];
  module.onForward(() => order.push('first'));
  const stop = module.onForward(() => order.push('second'));
  using x = tensor([1], { device: device! });
  using _y = module.forward(x);
  stop();
  using _z = module.forward(x);
  assert.equal(order, ['first', 'second', 'first']);
  module.onForward(() => {
    throw new RangeError('mine');
  });
  assert.instance(
    thrown(() => module.forward(x)),
    RangeError,
  );
});

test('where there is nothing to listen to, or nobody to tell, is one error', () => {
  const [device] = devices;
  using x = tensor([1], { device: device! });
  class Odd extends Module {}
  class Plain extends Layer {
    forward = (y: Tensor): Tensor => y;
  }
  const cases: [() => unknown, RegExp][] = [
    [
      () => x.onGradient(() => {}),
      /^onGradient: no gradient flows through this tensor; set requiresGrad on a leaf$/,
    ],
    [() => Reflect.apply(x.onGradient, x, [null]), /^onGradient: hook is null, expected a function$/],
    [() => new Odd().onForward(() => {}), /^onForward: Odd has no forward\(\); ask the modules within it$/],
    [
      () => Reflect.apply(Plain.prototype.onForward, new Plain(), ['log']),
      /^onForward: hook is 'log', expected a func/,
    ],
  ];
  for (const [call, message] of cases) {
    const error = thrown(call);
    assert.instance(error, ArgumentError);
    assert.match(error.message, message);
  }
});

test.run();
