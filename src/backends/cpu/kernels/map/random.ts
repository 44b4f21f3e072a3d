/**
 * Threefry-2x32-20 on four counters at a time: the same bits as core/random.ts.
 */
import { threefryParity, threefryRotations, threefryRounds } from '../../../threefry.js';
import { f32x4, type I32, i32, i32x4, type V128, v128 } from '../../asm/instructions.js';
import type { Lanes } from '../../asm/lanes.js';

/** The two random words of counters `[counter, stream]` under `key`, four int32 lanes each. */
export function threefry(
  l: Lanes,
  counter: V128,
  draw: { readonly key0: I32; readonly key1: I32; readonly stream: I32 },
): [V128, V128] {
  const parity = i32.xor(i32.xor(draw.key0, draw.key1), threefryParity);
  const keys = [draw.key0, draw.key1, parity].map((key, i) => l.once(`key ${i}`, () => i32x4.splat(key)));
  const start = l.once('stream + key 1', () => i32x4.splat(i32.add(draw.stream, draw.key1)));
  let a = l.let(i32x4.add(counter, keys[0]!));
  let b = start;
  for (let round = 0; round < threefryRounds; round++) {
    const r = threefryRotations[round % 8]!;
    a = l.let(i32x4.add(a, b));
    b = l.let(v128.xor(v128.or(i32x4.shl(b, r), i32x4.shrU(b, 32 - r)), a));
    if (round % 4 === 3) {
      const injection = (round + 1) / 4;
      a = l.let(i32x4.add(a, keys[injection % 3]!));
      b = l.let(i32x4.add(i32x4.add(b, keys[(injection + 1) % 3]!), l.i32(injection)));
    }
  }
  return [a, b];
}

/** Random words as uniform numbers in [0, 1): the top 24 bits. */
export function toUniform(l: Lanes, words: V128): V128 {
  return l.let(f32x4.mul(f32x4.convertI32x4S(i32x4.shrU(words, 8)), l.f32(2 ** -24)));
}
