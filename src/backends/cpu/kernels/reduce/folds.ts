/**
 * Sums and extremes as SIMD code, in registers or in memory: what reductions and row-wise kernels gather results in.
 */
import type { FoldOp } from '../../../../core/backend.js';
import { f32x4, f64x2, i32, i32x4, type Local, memory, type V128, v128 } from '../../asm/instructions.js';
import type { Lanes } from '../../asm/lanes.js';
import { forRuns, type Run } from '../../asm/runs.js';
import { highDoubles, LongSum, lowDoubles, narrowed, tree } from '../../asm/sums.js';

/** What results are gathered in, four of them side by side. */
export type Fold = Pick<LongSum, 'add' | 'settle' | 'lanes' | 'total'>;

/** How an operation takes in further elements. */
export const combine: Readonly<Record<FoldOp, (a: V128, b: V128) => V128>> = {
  sum: f32x4.add,
  max: f32x4.max,
  min: f32x4.min,
};

/** All four lanes combined, in every lane. */
export function acrossLanes(l: Lanes, value: V128, both: (a: V128, b: V128) => V128): V128 {
  const pairs = l.let(both(value, v128.shuffle32(value, value, 2, 3, 0, 1)));
  return both(pairs, v128.shuffle32(pairs, pairs, 1, 0, 3, 2));
}

/** What an operation starts from: it changes nothing. */
const neutral: Readonly<Record<FoldOp, number>> = { sum: 0, max: -Infinity, min: Infinity };

/**
 * @param ways accumulators that take turns
 * @param short whether there are at most `mostAdditions`, for which a sum needs no doubles
 */
export function foldOf(l: Lanes, op: FoldOp, ways: number, short = false): Fold {
  if (op === 'sum' && !short) return new LongSum(l, ways);
  const both = combine[op];
  const parts = Array.from({ length: ways }, () => l.let(l.f32(neutral[op])));
  return {
    add: (terms) => {
      terms.forEach((term, i) => {
        l.do(parts[i]!.set(both(parts[i]!, term)));
      });
    },
    settle: () => {},
    lanes: (factor) => f32x4.mul(tree(parts, both), factor),
    total: (factor) => f32x4.mul(acrossLanes(l, l.let(tree(parts, both)), both), factor),
  };
}

/**
 * Takes in any number of terms with one accumulator, and must be settled for all operations. Extremes that know of NaN cost
 * eight instructions for each term; here they are three, one that drops a NaN and two that remember that there was one.
 */
export function rowFold(l: Lanes, op: FoldOp): Fold {
  const plain = foldOf(l, op, 1);
  if (op === 'sum') {
    return {
      add: (terms) => plain.add([l.let(tree(terms, f32x4.add))]),
      settle: () => plain.settle(),
      lanes: (factor) => plain.lanes(factor),
      total: (factor) => plain.total(factor),
    };
  }
  const best = quickFold(l, op);
  const nan = l.let(l.i32(0));
  return {
    ...plain,
    add: (terms) => {
      best.add(terms);
      const each = terms.map((term) => f32x4.ne(term, term));
      l.do(nan.set(v128.or(nan, tree(each, v128.or))));
    },
    settle: () => plain.add([v128.or(best.lanes(), nan)]),
  };
}

/** An extreme that drops NaN. */
export function quickFold(l: Lanes, op: 'max' | 'min') {
  const quick = op === 'max' ? f32x4.pmax : f32x4.pmin;
  const best = l.let(l.f32(neutral[op]));
  return {
    add: (terms: readonly V128[]): void => l.do(best.set(quick(best, l.let(tree(terms, quick))))),
    lanes: (): V128 => best,
  };
}

/** The first lane of a value, and in the others what changes nothing. */
export function firstLane(l: Lanes, op: FoldOp, value: V128): V128 {
  const first = l.once('first lane', () => i32x4.const(-1, 0, 0, 0));
  return v128.bitselect(value, l.f32(neutral[op]), first);
}

/** Results gathered in memory, from an address on that walks along with the runs. */
interface InMemory {
  /** Bytes of a result. */
  readonly bytes: number;
  clear(at: Local<'i32'>, count: Local<'i32'>): void;
  /** Takes vector number i of a run in. */
  fold(run: Run, at: Local<'i32'>, i: number, terms: V128): void;
  /** Vector number i of a run, times a factor. */
  scaled(run: Run, at: Local<'i32'>, i: number, factor: V128): V128;
}

/** Sums as doubles. */
export function sumsInMemory(l: Lanes): InMemory {
  return {
    bytes: 8,
    clear: (at, count) => l.do(memory.fill(at, 0, i32.shl(count, 3))),
    fold: (run, at, i, terms) => {
      const low = lowDoubles(terms);
      if (run.single) {
        l.do(v128.store64Lane(at, f64x2.add(v128.load64Zero(at), low), 0));
        return;
      }
      l.do(
        v128.store(at, f64x2.add(v128.load(at, 32 * i), low), 32 * i),
        v128.store(at, f64x2.add(v128.load(at, 32 * i + 16), highDoubles(terms)), 32 * i + 16),
      );
    },
    scaled: (run, at, i, factor) => {
      const scale = l.let(lowDoubles(factor));
      const times = (sum: V128): V128 => f64x2.mul(sum, scale);
      if (run.single) return f32x4.demoteF64x2Zero(times(v128.load64Zero(at)));
      return narrowed(times(v128.load(at, 32 * i)), times(v128.load(at, 32 * i + 16)));
    },
  };
}

/** Extremes, and sums of a few dozen terms, in single precision. */
export function floatsInMemory(l: Lanes, op: FoldOp): InMemory {
  return {
    bytes: 4,
    clear: (at, count) => {
      const to = l.let<'i32'>(at);
      forRuns(l, count, [to], (run) => {
        for (let i = 0; i < run.vectors; i++) l.do(run.store(to, i, l.f32(neutral[op])));
      });
    },
    fold: (run, at, i, terms) => l.do(run.store(at, i, combine[op](run.load(at, i), terms))),
    scaled: (run, at, i, factor) => f32x4.mul(run.load(at, i), factor),
  };
}
