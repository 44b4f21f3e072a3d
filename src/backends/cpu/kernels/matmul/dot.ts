/**
 * Products of a tall matrix and one of few rows, both lying along the depth:
 *
 *     out[r, s] = sum over k of tall[r, k] * few[s, k] (+ bias) (then max(0, .))
 *
 * Nothing is packed: four rows of the tall matrix are read side by side, a block of depth once from memory; for the
 * further rows of the few it is in the first level cache. The four are rows r of the matrix's quarters, so that it is
 * read in four long streams, which the hardware fetches ahead. Each sum has four or eight lanes (k mod 4 or 8), added
 * up at the end of each block, and those of the blocks in double precision. Threads share the tall rows.
 */

import { type FuncBuilder, ModuleBuilder } from '../../asm/assembler.js';
import { doWhile, forRange, if_, while_ } from '../../asm/flow.js';
import {
  f32,
  f32x4,
  f64,
  f64x2,
  i32,
  type Local,
  memory,
  type V128,
  type Value,
  v128,
} from '../../asm/instructions.js';
import { Lanes, multiplyAdd, share, smaller } from '../../asm/lanes.js';
import { highDoubles, lowDoubles } from '../../asm/sums.js';
import { WordLayout } from '../../asm/words.js';
import type { Features, KernelModule } from '../../plan.js';
import { ceilDiv } from './panels.js';

/** Words of `dot`: addresses, distances in bytes (of groups, rows, and of the result along r and s), sizes. */
export const dotWords = new WordLayout(
  'tall',
  'tallGroup',
  'tallRow',
  'few',
  'fewGroup',
  'fewRow',
  'out',
  'outGroup',
  'outTall',
  'outFew',
  'tallBias',
  'fewBias',
  'relu',
  'groups',
  'tallRows',
  'fewRows',
  'depth',
  'scratch',
);

/** Up to so many rows are few. */
export const mostFew = 16;

/** Bytes of the four sums of one of the few, and of scratch memory for each thread. */
const sumsBytes = 32;
export const scratchBytes = sumsBytes * mostFew;

/** Bytes of each row in a block of depth: at most 64 numbers for each lane of a sum. */
const blockBytes = 1024;

/** Rows of the tall matrix read side by side: the lanes of a vector of results. */
const rowsAtOnce = 4;

/** Bytes of each row in a turn of the inner loop. */
const turnBytes = 32;

/** The module of `dot`. */
export const dotModule: KernelModule = { key: 'dot', emit };

function emit(features: Features): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  const [one, two] = [emitRows(module, features, 1), emitRows(module, features, 2)];
  const f = module.func('dot');
  const { words, thread, threads } = f.params('i32', 'words', 'thread', 'threads');
  const { s, i, k, from } = f.locals('i32', 's', 'i', 'k', 'from');
  const { result } = f.locals('f32', 'result');
  const { sum } = f.locals('f64', 'sum');
  const l = new Lanes(f, features);
  const w = l.words(dotWords, words);
  const depthBytes = l.let(i32.shl(w.depth, 2));
  const vectorBytes = l.let(i32.and(depthBytes, -turnBytes));
  const scratch = l.let(i32.add(w.scratch, i32.mul(thread, scratchBytes)));
  const quarter = l.let(ceilDiv(w.tallRows, rowsAtOnce));
  const { begin: unit, end } = share(l, l.let(i32.mul(w.groups, quarter)), 1, thread, threads);
  const lastRow = l.let(i32.sub(w.tallRows, 1));

  const eachUnit = l.block(() => {
    const group = l.let(i32.divU(unit, quarter));
    const first = l.let(i32.remU(unit, quarter));
    const tall = l.let(i32.add(w.tall, i32.mul(group, w.tallGroup)));
    const few = l.let(i32.add(w.few, i32.mul(group, w.fewGroup)));
    const out = l.let(i32.add(w.out, i32.mul(group, w.outGroup)));
    const rowAt = (row: Local<'i32'>) => i32.add(tall, i32.mul(row, w.tallRow));
    // Rows beyond the last repeat it; their results aren't used.
    const rows = Array.from({ length: rowsAtOnce }, (_, r) =>
      l.let(rowAt(l.let(smaller(l.let(i32.add(first, i32.mul(quarter, r))), lastRow)))),
    );
    /** The results of row s of the few, from its sums: the rest of the depth, bias, ReLU, store. */
    const finishRow = l.block(() => {
      const sums = l.let(i32.add(scratch, i32.mul(s, sumsBytes)));
      const fewRow = l.let(i32.add(few, i32.mul(s, w.fewRow)));
      const isThere = i32.ltU(i32.add(first, i32.mul(i, quarter)), w.tallRows);
      const eachResult = l.block(() => {
        const row = l.let(i32.add(first, i32.mul(i, quarter)));
        const tallRow = l.let(rowAt(row));
        const add = (value: Value<'f32'>) => result.set(f32.add(result, value));
        const product = f32.mul(f32.load(i32.add(tallRow, k)), f32.load(i32.add(fewRow, k)));
        l.do(
          sum.set(f64.load(i32.add(sums, i32.shl(i, 3)))),
          forRange(k, vectorBytes, depthBytes, 4, sum.set(f64.add(sum, f64.promoteF32(product)))),
          result.set(f32.demoteF64(sum)),
          if_(w.tallBias, add(f32.load(i32.add(w.tallBias, i32.shl(row, 2))))),
          if_(w.fewBias, add(f32.load(i32.add(w.fewBias, i32.shl(s, 2))))),
          if_(w.relu, result.set(f32.max(0, result))),
          f32.store(i32.add(out, i32.add(i32.mul(row, w.outTall), i32.mul(s, w.outFew))), result),
        );
      });
      l.do(forRange(i, 0, rowsAtOnce, 1, if_(isThere, eachResult)));
    });
    const eachDepth = l.block(() => {
      const bytes = l.let(smaller(l.let(i32.sub(vectorBytes, from)), blockBytes));
      const starts = rows.map((row) => l.let(i32.add(row, from)));
      const addRows = l.block(() => {
        const fewRow = l.let(i32.add(i32.add(few, from), i32.mul(s, w.fewRow)));
        const sums = l.let(i32.add(scratch, i32.mul(s, sumsBytes)));
        l.do(
          if_(
            i32.ltU(i32.add(s, 1), w.fewRows),
            two.call(...starts, fewRow, i32.add(fewRow, w.fewRow), bytes, sums),
            one.call(...starts, fewRow, i32.add(fewRow, 16), bytes, sums),
          ),
        );
      });
      l.do(forRange(s, 0, w.fewRows, 2, addRows));
    });
    l.do(
      memory.fill(scratch, 0, scratchBytes),
      forRange(from, 0, vectorBytes, blockBytes, eachDepth),
      forRange(s, 0, w.fewRows, 1, finishRow),
      unit.set(i32.add(unit, 1)),
    );
  });
  l.do(while_(i32.ltU(unit, end), eachUnit));
  f.body(l.finish());
  return module.finish();
}

/**
 * Emits the inner loop: four tall rows by one or two of the few, `bytes` of each (a multiple of `turnBytes`), added to
 * four sums for each of the few: `(tall rows, few0, few1, bytes, to)`. With one of the few, `few1` is its second vector,
 * so that either form has eight sums at work: fewer would wait for each other. A function of its own: see tile.ts on registers.
 */
function emitRows(module: ModuleBuilder, features: Features, count: 1 | 2): FuncBuilder<null> {
  const f = module.func(`rows${count}`);
  const tall = Object.values(f.params('i32', 'tall0', 'tall1', 'tall2', 'tall3'));
  const { few0, few1, bytes, to } = f.params('i32', 'few0', 'few1', 'bytes', 'to');
  const { k } = f.locals('i32', 'k');
  const { left } = f.locals('v128', 'left');
  const right = f.array('v128', 2);
  const sums = right.map(() => f.array('v128', rowsAtOnce));
  const add = (j: number, i: number) =>
    sums[j]![i]!.set(multiplyAdd(features, left, right[j]!, sums[j]![i]!));
  const turn = [
    [few0, few1].map((few, j) => right[j]!.set(v128.load(i32.add(few, k)))),
    tall.map((at, i) => [
      left.set(v128.load(i32.add(at, k))),
      add(0, i),
      count === 1 ? left.set(v128.load(i32.add(at, k), 16)) : [],
      add(1, i),
    ]),
    k.set(i32.add(k, count === 1 ? 32 : 16)),
  ];
  const total = count === 1 ? [sums[0]!.map((sum, i) => f32x4.add(sum, sums[1]![i]!))] : sums;
  return f.body(
    if_(bytes, doWhile(turn, i32.ne(k, bytes))),
    total.map((row, j) => {
      const add = (half: V128, at: number) => v128.store(to, f64x2.add(v128.load(to, at), half), at);
      const at = sumsBytes * j;
      return [left.set(sumLanes(row)), add(lowDoubles(left), at), add(highDoubles(left), at + 16)];
    }),
  );
}

/** The sum of the four lanes of each of four vectors. */
function sumLanes([a, b, c, d]: readonly V128[]): V128 {
  const pair = (p: V128, q: V128) =>
    f32x4.add(v128.shuffle32(p, q, 0, 4, 1, 5), v128.shuffle32(p, q, 2, 6, 3, 7));
  const [low, high] = [pair(a!, b!), pair(c!, d!)];
  return f32x4.add(v128.shuffle32(low, high, 0, 1, 4, 5), v128.shuffle32(low, high, 2, 3, 6, 7));
}
