/**
 * Work that a row measures on devices opened before, and the operands of kernels.
 */

import { type Cost, costOf } from '../src/backends/cost.js';
import type { KernelName, Kernels } from '../src/core/backend.js';
import type { Device } from '../src/core/device.js';
import { randn } from '../src/core/ops/create.js';
import { drawOf } from '../src/core/random.js';
import { type Shape, sizeOf, type View } from '../src/core/shape.js';
import { Tensor } from '../src/core/tensor.js';

/** Work made ready on devices. */
export interface Ready {
  readonly cost: Cost;
  /** Enqueues it once, or does it. */
  run(): void | Promise<void>;
  dispose(): void;
}

/** Work that can be measured on any device, or between any two. */
export interface Work {
  readonly name: string;
  readonly devices: 1 | 2;
  /** Allocates and fills the operands. */
  prepare(devices: readonly Device[], seed: number): Ready;
}

/** Work on one device. */
export function workOnOne(name: string, prepare: (device: Device, seed: number) => Ready): Work {
  return { name, devices: 1, prepare: ([device], seed) => prepare(device!, seed) };
}

/** Makes a kernel's operands. */
export class Operands {
  private readonly tensors: Tensor[] = [];
  private stream = 0;

  constructor(
    readonly device: Device,
    private readonly seed: number,
  ) {}

  /** Normal numbers. */
  random(shape: Shape): View {
    return this.keep(randn(shape, { device: this.device, draw: drawOf(this.seed, this.stream++) }));
  }

  /** Room for a result. */
  empty(shape: Shape, dtype: 'float32' | 'int32' = 'float32'): View {
    return this.keep(Tensor.empty('bench', this.device, shape, dtype));
  }

  /** Whole numbers below `limit`, spread evenly. */
  indices(shape: Shape, limit: number): View {
    const data = Int32Array.from({ length: sizeOf(shape) }, (_, i) => (i * 7919) % limit);
    return this.keep(Tensor.from('bench', this.device, data, shape));
  }

  dispose(): void {
    for (const x of this.tensors) x.dispose();
  }

  private keep(x: Tensor): View {
    this.tensors.push(x);
    return x.view('bench');
  }
}

/** A kernel alone, on tensors made before: no allocation, no tape. */
export function kernelWork<K extends KernelName>(
  name: string,
  kernel: K,
  argsOf: (operands: Operands) => Kernels[K],
): Work {
  return workOnOne(name, (device, seed) => {
    const operands = new Operands(device, seed);
    const args = argsOf(operands);
    return {
      cost: costOf(kernel, args),
      run: () => device.run(kernel, args),
      dispose: () => operands.dispose(),
    };
  });
}

/** The same elements with the axes in another order. */
export function turned(view: View, order: readonly number[]): View {
  const pick = (sizes: readonly number[]): number[] => order.map((axis) => sizes[axis]!);
  return { ...view, shape: pick(view.shape), strides: pick(view.strides) };
}
