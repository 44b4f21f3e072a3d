/**
 * Long sums of float32 numbers: a few dozen terms in single precision, and what comes out in double precision. So the
 * error stays within that of the few however many terms there are, and the cost near that of one plain accumulator.
 */
import { f32x4, f64x2, type Local, type V128, v128 } from './instructions.js';
import type { Lanes } from './lanes.js';

/** Lanes 0 and 1 as float64. */
export const lowDoubles = (x: V128): V128 => f64x2.promoteLowF32x4(x);

/** Lanes 2 and 3 as float64. */
export const highDoubles = (x: V128): V128 => f64x2.promoteLowF32x4(v128.shuffle32(x, x, 2, 3, 2, 3));

/** Four float64 lanes as float32. */
export const narrowed = (low: V128, high: V128): V128 =>
  v128.shuffle32(f32x4.demoteF64x2Zero(low), f32x4.demoteF64x2Zero(high), 0, 1, 4, 5);

/** Terms by twos, and their results by twos: `(a + b) + (c + d)` for `combine` an addition. */
export function tree(terms: readonly V128[], combine: (a: V128, b: V128) => V128): V128 {
  if (terms.length <= 1) return terms[0]!;
  const half = terms.length >> 1;
  return combine(tree(terms.slice(0, half), combine), tree(terms.slice(half), combine));
}

/** Four sums, one a lane. */
export class LongSum {
  private readonly low: Local<'v128'>;
  private readonly high: Local<'v128'>;
  private readonly parts: readonly Local<'v128'>[];

  /** Starts them at 0. @param ways accumulators that take turns, so that additions needn't wait for each other */
  constructor(
    private readonly l: Lanes,
    ways: number,
  ) {
    this.low = l.let(l.f64(0));
    this.high = l.let(l.f64(0));
    this.parts = Array.from({ length: ways }, () => l.let(l.f32(0)));
  }

  /** Adds the lanes of at most `ways` terms. A few dozen such additions later `settle` must follow. */
  add(terms: readonly V128[]): void {
    terms.forEach((term, i) => {
      const part = this.parts[i]!;
      this.l.do(part.set(f32x4.add(part, term)));
    });
  }

  /** Empties the accumulators into the sums. */
  settle(): void {
    const { l, low, high, parts } = this;
    const sum = l.let(tree(parts, f32x4.add));
    l.do(
      low.set(f64x2.add(low, lowDoubles(sum))),
      high.set(f64x2.add(high, highDoubles(sum))),
      parts.map((part) => part.set(l.f32(0))),
    );
  }

  /** The sums, once settled, times `factor` (a float32 vector, all lanes alike). */
  lanes(factor: V128): V128 {
    const scale = this.l.let(lowDoubles(factor));
    return narrowed(f64x2.mul(this.low, scale), f64x2.mul(this.high, scale));
  }

  /** The sum of all four, once settled, times `factor` (a float32 vector), in lane 0. */
  total(factor: V128): V128 {
    const pair = this.l.let(f64x2.add(this.low, this.high));
    const both = f64x2.add(pair, v128.shuffle32(pair, pair, 2, 3, 2, 3));
    return f32x4.demoteF64x2Zero(f64x2.mul(both, lowDoubles(factor)));
  }
}
