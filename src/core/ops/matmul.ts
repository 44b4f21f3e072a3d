/**
 * Matrix products: matmul with batches and transposes (which are views), and linear with fused bias and ReLU.
 *
 * With y = a b: the gradient by a is g b^T, by b it is a^T g.
 */
import { readOptions } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import { e } from '../expr.js';
import { scope } from '../scope.js';
import {
  broadcastShapes,
  broadcastTo,
  type DType,
  formatShape,
  type Shape,
  sizeOf,
  type View,
} from '../shape.js';
import { denseCopy, Tensor } from '../tensor.js';
import { commonDevice, floatType, map, record, requireRank, requireTensor } from './launch.js';
import { sum, sumTo } from './reduce.js';
import { reshape, transpose } from './views.js';

/** The one stride that walks all batch axes in row-major order, or null when there is none. */
function batchStride(shape: Shape, strides: readonly number[]): number | null {
  let step: number | null = null;
  let span = 0;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] === 1) continue;
    if (step === null) step = strides[axis]!;
    else if (strides[axis] !== span) return null;
    span = strides[axis]! * shape[axis]!;
  }
  return step ?? 0;
}

/** x as `[B, rows, columns]` for the kernel; null where its strides don't allow it. */
function asMatrices(op: string, x: Tensor, batch: Shape): View | null {
  const view = x.view(op);
  const [rows, columns] = [x.shape.at(-2)!, x.shape.at(-1)!];
  const { strides } = batch.length === 0 ? view : broadcastTo(view, [...batch, rows, columns]);
  const [down, right] = [strides.at(-2)!, strides.at(-1)!];
  const stride = batch.length === 0 ? 0 : batchStride(batch, strides.slice(0, -2));
  const usable = (right === 1 && down >= columns) || (down === 1 && right >= rows);
  if (stride === null || stride < 0 || !usable) return null;
  return { ...view, shape: [sizeOf(batch), rows, columns], strides: [stride, down, right] };
}

function denseOver(op: string, x: Tensor, batch: Shape): Tensor {
  const { shape, strides } = broadcastTo(x.view(op), [...batch, ...x.shape.slice(-2)]);
  return denseCopy(op, x.alias(op, { shape, strides }));
}

/** a b (+ bias) (then ReLU), past the tape. Batch axes broadcast. */
function product(op: string, a: Tensor, b: Tensor, bias: Tensor | null = null, relu = false): Tensor {
  const device = commonDevice(op, bias ? [a, b, bias] : [a, b]);
  if (a.dtype !== b.dtype || floatType([a]) !== a.dtype)
    throw new ArgumentError(
      `${op}: ${a.dtype} by ${b.dtype}; both must be float32, or both float64: cast() one`,
    );
  const [m, k, inner, n] = [a.shape.at(-2)!, a.shape.at(-1)!, b.shape.at(-2)!, b.shape.at(-1)!];
  if (k !== inner) {
    const shapes = `${formatShape(a.shape)} by ${formatShape(b.shape)}`;
    throw new ArgumentError(`${op}: ${shapes}: ${k} columns meet ${inner} rows; transpose() one of them?`);
  }
  const batch = broadcastShapes(op, a.shape.slice(0, -2), b.shape.slice(0, -2));
  const [left, right] = [asMatrices(op, a, batch), asMatrices(op, b, batch)];
  if (!left || !right || bias?.contiguous === false) {
    return scope(() => {
      const factors = [left ? a : denseOver(op, a, batch), right ? b : denseOver(op, b, batch)] as const;
      return product(op, ...factors, bias?.contiguous === false ? denseCopy(op, bias) : bias, relu);
    });
  }
  const out = Tensor.empty(op, device, [...batch, m, n], a.dtype);
  const matrices = { ...out.view(op), shape: [sizeOf(batch), m, n], strides: [m * n, n, 1] };
  device.run('matmul', { a: left, b: right, bias: bias?.view(op) ?? null, relu, out: matrices });
  return out;
}

/**
 * Matrix product of the last two axes, `[.., M, K]` by `[.., K, N]` to `[.., M, N]`; those before broadcast. A transposed
 * operand costs nothing. @throws {ArgumentError} when the inner sizes differ
 */
export function matmul(a: Tensor, b: Tensor): Tensor {
  const op = 'matmul';
  for (const [name, x] of Object.entries({ a, b })) {
    requireTensor(op, name, x);
    if (x.shape.length < 2)
      throw new ArgumentError(`matmul: ${name} is ${formatShape(x.shape)}; reshape() it to a matrix`);
  }
  const out = product(op, a, b);
  const [shapeA, shapeB] = [a.shape, b.shape];
  recordProduct(op, a, b, null, out, false, {
    byLeft: (grad, right) => sumTo(product(op, grad, transpose(right, -1, -2)), shapeA),
    byRight: (left, grad) => sumTo(product(op, transpose(left, -1, -2), grad), shapeB),
  });
  return out;
}

/** Gradients of a product by its two factors, each from the other and the result's, and by what is added to it. */
interface ProductGradients {
  byLeft(grad: Tensor, right: Tensor): Tensor;
  byRight(left: Tensor, grad: Tensor): Tensor;
  byBias?(grad: Tensor): Tensor;
}

/** Gradient of a fused ReLU: 0 where the result is 0, else g (at NaN too, as relu's). */
const throughRelu = e.where(e.le(e.input(0), 0), 0, e.input(1));

/** Records a product of `left` and `right`, of which each is kept for the gradient by the other. */
export function recordProduct(
  op: string,
  left: Tensor,
  right: Tensor,
  bias: Tensor | null,
  out: Tensor,
  relu: boolean,
  { byLeft, byRight, byBias }: ProductGradients,
): void {
  record({
    op,
    inputs: bias ? [left, right, bias] : [left, right],
    outputs: [out],
    saved: [right.requiresGrad ? left : null, left.requiresGrad ? right : null, relu ? out : null],
    gradient: ({ grads: [grad], saved: [a, b, result], needs }) => {
      if (!grad) return [];
      const g = result ? map(op, throughRelu, [result, grad]) : grad;
      return [b ? byLeft(g, b) : null, a ? byRight(a, g) : null, needs[2] && byBias ? byBias(g) : null];
    },
  });
}

/** What `linear` and `conv2d` can do in the kernel's last pass. */
export interface FusedOptions {
  /** Added to each output unit or channel. */
  readonly bias?: Tensor | null | undefined;
  /** Apply max(0, .) at the end. Default false. */
  readonly relu?: boolean | undefined;
}

/** Checks a bias `[units]` of `linear` or `conv2d`, of the weight's dtype. */
export function checkBias(op: string, bias: Tensor | null, units: number, dtype: DType): void {
  if (!bias || (bias.shape.length === 1 && bias.size === units && bias.dtype === dtype)) return;
  throw new ArgumentError(
    `${op}: bias is ${formatShape(bias.shape)} ${bias.dtype}, expected [${units}] ${dtype}, one for each output`,
  );
}

/** `x W^T + bias`: x `[.., K]`, weight `[O, K]`, bias `[O]`, result `[.., O]`. @throws {ArgumentError} for other shapes */
export function linear(x: Tensor, weight: Tensor, options: FusedOptions = {}): Tensor {
  const op = 'linear';
  const { bias, relu } = readOptions(op, options, { bias: null, relu: false });
  requireTensor(op, 'x', x);
  requireTensor(op, 'weight', weight);
  if (bias) requireTensor(op, 'bias', bias);
  requireRank(op, 'weight', weight, 2, '[O, K]');
  if (x.shape.at(-1) !== weight.shape[1]) {
    const shapes = `x ${formatShape(x.shape)} has ${x.shape.at(-1) ?? 'no'} features`;
    throw new ArgumentError(`linear: ${shapes}, weight expects ${weight.shape[1]}: flatten() images first`);
  }
  if (x.shape.length !== 2) {
    const rows = sizeOf(x.shape.slice(0, -1));
    return scope(() => {
      const out = linear(reshape(x, [rows, weight.shape[1]!]), weight, { bias, relu });
      return reshape(out, [...x.shape.slice(0, -1), weight.shape[0]!]);
    });
  }
  checkBias(op, bias, weight.shape[0]!, weight.dtype);
  const out = scope(() => product(op, x, transpose(weight.alias(op), 0, 1), bias, relu));
  recordProduct(op, x, weight, bias, out, relu, {
    byLeft: (grad, w) => product(op, grad, w),
    byRight: (input, grad) => product(op, transpose(grad, 0, 1), input),
    byBias: (grad) => sum(grad, { axes: 0 }),
  });
  return out;
}
