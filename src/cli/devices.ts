/**
 * Devices from the command line: `cpu:0,cpu:1` with threads shared out evenly, `webgpu:0,webgpu:1` with what chooses
 * their adapters, or `auto`.
 */
import { availableParallelism } from 'node:os';
import { type DeviceName, isDeviceName, openDevice } from '../backends/open.js';
import type { Device } from '../core/device.js';
import { ArgumentError, DeviceError } from '../core/errors.js';
import { openRanks } from '../train/ranks/index.js';

/** What the devices of a command are opened with. */
export interface DeviceSettings {
  /** Threads of each CPU device; by default the machine's, shared out among them and the ranks that run on it. */
  readonly threads?: number;
  readonly deterministic: boolean;
  /** WebGPU: part of the adapter's name; which one to take by power; driver files. See AdapterOptions. */
  readonly adapter?: string;
  readonly power?: GPUPowerPreference;
  readonly driver?: string;
  /** Bytes that the tensors of each device may take. */
  readonly memoryLimit?: number;
}

/** Splits a list of names. @throws {ArgumentError} for one that isn't a device's name, or one named twice */
export function parseDevices(list: string): DeviceName[] {
  const names = list.split(',').map((name) => name.trim());
  for (const name of names) {
    if (!isDeviceName(name))
      throw new ArgumentError(
        `--device: '${name}' isn't a device; names are cpu:0, cpu:1, webgpu:0, .., or auto alone`,
      );
  }
  const repeated = names.find((name, i) => names.indexOf(name) !== i);
  if (repeated)
    throw new ArgumentError(
      `--device: ${repeated} is named twice; give each tower a device of its own, or name one`,
    );
  return names.filter(isDeviceName);
}

/** @throws {ArgumentError} for settings of WebGPU devices when none is named */
export function checkSettings(names: readonly DeviceName[], settings: DeviceSettings): void {
  const stray = (['adapter', 'power', 'driver'] as const).find((key) => settings[key] !== undefined);
  if (stray && names.every((name) => name.startsWith('cpu'))) {
    throw new ArgumentError(
      `--${stray}: chooses the adapter of webgpu devices, but the devices are ${names.join(', ')}`,
    );
  }
}

/**
 * What `--device auto` takes: a GPU for each tower, the only GPU for all of them, or CPU devices where there is none.
 * An adapter that computes on the CPU counts only when `adapter` or `driver` asks for it.
 * @returns the names, and why these
 */
export async function chooseDevices(
  towers: number,
  settings: DeviceSettings,
): Promise<{ readonly names: DeviceName[]; readonly reason: string }> {
  const numbered = (kind: 'cpu' | 'webgpu', count: number): DeviceName[] =>
    Array.from({ length: count }, (_, i): DeviceName => `${kind}:${i}`);
  const { usableAdapters, listAdapters } = await import('../backends/webgpu/runtime/adapters.js');
  // What was asked for must not be passed over: opening it says what is missing.
  const asked = settings.adapter ?? settings.driver;
  try {
    const adapters = await usableAdapters(adapterOptions(settings));
    if (adapters.length > 0 || asked !== undefined) {
      const count = Math.max(1, Math.min(towers, adapters.length));
      const used = adapters.slice(0, count).map(({ name }) => name);
      const reason = asked === undefined ? 'GPU' : `asked for '${asked}'`;
      const only = count < towers ? ', which alone holds all towers' : '';
      const which = used.length > 0 ? `: ${used.join(' and ')}${only}` : '';
      return { names: numbered('webgpu', count), reason: `${reason}${which}` };
    }
    const software = (await listAdapters()).filter((adapter) => adapter.software);
    const found = software.map(({ name }) => name).join(', ');
    const reason = found
      ? `no GPU; the software adapter ${found} is used only when asked for by --adapter or --driver`
      : 'no WebGPU adapter was found';
    return { names: numbered('cpu', towers), reason };
  } catch (error) {
    if (!(error instanceof DeviceError) || asked !== undefined) throw error;
    return { names: numbered('cpu', towers), reason: error.message };
  }
}

/** Opens the devices; on failure those already open are closed. */
export async function openDevices(names: readonly DeviceName[], settings: DeviceSettings): Promise<Device[]> {
  const { threads, deterministic, memoryLimit } = settings;
  const cpus = names.filter((name) => name.startsWith('cpu')).length;
  const { coreSharers } = await openRanks();
  const share = threads ?? Math.max(1, Math.floor(availableParallelism() / Math.max(1, cpus) / coreSharers));
  const limit = memoryLimit === undefined ? {} : { memoryLimit };
  const devices: Device[] = [];
  try {
    for (const name of names) {
      devices.push(
        await (name.startsWith('cpu')
          ? openDevice(name, { threads: share, deterministic, ...limit })
          : openDevice(name, { ...adapterOptions(settings), ...limit })),
      );
    }
  } catch (error) {
    await closeDevices(devices);
    throw error;
  }
  return devices;
}

function adapterOptions({ adapter, power, driver }: DeviceSettings): {
  adapter?: string;
  powerPreference?: GPUPowerPreference;
  driver?: string;
} {
  return {
    ...(adapter !== undefined && { adapter }),
    ...(power !== undefined && { powerPreference: power }),
    ...(driver !== undefined && { driver }),
  };
}

/** Closes all. */
export async function closeDevices(devices: readonly Device[]): Promise<void> {
  await Promise.all(devices.map((device) => device.close()));
}
