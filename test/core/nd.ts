/**
 * Arrays of several axes in plain JavaScript, every element by its index: what results of ops are compared with.
 * Slow, and independent of the kernels and of strides.
 */
import * as assert from 'uvu/assert';
import type { HostRandom } from '../../src/backends/threefry.js';
import type { DType, Shape } from '../../src/core/shape.js';
import { type Device, flip, permute, slice, type Tensor, tensor } from '../../src/index.js';
import { errorOfSums } from '../backends/cpu/numbers.js';

/** The place of an element: one number an axis. */
export type Index = readonly number[];

/** An array of several axes. */
export class Nd {
  private constructor(
    readonly shape: Shape,
    /** Row-major. */
    readonly data: readonly number[],
  ) {}

  /** The array whose element at each index is `value(index)`. */
  static build(shape: Shape, value: (index: Index) => number): Nd {
    return new Nd(shape, [...indices(shape)].map(value));
  }

  /** Normal numbers. */
  static normal(random: HostRandom, shape: Shape): Nd {
    return Nd.build(shape, () => Math.fround(random.normal()));
  }

  /** Whole numbers from `low` to `high`, both included. */
  static integers(random: HostRandom, shape: Shape, low: number, high: number): Nd {
    return Nd.build(shape, () => low + random.integer(high - low + 1));
  }

  /** The element at an index. */
  at(...index: number[]): number {
    let position = 0;
    for (const [axis, n] of this.shape.entries()) {
      const i = index[axis]!;
      if (!(i >= 0 && i < n)) throw new RangeError(`no element [${index}] in ${this.shape}`);
      position = position * n + i;
    }
    return this.data[position]!;
  }

  /** The element that broadcasting puts at an index of the larger result. */
  broadcastAt(index: Index): number {
    const own = index.slice(index.length - this.shape.length);
    return this.at(...own.map((i, axis) => (this.shape[axis] === 1 ? 0 : i)));
  }

  /** A dense tensor of it. */
  on(device: Device, dtype: DType = 'float32', requiresGrad = false): Tensor {
    const data = Float64Array.from(this.data);
    return tensor(data, { shape: this.shape, device, dtype, requiresGrad });
  }

  /** A tensor of it that is perhaps a view: turned, reversed, or cut out of a larger one. */
  seen(random: HostRandom, device: Device, dtype: DType = 'float32'): Tensor {
    const rank = this.shape.length;
    if (rank === 0) return this.on(device, dtype);
    const order = [...random.permutation(rank)];
    const axis = order[0]!;
    const n = this.shape[axis]!;
    const changed = (size: number): Shape => this.shape.map((own, k) => (k === axis ? size : own));
    const along = (index: Index, i: number): number[] => index.map((own, k) => (k === axis ? i : own));
    switch (random.integer(4)) {
      case 0: {
        const shape = order.map((_, k) => this.shape[order.indexOf(k)]!);
        return permute(
          Nd.build(shape, (index) => this.at(...order.map((k) => index[k]!))).on(device, dtype),
          order,
        );
      }
      case 1: {
        const reversed = Nd.build(this.shape, (index) => this.at(...along(index, n - 1 - index[axis]!)));
        return flip(reversed.on(device, dtype), axis);
      }
      case 2: {
        const inside = (i: number): boolean => i >= 1 && i <= n;
        const larger = Nd.build(changed(n + 3), (index) =>
          inside(index[axis]!) ? this.at(...along(index, index[axis]! - 1)) : 99,
        );
        return slice(larger.on(device, dtype), axis, 1, n + 1);
      }
      default:
        return this.on(device, dtype);
    }
  }
}

/** Every index of a shape, in row-major order. */
export function* indices(shape: Shape): Generator<number[]> {
  const [n, ...rest] = shape;
  if (n === undefined) {
    yield [];
    return;
  }
  for (let i = 0; i < n; i++) for (const tail of indices(rest)) yield [i, ...tail];
}

/** The shape that NumPy's rule gives: sizes aligned at the end, each the largest there. */
export function broadcastShape(...shapes: Shape[]): number[] {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, i) =>
    Math.max(...shapes.map((shape) => shape[shape.length - rank + i] ?? 1)),
  );
}

/** Fails unless the tensor has the expected shape and, to rounding, the expected elements. Disposes of it. */
export async function assertNd(actual: Tensor, expected: Nd, what: string, tolerance = 1e-11): Promise<void> {
  assert.equal([...actual.shape], [...expected.shape], `${what}: shape`);
  const data = await actual.data();
  actual.dispose();
  const error = errorOfSums(data, expected.data);
  if (error <= tolerance) return;
  assert.unreachable(
    `${what}: squared error ${error}: ${data.slice(0, 8)}, expected ${expected.data.slice(0, 8)}`,
  );
}
