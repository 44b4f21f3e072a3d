/**
 * Numbers for kernel tests: a seeded source of random shapes and values, dense views over typed arrays, and the
 * normalized mean squared error by which results are judged.
 */

import type { LoopView } from '../../../src/backends/cpu/kernels/loops.js';
import { HostRandom } from '../../../src/backends/threefry.js';
import { drawOf } from '../../../src/core/random.js';
import { contiguousStrides, type Shape, sizeOf, type TypedArray } from '../../../src/core/shape.js';

/** Random numbers from a printed seed; the environment variable SEED repeats a run. */
export function seededRandom(name: string): HostRandom {
  const seed = process.env.SEED === undefined ? Date.now() % 1_000_000 : Number(process.env.SEED);
  console.log(`${name}: SEED=${seed}`);
  return new HostRandom(drawOf(seed, 0));
}

/** A dense view of a host array, all of it from `offset` on. */
export function dense(data: TypedArray, shape: Shape, offset = 0): LoopView {
  return { data, shape, strides: contiguousStrides(shape), offset };
}

/** A dense float64 view of the given numbers. */
export function doubles(numbers: readonly number[], shape: Shape = [numbers.length]): LoopView {
  return dense(Float64Array.from(numbers), shape);
}

/** A dense float64 view of normal numbers. */
export function normals(random: HostRandom, shape: Shape): LoopView {
  return dense(
    Float64Array.from({ length: sizeOf(shape) }, () => random.normal()),
    shape,
  );
}

/** A dense float64 view of zeros, for results. */
export function zeros(shape: Shape): LoopView {
  return dense(new Float64Array(sizeOf(shape)), shape);
}

/**
 * Squared error over squared size of the expected numbers; infinite where a NaN or infinity differs.
 * @param least added to each number's size, squared as they are
 */
export function nmse(actual: ArrayLike<number>, expected: ArrayLike<number>, least = 0): number {
  let error = 0;
  let size = 0;
  for (let i = 0; i < expected.length; i++) {
    const [a, b] = [actual[i]!, expected[i]!];
    if (Object.is(a, b) || a === b) {
      if (Number.isFinite(b)) size += b * b + least * least;
      continue;
    }
    if (!Number.isFinite(a) || !Number.isFinite(b)) return Infinity;
    error += (a - b) ** 2;
    size += b * b + least * least;
  }
  return error === 0 ? 0 : error / (size || 1);
}

/** Size of the terms that `errorOfSums` allows for. */
const leastSum = 0.1;

/**
 * As `nmse`, for sums of numbers of about 1: one that happens to be near 0, its terms having cancelled, has their rounding all the
 * same.
 */
export function errorOfSums(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  return nmse(actual, expected, leastSum);
}
