/**
 * Sums and extremes as SIMD code, for the two layouts there are in practice:
 *
 *     rows     the reduced axes end in a dense run: one result after the other, the run in four vectors at a time
 *     columns  the kept axes end in a dense run: sixteen results at a time, walking over the reduced axes
 *
 * The order of the additions depends on the layout alone. Kept and reduced axes are three each, missing ones of
 * size 1; in `rows` the last reduced axis is the run, in `columns` the last kept one is.
 */

import {
  f32x4,
  type I32,
  i32,
  i32x4,
  type Local,
  select,
  type V128,
  type Value,
  v128,
  while_,
} from '../../asm/instructions.js';
import type { Lanes } from '../../asm/lanes.js';
import { forRuns } from '../../asm/runs.js';
import { emitUnits } from '../../asm/units.js';
import { WordLayout, type WordsOf } from '../../asm/words.js';
import type { Features } from '../../plan.js';

export type ReduceOp = 'sum' | 'max' | 'min';

/** Words; strides are in bytes. `units` counts results (`rows`) or runs of up to sixteen results (`columns`). */
export const reduceWords = new WordLayout(
  'x',
  'out',
  'scale',
  'units',
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

const combine: Readonly<Record<ReduceOp, (a: V128, b: V128) => V128>> = {
  sum: f32x4.add,
  max: f32x4.max,
  min: f32x4.min,
};

/** What an operation starts from: it changes nothing. */
const neutral: Readonly<Record<ReduceOp, number>> = { sum: 0, max: -Infinity, min: Infinity };

/** Results that `columns` works out at a time. */
export const columnBlock = 16;

/** Emits `reduce(address of words, thread, threads)` for one of the layouts. */
export function emitReduce(
  op: ReduceOp,
  layout: 'rows' | 'columns',
  features: Features,
): Uint8Array<ArrayBuffer> {
  return emitUnits('reduce', reduceWords, features, ({ l, w, words }) => {
    const scale = l.once('scale', () => reduceWords.splat(words, 'scale'));
    return (unit) => (layout === 'rows' ? oneResult : oneBlock)(l, op, w, scale, unit);
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

/** Runs `body` for every index of the axes (outermost first); it gets an address that walks along from `start`. */
function forAxes(
  l: Lanes,
  start: Local<'i32'>,
  axes: readonly (readonly [size: Local<'i32'>, stride: Local<'i32'>])[],
  body: (at: Local<'i32'>) => void,
): void {
  const [axis, ...inner] = axes;
  if (axis === undefined) {
    body(start);
    return;
  }
  const [size, stride] = axis;
  const at = l.let<'i32'>(start);
  const left = l.let<'i32'>(size);
  const turn = l.block(() => forAxes(l, at, inner, body));
  l.do(while_(left, [turn, at.set(i32.add(at, stride)), left.set(i32.sub(left, 1))]));
}

/** `rows`: the result number `unit`. */
function oneResult(l: Lanes, op: ReduceOp, w: Words, scale: V128, unit: Local<'i32'>): void {
  const rest = l.let(i32.divU(unit, w.kept2));
  const index = [i32.divU(rest, w.kept1), i32.remU(rest, w.kept1), i32.remU(unit, w.kept2)];
  const x = offset(l, w.x, index, [w.keptStride0, w.keptStride1, w.keptStride2]);
  const out = offset(l, w.out, index, [w.outStride0, w.outStride1, w.outStride2]);
  const sums = Array.from({ length: 4 }, () => l.let(l.f32(neutral[op])));
  const axes = [
    [w.reduced0, w.reducedStride0],
    [w.reduced1, w.reducedStride1],
  ] as const;
  forAxes(l, x, axes, (start) => {
    const at = l.let<'i32'>(start);
    forRuns(l, w.reduced2, [at], (run) => {
      for (let i = 0; i < run.vectors; i++) {
        // A single element counts once: the other lanes get what changes nothing.
        const value = run.single ? firstLane(l, op, run.load(at, i)) : run.load(at, i);
        l.do(sums[i]!.set(combine[op](sums[i]!, value)));
      }
    });
  });
  const [a, b, c, d] = sums;
  let total = l.let(combine[op](combine[op](a!, b!), combine[op](c!, d!)));
  total = l.let(combine[op](total, v128.shuffle32(total, total, 2, 3, 0, 1)));
  total = l.let(combine[op](total, v128.shuffle32(total, total, 1, 0, 3, 2)));
  l.do(v128.store32Lane(out, f32x4.mul(total, scale), 0));
}

function firstLane(l: Lanes, op: ReduceOp, value: V128): V128 {
  const first = l.once('first lane', () => i32x4.const(-1, 0, 0, 0));
  return v128.bitselect(value, l.f32(neutral[op]), first);
}

/** `columns`: run number `unit` of up to sixteen results. */
function oneBlock(l: Lanes, op: ReduceOp, w: Words, scale: V128, unit: Local<'i32'>): void {
  const blocks = i32.divU(i32.add(w.kept2, columnBlock - 1), columnBlock);
  const perRow = l.let(blocks);
  const row = l.let(i32.divU(unit, perRow));
  const first = l.let(i32.mul(i32.remU(unit, perRow), columnBlock));
  const left = l.let(i32.sub(w.kept2, first));
  const count = l.let(select(i32.ltU(left, columnBlock), left, i32.const(columnBlock)));
  const index = [i32.divU(row, w.kept1), i32.remU(row, w.kept1), first];
  const x = offset(l, w.x, index, [w.keptStride0, w.keptStride1, 4]);
  const out = offset(l, w.out, index, [w.outStride0, w.outStride1, 4]);
  const axes = [
    [w.reduced0, w.reducedStride0],
    [w.reduced1, w.reducedStride1],
    [w.reduced2, w.reducedStride2],
  ] as const;
  forRuns(l, count, [x, out], (run) => {
    const sums = Array.from({ length: run.vectors }, () => l.let(l.f32(neutral[op])));
    forAxes(l, x, axes, (at) => {
      sums.forEach((sum, i) => {
        l.do(sum.set(combine[op](sum, run.load(at, i))));
      });
    });
    sums.forEach((sum, i) => {
      l.do(run.store(out, i, f32x4.mul(sum, scale)));
    });
  });
}
