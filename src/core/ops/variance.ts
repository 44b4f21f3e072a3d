/**
 * Variance and standard deviation: `variance = sum of (x - mean)^2 / (n - correction)` over the reduced axes. The mean
 * is worked out first, and the differences from it, of which what its rounding left is taken off. Norms of vectors:
 * `(sum of |x|^p)^(1/p)`, of which p = infinity is the largest |x|.
 */
import { readOptions, requireNumber, wrongArgument } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import { type Expr, e } from '../expr.js';
import { scope } from '../scope.js';
import { formatShape, sizeOf } from '../shape.js';
import { Tensor } from '../tensor.js';
import { abs, mul, sqrt } from './elementwise.js';
import { unary } from './expressionOps.js';
import { map, recordOne, requireFloats } from './launch.js';
import { max, type ReduceOptions, reductionOf, sum } from './reduce.js';
import { type RowWriter, rowProgram, runRows } from './rows.js';
import { reshape } from './views.js';

/** Options of `variance` and `std`. */
export interface VarianceOptions extends ReduceOptions {
  /** Subtracted from the number of elements in the divisor. Default 1, an estimate without bias; 0 for all there are. */
  readonly correction?: number | undefined;
}

/**
 * Writes the moments of input 0: numbers 0 to 6, of which 5 is the mean and 6 the variance.
 * @param count elements of a row
 * @param divisor of the sum of squares
 * @returns the mean as the first sum gives it, what that has lost, and the variance
 */
export function writeMoments({ sum, number }: RowWriter, count: Expr, divisor: Expr) {
  const x = e.input(0);
  const center = number(e.div(sum(x), count));
  const difference = e.sub(x, center);
  const [left, squares] = [sum(difference), sum(e.mul(difference, difference))];
  const rest = number(e.div(left, count));
  number(e.add(center, rest));
  const spread = e.max(e.sub(squares, e.mul(left, rest)), 0);
  return { center, rest, variance: number(e.div(spread, divisor)) };
}

const program = rowProgram(1, (writer) => {
  writeMoments(writer, e.param(0), e.param(1));
  return [];
});

/**
 * Moments of equal parts as one, from centers, what these have lost, and variances: number 3 is the mean, 4 what it has
 * lost, 6 the variance, from that in the parts and the means' distances from the mean.
 */
const joining = rowProgram(3, ({ sum, number }, input) => {
  const [count, divisor] = [e.param(0), e.param(1)];
  const shift = number(input(0));
  const distance = e.add(e.sub(input(0), shift), input(1));
  const further = number(e.div(sum(distance), count));
  const mean = number(e.add(shift, further));
  number(e.add(e.sub(shift, mean), further));
  const apart = e.sub(distance, further);
  number(e.div(sum(e.add(input(2), e.mul(apart, apart))), divisor));
  return [];
});

/** Elements of a part that is worth a row of its own. */
const leastPart = 32;

/**
 * Writes the mean, what it has lost and the variance over axes of rows that lie apart in memory, as a channel's pixels in
 * all images do: part by part, so that a part is still in the cache when its differences are summed.
 * @param divisor of the sum of squares
 * @returns whether the rows lie so; if not nothing is done
 */
export function momentsInParts(
  op: string,
  x: Tensor,
  axes: readonly number[],
  divisor: number,
  [mean = null, lost = null, spread = null]: readonly (Tensor | null)[],
): boolean {
  const last = x.shape.findLastIndex((_, axis) => !axes.includes(axis));
  const inner = axes.filter((axis) => axis > last);
  const outer = axes.filter((axis) => axis < last);
  const [part, parts] = [inner, outer].map((own) => sizeOf(own.map((axis) => x.shape[axis]!)));
  if (!part || !parts || parts === 1 || part < leastPart) return false;
  const own = x.shape.slice(0, last + 1);
  const found = Array.from({ length: 3 }, () => Tensor.empty(op, x.device, own, x.dtype));
  const [center, rest, squares] = found;
  const keeps = [null, center!, null, null, rest!, null, squares!];
  runRows(op, program, { axes: inner, inputs: [x], keeps, params: [part, part] });
  const joined = [null, null, null, mean, lost, null, spread];
  runRows(op, joining, { axes: outer, inputs: found, keeps: joined, params: [parts, divisor / part] });
  for (const tensor of found) tensor.dispose();
  return true;
}

/** Of x, the mean and the gradient of the variance. */
const gradient = e.mul(e.input(2), e.mul(e.param(0), e.sub(e.input(0), e.input(1))));

/**
 * Variance over axes (all by default): `sum of (x - mean)^2 / (n - correction)`; NaN of one element and the default
 * correction. @throws {ArgumentError} over no elements, and over no axes
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
  requireFloats(op, 'x', x);
  requireNumber(op, 'correction', correction);
  if (count === 0 || axes.length === 0)
    throw new ArgumentError(`${op}: no elements to vary in ${formatShape(x.shape)} over axes [${axes}]`);
  const divisor = Math.max(0, count - correction);
  const out = Tensor.empty(op, x.device, shape, x.dtype);
  const mean = Tensor.empty(op, x.device, shape, x.dtype);
  if (!momentsInParts(op, x, axes, divisor, [mean, null, out])) {
    const keeps = [null, null, null, null, null, mean, out];
    runRows(op, program, { axes, inputs: [x], keeps, params: [count, divisor] });
  }
  const back = (grad: Tensor, input: Tensor, center: Tensor): Tensor => {
    const operands = [input, reshape(center, keptShape), reshape(grad, keptShape)];
    return map(op, gradient, operands, { params: [2 / divisor] });
  };
  recordOne(op, x, out, back, x, mean);
  mean.dispose();
  return out;
}

/** The root of a sum of squares: its gradient at 0 is 0, which every square's is there. */
const root = unary('norm', e.sqrt, (g, y) => e.where(e.eq(y, 0), 0, e.div(g, e.mul(2, y))));

/**
 * The norm over axes (all by default). Its gradient is 0 where x is, and shared evenly among equal largest elements.
 * @param options `p`: 1, 2 (default) or Infinity
 */
export function norm(x: Tensor, options: ReduceOptions & { readonly p?: number } = {}): Tensor {
  const op = 'norm';
  requireFloats(op, 'x', x);
  const { p, axes, keepDim } = readOptions(op, options, { p: 2, axes: undefined, keepDim: false });
  requireNumber(op, 'p', p);
  if (![1, 2, Number.POSITIVE_INFINITY].includes(p)) throw wrongArgument(op, 'p', p, '1, 2 or Infinity');
  return scope(() => {
    if (p === 2) return root(sum(mul(x, x), { axes, keepDim }));
    return (p === 1 ? sum : max)(abs(x), { axes, keepDim });
  });
}
