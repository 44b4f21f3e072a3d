/**
 * What a kernel costs, by arithmetic: floating-point operations (a multiply-add is two) and the bytes that must
 * move at the least (each operand once). Profiles and benchmarks divide by these.
 */
import type { KernelName, Kernels } from '../core/backend.js';
import { childrenOf, type Expr } from '../core/expr.js';
import { bytesPerElement, sizeOf, type View } from '../core/shape.js';

/** Operations and bytes of one run of a kernel. */
export interface Cost {
  readonly flops: number;
  readonly bytes: number;
}

const costs: { readonly [K in KernelName]: (args: Kernels[K]) => number } = {
  map: (a) => sizeOf(a.shape) * a.exprs.reduce((sum, expr) => sum + operations(expr), 0),
  reduce: (a) => sizeOf(a.x.shape),
  foldMap: (a) => {
    const trees = [...a.numbers.map(({ expr }) => expr), ...a.exprs];
    return sizeOf(a.shape) * (a.numbers.length + trees.reduce((sum, expr) => sum + operations(expr), 0));
  },
  matmul: (a) => 2 * sizeOf(a.out.shape) * a.a.shape[2]!,
  conv2d: (a) => 2 * sizeOf(a.out.shape) * sizeOf(a.weight.shape.slice(1)),
  conv2dInputGrad: (a) => 2 * sizeOf(a.grad.shape) * sizeOf(a.weight.shape.slice(1)),
  conv2dWeightGrad: (a) => 2 * sizeOf(a.grad.shape) * sizeOf(a.out.shape.slice(1)),
  pool2d: (a) => sizeOf(a.out.shape) * a.kernel[0] * a.kernel[1],
  pool2dGrad: (a) => sizeOf(a.grad.shape) * (a.mode === 'max' ? 1 : a.kernel[0] * a.kernel[1]),
  lrn: (a) => sizeOf(a.x.shape) * (2 * a.size + 4),
  lrnGrad: (a) => sizeOf(a.x.shape) * (4 * a.size + 8),
  crossEntropy: (a) => 4 * sizeOf(a.logits.shape),
  crossEntropyGrad: (a) => 4 * sizeOf(a.logits.shape),
  gather: () => 0,
  scatterAdd: (a) => sizeOf(a.grad.shape),
  topk: (a) => sizeOf(a.x.shape),
};

/** The cost of running kernel `name` with `args`. */
export function costOf<K extends KernelName>(name: K, args: Kernels[K]): Cost {
  return {
    flops: costs[name](args),
    bytes: viewsOf(args).reduce((sum, view) => sum + touchedBytes(view), 0),
  };
}

/** The views among a kernel's arguments. */
function viewsOf(args: Kernels[KernelName]): View[] {
  return Object.values(args).flat().filter(isView);
}

function isView(value: unknown): value is View {
  return typeof value === 'object' && value !== null && 'buffer' in value;
}

/** Bytes of the distinct elements of a view: axes of stride 0 count once. */
function touchedBytes(view: View): number {
  const distinct = view.shape.filter((_, axis) => view.strides[axis] !== 0);
  return sizeOf(distinct) * bytesPerElement[view.dtype];
}

function operations(expr: Expr): number {
  const own = expr.kind === 'unary' || expr.kind === 'binary' || expr.kind === 'where' ? 1 : 0;
  return childrenOf(expr).reduce((sum, child) => sum + operations(child), own);
}
