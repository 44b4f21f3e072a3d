/**
 * Matrix products of panels, after the BLIS library's plan: for each group g
 *
 *     c[m, n] = sum over k of a[m, k] * b[k, n] (+ c[m, n]) (+ bias) (then max(0, .))
 *
 *   1. `pack` copies a into panels: for each block of `depthBlock` steps of k, for each panel of tile rows, the
 *      panel's numbers k by k. All threads share them.
 *   2. `gemm`: each thread has a range of c's columns (strips of 8, counted through all groups) and of its panels of
 *      rows. For a block of columns and one of depth it packs b into strips of its own (they stay in the second
 *      level cache), and runs the micro-kernel for each strip (first level cache) with each panel.
 *
 * Depth is never split among threads, and its blocks always start at multiples of `depthBlock`, so the result's
 * bits don't depend on their number.
 *
 * Panels have `tileRows` rows; where that leaves a thin rest, the last two share theirs evenly (128 = 20 * 6 + 4 + 4),
 * because a tile of one or two rows is bound by the latency of its few sums.
 */
import type { Features, KernelModule } from '../plan.js';
import { type FuncBuilder, ModuleBuilder } from './assembler.js';
import {
  type Code,
  choose,
  doWhile,
  forRange,
  type I32,
  i32,
  if_,
  select,
  type Value,
  while_,
} from './instructions.js';
import { type Addressing, emitPackEdge, emitPackStrip } from './pack.js';
import { emitFinishTile, emitStoreEdge, emitTile, tileColumns, tileRows } from './tile.js';
import { WordLayout } from './words.js';

/** Steps of k in a block: a strip of b is 8 KiB, a quarter of the first level cache. */
export const depthBlock = 256;

/** Columns in a block: 512 KiB of packed b. */
const columnBlock = 512;

/** Panels in a block of rows: 24 KiB * 6 of packed a. */
const panelBlock = 24;

/** Bytes of workspace that `gemm` needs for each thread: a tile, and a block of packed b. */
export const workspaceBytes = 256 + columnBlock * depthBlock * 4;

/** Words of `pack`: `lanes` and `depthLanes` are strides or tables (see pack.ts), all distances in bytes. */
export const packWords = new WordLayout(
  'source',
  'sourceGroup',
  'lanes',
  'depthSteps',
  'to',
  'groups',
  'rows',
  'depth',
  'panels',
  'lastHeight',
);

/** Words of `gemm`. `a` is packed; `rowTeams` threads share a range of columns; `columns` may be 0 (see tile.ts). */
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

/** How `rows` fall into panels: their number, and the rows of the last. */
export function panelsOf(rows: number, features: Features): { panels: number; lastHeight: number } {
  const full = tileRows(features);
  const panels = Math.ceil(rows / full);
  const rest = rows - (panels - 1) * full;
  const evenly = panels > 1 && rest <= full / 2;
  return { panels, lastHeight: evenly ? Math.floor((full + rest) / 2) : rest };
}

/** The module for products whose operands are found in one of the two ways (see pack.ts). */
export function gemmModule(addressing: Addressing): KernelModule {
  return { key: `gemm ${addressing}`, emit: (features) => emitGemm(addressing, features) };
}

const min = (a: Value<'i32'>, b: I32) => select(i32.ltU(a, b), a, b);

/** The first of the `units` of work that fall to thread `thread` of `threads`. */
const shareOf = (units: I32, thread: I32, threads: I32) => i32.divU(i32.mul(units, thread), threads);

function emitGemm(addressing: Addressing, features: Features): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  const full = tileRows(features);

  /** The row at which a panel starts. */
  const firstRow = (panel: Value<'i32'>, panels: I32, rows: Value<'i32'>, lastHeight: I32) =>
    choose(
      i32.eq(panel, panels),
      rows,
      select(i32.eq(i32.add(panel, 1), panels), i32.sub(rows, lastHeight), i32.mul(panel, full)),
    );

  const packEdge = emitPackEdge(module, addressing);
  const packRows = emitPackStrip(module, addressing, full);
  const packColumns = emitPackStrip(module, addressing, tileColumns);
  emitPack();
  const tiles = Array.from({ length: full }, (_, i) => emitTile(module, features, i + 1));
  const finishTile = emitFinishTile(module);
  const storeEdge = emitStoreEdge(module);
  const multiplyBlock = emitMultiplyBlock();
  emitMain();
  return module.finish();

  /** Packs a: units of work are the panels of all blocks of depth of all groups. */
  function emitPack(): void {
    const f = module.func('pack');
    const { words, thread, threads } = f.params('i32', 'words', 'thread', 'threads');
    const { groups, rows, depth, panels, lastHeight } = f.locals(
      'i32',
      'groups',
      'rows',
      'depth',
      'panels',
      'lastHeight',
    );
    const { blocks, unit, end, group, block, panel } = f.locals(
      'i32',
      'blocks',
      'unit',
      'end',
      'group',
      'block',
      'panel',
    );
    const { from, to, row, height, source } = f.locals('i32', 'from', 'to', 'row', 'height', 'source');
    const { target } = f.locals('i32', 'target');
    const lanes = packWords.read(words, 'lanes');
    const steps = packWords.read(words, 'depthSteps');
    f.body(
      groups.set(packWords.read(words, 'groups')),
      rows.set(packWords.read(words, 'rows')),
      depth.set(packWords.read(words, 'depth')),
      panels.set(packWords.read(words, 'panels')),
      lastHeight.set(packWords.read(words, 'lastHeight')),
      blocks.set(i32.divU(i32.add(depth, depthBlock - 1), depthBlock)),
      end.set(i32.mul(i32.mul(groups, blocks), panels)),
      unit.set(shareOf(end, thread, threads)),
      end.set(shareOf(end, i32.add(thread, 1), threads)),
      while_(i32.ltU(unit, end), [
        panel.set(i32.remU(unit, panels)),
        block.set(i32.divU(unit, panels)),
        group.set(i32.divU(block, blocks)),
        block.set(i32.remU(block, blocks)),
        from.set(i32.mul(block, depthBlock)),
        to.set(min(i32.add(from, depthBlock), depth)),
        row.set(firstRow(panel, panels, rows, lastHeight)),
        height.set(i32.sub(firstRow(i32.add(panel, 1), panels, rows, lastHeight), row)),
        source.set(
          i32.add(packWords.read(words, 'source'), i32.mul(group, packWords.read(words, 'sourceGroup'))),
        ),
        // [group][block][panel][k][row of the panel]
        target.set(i32.add(i32.mul(i32.mul(group, depth), rows), i32.mul(from, rows))),
        target.set(i32.add(target, i32.mul(row, i32.sub(to, from)))),
        target.set(i32.add(packWords.read(words, 'to'), i32.shl(target, 2))),
        if_(
          i32.eq(height, full),
          packRows.call(source, lanes, row, steps, from, to, target),
          packEdge.call(source, lanes, row, height, height, steps, from, to, target),
        ),
        unit.set(i32.add(unit, 1)),
      ]),
    );
  }

  /** Multiplies panels `panel` to `endPanel` of one block of depth with `count` packed columns. */
  function emitMultiplyBlock(): FuncBuilder<null> {
    const f = module.func('multiplyBlock');
    const { a, b, c, columns } = f.params('i32', 'a', 'b', 'c', 'columns');
    const { count, steps, panel, endPanel } = f.params('i32', 'count', 'steps', 'panel', 'endPanel');
    const { panels, rows, lastHeight } = f.params('i32', 'panels', 'rows', 'lastHeight');
    const { cRow, accumulate, rowBias } = f.params('i32', 'cRow', 'accumulate', 'rowBias');
    const { columnBias, relu, scratch } = f.params('i32', 'columnBias', 'relu', 'scratch');
    const { j, p, row, height, strip } = f.locals('i32', 'j', 'p', 'row', 'height', 'strip');
    const { panelA, stripEnd, target } = f.locals('i32', 'panelA', 'stripEnd', 'target');
    const { whole, bias, tableAt, stripBias, stripC, edgeC } = f.locals(
      'i32',
      'whole',
      'bias',
      'tableAt',
      'stripBias',
      'stripC',
      'edgeC',
    );
    const last = 4 * (tileColumns - 1);
    /** Calls the micro-kernel of the panel's height. */
    const tile = (...args: Value<'i32'>[]): Code =>
      tiles.reduce<Code>(
        (others, kernel, i) =>
          if_(i32.eq(height, i + 1), kernel.call(panelA, strip, stripEnd, ...args), others),
        [],
      );
    return f.body(
      strip.set(b),
      forRange(j, 0, count, tileColumns, [
        stripEnd.set(i32.add(strip, i32.mul(steps, 4 * tileColumns))),
        whole.set(i32.leU(i32.add(j, tileColumns), count)),
        tableAt.set(0),
        stripC.set(i32.add(c, i32.shl(j, 2))),
        edgeC.set(stripC),
        if_(columns, [
          tableAt.set(i32.add(columns, i32.shl(j, 2))),
          stripC.set(i32.add(c, i32.load(tableAt))),
          edgeC.set(c),
          if_(whole, whole.set(i32.eq(i32.sub(i32.load(tableAt, last), i32.load(tableAt)), last))),
        ]),
        stripBias.set(choose(columnBias, i32.add(columnBias, i32.shl(j, 2)), 0)),
        forRange(p, panel, endPanel, 1, [
          row.set(firstRow(p, panels, rows, lastHeight)),
          height.set(i32.sub(firstRow(i32.add(p, 1), panels, rows, lastHeight), row)),
          panelA.set(i32.add(a, i32.shl(i32.mul(row, steps), 2))),
          target.set(i32.add(select(whole, stripC, edgeC), i32.mul(row, cRow))),
          bias.set(choose(rowBias, i32.add(rowBias, i32.shl(row, 2)), 0)),
          if_(
            whole,
            [
              tile(target, cRow, accumulate),
              if_(
                i32.or(i32.or(rowBias, columnBias), relu),
                finishTile.call(target, cRow, height, bias, stripBias, relu),
              ),
            ],
            [
              tile(scratch, i32.const(4 * tileColumns), i32.const(0)),
              storeEdge.call(
                scratch,
                height,
                min(i32.sub(count, j), tileColumns),
                target,
                cRow,
                tableAt,
                accumulate,
                bias,
                stripBias,
                relu,
              ),
            ],
          ),
        ]),
        strip.set(stripEnd),
      ]),
    );
  }

  function emitMain(): void {
    const f = module.func('gemm');
    const { words, thread, threads } = f.params('i32', 'words', 'thread', 'threads');
    const { rows, columns, depth, panels } = f.locals('i32', 'rows', 'columns', 'depth', 'panels');
    const { lastHeight, teams, unit, endUnit } = f.locals('i32', 'lastHeight', 'teams', 'unit', 'endUnit');
    const { firstPanel, endPanel, strips, group } = f.locals(
      'i32',
      'firstPanel',
      'endPanel',
      'strips',
      'group',
    );
    const { column, endColumn, count, from, to } = f.locals(
      'i32',
      'column',
      'endColumn',
      'count',
      'from',
      'to',
    );
    const { workspace, packed, x, b, a, c } = f.locals('i32', 'workspace', 'packed', 'x', 'b', 'a', 'c');
    const { panel, target, isFirst, isLast } = f.locals('i32', 'panel', 'target', 'isFirst', 'isLast');
    const { table, columnBias, rowBias } = f.locals('i32', 'table', 'columnBias', 'rowBias');
    type Word = Parameters<typeof gemmWords.read>[1];
    const word = (name: Word) => gemmWords.read(words, name);
    const groupOf = (base: Word, distance: Word) => i32.add(word(base), i32.mul(group, word(distance)));
    /** `base + 4 * i`, or 0 if base is 0. */
    const element = (base: Word, i: I32) => choose(word(base), i32.add(word(base), i32.shl(i, 2)), 0);

    const packB = [
      target.set(packed),
      forRange(x, 0, count, tileColumns, [
        if_(
          i32.leU(i32.add(x, tileColumns), count),
          packColumns.call(b, word('bLanes'), i32.add(column, x), word('bDepth'), from, to, target),
          packEdge.call(
            b,
            word('bLanes'),
            i32.add(column, x),
            i32.sub(count, x),
            tileColumns,
            word('bDepth'),
            from,
            to,
            target,
          ),
        ),
        target.set(i32.add(target, i32.mul(i32.sub(to, from), 4 * tileColumns))),
      ]),
    ];
    const multiply = forRange(panel, firstPanel, endPanel, panelBlock, [
      multiplyBlock.call(
        i32.add(a, i32.shl(i32.mul(from, rows), 2)),
        packed,
        i32.add(c, select(table, i32.const(0), i32.shl(column, 2))),
        table,
        count,
        i32.sub(to, from),
        panel,
        min(i32.add(panel, panelBlock), endPanel),
        panels,
        rows,
        lastHeight,
        word('cRow'),
        i32.or(i32.eqz(isFirst), word('accumulate')),
        select(isLast, rowBias, 0),
        select(isLast, columnBias, 0),
        i32.and(isLast, word('relu')),
        workspace,
      ),
    ]);
    f.body(
      rows.set(word('rows')),
      columns.set(word('columns')),
      depth.set(word('depth')),
      panels.set(word('panels')),
      lastHeight.set(word('lastHeight')),
      teams.set(word('rowTeams')),
      workspace.set(i32.add(word('workspace'), i32.mul(thread, workspaceBytes))),
      packed.set(i32.add(workspace, 256)),
      // this thread's panels of rows, and strips of columns counted through all groups
      firstPanel.set(shareOf(panels, i32.remU(thread, teams), teams)),
      endPanel.set(shareOf(panels, i32.add(i32.remU(thread, teams), 1), teams)),
      strips.set(i32.divU(i32.add(columns, tileColumns - 1), tileColumns)),
      endUnit.set(i32.mul(word('groups'), strips)),
      unit.set(shareOf(endUnit, i32.divU(thread, teams), i32.divU(threads, teams))),
      endUnit.set(shareOf(endUnit, i32.add(i32.divU(thread, teams), 1), i32.divU(threads, teams))),
      while_(i32.ltU(unit, endUnit), [
        group.set(i32.divU(unit, strips)),
        column.set(i32.mul(i32.remU(unit, strips), tileColumns)),
        endColumn.set(min(i32.add(column, i32.mul(i32.sub(endUnit, unit), tileColumns)), columns)),
        unit.set(i32.add(unit, i32.divU(i32.add(i32.sub(endColumn, column), tileColumns - 1), tileColumns))),
        a.set(groupOf('a', 'aGroup')),
        b.set(groupOf('b', 'bGroup')),
        c.set(groupOf('c', 'cGroup')),
        rowBias.set(element('rowBias', i32.mul(group, rows))),
        while_(i32.ltU(column, endColumn), [
          count.set(min(i32.sub(endColumn, column), columnBlock)),
          columnBias.set(element('columnBias', column)),
          table.set(element('cColumns', column)),
          from.set(0),
          doWhile(
            [
              to.set(min(i32.add(from, depthBlock), depth)),
              isFirst.set(i32.eqz(from)),
              isLast.set(i32.eq(to, depth)),
              packB,
              multiply,
              from.set(to),
            ],
            i32.ltU(from, depth),
          ),
          column.set(i32.add(column, count)),
        ]),
      ]),
    );
  }
}
