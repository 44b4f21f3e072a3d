/**
 * The micro-kernel: a tile of `height` rows and 8 or 16 columns of a matrix product, held in registers.
 *
 *     tile[i][x] = sum over k of a[k][i] * b[k][x]
 *
 * `a` is a packed panel of `height` numbers for each k, `b` one of as many as there are columns. Each step of k loads
 * two or four vectors of b, splats `height` numbers of a, and multiplies and adds: of the 16 vector registers,
 * 2 * height hold sums (of 16 columns: where pairs of vectors become one of 256 bits). With relaxed SIMD a height of 6
 * fits, without (a product needs a register of its own) 5.
 *
 * V8's register allocation is touchy, and a spilled sum halves the speed: an unrolled loop spills (all its loads
 * move to the top), so does one without the test before it, and one followed by more than a plain choice of how to
 * store. Measure after any change.
 *
 * So a tile goes to c as `c = tile (+ c)`; bias and max(0, .) come afterwards (`finishTile`), while it is in the
 * first level cache. `storeEdge` does all of it, number by number, for tiles that reach beyond c or whose columns
 * are scattered: `c = tile (+ c) (+ bias of the row) (+ bias of the column) (then max(0, .))`.
 * Sums of a column or row don't depend on their neighbours, so the same bits come out however c was cut into tiles.
 */

import type { FuncBuilder, ModuleBuilder } from '../../asm/assembler.js';
import { doWhile, forRange, if_ } from '../../asm/flow.js';
import { type Code, f32, f32x4, i32, type Local, type V128, v128 } from '../../asm/instructions.js';
import { multiplyAdd } from '../../asm/lanes.js';
import type { Features } from '../../plan.js';

/** Rows of a full tile. */
export function tileRows(features: Features): number {
  return features.relaxed ? 6 : 5;
}

/**
 * Emits the micro-kernel for tiles of `height` rows: `(a, b, bEnd, c, cRow, accumulate)`, where `cRow` is the
 * distance of c's rows in bytes.
 * @param steps bytes from one k to the next of a and b, where panels aren't as wide as the tile
 */
export function emitTile(
  module: ModuleBuilder,
  features: Features,
  height: number,
  name = `tile${height}`,
  steps = { a: 4 * height, b: 4 * features.tileColumns },
): FuncBuilder<null> {
  const f = module.func(name);
  const { a, b, bEnd, c } = f.params('i32', 'a', 'b', 'bEnd', 'c');
  const { cRow, accumulate } = f.params('i32', 'cRow', 'accumulate');
  const { row } = f.locals('i32', 'row');
  const { splat } = f.locals('v128', 'splat');
  const vectors = f.array('v128', features.tileColumns / 4);
  const rows = Array.from({ length: height }, () => f.array('v128', vectors.length));
  const step = [
    vectors.map((vector, v) => vector.set(v128.load(b, 16 * v))),
    rows.map((sums, i) => [
      splat.set(v128.load32Splat(a, 4 * i)),
      sums.map((sum, v) => sum.set(multiplyAdd(features, splat, vectors[v]!, sum))),
    ]),
    a.set(i32.add(a, steps.a)),
    b.set(i32.add(b, steps.b)),
  ];
  const store = (before: (sum: Local<'v128'>, v: number) => Code) => [
    row.set(c),
    rows.map((sums) => [
      sums.map(before),
      sums.map((sum, v) => v128.store(row, sum, 16 * v)),
      row.set(i32.add(row, cRow)),
    ]),
  ];
  return f.body(
    if_(i32.ne(b, bEnd), doWhile(step, i32.ne(b, bEnd))),
    if_(
      accumulate,
      store((sum, v) => sum.set(f32x4.add(sum, v128.load(row, 16 * v)))),
      store(() => []),
    ),
  );
}

/**
 * Emits the last steps for a tile in c: `(c, cRow, height, rowBias, columnBias, relu)`. An address of 0 means no bias.
 */
export function emitFinishTile(
  module: ModuleBuilder,
  { tileColumns }: Features,
  name: string,
): FuncBuilder<null> {
  const f = module.func(name);
  const { c, cRow, height } = f.params('i32', 'c', 'cRow', 'height');
  const { rowBias, columnBias, relu } = f.params('i32', 'rowBias', 'columnBias', 'relu');
  const { i } = f.locals('i32', 'i');
  const { bias } = f.locals('v128', 'bias');
  const vectors = f.array('v128', tileColumns / 4);
  const change = (result: (vector: Local<'v128'>, v: number) => V128) =>
    vectors.map((vector, v) => vector.set(result(vector, v)));
  return f.body(
    forRange(i, 0, height, 1, [
      change((_, v) => v128.load(c, 16 * v)),
      if_(rowBias, [
        bias.set(v128.load32Splat(rowBias)),
        rowBias.set(i32.add(rowBias, 4)),
        change((vector) => f32x4.add(vector, bias)),
      ]),
      if_(
        columnBias,
        change((vector, v) => f32x4.add(vector, v128.load(columnBias, 16 * v))),
      ),
      if_(
        relu,
        change((vector) => f32x4.max(f32x4.const(0), vector)),
      ),
      vectors.map((vector, v) => v128.store(c, vector, 16 * v)),
      c.set(i32.add(c, cRow)),
    ]),
  );
}

/**
 * Emits the way of a tile in memory (whole rows) to `count` columns of c: `(tile, height, count, c, cRow, columns,
 * accumulate, rowBias, columnBias, relu)`. `columns` is a table of the columns' offsets in bytes, 0 where
 * they lie side by side.
 */
export function emitStoreEdge(
  module: ModuleBuilder,
  { tileColumns }: Features,
  name: string,
): FuncBuilder<null> {
  const f = module.func(name);
  const { tile, height, count, c, cRow } = f.params('i32', 'tile', 'height', 'count', 'c', 'cRow');
  const { columns, accumulate, rowBias } = f.params('i32', 'columns', 'accumulate', 'rowBias');
  const { columnBias, relu } = f.params('i32', 'columnBias', 'relu');
  const { i, x, to, whole } = f.locals('i32', 'i', 'x', 'to', 'whole');
  const { sum } = f.locals('f32', 'sum');
  const { four } = f.locals('v128', 'four');
  return f.body(
    // Columns side by side go by fours.
    if_(i32.eqz(columns), whole.set(i32.and(i32.shl(count, 2), -16))),
    forRange(i, 0, height, 1, [
      forRange(x, 0, whole, 16, [
        to.set(i32.add(c, x)),
        four.set(v128.load(i32.add(tile, x))),
        if_(accumulate, four.set(f32x4.add(four, v128.load(to)))),
        if_(rowBias, four.set(f32x4.add(four, v128.load32Splat(rowBias)))),
        if_(columnBias, four.set(f32x4.add(four, v128.load(i32.add(columnBias, x))))),
        if_(relu, four.set(f32x4.max(f32x4.const(0), four))),
        v128.store(to, four),
      ]),
      forRange(x, whole, i32.shl(count, 2), 4, [
        to.set(i32.add(c, x)),
        if_(columns, to.set(i32.add(c, i32.load(i32.add(columns, x))))),
        sum.set(f32.load(i32.add(tile, x))),
        if_(accumulate, sum.set(f32.add(sum, f32.load(to)))),
        if_(rowBias, sum.set(f32.add(sum, f32.load(rowBias)))),
        if_(columnBias, sum.set(f32.add(sum, f32.load(i32.add(columnBias, x))))),
        if_(relu, sum.set(f32.max(0, sum))),
        f32.store(to, sum),
      ]),
      tile.set(i32.add(tile, 4 * tileColumns)),
      c.set(i32.add(c, cRow)),
      if_(rowBias, rowBias.set(i32.add(rowBias, 4))),
    ]),
  );
}
