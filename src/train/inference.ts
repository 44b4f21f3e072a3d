/**
 * Running a model without training it: batch by batch, its numbers read one batch behind, so that devices don't wait.
 */
import { scope } from '../core/scope.js';
import type { TypedArray } from '../core/shape.js';
import { noGrad } from '../core/tape.js';
import type { Tensor } from '../core/tensor.js';
import { type BatchSource, shareOf } from '../data/batchSource.js';
import type { Module } from '../nn/module.js';
import { addTotals, emptied, type Metrics, meansOf, noTotals } from './metrics.js';
import { Ranks } from './ranks/ranks.js';
import { figuresOf, type Step, totalsOf } from './step.js';

/** Told of batches done, and how many there are. May be async; training waits for it. */
export type OnBatch = (done: number, of: number) => void | Promise<void>;

/**
 * Runs `fn` without gradients and with the model in evaluation mode (no dropout); sets it back to training if that is
 * what it was doing. What `fn` made is let go, but for its result.
 */
export function inEvaluation<T>(model: Module, fn: () => T): T {
  const { training } = model;
  model.eval();
  try {
    return noGrad(() => scope(fn));
  } finally {
    if (training) model.train();
  }
}

/**
 * What a model makes of each batch, in order, on the host.
 * @param run computes one tensor from a batch; it runs `inEvaluation`
 */
export async function* inferences<B>(
  model: Module,
  batches: AsyncIterable<B>,
  run: (batch: B) => Tensor,
): AsyncGenerator<{ readonly batch: B; readonly numbers: TypedArray }, void, void> {
  let pending: { batch: B; numbers: Promise<TypedArray> } | null = null;
  try {
    for await (const batch of batches) {
      const result = inEvaluation(model, () => run(batch));
      const numbers = result.data().finally(() => result.dispose());
      numbers.catch(() => {}); // awaited in the next turn
      const before = pending;
      pending = { batch, numbers };
      if (before) yield { batch: before.batch, numbers: await before.numbers };
    }
    const last = pending;
    pending = null;
    if (last) yield { batch: last.batch, numbers: await last.numbers };
  } finally {
    // Whoever stops early finds nothing under way.
    await pending?.numbers.catch(() => {});
  }
}

/** Options of `evaluate`. */
export interface EvaluateOptions {
  readonly onBatch?: OnBatch;
  /** Stops after the batch under way, on all ranks. */
  readonly signal?: AbortSignal | undefined;
  /** Processes that share the batches. Default: this one alone. */
  readonly ranks?: Ranks | undefined;
}

/** Whether a rank was asked to stop; the same on all of them, which must all ask. */
export async function stopAsked(ranks: Ranks, signal: AbortSignal | undefined): Promise<boolean> {
  if (ranks.size === 1) return signal?.aborted === true;
  const [stops = 0] = await ranks.sum([Number(signal?.aborted === true)]);
  return stops > 0;
}

/**
 * The means of what a step reports over a data set, without training.
 * @returns null when `signal` was aborted
 */
export async function evaluate<B>(
  model: Module,
  data: BatchSource<B>,
  step: Step<B>,
  { onBatch = () => {}, signal, ranks = Ranks.alone() }: EvaluateOptions = {},
): Promise<Metrics | null> {
  const share = shareOf('evaluate', data, ranks.replicas);
  const shapes: { readonly names: readonly string[]; readonly count: number; readonly place: number }[] = [];
  let totals = noTotals;
  const results = inferences(model, share.epoch(0, 0), ([place, batch, counts = true]) => {
    const { row, names, count } = figuresOf(step(batch));
    shapes.push({ names, count: counts ? count : 0, place });
    return row;
  });
  for await (const { numbers } of results) {
    const { names, count, place } = shapes.shift()!;
    const own = totalsOf(numbers, names, count);
    totals = addTotals(totals, count > 0 ? own : emptied(own));
    await onBatch(place + 1, data.length);
    if (await stopAsked(ranks, signal)) return null;
  }
  const keys = Object.keys(totals.sums);
  const [count = 0, ...sums] = await ranks.replicas.sum([totals.count, ...Object.values(totals.sums)]);
  return meansOf({ count, sums: Object.fromEntries(keys.map((key, i) => [key, sums[i]!])) });
}
