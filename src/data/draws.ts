/**
 * Random numbers of the data pipeline. Each is found by name: (seed, purpose, path of integers) -> a `HostRandom`
 * of its own, so the order images are asked in, the number of workers and resuming never change a draw.
 *
 * The name is folded into the Threefry key one word at a time: key' = threefry(key, [word, foldStream]). The fold
 * uses the last stream number, which no training run reaches, so draws made with the run's seed itself
 * (initial weights, dropout) stay apart.
 */

import { HostRandom, threefry } from '../backends/threefry.js';
import { ArgumentError } from '../core/errors.js';
import { drawOf, type WordPair } from '../core/random.js';

const foldStream = 0xffffffff;

/** What a draw of the data pipeline is for. */
const purposes = { order: 0, augment: 1, subset: 2, synthetic: 3, sharedCut: 4, colour: 5 } as const;

/**
 * The random numbers of one purpose.
 * @param seed an integer in [0, 2^53).
 * @param path unsigned 32-bit integers, for example an epoch and an image index.
 * @throws {ArgumentError} for any other seed.
 */
export function randomFor(seed: number, purpose: keyof typeof purposes, ...path: number[]): HostRandom {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new ArgumentError(`seed ${seed} isn't an integer in [0, 2^53)`);
  }
  let key: WordPair = drawOf(seed, 0).seed;
  for (const word of [purposes[purpose], ...path]) key = threefry(key, [word, foldStream]);
  return new HostRandom({ seed: key, stream: 0 });
}
