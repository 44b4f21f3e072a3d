/**
 * Matrix products of panels, after the plan of the BLIS library: for each group g
 *
 *     c[m, n] = sum over k of a[m, k] * b[k, n] (+ c[m, n]) (+ bias) (then max(0, .))
 *
 *   1. `pack` copies a into panels of rows (panels.ts), which all threads share.
 *   2. `gemm`: each thread has a range of c's columns (strips as wide as a tile, counted through all groups) and of its panels of
 *      rows. For a block of columns and one of depth it packs b into strips of its own (they stay in the second
 *      level cache), and runs the micro-kernel for each strip (first level cache) with each panel.
 *
 * Depth is never split among threads, and its blocks always start at multiples of `depthBlock`, so the result's
 * bits don't depend on their number.
 */

import { type FuncBuilder, ModuleBuilder } from '../../asm/assembler.js';
import { choose, doWhile, forRange, if_, select, while_ } from '../../asm/flow.js';
import { type Code, type I32, i32, type Local, type Value } from '../../asm/instructions.js';
import { Lanes, share, smaller } from '../../asm/lanes.js';
import { WordLayout } from '../../asm/words.js';
import type { Features, KernelModule } from '../../plan.js';
import { type Addressing, emitPackEdge, emitPackStrip } from './pack.js';
import { ceilDiv, depthBlock, emitPack, Panels } from './panels.js';
import { emitFinishTile, emitStoreEdge, emitTile, tileRows } from './tile.js';

/** Columns in a block: 512 KiB of packed b. */
const columnBlock = 512;

/** Panels in a block of rows: 24 * 6 KiB of packed a. */
const panelBlock = 24;

/** Bytes of the tile in memory by which edges of c are computed (at most 6 rows of 16). */
const tileBytes = 384;

/** Bytes of workspace that `gemm` needs for each thread: a tile, and a block of packed b. */
export const workspaceBytes = tileBytes + columnBlock * depthBlock * 4;

/**
 * Words of `gemm`. All distances are in bytes. `a` is packed; element (k, n) of group g of b is found at
 * `b + g * bGroup + lane(n) + depth(k)`, `bLanes` and `bDepth` being strides or tables (pack.ts). Element (m, n) of c
 * lies at `c + g * cGroup + m * cRow + 4 * n`, or with a table `cColumns` at its entry n in place of `4 * n`.
 * `rowBias` is `[groups, rows]`, `columnBias` `[columns]`, 0 means none. `rowTeams` threads share a range of columns.
 */
export const gemmWords = new WordLayout(
  'a',
  'aGroup',
  'b',
  'bGroup',
  'bLanes',
  'bDepth',
  'c',
  'cGroup',
  'cRow',
  'cColumns',
  'rowBias',
  'columnBias',
  'relu',
  'accumulate',
  'groups',
  'rows',
  'columns',
  'depth',
  'panels',
  'lastHeight',
  'rowTeams',
  'workspace',
);

/** The module for products whose operands are found in one of the two ways (pack.ts): `pack` and `gemm`. */
export function gemmModule(addressing: Addressing): KernelModule {
  return { key: `gemm ${addressing}`, emit: (features) => emitGemm(addressing, features) };
}

function emitGemm(addressing: Addressing, features: Features): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  const packEdge = emitPackEdge(module, addressing);
  const packRows = emitPackStrip(module, addressing, tileRows(features));
  const packColumns = emitPackStrip(module, addressing, features.tileColumns);
  emitPack(module, features, packRows, packEdge);
  const packStrips = emitPackStrips(module, features, packColumns, packEdge);
  const multiplyBlock = emitMultiplyBlock(module, features, '');
  // What is left of wide strips is often half of one or less.
  const multiplyRest =
    features.tileColumns === 8 ? null : emitMultiplyBlock(module, halved(features), 'Rest');
  emitMain(module, features, packStrips, multiplyBlock, multiplyRest);
  return module.finish();
}

/** With tiles of 8 columns. */
const halved = (features: Features): Features => ({ ...features, tileColumns: 8 });

/** `base + 4 * i`, or 0 if base is 0. */
function elementOf(base: Local<'i32'>, i: I32): Value<'i32'> {
  return choose(base, i32.add(base, i32.shl(i, 2)), 0);
}

/**
 * Emits the packing of `count` columns from `first` on into strips: `(b, lanes, first, count, depth, from, end, to)`. What
 * is left after whole strips goes into one of 8 columns if it fits.
 */
function emitPackStrips(
  module: ModuleBuilder,
  { tileColumns }: Features,
  packStrip: FuncBuilder<null>,
  packEdge: FuncBuilder<null>,
): FuncBuilder<null> {
  const f = module.func('packStrips');
  const { b, lanes, first, count } = f.params('i32', 'b', 'lanes', 'first', 'count');
  const { depth, from, end, to } = f.params('i32', 'depth', 'from', 'end', 'to');
  const { x, column, left } = f.locals('i32', 'x', 'column', 'left');
  return f.body(
    forRange(x, 0, count, tileColumns, [
      column.set(i32.add(first, x)),
      left.set(i32.sub(count, x)),
      if_(
        i32.geU(left, tileColumns),
        packStrip.call(b, lanes, column, depth, from, end, to),
        packEdge.call(b, lanes, column, left, restColumns(left, tileColumns), depth, from, end, to),
      ),
      to.set(i32.add(to, i32.mul(i32.sub(end, from), 4 * tileColumns))),
    ]),
  );
}

/**
 * Emits the product of panels `begin` to `end` of one block of depth, `steps` long, with `count` packed columns. `a`
 * is the block's first panel, `columns` the columns' offsets or 0.
 */
function emitMultiplyBlock(module: ModuleBuilder, features: Features, suffix: string): FuncBuilder<null> {
  const tiles = Array.from({ length: tileRows(features) }, (_, i) =>
    emitTile(module, features, i + 1, `tile${i + 1}${suffix}`),
  );
  const { tileColumns } = features;
  const finishTile = emitFinishTile(module, features, `finishTile${suffix}`);
  const storeEdge = emitStoreEdge(module, features, `storeEdge${suffix}`);
  const f = module.func(`multiplyBlock${suffix}`);
  const { a, b, c, columns } = f.params('i32', 'a', 'b', 'c', 'columns');
  const { count, steps, begin, end } = f.params('i32', 'count', 'steps', 'begin', 'end');
  const shape = f.params('i32', 'panels', 'rows', 'lastHeight');
  const { cRow, accumulate, rowBias } = f.params('i32', 'cRow', 'accumulate', 'rowBias');
  const { columnBias, relu, scratch } = f.params('i32', 'columnBias', 'relu', 'scratch');
  const { j, panel } = f.locals('i32', 'j', 'panel');
  const l = new Lanes(f, features);
  const panels = new Panels(features, shape);
  const strip = l.let<'i32'>(b);
  const eachStrip = l.block(() => {
    const stripEnd = l.let(i32.add(strip, i32.mul(steps, 4 * tileColumns)));
    const width = l.let(smaller(l.let(i32.sub(count, j)), tileColumns));
    const table = l.let(elementOf(columns, j));
    const bias = l.let(elementOf(columnBias, j));
    // A tile goes straight to c if its columns are all there and side by side.
    const whole = l.let(i32.eq(width, tileColumns));
    const wholeC = l.let(i32.add(c, i32.shl(j, 2)));
    const edgeC = l.let(choose(table, c, wholeC));
    const last = 4 * (tileColumns - 1);
    const sideBySide = i32.eq(i32.sub(i32.load(table, last), i32.load(table)), last);
    l.do(if_(table, [wholeC.set(i32.add(c, i32.load(table))), if_(whole, whole.set(sideBySide))]));
    const eachPanel = l.block(() => {
      const row = l.let(panels.firstRow(panel));
      const height = l.let(i32.sub(panels.firstRow(i32.add(panel, 1)), row));
      const panelA = l.let(i32.add(a, i32.shl(i32.mul(row, steps), 2)));
      const panelBias = l.let(elementOf(rowBias, row));
      const target = l.let(i32.add(select(whole, wholeC, edgeC), i32.mul(row, cRow)));
      const tile = (to: I32, toRow: I32, add: I32): Code =>
        tiles.reduce<Code>((others, kernel, i) => {
          const call = kernel.call(panelA, strip, stripEnd, to, toRow, add);
          return if_(i32.eq(height, i + 1), call, others);
        }, []);
      const finish = finishTile.call(target, cRow, height, panelBias, bias, relu);
      const ends = [panelBias, bias, relu];
      l.do(
        if_(
          whole,
          [tile(target, cRow, accumulate), if_(i32.or(i32.or(rowBias, columnBias), relu), finish)],
          [
            tile(scratch, 4 * tileColumns, 0),
            storeEdge.call(scratch, height, width, target, cRow, table, accumulate, ...ends),
          ],
        ),
      );
    });
    l.do(forRange(panel, begin, end, 1, eachPanel), strip.set(stripEnd));
  });
  return f.body(l.finish(), forRange(j, 0, count, tileColumns, eachStrip));
}

/** Columns of the strip that takes the last `left` columns. */
function restColumns(left: Local<'i32'>, tileColumns: number): I32 {
  return tileColumns === 8 ? i32.const(8) : select(i32.leU(left, 8), i32.const(8), i32.const(tileColumns));
}

/** Emits `gemm(address of words, thread, threads)`: the loops over groups, blocks of columns, depth and panels. */
function emitMain(
  module: ModuleBuilder,
  features: Features,
  packStrips: FuncBuilder<null>,
  multiplyBlock: FuncBuilder<null>,
  multiplyRest: FuncBuilder<null> | null,
): void {
  const f = module.func('gemm');
  const { words, thread, threads } = f.params('i32', 'words', 'thread', 'threads');
  const { from, panel, blockEnd } = f.locals('i32', 'from', 'panel', 'blockEnd');
  const l = new Lanes(f, features);
  const w = l.words(gemmWords, words);
  const scratch = l.let(i32.add(w.workspace, i32.mul(thread, workspaceBytes)));
  const packed = l.let(i32.add(scratch, tileBytes));
  // This thread's panels, and its strips of columns, counted through all groups.
  const team = l.let(i32.remU(thread, w.rowTeams));
  const { begin, end } = share(l, w.panels, 1, team, w.rowTeams);
  const { tileColumns } = features;
  const strips = l.let(ceilDiv(w.columns, tileColumns));
  const range = l.let(i32.divU(thread, w.rowTeams));
  const ranges = l.let(i32.divU(threads, w.rowTeams));
  const { begin: strip, end: endStrip } = share(l, l.let(i32.mul(w.groups, strips)), 1, range, ranges);

  const eachGroup = l.block(() => {
    const group = l.let(i32.divU(strip, strips));
    const first = l.let(i32.sub(strip, i32.mul(group, strips)));
    const last = l.let(smaller(l.let(i32.add(first, i32.sub(endStrip, strip))), strips));
    const column = l.let(i32.mul(first, tileColumns));
    const endColumn = l.let(smaller(l.let(i32.mul(last, tileColumns)), w.columns));
    const groupOf = (base: Local<'i32'>, distance: Local<'i32'>) =>
      l.let(i32.add(base, i32.mul(group, distance)));
    const a = groupOf(w.a, w.aGroup);
    const b = groupOf(w.b, w.bGroup);
    const c = groupOf(w.c, w.cGroup);
    const rowBias = l.let(elementOf(w.rowBias, i32.mul(group, w.rows)));
    const eachBlock = l.block(() => {
      const count = l.let(smaller(l.let(i32.sub(endColumn, column)), columnBlock));
      const columnBias = l.let(elementOf(w.columnBias, column));
      const table = l.let(elementOf(w.cColumns, column));
      const blockC = l.let(i32.add(c, choose(table, i32.const(0), i32.shl(column, 2))));
      const eachDepth = l.block(() => {
        const to = l.let(smaller(l.let(i32.add(from, depthBlock)), w.depth));
        const isLast = l.let(i32.eq(to, w.depth));
        const steps = l.let(i32.sub(to, from));
        /** The product with `many` columns from number `skip` of the block on. */
        const multiplyBy = (block: FuncBuilder<null>, many: I32, skip: I32): Code =>
          block.call(
            i32.add(a, i32.shl(i32.mul(from, w.rows), 2)),
            i32.add(packed, i32.mul(i32.shl(skip, 2), steps)),
            choose(table, blockC, i32.add(blockC, i32.shl(skip, 2))),
            elementOf(table, skip),
            many,
            steps,
            panel,
            blockEnd,
            w.panels,
            w.rows,
            w.lastHeight,
            w.cRow,
            i32.or(i32.gtU(from, 0), w.accumulate),
            select(isLast, rowBias, 0),
            select(isLast, elementOf(columnBias, skip), 0),
            i32.and(isLast, w.relu),
            scratch,
          );
        const rest = l.let(i32.and(count, tileColumns - 1));
        const isShort = l.let(i32.and(i32.ltU(i32.sub(rest, 1), 8), multiplyRest === null ? 0 : 1));
        const whole = l.let(choose(isShort, i32.sub(count, rest), count));
        const multiply = [
          multiplyBy(multiplyBlock, whole, i32.const(0)),
          multiplyRest === null ? [] : if_(isShort, multiplyBy(multiplyRest, rest, whole)),
        ];
        l.do(
          packStrips.call(b, w.bLanes, column, count, w.bDepth, from, to, packed),
          forRange(panel, begin, end, panelBlock, [
            blockEnd.set(i32.add(panel, panelBlock)),
            blockEnd.set(smaller(blockEnd, end)),
            multiply,
          ]),
          from.set(to),
        );
      });
      l.do(from.set(0), doWhile(eachDepth, i32.ltU(from, w.depth)), column.set(i32.add(column, count)));
    });
    l.do(while_(i32.ltU(column, endColumn), eachBlock), strip.set(i32.add(i32.mul(group, strips), last)));
  });
  l.do(while_(i32.ltU(strip, endStrip), eachGroup));
  f.body(l.finish());
}
