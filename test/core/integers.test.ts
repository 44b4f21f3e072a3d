/**
 * int32 and uint8 beyond what a float32 holds: exact among themselves, wrapping around at 2^31, refused where a number
 * doesn't fit. The right values are worked out in BigInt. On each kind of device, and in plain loops.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as tandem from '../../src/index.js';
import { ArgumentError, type Device, openDevice, type Tensor, tensor } from '../../src/index.js';
import { seededRandom } from '../backends/cpu/numbers.js';
import { inScope } from '../support/scope.js';
import { openEachKind } from './devices.js';

const test = suite('integers');
const random = seededRandom('core/integers');
const devices = [...(await openEachKind()), await openDevice('cpu:1', { kernels: 'plain' })];
test.after(async () => {
  await Promise.all(devices.map((device) => device.close()));
});

function onEach(name: string, body: (device: Device) => Promise<void>): void {
  for (const device of devices) {
    const what = `${name} (${device.name}${device.name === 'cpu:1' ? ' plain' : ''})`;
    test(what, () => inScope(() => body(device)));
  }
}

const limits = [-(2 ** 31), -(2 ** 24) - 1, -1, 0, 1, 2 ** 24, 2 ** 24 + 1, 2 ** 31 - 1];
const pairs = [
  ...limits.flatMap((a) => limits.map((b) => [a, b] as const)),
  ...Array.from({ length: 40 }, () => [random.integer(2 ** 32) - 2 ** 31, random.integer(9) - 4] as const),
];

/** A whole number as int32 wraps it. */
const wrapped = (value: bigint): number => Number(BigInt.asIntN(32, value));

async function same(actual: Tensor, dtype: string, expected: readonly number[], what: string): Promise<void> {
  assert.is(actual.dtype, dtype, what);
  assert.equal(Array.from(await actual.data()), [...expected], what);
}

onEach('arithmetic wraps around, comparisons tell neighbours apart', async (device) => {
  const [a, b] = [0, 1].map((side) =>
    tensor(
      Int32Array.from(pairs, (pair) => pair[side]!),
      { device },
    ),
  );
  const wraps: readonly (readonly [string, tandem.Binary, (x: bigint, y: bigint) => bigint])[] = [
    ['add', tandem.add, (x, y) => x + y],
    ['sub', tandem.sub, (x, y) => x - y],
    ['mul', tandem.mul, (x, y) => x * y],
  ];
  for (const [name, op, of] of wraps) {
    const expected = pairs.map(([x, y]) => wrapped(of(BigInt(x), BigInt(y))));
    await same(op(a!, b!), 'int32', expected, name);
    const byNumber = pairs.map(([x]) => wrapped(of(BigInt(x), BigInt(2 ** 24 + 1))));
    await same(op(a!, 2 ** 24 + 1), 'int32', byNumber, `${name} with a number`);
  }
  await same(
    tandem.minimum(a!, b!),
    'int32',
    pairs.map((pair) => Math.min(...pair)),
    'minimum',
  );
  await same(
    tandem.maximum(a!, b!),
    'int32',
    pairs.map((pair) => Math.max(...pair)),
    'maximum',
  );
  const tells: readonly (readonly [string, tandem.Binary, (x: number, y: number) => boolean])[] = [
    ['eq', tandem.eq, (x, y) => x === y],
    ['ne', tandem.ne, (x, y) => x !== y],
    ['lt', tandem.lt, (x, y) => x < y],
    ['le', tandem.le, (x, y) => x <= y],
    ['gt', tandem.gt, (x, y) => x > y],
    ['ge', tandem.ge, (x, y) => x >= y],
  ];
  for (const [name, op, of] of tells) {
    await same(
      op(a!, b!),
      'float32',
      pairs.map(([x, y]) => Number(of(x, y))),
      name,
    );
    const byNumber = pairs.map(([x]) => Number(of(x, 2 ** 24 + 1)));
    await same(op(a!, 2 ** 24 + 1), 'float32', byNumber, `${name} with a number`);
  }
  await same(
    tandem.neg(a!),
    'int32',
    pairs.map(([x]) => wrapped(-BigInt(x))),
    'neg',
  );
  await same(
    tandem.abs(a!),
    'int32',
    pairs.map(([x]) => wrapped(BigInt(Math.abs(x)))),
    'abs',
  );
  await same(
    tandem.relu(a!),
    'int32',
    pairs.map(([x]) => Math.max(0, x)),
    'relu',
  );
  await same(
    tandem.floor(a!),
    'int32',
    pairs.map(([x]) => x),
    'floor',
  );
  await same(
    tandem.isnan(a!),
    'float32',
    pairs.map(() => 0),
    'isnan',
  );
  const held = pairs.map(([x]) => Math.min(Math.max(x, -(2 ** 24) - 1), 2 ** 24 + 1));
  await same(tandem.clamp(a!, -(2 ** 24) - 1, 2 ** 24 + 1), 'int32', held, 'clamp');
});

onEach('where keeps both sides exact, whatever the condition is of', async (device) => {
  const big = tensor(Int32Array.of(2 ** 24 + 1, 7, -(2 ** 31)), { device });
  for (const dtype of ['float32', 'int32', 'uint8'] as const) {
    const condition = tensor([1, 0, 3], { device, dtype });
    await same(
      tandem.where(condition, big, 2 ** 31 - 1),
      'int32',
      [2 ** 24 + 1, 2 ** 31 - 1, -(2 ** 31)],
      dtype,
    );
    await same(tandem.where(condition, 0.5, big), 'float32', [0.5, 7, 0.5], `${dtype}, a fraction`);
  }
  const nan = tensor([Number.NaN, 0, -0], { device });
  await same(tandem.where(nan, big, tandem.neg(big)), 'int32', [2 ** 24 + 1, -7, -(2 ** 31)], 'NaN holds');
});

onEach('reductions of any axes and views', async (device) => {
  const [A, B, C] = [3, 1 + random.integer(6), 1 + random.integer(9)];
  const numbers = Int32Array.from({ length: A * B * C }, () => random.integer(2 ** 31) - 2 ** 30);
  const x = tandem.flip(tandem.permute(tensor(numbers, { device, shape: [A, B, C] }), [2, 0, 1]), 0);
  const at = (c: number, a: number, b: number): number => numbers[(a * B + b) * C + (C - 1 - c)]!;
  const columns = Array.from({ length: A }, (_, a) =>
    Array.from({ length: B * C }, (_, i) => at(i % C, a, Math.floor(i / C))),
  );
  const total = (all: readonly number[]): number => wrapped(all.reduce((sum, n) => sum + BigInt(n), 0n));
  const axes = { axes: [0, 2] };
  await same(tandem.sum(x, axes), 'int32', columns.map(total), 'sum');
  await same(
    tandem.max(x, { ...axes, keepDim: true }),
    'int32',
    columns.map((all) => Math.max(...all)),
    'max',
  );
  await same(
    tandem.min(x, axes),
    'int32',
    columns.map((all) => Math.min(...all)),
    'min',
  );
  await same(tandem.sum(x), 'int32', [total([...numbers])], 'sum of all');
  assert.equal(tandem.max(x, { ...axes, keepDim: true }).shape, [1, A, 1]);
  await same(
    tandem.sum(tandem.zeros([2, 0], { device, dtype: 'int32' }), { axes: 1 }),
    'int32',
    [0, 0],
    'none',
  );
  const bytes = tensor(Uint8Array.of(200, 100, 255), { device });
  await same(tandem.sum(bytes), 'int32', [555], 'bytes');
  await same(tandem.mean(bytes), 'float32', [185], 'mean');
  const many = tandem.expand(bytes, [2 ** 22, 3]);
  assert.throws(() => tandem.sum(many), /sum: 12582912 bytes may add up to more than an int32; cast\(\)/);
});

onEach('made, padded, gathered and cast', async (device) => {
  const large = 2 ** 24 + 1;
  const x = tensor(Int32Array.of(5, large), { device });
  await same(tandem.full([2], large, { device, dtype: 'int32' }), 'int32', [large, large], 'full');
  await same(tandem.full([1], -1.5, { device, dtype: 'int32' }), 'int32', [-1], 'full with a fraction');
  await same(tandem.pad(x, [[1, 1]], large), 'int32', [large, 5, large, large], 'pad');
  await same(tandem.gather(x, 0, tensor(Int32Array.of(1, 0), { device })), 'int32', [large, 5], 'gather');
  await same(tandem.topk(x, 1).values, 'int32', [large], 'topk');
  await same(tandem.oneHot(tensor(Int32Array.of(1), { device }), 2), 'float32', [0, 1], 'oneHot');
  const odd = tensor([Number.NaN, Infinity, -Infinity, 3e9, -3e9, -1, 256, 1.9, -1.9], { device });
  const low = -(2 ** 31);
  await same(
    tandem.cast(odd, 'int32'),
    'int32',
    [0, 2 ** 31 - 1, low, 2 ** 31 - 1, low, -1, 256, 1, -1],
    'int32',
  );
  await same(tandem.cast(odd, 'uint8'), 'uint8', [0, 255, 0, 255, 0, 0, 255, 1, 0], 'uint8');
  await same(
    tandem.cast(tensor(Int32Array.of(-1, 256, large), { device }), 'uint8'),
    'uint8',
    [0, 255, 255],
    'int32',
  );
  // Integers that a float32 holds in part only are rounded to the nearest.
  await same(
    tandem.cast(tensor(Int32Array.of(2 ** 24 + 3), { device }), 'float32'),
    'float32',
    [2 ** 24 + 4],
    'float32',
  );
});

onEach('fractions and floats make floats; whole numbers beyond int32 are refused', async (device) => {
  const x = tensor(Int32Array.of(3, -4), { device });
  await same(tandem.mul(x, 0.5), 'float32', [1.5, -2], 'times a fraction');
  await same(tandem.add(x, tensor([0.5, 1], { device })), 'float32', [3.5, -3], 'plus a float');
  await same(tandem.div(x, 2), 'float32', [1.5, -2], 'divided');
  await same(tandem.pow(x, 2), 'float32', [9, 16], 'squared');
  await same(tandem.clamp(x, 0, Infinity), 'int32', [3, 0], 'without a bound');
  for (const op of [tandem.add, tandem.eq, tandem.maximum]) {
    for (const beyond of [2 ** 31, -(2 ** 31) - 1, 1e300]) {
      assert.throws(
        () => op(x, beyond),
        (error: unknown) =>
          error instanceof ArgumentError &&
          error.message.endsWith(`: ${beyond} is out of the range of int32, -2147483648 to 2147483647`),
      );
    }
  }
});

test.run();
