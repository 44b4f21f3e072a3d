/**
 * Gradients of products, convolution, pooling, response normalization and losses, each against finite differences
 * over random sizes and attributes. (Element-wise ops and views are in gradients.test.ts.)
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Shape } from '../../src/core/shape.js';
import {
  add,
  avgPool2d,
  conv2d,
  crossEntropy,
  type Device,
  expand,
  flatten,
  linear,
  localResponseNorm,
  logSoftmax,
  matmul,
  maxPool2d,
  mseLoss,
  openDevice,
  type PoolOptions,
  softmax,
  spatialResponseNorm,
  sum,
  type Tensor,
  tensor,
  transpose,
} from '../../src/index.js';
import { seededRandom } from '../backends/cpu/numbers.js';
import { type Differentiable, distinctLeaf, gradcheck, type Leaf, normalLeaf } from '../support/gradcheck.js';
import { between, broadcastingShapes, disguise, oneOf } from './shapes.js';

const test = suite('layer gradients');
const random = seededRandom('core/layerGradients');
let device: Device;

test.before(async () => {
  device = await openDevice('cpu:0', { threads: 1 });
});
test.after(() => device.close());

type MakeLeaf = (rng: typeof random, shape: Shape, scale?: number) => Leaf;

/** Checks f of tensors of `shapes`, each reached through a random view. */
async function check(
  what: string,
  f: Differentiable,
  shapes: readonly Shape[],
  make: MakeLeaf = normalLeaf,
): Promise<void> {
  const disguises = shapes.map((shape) => disguise(random, shape));
  const leaves = disguises.map(({ shape }) => make(random, shape));
  const seen = (...inputs: Tensor[]) => f(...inputs.map((x, i) => disguises[i]!.view(x)));
  await gradcheck(`${what} of ${JSON.stringify(shapes)}`, device, random, seen, leaves);
}

test('matmul: batches broadcast, operands transposed or not', async () => {
  for (let batchRank = 0; batchRank <= 2; batchRank++) {
    for (const [turnA, turnB] of [
      [false, false],
      [true, false],
      [false, true],
      [true, true],
    ]) {
      const [batchA = [], batchB = []] = broadcastingShapes(random, 2, batchRank);
      const [m, k, n] = [between(random, 1, 4), between(random, 1, 4), between(random, 1, 4)];
      const shapeA = [...batchA, ...(turnA ? [k, m] : [m, k])];
      const shapeB = [...batchB, ...(turnB ? [n, k] : [k, n])];
      const f = (a: Tensor, b: Tensor): Tensor =>
        matmul(turnA ? transpose(a, -1, -2) : a, turnB ? transpose(b, -1, -2) : b);
      await check(`matmul turned ${turnA} ${turnB}`, (a, b) => f(a!, b!), [shapeA, shapeB]);
    }
  }
  await check('matmul of a matrix and itself', (a) => matmul(a, transpose(a, 0, 1)), [[3, 2]]);
  await check('matmul of a repeated row', (a, b) => matmul(expand(a!, [3, 4]), b!), [
    [1, 4],
    [4, 2],
  ]);
});

test('linear: bias and ReLU fused, and a bias that is a view', async () => {
  const [n, k, o] = [between(random, 1, 4), between(random, 1, 5), between(random, 1, 4)];
  await check('linear', (x, w) => linear(x!, w!), [
    [n, k],
    [o, k],
  ]);
  for (const relu of [false, true]) {
    const f: Differentiable = (x, w, b) => linear(x!, w!, { bias: b!, relu });
    await check(`linear relu=${relu}`, f, [[n, k], [o, k], [o]]);
    await check(`linear of several axes, relu=${relu}`, f, [[2, n, k], [o, k], [o]]);
    await check(`linear of one axis, relu=${relu}`, f, [[k], [o, k], [o]]);
  }
  await check('linear with a repeated bias', (x, w, b) => linear(x!, w!, { bias: expand(b!, [o]) }), [
    [n, k],
    [o, k],
    [1],
  ]);
});

test('conv2d: groups, strides, four-sided padding, bias and fused ReLU', async () => {
  for (let round = 0; round < 10; round++) {
    const groups = oneOf(random, [1, 1, 2, 3]);
    const [each, per] = [between(random, 1, 2), between(random, 1, 2)];
    const kernel = [between(random, 1, 3), between(random, 1, 3)] as const;
    const stride = [between(random, 1, 3), between(random, 1, 3)] as const;
    const side = (): number => between(random, 0, 2);
    const padding = [side(), side(), side(), side()] as const;
    const image = [kernel[0] + between(random, 0, 3), kernel[1] + between(random, 0, 3)];
    const x = [between(random, 1, 2), groups * each, ...image];
    const weight = [groups * per, each, ...kernel];
    const relu = random.uniform() < 0.5;
    const options = { groups, stride, padding, relu };
    await check(
      `conv2d ${JSON.stringify(options)}`,
      (input, w, bias) => conv2d(input!, w!, { ...options, bias }),
      [x, weight, [groups * per]],
    );
  }
  await check('conv2d without a bias', (x, w) => conv2d(x!, w!, { padding: [1, 0] }), [
    [1, 1, 3, 3],
    [2, 1, 2, 2],
  ]);
});

/** Windows that overlap, leave pixels out, overhang the edge, are padded. */
function poolCases(): (PoolOptions & { readonly size: readonly [number, number] })[] {
  return Array.from({ length: 8 }, () => {
    const kernel = [between(random, 1, 3), between(random, 1, 3)] as const;
    const stride = [between(random, 1, 3), between(random, 1, 3)] as const;
    const [down, right] = kernel;
    const side = (n: number): number => between(random, 0, n - 1);
    return {
      kernel,
      stride,
      padding: [side(down), side(right), side(down), side(right)],
      ceilMode: random.uniform() < 0.5,
      size: [down + between(random, 0, 3), right + between(random, 0, 3)],
    };
  });
}

test('maxPool2d', async () => {
  for (const { size, ...options } of poolCases()) {
    const what = `maxPool2d ${JSON.stringify(options)}`;
    await check(what, (x) => maxPool2d(x, options), [[1, 2, ...size]], distinctLeaf);
  }
});

test('avgPool2d, dividing by the window or by what of it lies in the image', async () => {
  for (const { size, ...options } of poolCases()) {
    for (const countIncludePad of [true, false]) {
      const what = `avgPool2d ${JSON.stringify(options)} countIncludePad=${countIncludePad}`;
      await check(what, (x) => avgPool2d(x, { ...options, countIncludePad }), [[2, 1, ...size]]);
    }
  }
});

test('maxPool2d: the first of equal pixels gets the gradient', async () => {
  const x = tensor(
    [
      [
        [
          [7, 7],
          [7, 1],
        ],
      ],
    ],
    { device, requiresGrad: true },
  );
  maxPool2d(x, { kernel: 2 }).backward();
  assert.equal([...(await x.grad!.data())], [1, 0, 0, 0]);
});

test('localResponseNorm: both scalings, any power, odd and even windows wider than the maps', async () => {
  for (const size of [1, 2, 3, 4, 5, 8]) {
    for (const scaling of ['sum', 'mean'] as const) {
      const options = { size, scaling, alpha: 0.5, k: 1.5, beta: oneOf(random, [0.75, 0.5, 1, 1.3]) };
      const shape = [between(random, 1, 2), between(random, 1, 6), 1, between(random, 1, 3)];
      await check(`localResponseNorm ${JSON.stringify(options)}`, (x) => localResponseNorm(x, options), [
        shape,
      ]);
    }
  }
});

test('spatialResponseNorm: both scalings, windows wider than the image', async () => {
  for (const size of [1, 3, 5]) {
    for (const scaling of ['sum', 'mean'] as const) {
      const options = { size, scaling, alpha: 0.3, k: 1, beta: oneOf(random, [0.75, 1.2]) };
      const shape = [1, 2, between(random, 1, 4), between(random, 1, 4)];
      await check(`spatialResponseNorm ${JSON.stringify(options)}`, (x) => spatialResponseNorm(x, options), [
        shape,
      ]);
    }
  }
});

test('softmax and logSoftmax along any axis', async () => {
  for (const axis of [0, 1, -1]) {
    const shape = [2, 3, between(random, 1, 4)];
    await check(`softmax along ${axis}`, (x) => softmax(x, axis), [shape]);
    await check(`logSoftmax along ${axis}`, (x) => logSoftmax(x, axis), [shape]);
  }
});

test('crossEntropy: mean, sum and none', async () => {
  const [n, classes] = [between(random, 1, 4), between(random, 2, 5)];
  const labels = Int32Array.from({ length: n }, () => random.integer(classes));
  for (const reduction of ['mean', 'sum', 'none'] as const) {
    const f: Differentiable = (x) => crossEntropy(x!, tensor(labels, { device }), reduction);
    await check(`crossEntropy ${reduction}`, f, [[n, classes]]);
  }
});

test('mseLoss: mean, sum and none, by both', async () => {
  const shape = [between(random, 1, 4), between(random, 1, 4)];
  for (const reduction of ['mean', 'sum', 'none'] as const) {
    const f: Differentiable = (x, target) => mseLoss(x!, target!, reduction);
    await check(`mseLoss ${reduction}`, f, [shape, shape]);
  }
});

test('layers one after another', async () => {
  const shapes = [[2, 2, 5, 5], [4, 1, 3, 3], [4], [3, 16], [3]];
  const labels = tensor(Int32Array.of(2, 0), { device });
  const f: Differentiable = (x, kernel, channelBias, weight, bias) => {
    const conv = conv2d(x!, kernel!, { groups: 2, padding: 1, bias: channelBias, relu: true });
    const pooled = maxPool2d(localResponseNorm(conv, { size: 3, alpha: 0.1 }), { kernel: 3, stride: 2 });
    const hidden = linear(flatten(pooled), weight!, { bias });
    return add(crossEntropy(hidden, labels), sum(softmax(hidden), { axes: 1 }));
  };
  await check('a small network', f, shapes);
});

test.run();
