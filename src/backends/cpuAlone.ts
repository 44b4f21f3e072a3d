/**
 * `tandem-ts/cpu`: CPU devices without anything loaded later, for programs that can't (service workers, single files).
 */
import { Device } from '../core/device.js';
import { ArgumentError } from '../core/errors.js';
import type { CpuOptions } from './cpu/index.js';
import { openCpu } from './cpu/runtime/device.js';
import { kindOf } from './registry.js';

/**
 * Opens a CPU device, as `openDevice` of the main entry does.
 * @throws {ArgumentError} for a name or option it doesn't know
 */
export async function openDevice(name: `cpu:${number}`, options: CpuOptions = {}): Promise<Device> {
  if (kindOf(name) !== 'cpu')
    throw new ArgumentError(`openDevice: '${name}' isn't a CPU device; names are cpu:0, cpu:1, ..`);
  return new Device(name, await openCpu(options, name));
}
