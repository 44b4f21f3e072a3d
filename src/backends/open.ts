/**
 * `openDevice`: finds the backend for a device's name and loads it. Only the backend asked for is ever loaded.
 */
import { Device } from '../core/device.js';
import { ArgumentError } from '../core/errors.js';
import type { CpuOptions } from './cpu/index.js';
import {
  type AnyOptions,
  type DeviceName,
  exampleNames,
  isDeviceName,
  kindOf,
  loadKind,
} from './registry.js';
import type { AdapterDescription, WebGpuOptions } from './webgpu/runtime/options.js';

export { type AdapterDescription, type CpuOptions, type DeviceName, isDeviceName, type WebGpuOptions };

/**
 * Opens a device: `await openDevice('cpu:0', { threads: 2 })`, `await openDevice('webgpu:1')`. Every call opens a new
 * one; close() it when done.
 * @param name `cpu:N`: a team of threads of its own, whatever N; `webgpu:N`: the N-th adapter of the system, or
 * another logical device on the first when there are fewer
 * @param options CpuOptions or WebGpuOptions, by the name's kind
 * @throws {ArgumentError} for a name or option it doesn't know. @throws {DeviceError} when there is no such device.
 */
export async function openDevice(name: DeviceName, options: AnyOptions = {}): Promise<Device> {
  const kind = kindOf(name);
  if (kind === null) {
    throw new ArgumentError(`openDevice: there is no device '${name}'; names are ${exampleNames}`);
  }
  return new Device(name, await (await loadKind(kind)).open(name, options));
}

/**
 * The WebGPU adapters of this machine, those that compute on the CPU too.
 * @param options `driver` as in WebGpuOptions
 * @throws {DeviceError} when WebGPU is missing altogether, or a driver file doesn't exist.
 */
export async function listAdapters(
  options: Pick<WebGpuOptions, 'driver'> = {},
): Promise<AdapterDescription[]> {
  return (await import('./webgpu/index.js')).listAdapters(options);
}
