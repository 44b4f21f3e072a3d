/**
 * The plans of pooling and its gradient.
 */
import type { Kernels, PoolGeometry } from '../../../../core/backend.js';
import type { Shape } from '../../../../core/shape.js';
import { addressOf, type Planner } from '../../plan.js';
import { emitPool, emitPoolGrad, mostShort, type PoolKind, poolWords } from './code.js';

function geometryWords(g: PoolGeometry, larger: Shape, smaller: Shape) {
  const [, , H = 0, W = 0] = larger;
  const [, , OH = 0, OW = 0] = smaller;
  const [top, left, bottom, right] = g.padding;
  const [strideRows, strideColumns] = g.stride;
  const [kernelRows, kernelColumns] = g.kernel;
  // Output columns whose windows lie within the image's width.
  const last = Math.max(0, Math.min(OW, Math.floor((W + left - kernelColumns) / strideColumns) + 1));
  const first = Math.min(last, Math.ceil(left / strideColumns));
  const sizes = { H, W, OH, OW, kernelRows, kernelColumns, strideRows, strideColumns };
  return { ...sizes, top, left, bottom, right, first, last, countPadding: Number(g.countIncludePad) };
}

/** See `Kernels.pool2d`. */
export function planPool(args: Kernels['pool2d'], planner: Planner): boolean {
  const { x, out, indices, mode } = args;
  const [N = 0, C = 0, OH = 0, OW = 0] = out.shape;
  if (N * C * OH * OW === 0) return true;
  const kind: PoolKind = {
    mode,
    indices: mode === 'max' && indices !== null,
    columns: args.kernel[1],
    step: args.stride[1],
    long: mode === 'avg' && args.kernel[0] * args.kernel[1] > mostShort,
  };
  const words = poolWords.encode({
    ...geometryWords(args, x.shape, out.shape),
    x: addressOf(x),
    out: addressOf(out),
    indices: indices === null ? 0 : addressOf(indices),
    units: N * C * OH,
  });
  const key = `pool ${mode} ${kind.indices} ${kind.columns} ${kind.step} ${kind.long}`;
  planner.run({ key, emit: (features) => emitPool(kind, features) }, 'pool', words);
  return true;
}

/** See `Kernels.pool2dGrad`. */
export function planPoolGrad(args: Kernels['pool2dGrad'], planner: Planner): boolean {
  const { grad, out, indices } = args;
  const [N = 0, C = 0, H = 0, W = 0] = out.shape;
  if (N * C * H * W === 0) return true;
  const mode = indices === null ? 'avg' : 'max';
  const words = poolWords.encode({
    ...geometryWords(args, out.shape, grad.shape),
    x: addressOf(out),
    out: addressOf(grad),
    indices: indices === null ? 0 : addressOf(indices),
    units: N * C,
  });
  const module = {
    key: `poolGrad ${mode}`,
    emit: (features: Planner['features']) => emitPoolGrad(mode, features),
  };
  planner.run(module, 'poolGrad', words);
  return true;
}
