/**
 * Winograd's convolutions against the plain loops in doubles: all three directions, sizes that tiles don't divide,
 * groups, chunks, teams; and when the planner takes them.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { planConv2dInputGrad } from '../../../src/backends/cpu/kernels/conv/inputGradPlan.js';
import { planConv2d, planConv2dWeightGrad } from '../../../src/backends/cpu/kernels/conv/plan.js';
import { type LoopView, loops } from '../../../src/backends/cpu/kernels/loops.js';
import {
  planWinograd,
  planWinogradInputGrad,
  planWinogradWeightGrad,
} from '../../../src/backends/cpu/kernels/winograd/plan.js';
import type { Padding, Pair } from '../../../src/core/backend.js';
import { type Shape, sizeOf, type View } from '../../../src/core/shape.js';
import { type Case, checkConvolution, shapesOf } from './convolutions.js';
import { dense, nmse, seededRandom, zeros } from './numbers.js';
import { acrossTeams, plainSimd, relaxedModes, TestPlanner } from './planner.js';

const random = seededRandom('winograd');

const plans = {
  conv2d: planWinograd,
  conv2dInputGrad: planWinogradInputGrad,
  conv2dWeightGrad: planWinogradWeightGrad,
};
const square = (side: number): Pair => [side, side];
const around = (zeros: number): Padding => [zeros, zeros, zeros, zeros];

/** Checks all three directions of one convolution, none of which may be declined. */
function check(c: Case): void {
  assert.is(checkConvolution(random, plans, c), 3, JSON.stringify(c));
}

test('3 x 3 and 5 x 5 kernels as in AlexNet, groups and odd maps', () => {
  const groups = 2;
  const [three, five] = [
    { images: 3, channels: 48, outputs: 44, size: square(13), kernel: square(3), padding: around(1) },
    { images: 2, channels: 32, outputs: 28, size: [15, 27] as const, kernel: square(5), padding: around(2) },
  ];
  check({ ...three, groups });
  check({ ...five, groups });
});

test('random shapes', () => {
  const between = (least: number, most: number) => least + random.integer(most - least + 1);
  let taken = 0;
  for (let i = 0; i < 16; i++) {
    const kernel = i % 2 === 0 ? 3 : 5;
    const pad = () => random.integer(kernel);
    const padding: Padding = [pad(), pad(), pad(), pad()];
    const size: Pair = [between(6, 20), between(11, 30)];
    const [channels, outputs] = [4 * between(6, 12), 4 * between(6, 12)];
    const [images, groups] = [between(1, 3), between(1, 2)];
    const c = { images, channels, outputs, size, kernel: square(kernel), padding, groups };
    taken += checkConvolution(random, plans, c);
  }
  assert.ok(taken > 16, `only ${taken} of 48 were taken`);
});

test('rows that are no multiple of a panel, depth beyond a block, the thinnest maps', () => {
  const c = { images: 4, outputs: 64, kernel: square(3), padding: around(1) };
  for (const channels of [68, 76, 260]) check({ ...c, channels, size: [9, 8] });
  check({ ...c, channels: 64, size: square(10), padding: around(0) });
});

test('batches that take several chunks, the last one smaller', () => {
  const size: Pair = [60, 62];
  check({ images: 5, channels: 28, outputs: 32, size, kernel: square(3), padding: around(1) });
});

test('so many tiles that the weight gradient comes in partial results', () => {
  const c = { images: 1, channels: 28, outputs: 28, size: [260, 256] as const, kernel: square(3) };
  const { x, weight, out, geometry } = shapesOf({ ...c, padding: around(1) });
  const normals = (shape: Shape) =>
    dense(
      Float32Array.from({ length: sizeOf(shape) }, () => random.normal()),
      shape,
    );
  const [image, grad, expected] = [normals(x), normals(out), zeros(weight)];
  loops.conv2dWeightGrad({ ...geometry, x: image, grad, out: expected });
  const results = acrossTeams((planner) => {
    const dw = planner.view(new Float32Array(sizeOf(weight)), weight);
    const operands = { x: planner.viewOf(image), grad: planner.viewOf(grad), out: dw };
    assert.ok(planWinogradWeightGrad({ ...geometry, ...operands }, planner));
    return [planner.read(dw, sizeOf(weight))];
  });
  for (const [actual] of results) assert.ok(nmse(actual!, expected.data) < 1e-11);
});

test('declined: other strides and kernels, thin maps, few channels, no images', () => {
  const c = { images: 2, channels: 64, outputs: 64, size: square(20), kernel: square(3) };
  const taken = (changes: Partial<Case>): boolean => {
    const { x, weight, out, geometry } = shapesOf({ ...c, ...changes });
    const planner = new TestPlanner(1);
    const view = (shape: Shape) => planner.view(new Float32Array(sizeOf(shape)), shape);
    const ends = { bias: null, relu: false, out: view(out) };
    return planWinograd({ ...geometry, x: view(x), weight: view(weight), ...ends }, planner);
  };
  assert.ok(taken({}));
  assert.not(taken({ stride: [1, 2] }));
  assert.not(taken({ kernel: square(4) }));
  assert.not(taken({ kernel: [3, 5] }));
  assert.not(taken({ size: [40, 3] }));
  assert.not(taken({ channels: 4 }));
  assert.not(taken({ images: 0 }));
});

test('errors are a few times those of direct sums', () => {
  const normals = (shape: Shape, least = Number.NEGATIVE_INFINITY) =>
    dense(
      Float32Array.from({ length: sizeOf(shape) }, () => Math.max(least, random.normal())),
      shape,
    );
  const some = { images: 4, channels: 48, outputs: 48 };
  // With pixels that are independent; AlexNet's have smaller errors, as the table beside the matrices says.
  for (const { most, ...c } of [
    { ...some, size: square(16), kernel: square(3), padding: around(1), most: 5 },
    { ...some, size: square(13), kernel: square(3), padding: around(1), most: 4 },
    { ...some, size: square(9), kernel: square(5), padding: around(2), most: 12 },
  ]) {
    const { geometry, ...shapes } = shapesOf(c);
    // Pixels as they come from a ReLU.
    const [x, weight, grad] = [normals(shapes.x, 0), normals(shapes.weight), normals(shapes.out)];
    /** Errors with and without the method, as a ratio of their root mean squares. */
    const ratio = (expected: LoopView, plan: (planner: TestPlanner, out: View) => boolean): number => {
      const [fast = 0, direct = 0] = [true, false].map((winograd) => {
        const planner = new TestPlanner(1, { ...plainSimd, relaxed: relaxedModes.length > 1 }, winograd);
        const out = planner.view(new Float32Array(sizeOf(expected.shape)), expected.shape);
        assert.ok(plan(planner, out));
        return nmse(planner.read(out, sizeOf(expected.shape)), expected.data);
      });
      return Math.sqrt(fast / direct);
    };
    const doubles = (shape: Shape) => dense(new Float64Array(sizeOf(shape)), shape);
    const [out, dx, dw] = [doubles(shapes.out), doubles(shapes.x), doubles(shapes.weight)];
    loops.conv2d({ ...geometry, x, weight, bias: null, relu: false, out });
    loops.conv2dInputGrad({ ...geometry, grad, weight, out: dx });
    loops.conv2dWeightGrad({ ...geometry, x, grad, out: dw });
    const ratios = [
      ratio(out, (planner, to) => {
        const operands = { x: planner.viewOf(x), weight: planner.viewOf(weight), bias: null, relu: false };
        return planConv2d({ ...geometry, ...operands, out: to }, planner);
      }),
      ratio(dx, (planner, to) => {
        const operands = { grad: planner.viewOf(grad), weight: planner.viewOf(weight) };
        return planConv2dInputGrad({ ...geometry, ...operands, out: to }, planner);
      }),
      ratio(dw, (planner, to) => {
        const operands = { x: planner.viewOf(x), grad: planner.viewOf(grad) };
        return planConv2dWeightGrad({ ...geometry, ...operands, out: to }, planner);
      }),
    ];
    assert.ok(Math.max(...ratios) < most, `${JSON.stringify(c)}: ${ratios}`);
  }
});

test('an infinity spreads within its tile, and with direct convolutions no further than its kernel', () => {
  const { x, weight, out, geometry } = shapesOf({
    ...{ images: 4, channels: 64, outputs: 64, size: square(16) },
    ...{ kernel: square(3), padding: around(1) },
  });
  const pixels = new Float32Array(sizeOf(x));
  pixels[5 * 16 + 6] = Number.POSITIVE_INFINITY;
  const reachOf = (planner: TestPlanner, plan: typeof planConv2d): number => {
    const result = planner.view(new Float32Array(sizeOf(out)), out);
    const operands = {
      x: planner.view(pixels, x),
      weight: planner.view(new Float32Array(sizeOf(weight)).fill(1), weight),
    };
    plan({ ...geometry, ...operands, bias: null, relu: false, out: result }, planner);
    return planner.read(result, 16 * 16).filter((value) => !Number.isFinite(value)).length;
  };
  const direct = new TestPlanner(1, undefined, false);
  assert.is(reachOf(direct, planConv2d), 9);
  const reach = reachOf(new TestPlanner(1), planWinograd);
  assert.ok(reach > 9 && reach <= 64, `${reach} results aren't finite`);
});

test.run();
