/**
 * Views and what is made of them: reshape, permute, slice, split and flip look at the same elements through other
 * shapes, strides and offsets; concat, pad, contiguous and clone copy. (expand is in reduce.ts, beside its gradient, sum.)
 */
import { requireArray, requireWhole } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import { e } from '../expr.js';
import { describe } from '../handle.js';
import { scope } from '../scope.js';
import {
  contiguousStrides,
  formatShape,
  normalizeAxis,
  permuted,
  requireFits,
  type Shape,
  sameShape,
  sizeOf,
} from '../shape.js';
import { denseCopy, Tensor } from '../tensor.js';
import {
  axisOf,
  commonDevice,
  map,
  mapInto,
  record,
  recordOne,
  requireTensor,
  requireTensors,
} from './launch.js';

/** A dense copy; the tensor's own elements, looked at anew, where it already is dense. */
export function contiguous(x: Tensor): Tensor {
  requireTensor('contiguous', 'x', x);
  return x.contiguous ? reshape(x, x.shape) : copied('contiguous', x);
}

/** A dense copy with elements of its own; the gradient passes. */
export function clone(x: Tensor): Tensor {
  requireTensor('clone', 'x', x);
  return copied('clone', x);
}

function copied(op: string, x: Tensor): Tensor {
  const out = denseCopy(op, x);
  recordOne(op, x, out, (grad) => grad.detach());
  return out;
}

/**
 * The elements in row-major order under another shape, copied where they aren't dense; one size may be -1, for what is left.
 * @throws {ArgumentError} when the sizes don't multiply to the same number.
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const op = 'reshape';
  requireTensor(op, 'x', x);
  requireArray(op, 'shape', shape, 'an array of sizes');
  const known = shape.filter((n) => n !== -1);
  const full = shape.map((n) => (n === -1 ? x.size / sizeOf(known) : n));
  const fits = sizeOf(full) === x.size && full.every((n) => Number.isInteger(n) && n >= 0);
  if (!fits || known.length < shape.length - 1)
    throw new ArgumentError(
      `reshape: ${formatShape(x.shape)} has ${x.size} elements, [${shape.join(', ')}] doesn't fit; ` +
        'the sizes must multiply to as many, and one of them may be -1',
    );
  const layout = { shape: full, strides: contiguousStrides(full) };
  const copy = x.contiguous ? null : denseCopy(op, x);
  const out = (copy ?? x).alias(op, layout);
  copy?.dispose();
  const before = x.shape;
  recordOne(op, x, out, (grad) => reshape(grad, before));
  return out;
}

/** Joins the axes from `start` on (default 1) into one: `[N, C, H, W]` becomes `[N, C * H * W]`. */
export function flatten(x: Tensor, start = 1): Tensor {
  requireTensor('flatten', 'x', x);
  const rank = x.shape.length;
  if (!Number.isInteger(start) || Math.abs(start) > Math.max(1, rank)) normalizeAxis('flatten', start, rank);
  return reshape(x, [...x.shape.slice(0, start), sizeOf(x.shape.slice(start))]);
}

/** A new axis of size 1, number `axis` of the result. @throws {ArgumentError} when the result has no such axis */
export function unsqueeze(x: Tensor, axis: number): Tensor {
  requireTensor('unsqueeze', 'x', x);
  const at = normalizeAxis('unsqueeze', axis, x.shape.length + 1);
  return reshape(x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)]);
}

/** Drops an axis of size 1, or all of them. @throws {ArgumentError} when the axis has another size. */
export function squeeze(x: Tensor, axis?: number): Tensor {
  requireTensor('squeeze', 'x', x);
  const at = axis === undefined ? null : axisOf('squeeze', x, axis);
  if (at !== null && x.shape[at] !== 1)
    throw new ArgumentError(`squeeze: axis ${axis} of ${formatShape(x.shape)} has more than one element`);
  const shape = x.shape.filter((n, i) => (at === null ? n !== 1 : i !== at));
  return reshape(x, shape);
}

/** Axis i of the result is axis `order[i]` of x. @throws {ArgumentError} when `order` isn't one of all axes */
export function permute(x: Tensor, order: readonly number[]): Tensor {
  const op = 'permute';
  requireTensor(op, 'x', x);
  requireArray(op, 'order', order, 'an array of axes');
  const axes = order.map((axis) => axisOf(op, x, axis));
  if (axes.length !== x.shape.length || new Set(axes).size !== axes.length)
    throw new ArgumentError(
      `permute: [${order.join(', ')}] isn't an order of the axes of ${formatShape(x.shape)}`,
    );
  const out = x.alias(op, permuted(x.view(op), axes));
  const inverse = axes.map((_, axis) => axes.indexOf(axis));
  recordOne(op, x, out, (grad) => permute(grad, inverse));
  return out;
}

/** Swaps two axes. */
export function transpose(x: Tensor, a: number, b: number): Tensor {
  const [i, j] = [a, b].map((axis) => axisOf('transpose', x, axis));
  const order = [...x.shape.keys()];
  [order[i!], order[j!]] = [j!, i!];
  return permute(x, order);
}

/**
 * The elements `start` to `end` (exclusive; the axis's size by default) along an axis; negative ones count from the end.
 * @throws {ArgumentError} when the range leaves the axis.
 */
export function slice(x: Tensor, axis: number, start: number, end?: number): Tensor {
  const op = 'slice';
  const along = axisOf(op, x, axis);
  const n = x.shape[along]!;
  const from = start < 0 ? start + n : start;
  const to = end === undefined ? n : end < 0 ? end + n : end;
  if (!Number.isInteger(from) || !Number.isInteger(to) || from < 0 || to > n || from > to)
    throw new ArgumentError(
      `slice: ${start} to ${end ?? n} along axis ${axis} of ${formatShape(x.shape)}; ` +
        `expected whole numbers within 0 to ${n} (or from the end, down to -${n}) in rising order`,
    );
  return parts(op, x, along, [from], [to - from])[0]!;
}

/**
 * The parts of x along an axis (the first by default), one after the other, as views.
 * @param sizes of the parts; a number: of each but the last, which has what is left
 * @throws {ArgumentError} for sizes that don't add up to the axis's.
 */
export function split(x: Tensor, sizes: number | readonly number[], axis = 0): Tensor[] {
  const op = 'split';
  const along = axisOf(op, x, axis);
  const { shape } = x;
  const n = shape[along]!;
  if (typeof sizes === 'number') requireWhole(op, 'sizes', sizes, 1);
  else requireArray(op, 'sizes', sizes, 'a size or an array of sizes');
  const lengths =
    typeof sizes === 'number'
      ? Array.from({ length: Math.max(1, Math.ceil(n / sizes)) }, (_, i) => Math.min(sizes, n - i * sizes))
      : sizes;
  if (!lengths.every((m) => Number.isInteger(m) && m >= 0) || lengths.reduce((a, b) => a + b, 0) !== n) {
    const given = `sizes [${lengths.join(', ')}] of axis ${axis} of ${formatShape(shape)}`;
    throw new ArgumentError(`split: ${given}: whole numbers that add up to ${n} are needed`);
  }
  return parts(op, x, along, startsOf(lengths), lengths);
}

/** Views of so many elements from each start on; their gradients are put where they lie among zeros. */
function parts(op: string, x: Tensor, axis: number, starts: readonly number[], lengths: readonly number[]) {
  const { shape } = x;
  const outputs = lengths.map((length, i) => window(op, x, axis, starts[i]!, length));
  record({
    op,
    inputs: [x],
    outputs,
    gradient: ({ grads }) => {
      const first = grads.find((grad) => grad !== null);
      if (!first) return [null];
      const whole = filled(op, first, shape, 0);
      for (const [i, grad] of grads.entries()) if (grad) copyInto(op, grad, whole, axis, starts[i]!);
      return [whole];
    },
  });
  return outputs;
}

/** `split` into `chunks` parts of one size, of which the last has what is left; fewer where they are used up before. */
export function chunk(x: Tensor, chunks: number, axis = 0): Tensor[] {
  const along = axisOf('chunk', x, axis);
  requireWhole('chunk', 'chunks', chunks, 1);
  return split(x, Math.max(1, Math.ceil(x.shape[along]! / chunks)), along);
}

function startsOf(lengths: readonly number[]): number[] {
  return lengths.map((_, i) => lengths.slice(0, i).reduce((a, b) => a + b, 0));
}

/** `length` elements from `start` on along an axis, past the tape. */
function window(op: string, x: Tensor, axis: number, start: number, length: number): Tensor {
  const view = x.view(op);
  return x.alias(op, {
    shape: view.shape.map((n, i) => (i === axis ? length : n)),
    offset: view.offset + start * view.strides[axis]!,
  });
}

function copyInto(op: string, part: Tensor, whole: Tensor, axis: number, start: number): void {
  const target = window(op, whole, axis, start, part.shape[axis]!);
  mapInto(op, [e.input(0)], [part], [target]);
  target.dispose();
}

type Write = (sources: readonly Tensor[]) => Tensor;

/** What `write` makes of the sources: of int32 in place of uint8, which kernels can't write part by part. */
function writable(op: string, sources: readonly Tensor[], write: Write): Tensor {
  if (sources[0]?.dtype !== 'uint8') return write(sources);
  return scope(() => {
    const wide = sources.map((x) => map(op, e.input(0), [x], { dtype: 'int32' }));
    return map(op, e.input(0), [write(wide)], { dtype: 'uint8' });
  });
}

function filled(op: string, like: Tensor, shape: Shape, value: number): Tensor {
  const out = Tensor.empty(op, like.device, shape, like.dtype);
  mapInto(op, [e.param(0)], [], [out], { params: [value] });
  return out;
}

/** Reverses the order along the axes; naming one twice is naming it once. */
export function flip(x: Tensor, axes: number | readonly number[]): Tensor {
  const op = 'flip';
  requireTensor(op, 'x', x);
  const reversed = [...new Set([axes].flat().map((axis) => axisOf(op, x, axis)))];
  const { strides, offset } = x.view(op);
  const last = reversed.reduce((sum, axis) => sum + Math.max(0, x.shape[axis]! - 1) * strides[axis]!, offset);
  const out = x.alias(op, {
    strides: strides.map((s, axis) => (reversed.includes(axis) ? -s : s)),
    offset: last,
  });
  recordOne(op, x, out, (grad) => flip(grad, reversed));
  return out;
}

/**
 * Joins tensors of one device along an axis; the other sizes must agree.
 * @throws {ArgumentError} for sizes or dtypes that differ. @throws {DeviceError} for tensors on several devices
 */
export function concat(parts: readonly Tensor[], axis: number): Tensor {
  const op = 'concat';
  requireTensors(op, 'parts', parts);
  const device = commonDevice(op, parts);
  const first = parts[0]!;
  const along = normalizeAxis(op, axis, first.shape.length);
  const sizes = parts.map((part) => part.shape[along] ?? 0);
  const whole = sizes.reduce((a, b) => a + b);
  const shape = first.shape.with(along, whole);
  const expected = (part: Tensor): Shape => shape.with(along, part.shape[along] ?? 0);
  if (!parts.every((part) => part.dtype === first.dtype && sameShape(part.shape, expected(part)))) {
    const shapes = `${parts.map(describe).join(', ')} can't be joined along axis ${axis}`;
    throw new ArgumentError(`concat: ${shapes}: other sizes and dtypes must agree`);
  }
  const starts = startsOf(sizes);
  const out = writable(op, parts, (sources) => {
    const joined = Tensor.empty(op, device, shape, sources[0]!.dtype);
    for (const [i, source] of sources.entries()) copyInto(op, source, joined, along, starts[i]!);
    return joined;
  });
  record({
    op,
    inputs: parts,
    outputs: [out],
    gradient: ({ grads: [grad], needs }) =>
      parts.map((_, i) => (grad && needs[i] ? window(op, grad, along, starts[i]!, sizes[i]!) : null)),
  });
  return out;
}

/**
 * Joins tensors of one shape and device along a new axis.
 * @param axis of the result, the first by default
 * @throws {ArgumentError} for shapes or dtypes that differ. @throws {DeviceError} for tensors on several devices
 */
export function stack(parts: readonly Tensor[], axis = 0): Tensor {
  requireTensors('stack', 'parts', parts);
  commonDevice('stack', parts);
  const [first] = parts;
  const odd = parts.find((part) => !sameShape(part.shape, first!.shape));
  if (odd) {
    const shapes = `${formatShape(first!.shape)} and ${formatShape(odd.shape)}`;
    throw new ArgumentError(`stack: ${shapes} differ; concat() joins along an axis they have`);
  }
  const along = normalizeAxis('stack', axis, first!.shape.length + 1);
  return scope(() => {
    const wider = parts.map((part) => unsqueeze(part, along));
    return concat(wider, along);
  });
}

/** Adds elements of `value` (0 by default) around x: `[before, after]` along each axis. */
export function pad(x: Tensor, widths: readonly (readonly [number, number])[], value = 0): Tensor {
  const op = 'pad';
  requireTensor(op, 'x', x);
  requireArray(op, 'widths', widths, 'an array of [before, after]');
  requireFits(op, x.dtype, value);
  if (widths.length !== x.shape.length || !widths.flat().every((n) => Number.isInteger(n) && n >= 0))
    throw new ArgumentError(
      `pad: widths [${widths.join('; ')}] for ${formatShape(x.shape)}: two whole numbers an axis`,
    );
  const shape = x.shape.map((n, axis) => n + widths[axis]![0] + widths[axis]![1]);
  const before = x.shape;
  const inner = (whole: Tensor): Tensor => {
    const { strides, offset } = whole.view(op);
    const start = strides.reduce((sum, stride, axis) => sum + stride * widths[axis]![0], offset);
    return whole.alias(op, { shape: before, offset: start });
  };
  const out = writable(op, [x], ([source]) => {
    const padded = filled(op, source!, shape, value);
    const target = inner(padded);
    mapInto(op, [e.input(0)], [source!], [target]);
    target.dispose();
    return padded;
  });
  recordOne(op, x, out, inner);
  return out;
}
