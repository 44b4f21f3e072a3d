/**
 * Choosing elements by index: gather, its gradient (scatter-add in rising order of the index axis, so that it gives
 * the same bits every time), whole slices, and one-hot rows.
 */
import { requireWhole } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import { e } from '../expr.js';
import { scope } from '../scope.js';
import { contiguousStrides, formatShape, type Shape, sizeOf, type View } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { arange } from './create.js';
import {
  axisOf,
  commonDevice,
  computed,
  map,
  recordOne,
  requireDType,
  requireRank,
  requireTensor,
} from './launch.js';

/** A dense view as `[O, A, I]`: the axes before `axis`, the axis, the axes after it. */
function three(view: View, axis: number): View {
  const shape = [sizeOf(view.shape.slice(0, axis)), view.shape[axis]!, sizeOf(view.shape.slice(axis + 1))];
  return { ...view, shape, strides: contiguousStrides(shape) };
}

function run(
  op: string,
  x: Tensor,
  axis: number,
  shape: Shape,
  index: Tensor,
  arrange: (index: View) => View,
): Tensor {
  const out = computed(op, x, shape, (dense, out) => {
    const args = { x: three(dense(x), axis), index: arrange(dense(index)), out: three(out, axis) };
    x.device.run('gather', args);
  });
  const before = x.shape;
  const back = (grad: Tensor, chosen: Tensor): Tensor =>
    computed(op, grad, before, (dense, out) => {
      const args = { grad: three(dense(grad), axis), index: arrange(dense(chosen)), out: three(out, axis) };
      grad.device.run('scatterAdd', args);
    });
  recordOne(op, x, out, back, index);
  return out;
}

/** The axis, counted from the first. @throws {ArgumentError} for an index that isn't int32, and an axis that x lacks */
function indexedAxis(op: string, x: Tensor, axis: number, index: Tensor): number {
  const along = axisOf(op, x, axis);
  requireTensor(op, 'index', index);
  commonDevice(op, [x, index]);
  requireDType(op, 'index', index, 'int32');
  return along;
}

/**
 * `out[.., j, ..] = x[.., index[.., j, ..], ..]` along an axis (PyTorch's gather).
 * @param index int32, x's shape but for the axis; an index outside gives NaN
 */
export function gather(x: Tensor, axis: number, index: Tensor): Tensor {
  const op = 'gather';
  const along = indexedAxis(op, x, axis, index);
  const fits =
    index.shape.length === x.shape.length && index.shape.every((n, i) => i === along || n === x.shape[i]);
  if (!fits) {
    const shapes = `index ${formatShape(index.shape)} for x ${formatShape(x.shape)}`;
    throw new ArgumentError(`gather: ${shapes}: all sizes but axis ${axis}'s must agree`);
  }
  return run(op, x, along, index.shape, index, (view) => three(view, along));
}

/** Whole slices of x along an axis, in the order of `index`: `[J]` int32; an index outside gives NaN. */
export function indexSelect(x: Tensor, axis: number, index: Tensor): Tensor {
  const op = 'indexSelect';
  const along = indexedAxis(op, x, axis, index);
  requireRank(op, 'index', index, 1, '[J]');
  const shape = x.shape.map((n, i) => (i === along ? index.size : n));
  const target = [sizeOf(shape.slice(0, along)), index.size, sizeOf(shape.slice(along + 1))];
  return run(op, x, along, shape, index, (view) => ({ ...view, shape: target, strides: [0, 1, 0] }));
}

/** Rows of 0 with a 1 at the label: int32 `[N]` to float32 `[N, classes]`; a label outside gives a row of 0. */
export function oneHot(labels: Tensor, classes: number): Tensor {
  const op = 'oneHot';
  requireTensor(op, 'labels', labels);
  requireDType(op, 'labels', labels, 'int32');
  requireRank(op, 'labels', labels, 1, '[N]');
  requireWhole(op, 'classes', classes, 1);
  return scope(() => {
    const columns = arange(0, classes, { device: labels.device, dtype: 'int32' });
    const rows = labels.alias(op, { shape: [labels.size, 1], strides: [labels.view(op).strides[0]!, 0] });
    return map(op, e.eq(e.input(0), e.input(1)), [rows, columns]);
  });
}
