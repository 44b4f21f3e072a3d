/**
 * The gradient of selection along an axis: `out[o, a, i] = sum over j with index[o, j, i] == a of grad[o, j, i]`, j in
 * rising order.
 *
 *     elements   every element has an index: a unit adds to out, or of many j to doubles in scratch memory, `[A, run]`
 *     rows       an index counts for whole rows: first a list is made for each a of the rows j that point to it
 *                (`heads[a]` is the first, `nexts[j]` the one after j, -1 none), then each row of out is summed along its
 *                list in doubles, and written once
 */
import { forRange, if_, while_ } from '../../asm/flow.js';
import { f32, f64, i32, type Local, memory } from '../../asm/instructions.js';
import { forRuns } from '../../asm/runs.js';
import { LongSum } from '../../asm/sums.js';
import { emitUnits } from '../../asm/units.js';
import { WordLayout } from '../../asm/words.js';
import type { Features } from '../../plan.js';
import { bytes, forIndices, selectWords, unitOf } from './code.js';

/** Emits `scatterFew(address of words, thread, threads)`: elements, of few j. */
export function emitScatterFew(features: Features): Uint8Array<ArrayBuffer> {
  return emitUnits('scatterFew', selectWords, features, ({ l, w }) => (unit) => {
    const { o, first, count } = unitOf(l, w, unit);
    const plane = l.let(i32.add(w.out, bytes(i32.add(i32.mul(i32.mul(o, w.A), w.I), first))));
    const [i, a, to] = [l.variable('i32'), l.variable('i32'), l.let<'i32'>(plane)];
    const clear = [memory.fill(to, 0, bytes(count)), to.set(i32.add(to, bytes(w.I)))];
    l.do(forRange(a, 0, w.A, 1, clear));
    const line = l.let(i32.add(i32.add(w.source, i32.mul(o, w.sourceO)), i32.mul(first, w.sourceI)));
    forIndices(l, w, o, first, (index) => {
      const from = l.let<'i32'>(line);
      const target = i32.add(plane, bytes(i32.add(i32.mul(i32.load(index), w.I), i)));
      const add = [to.set(target), f32.store(to, f32.add(f32.load(to), f32.load(from)))];
      const advance = [from.set(i32.add(from, w.sourceI)), index.set(i32.add(index, w.indexI))];
      l.do(
        forRange(i, 0, count, 1, [if_(i32.ltU(i32.load(index), w.A), add), advance]),
        line.set(i32.add(line, w.sourceJ)),
      );
    });
  });
}

/** Emits `scatterMany(address of words, thread, threads)`: elements, of many j. */
export function emitScatterMany(features: Features): Uint8Array<ArrayBuffer> {
  return emitUnits('scatterMany', selectWords, features, ({ l, w, thread }) => {
    const sums = l.let(i32.add(w.scratch, i32.mul(thread, w.scratchBytes)));
    return (unit) => {
      const { o, first, count } = unitOf(l, w, unit);
      l.do(memory.fill(sums, 0, i32.shl(i32.mul(w.A, count), 3)));
      const line = l.let(i32.add(i32.add(w.source, i32.mul(o, w.sourceO)), i32.mul(first, w.sourceI)));
      const [i, a, at, to] = [l.variable('i32'), l.variable('i32'), l.variable('i32'), l.variable('i32')];
      forIndices(l, w, o, first, (index) => {
        const from = l.let<'i32'>(line);
        const place = i32.add(i32.mul(i32.load(index), count), i);
        const sum = f64.add(f64.load(at), f64.promoteF32(f32.load(from)));
        const add = [at.set(i32.add(sums, i32.shl(place, 3))), f64.store(at, sum)];
        const advance = [from.set(i32.add(from, w.sourceI)), index.set(i32.add(index, w.indexI))];
        l.do(
          forRange(i, 0, count, 1, [if_(i32.ltU(i32.load(index), w.A), add), advance]),
          line.set(i32.add(line, w.sourceJ)),
        );
      });
      const plane = l.let(i32.add(w.out, bytes(i32.add(i32.mul(i32.mul(o, w.A), w.I), first))));
      const store = [
        f32.store(to, f32.demoteF64(f64.load(at))),
        at.set(i32.add(at, 8)),
        to.set(i32.add(to, 4)),
      ];
      l.do(
        at.set(sums),
        forRange(a, 0, w.A, 1, [
          to.set(plane),
          forRange(i, 0, count, 1, store),
          plane.set(i32.add(plane, bytes(w.I))),
        ]),
      );
    };
  });
}

/** Words of both commands of rows. Strides are in bytes; `headsO` and `nextsO` are 0 where all o have the same index. */
export const rowsWords = new WordLayout(
  'source',
  'index',
  'out',
  'heads',
  'nexts',
  'units',
  'A',
  'J',
  'I',
  'indexO',
  'indexJ',
  'sourceO',
  'sourceJ',
  'headsO',
  'nextsO',
);

/** Emits `link(address of words, thread, threads)`: the lists; a unit is an o. */
export function emitLink(features: Features): Uint8Array<ArrayBuffer> {
  return emitUnits('link', rowsWords, features, ({ l, w }) => (unit) => {
    const heads = l.let(i32.add(w.heads, i32.mul(unit, w.headsO)));
    const nexts = l.let(i32.add(w.nexts, i32.mul(unit, w.nextsO)));
    const index = l.let(i32.add(w.index, i32.mul(unit, w.indexO)));
    const [j, head] = [l.let<'i32'>(w.J), l.variable('i32')];
    const a = i32.load(i32.add(index, i32.mul(j, w.indexJ)));
    const link = [
      head.set(i32.add(heads, bytes(a))),
      i32.store(i32.add(nexts, bytes(j)), i32.load(head)),
      i32.store(head, j),
    ];
    l.do(memory.fill(heads, -1, bytes(w.A)), while_(j, [j.set(i32.sub(j, 1)), if_(i32.ltU(a, w.A), link)]));
  });
}

/** Emits `scatterRows(address of words, thread, threads)`: the sums along the lists; a unit is a row of out. */
export function emitScatterRows(features: Features): Uint8Array<ArrayBuffer> {
  return emitUnits('scatterRows', rowsWords, features, ({ l, w }) => (unit) => {
    const o = l.let(i32.divU(unit, w.A));
    const a = i32.sub(unit, i32.mul(o, w.A));
    const head = l.let(i32.load(i32.add(i32.add(w.heads, i32.mul(o, w.headsO)), bytes(a))));
    const nexts = l.let(i32.add(w.nexts, i32.mul(o, w.nextsO)));
    const source = l.let(i32.add(w.source, i32.mul(o, w.sourceO)));
    const out = l.let(i32.add(w.out, bytes(i32.mul(unit, w.I))));
    const isListed = (j: Local<'i32'>) => i32.geS(j, 0);
    const sumRows = l.block(() => {
      const from = l.variable('i32');
      forRuns(l, w.I, [out, source], (run) => {
        const sums = Array.from({ length: run.vectors }, () => new LongSum(l, 1));
        const j = l.let<'i32'>(head);
        const addRow = l.block(() => {
          l.do(from.set(i32.add(source, i32.mul(j, w.sourceJ))));
          sums.forEach((sum, i) => {
            sum.add([run.load(from, i)]);
            sum.settle();
          });
          l.do(j.set(i32.load(i32.add(nexts, bytes(j)))));
        });
        l.do(while_(isListed(j), addRow));
        sums.forEach((sum, i) => {
          l.do(run.store(out, i, sum.lanes(l.f32(1))));
        });
      });
    });
    l.do(if_(isListed(head), sumRows, memory.fill(out, 0, bytes(w.I))));
  });
}
