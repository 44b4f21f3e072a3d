/**
 * Emitted convolutions and their gradients against the plain loops in doubles: strides, paddings, groups, teams.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { planConv2dInputGrad } from '../../../src/backends/cpu/kernels/conv/inputGradPlan.js';
import { planConv2d, planConv2dWeightGrad } from '../../../src/backends/cpu/kernels/conv/plan.js';
import type { Padding, Pair } from '../../../src/core/backend.js';
import { type Case, checkConvolution } from './convolutions.js';
import { seededRandom } from './numbers.js';

const random = seededRandom('conv');

const plans = {
  conv2d: planConv2d,
  conv2dInputGrad: planConv2dInputGrad,
  conv2dWeightGrad: planConv2dWeightGrad,
};

/** Checks all three directions of one convolution. */
function check(c: Case): void {
  assert.is(checkConvolution(random, plans, c), 3);
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
    const dilation: Pair = i % 2 === 0 ? [1, 1] : [upTo(4), upTo(4)];
    check({
      images: upTo(3),
      channels: upTo(4),
      outputs: upTo(9),
      size: [
        (kernel[0] - 1) * dilation[0] + 1 + random.integer(9),
        (kernel[1] - 1) * dilation[1] + 1 + random.integer(14),
      ],
      kernel,
      stride: [upTo(4), upTo(4)],
      padding,
      dilation,
      groups: upTo(3),
    });
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
  check({ images: 9, channels: 2, outputs: 3, size: [160, 128], kernel: [2, 2], padding: [1, 0, 0, 1] });
});

test('no images: the gradient of the weight is zero', () => {
  check({ images: 0, channels: 2, outputs: 3, size: [5, 5], kernel: [3, 3] });
});

test.run();
