/**
 * Products of a tall matrix and one of few rows, both lying along the depth:
 *
 *     out[r, s] = sum over k of tall[r, k] * few[s, k] (+ bias) (then max(0, .))
 *
 * Nothing is packed: four rows of the tall matrix are read side by side, a block of depth once from memory; for the
 * further rows of the few it is in the first level cache. The four are rows r of the matrix's quarters, so that it is
 * read in four long streams, which the hardware fetches ahead. Each sum has four or eight lanes (k mod 4 or 8), added
 * up at the end of each block, and those of the blocks in double precision. Threads share the tall rows.
 *
 * With 256-bit vectors eight of the few go at a time, each pair of whose sums is one of 256 bits: for that the same
 * elements of the eight must lie side by side, `[k / 4][s][k mod 4]`, which `packFew` sees to.
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

/** Rows of the few that are packed together. */
export const packedRows = 8;

/**
 * Words of `packFew`: the first `eights` times eight rows of the few, of which `units` vectors of four numbers are
 * packed, in eights for each of the groups.
 */
export const packFewWords = new WordLayout(
  'few',
  'fewGroup',
  'fewRow',
  'packed',
  'groups',
  'eights',
  'units',
);

/** Words of `dot`: addresses, distances in bytes (of groups, rows, and of the result along r and s), sizes. */
export const dotWords = new WordLayout(
  'tall',
  'tallGroup',
  'tallRow',
  'few',
  'fewGroup',
  'fewRow',
  'packed',
  'eights',
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

/** Bytes of the four sums of one of the few, of eight times two sums in lanes, and of scratch memory for each thread. */
const sumsBytes = 32;
const lanesBytes = 16 * 2 * packedRows;
export const scratchBytes = sumsBytes * mostFew + lanesBytes;

/** Bytes of each row in a block of depth: at most 64 numbers for each lane of a sum. */
const blockBytes = 1024;

/** Rows of the tall matrix read side by side: the lanes of a vector of results. */
const rowsAtOnce = 4;

/** Bytes of each row in a turn of the inner loop. */
const turnBytes = 32;

/** The vectors of a row of so many numbers that `packFew` packs. */
export function packedVectors(depth: number): number {
  return Math.floor((4 * depth) / turnBytes) * (turnBytes / 16);
}

/** The module of `dot`. */
export const dotModule: KernelModule = { key: 'dot', emit };

function emit(features: Features): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  const [one, two] = [emitRows(module, features, 1), emitRows(module, features, 2)];
  const eight = emitPackedRows(module, features);
  emitPackFew(module, features);
  const f = module.func('dot');
  const { words, thread, threads } = f.params('i32', 'words', 'thread', 'threads');
  const { s, i, k, from, packed } = f.locals('i32', 's', 'i', 'k', 'from', 'packed');
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
      // Of the packed rows a block's vectors lie `packedRows` times as far apart, and eight rows of `depthBytes`.
      const addEight = l.block(() => {
        const first = l.let(i32.add(packed, i32.mul(from, packedRows)));
        const end = l.let(i32.add(first, i32.mul(bytes, packedRows)));
        const sums = l.let(i32.add(scratch, i32.mul(s, sumsBytes)));
        const lanes = i32.add(scratch, sumsBytes * mostFew);
        for (const pair of [0, 2]) {
          l.do(eight.call(starts[pair]!, starts[pair + 1]!, first, end, i32.add(sums, 8 * pair), lanes));
        }
        l.do(packed.set(i32.add(packed, i32.mul(vectorBytes, packedRows))));
      });
      const eights = l.let(i32.shl(w.eights, 3));
      const packedGroup = i32.mul(i32.mul(group, w.eights), i32.mul(vectorBytes, packedRows));
      l.do(
        packed.set(i32.add(w.packed, packedGroup)),
        forRange(s, 0, eights, packedRows, addEight),
        forRange(s, eights, w.fewRows, 2, addRows),
      );
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

/**
 * Emits the inner loop for packed rows: two tall rows by eight of the few from `few` to `end`, added to two sums for each:
 * `(tall0, tall1, few, end, to, lanes)`. The sums go through memory at `lanes`: only what is written side by side is fused.
 */
function emitPackedRows(module: ModuleBuilder, features: Features): FuncBuilder<null> {
  const f = module.func('packedRows');
  const tall = Object.values(f.params('i32', 'tall0', 'tall1'));
  const { few, end, to, lanes } = f.params('i32', 'few', 'end', 'to', 'lanes');
  const { left, total } = f.locals('v128', 'left', 'total');
  const right = f.array('v128', packedRows);
  const sums = tall.map(() => f.array('v128', packedRows));
  const turn = [
    right.map((vector, s) => vector.set(v128.load(few, 16 * s))),
    tall.map((at, i) => [
      left.set(v128.load(at)),
      sums[i]!.map((sum, s) => sum.set(multiplyAdd(features, left, right[s]!, sum))),
      at.set(i32.add(at, 16)),
    ]),
    few.set(i32.add(few, 16 * packedRows)),
  ];
  const lanesOf = (i: number, s: number): V128 => v128.load(lanes, 16 * (i * packedRows + s));
  const addTo = (at: number, doubles: V128) => v128.store(to, f64x2.add(v128.load(to, at), doubles), at);
  return f.body(
    if_(i32.ne(few, end), doWhile(turn, i32.ne(few, end))),
    sums.map((row, i) => row.map((sum, s) => v128.store(lanes, sum, 16 * (i * packedRows + s)))),
    Array.from({ length: packedRows / 2 }, (_, half) => {
      const s = 2 * half;
      return [
        total.set(sumLanes([lanesOf(0, s), lanesOf(1, s), lanesOf(0, s + 1), lanesOf(1, s + 1)])),
        addTo(sumsBytes * s, lowDoubles(total)),
        addTo(sumsBytes * (s + 1), highDoubles(total)),
      ];
    }),
  );
}

/** Emits `packFew(address of words, thread, threads)`; threads share the vectors of a row. */
function emitPackFew(module: ModuleBuilder, features: Features): void {
  const f = module.func('packFew');
  const { words, thread, threads } = f.params('i32', 'words', 'thread', 'threads');
  const { group, eight, from, to, vector } = f.locals('i32', 'group', 'eight', 'from', 'to', 'vector');
  const l = new Lanes(f, features);
  const w = l.words(packFewWords, words);
  const { begin, end } = share(l, w.units, 1, thread, threads);
  const packedBytes = l.let(i32.mul(w.units, 16 * packedRows));
  const eachVector = l.block(() => {
    const at = l.let(i32.add(from, i32.shl(vector, 4)));
    for (let s = 0; s < packedRows; s++)
      l.do(v128.store(to, v128.load(at), 16 * s), at.set(i32.add(at, w.fewRow)));
    l.do(to.set(i32.add(to, 16 * packedRows)));
  });
  const eachEight = [
    from.set(i32.add(w.few, i32.add(i32.mul(group, w.fewGroup), i32.mul(i32.shl(eight, 3), w.fewRow)))),
    to.set(i32.add(i32.mul(i32.add(i32.mul(group, w.eights), eight), packedBytes), w.packed)),
    to.set(i32.add(to, i32.mul(begin, 16 * packedRows))),
    forRange(vector, begin, end, 1, eachVector),
  ];
  l.do(forRange(group, 0, w.groups, 1, forRange(eight, 0, w.eights, 1, eachEight)));
  f.body(l.finish());
}

/** The sum of the four lanes of each of four vectors. */
function sumLanes([a, b, c, d]: readonly V128[]): V128 {
  const pair = (p: V128, q: V128) =>
    f32x4.add(v128.shuffle32(p, q, 0, 4, 1, 5), v128.shuffle32(p, q, 2, 6, 3, 7));
  const [low, high] = [pair(a!, b!), pair(c!, d!)];
  return f32x4.add(v128.shuffle32(low, high, 0, 1, 4, 5), v128.shuffle32(low, high, 2, 3, 6, 7));
}
