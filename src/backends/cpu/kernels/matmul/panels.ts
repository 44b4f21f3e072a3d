/**
 * Panels of rows, and the packing of a matrix into them.
 *
 * A panel has `tileRows` rows. Where that leaves a thin rest, the last two panels share theirs evenly (128 rows are
 * 20 panels of 6 and two of 4), because a tile of one or two rows is bound by the latency of its few sums.
 *
 * Packed, a matrix lies as `[group][block of depth][panel][k][row of the panel]` without gaps: panel p of a block of
 * `steps` steps starts `firstRow(p) * steps` numbers after the block, which starts `rows * k` after its group.
 */

import type { FuncBuilder, ModuleBuilder } from '../../asm/assembler.js';
import { choose, if_, select, while_ } from '../../asm/flow.js';
import { type I32, i32, type Local, type Value } from '../../asm/instructions.js';
import { Lanes, share, smaller } from '../../asm/lanes.js';
import { WordLayout } from '../../asm/words.js';
import type { Features } from '../../plan.js';
import { tileRows } from './tile.js';

/** Steps of k in a block of depth: a packed strip of 16 columns is 16 KiB, half of the first level cache. */
export const depthBlock = 256;

/**
 * Words of `pack`: element (i, k) of group g is found at `source + g * sourceGroup + lane(i) + depth(k)`, where
 * `lanes` and `depthSteps` are strides in bytes or addresses of tables (pack.ts).
 */
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

/** How `rows` fall into panels: their number, and the rows of the last. */
export function panelsOf(rows: number, features: Features): { panels: number; lastHeight: number } {
  const full = tileRows(features);
  const panels = Math.ceil(rows / full);
  const rest = rows - (panels - 1) * full;
  const evenly = panels > 1 && rest <= full / 2;
  return { panels, lastHeight: evenly ? Math.floor((full + rest) / 2) : rest };
}

/** Where panels start, in emitted code. */
export class Panels {
  constructor(
    features: Features,
    private readonly w: { readonly [name in 'panels' | 'rows' | 'lastHeight']: Local<'i32'> },
    private readonly full = tileRows(features),
  ) {}

  /** The first row of a panel; for the panel after the last, the number of rows. */
  firstRow(panel: Value<'i32'>): Value<'i32'> {
    const { panels, rows, lastHeight } = this.w;
    const isLast = i32.eq(i32.add(panel, 1), panels);
    const start = select(isLast, i32.sub(rows, lastHeight), i32.mul(panel, this.full));
    return choose(i32.eq(panel, panels), rows, start);
  }
}

/** `n / unit`, rounded up. */
export function ceilDiv(n: I32, unit: number): Value<'i32'> {
  return i32.divU(i32.add(n, unit - 1), unit);
}

/**
 * Emits `pack(address of words, thread, threads)`. Threads share the panels of all blocks of all groups; `packStrip`
 * packs full panels, `packEdge` the last, short ones (pack.ts).
 */
export function emitPack(
  module: ModuleBuilder,
  features: Features,
  packStrip: FuncBuilder<null>,
  packEdge: FuncBuilder<null>,
): void {
  const f = module.func('pack');
  const { words, thread, threads } = f.params('i32', 'words', 'thread', 'threads');
  const l = new Lanes(f, features);
  const w = l.words(packWords, words);
  const panels = new Panels(features, w);
  const blocks = l.let(ceilDiv(w.depth, depthBlock));
  const units = l.let(i32.mul(i32.mul(w.groups, blocks), w.panels));
  const { begin: unit, end } = share(l, units, 1, thread, threads);
  const packPanel = l.block(() => {
    const panel = l.let(i32.remU(unit, w.panels));
    const block = l.let(i32.divU(unit, w.panels));
    const group = l.let(i32.divU(block, blocks));
    const from = l.let(i32.mul(i32.remU(block, blocks), depthBlock));
    const to = l.let(smaller(l.let(i32.add(from, depthBlock)), w.depth));
    const row = l.let(panels.firstRow(panel));
    const height = l.let(i32.sub(panels.firstRow(i32.add(panel, 1)), row));
    const source = l.let(i32.add(w.source, i32.mul(group, w.sourceGroup)));
    const blockStart = i32.mul(i32.add(i32.mul(group, w.depth), from), w.rows);
    const start = i32.add(blockStart, i32.mul(row, i32.sub(to, from)));
    const target = l.let(i32.add(w.to, i32.shl(start, 2)));
    l.do(
      if_(
        i32.eq(height, tileRows(features)),
        packStrip.call(source, w.lanes, row, w.depthSteps, from, to, target),
        packEdge.call(source, w.lanes, row, height, height, w.depthSteps, from, to, target),
      ),
      unit.set(i32.add(unit, 1)),
    );
  });
  l.do(while_(i32.ltU(unit, end), packPanel));
  f.body(l.finish());
}
