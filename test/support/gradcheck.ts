/**
 * Gradients of functions of random numbers, by the exported `gradcheck`; and numbers that keep away from kinks.
 */

import type { HostRandom } from '../../src/backends/threefry.js';
import { type Shape, sizeOf } from '../../src/core/shape.js';
import { gradcheck as check, type Device, type Tensor, tensor } from '../../src/index.js';

/** A leaf's numbers, and its device where it isn't the common one. */
export interface Leaf {
  readonly shape: Shape;
  readonly data: Float64Array;
  readonly device?: Device;
}

/** What is differentiated. */
export type Differentiable = (...inputs: Tensor[]) => Tensor;

/** Fails unless the gradient of f by every element of every input is the finite difference there. */
export async function gradcheck(
  name: string,
  device: Device,
  random: HostRandom,
  f: Differentiable,
  inputs: readonly Leaf[],
): Promise<void> {
  const leaves = inputs.map((leaf) =>
    tensor(leaf.data, { shape: leaf.shape, device: leaf.device ?? device }),
  );
  try {
    await check(f, leaves, { name, seed: random.integer(2 ** 31) });
  } finally {
    for (const leaf of leaves) leaf.dispose();
  }
}

/** A leaf of normal numbers. */
export function normalLeaf(random: HostRandom, shape: Shape, scale = 1): Leaf {
  return { shape, data: Float64Array.from({ length: sizeOf(shape) }, () => scale * random.normal()) };
}

/** A leaf of numbers from 0.3 to 3, for logarithms, roots and quotients. */
export function positiveLeaf(random: HostRandom, shape: Shape): Leaf {
  return { shape, data: Float64Array.from({ length: sizeOf(shape) }, () => 0.3 + 2.7 * random.uniform()) };
}

/**
 * A leaf of numbers in random order, at least 0.03 apart from each other, from what they are with the other sign, and from
 * any multiple of 0.1: far from the kinks of max, abs, relu, pooling and norms.
 */
export function distinctLeaf(random: HostRandom, shape: Shape): Leaf {
  const order = random.permutation(sizeOf(shape));
  return { shape, data: Float64Array.from(order, (n) => (n - Math.floor(order.length / 2)) * 0.1 + 0.03) };
}
