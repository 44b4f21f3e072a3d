/**
 * Measures which tiles suit an adapter: a product of square matrices with each form and without workgroup memory, as large
 * as takes a few hundredths of a second. What a form took, over what `costOf` counts for it, is its factor from then on. A walk
 * over memory beside the best of them says how many multiply-adds a byte is worth.
 */
import { Device } from '../../core/device.js';
import { rand } from '../../core/ops/create.js';
import { neg } from '../../core/ops/elementwise.js';
import { matmul } from '../../core/ops/matmul.js';
import { scope } from '../../core/scope.js';
import { costOf, tileForms, usualPerByte } from './kernels/matmul/forms.js';
import { chooseAdapter } from './runtime/adapters.js';
import { openWebGpu } from './runtime/device.js';
import type { AdapterOptions, Tiles, WebGpuOptions } from './runtime/options.js';
import { type Tuning, tuningKey } from './runtime/tuning.js';

/** How long, and what. */
export interface TuneOptions extends AdapterOptions {
  /** Seconds after which no other form is begun. Default 45. */
  readonly seconds?: number;
  /** Forms to measure, by name; by default all. */
  readonly forms?: readonly string[];
  /** Told of each form: the product's side and the seconds it took. */
  readonly onForm?: (tiles: Tiles, side: number, seconds: number) => void;
}

/** What was found. */
interface Tuned {
  readonly adapter: string;
  /** The file that devices on the adapter read from now on. */
  readonly path: string;
  readonly tuning: Tuning;
}

/** Sides of the square matrices, tried from the smallest on until a product takes `enough` seconds. */
const sides = [128, 256, 512, 1024, 2048, 4096];
const enough = 0.02;
/** Runs of a product at the least, and seconds they take together: an idle GPU's clock takes a while to rise (an H100's from 345 to 1,980 MHz). */
const repeats = 3;
const warm = 0.15;
/** Elements that memory is measured with, and the seconds from which on no more of them are tried. */
const [smallest, largest] = [2 ** 20, 2 ** 26];
const enoughMemory = 0.002;

/**
 * Tunes the adapter that `name` gets with these options, and keeps what was found for `openDevice`.
 * @throws {DeviceError} when there is no such adapter
 */
export async function tune(name: string, options: TuneOptions = {}): Promise<Tuned> {
  const { seconds = 45, forms = tileForms.map((form) => form.name), onForm = () => {}, ...where } = options;
  const until = performance.now() + 1000 * seconds;
  const { adapter, name: found } = await chooseAdapter(name, where, false);
  const limits = adapter.limits;
  const fitting = tileForms.filter(
    (form) =>
      forms.includes(form.name) &&
      form.workgroup <= limits.maxComputeInvocationsPerWorkgroup &&
      form.memory <= limits.maxComputeWorkgroupStorageSize,
  );
  let side = 0;
  const measure = async (tiles: Tiles): Promise<number> => {
    // The first measured finds the side for all.
    const tried = side === 0 ? sides : [side];
    let taken = 0;
    await onDevice(name, { ...where, tiles }, async (device) => {
      for (const of of tried) {
        side = of;
        taken = await timeOf(device, side);
        if (taken >= enough) break;
      }
    });
    onForm(tiles, side, taken);
    return taken;
  };
  const direct = await measure('direct');
  const factors = new Map<string, number>();
  let best = Number.POSITIVE_INFINITY;
  for (const form of fitting) {
    if (performance.now() > until) break;
    const taken = await measure(form.name);
    best = Math.min(best, taken);
    factors.set(form.name, taken / costOf(form, { M: side, N: side, K: side, groups: 1 }));
  }
  const least = Math.min(...factors.values());
  const most = Math.max(...factors.values());
  // A form that wasn't reached in time is as likely as not the worst.
  const times = Object.fromEntries(
    tileForms.map((form) => [form.name, Number(((factors.get(form.name) ?? most) / least).toFixed(3))]),
  );
  const shared = best < direct;
  const tuning: Tuning = {
    tiles: shared ? 'shared' : 'direct',
    times: factors.size > 0 ? times : {},
    perByte: shared
      ? Number(((side ** 3 / best) * (await onDevice(name, where, secondsOfByte))).toPrecision(3))
      : usualPerByte,
  };
  const { writeTuning } = await import('./runtime/tuningFile.js');
  const path = writeTuning(tuningKey(found, adapter.info.description), tuning);
  return { adapter: found, path, tuning };
}

/** What `run` gives on a device of its own. */
async function onDevice<T>(
  name: string,
  options: WebGpuOptions,
  run: (device: Device) => Promise<T>,
): Promise<T> {
  const device = new Device('tuned', await openWebGpu(name, options));
  try {
    return await run(device);
  } finally {
    await device.close();
  }
}

/** Seconds that a product of square matrices takes. */
async function timeOf(device: Device, side: number): Promise<number> {
  const [a, b] = [rand([side, side], { device }), rand([side, side], { device })];
  const shortest = await shortestOf(device, () => matmul(a, b));
  a.dispose();
  b.dispose();
  return shortest;
}

/** Seconds that a byte takes on its way from memory or to it. */
async function secondsOfByte(device: Device): Promise<number> {
  for (let size = smallest; ; size *= 4) {
    const x = rand([size], { device });
    const taken = await shortestOf(device, () => neg(x));
    x.dispose();
    if (taken >= enoughMemory || size >= largest) return taken / (8 * size);
  }
}

/** The shortest of some runs, in seconds. */
async function shortestOf(device: Device, op: () => unknown): Promise<number> {
  const run = async (): Promise<number> => {
    const start = performance.now();
    scope(() => void op());
    await device.sync();
    return (performance.now() - start) / 1000;
  };
  await device.compile();
  await run();
  let shortest = Number.POSITIVE_INFINITY;
  for (let i = 0, spent = 0; i < repeats || spent < warm; i++) {
    const taken = await run();
    spent += taken;
    shortest = Math.min(shortest, taken);
  }
  return shortest;
}
