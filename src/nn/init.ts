/**
 * Initializers: functions that make a parameter of a given shape.
 *
 * The fan-in of a weight `[O, I, ..]` is the number of inputs of one output: the product of all axes but the first.
 */
import { requireNumber } from '../core/arguments.js';
import type { Device } from '../core/device.js';
import { e } from '../core/expr.js';
import { full, rand, randn } from '../core/ops/create.js';
import type { DrawPlacement } from '../core/ops/launch.js';
import { update } from '../core/ops/update.js';
import { type Shape, sizeOf } from '../core/shape.js';
import type { Tensor } from '../core/tensor.js';

/** Makes a tensor; `draw` says which random numbers (the default generator's next draw unless given). */
export type Initializer = (shape: Shape, device: Device, draw?: DrawPlacement) => Tensor;

const withDraw = (draw: DrawPlacement | undefined): { draw?: DrawPlacement } => (draw ? { draw } : {});

/** All elements `value`. */
export function constant(value: number): Initializer {
  requireNumber('constant', 'value', value);
  return (shape, device) => full(shape, value, { device });
}

/** Normal numbers of mean 0 (the paper's weights: standard deviation 0.01). */
export function normal(std: number): Initializer {
  requireNumber('normal', 'std', std);
  return (shape, device, draw) => randn(shape, { device, std, ...withDraw(draw) });
}

/** Uniform numbers in [-bound, bound). */
export function uniform(bound: number): Initializer {
  requireNumber('uniform', 'bound', bound);
  return (shape, device, draw) => {
    const x = rand(shape, { device, ...withDraw(draw) });
    update(x, e.mul(e.sub(e.mul(e.input(0), 2), 1), e.param(0)), [x], { params: [bound], op: 'uniform' });
    return x;
  };
}

function fanIn(shape: Shape): number {
  return Math.max(1, sizeOf(shape.slice(1)));
}

/** Normal numbers of deviation sqrt(2 / fan-in), for layers before a ReLU (He et al. 2015, eq. 10). */
export function kaimingNormal(): Initializer {
  return (shape, device, draw) => normal(Math.sqrt(2 / fanIn(shape)))(shape, device, draw);
}

/** Uniform numbers in +-sqrt(1 / fan-in): PyTorch's default of linear and convolution layers. */
export function fanInUniform(): Initializer {
  return (shape, device, draw) => uniform(Math.sqrt(1 / fanIn(shape)))(shape, device, draw);
}
