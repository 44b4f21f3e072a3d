/**
 * Reductions: `out[kept] = scale * op over reduced of x[kept, reduced]`, accumulated in doubles.
 */
import { contiguousStrides } from '../../../../core/shape.js';
import { type LoopArgs, walk } from '../view.js';

const steps: Readonly<Record<LoopArgs<'reduce'>['op'], (a: number, b: number) => number>> = {
  sum: (a, b) => a + b,
  max: Math.max,
  min: Math.min,
};

const starts: Readonly<Record<LoopArgs<'reduce'>['op'], number>> = { sum: 0, max: -Infinity, min: Infinity };

/** See `Kernels.reduce`. */
export function reduce({ op, x, kept, scale, out }: LoopArgs<'reduce'>): void {
  const step = steps[op];
  const keptShape = x.shape.slice(0, kept);
  const reducedShape = x.shape.slice(kept);
  const reducedStrides = x.strides.slice(kept);
  const dense = { offset: out.offset, strides: contiguousStrides(keptShape) };
  walk(keptShape, [x, dense], ([from, to]) => {
    let value = starts[op];
    walk(reducedShape, [{ offset: from!, strides: reducedStrides }], ([at]) => {
      value = step(value, x.data[at!]!);
    });
    out.data[to!] = scale * value;
  });
}
