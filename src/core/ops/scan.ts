/**
 * Running sums and sorting along an axis: passes of maps, each of which combines two interleaved or mirrored halves of
 * one buffer in place, so that every backend gives the same bits and integers stay exact.
 */
import { readOptions, requireBoolean } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import { type Expr, e } from '../expr.js';
import { scope } from '../scope.js';
import { isIntegerType, normalizeAxis } from '../shape.js';
import { Tensor } from '../tensor.js';
import { arange } from './create.js';
import { sub } from './elementwise.js';
import { gather } from './gather.js';
import { mapInto, recordOne, requireTensor } from './launch.js';
import { contiguous, flip, reshape, slice, transpose } from './views.js';

const total = e.add(e.input(0), e.input(1));

/**
 * Sums of the elements up to and with each, along an axis; int32 of integers, wrapping around at 2^31. A tree of
 * 2 n additions in 2 log2 n passes (Brent and Kung 1982), whose rounding errors grow with log2 n.
 */
export function cumsum(x: Tensor, axis: number): Tensor {
  const op = 'cumsum';
  requireTensor(op, 'x', x);
  const along = normalizeAxis(op, axis, x.shape.length);
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
  requireTensor(op, 'x', x);
  const { axis, descending } = readOptions(op, options, { axis: -1, descending: false });
  requireBoolean(op, 'descending', descending);
  const along = normalizeAxis(op, axis, x.shape.length);
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
