/**
 * What PyTorch computed: the files of test/fixtures/torch, which test/fixtures/makeTorch.py writes.
 */
import { readFileSync } from 'node:fs';
import * as assert from 'uvu/assert';
import { type Device, openDevice, type Tensor, tensor } from '../../src/index.js';
import { root } from '../../support/root.js';
import { openEachKind } from '../core/devices.js';

/** A tensor as the files hold it: float64 unless it says otherwise. */
export interface Held {
  readonly shape: number[];
  readonly data: number[];
  readonly dtype?: 'int32';
}

/** The cases of a file. */
export function fixture<Case>(name: string): readonly Case[] {
  return JSON.parse(readFileSync(`${root}test/fixtures/torch/${name}.json`, 'utf8'));
}

/** Whether a value of a case is a tensor. */
export function isHeld(value: unknown): value is Held {
  return typeof value === 'object' && value !== null && 'data' in value;
}

/** Each kind of device, and another CPU one, so that its kernels of single precision are met, too. */
export async function openWithSingle(): Promise<Device[]> {
  return [...(await openEachKind()), await openDevice('cpu:1', { threads: 2 })];
}

/** Floats where PyTorch had float64: double precision on the first CPU device, else single. */
const floats = (device: Device) => (device.name === 'cpu:0' ? 'float64' : 'float32');

/** The tensor on a device; leaves gather gradients. */
export function place(device: Device, held: Held, requiresGrad = false): Tensor {
  const { shape, dtype = floats(device) } = held;
  return tensor(Float64Array.from(held.data), { shape, device, dtype, requiresGrad });
}

/** Options with their tensors on a device. */
export function placeOptions(device: Device, options: Readonly<Record<string, unknown>>) {
  return Object.fromEntries(
    Object.entries(options).map(([name, value]) => [name, isHeld(value) ? place(device, value) : value]),
  );
}

/**
 * Fails unless the tensor has the shape and elements that PyTorch's has: to 1e-6 of each, and in single precision to
 * 2e-5 of the largest.
 */
export async function assertTorch(actual: Tensor | null, expected: Held, what: string): Promise<void> {
  assert.ok(actual, `${what}: there is none`);
  if (!actual) return;
  assert.equal([...actual.shape], expected.shape, `${what}: shape`);
  const data = await actual.data();
  const largest = Math.max(0, ...expected.data.map(Math.abs));
  for (const [i, x] of expected.data.entries()) {
    const slack = actual.dtype === 'float32' ? 2e-5 * Math.max(largest, 0.01) : 1e-6 * Math.abs(x) + 1e-11;
    assert.ok(Math.abs(data[i]! - x) <= slack, `${what}: element ${i} is ${data[i]}, PyTorch's ${x}`);
  }
}
