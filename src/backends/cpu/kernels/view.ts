/**
 * What plain loops work on: the kernels' arguments with typed arrays in the place of buffers, so that the same
 * loops run over an engine's memory, over float64 tensors and over a test's numbers.
 */
import type { KernelName, Kernels } from '../../../core/backend.js';
import type { Shape, TypedArray, View } from '../../../core/shape.js';

/** A view (core/shape.ts) with its elements at hand. */
export interface LoopView {
  readonly data: TypedArray;
  readonly shape: Shape;
  readonly strides: readonly number[];
  readonly offset: number;
}

type WithData<T> = T extends View
  ? LoopView
  : T extends readonly View[]
    ? readonly LoopView[]
    : T extends readonly (View | null)[]
      ? readonly (LoopView | null)[]
      : T;

/** The arguments of kernel K with every `View` replaced by a `LoopView`. */
export type LoopArgs<K extends KernelName> = { readonly [P in keyof Kernels[K]]: WithData<Kernels[K][P]> };

/**
 * Calls `visit` for every index of `shape` in row-major order with where that index lies in each of `views`
 * (positions[v] = offset + sum of index[axis] * strides[axis]). The array is the same one at every call.
 */
export function walk(
  shape: Shape,
  views: readonly { readonly offset: number; readonly strides: readonly number[] }[],
  visit: (positions: readonly number[]) => void,
): void {
  const positions = views.map((view) => view.offset);
  const descend = (axis: number): void => {
    if (axis === shape.length) {
      visit(positions);
      return;
    }
    const n = shape[axis]!;
    const steps = views.map((view) => view.strides[axis]!);
    const last = axis + 1 === shape.length;
    for (let i = 0; i < n; i++) {
      if (last) visit(positions);
      else descend(axis + 1);
      for (let v = 0; v < steps.length; v++) positions[v]! += steps[v]!;
    }
    for (let v = 0; v < steps.length; v++) positions[v]! -= n * steps[v]!;
  };
  descend(0);
}
