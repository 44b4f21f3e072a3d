/**
 * Selection along an axis, `out[o, j, i] = x[o, index[o, j, i], i]`, and its gradient, which adds up where an index
 * occurs more than once, j in rising order.
 *
 * A unit of work is one o and a run of up to 1024 neighbouring i, all j: a thread owns what it adds to. Where the
 * index doesn't depend on i (whole rows are selected) runs are copied or added as vectors.
 */

import {
  type Code,
  choose,
  f32,
  f32x4,
  forRange,
  type I32,
  i32,
  if_,
  type Local,
  memory,
  select,
} from '../../asm/instructions.js';
import type { Lanes } from '../../asm/lanes.js';
import { forRuns } from '../../asm/runs.js';
import { emitUnits } from '../../asm/units.js';
import { WordLayout, type WordsOf } from '../../asm/words.js';
import type { Features } from '../../plan.js';

/** Neighbouring elements of a unit. */
export const selectRun = 1024;

/**
 * Words: `source` is x, or the gradient that is scattered; A is the size of the axis that indices point into, J
 * theirs. `missing` is what an index outside [0, A) selects, as bits. Strides are in bytes.
 */
export const selectWords = new WordLayout(
  'source',
  'index',
  'out',
  'units',
  'runs',
  'A',
  'J',
  'I',
  'missing',
  'indexO',
  'indexJ',
  'indexI',
  'sourceO',
  'sourceJ',
  'sourceI',
);

type Words = WordsOf<typeof selectWords>;

/** The o of a unit, its first i and the number of them. */
function unitOf(l: Lanes, w: Words, unit: Local<'i32'>) {
  const o = l.let(i32.divU(unit, w.runs));
  const first = l.let(i32.mul(i32.sub(unit, i32.mul(o, w.runs)), selectRun));
  const left = l.let(i32.sub(w.I, first));
  const count = l.let(select(i32.ltU(left, selectRun), left, i32.const(selectRun)));
  return { o, first, count };
}

const bytes = (elements: I32) => i32.shl(elements, 2);

/** Emits `gather(address of words, thread, threads)` for elements of 4 bytes. */
export function emitGather(wholeRows: boolean, features: Features): Uint8Array<ArrayBuffer> {
  return emitUnits('gather', selectWords, features, ({ l, w }) => (unit) => {
    const { o, first, count } = unitOf(l, w, unit);
    const plane = l.let(i32.add(w.source, bytes(i32.add(i32.mul(i32.mul(o, w.A), w.I), first))));
    const line = l.let(i32.add(w.out, bytes(i32.add(i32.mul(i32.mul(o, w.J), w.I), first))));
    forIndices(l, w, o, first, (index) => {
      const to = l.let<'i32'>(line);
      const chosen = (i: I32) => i32.add(plane, bytes(i32.add(i32.mul(i32.load(index), w.I), i)));
      const [i, valid] = [l.variable('i32'), i32.ltU(i32.load(index), w.A)];
      if (wholeRows) {
        const next = i32.store(to, w.missing);
        const fill = forRange(i, 0, count, 1, [next, to.set(i32.add(to, 4))]);
        l.do(if_(valid, memory.copy(to, chosen(0), bytes(count)), fill));
      } else {
        const value = choose(valid, i32.load(chosen(i)), w.missing);
        const step = [i32.store(to, value), to.set(i32.add(to, 4)), index.set(i32.add(index, w.indexI))];
        l.do(forRange(i, 0, count, 1, step));
      }
      l.do(line.set(i32.add(line, bytes(w.I))));
    });
  });
}

/** Emits `scatterAdd(address of words, thread, threads)` for float32. `wholeRows` takes rows of grad to be dense. */
export function emitScatterAdd(wholeRows: boolean, features: Features): Uint8Array<ArrayBuffer> {
  return emitUnits('scatterAdd', selectWords, features, ({ l, w }) => (unit) => {
    const { o, first, count } = unitOf(l, w, unit);
    const plane = l.let(i32.add(w.out, bytes(i32.add(i32.mul(i32.mul(o, w.A), w.I), first))));
    const [a, to] = [l.variable('i32'), l.let<'i32'>(plane)];
    const clear: Code = [memory.fill(to, 0, bytes(count)), to.set(i32.add(to, bytes(w.I)))];
    l.do(forRange(a, 0, w.A, 1, clear));

    const line = l.let(i32.add(i32.add(w.source, i32.mul(o, w.sourceO)), i32.mul(first, w.sourceI)));
    forIndices(l, w, o, first, (index) => {
      const from = l.let<'i32'>(line);
      const [i, valid] = [l.variable('i32'), i32.ltU(i32.load(index), w.A)];
      const target = (i: I32) => i32.add(plane, bytes(i32.add(i32.mul(i32.load(index), w.I), i)));
      if (wholeRows) {
        const addRow = l.block(() => {
          l.do(to.set(target(0)));
          forRuns(l, count, [from, to], (run) => {
            for (let k = 0; k < run.vectors; k++) {
              l.do(run.store(to, k, f32x4.add(run.load(to, k), run.load(from, k))));
            }
          });
        });
        l.do(if_(valid, addRow));
      } else {
        const add = [to.set(target(i)), f32.store(to, f32.add(f32.load(to), f32.load(from)))];
        const advance = [from.set(i32.add(from, w.sourceI)), index.set(i32.add(index, w.indexI))];
        l.do(forRange(i, 0, count, 1, [if_(valid, add), advance]));
      }
      l.do(line.set(i32.add(line, w.sourceJ)));
    });
  });
}

/** Runs `body` for each j, with the address of index (o, j, first) in a variable that it may move. */
function forIndices(
  l: Lanes,
  w: Words,
  o: Local<'i32'>,
  first: Local<'i32'>,
  body: (index: Local<'i32'>) => void,
): void {
  const start = l.let(i32.add(i32.add(w.index, i32.mul(o, w.indexO)), i32.mul(first, w.indexI)));
  const j = l.variable('i32');
  const perIndex = l.block(() => {
    body(l.let<'i32'>(start));
    l.do(start.set(i32.add(start, w.indexJ)));
  });
  l.do(forRange(j, 0, w.J, 1, perIndex));
}
