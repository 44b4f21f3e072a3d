/**
 * Sums and extremes as SIMD code, for the layouts there are in practice:
 *
 *     rows     the reduced axes end in a dense run: one result after the other, the run in four vectors at a time
 *     columns  the kept axes end in a short dense run: sixteen results at a time, walking over the reduced axes
 *     wide     the kept axes end in a long dense run: eight lines at a time are read along it, and added to a block of
 *              results in memory
 *
 * Sums are long sums (asm/sums.ts); those of `wide` are double numbers in memory. The order of the additions depends
 * on the layout alone. Kept and reduced axes are three each, missing ones of size 1; in `rows` the last reduced axis is
 * the run, in `columns` and `wide` the last kept axis.
 */

import { if_, while_ } from '../../asm/flow.js';
import {
  f32x4,
  f64x2,
  type I32,
  i32,
  i32x4,
  type Local,
  memory,
  type V128,
  type Value,
  v128,
} from '../../asm/instructions.js';
import { type Lanes, smaller } from '../../asm/lanes.js';
import { forRuns, type Run } from '../../asm/runs.js';
import { highDoubles, LongSum, lowDoubles, narrowed, tree } from '../../asm/sums.js';
import { emitUnits } from '../../asm/units.js';
import { WordLayout, type WordsOf } from '../../asm/words.js';
import type { Features } from '../../plan.js';

export type ReduceOp = 'sum' | 'max' | 'min';

export type ReduceLayout = 'rows' | 'columns' | 'wide';

/**
 * Words; strides are in bytes. `units` counts results (`rows`) or runs of up to `blockOf` results (`columns`, `wide`);
 * `scratch` is memory of `scratchBytes` for each thread (`wide`).
 */
export const reduceWords = new WordLayout(
  'x',
  'out',
  'scale',
  'units',
  'scratch',
  'kept0',
  'kept1',
  'kept2',
  'keptStride0',
  'keptStride1',
  'keptStride2',
  'outStride0',
  'outStride1',
  'outStride2',
  'reduced0',
  'reduced1',
  'reduced2',
  'reducedStride0',
  'reducedStride1',
  'reducedStride2',
);

type Words = WordsOf<typeof reduceWords>;

/** Results of a unit. */
export const blockOf: Readonly<Record<ReduceLayout, number>> = { rows: 1, columns: 16, wide: 512 };

/** Bytes of scratch memory for each thread: a double for each result of a unit of `wide`. */
export const scratchBytes = 8 * blockOf.wide;

/** Lines that `wide` reads side by side. */
export const linesAtOnce = 8;

/** Additions to an accumulator in single precision, and the elements of a run that come to as many. */
export const mostAdditions = 64;
const runBlock = 16 * (mostAdditions - 6);

/** What results are gathered in, four of them side by side. */
type Fold = Pick<LongSum, 'add' | 'settle' | 'lanes' | 'total'>;

const combine: Readonly<Record<ReduceOp, (a: V128, b: V128) => V128>> = {
  sum: f32x4.add,
  max: f32x4.max,
  min: f32x4.min,
};

/** What an operation starts from: it changes nothing. */
const neutral: Readonly<Record<ReduceOp, number>> = { sum: 0, max: -Infinity, min: Infinity };

/**
 * @param ways accumulators that take turns
 * @param short whether there are at most `mostAdditions`, for which a sum needs no doubles
 */
function foldOf(l: Lanes, op: ReduceOp, ways: number, short = false): Fold {
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
    total: (factor) => {
      const best = l.let(tree(parts, both));
      const pairs = l.let(both(best, v128.shuffle32(best, best, 2, 3, 0, 1)));
      return f32x4.mul(both(pairs, v128.shuffle32(pairs, pairs, 1, 0, 3, 2)), factor);
    },
  };
}

/** Emits `reduce(address of words, thread, threads)` for one of the layouts; `short` is of `columns` alone. */
export function emitReduce(
  op: ReduceOp,
  layout: ReduceLayout,
  short: boolean,
  features: Features,
): Uint8Array<ArrayBuffer> {
  return emitUnits('reduce', reduceWords, features, ({ l, w, words, thread }) => {
    const scale = l.once('scale', () => reduceWords.splat(words, 'scale'));
    const scratch = l.let(i32.add(w.scratch, i32.mul(thread, scratchBytes)));
    return (unit) => {
      if (layout === 'rows') oneResult(l, op, w, scale, unit);
      else if (layout === 'columns') oneBlock(l, op, w, scale, unit, short);
      else oneWideBlock(l, op, w, scale, unit, scratch);
    };
  });
}

/** A copy of `from` with strides[k] * indices[k] added. */
function offset(
  l: Lanes,
  from: Local<'i32'>,
  indices: readonly I32[],
  strides: readonly I32[],
): Local<'i32'> {
  return l.let(indices.reduce<Value<'i32'>>((at, i, k) => i32.add(at, i32.mul(i, strides[k]!)), from));
}

/** Runs `body` for every index of the outer two reduced axes; it gets an address that walks along from `start`. */
function forOuter(l: Lanes, w: Words, start: Local<'i32'>, body: (at: Local<'i32'>) => void): void {
  const axes = [
    [w.reduced0, w.reducedStride0],
    [w.reduced1, w.reducedStride1],
  ] as const;
  const walk = (from: Local<'i32'>, axis: number): void => {
    if (axis === axes.length) {
      body(from);
      return;
    }
    const [size, stride] = axes[axis]!;
    const at = l.let<'i32'>(from);
    const left = l.let<'i32'>(size);
    const turn = l.block(() => walk(at, axis + 1));
    l.do(while_(left, [turn, at.set(i32.add(at, stride)), left.set(i32.sub(left, 1))]));
  };
  walk(start, 0);
}

/** Runs `body` for lines from `at` on, which moves along, `atOnce` at a time and then one by one, with their addresses. */
function forLines(
  l: Lanes,
  at: Local<'i32'>,
  lines: Local<'i32'>,
  stride: Local<'i32'>,
  atOnce: number,
  body: (addresses: readonly Local<'i32'>[]) => void,
): void {
  const left = l.let<'i32'>(lines);
  for (const count of new Set([atOnce, 1])) {
    const group = l.block(() => {
      const addresses = [l.let<'i32'>(at)];
      while (addresses.length < count) addresses.push(l.let(i32.add(addresses.at(-1)!, stride)));
      l.do(at.set(i32.add(addresses.at(-1)!, stride)));
      body(addresses);
    });
    l.do(while_(i32.geU(left, count), [group, left.set(i32.sub(left, count))]));
  }
}

/** Runs `body` for `count` in blocks of at most `most`; it gets the size of the block. */
function forBlocks(l: Lanes, count: Local<'i32'>, most: number, body: (size: Local<'i32'>) => void): void {
  const left = l.let<'i32'>(count);
  const size = l.variable('i32');
  const block = l.block(() => body(size));
  l.do(while_(left, [size.set(smaller(left, most)), block, left.set(i32.sub(left, size))]));
}

/** Settles the folds before `additions` would make too many; `pending` counts those since they were settled. */
function settleInTime(
  l: Lanes,
  folds: readonly Fold[],
  pending: Local<'i32'>,
  additions: Value<'i32'>,
): void {
  const next = l.let(additions);
  const settle = l.block(() => {
    for (const fold of folds) fold.settle();
    l.do(pending.set(next));
  });
  l.do(pending.set(i32.add(pending, next)), if_(i32.gtU(pending, mostAdditions), settle));
}

/** `rows`: the result number `unit`. */
function oneResult(l: Lanes, op: ReduceOp, w: Words, scale: V128, unit: Local<'i32'>): void {
  const rest = l.let(i32.divU(unit, w.kept2));
  const index = [i32.divU(rest, w.kept1), i32.remU(rest, w.kept1), i32.remU(unit, w.kept2)];
  const x = offset(l, w.x, index, [w.keptStride0, w.keptStride1, w.keptStride2]);
  const out = offset(l, w.out, index, [w.outStride0, w.outStride1, w.outStride2]);
  const fold = foldOf(l, op, 4);
  const pending = l.variable('i32');
  l.do(pending.set(0));
  forOuter(l, w, x, (start) => {
    const at = l.let<'i32'>(start);
    forBlocks(l, w.reduced2, runBlock, (size) => {
      // At most three vectors and three single elements come after the runs of sixteen.
      if (op === 'sum') settleInTime(l, [fold], pending, i32.add(i32.shrU(size, 4), 6));
      forRuns(l, size, [at], (run) => {
        const terms = Array.from({ length: run.vectors }, (_, i) => run.load(at, i));
        // A single element counts once: the other lanes get what changes nothing.
        fold.add(run.single ? terms.map((term) => firstLane(l, op, term)) : terms);
      });
    });
  });
  fold.settle();
  l.do(v128.store32Lane(out, fold.total(scale), 0));
}

function firstLane(l: Lanes, op: ReduceOp, value: V128): V128 {
  const first = l.once('first lane', () => i32x4.const(-1, 0, 0, 0));
  return v128.bitselect(value, l.f32(neutral[op]), first);
}

/** The results of unit number `unit` of up to `block`: their number, and where their first element and they lie. */
function blockAt(l: Lanes, w: Words, unit: Local<'i32'>, block: number) {
  const perRow = l.let(i32.divU(i32.add(w.kept2, block - 1), block));
  const row = l.let(i32.divU(unit, perRow));
  const first = l.let(i32.mul(i32.remU(unit, perRow), block));
  const count = l.let(smaller(l.let(i32.sub(w.kept2, first)), block));
  const index = [i32.divU(row, w.kept1), i32.remU(row, w.kept1), first];
  const x = offset(l, w.x, index, [w.keptStride0, w.keptStride1, 4]);
  const out = offset(l, w.out, index, [w.outStride0, w.outStride1, 4]);
  return { count, x, out };
}

/** `columns`: run number `unit` of up to sixteen results. */
function oneBlock(l: Lanes, op: ReduceOp, w: Words, scale: V128, unit: Local<'i32'>, short: boolean): void {
  const { count, x, out } = blockAt(l, w, unit, blockOf.columns);
  forRuns(l, count, [x, out], (run) => {
    const ways = 4 / run.vectors;
    const folds = Array.from({ length: run.vectors }, () => foldOf(l, op, ways, short));
    const pending = l.variable('i32');
    l.do(pending.set(0));
    forOuter(l, w, x, (start) => {
      const at = l.let<'i32'>(start);
      forBlocks(l, w.reduced2, mostAdditions, (lines) => {
        if (op === 'sum' && !short) settleInTime(l, folds, pending, lines);
        forLines(l, at, lines, w.reducedStride2, ways, (addresses) => {
          folds.forEach((fold, i) => {
            fold.add(addresses.map((address) => run.load(address, i)));
          });
        });
      });
    });
    folds.forEach((fold, i) => {
      fold.settle();
      l.do(run.store(out, i, fold.lanes(scale)));
    });
  });
}

/** `wide`: run number `unit` of results, gathered in `scratch`. */
function oneWideBlock(
  l: Lanes,
  op: ReduceOp,
  w: Words,
  scale: V128,
  unit: Local<'i32'>,
  scratch: Local<'i32'>,
): void {
  const { count, x, out } = blockAt(l, w, unit, blockOf.wide);
  const results = op === 'sum' ? sumsInMemory(l) : extremesInMemory(l, op);
  results.clear(scratch, count);
  forOuter(l, w, x, (start) => {
    const line = l.let<'i32'>(start);
    forLines(l, line, w.reduced2, w.reducedStride2, linesAtOnce, (addresses) => {
      const to = l.let<'i32'>(scratch);
      forRuns(l, count, addresses, (run) => {
        for (let i = 0; i < run.vectors; i++) {
          const lines = addresses.map((address) => run.load(address, i));
          results.fold(run, to, i, l.let(tree(lines, combine[op])));
        }
        l.do(to.set(i32.add(to, results.bytes * elementsOf(run))));
      });
    });
  });
  const from = l.let<'i32'>(scratch);
  forRuns(l, count, [out], (run) => {
    for (let i = 0; i < run.vectors; i++) l.do(run.store(out, i, results.scaled(run, from, i, scale)));
    l.do(from.set(i32.add(from, results.bytes * elementsOf(run))));
  });
}

const elementsOf = (run: Run): number => (run.single ? 1 : 4 * run.vectors);

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
function sumsInMemory(l: Lanes): InMemory {
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

/** Extremes as they are. */
function extremesInMemory(l: Lanes, op: ReduceOp): InMemory {
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
