/**
 * `openDevice`: finds the backend for a device's name and loads it. Only the backend asked for is ever loaded.
 */
import { Device } from '../core/device.js';
import { ArgumentError } from '../core/errors.js';
import type { CpuOptions } from './cpu/runtime/device.js';
import type { AdapterDescription, WebGpuOptions } from './webgpu/runtime/options.js';

export type { AdapterDescription, CpuOptions, WebGpuOptions };

/** Names of devices: the kind, and a number that tells devices of a kind apart. */
export type DeviceName = `cpu:${number}` | `webgpu:${number}`;

/**
 * Opens a device: `await openDevice('cpu:0', { threads: 2 })`, `await openDevice('webgpu:1')`. Every call opens a new
 * one; close() it when done.
 * @param name `cpu:N`: a team of threads of its own, whatever N; `webgpu:N`: the N-th adapter of the system, or
 * another logical device on the first when there are fewer
 * @param options CpuOptions or WebGpuOptions, by the name's kind
 * @throws {ArgumentError} for a name or option it doesn't know. @throws {DeviceError} when there is no such device.
 */
export async function openDevice(name: `cpu:${number}`, options?: CpuOptions): Promise<Device>;
export async function openDevice(name: `webgpu:${number}`, options?: WebGpuOptions): Promise<Device>;
export async function openDevice(name: DeviceName, options?: CpuOptions & WebGpuOptions): Promise<Device>;
export async function openDevice(name: string, options: CpuOptions & WebGpuOptions = {}): Promise<Device> {
  const kind = /^(cpu|webgpu):\d+$/.exec(name)?.[1];
  if (kind === 'cpu') {
    const { openCpu } = await import('./cpu/runtime/device.js');
    return new Device(name, await openCpu(options, name));
  }
  if (kind === 'webgpu') {
    const { openWebGpu } = await import('./webgpu/runtime/device.js');
    return new Device(name, await openWebGpu(name, options));
  }
  throw new ArgumentError(
    `openDevice: there is no device '${name}'; names are cpu:0, cpu:1, .., webgpu:0, webgpu:1, ..`,
  );
}

/** Whether a text names a device. */
export function isDeviceName(text: string): text is DeviceName {
  return /^(cpu|webgpu):\d+$/.test(text);
}

/**
 * The WebGPU adapters of this machine, those that compute on the CPU too.
 * @param options `driver` as in WebGpuOptions
 * @throws {DeviceError} when WebGPU is missing altogether, or a driver file doesn't exist.
 */
export async function listAdapters(
  options: Pick<WebGpuOptions, 'driver'> = {},
): Promise<AdapterDescription[]> {
  return (await import('./webgpu/runtime/device.js')).listAdapters(options);
}
