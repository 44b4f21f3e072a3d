/**
 * What training a model needs, found out without training it: bytes on each device by the devices' own account,
 * multiply-adds of a step, and the bytes that cross in it.
 */
import { type DryOptions, type DryRow, openDryDevice } from '../backends/dry.js';
import type { DeviceName } from '../backends/open.js';
import type { Device } from '../core/device.js';
import { type Crossing, ledger, trace } from '../core/trace.js';
import { type Learner, takeStep } from './step.js';

/** What is to be trained, built on devices that compute nothing. */
export interface DryTraining<B> {
  readonly learner: Learner<B>;
  /** One to take steps on. */
  readonly batch: B;
  /** Gives everything back. */
  dispose(): void;
}

/** One device's share. */
export interface DeviceNeeds {
  readonly name: DeviceName;
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
  readonly batchSize: number;
  readonly devices: readonly DeviceNeeds[];
  /** Of one step; times are not measured. */
  readonly crossings: readonly Pick<Crossing, 'phase' | 'layer' | 'from' | 'to' | 'bytes'>[];
}

/**
 * Runs three steps on devices that keep the books only; step and crossings are the last one's.
 * @param names of the devices
 * @param settings memory limit and threads of each device
 * @throws {ArgumentError} when the devices don't suit the model. @throws {OutOfMemoryError} when a step needs more
 * than `settings.memoryLimit`, naming the op.
 */
export async function dryRun<B>(
  names: readonly DeviceName[],
  build: (devices: readonly Device[]) => DryTraining<B>,
  settings: DryOptions = {},
): Promise<StepNeeds> {
  const opened = await Promise.all(names.map((name) => openDryDevice(name, settings)));
  const devices = opened.map(({ device }) => device);
  const { learner, batch, dispose } = build(devices);
  try {
    learner.model.train();
    let rows: DryRow[][] = [];
    let crossed = ledger.rows.length;
    let batchSize = 0;
    for (let step = 0; step < 3; step++) {
      trace.step = step;
      crossed = ledger.rows.length;
      const { row, count } = takeStep(learner, batch);
      row.dispose();
      batchSize = count;
      rows = opened.map(({ takeRows }) => takeRows());
    }
    return {
      batchSize,
      devices: devices.map((device, i) => {
        const { live, pooled, peak } = device.memory();
        const own = rows[i]!;
        return {
          name: names[i]!,
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
    };
  } finally {
    dispose();
  }
}
