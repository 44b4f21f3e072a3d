/**
 * Tensors arranged anew: tile repeats one, tril and triu keep a triangle of matrices, unfold lays the windows of a
 * convolution out as columns (im2col), whose gradient adds each column's elements to where they came from.
 */
import { readOptions, requireArray, requireNumber, requireWhole } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import { type Expr, e } from '../expr.js';
import { scope } from '../scope.js';
import { formatShape } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { type ConvWindow, outputSize, type PairLike, toGeometry, toPair } from './conv.js';
import { arange, zeros } from './create.js';
import { where } from './elementwise.js';
import { map, mapInto, recordOne, requireRank, requireTensor } from './launch.js';
import { expand } from './reduce.js';
import { pad, reshape, slice } from './views.js';

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

/**
 * The windows of a convolution as columns: `[N, C, H, W]` to `[N, C * KH * KW, OH * OW]`, the windows in row-major
 * order. A matrix product of kernels `[O, C * KH * KW]` with it is `conv2d`.
 * @throws {ArgumentError} for a window larger than the padded image
 */
export function unfold(x: Tensor, kernel: PairLike, options: Omit<ConvWindow, 'groups'> = {}): Tensor {
  const op = 'unfold';
  requireTensor(op, 'x', x);
  requireRank(op, 'x', x, 4, '[N, C, H, W]');
  const window = toGeometry(op, readOptions(op, options, { stride: 1, padding: 0, dilation: 1 }));
  const { stride, dilation } = window;
  const [top, left, bottom, right] = window.padding;
  const [kh, kw] = toPair(op, 'kernel', kernel, 1);
  const still = [0, 0] as const;
  return scope(() => {
    const image = pad(x, [still, still, [top, bottom], [left, right]]);
    const [n = 0, c = 0, h = 0, w = 0] = image.shape;
    const oh = outputSize(h, (kh - 1) * dilation[0] + 1, stride[0], 0, 0, false);
    const ow = outputSize(w, (kw - 1) * dilation[1] + 1, stride[1], 0, 0, false);
    if (oh < 1 || ow < 1) {
      const spread = `${kh}x${kw} window of dilation [${dilation.join(', ')}]`;
      throw new ArgumentError(`${op}: a ${spread} doesn't fit into ${h}x${w} with its padding`);
    }
    const seen = (whole: Tensor): Tensor => {
      const [sn = 0, sc = 0, sh = 0, sw = 0] = whole.view(op).strides;
      const steps = [dilation[0] * sh, dilation[1] * sw, stride[0] * sh, stride[1] * sw];
      return whole.alias(op, { shape: [n, c, kh, kw, oh, ow], strides: [sn, sc, ...steps] });
    };
    const windows = seen(image);
    recordOne(op, image, windows, (grad) => {
      const spread = zeros(image.shape, { device: grad.device, dtype: grad.dtype });
      const parts = seen(spread);
      const at = (all: Tensor, i: number, j: number) => slice(slice(all, 2, i, i + 1), 3, j, j + 1);
      for (let i = 0; i < kh; i++) {
        for (let j = 0; j < kw; j++)
          mapInto(op, [total], [at(parts, i, j), at(grad, i, j)], [at(parts, i, j)]);
      }
      return spread;
    });
    return reshape(windows, [n, c * kh * kw, oh * ow]);
  });
}
