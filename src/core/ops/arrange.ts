/**
 * Tensors arranged anew: tile repeats one, tril and triu keep a triangle of matrices, unfold lays the windows of a
 * convolution out as columns (im2col), whose gradient adds each column's elements to where they came from. cumsum and
 * sort are passes of maps, each of which combines two interleaved or mirrored halves of one buffer in place, so that
 * every backend gives the same bits and integers stay exact.
 */
import { readOptions, requireArray, requireBoolean, requireNumber, requireWhole } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import { type Expr, e } from '../expr.js';
import { scope } from '../scope.js';
import { formatShape, isIntegerType } from '../shape.js';
import { Tensor } from '../tensor.js';
import { type ConvWindow, type PairLike, toGeometry, toPair, windowsIn } from './conv.js';
import { arange, zeros } from './create.js';
import { sub, where } from './elementwise.js';
import { gather } from './gather.js';
import { axisOf, map, mapInto, recordOne, requireRank, requireTensor } from './launch.js';
import { expand } from './reduce.js';
import { contiguous, flip, pad, permute, reshape, slice, transpose } from './views.js';

/**
 * Repeats x as a whole along its axes.
 * @param repeats for each axis, of the last ones where there are fewer than axes; more make new axes before the first
 */
export function tile(x: Tensor, repeats: readonly number[]): Tensor {
  const op = 'tile';
  requireTensor(op, 'x', x);
  requireArray(op, 'repeats', repeats, 'an array of whole numbers');
  for (const n of repeats) requireWhole(op, 'a repeat', n, 0);
  const rank = Math.max(x.shape.length, repeats.length);
  const before = (list: readonly number[]) => [...new Array<number>(rank - list.length).fill(1), ...list];
  const [shape, times] = [before(x.shape), before(repeats)];
  const [apart, repeated] = [shape.map(() => 1), times].map((lead) => lead.flatMap((n, i) => [n, shape[i]!]));
  const joined = shape.map((n, axis) => n * times[axis]!);
  return scope(() => reshape(expand(reshape(x, apart!), repeated!), joined));
}

const total = e.add(e.input(0), e.input(1));
const distance = e.sub(e.input(0), e.input(1));
const [lower, upper] = [e.le(distance, e.param(0)), e.ge(distance, e.param(0))];

function triangle(op: string, x: Tensor, diagonal: number, within: Expr): Tensor {
  requireTensor(op, 'x', x);
  requireNumber(op, 'diagonal', diagonal);
  const [rows, columns] = x.shape.slice(-2);
  if (rows === undefined || columns === undefined)
    throw new ArgumentError(`${op}: x is ${formatShape(x.shape)}, expected matrices [.., M, N]`);
  return scope(() => {
    const { device } = x;
    const down = reshape(arange(0, rows, { device }), [rows, 1]);
    const kept = map(op, within, [arange(0, columns, { device }), down], { params: [diagonal] });
    return where(kept, x, 0);
  });
}

/** The lower triangle of matrices `[.., M, N]` up to a diagonal, 0 above it: 0, the main one, by default; 1 is the next. */
export function tril(x: Tensor, diagonal = 0): Tensor {
  return triangle('tril', x, diagonal, lower);
}

/** The upper triangle of matrices `[.., M, N]` from a diagonal on, 0 below it: 0, the main one, by default; 1 is the next. */
export function triu(x: Tensor, diagonal = 0): Tensor {
  return triangle('triu', x, diagonal, upper);
}

const unfoldDefaults = { stride: 1, padding: 0, dilation: 1, batchLast: false };
type UnfoldOptions = Omit<ConvWindow, 'groups'> & { readonly batchLast?: boolean };

/**
 * The windows of a convolution as columns: `[N, C, H, W]` to `[N, C * KH * KW, OH * OW]`, the windows in row-major
 * order. A matrix product of kernels `[O, C * KH * KW]` with it is `conv2d`.
 * @param options `batchLast`: as `[OH * OW, C * KH * KW, N]`, for products at each place. Default false
 * @throws {ArgumentError} for a window larger than the padded image
 */
export function unfold(x: Tensor, kernel: PairLike, options: UnfoldOptions = {}): Tensor {
  const op = 'unfold';
  requireTensor(op, 'x', x);
  requireRank(op, 'x', x, 4, '[N, C, H, W]');
  const { batchLast, ...rest } = readOptions(op, options, unfoldDefaults);
  requireBoolean(op, 'batchLast', batchLast);
  const { stride, dilation, padding } = toGeometry(op, rest);
  const [top, left, bottom, right] = padding;
  const [kh, kw] = toPair(op, 'kernel', kernel, 1);
  const [oh, ow] = windowsIn(op, x.shape, [kh, kw], { stride, dilation, padding });
  const [n = 0, c = 0] = x.shape;
  const [still, rows, columns] = [[0, 0] as const, [top, bottom] as const, [left, right] as const];
  return scope(() => {
    const image = batchLast
      ? permute(pad(permute(x, [1, 2, 3, 0]), [still, rows, columns, still]), [3, 0, 1, 2])
      : pad(x, [still, still, rows, columns]);
    const { strides } = image.view(op);
    const [sn = 0, sc = 0, sh = 0, sw = 0] = strides;
    const steps = [dilation[0] * sh, dilation[1] * sw, stride[0] * sh, stride[1] * sw];
    const layout = { shape: [n, c, kh, kw, oh, ow], strides: [sn, sc, ...steps] };
    const windows = image.alias(op, layout);
    recordOne(op, image, windows, (grad) => {
      const spread = zeros(image.shape, { device: grad.device, dtype: grad.dtype });
      const parts = spread.alias(op, layout);
      const at = (all: Tensor, i: number, j: number) => slice(slice(all, 2, i, i + 1), 3, j, j + 1);
      for (let i = 0; i < kh; i++) {
        for (let j = 0; j < kw; j++)
          mapInto(op, [total], [at(parts, i, j), at(grad, i, j)], [at(parts, i, j)]);
      }
      return spread.alias(op, { strides });
    });
    if (batchLast) return reshape(permute(windows, [4, 5, 1, 2, 3, 0]), [oh * ow, c * kh * kw, n]);
    return reshape(windows, [n, c * kh * kw, oh * ow]);
  });
}

/**
 * Sums of the elements up to and with each, along an axis; int32 of integers, wrapping around at 2^31. A tree of
 * 2 n additions in 2 log2 n passes (Brent and Kung 1982), whose rounding errors grow with log2 n.
 */
export function cumsum(x: Tensor, axis: number): Tensor {
  const op = 'cumsum';
  const along = axisOf(op, x, axis);
  const n = x.shape[along]!;
  const out = scope(() => {
    // The axis goes first, so that rows of neighbours are added.
    const turned = transpose(x.alias(op), along, 0);
    const sums = Tensor.empty(op, x.device, turned.shape, isIntegerType(x.dtype) ? 'int32' : x.dtype);
    mapInto(op, [e.input(0)], [turned], [sums]);
    const row = sums.size / n;
    /** Adds elements `from`, `from + step`, .. to elements `to`, `to + step`, .. */
    const addEach = (from: number, to: number, step: number): void => {
      if (to >= n) return;
      const layout = { shape: [Math.ceil((n - to) / step), row], strides: [step * row, 1] };
      const [source, target] = [from, to].map((at) => sums.alias(op, { ...layout, offset: at * row }));
      mapInto(op, [total], [target!, source!], [target!]);
    };
    let half = 1;
    for (; half < n; half *= 2) addEach(half - 1, 2 * half - 1, 2 * half);
    for (; half >= 1; half /= 2) addEach(2 * half - 1, 3 * half - 1, 2 * half);
    return transpose(sums, along, 0);
  });
  recordOne(op, x, out, (grad) => flip(cumsum(flip(grad, along), along), along));
  return out;
}

const [low, high, lowAt, highAt] = [e.input(0), e.input(1), e.input(2), e.input(3)];
const later = e.gt(lowAt, highAt);
const swaps = e.where(
  e.isnan(low),
  e.where(e.isnan(high), later, 1),
  e.where(e.eq(low, high), later, e.gt(low, high)),
);
const either = (a: Expr, b: Expr): Expr => e.where(swaps, a, b);
const ordered = [either(high, low), either(low, high), either(highAt, lowAt), either(lowAt, highAt)];

/**
 * The elements along an axis in rising order, and their int32 indices: equal ones by rising index, NaN after all
 * numbers. A bitonic network (Batcher 1968): log2 n (log2 n + 1) / 2 passes.
 * @param options `axis`: the last by default; `descending`: falling order, NaN first. Default false
 * @throws {ArgumentError} for more than 2^24 elements, whose indices aren't exact
 */
export function sort(
  x: Tensor,
  options: { readonly axis?: number; readonly descending?: boolean } = {},
): { values: Tensor; indices: Tensor } {
  const op = 'sort';
  const { axis, descending } = readOptions(op, options, { axis: -1, descending: false });
  requireBoolean(op, 'descending', descending);
  const along = axisOf(op, x, axis);
  const n = x.shape[along]!;
  if (n > 2 ** 24) throw new ArgumentError(`sort: ${n} elements along axis ${axis}, expected at most 2^24`);
  return scope(() => {
    const { device } = x;
    // Falling order is rising order read backwards; equal ones stay in theirs where they come in backwards, too.
    const turned = transpose(descending ? flip(x.alias(op), along) : x.alias(op), along, 0);
    const whole = isIntegerType(x.dtype);
    const width = 2 ** Math.ceil(Math.log2(Math.max(1, n)));
    const shape = [width, ...turned.shape.slice(1)];
    // What fills an axis up to a power of 2 goes last: none is larger, and its indices are.
    const keys = Tensor.empty(op, device, shape, whole ? 'int32' : x.dtype);
    mapInto(op, [e.param(0)], [], [keys], { params: [whole ? 2 ** 31 - 1 : Number.NaN] });
    mapInto(op, [e.input(0)], [turned], [keys.alias(op, { shape: turned.shape })]);
    const places = Tensor.empty(op, device, shape, 'int32');
    const order = arange(0, width, { device, dtype: 'int32' });
    const column = shape.map((_, axis) => (axis === 0 ? width : 1));
    mapInto(op, [e.input(0)], [reshape(order, column)], [places]);
    const rows = keys.size / width;
    for (let block = 2; block <= width; block *= 2) {
      for (let span = block; span >= 2; span /= 2) {
        const half = { shape: [width / span, span / 2, rows] };
        // Two sorted halves are merged by meeting each other's mirror image first.
        const [first, step] = span === block ? [span - 1, -1] : [span / 2, 1];
        const pair = [keys, places].flatMap((all) => [
          all.alias(op, { ...half, strides: [span * rows, rows, 1] }),
          all.alias(op, { ...half, strides: [span * rows, step * rows, 1], offset: first * rows }),
        ]);
        mapInto(op, ordered, pair, pair);
      }
    }
    const found = transpose(slice(places, 0, 0, n), along, 0);
    const indices = contiguous(descending ? flip(sub(n - 1, found), along) : found);
    return { values: gather(x, along, indices), indices };
  });
}
