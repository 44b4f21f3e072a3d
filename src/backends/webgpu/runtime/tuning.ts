/**
 * What suits an adapter: where tiles get their operands, and how long each form takes beside what `choose` counts for it.
 * Measured by `tune` and kept in a file (tuningFile.ts), else from a table by vendor and architecture.
 */
import { tileForms, usualPerByte } from '../kernels/matmul/forms.js';

/** An adapter's. */
export interface Tuning {
  readonly tiles: 'direct' | 'shared';
  /** Factors on the counted cost of forms by name; 1 where a form isn't named. */
  readonly times: Readonly<Record<string, number>>;
  /** As `TileDevice.perByte`. */
  readonly perByte: number;
}

/** By what a measured tuning is found again. */
export interface TuningKey {
  /** The adapter's name. */
  readonly adapter: string;
  /** The driver and its version, as WebGPU describes the adapter. */
  readonly driver: string;
  /** Of the kernels: another list of forms asks for another tuning. */
  readonly version: string;
}

/** The key of an adapter. */
export function tuningKey(adapter: string, driver: string): TuningKey {
  return { adapter, driver, version: `2 ${tileForms.map(({ name }) => name).join(' ')}` };
}

/** What is known of kinds of adapters: measured on an H100 for NVIDIA's, of others their makers' accounts of the hardware. */
const kinds: readonly {
  readonly vendor: RegExp;
  readonly architecture: RegExp;
  readonly tuning: Partial<Tuning>;
}[] = [
  // Mali has no memory for workgroups: theirs lies in main memory, behind the same caches.
  { vendor: /^arm$/, architecture: /./, tuning: { tiles: 'direct' } },
  // Products of 4096 x 4096 matrices. A workgroup of 256 that waits at a barrier often has its processor for itself.
  {
    vendor: /^nvidia$/,
    architecture: /^/,
    tuning: {
      times: {
        '128x128': 1.18,
        '96x128': 1.2,
        '64x128': 1.11,
        '128x64': 1.04,
        '48x128': 1.14,
        '32x128': 1.03,
        '128x32': 1.12,
        '32x64': 1.39,
        '32x32': 1.54,
      },
    },
  },
  // Up to Xe-LP a thread has 4 KiB of registers for 8 invocations: 96 results and their operands don't fit.
  {
    vendor: /^intel$/,
    architecture: /^(gen-\d+|xe|xe-lp)/,
    tuning: { times: { '96x128': 2, '48x128': 2 } },
  },
];

/** The lanes of Mesa's software driver, measured: products take 0.6 of the time there when lanes share the rows they load. */
const widthShared = 8;

/** Invocations that share the rows of direct tiles on an adapter whose device has subgroups, or 0. */
export function lanesThatShare(name: string, info: GPUAdapterInfo): number {
  const { subgroupMinSize, subgroupMaxSize } = info;
  return /llvmpipe/i.test(name) && subgroupMinSize === widthShared && subgroupMaxSize === widthShared
    ? widthShared
    : 0;
}

/** The tuning of an adapter that nobody has measured. */
export function defaultTuning(
  { vendor, architecture }: Pick<GPUAdapterInfo, 'vendor' | 'architecture'>,
  software: boolean,
): Tuning {
  const known = kinds.find((kind) => kind.vendor.test(vendor) && kind.architecture.test(architecture));
  return { tiles: software ? 'direct' : 'shared', times: {}, perByte: usualPerByte, ...known?.tuning };
}
