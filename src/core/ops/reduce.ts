/**
 * Reductions over axes (sum, mean, max, min, any, all, argmax, topk), and expand, whose gradient is a sum as sum's is an
 * expand.
 *
 * The kernel wants the kept axes first and the reduced ones last, which is only a view: reducing `[N, C, H, W]` over
 * all but channels permutes the strides to `[C, N, H, W]`.
 */
import { readOptions } from '../arguments.js';
import type { FoldOp } from '../backend.js';
import { ArgumentError } from '../errors.js';
import { type Expr, e } from '../expr.js';
import { scope } from '../scope.js';
import {
  broadcastTo,
  checkShape,
  contiguousStrides,
  formatShape,
  isIntegerType,
  permuted,
  type Shape,
  sameShape,
  sizeOf,
  type View,
} from '../shape.js';
import { denseCopy, Tensor } from '../tensor.js';
import { axisOf, floatType, map, mapInto, recordOne, requireTensor, withDense } from './launch.js';
import { reshape, transpose } from './views.js';

/** Which axes to reduce. */
export interface ReduceOptions {
  /** One axis or several, negative from the end; all by default. */
  readonly axes?: number | readonly number[] | undefined;
  /** Keep the reduced axes with size 1. Default false. */
  readonly keepDim?: boolean;
}

/** What is to be reduced, the result's shape, and that with the reduced axes as 1. @throws {ArgumentError} for axes x lacks */
export function reductionOf(op: string, x: Tensor, options: ReduceOptions) {
  requireTensor(op, 'x', x);
  const { shape } = x;
  const { axes, keepDim } = readOptions(op, options, { axes: null, keepDim: false });
  const named = axes === null ? null : [axes].flat().map((axis) => axisOf(op, x, axis));
  const reduced = named ? [...new Set(named)].sort((a, b) => a - b) : shape.map((_, axis) => axis);
  const kept = named ? [...shape.keys()].filter((axis) => !reduced.includes(axis)) : [];
  const keptShape = shape.map((n, axis) => (named && !reduced.includes(axis) ? n : 1));
  return {
    axes: reduced,
    kept,
    keptShape,
    shape: keepDim ? keptShape : kept.map((axis) => shape[axis]!),
    count: named ? sizeOf(reduced.map((axis) => shape[axis]!)) : x.size,
  };
}

type Reduction = ReturnType<typeof reductionOf>;

const folds: Readonly<Record<FoldOp, Expr>> = {
  sum: e.add(e.input(0), e.input(1)),
  max: e.max(e.input(0), e.input(1)),
  min: e.min(e.input(0), e.input(1)),
};

/** How many bytes of 255 have a sum within int32. */
const safeBytes = Math.floor((2 ** 31 - 1) / 255);

/**
 * A reduction of integers in int32, which the kernels haven't: of the n numbers of a row the last half is folded onto the
 * first by a map until one is left, which reads and writes each about twice. Sums wrap around at 2^31; an empty one is 0.
 */
function foldIntegers(op: string, kind: FoldOp, x: Tensor, r: Reduction): Tensor {
  const { shape, strides } = permuted(x.view(op), [...r.kept, ...r.axes]);
  const [rows, n] = [sizeOf(shape.slice(0, r.kept.length)), r.count];
  if (kind === 'sum' && x.dtype === 'uint8' && n > safeBytes)
    throw new ArgumentError(`${op}: ${n} bytes may add up to more than an int32; cast() to float32 first`);
  if (n === 0) {
    const none = Tensor.empty(op, x.device, r.shape, 'int32');
    mapInto(op, [e.constant(0)], [], [none]);
    return none;
  }
  const work = Tensor.empty(op, x.device, shape, 'int32');
  const turned = x.alias(op, { shape, strides });
  mapInto(op, [e.input(0)], [turned], [work]);
  turned.dispose();
  const part = (offset: number, length: number): Tensor =>
    work.alias(op, { shape: [rows, length], strides: [n, 1], offset });
  for (let left = n; left > 1; left -= left >> 1) {
    const [head, tail] = [part(0, left >> 1), part(left - (left >> 1), left >> 1)];
    mapInto(op, [folds[kind]], [head, tail], [head]);
    for (const half of [head, tail]) half.dispose();
  }
  const first = part(0, 1);
  const column = denseCopy(op, first);
  const out = column.alias(op, { shape: r.shape, strides: contiguousStrides(r.shape) });
  for (const used of [work, first, column]) used.dispose();
  return out;
}

/** @param scale on the result; null leaves integers integers */
function runReduce(op: string, kind: FoldOp, x: Tensor, r: Reduction, scale: number | null): Tensor {
  if (scale === null && isIntegerType(x.dtype)) return foldIntegers(op, kind, x, r);
  const converted = floatType([x]) === x.dtype ? null : map(op, e.input(0), [x]);
  const view = (converted ?? x).view(op);
  const out = Tensor.empty(op, x.device, r.shape, view.dtype);
  const shape = r.kept.map((axis) => x.shape[axis]!);
  x.device.run('reduce', {
    op: kind,
    x: permuted(view, [...r.kept, ...r.axes]),
    kept: shape.length,
    scale: scale ?? 1,
    out: { ...out.view(op), shape, strides: contiguousStrides(shape) },
  });
  converted?.dispose();
  return out;
}

function scaledSum(
  op: string,
  x: Tensor,
  options: ReduceOptions,
  scaleOf: (count: number) => number | null,
): Tensor {
  const r = reductionOf(op, x, options);
  const scale = scaleOf(r.count);
  const out = runReduce(op, 'sum', x, r, scale);
  const shape = x.shape;
  recordOne(op, x, out, (grad) => {
    const spread = expand(reshape(grad, r.keptShape), shape);
    return scale === null ? spread : map(op, e.mul(e.input(0), e.param(0)), [spread], { params: [scale] });
  });
  return out;
}

/**
 * Sum over axes (all by default); 0 over none. Of integers it is int32, and wraps around beyond its range.
 * @throws {ArgumentError} for so many bytes (uint8) that their sum may be beyond int32
 */
export function sum(x: Tensor, options: ReduceOptions = {}): Tensor {
  return scaledSum('sum', x, options, () => null);
}

/** Mean over axes (all by default); NaN over none. Integers are taken as float32. */
export function mean(x: Tensor, options: ReduceOptions = {}): Tensor {
  return scaledSum('mean', x, options, (count) => 1 / count);
}

const isExtreme = e.where(e.isnan(e.input(1)), e.isnan(e.input(0)), e.eq(e.input(0), e.input(1)));
const share = e.where(e.input(1), e.div(e.input(0), e.input(2)), 0);

function extreme(kind: 'max' | 'min', x: Tensor, options: ReduceOptions): Tensor {
  const r = reductionOf(kind, x, options);
  if (r.count === 0)
    throw new ArgumentError(`${kind}: no elements to choose from in ${formatShape(x.shape)}`);
  const out = runReduce(kind, kind, x, r, null);
  // Equal extremes share the gradient evenly, and so do those that are NaN.
  const back = (grad: Tensor, input: Tensor, result: Tensor): Tensor => {
    const chosen = map(kind, isExtreme, [input, reshape(result, r.keptShape)]);
    const ties = sum(chosen, { axes: r.axes, keepDim: true });
    return map(kind, share, [reshape(grad, r.keptShape), chosen, ties]);
  };
  recordOne(kind, x, out, back, x, out);
  return out;
}

/** Largest element over axes (all by default), int32 of integers; NaN if one is. @throws {ArgumentError} over no elements */
export function max(x: Tensor, options: ReduceOptions = {}): Tensor {
  return extreme('max', x, options);
}

/** Smallest element over axes (all by default), int32 of integers; NaN if one is. @throws {ArgumentError} over no elements */
export function min(x: Tensor, options: ReduceOptions = {}): Tensor {
  return extreme('min', x, options);
}

/** 1 where `verdict` holds of how many elements of each reduction pass `test`, else 0: float32, without a gradient. */
function judged(op: string, x: Tensor, options: ReduceOptions, test: Expr, verdict: Expr): Tensor {
  const r = reductionOf(op, x, options);
  return scope(() => {
    const passed = map(op, test, [x], { dtype: 'float32' });
    return map(op, verdict, [runReduce(op, 'sum', passed, r, 1)]);
  });
}

/** 1 where an element over axes (all by default) isn't 0, else 0; 0 over none. NaN isn't 0. */
export function any(x: Tensor, options: ReduceOptions = {}): Tensor {
  return judged('any', x, options, e.ne(e.input(0), 0), e.gt(e.input(0), 0));
}

/** 1 where no element over axes (all by default) is 0, else 0; 1 over none. NaN isn't 0. */
export function all(x: Tensor, options: ReduceOptions = {}): Tensor {
  return judged('all', x, options, e.eq(e.input(0), 0), e.eq(e.input(0), 0));
}

/**
 * The `k` largest along an axis (the last by default) in falling order, equal ones by rising index, NaN first, and their
 * int32 indices. No gradient: gather() the indices where one is needed.
 */
export function topk(x: Tensor, k: number, axis = -1): { values: Tensor; indices: Tensor } {
  const op = 'topk';
  const along = axisOf(op, x, axis);
  const columns = x.shape[along]!;
  if (!Number.isInteger(k) || k < 1 || k > columns)
    throw new ArgumentError(
      `topk: k=${k} of ${columns} elements along axis ${axis} of ${formatShape(x.shape)}`,
    );
  return scope(() => {
    const rows = transpose(x.alias(op), along, -1);
    const shape = [...rows.shape.slice(0, -1), k];
    const values = Tensor.empty(op, x.device, shape, x.dtype);
    const indices = Tensor.empty(op, x.device, shape, 'int32');
    const matrix = (view: View, n: number): View => ({
      ...view,
      shape: [x.size / columns, n],
      strides: [n, 1],
    });
    withDense(op, (dense) =>
      x.device.run('topk', {
        x: matrix(dense(rows), columns),
        values: matrix(values.view(op), k),
        indices: matrix(indices.view(op), k),
      }),
    );
    return { values: transpose(values, along, -1), indices: transpose(indices, along, -1) };
  });
}

/** Int32 index of the largest element along an axis, which is dropped; the first of equal ones. */
export function argmax(x: Tensor, axis = -1): Tensor {
  const along = axisOf('argmax', x, axis);
  const shape = x.shape.filter((_, i) => i !== along);
  return scope(() => reshape(topk(x, 1, along).indices, shape));
}

/**
 * Repeats axes of size 1 (and new leading ones) to `shape` without copying.
 * @throws {ArgumentError} when x doesn't broadcast to it.
 */
export function expand(x: Tensor, shape: Shape): Tensor {
  const op = 'expand';
  requireTensor(op, 'x', x);
  checkShape(op, shape);
  const lead = shape.length - x.shape.length;
  if (lead < 0 || !x.shape.every((n, axis) => n === 1 || n === shape[axis + lead]))
    throw new ArgumentError(`expand: ${formatShape(x.shape)} doesn't broadcast to ${formatShape(shape)}`);
  const { strides } = broadcastTo(x.view(op), shape);
  const out = x.alias(op, { shape: [...shape], strides });
  const before = x.shape;
  recordOne(op, x, out, (grad) => sumTo(grad, before));
  return out;
}

/** Undoes broadcasting in a gradient: sums the axes that were repeated. Always a new tensor. */
export function sumTo(grad: Tensor, shape: Shape): Tensor {
  if (sameShape(grad.shape, shape)) return grad.detach();
  const lead = grad.shape.length - shape.length;
  const axes = [...grad.shape.keys()].filter(
    (axis) => axis < lead || (shape[axis - lead] === 1 && grad.shape[axis] !== 1),
  );
  return reshape(sum(grad, { axes }), shape);
}
