/**
 * Products of few rows and a wide matrix that lies along its columns:
 *
 *     out[s, n] = sum over k of few[s, k] * wide[k, n] (+ bias[n]) (then max(0, .))
 *
 * Nothing is packed: the results of a block of columns stay in the caches, and four rows of the wide matrix at a time are
 * added to them. These are rows k of the matrix's four quarters, so that it is read once in four long streams, which
 * the hardware fetches ahead (rows side by side would start new ones all the time). Sixteen such steps are added up in
 * scratch memory before they are added to the results, so that a long sum keeps its digits; the plan doesn't ask for
 * more than `mostDepth` at once. Threads share the columns.
 */

import { type FuncBuilder, ModuleBuilder } from '../../asm/assembler.js';
import { doWhile, forRange, if_, select, while_ } from '../../asm/flow.js';
import { type Code, f32, f32x4, f64, type I32, i32, memory, v128 } from '../../asm/instructions.js';
import { Lanes, multiplyAdd, share, smaller } from '../../asm/lanes.js';
import { WordLayout } from '../../asm/words.js';
import type { Features, KernelModule } from '../../plan.js';
import { ceilDiv } from './panels.js';

/**
 * Words of `axpy`: addresses, distances in bytes (of groups, rows; `fewStep` of few's columns), sizes. `scratch` is
 * memory of `scratchBytes` for each thread.
 */
export const axpyWords = new WordLayout(
  'wide',
  'wideGroup',
  'wideRow',
  'few',
  'fewGroup',
  'fewRow',
  'fewStep',
  'scratch',
  'out',
  'outGroup',
  'bias',
  'relu',
  'groups',
  'fewRows',
  'depth',
  'columns',
);

/** Columns in a block: long runs are read fastest, and the results of 16 rows still fit the second level cache. */
const blockColumns = 8192;

/** Steps through the quarters that are added up in scratch memory. */
const blockSteps = 16;

/** Terms of a sum at most: as many blocks as a block has terms. */
export const mostDepth = (4 * blockSteps) ** 2;

/** Bytes of scratch memory for each thread. */
export function scratchBytes(rows: number, columns: number): number {
  return 4 * rows * Math.min(blockColumns, 16 * Math.ceil(columns / 16));
}

/** The module of `axpy`. */
export const axpyModule: KernelModule = { key: 'axpy', emit };

function emit(features: Features): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  const adders = ([1, 2] as const).map((rows) => ({
    one: emitAdd(module, features, 1, rows, 'add'),
    add: emitAdd(module, features, 4, rows, 'add'),
    start: emitAdd(module, features, 4, rows, 'start'),
    finish: emitAdd(module, features, 4, rows, 'finish'),
  }));
  const f = module.func('axpy');
  const { words, thread, threads } = f.params('i32', 'words', 'thread', 'threads');
  const { s, k, x, from, to } = f.locals('i32', 's', 'k', 'x', 'from', 'to');
  const { result } = f.locals('f64', 'result');
  const { finished } = f.locals('f32', 'finished');
  const { vector } = f.locals('v128', 'vector');
  const l = new Lanes(f, features);
  const w = l.words(axpyWords, words);
  const outRow = l.let(i32.shl(w.columns, 2));
  const quarter = l.let(i32.shrU(w.depth, 2));
  const wideQuarter = l.let(i32.mul(w.wideRow, quarter));
  const fewQuarter = l.let(i32.mul(w.fewStep, quarter));
  const isLong = l.let(i32.gtU(quarter, blockSteps));
  const blockRow = l.let(smaller(l.let(i32.and(i32.add(outRow, 63), -64)), 4 * blockColumns));
  const scratch = l.let(i32.add(w.scratch, i32.mul(thread, i32.mul(w.fewRows, blockRow))));
  // Work comes in runs of 16 columns (64 bytes), counted through all groups; a thread has a range of them.
  const runs = l.let(ceilDiv(w.columns, 16));
  const { begin: run, end } = share(l, l.let(i32.mul(w.groups, runs)), 1, thread, threads);

  const eachBlock = l.block(() => {
    const group = l.let(i32.divU(run, runs));
    const first = l.let(i32.sub(run, i32.mul(group, runs)));
    const most = l.let(smaller(l.let(i32.sub(end, run)), blockColumns / 16));
    const last = l.let(smaller(l.let(i32.add(first, most)), runs));
    const at = l.let(i32.shl(first, 6));
    const bytes = l.let(i32.sub(smaller(l.let(i32.shl(last, 6)), outRow), at));
    const vectorBytes = l.let(i32.and(bytes, -16));
    const wide = l.let(i32.add(i32.add(w.wide, i32.mul(group, w.wideGroup)), at));
    const few = l.let(i32.add(w.few, i32.mul(group, w.fewGroup)));
    const out = l.let(i32.add(i32.add(w.out, i32.mul(group, w.outGroup)), at));
    const bias = l.let(i32.add(w.bias, at));
    const outAt = (row: I32) => i32.add(out, i32.mul(row, outRow));
    // Where steps are added up: in a short sum, the results themselves.
    const part = l.let(select(isLong, scratch, out));
    const partRow = l.let(select(isLong, blockRow, outRow));
    const partAt = (row: I32) => i32.add(part, i32.mul(row, partRow));
    const fewAt = (row: I32) => i32.add(i32.add(few, i32.mul(row, w.fewRow)), i32.mul(k, w.fewStep));
    const wideAt = i32.add(wide, i32.mul(k, w.wideRow));
    /** Adds row k, of each quarter or only that, to all results, two rows of them at a time. */
    const addRows = (kind: 'one' | 'add' | 'start' | 'finish'): Code => {
      const [single, pair] = adders.map((adder) => adder[kind]);
      const parts = kind === 'one' ? [outAt(s), outRow] : [partAt(s), partRow];
      const common = [outAt(s), outRow, wideAt, wideQuarter, fewQuarter, w.fewRow, vectorBytes];
      return [
        s.set(0),
        while_(i32.ltU(i32.add(s, 1), w.fewRows), [
          pair!.call(fewAt(s), ...parts, ...common),
          s.set(i32.add(s, 2)),
        ]),
        if_(i32.ltU(s, w.fewRows), single!.call(fewAt(s), ...parts, ...common)),
      ];
    };
    const eachPart = [
      to.set(i32.add(from, blockSteps)),
      // No single step is left for a block of its own, which couldn't both start and finish.
      if_(i32.geU(i32.add(to, 1), quarter), to.set(quarter)),
      k.set(from),
      addRows('start'),
      forRange(k, i32.add(from, 1), i32.sub(to, 1), 1, addRows('add')),
      addRows('finish'),
      from.set(to),
    ];
    const finishRow = l.block(() => {
      const row = l.let(outAt(s));
      const product = f64.promoteF32(f32.mul(f32.load(fewAt(s)), f32.load(i32.add(wideAt, x))));
      l.do(
        forRange(x, 0, vectorBytes, 16, [
          vector.set(v128.load(i32.add(row, x))),
          if_(w.bias, vector.set(f32x4.add(vector, v128.load(i32.add(bias, x))))),
          if_(w.relu, vector.set(f32x4.max(f32x4.const(0), vector))),
          v128.store(i32.add(row, x), vector),
        ]),
        // the last one to three columns
        forRange(x, vectorBytes, bytes, 4, [
          result.set(0),
          forRange(k, 0, w.depth, 1, result.set(f64.add(result, product))),
          finished.set(f32.demoteF64(result)),
          if_(w.bias, finished.set(f32.add(finished, f32.load(i32.add(bias, x))))),
          if_(w.relu, finished.set(f32.max(0, finished))),
          f32.store(i32.add(row, x), finished),
        ]),
      );
    });
    l.do(
      forRange(s, 0, w.fewRows, 1, memory.fill(outAt(s), 0, vectorBytes)),
      from.set(0),
      if_(isLong, doWhile(eachPart, i32.ltU(from, quarter)), forRange(k, 0, quarter, 1, addRows('add'))),
      forRange(k, i32.shl(quarter, 2), w.depth, 1, addRows('one')),
      forRange(s, 0, w.fewRows, 1, finishRow),
      run.set(i32.add(i32.mul(group, runs), last)),
    );
  });
  l.do(while_(i32.ltU(run, end), eachBlock));
  f.body(l.finish());
  return module.finish();
}

/**
 * Emits the sum of few[s, k] * wide[k, n] for `steps` numbers k, `wideStep` and `fewStep` bytes apart, and `rows` rows s,
 * `bytes` (a multiple of 16) of n: `(few, part, partRow, out, outRow, wide, wideStep, fewStep, fewRow, bytes)`. It is
 * the start of a part, added to it, or with the finished part added to out.
 */
function emitAdd(
  module: ModuleBuilder,
  features: Features,
  steps: number,
  rows: number,
  mode: 'start' | 'add' | 'finish',
): FuncBuilder<null> {
  const f = module.func(`${mode}${steps}x${rows}`);
  const { few, part, partRow, out, outRow } = f.params('i32', 'few', 'part', 'partRow', 'out', 'outRow');
  const { wide, wideStep, fewStep } = f.params('i32', 'wide', 'wideStep', 'fewStep');
  const { fewRow, bytes } = f.params('i32', 'fewRow', 'bytes');
  const { x, at, to } = f.locals('i32', 'x', 'at', 'to');
  // Vectors of each row in a turn: two become one of 256 bits.
  const width = features.wide ? 2 : 1;
  const factors = Array.from({ length: rows }, () => f.array('v128', steps));
  const wides = f.array('i32', steps);
  const vectors = Array.from({ length: steps }, () => f.array('v128', width));
  const sums = Array.from({ length: rows }, () => f.array('v128', width));
  const parts = f.array('i32', rows);
  const outs = f.array('i32', mode === 'finish' ? rows : 0);
  const turn = (count: number): Code => [
    vectors.map((row, k) => [
      at.set(i32.add(wides[k]!, x)),
      row.slice(0, count).map((vector, v) => vector.set(v128.load(at, 16 * v))),
    ]),
    factors.map((row, s) => {
      const own = sums[s]!.slice(0, count);
      const terms = row.map((factor, k) => [factor, vectors[k]!] as const);
      const [factor, first] = terms[0]!;
      return [
        at.set(i32.add(parts[s]!, x)),
        to.set(i32.add(outs[s] ?? parts[s]!, x)),
        own.map((sum, v) => {
          const start = mode === 'start';
          const rest = start ? terms.slice(1) : terms;
          return [
            sum.set(start ? f32x4.mul(factor, first[v]!) : v128.load(at, 16 * v)),
            rest.map(([by, vector]) => sum.set(multiplyAdd(features, by, vector[v]!, sum))),
            mode === 'finish' ? sum.set(f32x4.add(v128.load(to, 16 * v), sum)) : [],
          ];
        }),
        own.map((sum, v) => v128.store(to, sum, 16 * v)),
      ];
    }),
    x.set(i32.add(x, 16 * count)),
  ];
  const { whole } = f.locals('i32', 'whole');
  return f.body(
    whole.set(i32.and(bytes, -16 * width)),
    wides.map((at, k) => at.set(k === 0 ? wide : i32.add(wides[k - 1]!, wideStep))),
    parts.map((at, s) => at.set(s === 0 ? part : i32.add(parts[s - 1]!, partRow))),
    outs.map((at, s) => at.set(s === 0 ? out : i32.add(outs[s - 1]!, outRow))),
    factors.map((row, s) =>
      row.map((factor, k) =>
        factor.set(v128.load32Splat(i32.add(few, i32.add(i32.mul(fewRow, s), i32.mul(fewStep, k))))),
      ),
    ),
    while_(i32.ltU(x, whole), turn(width)),
    width > 1 ? while_(i32.ltU(x, bytes), turn(1)) : [],
  );
}
