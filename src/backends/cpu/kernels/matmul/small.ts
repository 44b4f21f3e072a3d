/**
 * Products too small for anything to be worth preparing:
 *
 *     out[g, m, n] = sum over k of a[g, m, k] * b[g, k, n] (+ bias[n]) (then max(0, .))
 *
 * Four columns at a time where b's lie side by side, else one by one, on one thread. A sum has one accumulator that takes
 * its terms in order, as in a tile of panels (gemm.ts), so both give the same bits.
 */
import { ModuleBuilder } from '../../asm/assembler.js';
import { forRange, if_ } from '../../asm/flow.js';
import { type Code, f32x4, type I32, i32, type V128, v128 } from '../../asm/instructions.js';
import { Lanes } from '../../asm/lanes.js';
import { WordLayout } from '../../asm/words.js';
import type { Features, KernelModule } from '../../plan.js';

/** Words of `small`: addresses (0: no bias), distances in bytes, sizes. `out` is dense. */
export const smallWords = new WordLayout(
  'a',
  'aGroup',
  'aRow',
  'aColumn',
  'b',
  'bGroup',
  'bRow',
  'bColumn',
  'bias',
  'relu',
  'out',
  'groups',
  'rows',
  'columns',
  'depth',
);

/** The module of `small`. */
export const smallModule: KernelModule = { key: 'small product', emit };

function emit(features: Features): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  const f = module.func('small');
  const { words } = f.params('i32', 'words', 'thread', 'threads');
  const { group, row, column, k, left, right } = f.locals(
    'i32',
    'group',
    'row',
    'column',
    'k',
    'left',
    'right',
  );
  const { out, sideBySide } = f.locals('i32', 'out', 'sideBySide');
  const { sum } = f.locals('v128', 'sum');
  const l = new Lanes(f, features);
  const w = l.words(smallWords, words);
  /** The results from `column` on, of which `load` reads all lanes and `store` writes them. */
  const results = (load: (address: I32) => V128, store: Code): Code => [
    left.set(i32.add(i32.add(w.a, i32.mul(group, w.aGroup)), i32.mul(row, w.aRow))),
    right.set(i32.add(i32.add(w.b, i32.mul(group, w.bGroup)), i32.mul(column, w.bColumn))),
    sum.set(f32x4.const(0)),
    forRange(k, 0, w.depth, 1, [
      sum.set(l.madd(v128.load32Splat(left), load(right), sum)),
      left.set(i32.add(left, w.aColumn)),
      right.set(i32.add(right, w.bRow)),
    ]),
    if_(w.bias, sum.set(f32x4.add(sum, load(i32.add(w.bias, i32.shl(column, 2)))))),
    if_(w.relu, sum.set(f32x4.max(f32x4.const(0), sum))),
    store,
  ];
  const four = results(v128.load, [v128.store(out, sum), out.set(i32.add(out, 16))]);
  const one = results(v128.load32Splat, [v128.store32Lane(out, sum, 0), out.set(i32.add(out, 4))]);
  const vectors = i32.and(w.columns, -4);
  l.do(
    out.set(w.out),
    sideBySide.set(i32.eq(w.bColumn, 4)),
    forRange(
      group,
      0,
      w.groups,
      1,
      forRange(row, 0, w.rows, 1, [
        column.set(0),
        if_(sideBySide, forRange(column, 0, vectors, 4, four)),
        forRange(column, column, w.columns, 1, one),
      ]),
    ),
  );
  f.body(l.finish());
  return module.finish();
}
