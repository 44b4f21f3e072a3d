/**
 * Products of matrices in strips (strips.ts): for each matrix, that is for each point and group,
 *
 *     c[n / 16][m][n mod 16] = sum over k of a[m / 16][k][m mod 16] * b[n / 16][k][n mod 16] (+ c)
 *
 * A strip of a, which comes from the third level cache, meets a few strips of b, which are in the second, in tiles of 16
 * columns and six or five rows (matmul/tile.ts), a number of steps at a time that the first level cache holds of both.
 * Threads share the strips of b, counted through all matrices; k is never split among them, so the bits don't depend on
 * their number.
 */
import { type FuncBuilder, ModuleBuilder } from '../../asm/assembler.js';
import { doWhile, forRange, if_, while_ } from '../../asm/flow.js';
import { type Code, i32 } from '../../asm/instructions.js';
import { Lanes, share, smaller } from '../../asm/lanes.js';
import { WordLayout } from '../../asm/words.js';
import type { Features, KernelModule } from '../../plan.js';
import { ceilDiv } from '../matmul/panels.js';
import { emitTile, tileRows } from '../matmul/tile.js';
import { lineBytes, stripLanes } from './strips.js';

/** Strips of b in a block: 8 of 32 KiB at most. */
const stripBlock = 8;

/** Steps of k after which results go to memory, before the others are added to all of them. */
const deepest = 512;

/** Steps of k in a tile: 8 KiB of each strip. */
const stepsAtOnce = 128;

/**
 * Words of `multiply`: addresses, bytes from one matrix to the next, bytes from strip to strip of a and b; sizes.
 */
export const multiplyWords = new WordLayout(
  'a',
  'aMatrix',
  'aStrip',
  'b',
  'bMatrix',
  'bStrip',
  'c',
  'cMatrix',
  'matrices',
  'rows',
  'columns',
  'depth',
  'accumulate',
);

/** The module of `multiply`. */
export const multiplyModule: KernelModule = { key: 'winograd multiply', emit };

/** Rows of the tiles that a strip of so many rows falls into. */
function heightsOf(rows: number, features: Features): number[] {
  const count = Math.ceil(rows / tileRows(features));
  return Array.from({ length: count }, (_, i) => Math.floor((rows + i) / count)).reverse();
}

/** Emits the product of a strip of a, of a number of `rows` from 1 to 16, and one of b: `(a, b, bEnd, c, accumulate, rows)`. */
function emitStrip(module: ModuleBuilder, features: Features, suffix: string): FuncBuilder<null> {
  const steps = { a: lineBytes, b: lineBytes };
  const tiles = Array.from({ length: tileRows(features) }, (_, i) =>
    emitTile(module, features, i + 1, `tile${i + 1}${suffix}`, steps),
  );
  const f = module.func(`strip${suffix}`);
  const { a, b, bEnd, c } = f.params('i32', 'a', 'b', 'bEnd', 'c');
  const { accumulate, rows } = f.params('i32', 'accumulate', 'rows');
  const ofRows = (count: number): Code => {
    let row = 0;
    return heightsOf(count, features).map((height) => {
      const first = row;
      row += height;
      const to = i32.add(c, lineBytes * first);
      return tiles[height - 1]!.call(i32.add(a, 4 * first), b, bEnd, to, lineBytes, accumulate);
    });
  };
  const counts = Array.from({ length: stripLanes }, (_, i) => i + 1);
  return f.body(counts.reduce<Code>((others, count) => if_(i32.eq(rows, count), ofRows(count), others), []));
}

function emit(features: Features): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  const half = emitStrip(module, { ...features, tileColumns: 8 }, '8');
  const whole = features.tileColumns === 16 ? emitStrip(module, features, '16') : null;
  const f = module.func('multiply');
  const { words, thread, threads } = f.params('i32', 'words', 'thread', 'threads');
  const { from, first, row, column } = f.locals('i32', 'from', 'first', 'row', 'column');
  const { step, stepEnd } = f.locals('i32', 'step', 'stepEnd');
  const l = new Lanes(f, features);
  const w = l.words(multiplyWords, words);
  const columnStrips = l.let(ceilDiv(w.columns, stripLanes));
  const rowStrips = l.let(ceilDiv(w.rows, stripLanes));
  const cStrip = l.let(i32.mul(w.rows, lineBytes));
  const all = l.let(i32.mul(w.matrices, columnStrips));
  const { begin: strip, end } = share(l, all, 1, thread, threads);

  const eachMatrix = l.block(() => {
    const matrix = l.let(i32.divU(strip, columnStrips));
    const begin = l.let(i32.remU(strip, columnStrips));
    const last = l.let(smaller(l.let(i32.add(begin, i32.sub(end, strip))), columnStrips));
    const a = l.let(i32.add(w.a, i32.mul(matrix, w.aMatrix)));
    const b = l.let(i32.add(w.b, i32.mul(matrix, w.bMatrix)));
    const c = l.let(i32.add(w.c, i32.mul(matrix, w.cMatrix)));
    const eachDepth = l.block(() => {
      const steps = l.let(smaller(l.let(i32.sub(w.depth, from)), deepest));
      const skip = l.let(i32.mul(from, lineBytes));
      const bytes = l.let(i32.mul(steps, lineBytes));
      const isLater = l.let(i32.or(from, w.accumulate));
      const eachBlock = l.block(() => {
        const blockEnd = l.let(smaller(l.let(i32.add(first, stripBlock)), last));
        const eachRow = l.block(() => {
          const stripA = l.let(i32.add(i32.add(a, i32.mul(row, w.aStrip)), skip));
          const left = l.let(i32.sub(w.rows, i32.mul(row, stripLanes)));
          const rows = l.let(smaller(left, stripLanes));
          const eachColumn = l.block(() => {
            const stripB = l.let(i32.add(i32.add(b, i32.mul(column, w.bStrip)), skip));
            const to = i32.add(i32.mul(column, cStrip), i32.mul(row, stripLanes * lineBytes));
            const target = l.let(i32.add(c, to));
            const isHalf = l.let(i32.leU(i32.sub(w.columns, i32.mul(column, stripLanes)), stripLanes / 2));
            const by = (tiles: FuncBuilder<null>, bytesAfter: number): Code =>
              tiles.call(
                i32.add(stripA, step),
                i32.add(i32.add(stripB, step), bytesAfter),
                i32.add(i32.add(stripB, stepEnd), bytesAfter),
                i32.add(target, bytesAfter),
                i32.or(isLater, step),
                rows,
              );
            l.do(
              forRange(step, 0, bytes, stepsAtOnce * lineBytes, [
                stepEnd.set(i32.add(step, stepsAtOnce * lineBytes)),
                stepEnd.set(smaller(stepEnd, bytes)),
                if_(isHalf, by(half, 0), whole ? by(whole, 0) : [by(half, 0), by(half, lineBytes / 2)]),
              ]),
            );
          });
          l.do(forRange(column, first, blockEnd, 1, eachColumn));
        });
        l.do(forRange(row, 0, rowStrips, 1, eachRow));
      });
      l.do(forRange(first, begin, last, stripBlock, eachBlock), from.set(i32.add(from, deepest)));
    });
    l.do(
      from.set(0),
      doWhile(eachDepth, i32.ltU(from, w.depth)),
      strip.set(i32.add(i32.mul(matrix, columnStrips), last)),
    );
  });
  l.do(while_(i32.ltU(strip, end), eachMatrix));
  f.body(l.finish());
  return module.finish();
}
