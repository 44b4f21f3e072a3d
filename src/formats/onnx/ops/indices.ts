/**
 * ONNX's operators that choose elements by their places, or make numbers of places.
 */

import { cumsum, tril, triu } from '../../../core/ops/arrange.js';
import { arange, ones } from '../../../core/ops/create.js';
import { add, cast, eq, lt, mul, sub, where } from '../../../core/ops/elementwise.js';
import { gather, indexSelect } from '../../../core/ops/gather.js';
import { argmax } from '../../../core/ops/reduce.js';
import { flip, reshape, slice, unsqueeze } from '../../../core/ops/views.js';
import { formatShape, normalizeAxis, sizeOf } from '../../../core/shape.js';
import type { Tensor } from '../../../core/tensor.js';
import { dtypeOfType, type OnnxCall, type Operator } from '../call.js';
import { typeOfNumber } from '../tensors.js';

/** Whole slices along an axis by an index of any shape; negative ones count from the end. */
function gathered(call: OnnxCall): Tensor {
  const x = call.tensor(0);
  const axis = normalizeAxis('axis', call.int('axis', 0), x.shape.length);
  const n = x.shape[axis] ?? 0;
  const index = call.value(1);
  const shape = [...x.shape.slice(0, axis), ...index.shape, ...x.shape.slice(axis + 1)];
  if ('type' in index) {
    const places = Int32Array.from(index.data, (at) => (at < 0 ? at + n : at));
    const wrong = places.findIndex((at) => !(at >= 0 && at < n));
    if (wrong >= 0) call.fail(`its index ${index.data[wrong]} is outside an axis of ${n}`);
    const flat = call.lift({ shape: [places.length], data: places, type: 'int32' });
    return reshape(indexSelect(x, axis, flat), shape);
  }
  return reshape(indexSelect(x, axis, reshape(index, [sizeOf(index.shape)])), shape);
}

/** Element by element along an axis; an index that is smaller along the others leaves out what is beyond it. */
function gatheredElements(call: OnnxCall): Tensor {
  const index = call.tensor(1);
  let x = call.tensor(0);
  const axis = normalizeAxis('axis', call.int('axis', 0), x.shape.length);
  if (index.shape.length !== x.shape.length)
    call.fail(`its index is ${formatShape(index.shape)}, its input ${formatShape(x.shape)}`);
  for (const [other, n] of index.shape.entries()) if (other !== axis) x = slice(x, other, 0, n);
  const fromEnd = add(index, x.shape[axis] ?? 0);
  return gather(x, axis, where(lt(index, 0), fromEnd, index));
}

/** 1 at each place that an index names along a new axis, else 0. */
function marks(index: Tensor, axis: number, size: number): Tensor {
  const places = arange(0, size, { device: index.device, dtype: 'int32' });
  const after = index.shape.length - axis;
  return eq(unsqueeze(index, axis), reshape(places, [size, ...new Array<number>(after).fill(1)]));
}

function oneHot(call: OnnxCall): Tensor {
  const given = call.tensor(0);
  const index = cast(given, 'int32');
  const depth = call.scalar(1);
  const axis = normalizeAxis('axis', call.int('axis', -1), index.shape.length + 1);
  const values = call.tensor(2);
  if (String(values.shape) !== '2')
    call.fail(`its values are ${formatShape(values.shape)}, expected [2]: off, on`);
  const within = where(lt(index, 0), add(index, depth), index);
  return where(marks(within, axis, depth), slice(values, 0, 1), slice(values, 0, 0, 1));
}

function hardmax(call: OnnxCall): Tensor {
  const x = call.tensor();
  const axis = normalizeAxis('axis', call.int('axis', call.opset < 13 ? 1 : -1), x.shape.length);
  return marks(argmax(x, axis), axis, x.shape[axis] ?? 0);
}

/** Sums of all elements before each, and of itself unless `exclusive`; from behind where it is reversed. */
function runningSum(call: OnnxCall): Tensor {
  const x = call.tensor();
  const axis = normalizeAxis('axis', call.scalar(1), x.shape.length);
  const reverse = call.int('reverse', 0) === 1;
  const sums = reverse ? flip(cumsum(flip(x, axis), axis), axis) : cumsum(x, axis);
  return call.int('exclusive', 0) === 1 ? sub(sums, x) : sums;
}

/** A matrix of ones on a diagonal. */
function eyeLike(call: OnnxCall): Tensor {
  const x = call.value(0);
  if (x.shape.length !== 2) call.fail(`reads ${formatShape(x.shape)}, expected a matrix`);
  const own = 'type' in x ? dtypeOfType(x.type) : x.dtype;
  const code = call.attribute('dtype')?.int;
  const type = code === undefined ? undefined : typeOfNumber(code);
  const k = call.int('k', 0);
  const all = ones(x.shape, { device: call.device });
  return cast(mul(triu(all, k), tril(all, k)), type === undefined ? own : dtypeOfType(type));
}

/** The operators of this file by name. */
export const indices: Readonly<Record<string, Operator>> = {
  CumSum: runningSum,
  EyeLike: eyeLike,
  Gather: gathered,
  GatherElements: gatheredElements,
  Hardmax: hardmax,
  OneHot: oneHot,
  Trilu: (call) => {
    const k = call.has(1) ? call.scalar(1) : 0;
    return call.int('upper', 1) === 1 ? triu(call.tensor(), k) : tril(call.tensor(), k);
  },
};
