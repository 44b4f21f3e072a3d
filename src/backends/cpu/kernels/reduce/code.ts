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

import type { FoldOp } from '../../../../core/backend.js';
import { if_, while_ } from '../../asm/flow.js';
import { type I32, i32, type Local, type V128, type Value, v128 } from '../../asm/instructions.js';
import { type Lanes, smaller } from '../../asm/lanes.js';
import { elementsOf, forRuns } from '../../asm/runs.js';
import { tree } from '../../asm/sums.js';
import { emitUnits } from '../../asm/units.js';
import { WordLayout, type WordsOf } from '../../asm/words.js';
import type { Features } from '../../plan.js';
import { combine, type Fold, firstLane, floatsInMemory, foldOf, sumsInMemory } from './folds.js';

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

/** Emits `reduce(address of words, thread, threads)` for one of the layouts; `short` is of `columns` alone. */
export function emitReduce(
  op: FoldOp,
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
function oneResult(l: Lanes, op: FoldOp, w: Words, scale: V128, unit: Local<'i32'>): void {
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
function oneBlock(l: Lanes, op: FoldOp, w: Words, scale: V128, unit: Local<'i32'>, short: boolean): void {
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
  op: FoldOp,
  w: Words,
  scale: V128,
  unit: Local<'i32'>,
  scratch: Local<'i32'>,
): void {
  const { count, x, out } = blockAt(l, w, unit, blockOf.wide);
  const results = op === 'sum' ? sumsInMemory(l) : floatsInMemory(l, op);
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
