/**
 * Local response normalization across channels and its gradient (Krizhevsky 2012, section 3.3):
 * `out[i] = x[i] * d[i]^-beta`, `d[i] = k + alpha * sum over j in [i - h, i - h + size - 1] of x[j]^2`,
 * `h = floor(size / 2)`, j clipped to the channels there are.
 */
import type { LrnGeometry } from '../../../../core/backend.js';
import type { LoopArgs, LoopView } from '../view.js';

/** Calls `visit` with the position of channel 0 of each pixel and the step from channel to channel. */
function forEachPixel(view: LoopView, visit: (first: number, step: number) => void): void {
  const [N = 0, C = 0, H = 0, W = 0] = view.shape;
  for (let n = 0; n < N; n++) {
    for (let pixel = 0; pixel < H * W; pixel++) visit(n * C * H * W + pixel, H * W);
  }
}

/** d of every channel of one pixel, into `d`. */
function denominators(g: LrnGeometry, x: LoopView, first: number, step: number, d: Float64Array): void {
  const half = Math.floor(g.size / 2);
  for (let i = 0; i < d.length; i++) {
    let squares = 0;
    for (let j = Math.max(0, i - half); j <= Math.min(d.length - 1, i - half + g.size - 1); j++) {
      squares += x.data[x.offset + first + j * step]! ** 2;
    }
    d[i] = g.k + g.alpha * squares;
  }
}

/** See `Kernels.lrn`. */
export function lrn(args: LoopArgs<'lrn'>): void {
  const { x, out, beta } = args;
  const d = new Float64Array(x.shape[1]!);
  forEachPixel(x, (first, step) => {
    denominators(args, x, first, step, d);
    for (let i = 0; i < d.length; i++) {
      out.data[out.offset + first + i * step] = x.data[x.offset + first + i * step]! * d[i]! ** -beta;
    }
  });
}

/** See `Kernels.lrnGrad`. */
export function lrnGrad(args: LoopArgs<'lrnGrad'>): void {
  const { x, grad, out, size, alpha, beta } = args;
  const C = x.shape[1]!;
  const half = Math.floor(size / 2);
  const d = new Float64Array(C);
  forEachPixel(x, (first, step) => {
    denominators(args, x, first, step, d);
    for (let i = 0; i < C; i++) {
      // The channels j whose window [j - half, j - half + size - 1] holds i.
      let shared = 0;
      for (let j = Math.max(0, i + half - size + 1); j <= Math.min(C - 1, i + half); j++) {
        const at = first + j * step;
        shared += grad.data[grad.offset + at]! * x.data[x.offset + at]! * d[j]! ** (-beta - 1);
      }
      const at = first + i * step;
      const direct = grad.data[grad.offset + at]! * d[i]! ** -beta;
      out.data[out.offset + at] = direct - 2 * alpha * beta * x.data[x.offset + at]! * shared;
    }
  });
}
