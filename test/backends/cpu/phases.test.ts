/**
 * Gradients by the input at strides above 1, all phases at once, against the plain loops in doubles; and which
 * convolutions that is chosen for.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { planConv2dInputGrad } from '../../../src/backends/cpu/kernels/conv/inputGradPlan.js';
import { planInputGradOfPhases } from '../../../src/backends/cpu/kernels/conv/phases.js';
import type { Padding, Pair } from '../../../src/core/backend.js';
import { type Case, type ConvPlans, checkConvolution } from './convolutions.js';
import { seededRandom } from './numbers.js';

const random = seededRandom('phases');

const plans: ConvPlans = {
  conv2d: () => false,
  // Panels are higher with relaxed SIMD, so that a shape may be declined on some teams alone.
  conv2dInputGrad: (args, planner) => {
    const taken = planInputGradOfPhases(args, planner, planConv2dInputGrad);
    if (!taken) planConv2dInputGrad(args, planner);
    return taken;
  },
  conv2dWeightGrad: () => false,
};

/** Whether the gradient is done this way; checks it if so. */
const taken = (c: Case): boolean => checkConvolution(random, plans, c) === 1;

const conv1: Case = {
  images: 2,
  channels: 3,
  outputs: 16,
  size: [59, 62],
  kernel: [11, 11],
  stride: [4, 4],
  padding: [0, 0, 3, 3],
};

test("AlexNet's first layer, thinner, with odd sizes, groups and zeros on all sides", () => {
  assert.ok(taken(conv1));
  assert.ok(taken({ ...conv1, groups: 2 }));
  assert.ok(taken({ ...conv1, padding: [2, 5, 1, 3] }));
  assert.ok(taken({ ...conv1, kernel: [7, 7], stride: [2, 2], padding: [3, 3, 3, 3] }));
  assert.ok(taken({ ...conv1, stride: [4, 1] }));
});

test('random shapes, images smaller than the stride among them', () => {
  const upTo = (n: number) => 1 + random.integer(n);
  let count = 0;
  for (let i = 0; i < 60; i++) {
    const [kernel, stride]: Pair[] = [
      [upTo(9), upTo(9)],
      [upTo(5), upTo(5)],
    ];
    if (!kernel || !stride) continue;
    const pad = () => random.integer(5);
    const padding: Padding = [pad(), pad(), pad(), pad()];
    const least = (axis: 0 | 1) => Math.max(1, kernel[axis] - padding[axis] - padding[axis === 0 ? 2 : 3]);
    const size: Pair = [least(0) + random.integer(20), least(1) + random.integer(20)];
    const [channels, outputs] = [upTo(4), upTo(9)];
    const c = { images: upTo(3), channels, outputs, size, kernel, stride, padding, groups: upTo(2) };
    if (taken(c)) count++;
  }
  assert.ok(count > 10, `only ${count} of 60 were taken`);
});

test('declined: stride 1, many channels, kernels that a phase sees one tap of', () => {
  assert.not(taken({ ...conv1, stride: [1, 1] }));
  assert.not(taken({ ...conv1, channels: 64, kernel: [3, 3], stride: [2, 2] }));
  assert.not(taken({ ...conv1, channels: 64, kernel: [1, 1], stride: [2, 2] }));
});

test.run();
