/**
 * Fewer axes for the same walk: element-wise kernels and reductions may take the axes in any order, and two axes
 * are one where every operand goes on from the end of the inner one to the next step of the outer one.
 */

import { isContiguous, sizeOf } from '../../../core/shape.js';

/** Sizes of the axes and each walker's strides along them. */
export interface Walk {
  readonly shape: number[];
  readonly strides: number[][];
}

/**
 * The same walk over fewer axes: those of size 1 dropped, the others sorted by falling stride of walker `lead`,
 * neighbours merged where every walker steps over the inner one exactly at its end. At least one axis is left.
 */
export function simplifyAxes(
  shape: readonly number[],
  strides: readonly (readonly number[])[],
  lead: number,
): Walk {
  const size = sizeOf(shape);
  if (size > 1 && strides.every((s) => isContiguous({ shape, strides: s }))) {
    return { shape: [size], strides: strides.map(() => [1]) };
  }
  const leading = strides[lead]!;
  const order = shape
    .map((_, axis) => axis)
    .filter((axis) => shape[axis] !== 1)
    .sort((a, b) => Math.abs(leading[b]!) - Math.abs(leading[a]!) || a - b);
  const walk: Walk = { shape: [], strides: strides.map(() => []) };
  for (const axis of order) {
    const n = shape[axis]!;
    const last = walk.shape.length - 1;
    if (last >= 0 && strides.every((s, w) => walk.strides[w]![last] === s[axis]! * n)) {
      walk.shape[last]! *= n;
      strides.forEach((s, w) => {
        walk.strides[w]![last] = s[axis]!;
      });
      continue;
    }
    walk.shape.push(n);
    strides.forEach((s, w) => {
      walk.strides[w]!.push(s[axis]!);
    });
  }
  if (walk.shape.length === 0) return { shape: [1], strides: strides.map(() => [0]) };
  return walk;
}
