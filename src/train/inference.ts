/**
 * Running a model without training it: batch by batch, its numbers read one batch behind, so that devices don't wait.
 */
import { scope } from '../core/scope.js';
import type { TypedArray } from '../core/shape.js';
import { noGrad } from '../core/tape.js';
import type { Tensor } from '../core/tensor.js';
import type { BatchSource } from '../data/batchSource.js';
import type { Module } from '../nn/module.js';
import { addTotals, type Metrics, meansOf, noTotals } from './metrics.js';
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
  /** Stops after the batch under way. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * The means of what a step reports over a data set, without training.
 * @returns null when `signal` was aborted
 */
export async function evaluate<B>(
  model: Module,
  data: BatchSource<B>,
  step: Step<B>,
  { onBatch = () => {}, signal }: EvaluateOptions = {},
): Promise<Metrics | null> {
  const shapes: { readonly names: readonly string[]; readonly count: number; readonly place: number }[] = [];
  let totals = noTotals;
  const results = inferences(model, data.epoch(0, 0), ([place, batch]) => {
    const { row, names, count } = figuresOf(step(batch));
    shapes.push({ names, count, place });
    return row;
  });
  for await (const { numbers } of results) {
    const { names, count, place } = shapes.shift()!;
    totals = addTotals(totals, totalsOf(numbers, names, count));
    await onBatch(place + 1, data.length);
    if (signal?.aborted) return null;
  }
  return meansOf(totals);
}
