/**
 * Selection along an axis, `out[o, j, i] = x[o, index[o, j, i], i]`, and what it shares with its gradient (scatter.ts).
 *
 * A unit of work is one o and a run of up to `run` neighbouring i, all j. Where the index doesn't depend on i (whole
 * rows are selected) runs are copied.
 */

import { choose, forRange, if_ } from '../../asm/flow.js';
import { type I32, i32, type Local, memory } from '../../asm/instructions.js';
import { type Lanes, smaller } from '../../asm/lanes.js';
import { emitUnits } from '../../asm/units.js';
import { WordLayout, type WordsOf } from '../../asm/words.js';
import type { Features } from '../../plan.js';

/** Neighbouring elements of a unit, unless its scratch memory would grow too large with them. */
export const selectRun = 1024;

/**
 * Words: `source` is x, or the gradient that is scattered; A is the size of the axis that indices point into, J
 * theirs. `missing` is what an index outside [0, A) selects, as bits. Strides are in bytes. `scratch` is memory of
 * `scratchBytes` for each thread.
 */
export const selectWords = new WordLayout(
  'source',
  'index',
  'out',
  'units',
  'run',
  'runs',
  'scratch',
  'scratchBytes',
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

type SelectWords = WordsOf<typeof selectWords>;

/** The o of a unit, its first i and the number of them. */
export function unitOf(l: Lanes, w: SelectWords, unit: Local<'i32'>) {
  const o = l.let(i32.divU(unit, w.runs));
  const first = l.let(i32.mul(i32.sub(unit, i32.mul(o, w.runs)), w.run));
  const count = l.let(smaller(l.let(i32.sub(w.I, first)), w.run));
  return { o, first, count };
}

export const bytes = (elements: I32) => i32.shl(elements, 2);

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

/** Runs `body` for each j, with the address of index (o, j, first) in a variable that it may move. */
export function forIndices(
  l: Lanes,
  w: SelectWords,
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
