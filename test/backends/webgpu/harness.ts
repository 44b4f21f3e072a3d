/**
 * Runs a kernel on a device and as a plain loop over the same numbers, and compares. A `Held` view is both: it names
 * a buffer of the device and holds the host's array, so one argument object serves both.
 */
import * as assert from 'uvu/assert';
import { type LoopArgs, type LoopView, loops } from '../../../src/backends/cpu/kernels/loops.js';
import type { HostRandom } from '../../../src/backends/threefry.js';
import { openWebGpu, type WebGpuDevice } from '../../../src/backends/webgpu/runtime/device.js';
import type { WebGpuOptions } from '../../../src/backends/webgpu/runtime/options.js';
import type { KernelName, Kernels } from '../../../src/core/backend.js';
import {
  contiguousStrides,
  dtypeOf,
  makeArray,
  type Shape,
  sizeOf,
  type TypedArray,
  type View,
} from '../../../src/core/shape.js';
import { nmse } from '../cpu/numbers.js';

export type Held = View & LoopView;

/** Opens a device on the software driver, one that looks whether programs of one key are one. */
export function openSoftware(driver: string, options: WebGpuOptions = {}, name = 'webgpu:0') {
  return openWebGpu(name, { driver, checkPrograms: true, ...options });
}

/** Kernels of one device, checked. */
export class Bench {
  private held: Held[] = [];

  constructor(readonly device: WebGpuDevice) {}

  /** Uploads an array and views it (densely from `offset` on, unless strides are given). */
  put(
    data: TypedArray,
    shape: Shape,
    offset = 0,
    strides: readonly number[] = contiguousStrides(shape),
  ): Held {
    const buffer = this.device.upload(data, 'test');
    const view = { buffer, data, dtype: dtypeOf(data), shape, strides, offset };
    this.held.push(view);
    return view;
  }

  /** Dense normal numbers, a few elements into their buffer if `offset` isn't 0. */
  normals(random: HostRandom, shape: Shape, offset = 0): Held {
    const data = Float32Array.from({ length: sizeOf(shape) + offset }, () => random.normal());
    return this.put(data, shape, offset);
  }

  /** A dense result, filled with 7s so that elements never written show. */
  result(shape: Shape, dtype: 'float32' | 'int32' | 'uint8' = 'float32', offset = 0): Held {
    return this.put(makeArray(dtype, sizeOf(shape) + offset + 3).fill(7), shape, offset);
  }

  /** Runs both and compares the whole buffers of `outs`; frees everything put so far. */
  async check<K extends KernelName>(
    kernel: K,
    args: Kernels[K] & LoopArgs<K>,
    outs: readonly Held[],
    tolerance = 1e-9,
  ): Promise<void> {
    this.device.kernels[kernel](args);
    loops[kernel](args);
    for (const out of outs) {
      const whole = { ...out, shape: [out.data.length], strides: [1], offset: 0 };
      const actual = await this.device.read(whole);
      const error = nmse(actual, out.data);
      if (!(error <= tolerance)) {
        const at = actual.findIndex((value, i) => !(Math.abs(value - out.data[i]!) <= 1e-3));
        const shapes = this.held.map((view) => `${view.dtype} ${view.shape} +${view.offset}`).join(', ');
        assert.unreachable(
          `${kernel} over ${shapes}: error ${error}; element ${at} is ${actual[at]}, expected ${out.data[at]}`,
        );
      }
    }
    this.clear();
  }

  /** Frees what was put. */
  clear(): void {
    for (const { buffer } of this.held) this.device.free(buffer);
    this.held = [];
  }
}
