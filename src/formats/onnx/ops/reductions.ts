/**
 * ONNX's operators that make one number of many: sums and extremes over axes, and softmax, which divides by such a sum.
 */
import { abs, cast, log, mul, neg, sqrt, sub } from '../../../core/ops/elementwise.js';
import { argmax, max, mean, min, sum, topk } from '../../../core/ops/reduce.js';
import { logSoftmax, logSumExp, softmax } from '../../../core/ops/softmax.js';
import { concat, flip, permute, reshape, slice } from '../../../core/ops/views.js';
import { isIntegerType, normalizeAxis, sizeOf } from '../../../core/shape.js';
import type { Tensor } from '../../../core/tensor.js';
import type { OnnxCall, Operator } from '../call.js';

type Reduce = (x: Tensor, options: { readonly axes: readonly number[]; readonly keepDim: boolean }) => Tensor;

/** Over the axes that are an attribute or the second input; all where there are none. */
const over =
  (reduce: Reduce): Operator =>
  (call) => {
    const x = call.tensor();
    const named = call.listOrInput('axes', 1) ?? [];
    const keepDim = call.int('keepdims', 1) === 1;
    if (named.length === 0 && call.int('noop_with_empty_axes', 0) === 1) return reshape(x, x.shape);
    const axes = named.length === 0 ? [...x.shape.keys()] : named;
    return reduce(x, { axes, keepDim });
  };

const square = (x: Tensor): Tensor => mul(x, x);

/** The place of an extreme along an axis. */
const place =
  (turn: (x: Tensor) => Tensor): Operator =>
  (call) => {
    const x = turn(call.tensor());
    const axis = normalizeAxis('axis', call.int('axis', 0), x.shape.length);
    const last = call.int('select_last_index', 0) === 1;
    // The last of equal ones is the first from behind.
    const index = last ? sub((x.shape[axis] ?? 0) - 1, argmax(flip(x, axis), axis)) : argmax(x, axis);
    if (call.int('keepdims', 1) !== 1) return index;
    return reshape(
      index,
      x.shape.map((n, i) => (i === axis ? 1 : n)),
    );
  };

/** Of the numbers along an axis; before version 13, of all numbers from that axis on. */
const along =
  (apply: (x: Tensor, axis: number) => Tensor): Operator =>
  (call) => {
    const x = call.tensor();
    const axis = normalizeAxis('axis', call.int('axis', call.opset < 13 ? 1 : -1), x.shape.length);
    if (call.opset >= 13) return apply(x, axis);
    const rows = sizeOf(x.shape.slice(0, axis));
    return reshape(apply(reshape(x, [rows, sizeOf(x.shape.slice(axis))]), 1), x.shape);
  };

/** Of all numbers over axes: the second half of a row is multiplied onto the first until one is left. */
const product: Reduce = (x, { axes, keepDim }) => {
  const reduced = axes.map((axis) => normalizeAxis('axes', axis, x.shape.length));
  const kept = [...x.shape.keys()].filter((axis) => !reduced.includes(axis));
  const rows = kept.map((axis) => x.shape[axis] ?? 0);
  let row = reshape(permute(x, [...kept, ...reduced]), [sizeOf(rows), x.size / Math.max(1, sizeOf(rows))]);
  for (let n = row.shape[1] ?? 0; n > 1; n -= n >> 1) {
    const folded = mul(slice(row, 1, 0, n >> 1), slice(row, 1, n - (n >> 1)));
    row = n % 2 === 0 ? folded : concat([folded, slice(row, 1, n >> 1, n - (n >> 1))], 1);
  }
  const shape = x.shape.map((n, axis) => (reduced.includes(axis) ? 1 : n));
  return reshape(row, keepDim ? shape : rows);
};

function largest(call: OnnxCall): Tensor[] {
  const x = call.tensor();
  const k = call.has(1) ? call.scalar(1) : call.int('k', 1);
  const least = call.int('largest', 1) === 0;
  const { values, indices } = topk(least ? neg(x) : x, k, call.int('axis', -1));
  return [least ? neg(values) : values, indices];
}

/** The operators of this file by name. */
export const reductions: Readonly<Record<string, Operator>> = {
  ArgMax: place((x) => x),
  ArgMin: place(neg),
  LogSoftmax: along(logSoftmax),
  ReduceL1: over((x, options) => sum(abs(x), options)),
  ReduceL2: over((x, options) => sqrt(sum(square(x), options))),
  ReduceLogSum: over((x, options) => log(sum(x, options))),
  ReduceLogSumExp: over(logSumExp),
  ReduceMax: over(max),
  ReduceMean: over((x, options) => {
    const result = mean(x, options);
    return isIntegerType(x.dtype) ? cast(result, 'int32') : result;
  }),
  ReduceMin: over(min),
  ReduceProd: over(product),
  ReduceSum: over(sum),
  ReduceSumSquare: over((x, options) => sum(square(x), options)),
  Softmax: along(softmax),
  TopK: largest,
};
