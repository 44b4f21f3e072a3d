/**
 * Activations: on each kind of device against their formulas in double precision, also where exponentials overflow
 * or differences cancel; their gradients by finite differences.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { elu, gelu, leakyRelu, openDevice, silu, softplus, type Tensor, tensor } from '../../src/index.js';
import { seededRandom } from '../backends/cpu/numbers.js';
import { distinctLeaf, gradcheck, normalLeaf } from '../support/gradcheck.js';
import { leaklessOnEach, list, openEachKind } from './devices.js';

const test = suite('activations');
const random = seededRandom('core/activations');
const devices = await openEachKind();
const onEach = leaklessOnEach(test, devices);
const exact = await openDevice('cpu:1', { threads: 1 });
test.after(async () => {
  await Promise.all([...devices, exact].map((device) => device.close()));
});

const bend = Math.sqrt(2 / Math.PI);
const cases: readonly (readonly [string, (x: Tensor) => Tensor, (x: number) => number])[] = [
  ['silu', silu, (x) => x / (1 + Math.exp(-x))],
  ['leakyRelu', leakyRelu, (x) => (x < 0 ? 0.01 * x : x)],
  ['leakyRelu of 0.3', (x) => leakyRelu(x, 0.3), (x) => (x < 0 ? 0.3 * x : x)],
  ['elu', elu, (x) => (x > 0 ? x : Math.expm1(x))],
  ['elu of 0.5', (x) => elu(x, 0.5), (x) => (x > 0 ? x : 0.5 * Math.expm1(x))],
  ['softplus', softplus, (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))],
  [
    'softplus of 2',
    (x) => softplus(x, 2),
    (x) => Math.max(x, 0) + Math.log1p(Math.exp(-2 * Math.abs(x))) / 2,
  ],
  ['gelu by tanh', (x) => gelu(x, 'tanh'), (x) => 0.5 * x * (1 + Math.tanh(bend * (x + 0.044715 * x ** 3)))],
];

onEach('values, near 0 and far from it', async (device) => {
  const numbers = Float32Array.of(-90, -20, -3, -1, -0.5, -1e-3, -1e-6, 0, 1e-6, 1e-3, 0.5, 1, 3, 20, 90);
  for (const [name, f, formula] of cases) {
    const actual = await list(f(tensor(numbers, { device })));
    for (const [i, x] of numbers.entries()) {
      const expected = formula(x);
      // gelu is a product with a small difference; on WebGPU a compiler may simplify what keeps softplus's digits.
      const absolute = name === 'gelu by tanh' || device.kind === 'webgpu' ? 2e-7 : 1e-30;
      const error = Math.abs(actual[i]! - expected);
      assert.ok(
        error <= 3e-6 * Math.abs(expected) + absolute,
        `${name}(${x}) is ${actual[i]}, not ${expected}`,
      );
    }
    assert.ok((await list(f(tensor([Number.NaN], { device })))).every(Number.isNaN), `${name} of NaN`);
  }
});

// By the tables of the normal distribution: x * P(X <= x).
onEach('gelu: x times the share of the normal distribution below x', async (device) => {
  const known = [
    [-3, -3 * 0.0013498980316300946],
    [-1, -0.15865525393145707],
    [0, 0],
    [0.5, 0.5 * 0.6914624612740131],
    [1, 0.8413447460685429],
    [2, 2 * 0.9772498680518208],
    [9, 9],
  ];
  const actual = await list(
    gelu(
      tensor(
        known.map(([x = 0]) => x),
        { device },
      ),
    ),
  );
  for (const [i, [x = 0, y = 0]] of known.entries())
    assert.ok(Math.abs(actual[i]! - y) <= 4e-7, `gelu(${x}) is ${actual[i]}, not ${y}`);
});

test('gradients, and arguments that make no sense', async () => {
  for (const [name, f] of [...cases, ['gelu', (x: Tensor) => gelu(x)] as const]) {
    await gradcheck(name, exact, random, f, [normalLeaf(random, [2, 5], 2)]);
    await gradcheck(name, exact, random, f, [distinctLeaf(random, [7])]);
  }
  const x = tensor([1], { device: exact });
  const wrong: object = { approximate: 'tanh' };
  assert.throws(
    () => Reflect.apply(gelu, null, [x, wrong]),
    /gelu: approximate is an object, expected 'none' or 'tanh'/,
  );
  assert.throws(() => Reflect.apply(elu, null, [x, x]), /elu: alpha is a Tensor, expected a number/);
  x.dispose();
});

test.run();
