/**
 * Data as a training takes it: batches of anything, an epoch at a time, from any batch on.
 *
 * The order of an epoch is a pure function of (seed, epoch). So neither fetching ahead nor starting at batch k changes
 * what batch k holds.
 */
import { ArgumentError } from '../core/errors.js';
import { randomFor } from './draws.js';

/** One of `size` programs that share out each batch: it has the samples rank, rank + size, .. of it. */
export interface Share {
  readonly rank: number;
  readonly size: number;
}

/** A batch with its place in its epoch. `counts` is as `BatchSource.epoch` says; true where it's left out. */
export type Placed<B> =
  | readonly [place: number, batch: B]
  | readonly [place: number, batch: B, counts: boolean];

/** Batches, the same each time an epoch is asked for. */
export interface BatchSource<B> {
  /** For people: where they come from. */
  readonly name: string;
  /** Batches of an epoch. */
  readonly length: number;
  /**
   * The batches of an epoch (from 0), each with its place in it (from 0), in order, from place `start` on. One that turns
   * out to hold nothing is left out.
   *
   * `counts` is false for a batch of a share that stands in for none: it's another's, computed so that all programs do
   * the same, and counts for nothing.
   */
  epoch(epoch: number, start: number): AsyncIterable<Placed<B>>;
  /** What one of several programs has of each batch. Without it the data can't be trained on by several ranks. */
  share?(share: Share): BatchSource<B>;
  /** Samples of the batch at a place, shares of all programs together, unreadable ones included. */
  samples?(place: number): number;
}

/** A share of data. @param what for messages @throws {ArgumentError} for data that can't be shared */
export function shareOf<B>(what: string, data: BatchSource<B>, share: Share): BatchSource<B> {
  if (share.size === 1) return data;
  if (data.share) return data.share(share);
  throw new ArgumentError(
    `${what}: ${data.name} can't be cut into ${share.size} shares: give the source a share(), as batchesOf() and ` +
      'imageBatches() do',
  );
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
  /** Give what one of several programs has of each batch. Default: all of it. */
  readonly share?: Share | undefined;
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
  const { batchSize, dropLast } = options;
  return {
    name,
    length: batchCount(length, batchSize, dropLast),
    epoch: (epoch, start) =>
      fetchAhead(length, { ...options, epoch, start }, async (indices) => load(indices)),
    share: (share) => batchesOf(name, length, { ...options, share }, load),
    samples: (place) => samplesAt(length, batchSize, place),
  };
}

/** Samples of the batch at a place. */
export function samplesAt(length: number, batchSize: number, place: number): number {
  return Math.min(batchSize, length - place * batchSize);
}

/**
 * Fetches the batches of one epoch in order, some ahead of the caller, so that they're made while devices compute.
 * @param length number of samples
 * @param fetch is given the numbers of samples, the first one's place in the epoch, and how many places apart they are
 * @param isEmpty tells a batch none of whose samples could be had
 */
export async function* fetchAhead<B>(
  length: number,
  options: EpochOptions,
  fetch: (indices: Uint32Array, first: number, step: number) => Promise<B>,
  isEmpty: (batch: B) => boolean = () => false,
): AsyncGenerator<Placed<B>, void, void> {
  const { batchSize, seed = 0, epoch = 0, shuffle, start = 0, prefetch = 2, dropLast } = options;
  const { rank, size } = options.share ?? { rank: 0, size: 1 };
  checkBatches(options);
  const order =
    typeof shuffle === 'function'
      ? shuffle(epoch)
      : shuffle
        ? epochOrder(length, seed, epoch)
        : Uint32Array.from({ length }, (_, i) => i);
  const count = batchCount(length, batchSize, dropLast);
  const fetchOne = async (place: number): Promise<[batch: B, counts: boolean]> => {
    // Let the caller have the batch it's waiting for first: this one is made while the devices compute.
    await new Promise((resolve) => setTimeout(resolve));
    const first = place * batchSize;
    const whole = order.subarray(first, first + batchSize);
    const own = size === 1 ? whole : whole.filter((_, i) => i % size === rank);
    if (own.length > 0 || whole.length === 0) {
      const batch = await fetch(own, first + rank, size);
      if (size === 1 || !isEmpty(batch)) return [batch, true];
    }
    for (let i = 0; ; i++) {
      const batch = await fetch(whole.subarray(i, i + 1), first + i, 1);
      if (i === whole.length - 1 || !isEmpty(batch)) return [batch, false];
    }
  };
  const ahead: Promise<[batch: B, counts: boolean]>[] = [];
  for (let next = start, place = start; place < count; place++) {
    for (; next < count && next <= place + prefetch; next++) {
      const coming = fetchOne(next);
      // It's awaited later, or never when the caller stops early: its error must not go unhandled until then.
      coming.catch(() => {});
      ahead.push(coming);
    }
    const [batch, counts] = await ahead.shift()!;
    yield counts ? [place, batch] : [place, batch, false];
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
