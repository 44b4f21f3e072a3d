/**
 * Checks plans of convolutions against the plain loops in doubles, in all three directions and on teams of several sizes.
 */
import * as assert from 'uvu/assert';
import { type LoopView, loops } from '../../../src/backends/cpu/kernels/loops.js';
import type { Plan } from '../../../src/backends/cpu/plan.js';
import type { HostRandom } from '../../../src/backends/threefry.js';
import type { ConvGeometry, Padding, Pair } from '../../../src/core/backend.js';
import { type Shape, sizeOf, type View } from '../../../src/core/shape.js';
import { dense, errorOfSums, zeros } from './numbers.js';
import { acrossTeams, neverAlone, type TestPlanner } from './planner.js';

/** A convolution; channels are those of a group. */
export interface Case {
  readonly images: number;
  readonly channels: number;
  readonly outputs: number;
  readonly size: Pair;
  readonly kernel: Pair;
  readonly stride?: Pair;
  readonly padding?: Padding;
  readonly dilation?: Pair;
  readonly groups?: number;
}

/** Plans for the three directions. */
export interface ConvPlans {
  readonly conv2d: Plan<'conv2d'>;
  readonly conv2dInputGrad: Plan<'conv2dInputGrad'>;
  readonly conv2dWeightGrad: Plan<'conv2dWeightGrad'>;
}

/** The shapes of a case. */
export function shapesOf(c: Case): { x: Shape; weight: Shape; out: Shape; geometry: ConvGeometry } {
  const {
    images: N,
    size,
    kernel,
    stride = [1, 1],
    padding = [0, 0, 0, 0],
    dilation = [1, 1],
    groups = 1,
  } = c;
  const [H, W] = size;
  const OH = Math.floor((H + padding[0] + padding[2] - (kernel[0] - 1) * dilation[0] - 1) / stride[0]) + 1;
  const OW = Math.floor((W + padding[1] + padding[3] - (kernel[1] - 1) * dilation[1] - 1) / stride[1]) + 1;
  return {
    x: [N, c.channels * groups, H, W],
    weight: [c.outputs * groups, c.channels, kernel[0], kernel[1]],
    out: [N, c.outputs * groups, OH, OW],
    geometry: { stride, padding, dilation, groups },
  };
}

/**
 * Runs the plans of a case on random numbers and compares; gives the number of directions that weren't declined. Bias
 * and ReLU come at random.
 */
export function checkConvolution(random: HostRandom, plans: ConvPlans, c: Case): number {
  const { geometry, ...shapes } = shapesOf(c);
  const normals = (shape: Shape): LoopView =>
    dense(
      Float32Array.from({ length: sizeOf(shape) }, () => random.normal()),
      shape,
    );
  const [x, weight, grad] = [normals(shapes.x), normals(shapes.weight), normals(shapes.out)];
  const bias = random.integer(2) === 0 ? null : normals([shapes.out[1]!]);
  const relu = random.integer(2) === 0;

  /** Compares one direction. */
  const compare = (
    direction: string,
    expected: LoopView,
    plan: (planner: TestPlanner, out: View) => boolean,
  ): number => {
    const { shape } = expected;
    let taken = false;
    const results = acrossTeams((planner) => {
      const out = planner.view(new Float32Array(sizeOf(shape)).fill(Number.NaN), shape);
      taken = plan(planner, out);
      return [planner.read(out, sizeOf(shape))];
    });
    if (!taken) return 0;
    for (const [actual] of results) {
      const error = errorOfSums(actual!, expected.data);
      const what = `${direction} ${JSON.stringify({ ...c, bias: bias !== null, relu })}`;
      if (!(error < 1e-11)) assert.unreachable(`${what}: error ${error}`);
    }
    return 1;
  };

  const out = zeros(shapes.out);
  loops.conv2d({ ...geometry, x, weight, bias, relu, out });
  const forward = compare('conv2d', out, (planner, result) => {
    const operands = { x: planner.viewOf(x), weight: planner.viewOf(weight) };
    const ends = { bias: bias && planner.viewOf(bias), relu, out: result };
    return plans.conv2d({ ...geometry, ...operands, ...ends }, neverAlone(planner));
  });
  const dx = zeros(shapes.x);
  loops.conv2dInputGrad({ ...geometry, grad, weight, out: dx });
  const byInput = compare('conv2dInputGrad', dx, (planner, result) => {
    const operands = { grad: planner.viewOf(grad), weight: planner.viewOf(weight), out: result };
    return plans.conv2dInputGrad({ ...geometry, ...operands }, neverAlone(planner));
  });
  const dw = zeros(shapes.weight);
  loops.conv2dWeightGrad({ ...geometry, x, grad, out: dw });
  const byWeight = compare('conv2dWeightGrad', dw, (planner, result) => {
    const operands = { x: planner.viewOf(x), grad: planner.viewOf(grad), out: result };
    return plans.conv2dWeightGrad({ ...geometry, ...operands }, neverAlone(planner));
  });
  return forward + byInput + byWeight;
}
