/**
 * Copies whose input is dense along another axis than their output: matrices transposed, channels moved first or
 * last. Going along either axis alone would touch a new cache line for each element of the other side, so the work
 * comes in tiles of 32 x 32, and within a tile 4 x 4 elements at a time are turned in registers.
 *
 * Output rows are where the input is dense, output columns where the output is; up to three axes lie around them.
 */

import { forRange, select } from '../../asm/flow.js';
import { type Code, type I32, i32, type Local, type Value, v128 } from '../../asm/instructions.js';
import type { Lanes } from '../../asm/lanes.js';
import { emitUnits } from '../../asm/units.js';
import { WordLayout } from '../../asm/words.js';
import type { Features } from '../../plan.js';

/** Rows and columns of a tile. */
export const transposeTile = 32;

/** Words; steps are in bytes: `fromStep` leads to the next column in the input, `toStep` to the next row in the output. */
export const transposeWords = new WordLayout(
  'from',
  'to',
  'units',
  'rows',
  'columns',
  'rowTiles',
  'columnTiles',
  'fromStep',
  'toStep',
  'outer1',
  'outer2',
  'fromOuter0',
  'fromOuter1',
  'fromOuter2',
  'toOuter0',
  'toOuter1',
  'toOuter2',
);

/** Emits `transpose(address of words, thread, threads)` for elements of 4 bytes; a unit is a tile. */
export function emitTranspose(features: Features): Uint8Array<ArrayBuffer> {
  return emitUnits('transpose', transposeWords, features, ({ l, w }) => (unit) => {
    const rest = l.let<'i32'>(unit);
    /** The last of the axes that `rest` still counts. */
    const next = (size: Local<'i32'>): Local<'i32'> => {
      const index = l.let(i32.remU(rest, size));
      l.do(rest.set(i32.divU(rest, size)));
      return index;
    };
    const column = tileOf(l, next(w.columnTiles), w.columns);
    const row = tileOf(l, next(w.rowTiles), w.rows);
    const [second, first] = [next(w.outer2), next(w.outer1)];
    const outer = (steps: readonly [I32, I32, I32]): Value<'i32'> =>
      i32.add(i32.add(i32.mul(rest, steps[0]), i32.mul(first, steps[1])), i32.mul(second, steps[2]));
    const from = l.let(i32.add(w.from, outer([w.fromOuter0, w.fromOuter1, w.fromOuter2])));
    const to = l.let(i32.add(w.to, outer([w.toOuter0, w.toOuter1, w.toOuter2])));
    const source = (r: I32, c: I32) => i32.add(i32.add(from, i32.mul(c, w.fromStep)), i32.shl(r, 2));
    const target = (r: I32, c: I32) => i32.add(i32.add(to, i32.mul(r, w.toStep)), i32.shl(c, 2));

    const [r, c] = [l.variable('i32'), l.variable('i32')];
    const block = l.block(() => turn(l, l.let(source(r, c)), w.fromStep, l.let(target(r, c)), w.toStep));
    const single = i32.store(target(r, c), i32.load(source(r, c)));
    const rowsBy4 = forRange(r, row.begin, row.whole, 4, block);
    const rowsLeft = forRange(c, column.begin, column.whole, 1, forRange(r, row.whole, row.end, 1, single));
    const columnsLeft = forRange(r, row.begin, row.end, 1, forRange(c, column.whole, column.end, 1, single));
    l.do(forRange(c, column.begin, column.whole, 4, rowsBy4), rowsLeft, columnsLeft);
  });
}

/** Tile number `tile` of an axis: where it begins and ends, and how far blocks of 4 reach. */
function tileOf(l: Lanes, tile: Local<'i32'>, size: Local<'i32'>) {
  const begin = l.let(i32.mul(tile, transposeTile));
  const left = i32.sub(size, begin);
  const count = l.let(select(i32.ltU(left, transposeTile), left, i32.const(transposeTile)));
  const whole = l.let(i32.add(begin, i32.and(count, -4)));
  return { begin, whole, end: l.let(i32.add(begin, count)) };
}

/** Four rows of four at `from`, `fromStep` apart, to the columns of four rows at `to`. */
function turn(l: Lanes, from: Local<'i32'>, fromStep: I32, to: Local<'i32'>, toStep: I32): void {
  const [a, b, c, d] = [0, 1, 2, 3].map((i) => {
    if (i > 0) l.do(from.set(i32.add(from, fromStep)));
    return l.let(v128.load(from));
  });
  const [ab, ab2] = [l.let(v128.shuffle32(a!, b!, 0, 4, 1, 5)), l.let(v128.shuffle32(a!, b!, 2, 6, 3, 7))];
  const [cd, cd2] = [l.let(v128.shuffle32(c!, d!, 0, 4, 1, 5)), l.let(v128.shuffle32(c!, d!, 2, 6, 3, 7))];
  const rows = [
    v128.shuffle32(ab, cd, 0, 1, 4, 5),
    v128.shuffle32(ab, cd, 2, 3, 6, 7),
    v128.shuffle32(ab2, cd2, 0, 1, 4, 5),
    v128.shuffle32(ab2, cd2, 2, 3, 6, 7),
  ];
  const stores: Code[] = rows.map((row) => [v128.store(to, row), to.set(i32.add(to, toStep))]);
  l.do(stores);
}
