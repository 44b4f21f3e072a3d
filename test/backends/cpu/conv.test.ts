/**
 * Emitted convolutions and their gradients against the plain loops in doubles: strides, paddings, groups, teams.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type LoopView, loops } from '../../../src/backends/cpu/loops/index.js';
import { planConv2d, planConv2dWeightGrad } from '../../../src/backends/cpu/plans/conv.js';
import { planConv2dInputGrad } from '../../../src/backends/cpu/plans/convInputGrad.js';
import type { Padding, Pair } from '../../../src/core/backend.js';
import { type Shape, sizeOf, type TypedArray } from '../../../src/core/shape.js';
import { dense, nmse, seededRandom, zeros } from './numbers.js';
import { acrossTeams, neverAlone, type TestPlanner } from './planner.js';

const random = seededRandom('conv');

interface Case {
  images: number;
  channels: number;
  outputs: number;
  size: Pair;
  kernel: Pair;
  stride?: Pair;
  padding?: Padding;
  groups?: number;
}

function normals(shape: Shape): LoopView {
  return dense(
    Float32Array.from({ length: sizeOf(shape) }, () => random.normal()),
    shape,
  );
}

function compare(what: string, results: (readonly TypedArray[])[], expected: LoopView): void {
  for (const [actual] of results) {
    const error = nmse(actual!, expected.data);
    if (!(error < 1e-11)) assert.unreachable(`${what}: error ${error}`);
  }
}

function emptyOf(planner: TestPlanner, shape: Shape) {
  return planner.view(new Float32Array(sizeOf(shape)).fill(Number.NaN), shape);
}

/** Checks all three directions of one convolution. */
function check(c: Case, megabytes = 16): void {
  const { images: N, size, kernel, stride = [1, 1], padding = [0, 0, 0, 0], groups = 1 } = c;
  const [H, W] = size;
  const [C, O] = [c.channels * groups, c.outputs * groups];
  const OH = Math.floor((H + padding[0] + padding[2] - kernel[0]) / stride[0]) + 1;
  const OW = Math.floor((W + padding[1] + padding[3] - kernel[1]) / stride[1]) + 1;
  const geometry = { stride, padding, groups };
  const x = normals([N, C, H, W]);
  const weight = normals([O, c.channels, kernel[0], kernel[1]]);
  const bias = random.integer(2) === 0 ? null : normals([O]);
  const relu = random.integer(2) === 0;
  const grad = normals([N, O, OH, OW]);
  const name = JSON.stringify({ ...c, bias: bias !== null, relu });

  const out = zeros(grad.shape);
  loops.conv2d({ ...geometry, x, weight, bias, relu, out });
  const forward = acrossTeams((planner) => {
    const result = emptyOf(planner, out.shape);
    const args = { x: planner.viewOf(x), weight: planner.viewOf(weight), bias: bias && planner.viewOf(bias) };
    assert.ok(planConv2d({ ...geometry, ...args, relu, out: result }, neverAlone(planner)));
    return [planner.read(result, sizeOf(out.shape))];
  }, megabytes);
  compare(`conv2d ${name}`, forward, out);

  const dx = zeros(x.shape);
  loops.conv2dInputGrad({ ...geometry, grad, weight, out: dx });
  const byInput = acrossTeams((planner) => {
    const result = emptyOf(planner, x.shape);
    const args = { grad: planner.viewOf(grad), weight: planner.viewOf(weight), out: result };
    assert.ok(planConv2dInputGrad({ ...geometry, ...args }, neverAlone(planner)));
    return [planner.read(result, sizeOf(x.shape))];
  }, megabytes);
  compare(`conv2dInputGrad ${name}`, byInput, dx);

  const dw = zeros(weight.shape);
  loops.conv2dWeightGrad({ ...geometry, x, grad, out: dw });
  const byWeight = acrossTeams((planner) => {
    const result = emptyOf(planner, weight.shape);
    const args = { x: planner.viewOf(x), grad: planner.viewOf(grad), out: result };
    assert.ok(planConv2dWeightGrad({ ...geometry, ...args }, neverAlone(planner)));
    return [planner.read(result, sizeOf(weight.shape))];
  }, megabytes);
  compare(`conv2dWeightGrad ${name}`, byWeight, dw);
}

test('the kinds of AlexNet, thinner: stride 4 with zeros on two sides, groups, 13 x 13 maps', () => {
  check({
    images: 2,
    channels: 3,
    outputs: 12,
    size: [40, 40],
    kernel: [11, 11],
    stride: [4, 4],
    padding: [0, 0, 3, 3],
  });
  check({
    images: 3,
    channels: 4,
    outputs: 13,
    size: [14, 27],
    kernel: [5, 5],
    padding: [2, 2, 2, 2],
    groups: 2,
  });
  check({ images: 5, channels: 6, outputs: 20, size: [13, 13], kernel: [3, 3], padding: [1, 1, 1, 1] });
});

test('random shapes', () => {
  const upTo = (n: number) => 1 + random.integer(n);
  for (let i = 0; i < 60; i++) {
    const kernel: Pair = [upTo(4), upTo(4)];
    const pad = (k: number) => random.integer(k + 1);
    const padding: Padding = [pad(kernel[0]), pad(kernel[1]), pad(kernel[0]), pad(kernel[1])];
    check(
      {
        images: upTo(3),
        channels: upTo(4),
        outputs: upTo(9),
        size: [kernel[0] + random.integer(9), kernel[1] + random.integer(14)],
        kernel,
        stride: [upTo(3), upTo(3)],
        padding,
        groups: upTo(3),
      },
      4,
    );
  }
});

test('1 x 1 kernels, one channel for each group, one pixel', () => {
  check({ images: 2, channels: 9, outputs: 7, size: [6, 5], kernel: [1, 1] });
  check({ images: 2, channels: 8, outputs: 8, size: [6, 6], kernel: [1, 1], stride: [2, 2] });
  check({
    images: 2,
    channels: 1,
    outputs: 1,
    size: [8, 8],
    kernel: [1, 3],
    padding: [0, 1, 0, 1],
    groups: 6,
  });
  check({ images: 1, channels: 40, outputs: 30, size: [1, 1], kernel: [1, 1] });
  check({ images: 2, channels: 3, outputs: 4, size: [5, 5], kernel: [5, 5] });
});

test('strides larger than the kernel leave pixels without gradient', () => {
  check({ images: 2, channels: 3, outputs: 5, size: [11, 10], kernel: [2, 1], stride: [3, 4] });
});

test('zeros all around beyond the kernel', () => {
  check({ images: 1, channels: 2, outputs: 3, size: [4, 4], kernel: [2, 2], padding: [3, 4, 2, 5] });
});

test('batches that take several chunks', () => {
  check({ images: 9, channels: 2, outputs: 3, size: [160, 128], kernel: [2, 2], padding: [1, 0, 0, 1] }, 64);
});

test('no images: the gradient of the weight is zero', () => {
  check({ images: 0, channels: 2, outputs: 3, size: [5, 5], kernel: [3, 3] });
});

test.run();
