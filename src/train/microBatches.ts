/**
 * Micro-batches: each batch is cut into a fixed number P of parts, a power of two, whose gradients are added in a tree
 * that doesn't depend on how many ranks there are.
 *
 * Part p has the samples p, p + P, .. of the batch. Of N ranks, N a power of two up to P, rank r takes the parts p with
 * `p mod N = r`, one after the other. The tree adds part p + P / 2 to part p first, then p + P / 4, and so on: its upper
 * halves, parts that are equal mod N, lie on one rank, and the rest is the tree of ranks (ranks/sums.ts). So each part is
 * computed by the same kernels on the same numbers, and each sum has the same two summands, whatever N is.
 */
import { ArgumentError } from '../core/errors.js';
import { type BatchSource, type Placed, type Share, shareOf } from '../data/batchSource.js';
import type { Module } from '../nn/module.js';
import type { Ranks } from './ranks/ranks.js';

/** A rank's part of each batch. */
interface PartSource<B> {
  readonly share: Share;
  readonly data: BatchSource<B>;
}

/** A part of one batch; `counts` is as `BatchSource.epoch` says. */
export interface PartBatch<B> {
  readonly share: Share;
  readonly batch: B;
  readonly counts: boolean;
}

const isPowerOfTwo = (n: number): boolean => Number.isInteger(n) && n >= 1 && Number.isInteger(Math.log2(n));

/**
 * Micro-batches of each rank.
 * @param what asks, for the error
 * @param count of all ranks' micro-batches
 * @param ranks in all
 * @param replicas of them, or of groups of them, that share a batch
 * @throws {ArgumentError} unless micro-batches and ranks are powers of two, with no more that share than micro-batches
 */
export function microBatchesOfEach(what: string, count: number, ranks: number, replicas: number): number {
  if (!isPowerOfTwo(count)) {
    throw new ArgumentError(`${what}: microBatches is ${count}, expected a power of two`);
  }
  if (!isPowerOfTwo(ranks) || replicas > count) {
    throw new ArgumentError(
      `${what}: ${ranks} ranks can't share ${count} micro-batches: expected a power of two of ranks, ${count} at most`,
    );
  }
  return count / replicas;
}

/**
 * What a rank takes of each batch, in the order in which it takes it: its share, or micro-batches of it.
 * @param count of all ranks' micro-batches; null: ranks' shares aren't cut
 * @throws {ArgumentError} for data that can't be shared; for micro-batches, unless they and the ranks are powers of two,
 * with no more ranks than micro-batches; and for a model whose buffers would depend on who saw which
 */
export function partsOf<B>(
  data: BatchSource<B>,
  ranks: Ranks,
  model: Module,
  count: number | null,
): PartSource<B>[] {
  const { replicas } = ranks;
  const { rank, size } = replicas;
  if (count === null) return [{ share: { rank, size }, data: shareOf('fit', data, replicas) }];
  const own = microBatchesOfEach('fit', count, ranks.size, size);
  const [buffer] = model.namedBuffers().keys();
  if (buffer !== undefined) {
    throw new ArgumentError(
      `fit: microBatches keep a training the same for any number of ranks, but ${buffer} is a buffer, which depends on ` +
        'what a rank sees; leave microBatches out',
    );
  }
  return Array.from({ length: own }, (_, i) => {
    const share = { rank: rank + size * reversed(i, own), size: count };
    return { share, data: shareOf('fit', data, share) };
  });
}

/** The bits of `i` from the other end, of as many as count to `count`. */
function reversed(i: number, count: number): number {
  return count === 1 ? 0 : (i % 2) * (count / 2) + reversed(Math.floor(i / 2), count / 2);
}

/** The batches of an epoch, part by part. */
export async function* partsOfEpoch<B>(
  sources: readonly PartSource<B>[],
  epoch: number,
  start: number,
): AsyncGenerator<{ readonly place: number; readonly parts: readonly PartBatch<B>[] }, void, void> {
  const iterators = sources.map(({ data }) => data.epoch(epoch, start)[Symbol.asyncIterator]());
  try {
    for (;;) {
      const results: IteratorResult<Placed<B>>[] = [];
      for (const iterator of iterators) results.push(await iterator.next());
      const parts: PartBatch<B>[] = [];
      let at = 0;
      for (const [i, { done, value }] of results.entries()) {
        if (done) return;
        const [place, batch, counts = true] = value;
        at = place;
        parts.push({ share: sources[i]!.share, batch, counts });
      }
      yield { place: at, parts };
    }
  } finally {
    for (const iterator of iterators) await iterator.return?.();
  }
}

/** The sum of what parts came to, in the tree of their gradients. */
export function sumInTree<T>(parts: readonly T[], add: (a: T, b: T) => T): T {
  if (parts.length === 1) return parts[0]!;
  const half = parts.length / 2;
  return add(sumInTree(parts.slice(0, half), add), sumInTree(parts.slice(half), add));
}
