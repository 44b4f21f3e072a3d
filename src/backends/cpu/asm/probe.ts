/**
 * What the machine can do at most: loops that only multiply and add in registers, or only read memory. Kernels are
 * measured against these rates.
 *
 *   - `flops(words)`: `words[0]` turns of `probeSums` vector multiply-adds (8 floating-point operations each) of the
 *     floats `words[1]` and `words[2]`, none waiting for another of its turn. Leaves the sum in words 4 to 7.
 *   - `pairs(words)`: the same of twice as many sums, which are left side by side from word 4 on, so that engines that
 *     fuse pairs of vectors (runtime/wide.ts) do so; others run out of registers.
 *   - `read(words, thread, threads)`: reads this thread's part of `words[1]` bytes (a multiple of 64 for each
 *     thread) from address `words[0]`, which also takes the sum of what was read.
 */
import type { Features, KernelModule } from '../plan.js';
import { type FuncBuilder, ModuleBuilder } from './assembler.js';
import { doWhile, forRange } from './flow.js';
import { f32x4, i32, type V128, v128 } from './instructions.js';
import { multiplyAdd } from './lanes.js';

/** Multiply-adds in a turn of `flops`: enough that their latency doesn't show. */
export const probeSums = 12;

/** Words of `flops` and `pairs`. */
export const probeWords = 4 + 4 * 2 * probeSums;

export const probeModule: KernelModule = { key: 'probe', emit };

function emit(features: Features): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  emitFlops(module.func('flops'), features, false);
  emitFlops(module.func('pairs'), features, true);
  emitRead(module.func('read'));
  return module.finish();
}

const total = (sums: readonly V128[]): V128 => sums.reduce((sum, one) => f32x4.add(sum, one));

function emitFlops(f: FuncBuilder<null>, features: Features, inPairs: boolean): void {
  const { words } = f.params('i32', 'words', 'thread', 'threads');
  const { turns } = f.locals('i32', 'turns');
  const { x, y } = f.locals('v128', 'x', 'y');
  const sums = f.array('v128', inPairs ? 2 * probeSums : probeSums);
  f.body(
    turns.set(i32.load(words)),
    x.set(v128.load32Splat(words, 4)),
    y.set(v128.load32Splat(words, 8)),
    doWhile(
      [sums.map((sum) => sum.set(multiplyAdd(features, x, y, sum))), turns.set(i32.sub(turns, 1))],
      turns,
    ),
    // otherwise the loop could be left out
    inPairs ? sums.map((sum, i) => v128.store(words, sum, 16 + 16 * i)) : v128.store(words, total(sums), 16),
  );
}

function emitRead(f: FuncBuilder<null>): void {
  const { words, thread, threads } = f.params('i32', 'words', 'thread', 'threads');
  const { at, share, base } = f.locals('i32', 'at', 'share', 'base');
  const sums = f.array('v128', 4);
  f.body(
    share.set(i32.and(i32.divU(i32.load(words, 4), threads), -64)),
    base.set(i32.add(i32.load(words), i32.mul(share, thread))),
    forRange(
      at,
      base,
      i32.add(base, share),
      64,
      sums.map((sum, i) => sum.set(f32x4.add(sum, v128.load(at, 16 * i)))),
    ),
    v128.store(base, total(sums)),
  );
}
