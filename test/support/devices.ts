/**
 * What tests of layers and networks share: CPU devices that are closed whatever happens, host numbers, and comparing.
 */
import * as assert from 'uvu/assert';
import { type CpuOptions, openDevice } from '../../src/backends/open.js';
import type { HostRandom } from '../../src/backends/threefry.js';
import type { Device } from '../../src/core/device.js';
import { tensor } from '../../src/core/ops/create.js';
import { type Shape, sizeOf } from '../../src/core/shape.js';
import type { Tensor } from '../../src/core/tensor.js';
import type { HostTensor } from '../../src/nn/module.js';
import { nmse } from '../backends/cpu/numbers.js';

/** Opens `cpu:0`, `cpu:1`, .., one for each of `options`, and closes them after `use`. */
export async function withDevices(
  options: readonly CpuOptions[],
  use: (...devices: Device[]) => Promise<void>,
): Promise<void> {
  const devices: Device[] = [];
  try {
    for (const [i, option] of options.entries()) devices.push(await openDevice(`cpu:${i}`, option));
    await use(...devices);
  } finally {
    await Promise.all(devices.map((device) => device.close()));
  }
}

/** Normal numbers on the host. */
export function randomHost(random: HostRandom, shape: Shape): HostTensor {
  return { shape, data: Float32Array.from({ length: sizeOf(shape) }, () => random.normal()) };
}

/** Host numbers on a device. */
export function onDevice({ shape, data }: HostTensor, device: Device, requiresGrad = false): Tensor {
  return tensor(data, { shape, device, requiresGrad });
}

/** A tensor's shape and a copy of its numbers. */
export async function onHost(x: Tensor): Promise<HostTensor> {
  return { shape: x.shape, data: await x.data() };
}

/** Fails unless the shapes are equal and the normalized mean squared error is at most `tolerance`. */
export function assertClose(
  actual: HostTensor,
  expected: { readonly shape: Shape; readonly data: ArrayLike<number> },
  what: string,
  tolerance = 1e-11,
): void {
  assert.equal([...actual.shape], [...expected.shape], `${what}: shape`);
  const error = nmse(actual.data, expected.data);
  assert.ok(error <= tolerance, `${what}: normalized mean squared error ${error} > ${tolerance}`);
}
