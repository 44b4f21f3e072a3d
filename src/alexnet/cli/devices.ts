/**
 * Devices from the command line: `cpu:0,cpu:1` with threads shared out evenly.
 */
import { availableParallelism } from 'node:os';
import { type DeviceName, isDeviceName, openDevice } from '../../backends/open.js';
import type { Device } from '../../core/device.js';
import { ArgumentError } from '../../core/errors.js';

/** Options that devices are opened with. */
export interface DeviceChoice {
  /** Names, in the order of the towers. */
  readonly names: readonly DeviceName[];
  /** Threads of each CPU device; by default the machine's, shared out among them. */
  readonly threads: number | undefined;
  readonly deterministic: boolean;
}

/** Splits a list of names. @throws {ArgumentError} for one that isn't a device's name, or one named twice */
export function parseDevices(list: string): DeviceName[] {
  const names = list.split(',').map((name) => name.trim());
  for (const name of names) {
    if (!isDeviceName(name))
      throw new ArgumentError(`--device: '${name}' isn't a device; names are cpu:0, cpu:1, webgpu:0, ..`);
  }
  const repeated = names.find((name, i) => names.indexOf(name) !== i);
  if (repeated)
    throw new ArgumentError(
      `--device: ${repeated} is named twice; give each tower a device of its own, or name one`,
    );
  return names.filter(isDeviceName);
}

/** Opens the devices; on failure those already open are closed. */
export async function openDevices({ names, threads, deterministic }: DeviceChoice): Promise<Device[]> {
  const cpus = names.filter((name) => name.startsWith('cpu')).length;
  const share = threads ?? Math.max(1, Math.floor(availableParallelism() / Math.max(1, cpus)));
  const devices: Device[] = [];
  try {
    for (const name of names) {
      devices.push(
        await (name.startsWith('cpu')
          ? openDevice(name, { threads: share, deterministic })
          : openDevice(name)),
      );
    }
  } catch (error) {
    await closeDevices(devices);
    throw error;
  }
  return devices;
}

/** Closes all. */
export async function closeDevices(devices: readonly Device[]): Promise<void> {
  await Promise.all(devices.map((device) => device.close()));
}
