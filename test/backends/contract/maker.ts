/**
 * Arguments of kernels that a device and a plain loop can share: a `Held` view names a buffer of the device and holds
 * the host's array, so one argument object serves both.
 */
import type { LoopArgs, LoopView } from '../../../src/backends/cpu/kernels/loops.js';
import type { HostRandom } from '../../../src/backends/threefry.js';
import type { KernelName, Kernels } from '../../../src/core/backend.js';
import {
  type BufferId,
  contiguousStrides,
  dtypeOf,
  makeArray,
  type Shape,
  sizeOf,
  type TypedArray,
  type View,
} from '../../../src/core/shape.js';

/** A view of a device's buffer with its elements at hand. */
export type Held = View & LoopView;

/** One call of a kernel, and what to look at afterwards. */
export interface Case<K extends KernelName> {
  readonly args: Kernels[K] & LoopArgs<K>;
  /** The views that the kernel writes. */
  readonly outs: readonly Held[];
  /** Largest normalized mean squared error against the plain loop. Default 1e-9. */
  readonly tolerance?: number;
  /** Kernels that are gradients: `value()` is the scalar whose derivative by the elements of `by` is `outs[0]`. */
  readonly derivative?: { readonly by: Held; readonly value: () => number };
}

/** Makes arguments. */
export class Maker {
  private held: Held[] = [];

  /**
   * @param random where numbers come from
   * @param upload gives an array to the device; the host alone needs none
   * @param float the type of what isn't an integer: float64 where derivatives are taken
   */
  constructor(
    readonly random: HostRandom,
    private readonly upload: (data: TypedArray) => BufferId = () => 0,
    readonly float: 'float32' | 'float64' = 'float32',
  ) {}

  /** A whole number from 1 to n. */
  upTo(n: number): number {
    return 1 + this.random.integer(n);
  }

  /** A view of an array, dense from `offset` on unless strides are given. */
  put(
    data: TypedArray,
    shape: Shape,
    offset = 0,
    strides: readonly number[] = contiguousStrides(shape),
  ): Held {
    const view = { buffer: this.upload(data), data, dtype: dtypeOf(data), shape, strides, offset };
    this.held.push(view);
    return view;
  }

  /** An array of `length` numbers of the maker's type. */
  numbers(length: number, next: () => number = () => this.random.normal()): TypedArray {
    return makeArray(this.float, length).map(next);
  }

  /** Dense normal numbers, `offset` elements into their buffer. */
  normals(shape: Shape, offset = 0): Held {
    return this.put(this.numbers(sizeOf(shape) + offset), shape, offset);
  }

  /** A dense result, filled with 7s so that elements never written show, and 3 elements longer than it need be. */
  result(shape: Shape, dtype: 'float' | 'int32' | 'uint8' = 'float', offset = 0): Held {
    const array = makeArray(dtype === 'float' ? this.float : dtype, sizeOf(shape) + offset + 3);
    return this.put(array.fill(7), shape, offset);
  }

  /** Everything put so far, for messages and to be freed. */
  take(): readonly Held[] {
    const taken = this.held;
    this.held = [];
    return taken;
  }
}

/** `sum over i of weights[i] * values[i]` of two dense views of one size. */
export function dot(weights: LoopView, values: LoopView): number {
  let sum = 0;
  for (let i = 0; i < sizeOf(weights.shape); i++) {
    sum += weights.data[weights.offset + i]! * values.data[values.offset + i]!;
  }
  return sum;
}
