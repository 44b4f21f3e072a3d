/**
 * Data as a training takes it: batches of anything, an epoch at a time, from any batch on.
 *
 * The order of an epoch is a pure function of (seed, epoch). So neither fetching ahead nor starting at batch k changes
 * what batch k holds.
 */
import { ArgumentError } from '../core/errors.js';
import { randomFor } from './draws.js';

/** Batches, the same each time an epoch is asked for. */
export interface BatchSource<B> {
  /** For people: where they come from. */
  readonly name: string;
  /** Batches of an epoch. */
  readonly length: number;
  /**
   * The batches of an epoch (from 0), each with its place in it (from 0), in order, from place `start` on. One that turns
   * out to hold nothing is left out.
   */
  epoch(epoch: number, start: number): AsyncIterable<readonly [place: number, batch: B]>;
}

/** How samples are put together to batches. */
export interface BatchOptions {
  /** Samples in a batch. */
  readonly batchSize: number;
  /** Draws the order. Default 0. */
  readonly seed?: number;
  /** Draw the order anew for each epoch, or the order of an epoch itself; default false: by index. */
  readonly shuffle?: boolean | ((epoch: number) => Uint32Array) | undefined;
  /** Leave out the last batch when it's smaller; default false. */
  readonly dropLast?: boolean;
  /** Batches fetched ahead; default 2. */
  readonly prefetch?: number;
}

/** An epoch of them, or the rest of it. */
export interface EpochOptions extends BatchOptions {
  /** Default 0. */
  readonly epoch?: number;
  /** First batch to give, for going on in the middle of an epoch. Default 0. */
  readonly start?: number;
}

/** Number of batches in an epoch. */
export function batchCount(length: number, batchSize: number, dropLast = false): number {
  return dropLast ? Math.floor(length / batchSize) : Math.ceil(length / batchSize);
}

/** The order of an epoch: a permutation of 0..length-1 drawn from (seed, epoch). */
function epochOrder(length: number, seed: number, epoch: number): Uint32Array {
  return randomFor(seed, 'order', epoch).permutation(length);
}

/**
 * Batches of samples that are found by number.
 * @param length number of samples
 * @param load makes a batch of the samples of these numbers, in this order
 * @throws {ArgumentError} for a batch size or prefetch that can't be
 */
export function batchesOf<B>(
  name: string,
  length: number,
  options: BatchOptions,
  load: (indices: Uint32Array) => B | Promise<B>,
): BatchSource<B> {
  checkBatches(options);
  return {
    name,
    length: batchCount(length, options.batchSize, options.dropLast),
    epoch: (epoch, start) =>
      fetchAhead(length, { ...options, epoch, start }, async (indices) => load(indices)),
  };
}

/**
 * Fetches the batches of one epoch in order, some ahead of the caller, so that they're made while devices compute.
 * @param length number of samples
 * @param fetch is given the numbers of a batch's samples, and the place of the first one in the epoch
 */
export async function* fetchAhead<B>(
  length: number,
  options: EpochOptions,
  fetch: (indices: Uint32Array, first: number) => Promise<B>,
): AsyncGenerator<[place: number, batch: B], void, void> {
  const { batchSize, seed = 0, epoch = 0, shuffle, start = 0, prefetch = 2, dropLast } = options;
  checkBatches(options);
  const order =
    typeof shuffle === 'function'
      ? shuffle(epoch)
      : shuffle
        ? epochOrder(length, seed, epoch)
        : Uint32Array.from({ length }, (_, i) => i);
  const count = batchCount(length, batchSize, dropLast);
  const fetchOne = async (place: number): Promise<B> => {
    // Let the caller have the batch it's waiting for first: this one is made while the devices compute.
    await new Promise((resolve) => setTimeout(resolve));
    const first = place * batchSize;
    return fetch(order.subarray(first, first + batchSize), first);
  };
  const ahead: Promise<B>[] = [];
  for (let next = start, place = start; place < count; place++) {
    for (; next < count && next <= place + prefetch; next++) {
      const coming = fetchOne(next);
      // It's awaited later, or never when the caller stops early: its error must not go unhandled until then.
      coming.catch(() => {});
      ahead.push(coming);
    }
    yield [place, await ahead.shift()!];
  }
}

/** @throws {ArgumentError} for counts that can't be */
function checkBatches({ batchSize, start = 0, prefetch = 2 }: EpochOptions): void {
  checkCount('batchSize', batchSize, 1);
  checkCount('start', start, 0);
  checkCount('prefetch', prefetch, 0);
}

/** @throws {ArgumentError} for a value that isn't a whole number from `least` */
export function checkCount(name: string, value: number, least: number): void {
  if (!Number.isInteger(value) || value < least) {
    throw new ArgumentError(`batches: ${name} ${value} isn't an integer of at least ${least}`);
  }
}
