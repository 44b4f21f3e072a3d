/**
 * Random tensors and dropout: the same bits whatever the threads or the kind of device, parts of a draw equal to the
 * whole's, and the moments and correlations that random numbers should have.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { threefry, toUniform } from '../../src/backends/threefry.js';
import { drawOf } from '../../src/core/random.js';
import { contiguousStrides, type Shape, type TypedArray } from '../../src/core/shape.js';
import {
  type Device,
  dropout,
  Generator,
  manualSeed,
  mul,
  ones,
  openDevice,
  permute,
  rand,
  randn,
  scope,
  slice,
  sum,
  type Tensor,
} from '../../src/index.js';
import { inScope } from '../support/scope.js';
import { openEachKind } from './devices.js';

const test = suite('draws');
const kinds = await openEachKind();
const single = await openDevice('cpu:1', { threads: 1 });
const plain = await openDevice('cpu:2', { threads: 1, kernels: 'plain' });
const devices = [single, ...kinds, plain];
const cpu = kinds[0]!;
test.after(async () => {
  await Promise.all(devices.map((device) => device.close()));
});

function read(make: () => Tensor): Promise<TypedArray> {
  const x = scope(make);
  const data = x.data();
  x.dispose();
  return data;
}

/** The results on every device. */
const onAll = (make: (device: Device) => Tensor): Promise<TypedArray[]> =>
  Promise.all(devices.map((device) => read(() => make(device))));

// Large enough for several threads to share it, and no multiple of a vector.
const shape: Shape = [7, 41, 101];
const draw = drawOf(2 ** 40 + 12, 5);

test('rand is the counted words of its draw, on every device, with any number of threads', async () => {
  const size = 7 * 41 * 101;
  const expected = Float32Array.from({ length: size }, (_, i) => toUniform(threefry(draw.seed, [i, 5])[0]));
  for (const [i, actual] of (await onAll((device) => rand(shape, { device, draw }))).entries()) {
    assert.ok(Buffer.from(actual.buffer).equals(Buffer.from(expected.buffer)), devices[i]!.description);
  }
});

test('randn and dropout give the same bits with any number of threads', async () => {
  const [one, two] = [single, cpu];
  const both = async (make: (device: Device) => Tensor): Promise<void> => {
    const [a, b] = [await read(() => make(one)), await read(() => make(two))];
    assert.equal(a, b);
  };
  await both((device) => randn(shape, { device, draw, mean: 3, std: 0.1 }));
  for (const form of ['paper', 'inverted'] as const) {
    await both((device) => dropout(rand(shape, { device, draw }), 0.3, { draw: drawOf(1, 1), form }));
  }
});

test('randn agrees on all devices to rounding; dropout drops the same elements', async () => {
  const [first, ...others] = await onAll((device) => randn([1000], { device, draw }));
  for (const other of others) assert.ok(other.every((x, i) => Math.abs(x - first![i]!) < 1e-5));
  const [mask, ...masks] = await onAll((device) =>
    dropout(ones([1000], { device }), 0.4, { draw, form: 'paper' }),
  );
  for (const other of masks) assert.equal(other, mask);
});

test('a seed begins the same sequence again, a generator goes on from its stream', async () => {
  const make = (generator?: Generator): Promise<TypedArray> =>
    read(() => rand([50], { device: cpu, ...(generator && { draw: generator.next() }) }));
  manualSeed(7);
  const [first, second] = [await make(), await make()];
  assert.not.equal(first, second);
  manualSeed(7);
  assert.equal([await make(), await make()], [first, second]);
  const generator = new Generator(7);
  generator.stream = 1;
  assert.equal(await make(generator), second, 'the second draw of seed 7');
  manualSeed(8);
  assert.not.equal(await make(), first);
});

test('parts of a draw are slices of the whole', async () => {
  for (const device of devices) {
    for (const make of [rand, randn]) {
      await inScope(async () => {
        const whole = make(shape, { device, draw });
        const strides = contiguousStrides(shape);
        const placed = { ...draw, strides, offset: 2 * strides[0]! + 3 * strides[1]! + 5 };
        const part = make([4, 30, 90], { device, draw: placed });
        const expected = slice(slice(slice(whole, 0, 2, 6), 1, 3, 33), 2, 5, 95);
        assert.equal(await part.data(), await expected.data(), device.description);
      });
    }
  }
});

test('dropout of a part, also of a turned one, drops what dropout of the whole drops there', async () => {
  for (const device of devices) {
    await inScope(async () => {
      const x = rand([6, 8, 10], { device, draw });
      const strides = contiguousStrides(x.shape);
      const whole = dropout(x, 0.5, { draw });
      const offset = 3 * strides[0]! + 2 * strides[1]! + 7;
      // Elements [3.., 2.., 7], the two axes swapped.
      const cut = (y: Tensor): Tensor => permute(slice(slice(slice(y, 0, 3), 1, 2), 2, 7, 8), [1, 0, 2]);
      const placed = { ...draw, offset, strides: [strides[1]!, strides[0]!, 1] };
      const part = dropout(cut(x), 0.5, { draw: placed });
      assert.equal(await part.data(), await cut(whole).data(), device.description);
    });
  }
});

test('dropout: shares, scales, and what happens when not training', () =>
  inScope(async () => {
    const n = 40_000;
    const x = ones([n], { device: cpu });
    for (const [form, kept, tested] of [
      ['paper', 1, 0.75],
      ['inverted', Math.fround(4 / 3), 1],
    ] as const) {
      const values = await dropout(x, 0.25, { form, draw }).data();
      const dropped = values.filter((v) => v === 0).length;
      assert.ok(Math.abs(dropped / n - 0.25) < 0.01, `${dropped} of ${n} dropped`);
      assert.ok(values.every((v) => v === 0 || v === kept));
      assert.ok((await dropout(x, 0.25, { form, training: false }).data()).every((v) => v === tested));
    }
    assert.ok((await dropout(x, 0, { draw }).data()).every((v) => v === 1));
    for (const form of ['paper', 'inverted'] as const) {
      for (const training of [true, false]) {
        const expected = !training && form === 'inverted' ? 1 : 0;
        const values = await dropout(x, 1, { form, training, draw }).data();
        assert.ok(
          values.every((v) => v === expected),
          `p = 1, ${form}, training ${training}`,
        );
      }
    }
    manualSeed(3);
    const [one, two] = [await dropout(x, 0.5).data(), await dropout(x, 0.5).data()];
    assert.not.equal(one, two, 'two calls are two draws');
  }));

test('the gradient of dropout passes where values passed', () =>
  inScope(async () => {
    const x = ones([500], { device: cpu, requiresGrad: true });
    const y = dropout(x, 0.5);
    sum(mul(y, 2)).backward();
    const [values, grads] = [await y.data(), await x.grad!.data()];
    assert.equal(
      grads,
      values.map((v) => 2 * v),
    );
    const all = ones([5], { device: cpu, requiresGrad: true });
    sum(dropout(all, 1)).backward();
    assert.equal([...(await all.grad!.data())], [0, 0, 0, 0, 0]);
  }));

/** Mean, deviation and kurtosis of numbers, and the correlation of neighbours. */
function moments(values: TypedArray) {
  const n = values.length;
  const total = (f: (i: number) => number): number => {
    let result = 0;
    for (let i = 0; i < n; i++) result += f(i);
    return result / n;
  };
  const mean = total((i) => values[i]!);
  const variance = total((i) => (values[i]! - mean) ** 2);
  const kurtosis = total((i) => (values[i]! - mean) ** 4) / variance ** 2;
  const neighbours = total((i) => (values[i]! - mean) * (values[(i + 1) % n]! - mean)) / variance;
  return { mean, deviation: Math.sqrt(variance), kurtosis, neighbours };
}

test('uniform and normal numbers have their moments, and neighbours and draws nothing in common', async () => {
  const size = [100_000];
  const uniform = await read(() => rand(size, { device: cpu, draw }));
  const normal = await read(() => randn(size, { device: cpu, draw, mean: 2, std: 3 }));
  const close = (actual: number, expected: number, within: number, what: string): void =>
    assert.ok(Math.abs(actual - expected) < within, `${what} is ${actual}, expected ${expected}`);
  const u = moments(uniform);
  close(u.mean, 0.5, 0.005, 'mean');
  close(u.deviation, Math.sqrt(1 / 12), 0.003, 'deviation');
  close(u.neighbours, 0, 0.015, 'correlation of neighbours');
  assert.ok(uniform.every((x) => x >= 0 && x < 1));
  const g = moments(normal);
  close(g.mean, 2, 0.05, 'mean');
  close(g.deviation, 3, 0.03, 'deviation');
  close(g.kurtosis, 3, 0.1, 'kurtosis');
  close(g.neighbours, 0, 0.015, 'correlation of neighbours');
  assert.ok(normal.every(Number.isFinite));
  const other = await read(() => rand(size, { device: cpu, draw: { ...draw, stream: 6 } }));
  const common = moments(uniform.map((x, i) => x + other[i]!));
  close(common.deviation, Math.sqrt(1 / 6), 0.005, 'deviation of the sum of two draws');
  const decile = new Array<number>(10).fill(0);
  for (const x of uniform) decile[Math.floor(10 * x)]!++;
  for (const count of decile) close(count, 10_000, 500, 'numbers in a tenth');
});

test.run();
