/**
 * What training a network needs, found out without training it: bytes on each device by the devices' own account,
 * multiply-adds of a step, and the bytes that cross in it.
 */
import { type DryOptions, type DryRow, dryArray, openDryDevice } from '../backends/dry.js';
import type { DeviceName } from '../backends/open.js';
import { type Crossing, ledger } from '../core/ledger.js';
import { trace } from '../core/trace.js';
import type { Net, Recipe } from './recipes.js';
import { Trainer } from './trainer.js';

/** What is to be trained, and on what. */
export interface DryRunOptions {
  readonly net: Net;
  readonly recipe: Recipe;
  readonly classes: number;
  /** Names of the devices, in the order of the towers. */
  readonly devices: readonly DeviceName[];
  /** Memory limit and threads of each device. */
  readonly settings?: DryOptions;
}

/** One device's share. */
export interface DeviceNeeds {
  readonly name: DeviceName;
  /** Bytes of parameters, velocities and what else stays between steps. */
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
 * @throws {ArgumentError} when the devices don't suit the network. @throws {OutOfMemoryError} when a step needs more
 * than `settings.memoryLimit`, naming the op.
 */
export async function dryRun({
  net,
  recipe,
  classes,
  devices: names,
  settings = {},
}: DryRunOptions): Promise<StepNeeds> {
  const opened = await Promise.all(names.map((name) => openDryDevice(name, settings)));
  const { channels, size } = net.architecture;
  const { imageSize, batchSize } = recipe;
  const mean = new Float32Array(channels * imageSize ** 2);
  const devices = opened.map(({ device }) => device);
  const trainer = new Trainer({ net, recipe, classes, devices, seed: 0, mean });
  const batch = {
    images: dryArray('uint8', batchSize * channels * size ** 2),
    labels: new Int32Array(batchSize),
    // Every image has a crop and a colour of its own, if the recipe wants them.
    ...(recipe.augment && {
      offsets: new Int32Array(2 * batchSize),
      mirrored: Uint8Array.from({ length: batchSize }, (_, i) => i % 2),
    }),
    ...(recipe.colourNoise && { colour: new Float32Array(batchSize * channels) }),
  };
  try {
    trainer.network.train();
    let rows: DryRow[][] = [];
    let crossed = ledger.rows.length;
    for (let step = 0; step < 3; step++) {
      trace.step = step;
      crossed = ledger.rows.length;
      trainer.step(batch).dispose();
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
    trainer.dispose();
  }
}
