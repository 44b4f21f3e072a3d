/**
 * Variance and standard deviation: `variance = sum of (x - mean)^2 / (n - correction)` over the reduced axes. The mean
 * is worked out first, and the differences from it, of which what its rounding left is taken off.
 */
import { readOptions, requireNumber } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import { type Expr, e } from '../expr.js';
import { record } from '../record.js';
import { scope } from '../scope.js';
import { formatShape } from '../shape.js';
import { Tensor } from '../tensor.js';
import { sqrt } from './elementwise.js';
import { map, requireDType } from './launch.js';
import { type ReduceOptions, reductionOf } from './reduce.js';
import { type RowWriter, rowProgram, runRows } from './rows.js';
import { reshape } from './views.js';

/** Options of `variance` and `std`. */
export interface VarianceOptions extends ReduceOptions {
  /** Subtracted from the number of elements in the divisor. Default 1, an estimate without bias; 0 for all there are. */
  readonly correction?: number | undefined;
}

/** Mean and variance of a row, as numbers of it. */
interface Moments {
  /** The mean as the first sum gives it, and what that has lost. */
  readonly center: Expr;
  readonly rest: Expr;
  /** Both together. */
  readonly mean: Expr;
  readonly variance: Expr;
}

/**
 * Writes the moments of input 0: numbers 0 to 6, of which 5 is the mean and 6 the variance.
 * @param count elements of a row
 * @param divisor of the sum of squares
 */
export function writeMoments({ sum, number }: RowWriter, count: Expr, divisor: Expr): Moments {
  const x = e.input(0);
  const center = number(e.div(sum(x), count));
  const difference = e.sub(x, center);
  const [left, squares] = [sum(difference), sum(e.mul(difference, difference))];
  const rest = number(e.div(left, count));
  const mean = number(e.add(center, rest));
  const spread = e.max(e.sub(squares, e.mul(left, rest)), 0);
  return { center, rest, mean, variance: number(e.div(spread, divisor)) };
}

const program = rowProgram(1, (writer) => {
  writeMoments(writer, e.param(0), e.param(1));
  return [];
});

/** Of x, the mean and the gradient of the variance. */
const gradient = e.mul(e.input(2), e.mul(e.param(0), e.sub(e.input(0), e.input(1))));

/**
 * Variance over axes (all by default): `sum of (x - mean)^2 / (n - correction)`; NaN of one element and the default
 * correction.
 * @throws {ArgumentError} over no elements, and over no axes
 */
export function variance(x: Tensor, options: VarianceOptions = {}): Tensor {
  return spreadOf('variance', x, options);
}

/** The square root of `variance`, over axes (all by default). @throws {ArgumentError} over no elements, and over no axes */
export function std(x: Tensor, options: VarianceOptions = {}): Tensor {
  return scope(() => sqrt(spreadOf('std', x, options)));
}

function spreadOf(op: string, x: Tensor, options: VarianceOptions): Tensor {
  const defaults = { axes: undefined, keepDim: false, correction: 1 };
  const { correction, ...reduced } = readOptions(op, options, defaults);
  const { axes, shape, keptShape, count } = reductionOf(op, x, reduced);
  requireDType(op, 'x', x, 'float32', 'float64');
  requireNumber(op, 'correction', correction);
  if (count === 0 || axes.length === 0)
    throw new ArgumentError(`${op}: no elements to vary in ${formatShape(x.shape)} over axes [${axes}]`);
  const divisor = Math.max(0, count - correction);
  const out = Tensor.empty(op, x.device, shape, x.dtype);
  const mean = Tensor.empty(op, x.device, shape, x.dtype);
  runRows(op, program, {
    axes,
    inputs: [x],
    keeps: [null, null, null, null, null, mean, out],
    params: [count, divisor],
  });
  record({
    op,
    inputs: [x],
    outputs: [out],
    saved: [x, mean],
    gradient: ({ grads: [grad], saved: [input, center] }) => {
      if (!grad || !input || !center) return [null];
      const operands = [input, reshape(center, keptShape), reshape(grad, keptShape)];
      return [map(op, gradient, operands, { params: [2 / divisor] })];
    },
  });
  mean.dispose();
  return out;
}
