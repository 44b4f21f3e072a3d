/**
 * Norms of vectors: `(sum of |x|^p)^(1/p)`, of which p = infinity is the largest |x|.
 */
import { readOptions, requireNumber, wrongArgument } from '../arguments.js';
import { e } from '../expr.js';
import { scope } from '../scope.js';
import type { Tensor } from '../tensor.js';
import { abs, mul } from './elementwise.js';
import { unary } from './expressionOps.js';
import { requireDType, requireTensor } from './launch.js';
import { max, type ReduceOptions, sum } from './reduce.js';

/** The root of a sum of squares: its gradient at 0 is 0, which every square's is there. */
const root = unary('norm', e.sqrt, (g, y) => e.where(e.eq(y, 0), 0, e.div(g, e.mul(2, y))));

/**
 * The norm over axes (all by default). Its gradient is 0 where x is, and shared evenly among equal largest elements.
 * @param options `p`: 1, 2 (default) or Infinity
 */
export function norm(x: Tensor, options: ReduceOptions & { readonly p?: number } = {}): Tensor {
  const op = 'norm';
  requireTensor(op, 'x', x);
  requireDType(op, 'x', x, 'float32', 'float64');
  const { p, axes, keepDim } = readOptions(op, options, { p: 2, axes: undefined, keepDim: false });
  requireNumber(op, 'p', p);
  if (![1, 2, Number.POSITIVE_INFINITY].includes(p)) throw wrongArgument(op, 'p', p, '1, 2 or Infinity');
  return scope(() => {
    if (p === 2) return root(sum(mul(x, x), { axes, keepDim }));
    return (p === 1 ? sum : max)(abs(x), { axes, keepDim });
  });
}
