/**
 * Max and average pooling, overlapping where the stride is less than the window (Krizhevsky 2012, section 3.4).
 */
import { readOptions } from '../arguments.js';
import type { PoolGeometry } from '../backend.js';
import { ArgumentError } from '../errors.js';
import { scope } from '../scope.js';
import { formatShape } from '../shape.js';
import { Tensor } from '../tensor.js';
import { type PaddingLike, type PairLike, toPadding, toPair, windowsIn } from './conv.js';
import { computed, recordOne, requireImages } from './launch.js';
import { mean } from './reduce.js';
import { slice, stack } from './views.js';

/** Options of pooling. */
export interface PoolOptions {
  /** Size of the window. */
  readonly kernel: PairLike;
  /** Step of the window; its size by default. */
  readonly stride?: PairLike | undefined;
  /** Rows and columns around the image: never the maximum, 0 in an average. Default 0. */
  readonly padding?: PaddingLike | undefined;
  /** Let the last window overhang the edge rather than leave pixels out. Default false. */
  readonly ceilMode?: boolean | undefined;
}

/** Options of average pooling. */
export interface AvgPoolOptions extends PoolOptions {
  /** Divide by all pixels of the window within the padding (true), or by those within the image. Default true. */
  readonly countIncludePad?: boolean | undefined;
}

/** A pooling's options, spelled out. */
export type Pooling = PoolGeometry & { readonly ceilMode: boolean };

/** The options of a pooling, for whoever takes them over. @throws {ArgumentError} for those it can't work with */
export function readPooling(op: string, mode: PoolGeometry['mode'], options: AvgPoolOptions): Pooling {
  const { ceilMode, countIncludePad, ...window } = readOptions(op, options, {
    kernel: undefined,
    stride: undefined,
    padding: 0,
    ceilMode: false,
    countIncludePad: true,
  });
  const kernel = toPair(op, 'kernel', window.kernel, 1);
  const stride = toPair(op, 'stride', window.stride ?? kernel, 1);
  const padding = toPadding(op, window.padding);
  const [top, left, bottom, right] = padding;
  if (Math.max(top, bottom) >= kernel[0] || Math.max(left, right) >= kernel[1])
    throw new ArgumentError(
      `${op}: padding [${padding.join(', ')}] must be less than the kernel [${kernel.join(', ')}]`,
    );
  return { mode, kernel, stride, padding, countIncludePad, ceilMode };
}

function pool(op: string, x: Tensor, { ceilMode, ...geometry }: Pooling): Tensor {
  requireImages(op, x);
  const shape = [...x.shape.slice(0, 2), ...windowsIn(op, x.shape, geometry.kernel, geometry, ceilMode)];
  const indices = geometry.mode === 'max' ? Tensor.empty(op, x.device, shape, 'int32') : null;
  const out = computed(op, x, shape, (dense, out) =>
    x.device.run('pool2d', { ...geometry, x: dense(x), out, indices: indices?.view(op) ?? null }),
  );
  const before = x.shape;
  const back = (grad: Tensor, chosen?: Tensor): Tensor =>
    computed(op, grad, before, (dense, out) => {
      const args = { ...geometry, grad: dense(grad), indices: chosen?.view(op) ?? null, out };
      grad.device.run('pool2dGrad', args);
    });
  recordOne(op, x, out, back, ...(indices ? [indices] : []));
  indices?.dispose();
  return out;
}

/** The largest of each window; the first of equal ones gets the gradient, and `countIncludePad` makes no difference. */
export function maxPool2d(x: Tensor, options: AvgPoolOptions): Tensor {
  return pool('maxPool2d', x, readPooling('maxPool2d', 'max', options));
}

/**
 * The mean of each of `size` windows that cover the image: window i of O along an axis of n pixels goes from
 * `floor(i * n / O)` to before `ceil((i + 1) * n / O)`. x `[N, C, H, W]`, result `[N, C, ...size]`.
 */
export function adaptiveAvgPool2d(x: Tensor, size: PairLike): Tensor {
  const op = 'adaptiveAvgPool2d';
  requireImages(op, x);
  const [oh, ow] = toPair(op, 'size', size, 1);
  const [h = 0, w = 0] = x.shape.slice(2);
  if (h === 0 || w === 0) throw new ArgumentError(`${op}: no pixels in ${formatShape(x.shape)}`);
  if (h % oh === 0 && w % ow === 0) return avgPool2d(x, { kernel: [h / oh, w / ow] });
  return scope(() => windowMeans(windowMeans(x, 2, oh), 3, ow));
}

function windowMeans(x: Tensor, axis: number, count: number): Tensor {
  const n = x.shape[axis]!;
  const means = Array.from({ length: count }, (_, i) => {
    const window = slice(x, axis, Math.floor((i * n) / count), Math.ceil(((i + 1) * n) / count));
    return mean(window, { axes: axis });
  });
  return stack(means, axis);
}

/** The mean of each window. x `[N, C, H, W]`. */
export function avgPool2d(x: Tensor, options: AvgPoolOptions): Tensor {
  return pool('avgPool2d', x, readPooling('avgPool2d', 'avg', options));
}
