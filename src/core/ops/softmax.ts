/**
 * Softmax and its relatives, from the largest element m of a row, so that nothing overflows:
 *
 *     softmax     exp(x - m) / s      s = sum of exp(x - m)
 *     logSoftmax  (x - m) - log(s)
 *     logSumExp   m + log(s)
 *
 * Each is one kernel, and so is its gradient.
 */
import { ArgumentError } from '../errors.js';
import { type Expr, e } from '../expr.js';
import { scope } from '../scope.js';
import { formatShape, isIntegerType } from '../shape.js';
import { Tensor } from '../tensor.js';
import { cast } from './elementwise.js';
import { axisOf, map, recordOne } from './launch.js';
import { type ReduceOptions, reductionOf } from './reduce.js';
import { type RowProgram, rowProgram, runRows } from './rows.js';
import { reshape } from './views.js';

const [x, y, g] = [e.input(0), e.input(0), e.input(1)];

const softmaxProgram = rowProgram(1, ({ max, sum, number }) => {
  const weight = e.exp(e.sub(x, max(x)));
  return [e.mul(weight, number(e.div(1, sum(weight))))];
});
const softmaxGradient = rowProgram(2, ({ sum }) => [e.mul(y, e.sub(g, sum(e.mul(g, y))))]);

const logSoftmaxProgram = rowProgram(1, ({ max, sum, number }) => {
  const shifted = e.sub(x, max(x));
  return [e.sub(shifted, number(e.log(sum(e.exp(shifted)))))];
});
const logSoftmaxGradient = rowProgram(2, ({ sum }) => [e.sub(g, e.mul(e.exp(y), sum(g)))]);

const logSumExpProgram = rowProgram(1, ({ max, sum, number }) => {
  const most = max(x);
  // An infinite one would meet itself in the difference.
  const level = number(e.where(e.lt(e.abs(most), Number.POSITIVE_INFINITY), most, 0));
  number(e.add(level, e.log(sum(e.exp(e.sub(x, level))))));
  return [];
});
/** Of x, the result and its gradient: the softmax, times it; 0 where the result is -infinity. */
const logSumExpGradient: Expr = e.mul(
  e.input(2),
  e.exp(e.sub(x, e.where(e.eq(e.input(1), Number.NEGATIVE_INFINITY), 0, e.input(1)))),
);

/** x - log sum exp(x) along an axis (the last by default). @throws {ArgumentError} over no elements */
export function logSoftmax(x: Tensor, axis = -1): Tensor {
  return alongAxis('logSoftmax', x, axis, logSoftmaxProgram, logSoftmaxGradient);
}

/** exp(x) / sum exp(x) along an axis (the last by default). @throws {ArgumentError} over no elements */
export function softmax(x: Tensor, axis = -1): Tensor {
  return alongAxis('softmax', x, axis, softmaxProgram, softmaxGradient);
}

/** @param back of the result and its gradient */
function alongAxis(op: string, x: Tensor, axis: number, program: RowProgram, back: RowProgram): Tensor {
  const axes = [axisOf(op, x, axis)];
  requireElements(op, x, x.shape[axes[0]!]!);
  return scope(() => {
    const source = asFloat(x);
    const out = Tensor.empty(op, x.device, x.shape, source.dtype);
    runRows(op, program, { axes, inputs: [source], outputs: [out] });
    const byInput = (grad: Tensor, result: Tensor): Tensor => {
      const dx = Tensor.empty(op, grad.device, result.shape, result.dtype);
      runRows(op, back, { axes, inputs: [result, grad], outputs: [dx] });
      return dx;
    };
    recordOne(op, source, out, byInput, out);
    return out;
  });
}

/**
 * log sum exp(x) over axes (all by default), from the largest element; -infinity over elements that all are.
 * @throws {ArgumentError} over no elements
 */
export function logSumExp(x: Tensor, options: ReduceOptions = {}): Tensor {
  const op = 'logSumExp';
  const { axes, shape, keptShape, count } = reductionOf(op, x, options);
  requireElements(op, x, count);
  return scope(() => {
    const source = asFloat(x);
    const out = Tensor.empty(op, x.device, shape, source.dtype);
    const keeps = logSumExpProgram.numbers.map((_, k, all) => (k === all.length - 1 ? out : null));
    runRows(op, logSumExpProgram, { axes, inputs: [source], keeps });
    const back = (grad: Tensor, input: Tensor, result: Tensor): Tensor =>
      map(op, logSumExpGradient, [input, reshape(result, keptShape), reshape(grad, keptShape)]);
    recordOne(op, source, out, back, source, out);
    return out;
  });
}

function asFloat(x: Tensor): Tensor {
  return isIntegerType(x.dtype) ? cast(x, 'float32') : x;
}

function requireElements(op: string, x: Tensor, count: number): void {
  if (count === 0) throw new ArgumentError(`${op}: no elements along the axis in ${formatShape(x.shape)}`);
}
