/**
 * Training steps as they ran: what each device computed when, and what crossed between devices.
 *
 * Kernels come from the devices' profiles, crossings from the ledger; both are laid on the clock of `performance.now`.
 * Profiling tells kernels apart by timestamps around each of them or by waiting between them, so a profiled step is
 * slower than others; the order and the proportions are what counts.
 */
import type { KernelTime } from '../core/backend.js';
import type { Device } from '../core/device.js';
import { type Crossing, ledger, trace } from '../core/trace.js';
import type { Module } from '../nn/module.js';
import { type Learner, takeStep } from './step.js';

/** Kernels and crossings of some steps; times in milliseconds from their beginning. */
export interface Profile {
  /** Number of steps, and samples in each. */
  readonly steps: number;
  readonly batchSize: number;
  /** Names and descriptions, in the order in which the model's parameters first lie on them. */
  readonly devices: readonly string[];
  readonly descriptions: readonly string[];
  readonly kernels: readonly (KernelTime & { readonly device: string })[];
  readonly crossings: readonly Crossing[];
  /** From beginning to end. */
  readonly milliseconds: number;
}

/** The devices that a model's parameters lie on. */
export function devicesOf(model: Module): Device[] {
  return [...new Set(model.parameters().map((x) => x.device))];
}

/**
 * Runs `steps` training steps on one batch with all devices of the model profiled, after one that compiles what it needs.
 */
export async function profileSteps<B>(learner: Learner<B>, batch: B, steps = 1): Promise<Profile> {
  const devices = devicesOf(learner.model);
  const step = async (): Promise<number> => {
    const { row, count } = takeStep(learner, batch);
    await Promise.all(devices.map((device) => device.sync()));
    row.dispose();
    return count;
  };
  learner.model.train();
  const batchSize = await step();
  const before = ledger.rows.length;
  const begun = performance.now();
  const origins = devices.map((device) => {
    device.startProfile();
    return performance.now();
  });
  for (let i = 0; i < steps; i++) {
    trace.step++;
    await step();
  }
  const milliseconds = performance.now() - begun;
  const profiles = await Promise.all(devices.map((device) => device.stopProfile()));
  const kernels = profiles.flatMap((profile, i) =>
    profile.map((kernel) => ({ ...kernel, device: devices[i]!.name, start: kernel.start + origins[i]! })),
  );
  const crossings = ledger.rows.slice(before);
  const origin = [...kernels, ...crossings].reduce((least, { start }) => Math.min(least, start), Infinity);
  return {
    steps,
    batchSize,
    devices: devices.map((device) => device.name),
    descriptions: devices.map((device) => device.description),
    kernels: kernels.map((kernel) => ({ ...kernel, start: kernel.start - origin })),
    crossings: crossings.map((crossing) => ({ ...crossing, start: crossing.start - origin })),
    milliseconds,
  };
}

/** All runs of a kernel for one layer and phase on one device, a step's worth. */
export interface ProfileRow {
  readonly kernel: string;
  readonly layer: string;
  readonly phase: KernelTime['phase'];
  readonly device: string;
  readonly runs: number;
  readonly milliseconds: number;
  readonly bytes: number;
  readonly gflop: number;
  readonly gflops: number;
}

/** The kernels of a profile by kernel, layer, phase and device, averaged over its steps, the slowest first. */
export function profileRows({ kernels, steps }: Pick<Profile, 'kernels' | 'steps'>): ProfileRow[] {
  const rows = new Map<string, (KernelTime & { readonly device: string })[]>();
  for (const run of kernels) {
    const key = [run.kernel, run.layer, run.phase, run.device].join('\n');
    const same = rows.get(key);
    if (same) same.push(run);
    else rows.set(key, [run]);
  }
  return [...rows.values()]
    .map((runs): ProfileRow => {
      const { kernel, layer, phase, device } = runs[0]!;
      const total = (of: (run: KernelTime) => number): number =>
        runs.reduce((sum, run) => sum + of(run), 0) / steps;
      const milliseconds = total((run) => run.milliseconds);
      const gflop = total((run) => run.flops) / 1e9;
      const bytes = total((run) => run.bytes);
      // Where the clock is too coarse to see a kernel it has no rate.
      const gflops = milliseconds > 0 ? gflop / (milliseconds / 1000) : 0;
      return { kernel, layer, phase, device, runs: runs.length / steps, milliseconds, bytes, gflop, gflops };
    })
    .sort((a, b) => b.milliseconds - a.milliseconds);
}

/** Crossings of one layer and phase in one direction, a step's worth. */
export interface CrossingRow extends Pick<Crossing, 'phase' | 'layer' | 'from' | 'to' | 'bytes'> {
  readonly count: number;
  /** On average from asking, which waits for what computes the data, to arrival. */
  readonly milliseconds: number;
}

/** The crossings of a profile by layer, phase and direction, averaged over its steps, in the order they happened. */
export function crossingRows({ crossings, steps }: Pick<Profile, 'crossings' | 'steps'>): CrossingRow[] {
  const rows = new Map<string, Crossing[]>();
  for (const crossing of crossings) {
    const key = [crossing.phase, crossing.layer, crossing.from, crossing.to].join('\n');
    rows.set(key, [...(rows.get(key) ?? []), crossing]);
  }
  return [...rows.values()].map((all) => {
    const { phase, layer, from, to } = all[0]!;
    const sum = (of: (crossing: Crossing) => number): number => all.reduce((s, c) => s + of(c), 0);
    return {
      phase,
      layer,
      from,
      to,
      count: all.length / steps,
      bytes: sum((c) => c.bytes) / steps,
      milliseconds: sum((c) => c.milliseconds) / all.length,
    };
  });
}
