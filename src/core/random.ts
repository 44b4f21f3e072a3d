/**
 * Which random numbers are drawn: a draw names them by a seed and a stream, and word `lane` of element `index` is a pure
 * function of both (backends/threefry.ts), so that no state is kept or passed on.
 */
import { ArgumentError } from './errors.js';
import { countOf, type PartState, type Stateful } from './state.js';

/** Two 32-bit words. */
export type WordPair = readonly [number, number];

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
