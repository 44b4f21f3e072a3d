/**
 * Pooling and its gradient as SIMD code.
 *
 * Forward, a thread takes whole rows of outputs. The columns `[first, last)` whose windows lie within the image's
 * width go four at a time: tap j of four windows is one load where the stride is 1, two loads and a shuffle where
 * it is 2 or 3. The other columns go one at a time. A pixel replaces the best so far if it isn't less than or equal
 * to it and that isn't NaN, so that the first largest stays and NaN is the largest.
 *
 * Backward, a thread takes whole planes and scatters into them: max adds each gradient at its index, avg spreads it.
 */

import { forRange, if_, select, while_ } from '../../asm/flow.js';
import {
  type Code,
  f32,
  f32x4,
  f64,
  type I32,
  i32,
  i32x4,
  type Local,
  memory,
  type V128,
  type Value,
  v128,
} from '../../asm/instructions.js';
import type { Lanes } from '../../asm/lanes.js';
import { LongSum } from '../../asm/sums.js';
import { emitUnits } from '../../asm/units.js';
import { WordLayout, type WordsOf } from '../../asm/words.js';
import type { Features } from '../../plan.js';

/** What the code of a pooling depends on. */
export interface PoolKind {
  readonly mode: 'max' | 'avg';
  /** Whether the forward pass writes indices. */
  readonly indices: boolean;
  /** Columns of the window. */
  readonly columns: number;
  /** Horizontal stride. */
  readonly step: number;
  /** Whether an average is of so many pixels that they are added up in double precision. */
  readonly long: boolean;
}

/** Pixels that are added up in single precision. */
export const mostShort = 64;

/**
 * Words of both directions: x and out are the larger and the smaller image whichever is written; `units` counts
 * planes (forward: rows of all planes).
 */
export const poolWords = new WordLayout(
  'x',
  'out',
  'indices',
  'units',
  'H',
  'W',
  'OH',
  'OW',
  'kernelRows',
  'kernelColumns',
  'strideRows',
  'strideColumns',
  'top',
  'left',
  'bottom',
  'right',
  'first',
  'last',
  'countPadding',
);

type Words = WordsOf<typeof poolWords>;

const minS = (a: Value<'i32'>, b: Value<'i32'>): Value<'i32'> => select(i32.ltS(a, b), a, b);
const maxS = (a: Value<'i32'>, b: I32): Value<'i32'> => select(i32.gtS(a, b), a, b);
const bytes = (elements: I32): Value<'i32'> => i32.shl(elements, 2);

/** Where the window of output index `o` begins, and the part of it within `[0, size)`; the divisor's extent. */
function clip(l: Lanes, w: Words, o: Local<'i32'>, axis: 'rows' | 'columns') {
  const vertical = axis === 'rows';
  const size = vertical ? w.H : w.W;
  const kernel = vertical ? w.kernelRows : w.kernelColumns;
  const start = i32.sub(i32.mul(o, vertical ? w.strideRows : w.strideColumns), vertical ? w.top : w.left);
  const begin = l.let(start);
  const stop = l.let(i32.add(begin, kernel));
  const padded = i32.sub(minS(stop, i32.add(size, vertical ? w.bottom : w.right)), begin);
  const count = l.let(padded);
  l.do(begin.set(maxS(begin, 0)), stop.set(minS(stop, size)));
  l.do(count.set(select(w.countPadding, count, i32.sub(stop, begin))));
  return { begin, stop, count };
}

/** Elements `0, step, 2 step, 3 step` from an address on. */
function everyStep(address: Local<'i32'>, step: number, offset: number): V128 {
  if (step === 1) return v128.load(address, offset);
  if (step === 2) {
    return v128.shuffle32(v128.load(address, offset), v128.load(address, offset + 12), 0, 2, 5, 7);
  }
  if (step === 3) {
    return v128.shuffle32(v128.load(address, offset), v128.load(address, offset + 24), 0, 3, 4, 7);
  }
  return [1, 2, 3].reduce<V128>(
    (lanes, k) => i32x4.replaceLane(lanes, k, i32.load(address, offset + 4 * step * k)),
    v128.load32Zero(address, offset),
  );
}

/** Windows of at most so many columns are unrolled. */
const maxUnrolled = 8;

/** Emits `pool(address of words, thread, threads)`; a unit is a row of outputs. */
export function emitPool(kind: PoolKind, features: Features): Uint8Array<ArrayBuffer> {
  return emitUnits('pool', poolWords, features, ({ l, w }) => {
    const column = l.variable('i32');
    const stop = l.variable('i32');
    const wide = l.let(i32.geS(i32.sub(w.last, w.first), 4));
    return (row) => {
      const plane = l.let(i32.divU(row, w.OH));
      const y = l.let(i32.sub(row, i32.mul(plane, w.OH)));
      const rows = clip(l, w, y, 'rows');
      const image = l.let(i32.add(w.x, bytes(i32.mul(plane, i32.mul(w.H, w.W)))));
      const firstRow = l.let(i32.mul(rows.begin, w.W));
      const outRow = l.let(bytes(i32.mul(row, w.OW)));
      const line: Line = { rows, image, firstRow, outRow };
      const one = l.block(() => oneWindow(l, kind, w, line, column));
      const ones = (from: I32, to: I32): Code => forRange(column, from, to, 1, one);
      const four = l.block(() => fourWindows(l, kind, w, line, column));
      const mostlyFours = [
        ones(0, w.first),
        column.set(w.first),
        stop.set(i32.sub(w.last, 4)),
        while_(i32.ltU(column, stop), [four, column.set(i32.add(column, 4))]),
        // The last four, whether or not some of them are done.
        column.set(stop),
        four,
        ones(w.last, w.OW),
      ];
      l.do(if_(wide, mostlyFours, ones(0, w.OW)));
    };
  });
}

/** What the windows of a row of outputs share. */
interface Line {
  readonly rows: ReturnType<typeof clip>;
  /** Address of the plane. */
  readonly image: Local<'i32'>;
  /** Index of the first pixel of the windows' first row. */
  readonly firstRow: Local<'i32'>;
  /** Bytes from out's beginning to this row. */
  readonly outRow: Local<'i32'>;
}

/** Outputs `column` to `column + 3`. */
function fourWindows(l: Lanes, kind: PoolKind, w: Words, line: Line, column: Local<'i32'>): void {
  const { rows, image, firstRow, outRow } = line;
  const max = kind.mode === 'max';
  const first = l.let(i32.add(firstRow, i32.sub(i32.mul(column, kind.step), w.left)));
  const at = l.let(i32.add(image, bytes(first)));
  const result = l.variable('v128');
  l.do(result.set(max ? l.f32(-Infinity) : l.f32(0)));
  const sum = kind.long ? new LongSum(l, 1) : null;
  const lanes = i32x4.const(0, kind.step, 2 * kind.step, 3 * kind.step);
  const start = l.let(i32x4.add(i32x4.splat(first), lanes));
  const index = l.let<'v128'>(start);

  const tap = (address: Local<'i32'>, offset: number, column: V128): void => {
    const value = l.let(everyStep(address, kind.step, offset));
    if (sum) {
      sum.add([value]);
      if (kind.columns > mostShort) sum.settle();
      return;
    }
    if (!max) {
      l.do(result.set(f32x4.add(result, value)));
      return;
    }
    const better = l.let(v128.andnot(f32x4.eq(result, result), f32x4.le(value, result)));
    l.do(result.set(v128.bitselect(value, result, better)));
    if (kind.indices) l.do(index.set(v128.bitselect(i32x4.add(start, column), index, better)));
  };
  const y = l.variable('i32');
  const perRow = l.block(() => {
    if (kind.columns <= maxUnrolled) {
      for (let j = 0; j < kind.columns; j++) tap(at, 4 * j, l.i32(j));
    } else {
      const j = l.variable('i32');
      const address = l.let<'i32'>(at);
      const body = l.block(() => tap(address, 0, i32x4.splat(j)));
      l.do(forRange(j, 0, kind.columns, 1, [body, address.set(i32.add(address, 4))]));
    }
    sum?.settle();
    l.do(at.set(i32.add(at, bytes(w.W))));
    if (kind.indices) l.do(start.set(i32x4.add(start, i32x4.splat(w.W))));
  });
  l.do(forRange(y, rows.begin, rows.stop, 1, perRow));
  if (!max) {
    const count = f32.convertI32S(i32.mul(rows.count, kind.columns));
    l.do(result.set(f32x4.div(sum?.lanes(l.f32(1)) ?? result, f32x4.splat(count))));
  }
  const to = l.let(i32.add(outRow, bytes(column)));
  l.do(v128.store(i32.add(w.out, to), result));
  if (kind.indices) l.do(v128.store(i32.add(w.indices, to), index));
}

/** Output `column` alone, its window clipped. */
function oneWindow(l: Lanes, kind: PoolKind, w: Words, line: Line, column: Local<'i32'>): void {
  const { rows, image, firstRow, outRow } = line;
  const columns = clip(l, w, column, 'columns');
  const [at, y, x, index] = [l.variable('i32'), l.variable('i32'), l.variable('i32'), l.variable('i32')];
  const result = l.variable('f32');
  const sum = l.variable('f64');
  l.do(result.set(kind.mode === 'max' ? -Infinity : 0), sum.set(0));
  l.do(at.set(i32.add(firstRow, columns.begin)), index.set(at));
  const tap = l.block(() => {
    const value = l.let(f32.load(i32.add(image, bytes(at))));
    if (kind.long) l.do(sum.set(f64.add(sum, f64.promoteF32(value))));
    else if (kind.mode === 'avg') l.do(result.set(f32.add(result, value)));
    else {
      const better = i32.and(i32.eqz(f32.le(value, result)), f32.eq(result, result));
      l.do(if_(better, [result.set(value), index.set(at)]));
    }
    l.do(at.set(i32.add(at, 1)));
  });
  const nextRow = at.set(i32.add(at, i32.sub(w.W, i32.sub(columns.stop, columns.begin))));
  const perRow = [forRange(x, columns.begin, columns.stop, 1, tap), nextRow];
  l.do(forRange(y, rows.begin, rows.stop, 1, perRow));
  if (kind.mode === 'avg') {
    const count = f32.convertI32S(i32.mul(rows.count, columns.count));
    l.do(result.set(f32.div(kind.long ? f32.demoteF64(sum) : result, count)));
  }
  const to = l.let(i32.add(outRow, bytes(column)));
  l.do(f32.store(i32.add(w.out, to), result));
  if (kind.indices) l.do(i32.store(i32.add(w.indices, to), index));
}

/** Emits `poolGrad(address of words, thread, threads)`; a unit is a plane. */
export function emitPoolGrad(mode: 'max' | 'avg', features: Features): Uint8Array<ArrayBuffer> {
  return emitUnits('poolGrad', poolWords, features, ({ l, w }) => {
    const imageBytes = l.let(bytes(i32.mul(w.H, w.W)));
    const outBytes = l.let(bytes(i32.mul(w.OH, w.OW)));
    return (plane) => {
      const image = l.let(i32.add(w.x, i32.mul(plane, imageBytes)));
      const from = l.let(i32.mul(plane, outBytes));
      l.do(memory.fill(image, 0, imageBytes));
      if (mode === 'avg') {
        spreadPlane(l, w, image, from);
        return;
      }
      const stop = l.let(i32.add(from, outBytes));
      const add = l.block(() => {
        const address = l.let(i32.add(image, bytes(i32.load(i32.add(w.indices, from)))));
        l.do(f32.store(address, f32.add(f32.load(address), f32.load(i32.add(w.out, from)))));
      });
      l.do(while_(i32.ltU(from, stop), [add, from.set(i32.add(from, 4))]));
    };
  });
}

/** Adds each gradient of a plane, divided by its count, to the pixels of its window. */
function spreadPlane(l: Lanes, w: Words, image: Local<'i32'>, from: Local<'i32'>): void {
  const [oy, ox, y, x] = [l.variable('i32'), l.variable('i32'), l.variable('i32'), l.variable('i32')];
  const perRow = l.block(() => {
    const rows = clip(l, w, oy, 'rows');
    const perWindow = l.block(() => {
      const columns = clip(l, w, ox, 'columns');
      const count = f32.convertI32S(i32.mul(rows.count, columns.count));
      const part = l.let(f32.div(f32.load(i32.add(w.out, from)), count));
      const at = l.variable('i32');
      const pixel = [f32.store(at, f32.add(f32.load(at), part)), at.set(i32.add(at, 4))];
      const first = i32.add(image, bytes(i32.add(i32.mul(y, w.W), columns.begin)));
      const line = [at.set(first), forRange(x, columns.begin, columns.stop, 1, pixel)];
      l.do(forRange(y, rows.begin, rows.stop, 1, line), from.set(i32.add(from, 4)));
    });
    l.do(forRange(ox, 0, w.OW, 1, perWindow));
  });
  l.do(forRange(oy, 0, w.OH, 1, perRow));
}
