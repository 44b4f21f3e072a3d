/**
 * A training step: forward, backward, update, enqueued as one piece; its figures are read later, so that devices never
 * wait for the host.
 */
import { ArgumentError } from '../core/errors.js';
import { inRows } from '../core/ops/dropout.js';
import { cast } from '../core/ops/elementwise.js';
import { concat, reshape } from '../core/ops/views.js';
import type { Generator } from '../core/random.js';
import { scope } from '../core/scope.js';
import { formatShape } from '../core/shape.js';
import { noGrad } from '../core/tape.js';
import type { Tensor } from '../core/tensor.js';
import type { Module } from '../nn/module.js';
import type { Optimizer } from '../nn/optimizer.js';
import type { Totals } from './metrics.js';
import type { PartBatch } from './microBatches.js';
import type { GradientSums } from './ranks/gradients.js';

/** What a step makes of a batch: scalars on one device. */
export interface StepResult {
  /** The mean over the batch's samples of what should fall. */
  readonly loss: Tensor;
  /** Sums over the batch's samples, of which epochs report the means by the same names: `{ error: howManyWrong }`. */
  readonly sums?: Readonly<Record<string, Tensor>> | undefined;
  /** Samples in the batch, the weight of its loss. Default 1. */
  readonly count?: number | undefined;
}

/** Computes a batch's loss; nothing on the way to it has to be awaited. */
export type Step<B> = (batch: B) => StepResult;

/** What learns, and how. */
export interface Learner<B> {
  readonly model: Module;
  readonly step: Step<B>;
  /** Takes the gradients of the step's loss. Without one, `step` changes parameters itself. */
  readonly optimizer?: Optimizer | undefined;
}

/** A step's figures on the device. */
export interface PendingFigures {
  /** The loss, then the sums: `[1 + names.length]`. To be disposed of; `readFigures` does. */
  readonly row: Tensor;
  readonly names: readonly string[];
  readonly count: number;
}

/**
 * Enqueues a training step.
 * @throws {ArgumentError} when the loss isn't one number
 */
export function takeStep<B>({ step, optimizer }: Learner<B>, batch: B): PendingFigures {
  return scope(() => {
    // What the step made and the tape doesn't need is let go before the way back.
    const result = scope(() => step(batch));
    const figures = noGrad(() => figuresOf(result));
    if (optimizer) {
      optimizer.zeroGrad();
      result.loss.backward();
      optimizer.step();
    }
    return figures;
  });
}

/** How a step is shared. */
interface Sharing {
  readonly sums: GradientSums;
  /** Samples of all ranks, as the data source says. */
  readonly of: number;
  /** What draws random numbers: the same ones for each part. */
  readonly random: Generator;
}

/**
 * Enqueues a training step on this rank's parts of a batch that ranks share, one after the other.
 * @returns the figures of each
 */
export function takeSharedStep<B>(
  { step, optimizer }: Learner<B>,
  parts: readonly PartBatch<B>[],
  { sums, of, random }: Sharing,
): PendingFigures[] {
  const { stream } = random;
  return scope(() => {
    const all = parts.map(({ share, batch, counts }, i) => {
      if (i > 0) random.stream = stream;
      sums.begin();
      const result = scope(() => inRows({ first: share.rank, step: share.size }, () => step(batch)));
      const figures = noGrad(() => figuresOf(result));
      const count = counts ? figures.count : 0;
      if (i === 0) optimizer?.zeroGrad();
      if (optimizer) sums.backward(result.loss, { count, of });
      return { ...figures, count };
    });
    optimizer?.step();
    return all;
  });
}

/** A step's scalars side by side, to be read back at once. @throws {ArgumentError} for one that isn't a scalar */
export function figuresOf({ loss, sums = {}, count = 1 }: StepResult): PendingFigures {
  const scalars = Object.entries({ loss, ...sums }).map(([name, x]) => {
    if (x.size !== 1)
      throw new ArgumentError(`step: ${name} is ${formatShape(x.shape)}, expected one number`);
    const one = reshape(x, [1]);
    return one.dtype === loss.dtype ? one : cast(one, loss.dtype);
  });
  return { row: concat(scalars, 0), names: Object.keys(sums), count };
}

/** Waits for a step's figures. */
export async function readFigures({ row, names, count }: PendingFigures): Promise<Totals> {
  const numbers = await row.data().finally(() => row.dispose());
  return totalsOf(numbers, names, count);
}

/** Sums over a batch's samples. @param numbers the mean loss, then a sum for each name */
export function totalsOf(numbers: ArrayLike<number>, names: readonly string[], count: number): Totals {
  const [loss = Number.NaN, ...sums] = Array.from(numbers);
  return {
    count,
    sums: { loss: loss * count, ...Object.fromEntries(names.map((name, i) => [name, sums[i]])) },
  };
}
