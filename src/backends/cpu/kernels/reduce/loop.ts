/**
 * Reductions: `out[kept] = scale * op over reduced of x[kept, reduced]`, accumulated in doubles.
 */
import type { FoldOp } from '../../../../core/backend.js';
import { contiguousStrides } from '../../../../core/shape.js';
import { type LoopArgs, walk } from '../view.js';

/** What a fold starts from, and how it takes in an element. */
export const folds: Readonly<
  Record<FoldOp, { readonly start: number; step(value: number, next: number): number }>
> = {
  sum: { start: 0, step: (a, b) => a + b },
  max: { start: -Infinity, step: Math.max },
  min: { start: Infinity, step: Math.min },
};

/** See `Kernels.reduce`. */
export function reduce({ op, x, kept, scale, out }: LoopArgs<'reduce'>): void {
  const { start, step } = folds[op];
  const keptShape = x.shape.slice(0, kept);
  const reducedShape = x.shape.slice(kept);
  const reducedStrides = x.strides.slice(kept);
  const dense = { offset: out.offset, strides: contiguousStrides(keptShape) };
  walk(keptShape, [x, dense], ([from, to]) => {
    let value = start;
    walk(reducedShape, [{ offset: from!, strides: reducedStrides }], ([at]) => {
      value = step(value, x.data[at!]!);
    });
    out.data[to!] = scale * value;
  });
}
