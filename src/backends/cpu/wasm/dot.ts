/**
 * Products of a tall matrix and one of few rows, both lying along the depth:
 *
 *     out[r, s] = sum over k of tall[r, k] * few[s, k] (+ bias) (then max(0, .))
 *
 * Nothing is packed: four rows of the tall matrix are read side by side, once from memory; for the further rows of
 * the few they are in a cache. Each sum has four lanes (k mod 4), added up at the end. Threads share the tall rows.
 */
import type { Features, KernelModule } from '../plan.js';
import { type FuncBuilder, ModuleBuilder } from './assembler.js';
import {
  doWhile,
  f32,
  f32x4,
  forRange,
  i32,
  if_,
  select,
  type V128,
  type Value,
  v128,
  while_,
} from './instructions.js';
import { multiplyAdd } from './tile.js';
import { WordLayout } from './words.js';

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

export const dotModule: KernelModule = { key: 'dot', emit };

/** Bytes of scratch memory for each thread. */
export const scratchBytes = 64;

/** Rows of the tall matrix read side by side: the lanes of a vector of results. */
const rowsAtOnce = 4;

function emit(features: Features): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  const [one, two] = [emitRows(module, features, 1), emitRows(module, features, 2)];
  const f = module.func('dot');
  const { words, thread, threads } = f.params('i32', 'words', 'thread', 'threads');
  const { blocks, unit, end, group, row } = f.locals('i32', 'blocks', 'unit', 'end', 'group', 'row');
  const { s, k, vectorBytes, depthBytes } = f.locals('i32', 's', 'k', 'vectorBytes', 'depthBytes');
  const { out, tallRows, fewRows, i, x } = f.locals('i32', 'out', 'tallRows', 'fewRows', 'i', 'x');
  const { few, from, scratch, count } = f.locals('i32', 'few', 'from', 'scratch', 'count');
  const { result } = f.locals('f32', 'result');
  const rows = f.array('i32', rowsAtOnce);
  const word = (name: Parameters<typeof dotWords.read>[1]) => dotWords.read(words, name);
  const groupOf = (base: Value<'i32'>, distance: Value<'i32'>) => i32.add(base, i32.mul(group, distance));
  const min = (a: Value<'i32'>, b: Value<'i32'>) => select(i32.ltU(a, b), a, b);
  const tallAt = (index: Value<'i32'>) =>
    i32.add(groupOf(word('tall'), word('tallGroup')), i32.mul(index, word('tallRow')));

  /** One result: the rest of the depth, bias, ReLU, store. */
  const finish = [
    result.set(f32.load(i32.add(scratch, i32.shl(i, 2)))),
    x.set(tallAt(i32.add(row, i))),
    forRange(k, vectorBytes, depthBytes, 4, [
      result.set(f32.add(result, f32.mul(f32.load(i32.add(x, k)), f32.load(i32.add(from, k))))),
    ]),
    x.set(word('tallBias')),
    if_(x, result.set(f32.add(result, f32.load(i32.add(x, i32.shl(i32.add(row, i), 2)))))),
    x.set(word('fewBias')),
    if_(x, result.set(f32.add(result, f32.load(i32.add(x, i32.shl(s, 2)))))),
    if_(word('relu'), result.set(f32.max(0, result))),
    x.set(i32.add(i32.mul(i32.add(row, i), word('outTall')), i32.mul(s, word('outFew')))),
    f32.store(i32.add(out, x), result),
  ];
  const finishRow = [
    from.set(i32.add(few, i32.mul(s, word('fewRow')))),
    forRange(i, 0, count, 1, finish),
    s.set(i32.add(s, 1)),
  ];
  const rowOfFew = i32.add(few, i32.mul(s, word('fewRow')));
  f.body(
    tallRows.set(word('tallRows')),
    fewRows.set(word('fewRows')),
    depthBytes.set(i32.shl(word('depth'), 2)),
    vectorBytes.set(i32.and(depthBytes, -16)),
    blocks.set(i32.divU(i32.add(tallRows, rowsAtOnce - 1), rowsAtOnce)),
    unit.set(i32.divU(i32.mul(i32.mul(word('groups'), blocks), thread), threads)),
    end.set(i32.divU(i32.mul(i32.mul(word('groups'), blocks), i32.add(thread, 1)), threads)),
    forRange(unit, unit, end, 1, [
      group.set(i32.divU(unit, blocks)),
      row.set(i32.mul(i32.remU(unit, blocks), rowsAtOnce)),
      count.set(min(i32.sub(tallRows, row), i32.const(rowsAtOnce))),
      few.set(groupOf(word('few'), word('fewGroup'))),
      out.set(groupOf(word('out'), word('outGroup'))),
      // rows beyond the last repeat it; they aren't stored
      rows.map((at, r) => at.set(tallAt(min(i32.add(row, r), i32.sub(tallRows, 1))))),
      s.set(0),
      while_(i32.ltU(s, fewRows), [
        scratch.set(i32.add(word('scratch'), i32.mul(thread, scratchBytes))),
        if_(
          i32.ltU(i32.add(s, 1), fewRows),
          [
            two.call(...rows, rowOfFew, i32.add(rowOfFew, word('fewRow')), vectorBytes, scratch),
            finishRow,
            scratch.set(i32.add(scratch, 16)),
            finishRow,
          ],
          [one.call(...rows, rowOfFew, vectorBytes, scratch), finishRow],
        ),
      ]),
    ]),
  );
  return module.finish();
}

/**
 * Emits the inner loop: four tall rows by `count` of the few, `bytes` (a multiple of 16) of each, to four sums for
 * each of the few: `(tall rows, few rows, bytes, to)`. A function of its own: see tile.ts on registers.
 */
function emitRows(module: ModuleBuilder, features: Features, count: number): FuncBuilder<null> {
  const f = module.func(`rows${count}`);
  const { tall0, tall1, tall2, tall3 } = f.params('i32', 'tall0', 'tall1', 'tall2', 'tall3');
  const tall = [tall0, tall1, tall2, tall3];
  const few = Array.from({ length: count }, (_, j) => f.params('i32', `few${j}`)[`few${j}`]!);
  const { bytes, to } = f.params('i32', 'bytes', 'to');
  const { k } = f.locals('i32', 'k');
  const { left } = f.locals('v128', 'left');
  const right = f.array('v128', count);
  const sums = right.map(() => f.array('v128', rowsAtOnce));
  return f.body(
    if_(
      bytes,
      doWhile(
        [
          right.map((vector, j) => vector.set(v128.load(i32.add(few[j]!, k)))),
          tall.map((at, i) => [
            left.set(v128.load(i32.add(at, k))),
            sums.map((row, j) => row[i]!.set(multiplyAdd(features, left, right[j]!, row[i]!))),
          ]),
          k.set(i32.add(k, 16)),
        ],
        i32.ne(k, bytes),
      ),
    ),
    sums.map((row, j) => v128.store(to, sumLanes(row), 16 * j)),
  );
}

/** The sum of the four lanes of each of four vectors. */
function sumLanes([a, b, c, d]: readonly V128[]): V128 {
  const pair = (p: V128, q: V128) =>
    f32x4.add(v128.shuffle32(p, q, 0, 4, 1, 5), v128.shuffle32(p, q, 2, 6, 3, 7));
  const [low, high] = [pair(a!, b!), pair(c!, d!)];
  return f32x4.add(v128.shuffle32(low, high, 0, 1, 4, 5), v128.shuffle32(low, high, 2, 3, 6, 7));
}
