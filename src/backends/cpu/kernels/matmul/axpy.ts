/**
 * Products of few rows and a wide matrix that lies along its columns:
 *
 *     out[s, n] = sum over k of few[s, k] * wide[k, n] (+ bias[n]) (then max(0, .))
 *
 * Nothing is packed: the results of a block of columns stay in the caches, and four rows of the wide matrix at a time are
 * added to them. These are rows k of the matrix's four quarters, so that it is read once in four long streams, which
 * the hardware fetches ahead (rows side by side would start new ones all the time). Threads share the columns.
 */

import { type FuncBuilder, ModuleBuilder } from '../../asm/assembler.js';
import {
  type Code,
  f32,
  f32x4,
  forRange,
  type I32,
  i32,
  if_,
  memory,
  v128,
  while_,
} from '../../asm/instructions.js';
import { Lanes, multiplyAdd, share, smaller } from '../../asm/lanes.js';
import { WordLayout } from '../../asm/words.js';
import type { Features, KernelModule } from '../../plan.js';
import { ceilDiv } from './panels.js';

/** Words of `axpy`: addresses, distances in bytes (of groups, rows; `fewStep` of few's columns), sizes. */
export const axpyWords = new WordLayout(
  'wide',
  'wideGroup',
  'wideRow',
  'few',
  'fewGroup',
  'fewRow',
  'fewStep',
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

/** The module of `axpy`. */
export const axpyModule: KernelModule = { key: 'axpy', emit };

function emit(features: Features): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  const adders = ([1, 2] as const).map((rows) => ({
    four: emitAdd(module, features, 4, rows),
    one: emitAdd(module, features, 1, rows),
  }));
  const f = module.func('axpy');
  const { words, thread, threads } = f.params('i32', 'words', 'thread', 'threads');
  const { s, k, x } = f.locals('i32', 's', 'k', 'x');
  const { result } = f.locals('f32', 'result');
  const { vector } = f.locals('v128', 'vector');
  const l = new Lanes(f, features);
  const w = l.words(axpyWords, words);
  const outRow = l.let(i32.shl(w.columns, 2));
  const quarter = l.let(i32.shrU(w.depth, 2));
  const wideQuarter = l.let(i32.mul(w.wideRow, quarter));
  const fewQuarter = l.let(i32.mul(w.fewStep, quarter));
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
    const fewAt = (row: I32) => i32.add(i32.add(few, i32.mul(row, w.fewRow)), i32.mul(k, w.fewStep));
    const wideAt = i32.add(wide, i32.mul(k, w.wideRow));
    /** Adds row k, of each quarter or only that, to all results, two rows of them at a time. */
    const addRows = (kind: 'four' | 'one'): Code => {
      const [single, pair] = adders.map((adder) => adder[kind]);
      const common = [wideAt, wideQuarter, fewQuarter, w.fewRow, outRow, vectorBytes];
      return [
        s.set(0),
        while_(i32.ltU(i32.add(s, 1), w.fewRows), [
          pair!.call(fewAt(s), outAt(s), ...common),
          s.set(i32.add(s, 2)),
        ]),
        if_(i32.ltU(s, w.fewRows), single!.call(fewAt(s), outAt(s), ...common)),
      ];
    };
    const finishRow = l.block(() => {
      const row = l.let(outAt(s));
      const add = (value: ReturnType<typeof f32.load>) => result.set(f32.add(result, value));
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
          forRange(k, 0, w.depth, 1, add(f32.mul(f32.load(fewAt(s)), f32.load(i32.add(wideAt, x))))),
          if_(w.bias, add(f32.load(i32.add(bias, x)))),
          if_(w.relu, result.set(f32.max(0, result))),
          f32.store(i32.add(row, x), result),
        ]),
      );
    });
    l.do(
      forRange(s, 0, w.fewRows, 1, memory.fill(outAt(s), 0, vectorBytes)),
      forRange(k, 0, quarter, 1, addRows('four')),
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
 * Emits `out[s, n] += sum of few[s, k] * wide[k, n]` for `steps` numbers k, `wideStep` and `fewStep` bytes apart, and
 * `rows` rows s, `bytes` (a multiple of 16) of n: `(few, out, wide, wideStep, fewStep, fewRow, outRow, bytes)`.
 */
function emitAdd(module: ModuleBuilder, features: Features, steps: number, rows: number): FuncBuilder<null> {
  const f = module.func(`add${steps}x${rows}`);
  const { few, out, wide, wideStep } = f.params('i32', 'few', 'out', 'wide', 'wideStep');
  const { fewStep, fewRow, outRow, bytes } = f.params('i32', 'fewStep', 'fewRow', 'outRow', 'bytes');
  const { x } = f.locals('i32', 'x');
  const { sum } = f.locals('v128', 'sum');
  const factors = Array.from({ length: rows }, () => f.array('v128', steps));
  const wides = f.array('i32', steps);
  const vectors = f.array('v128', steps);
  const outs = f.array('i32', rows);
  return f.body(
    wides.map((at, k) => at.set(k === 0 ? wide : i32.add(wides[k - 1]!, wideStep))),
    outs.map((at, s) => at.set(s === 0 ? out : i32.add(outs[s - 1]!, outRow))),
    factors.map((row, s) =>
      row.map((factor, k) =>
        factor.set(v128.load32Splat(i32.add(few, i32.add(i32.mul(fewRow, s), i32.mul(fewStep, k))))),
      ),
    ),
    forRange(x, 0, bytes, 16, [
      vectors.map((vector, k) => vector.set(v128.load(i32.add(wides[k]!, x)))),
      factors.map((row, s) => [
        sum.set(v128.load(i32.add(outs[s]!, x))),
        row.map((factor, k) => sum.set(multiplyAdd(features, factor, vectors[k]!, sum))),
        v128.store(i32.add(outs[s]!, x), sum),
      ]),
    ]),
  );
}
