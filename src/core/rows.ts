/**
 * Which samples of a batch tensors hold, where several programs share one: row i is sample `first + i * step`. Random
 * numbers of a row are those of its sample, so that dropout doesn't depend on how a batch is shared out.
 */
import type { DrawPlacement } from './ops/launch.js';
import { contiguousStrides, type Shape } from './shape.js';
import { synchronously } from './synchronous.js';

/** The samples that rows are. */
interface Rows {
  readonly first: number;
  readonly step: number;
}

let current: Rows = { first: 0, step: 1 };

/** Runs `fn` on tensors whose first axis is these samples. @throws {TandemError} when `fn` returns a promise */
export function inRows<T>(rows: Rows, fn: () => T): T {
  const outer = current;
  current = rows;
  try {
    return synchronously('inRows', fn);
  } finally {
    current = outer;
  }
}

/** A tensor's random numbers, for the samples that its rows are. */
export function drawOfRows(draw: DrawPlacement, shape: Shape): DrawPlacement {
  const { first, step } = current;
  const [row = 0, ...inner] = draw.strides ?? contiguousStrides(shape);
  if (step === 1 || shape.length === 0) return draw;
  return { ...draw, offset: (draw.offset ?? 0) + first * row, strides: [row * step, ...inner] };
}
