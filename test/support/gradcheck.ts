/**
 * Gradients against central finite differences in float64.
 *
 * The scalar is `s = sum over i of weights[i] * f(inputs)[i]` with random weights, so that mistakes don't cancel; the
 * derivative by element j of an input is `(s(x + h) - s(x - h)) / 2h`, each s computed on the host from what f gives.
 */
import * as assert from 'uvu/assert';
import type { Device } from '../../src/core/device.js';
import { tensor } from '../../src/core/ops/create.js';
import type { HostRandom } from '../../src/core/random.js';
import { scope } from '../../src/core/scope.js';
import { formatShape, type Shape, sizeOf } from '../../src/core/shape.js';
import { noGrad } from '../../src/core/tape.js';
import type { Tensor } from '../../src/core/tensor.js';

/** A leaf's numbers, and its device where it isn't the common one. */
export interface Leaf {
  readonly shape: Shape;
  readonly data: Float64Array;
  readonly device?: Device;
}

/** What is differentiated. */
export type Differentiable = (...inputs: Tensor[]) => Tensor;

/** Half the distance of a finite difference; its error is of the order of the square. */
const step = 1e-6;

/** Largest error of a derivative, relative to the derivative where that is above 1. */
const tolerance = 1e-6;

/** Fails unless the gradient of f by every element of every input is the finite difference there. */
export async function gradcheck(
  what: string,
  device: Device,
  random: HostRandom,
  f: Differentiable,
  inputs: readonly Leaf[],
): Promise<void> {
  const place = (leaf: Leaf, data = leaf.data, requiresGrad = false): Tensor =>
    tensor(data, { shape: leaf.shape, device: leaf.device ?? device, requiresGrad });
  const run = (leaves: Tensor[]) => noGrad(() => scope(() => f(...leaves)));

  const leaves = inputs.map((leaf) => place(leaf, leaf.data, true));
  const { weights, shape } = scope(() => {
    const out = f(...leaves);
    assert.is(out.dtype, 'float64', `${what}: the result is ${out.dtype}`);
    const weights = Float64Array.from({ length: out.size }, () => random.normal());
    out.backward(tensor(weights, { shape: out.shape, device: out.device }));
    return { weights, shape: out.shape };
  });
  const dot = (values: ArrayLike<number>): number => weights.reduce((sum, w, i) => sum + w * values[i]!, 0);

  for (const [k, leaf] of inputs.entries()) {
    const { grad } = leaves[k]!;
    if (!grad) throw new Error(`${what}: input ${k} got no gradient`);
    assert.equal([...grad.shape], [...leaf.shape], `${what}: shape of the gradient by input ${k}`);
    const actual = await grad.data();
    // Everything is enqueued before anything is waited for.
    const pending: Promise<ArrayLike<number>>[] = [];
    for (let j = 0; j < leaf.data.length; j++) {
      for (const sign of [1, -1]) {
        const moved = leaf.data.slice();
        moved[j]! += sign * step;
        const replaced = place(leaf, moved);
        const out = run(leaves.map((other, i) => (i === k ? replaced : other)));
        pending.push(out.data());
        out.dispose();
        replaced.dispose();
      }
    }
    const values = (await Promise.all(pending)).map(dot);
    for (let j = 0; j < leaf.data.length; j++) {
      const expected = (values[2 * j]! - values[2 * j + 1]!) / (2 * step);
      const error = Math.abs(actual[j]! - expected);
      if (error <= tolerance * Math.max(1, Math.abs(expected))) continue;
      const place = `element ${j} of input ${k}, ${formatShape(leaf.shape)}, result ${formatShape(shape)}`;
      assert.unreachable(`${what}: gradient by ${place}: ${actual[j]}, by difference ${expected}`);
    }
  }
  for (const leaf of leaves) leaf.dispose();
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
 * A leaf of numbers in random order, at least 0.05 apart from each other and from any multiple of 0.1: far from the
 * kinks of max, abs, relu and pooling.
 */
export function distinctLeaf(random: HostRandom, shape: Shape): Leaf {
  const order = random.permutation(sizeOf(shape));
  return { shape, data: Float64Array.from(order, (n) => (n - Math.floor(order.length / 2)) * 0.1 + 0.05) };
}
