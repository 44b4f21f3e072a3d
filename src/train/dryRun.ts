/**
 * What training a model needs, found out without training it: bytes on each device by the devices' own account,
 * multiply-adds of a step, the bytes that cross in it, and those by which ranks tell each other gradients and figures.
 */
import { type DryOptions, type DryRow, openDryDevice } from '../backends/dry.js';
import type { DeviceName } from '../backends/open.js';
import type { Device } from '../core/device.js';
import { defaultGenerator } from '../core/random.js';
import { bytesPerElement } from '../core/shape.js';
import { type Crossing, ledger, trace } from '../core/trace.js';
import type { Module } from '../nn/module.js';
import { GradientSums, sumBytes } from './ranks/gradients.js';
import { Ranks } from './ranks/ranks.js';
import { type Learner, type PendingFigures, takeSharedStep, takeStep } from './step.js';

/** What is to be trained, built on devices that compute nothing. */
export interface DryTraining<B> {
  readonly learner: Learner<B>;
  /** One to take steps on: a rank's micro-batch, where it takes several in a step. */
  readonly batch: B;
  /** Samples in it. */
  readonly samples: number;
  /** Gives everything back. */
  dispose(): void;
}

/** Ranks that take each step together. */
export interface DryRanks {
  /** How many, or groups of how many, share each batch; what is built takes the share of one. */
  readonly replicas: number;
  /** Whether each device is another rank's (`spreadTowers`); else each rank has all of them. */
  readonly spread: boolean;
  /** Micro-batches that a rank takes in a step, one after the other (microBatches.ts): a power of two. Default 1. */
  readonly parts?: number;
}

/** What ranks tell each other in a step besides what crosses. */
export interface Collective {
  readonly what: 'gradients' | 'figures';
  readonly call: 'sum' | 'broadcast';
  /** Whose numbers: of each rank, or of one with that device. */
  readonly of: string;
  /** How many take part. */
  readonly ranks: number;
  /** Calls, and the bytes that each rank has a part in with all of them. */
  readonly calls: number;
  readonly bytes: number;
}

/** One device's share. */
export interface DeviceNeeds {
  readonly name: DeviceName;
  /** What crossings call it: its name, or `rank:1` where each device is another rank's. */
  readonly place: string;
  /** Bytes of parameters, what the optimizer remembers and what else stays between steps. */
  readonly resident: number;
  /** The most bytes in use at once: on WebGPU with temporaries (padded and packed operands, partial sums). */
  readonly peak: number;
  /** Bytes in use or kept for the next step: what the process or the GPU has given out. */
  readonly reserved: number;
  /** Multiply-adds of matrix products and convolutions in a step. */
  readonly macs: number;
  /** A step's kernels. */
  readonly rows: readonly DryRow[];
}

/** The kernels that multiply matrices. */
export const products: ReadonlySet<string> = new Set([
  'matmul',
  'conv2d',
  'conv2dInputGrad',
  'conv2dWeightGrad',
]);

/** What a training step needs. */
export interface StepNeeds {
  /** Samples that a rank takes in a step. */
  readonly batchSize: number;
  readonly devices: readonly DeviceNeeds[];
  /** Of one step; times are not measured. */
  readonly crossings: readonly Pick<Crossing, 'phase' | 'layer' | 'from' | 'to' | 'bytes'>[];
  readonly ranks: DryRanks;
  readonly collectives: readonly Collective[];
}

const alone: DryRanks = { replicas: 1, spread: false };

/**
 * Runs three steps on devices that keep the books only; step and crossings are the last one's.
 * @param names of the devices
 * @param settings memory limit and threads of each device
 * @param ranks that share the step; default: this process alone
 * @throws {ArgumentError} when the devices don't suit the model. @throws {OutOfMemoryError} when a step needs more
 * than `settings.memoryLimit`, naming the op.
 */
export async function dryRun<B>(
  names: readonly DeviceName[],
  build: (devices: readonly Device[]) => DryTraining<B>,
  settings: DryOptions = {},
  ranks: DryRanks = alone,
): Promise<StepNeeds> {
  const opened = await Promise.all(
    names.map((name, i) => openDryDevice(name, settings, ranks.spread ? `rank:${i}` : name)),
  );
  const devices = opened.map(({ device }) => device);
  const { learner, batch, samples, dispose } = build(devices);
  try {
    learner.model.train();
    const { parts = 1 } = ranks;
    const step = stepOf(learner, batch, samples, parts);
    let rows: DryRow[][] = [];
    let crossed = ledger.rows.length;
    let collectives: Collective[] = [];
    for (let i = 0; i < 3; i++) {
      trace.step = i;
      crossed = ledger.rows.length;
      const figures = step();
      collectives = collectivesOf(learner.model, devices, figures[0]!, ranks);
      for (const { row } of figures) row.dispose();
      rows = opened.map(({ takeRows }) => takeRows());
    }
    return {
      batchSize: parts * samples,
      devices: devices.map((device, i) => {
        const { live, pooled, peak } = device.memory();
        const own = rows[i]!;
        return {
          name: names[i]!,
          place: device.name,
          resident: live,
          peak,
          reserved: live + pooled,
          macs: own.reduce((sum, row) => sum + (products.has(row.kernel) ? row.flops / 2 : 0), 0),
          rows: own,
        };
      }),
      crossings: ledger.rows
        .slice(crossed)
        .map(({ phase, layer, from, to, bytes }) => ({ phase, layer, from, to, bytes })),
      ranks,
      collectives,
    };
  } finally {
    dispose();
  }
}

/** What takes a step of a rank's parts, as training does (loop.ts), without the ranks to tell. */
function stepOf<B>(learner: Learner<B>, batch: B, samples: number, parts: number): () => PendingFigures[] {
  if (parts === 1) return () => [takeStep(learner, batch)];
  const sums = new GradientSums(learner.model, Ranks.alone(), parts, 'tree');
  const batches = Array.from({ length: parts }, (_, rank) => ({
    share: { rank, size: parts },
    batch,
    counts: true,
  }));
  const sharing = { sums, of: parts * samples, random: defaultGenerator() };
  return () => takeSharedStep(learner, batches, sharing);
}

/** What a step's gradients and figures take. */
function collectivesOf(
  model: Module,
  devices: readonly Device[],
  { row, names }: PendingFigures,
  { replicas, spread }: DryRanks,
): Collective[] {
  const parameters = model.parameters();
  const towers = spread
    ? devices.map((device) => ({ of: device.name, own: parameters.filter((x) => x.device === device) }))
    : [{ of: 'each rank', own: parameters }];
  const sums = towers.map(({ of, own }): Collective => {
    const bytes = sumBytes(own);
    const all = bytes.reduce((sum, each) => sum + each, 0);
    return { what: 'gradients', call: 'sum', of, ranks: replicas, calls: bytes.length, bytes: all };
  });
  const told = { what: 'figures', calls: 1 } as const;
  const size = replicas * towers.length;
  const rowBytes = row.size * bytesPerElement[row.dtype];
  return [
    ...sums,
    { ...told, call: 'broadcast' as const, of: row.device.name, ranks: towers.length, bytes: rowBytes },
    // Whether one was asked to stop, its samples, the loss, and what else the step sums, in doubles.
    { ...told, call: 'sum' as const, of: 'each rank', ranks: size, bytes: 8 * (3 + names.length) },
  ].filter(({ ranks }) => ranks > 1);
}
