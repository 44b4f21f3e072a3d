/**
 * Random numbers by counting: Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror, Shaw, "Parallel random
 * numbers: as easy as 1, 2, 3", SC 2011), which backends print from its constants, and on the host.
 *
 * Word `lane` of `threefry(seed, [index, stream])` is a pure function, so every backend, thread and tile gets the
 * same bits for element `index` of draw `stream` without keeping or passing on any state. A uniform number is the
 * top 24 bits times 2^-24: in [0, 1), exact in float32.
 */
import type { Draw, WordPair } from '../core/random.js';

/** Rotations of the eight round positions (Random123's constants for 2x32). */
export const threefryRotations = [13, 15, 26, 6, 17, 29, 16, 24] as const;

/** XORed with the two key words to give the third (Skein's parity constant, 32-bit form). */
export const threefryParity = 0x1bd11bda;

/** Number of rounds. */
export const threefryRounds = 20;

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
