/**
 * Variance and the normalizations by it: values on each kind of device against plain JavaScript, accuracy far from
 * zero, gradients by finite differences, and what is refused.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Shape, sizeOf } from '../../src/core/shape.js';
import {
  batchNorm,
  type Device,
  groupNorm,
  layerNorm,
  openDevice,
  std,
  sum,
  type Tensor,
  tensor,
  variance,
} from '../../src/index.js';
import { seededRandom } from '../backends/cpu/numbers.js';
import { type Differentiable, gradcheck, normalLeaf, positiveLeaf } from '../support/gradcheck.js';
import { inScope } from '../support/scope.js';
import { openEachKind } from './devices.js';
import { assertNd, type Index, indices, Nd } from './nd.js';
import { between, disguise, randomShape } from './shapes.js';

const test = suite('mean and variance');
const random = seededRandom('core/standardize');
const devices = [...(await openEachKind()), await openDevice('cpu:1', { kernels: 'plain' })];
test.after(async () => {
  await Promise.all(devices.map((device) => device.close()));
});

/** A test on each device. */
function onEach(name: string, body: (device: Device) => Promise<void>): void {
  for (const device of devices) test(`${name} (${device.description})`, () => inScope(() => body(device)));
}

/** Mean and variance of some numbers. */
function momentsOf(numbers: readonly number[], correction = 0): { mean: number; variance: number } {
  const mean = numbers.reduce((a, b) => a + b, 0) / numbers.length;
  const squares = numbers.reduce((a, b) => a + (b - mean) ** 2, 0);
  return { mean, variance: squares / Math.max(0, numbers.length - correction) };
}

/** x normalized over the elements of which `group` says the same. */
function standardized(x: Nd, group: (index: Index) => string, eps: number): Nd {
  const members = new Map<string, number[]>();
  for (const index of indices(x.shape)) {
    const key = group(index);
    members.set(key, [...(members.get(key) ?? []), x.at(...index)]);
  }
  const moments = new Map([...members].map(([key, numbers]) => [key, momentsOf(numbers)]));
  return Nd.build(x.shape, (index) => {
    const { mean, variance } = moments.get(group(index))!;
    return (x.at(...index) - mean) / Math.sqrt(variance + eps);
  });
}

const shifted = (shape: Shape): Nd => Nd.build(shape, () => Math.fround(2 * random.normal() + 5));

onEach('variance and std: over any axes, with any correction', async (device) => {
  const x = shifted([3, 4, 5]);
  for (const [axes, correction] of [
    [[2], 1],
    [[0, 2], 0],
    [[1], 2.5],
    [[0, 1, 2], 1],
  ] as const) {
    const kept = [0, 1, 2].filter((axis) => !axes.some((reduced) => reduced === axis));
    const expected = Nd.build(
      x.shape.map((n, axis) => (kept.includes(axis) ? n : 1)),
      (index) => {
        const own = [...indices(x.shape)].filter((other) =>
          kept.every((axis) => other[axis] === index[axis]),
        );
        return momentsOf(
          own.map((i) => x.at(...i)),
          correction,
        ).variance;
      },
    );
    const options = { axes, correction, keepDim: true };
    await assertNd(variance(x.seen(random, device), options), expected, `variance over ${axes}`);
    const roots = Nd.build(expected.shape, (index) => Math.sqrt(expected.at(...index)));
    await assertNd(std(x.seen(random, device), options), roots, `std over ${axes}`);
  }
  const all = await variance(tensor([1, 2, 3, 4], { device })).item();
  assert.ok(Math.abs(all - 5 / 3) < 1e-6);
  assert.ok(Number.isNaN(await variance(tensor([3], { device })).item()), 'one element and the correction 1');
  assert.is(await variance(tensor([3], { device }), { correction: 0 }).item(), 0);
  assert.ok(Number.isNaN(await std(tensor([1, Number.NaN, 2], { device })).item()));
});

onEach('the variance of a million elements far from zero is right to a millionth', async (device) => {
  for (const center of [0, 3, 1e4, 1e6]) {
    const numbers = Float32Array.from({ length: 1e6 }, (_, i) => center + ((i * 7919) % 1000) / 100);
    const expected = momentsOf([...numbers], 1).variance;
    for (const options of [{}, { axes: 1 }]) {
      const found = await variance(tensor(numbers, { shape: [1, 1e6], device }), options).item();
      assert.ok(
        Math.abs(found / expected - 1) < 1e-6,
        `around ${center}: ${found}, expected ${expected}, off by ${found / expected - 1}`,
      );
    }
  }
});

onEach('the moments of pixels in many images are right to a millionth', async (device) => {
  for (const center of [0, 1e4, 1e6]) {
    // A first image unlike the others, and a first pixel unlike its image.
    const valueAt = (n: number, i: number): number =>
      center + (n === 0 ? 40 : ((n * 53 + i * 7919) % 1000) / 100) + (n + i === 0 ? 300 : 0);
    const [images, pixels] = [30, 500];
    const numbers = Float32Array.from({ length: images * 2 * pixels }, (_, i) =>
      valueAt(Math.floor(i / (2 * pixels)), i % pixels),
    );
    const channel = [...numbers].filter((_, i) => i % (2 * pixels) < pixels);
    const { mean, variance: spread } = momentsOf(channel);
    const x = tensor(numbers, { shape: [images, 2, pixels], device });
    const found = batchNorm(x);
    const own = await variance(x, { axes: [0, 2], correction: 0 }).data();
    for (const [c, value] of (await found.variance.data()).entries()) {
      assert.ok(Math.abs(value / spread - 1) < 1e-6, `around ${center}: ${value}, expected ${spread}`);
      assert.is(own[c], value);
    }
    for (const value of await found.mean.data())
      assert.ok(
        Math.abs(value - mean) <= 1e-7 * (mean + 5 * Math.sqrt(spread)),
        `around ${center}: ${value}, expected ${mean}`,
      );
    const out = await found.out.data();
    for (let i = 0; i < pixels; i++) {
      const expected = (channel[i]! - mean) / Math.sqrt(spread + 1e-5);
      assert.ok(Math.abs(out[i]! - expected) < 2e-6 * Math.max(1, Math.abs(expected)), `around ${center}`);
    }
  }
});

onEach('layerNorm over the last axes', async (device) => {
  for (const [shape, own] of [
    [[4, 33], [33]],
    [
      [3, 2, 5],
      [2, 5],
    ],
    [[6], [6]],
  ] as const) {
    const x = shifted(shape);
    const lead = shape.length - own.length;
    const standard = standardized(x, (index) => index.slice(0, lead).join(), 1e-5);
    await assertNd(layerNorm(x.seen(random, device), own), standard, `layerNorm of ${shape}`);
    const [weight, bias] = [Nd.normal(random, own), Nd.normal(random, own)];
    const expected = Nd.build(shape, (index) => {
      const at = index.slice(lead);
      return standard.at(...index) * weight.at(...at) + bias.at(...at);
    });
    const options = { weight: weight.seen(random, device), bias: bias.seen(random, device) };
    await assertNd(layerNorm(x.seen(random, device), own, options), expected, `with weight and bias`);
  }
  const x = shifted([2, 9]);
  const soft = standardized(x, ([n]) => `${n}`, 0.3);
  await assertNd(layerNorm(x.on(device), 9, { eps: 0.3 }), soft, 'eps');
  assert.equal([...(await layerNorm(tensor([[2], [3]], { device }), 1).data())], [0, 0], 'one element each');
});

onEach('groupNorm over groups of channels and their pixels', async (device) => {
  for (const [shape, groups] of [
    [[2, 6, 3, 5], 3],
    [[3, 4], 2],
    [[2, 5, 7], 5],
    [[2, 3, 4, 4], 1],
  ] as const) {
    const x = shifted(shape);
    const channels = shape[1];
    const groupOf = ([n, c]: Index): string => `${n} ${Math.floor((c! * groups) / channels)}`;
    const standard = standardized(x, groupOf, 1e-5);
    const [weight, bias] = [Nd.normal(random, [channels]), Nd.normal(random, [channels])];
    const expected = Nd.build(shape, (i) => standard.at(...i) * weight.at(i[1]!) + bias.at(i[1]!));
    const options = { weight: weight.seen(random, device), bias: bias.seen(random, device) };
    await assertNd(groupNorm(x.seen(random, device), groups), standard, `groupNorm of ${shape}`);
    await assertNd(groupNorm(x.seen(random, device), groups, options), expected, `${shape} with weight`);
  }
});

onEach('batchNorm: by the batch, and by what is given', async (device) => {
  for (const shape of [
    [4, 3, 5, 6],
    [7, 5],
    [3, 2, 9],
    [2, 70, 3],
  ] as const) {
    const x = shifted(shape);
    const channels = shape[1];
    const standard = standardized(x, ([, c]) => `${c}`, 1e-5);
    const [weight, bias] = [Nd.normal(random, [channels]), Nd.normal(random, [channels])];
    const expected = Nd.build(shape, (i) => standard.at(...i) * weight.at(i[1]!) + bias.at(i[1]!));
    const options = { weight: weight.seen(random, device), bias: bias.seen(random, device) };
    const batch = batchNorm(x.seen(random, device), options);
    await assertNd(batch.out, expected, `batchNorm of ${shape}`);
    const moments = Array.from({ length: channels }, (_, c) =>
      momentsOf([...indices(shape)].filter((i) => i[1] === c).map((i) => x.at(...i))),
    );
    await assertNd(batchNorm(x.seen(random, device)).out, standard, `batchNorm of ${shape} alone`);
    const given = batchNorm(x.on(device), {
      ...options,
      training: false,
      mean: batch.mean,
      variance: batch.variance,
    });
    await assertNd(given.out, expected, 'by the statistics of the same batch');
    await assertNd(
      batch.mean,
      Nd.build([channels], ([c]) => moments[c!]!.mean),
      'mean',
    );
    await assertNd(
      batch.variance,
      Nd.build([channels], ([c]) => moments[c!]!.variance),
      'variance',
    );
  }
});

/** Checks f of tensors of `shapes`, each reached through a random view. */
async function check(
  what: string,
  f: Differentiable,
  shapes: readonly Shape[],
  make: typeof normalLeaf = normalLeaf,
): Promise<void> {
  const disguises = shapes.map((shape) => disguise(random, shape));
  const leaves = disguises.map(({ shape }) => make(random, shape));
  const seen = (...inputs: Tensor[]) => f(...inputs.map((x, i) => disguises[i]!.view(x)));
  await gradcheck(`${what} of ${JSON.stringify(shapes)}`, devices[0]!, random, seen, leaves);
}

test('gradients of variance and std', async () => {
  for (let rank = 1; rank <= 3; rank++) {
    const shape = randomShape(random, rank, 4).map((n) => n + 1);
    const axes = [...random.permutation(rank)].slice(0, between(random, 1, rank));
    for (const keepDim of [false, true]) {
      await check(`variance over ${axes}`, (x) => variance(x!, { axes, keepDim }), [shape]);
      await check(`std over ${axes}`, (x) => std(x!, { axes, keepDim, correction: 0 }), [shape]);
    }
  }
});

test('gradients of the normalizations: by x, weight and bias', async () => {
  for (const own of [[5], [2, 4]]) {
    const shape = [...randomShape(random, between(random, 0, 2)), ...own];
    await check('layerNorm', (x) => layerNorm(x!, own), [shape]);
    const f: Differentiable = (x, weight, bias) => layerNorm(x!, own, { weight, bias, eps: 0.1 });
    await check('layerNorm with weight and bias', f, [shape, own, own]);
  }
  for (const pixels of [[], [3], [2, 2]]) {
    const shape = [3, 4, ...pixels];
    await check('groupNorm', (x) => groupNorm(x!, 2), [shape]);
    const grouped: Differentiable = (x, weight, bias) => groupNorm(x!, 2, { weight, bias });
    await check('groupNorm with weight and bias', grouped, [shape, [4], [4]]);
    await check('batchNorm', (x) => batchNorm(x!).out, [shape]);
    const batch: Differentiable = (x, weight, bias) => batchNorm(x!, { weight, bias, eps: 0.1 }).out;
    await check('batchNorm with weight and bias', batch, [shape, [4], [4]]);
    const moments = {
      mean: tensor([1, 2, 3, 4], { device: devices[0]!, dtype: 'float64' }),
      training: false,
    };
    const spread = tensor([1, 2, 0.5, 4], { device: devices[0]!, dtype: 'float64' });
    const still: Differentiable = (x, weight, bias) =>
      batchNorm(x!, { ...moments, variance: spread, weight, bias }).out;
    await check('batchNorm by given statistics', still, [shape, [4], [4]]);
  }
  await check(
    'the weight alone',
    (weight) => layerNorm(tensor([[1, 2, 4]], { device: devices[0]!, dtype: 'float64' }), 3, { weight }),
    [[3]],
    positiveLeaf,
  );
});

onEach('batchNorm: equal gradients cancel', async (device) => {
  const numbers = Float32Array.from({ length: 4 * 3 * 50 }, () => random.normal() + 100);
  const x = tensor(numbers, { shape: [4, 3, 50], device, requiresGrad: true });
  sum(batchNorm(x).out).backward();
  const grads = await x.grad!.data();
  assert.is(grads.length, sizeOf(x.shape));
  assert.ok(
    grads.every((g) => Math.abs(g) < 1e-4),
    'of a sum that is always 0',
  );
});

test('what makes no sense is refused, by the name of the op', () => {
  const device = devices[0]!;
  const x = tensor(new Float32Array(24), { shape: [2, 3, 4], device });
  const ones = (n: number): Tensor => tensor(new Float32Array(n), { device });
  assert.throws(() => variance(x, { axes: [] }), /variance: no elements/);
  assert.throws(() => std(tensor([], { device })), /std: no elements/);
  assert.throws(
    () => variance(tensor([[], []], { shape: [2, 0], device }), { axes: 1 }),
    /variance: no elem/,
  );
  assert.throws(() => layerNorm(x, [3]), /layerNorm: x is 2x3x4, expected it to end in \[3\]/);
  assert.throws(() => layerNorm(x, []), /layerNorm: x is 2x3x4/);
  assert.throws(() => layerNorm(x, 4, { weight: ones(3) }), /layerNorm: weight is \[3\], expected \[4\]/);
  assert.throws(() => groupNorm(x, 2), /groupNorm: 2 groups don't divide the 3 channels/);
  assert.throws(() => groupNorm(ones(3), 1), /groupNorm: x is \[3\], expected \[N, C/);
  assert.throws(() => batchNorm(x, { training: false }), /batchNorm: mean and variance must be given/);
  assert.throws(() => batchNorm(x, { bias: ones(4) }), /batchNorm: bias is \[4\], expected \[3\]/);
  const single = tensor([[1, 2, 3]], { device });
  assert.throws(() => batchNorm(single), /batchNorm: x is 1x3, expected more than one element a channel/);
});

test.run();
