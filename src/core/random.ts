/**
 * Random numbers by counting: Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror, Shaw, "Parallel random
 * numbers: as easy as 1, 2, 3", SC 2011).
 *
 * Word `lane` of `threefry(seed, [index, stream])` is a pure function, so every backend, thread and tile gets the
 * same bits for element `index` of draw `stream` without keeping or passing on any state. A uniform number is the
 * top 24 bits times 2^-24: in [0, 1), exact in float32.
 */
import { ArgumentError } from './errors.js';
import { countOf, type PartState, type Stateful } from './state.js';

/** Rotations of the eight round positions (Random123's constants for 2x32). */
export const threefryRotations = [13, 15, 26, 6, 17, 29, 16, 24] as const;

/** XORed with the two key words to give the third (Skein's parity constant, 32-bit form). */
export const threefryParity = 0x1bd11bda;

/** Number of rounds. */
export const threefryRounds = 20;

/** Two 32-bit words. */
export type WordPair = readonly [number, number];

/** The two random words of `counter` under `key`, as unsigned 32-bit integers. */
export function threefry(key: WordPair, counter: WordPair): [number, number] {
  const keys = [key[0], key[1], key[0] ^ key[1] ^ threefryParity];
  let a = (counter[0] + keys[0]!) | 0;
  let b = (counter[1] + keys[1]!) | 0;
  for (let round = 0; round < threefryRounds; round++) {
    const r = threefryRotations[round % 8]!;
    a = (a + b) | 0;
    b = ((b << r) | (b >>> (32 - r))) ^ a;
    if (round % 4 === 3) {
      const injection = (round + 1) / 4;
      a = (a + keys[injection % 3]!) | 0;
      b = (b + keys[(injection + 1) % 3]! + injection) | 0;
    }
  }
  return [a >>> 0, b >>> 0];
}

/** 32 random bits as a uniform number in [0, 1). */
export function toUniform(word: number): number {
  return (word >>> 8) * 2 ** -24;
}

/** Names one draw: a seed and a stream number. Two draws never share bits unless both agree. */
export interface Draw {
  readonly seed: WordPair;
  readonly stream: number;
}

/** Hands out draws. Its whole state is a seed and the number of draws made so far, which a checkpoint can hold. */
export class Generator implements Stateful {
  /** Number of draws handed out; set it to go back or forward. */
  stream = 0;

  /** @throws {ArgumentError} unless the seed is an integer in [0, 2^53) */
  constructor(private startSeed: number) {
    if (!Number.isSafeInteger(startSeed) || startSeed < 0)
      throw new ArgumentError(`Generator: seed ${startSeed} isn't an integer in [0, 2^53)`);
  }

  /** What the draws are made from. */
  get seed(): number {
    return this.startSeed;
  }

  /** The next draw. */
  next(): Draw {
    return drawOf(this.startSeed, this.stream++);
  }

  /** Seed and number of draws. */
  state(): { readonly json: { readonly seed: number; readonly stream: number } } {
    return { json: { seed: this.startSeed, stream: this.stream } };
  }

  checkState(state: PartState): void {
    for (const name of ['seed', 'stream']) countOf('Generator', state, name);
  }

  loadState(state: PartState): void {
    this.checkState(state);
    this.startSeed = countOf('Generator', state, 'seed');
    this.stream = countOf('Generator', state, 'stream');
  }
}

/** The draw of a seed and stream, for draws that must be found again by number. */
export function drawOf(seed: number, stream: number): Draw {
  return { seed: [seed >>> 0, Math.floor(seed / 2 ** 32)], stream };
}

let current = new Generator(0);

/** Restarts the default generator, which `rand`, `randn` and `dropout` use when not given one. */
export function manualSeed(seed: number): void {
  current = new Generator(seed);
}

/** The default generator. */
export function defaultGenerator(): Generator {
  return current;
}

/** Uniform numbers on the host: `next()` walks the indices of one draw. For shuffling and augmentation. */
export class HostRandom {
  private index = 0;

  constructor(private readonly draw: Draw) {}

  /** A uniform number in [0, 1). */
  uniform(): number {
    return toUniform(threefry(this.draw.seed, [this.index++, this.draw.stream])[0]);
  }

  /** An integer in [0, n). */
  integer(n: number): number {
    return Math.floor(this.uniform() * n);
  }

  /** A normal number of mean 0 and deviation 1 (Box-Muller). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /** The integers 0..n-1 in random order (Fisher-Yates). */
  permutation(n: number): Uint32Array {
    const order = Uint32Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      [order[i], order[j]] = [order[j]!, order[i]!];
    }
    return order;
  }
}
