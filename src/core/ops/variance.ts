/**
 * Variance and standard deviation: `variance = sum of (x - mean)^2 / (n - correction)` over the reduced axes.
 */
import { readOptions, requireNumber } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import { scope } from '../scope.js';
import { formatShape } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { mul, sqrt, sub } from './elementwise.js';
import { requireDType, requireTensor } from './launch.js';
import { mean, type ReduceOptions, sum } from './reduce.js';

/** Options of `variance` and `std`. */
export interface VarianceOptions extends ReduceOptions {
  /** Subtracted from the number of elements in the divisor. Default 1, an estimate without bias; 0 for all there are. */
  readonly correction?: number | undefined;
}

/**
 * Variance over axes (all by default): `sum of (x - mean)^2 / (n - correction)`; NaN of one element and the default
 * correction.
 * @throws {ArgumentError} over no elements, and over no axes
 */
export function variance(x: Tensor, options: VarianceOptions = {}): Tensor {
  return spread('variance', x, options);
}

/** The square root of `variance`, over axes (all by default). @throws {ArgumentError} over no elements, and over no axes */
export function std(x: Tensor, options: VarianceOptions = {}): Tensor {
  return scope(() => sqrt(spread('std', x, options)));
}

function spread(op: string, x: Tensor, options: VarianceOptions): Tensor {
  requireTensor(op, 'x', x);
  requireDType(op, 'x', x, 'float32', 'float64');
  const { axes, keepDim, correction } = readOptions(op, options, {
    axes: [...x.shape.keys()],
    keepDim: false,
    correction: 1,
  });
  requireNumber(op, 'correction', correction);
  return scope(() => {
    const center = mean(x, { axes, keepDim: true });
    const count = x.size / center.size;
    if (!(count > 0) || [axes].flat().length === 0)
      throw new ArgumentError(`${op}: no elements to vary in ${formatShape(x.shape)} over axes [${axes}]`);
    const difference = sub(x, center);
    return mul(sum(mul(difference, difference), { axes, keepDim }), 1 / Math.max(0, count - correction));
  });
}
