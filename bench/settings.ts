/**
 * Where rows run: a setting is one device or two, with a number of CPU threads, and the probe that goes with it.
 */
import {
  type CpuOptions,
  type DeviceName,
  isDeviceName,
  openDevice,
  type WebGpuOptions,
} from '../src/backends/open.js';
import type { Device } from '../src/core/device.js';
import { ArgumentError } from '../src/core/errors.js';
import { cpuProbe, type Probe, type Rates } from './probes.js';
import { webGpuProbe } from './probesWebGpu.js';

/** One device or two, and the threads they get. */
export interface Setting {
  /** 'cpu:0', or 'cpu:0+cpu:1'. */
  readonly device: string;
  readonly names: readonly DeviceName[];
  /** CPU threads of all devices together; null without a CPU device. */
  readonly threads: number | null;
}

/**
 * The settings that `--device` and `--threads` ask for.
 * @param devices 'cpu:0,cpu:0+cpu:1,webgpu:0': settings apart by commas, two devices of one joined by '+'
 * @param threads numbers of CPU threads, which the CPU devices of a setting share evenly; where they can't, the
 * setting is left out
 * @throws {ArgumentError} for what isn't a device or a number of threads.
 */
export function parseSettings(devices: string, threads: string): Setting[] {
  const counts = threads.split(',').map(Number);
  for (const count of counts) {
    if (!Number.isInteger(count) || count < 1)
      throw new ArgumentError(`--threads: '${threads}' isn't a list of whole numbers from 1, like 1,2`);
  }
  return devices.split(',').flatMap((device): Setting[] => {
    const parts = device.split('+');
    const names = parts.filter(isDeviceName);
    if (names.length !== parts.length || names.length > 2 || new Set(names).size !== names.length) {
      throw new ArgumentError(
        `--device: '${device}' isn't a device or two different ones; write cpu:0, webgpu:0 or cpu:0+cpu:1`,
      );
    }
    const cpus = names.filter((name) => name.startsWith('cpu')).length;
    if (cpus === 0) return [{ device, names, threads: null }];
    return counts.filter((count) => count % cpus === 0).map((count) => ({ device, names, threads: count }));
  });
}

/** A device's name and the options it is opened with. */
export type Opening = readonly [name: DeviceName, options: CpuOptions | WebGpuOptions];

/** How a setting's devices are opened. */
export function openingsOf({ names, threads }: Setting, webGpu: WebGpuOptions): Opening[] {
  const cpus = names.filter((name) => name.startsWith('cpu')).length;
  return names.map((name) => [
    name,
    name.startsWith('cpu') ? { threads: (threads ?? 0) / Math.max(1, cpus) } : webGpu,
  ]);
}

/** Opens a setting's devices. */
export async function openSetting(setting: Setting, webGpu: WebGpuOptions): Promise<Device[]> {
  const devices: Device[] = [];
  try {
    for (const [name, options] of openingsOf(setting, webGpu)) devices.push(await openDevice(name, options));
  } catch (error) {
    await closeAll(devices);
    throw error;
  }
  return devices;
}

/** The probe of a setting's hardware; of a CPU and a GPU together, the sum of both. */
export async function openProbe({ names, threads }: Setting, webGpu: WebGpuOptions): Promise<Probe> {
  const gpu = names.find((name) => name.startsWith('webgpu'));
  const probes: Probe[] = [];
  if (threads !== null) probes.push(await cpuProbe(threads));
  if (gpu) probes.push(await webGpuProbe(gpu, webGpu));
  return {
    async measure() {
      const all: Rates[] = [];
      for (const probe of probes) all.push(await probe.measure());
      const total = (rate: (rates: Rates) => number): number =>
        all.reduce((sum, rates) => sum + rate(rates), 0);
      const isWide = all.some(({ flops128 }) => flops128 !== undefined);
      return {
        flops: total(({ flops }) => flops),
        ...(isWide && { flops128: total(({ flops, flops128 }) => flops128 ?? flops) }),
        bytes: total(({ bytes }) => bytes),
      };
    },
    close: () => closeAll(probes),
  };
}

/** Closes all of them. */
export async function closeAll(items: readonly { close(): Promise<void> }[]): Promise<void> {
  await Promise.all(items.map((item) => item.close()));
}

/** Numbers of threads on a machine that runs `most` at once: one and all, or with `curve` 1, 2, 4, .. and all. */
export function threadCounts(most: number, curve: boolean): number[] {
  const powers = curve ? Array.from({ length: 8 }, (_, i) => 2 ** i).filter((n) => n < most) : [1];
  return [...new Set([...powers, most])];
}
