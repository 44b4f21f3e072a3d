/**
 * The plans of local response normalization and its gradient.
 */
import type { Kernels, LrnGeometry } from '../../../../core/backend.js';
import { type Shape, sizeOf } from '../../../../core/shape.js';
import { addressOf, floatBits, type Planner } from '../../plan.js';
import { emitLrn, emitLrnGrad, lrnBlock, lrnScratch, lrnWords } from './code.js';

function geometryWords(g: LrnGeometry, shape: Shape) {
  const [N = 0, channels = 0, H = 0, W = 0] = shape;
  const pixels = H * W;
  const blocks = Math.ceil(pixels / lrnBlock);
  return {
    channels,
    pixels,
    blocks,
    units: N * blocks,
    size: g.size,
    alpha: floatBits(g.alpha),
    k: floatBits(g.k),
    coefficient: floatBits(2 * g.alpha * g.beta),
  };
}

/** See `Kernels.lrn`. */
export function planLrn(args: Kernels['lrn'], planner: Planner): boolean {
  const { x, out, beta } = args;
  if (sizeOf(x.shape) === 0) return true;
  const addresses = { x: addressOf(x), grad: 0, out: addressOf(out), scratch: 0 };
  const words = lrnWords.encode({ ...geometryWords(args, x.shape), ...addresses });
  planner.run({ key: `lrn ${beta}`, emit: (features) => emitLrn(beta, features) }, 'lrn', words);
  return true;
}

/** See `Kernels.lrnGrad`. */
export function planLrnGrad(args: Kernels['lrnGrad'], planner: Planner): boolean {
  const { x, grad, out, beta } = args;
  if (sizeOf(x.shape) === 0) return true;
  const scratch = planner.temporary(planner.threads * lrnScratch(x.shape[1]!));
  const addresses = { x: addressOf(x), grad: addressOf(grad), out: addressOf(out), scratch };
  const words = lrnWords.encode({ ...geometryWords(args, x.shape), ...addresses });
  planner.run({ key: `lrnGrad ${beta}`, emit: (features) => emitLrnGrad(beta, features) }, 'lrnGrad', words);
  return true;
}
