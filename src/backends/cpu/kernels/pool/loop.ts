/**
 * Max and average pooling and their gradients, window by window.
 *
 * The window of output (y, x) starts at row `y * sv - top`, column `x * sh - left` and is clipped to the image;
 * `countIncludePad` counts its pixels before that, clipped to the padded image only.
 */
import type { PoolGeometry } from '../../../../core/backend.js';
import type { Shape } from '../../../../core/shape.js';
import type { LoopArgs } from '../view.js';

/** Rows [y0, y1), columns [x0, x1) of plane `plane` feed element `out`; `count` is the divisor of an average. */
type Window = (
  plane: number,
  out: number,
  y0: number,
  y1: number,
  x0: number,
  x1: number,
  count: number,
) => void;

function forEachWindow(g: PoolGeometry, xShape: Shape, outShape: Shape, visit: Window): void {
  const [N = 0, C = 0, H = 0, W = 0] = xShape;
  const [OH, OW] = [outShape[2]!, outShape[3]!];
  const [kh, kw] = g.kernel;
  const [top, left, bottom, right] = g.padding;
  let out = 0;
  for (let plane = 0; plane < N * C; plane++) {
    for (let oy = 0; oy < OH; oy++) {
      const top0 = oy * g.stride[0] - top;
      const y0 = Math.max(0, top0);
      const y1 = Math.min(H, top0 + kh);
      const paddedRows = Math.min(H + bottom, top0 + kh) - top0;
      for (let ox = 0; ox < OW; ox++) {
        const left0 = ox * g.stride[1] - left;
        const x0 = Math.max(0, left0);
        const x1 = Math.min(W, left0 + kw);
        const paddedColumns = Math.min(W + right, left0 + kw) - left0;
        const count = g.countIncludePad ? paddedRows * paddedColumns : (y1 - y0) * (x1 - x0);
        visit(plane, out++, y0, y1, x0, x1, count);
      }
    }
  }
}

/** See `Kernels.pool2d`. */
export function pool2d(args: LoopArgs<'pool2d'>): void {
  const { x, out, indices } = args;
  const [H, W] = [x.shape[2]!, x.shape[3]!];
  forEachWindow(args, x.shape, out.shape, (plane, to, y0, y1, x0, x1, count) => {
    const start = x.offset + plane * H * W;
    let sum = 0;
    let largest = -Infinity;
    let index = y0 * W + x0;
    for (let iy = y0; iy < y1; iy++) {
      for (let ix = x0; ix < x1; ix++) {
        const at = iy * W + ix;
        const value = x.data[start + at]!;
        sum += value;
        if (value > largest || (Number.isNaN(value) && !Number.isNaN(largest))) {
          largest = value;
          index = at;
        }
      }
    }
    out.data[out.offset + to] = args.mode === 'max' ? largest : sum / count;
    if (indices !== null) indices.data[indices.offset + to] = index;
  });
}

/** See `Kernels.pool2dGrad`. */
export function pool2dGrad(args: LoopArgs<'pool2dGrad'>): void {
  const { grad, indices, out } = args;
  const [N = 0, C = 0, H = 0, W = 0] = out.shape;
  const sums = new Float64Array(N * C * H * W);
  forEachWindow(args, out.shape, grad.shape, (plane, from, y0, y1, x0, x1, count) => {
    const g = grad.data[grad.offset + from]!;
    const start = plane * H * W;
    if (indices !== null) {
      sums[start + indices.data[indices.offset + from]!]! += g;
      return;
    }
    for (let iy = y0; iy < y1; iy++) {
      for (let ix = x0; ix < x1; ix++) sums[start + iy * W + ix]! += g / count;
    }
  });
  out.data.set(sums, out.offset);
}
