/**
 * Tensors arranged anew: tile repeats one, tril and triu keep a triangle of matrices, unfold lays the windows of a
 * convolution out as columns (im2col), whose gradient adds each column's elements to where they came from.
 */
import { readOptions, requireArray, requireNumber, requireWhole } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import { e } from '../expr.js';
import { recordLinear } from '../record.js';
import { scope } from '../scope.js';
import { formatShape } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { type Conv2dOptions, outputSize, type PairLike, toPadding, toPair } from './conv.js';
import { arange, zeros } from './create.js';
import { where } from './elementwise.js';
import { map, mapInto, requireRank, requireTensor } from './launch.js';
import { expand } from './reduce.js';
import { pad, reshape } from './views.js';

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
  return scope(() => {
    const apart = reshape(
      x,
      shape.flatMap((n) => [1, n]),
    );
    const repeated = expand(
      apart,
      shape.flatMap((n, axis) => [times[axis]!, n]),
    );
    return reshape(
      repeated,
      shape.map((n, axis) => n * times[axis]!),
    );
  });
}

const below = e.le(e.sub(e.input(0), e.input(1)), e.param(0));
const above = e.ge(e.sub(e.input(0), e.input(1)), e.param(0));

function triangle(op: string, x: Tensor, diagonal: number, within: typeof below): Tensor {
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

/**
 * The lower triangle of matrices `[.., M, N]`, 0 above it.
 * @param diagonal the last one kept: 0, the main one, by default; 1 is the one above
 */
export function tril(x: Tensor, diagonal = 0): Tensor {
  return triangle('tril', x, diagonal, below);
}

/**
 * The upper triangle of matrices `[.., M, N]`, 0 below it.
 * @param diagonal the first one kept: 0, the main one, by default; 1 is the one above
 */
export function triu(x: Tensor, diagonal = 0): Tensor {
  return triangle('triu', x, diagonal, above);
}

/** Options of `unfold`. */
export interface UnfoldOptions extends Pick<Conv2dOptions, 'stride' | 'padding'> {
  /** Distance between neighbours of a window. Default 1. */
  readonly dilation?: PairLike;
}

/**
 * The windows of a convolution as columns: `[N, C, H, W]` to `[N, C * KH * KW, OH * OW]`, the windows in row-major
 * order. A matrix product of kernels `[O, C * KH * KW]` with it is `conv2d`.
 * @throws {ArgumentError} for a window larger than the padded image
 */
export function unfold(x: Tensor, kernel: PairLike, options: UnfoldOptions = {}): Tensor {
  const op = 'unfold';
  requireTensor(op, 'x', x);
  requireRank(op, 'x', x, 4, '[N, C, H, W]');
  const given = readOptions(op, options, { stride: 1, padding: 0, dilation: 1 });
  const [kh, kw] = toPair(op, 'kernel', kernel, 1);
  const [down, right] = toPair(op, 'stride', given.stride, 1);
  const [dh, dw] = toPair(op, 'dilation', given.dilation, 1);
  const [top, left, bottom, end] = toPadding(op, given.padding);
  return scope(() => {
    const image = pad(x, [
      [0, 0],
      [0, 0],
      [top, bottom],
      [left, end],
    ]);
    const [n = 0, c = 0, h = 0, w = 0] = image.shape;
    const oh = outputSize(h, dh * (kh - 1) + 1, down, 0, 0, false);
    const ow = outputSize(w, dw * (kw - 1) + 1, right, 0, 0, false);
    if (oh < 1 || ow < 1) {
      const spread = dh * dw === 1 ? '' : ` spread by ${dh}x${dw}`;
      throw new ArgumentError(
        `unfold: a ${kh}x${kw} window${spread} doesn't fit into ${h}x${w} with its padding`,
      );
    }
    /** Pixel `[i, j]` of every window; without the two, all pixels, `[N, C, KH, KW, OH, OW]`. */
    const pixels = (whole: Tensor, at?: readonly [i: number, j: number]): Tensor => {
      const { strides, offset } = whole.view(op);
      const [sn = 0, sc = 0, sh = 0, sw = 0] = strides;
      const steps = [sn, sc, dh * sh, dw * sw, down * sh, right * sw];
      const [i, j] = at ?? [0, 0];
      return whole.alias(op, {
        shape: [n, c, ...(at ? [1, 1] : [kh, kw]), oh, ow],
        strides: steps,
        offset: offset + i * steps[2]! + j * steps[3]!,
      });
    };
    const windows = pixels(image);
    recordLinear(op, image, windows, (grad) => {
      const spread = zeros(image.shape, { device: grad.device, dtype: grad.dtype });
      for (let i = 0; i < kh; i++) {
        for (let j = 0; j < kw; j++) {
          const target = pixels(spread, [i, j]);
          const { strides, offset } = grad.view(op);
          const part = grad.alias(op, {
            shape: target.shape,
            offset: offset + i * strides[2]! + j * strides[3]!,
          });
          mapInto(op, [e.add(e.input(0), e.input(1))], [target, part], [target]);
        }
      }
      return spread;
    });
    return reshape(windows, [n, c * kh * kw, oh * ow]);
  });
}
