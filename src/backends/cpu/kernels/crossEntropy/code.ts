/**
 * Softmax cross-entropy and its gradient as SIMD code: a thread takes whole rows of logits.
 *
 *     logZ = m + log sum_j exp(l_j - m),  m the largest logit;  loss = logZ - l_label = log sum + (m - l_label)
 *     out_j = (exp(l_j - logZ) - (j = label)) * grad
 */

import { choose, f32, f32x4, i32, i32x4, if_, type Local, type V128, v128 } from '../../asm/instructions.js';
import type { Lanes } from '../../asm/lanes.js';
import { exp, log } from '../../asm/math.js';
import { forRuns } from '../../asm/runs.js';
import { emitUnits } from '../../asm/units.js';
import { WordLayout, type WordsOf } from '../../asm/words.js';
import type { Features } from '../../plan.js';

/** Words of both kernels: addresses, number of rows (`units`) and of classes. */
export const softmaxWords = new WordLayout(
  'logits',
  'labels',
  'losses',
  'logZ',
  'grad',
  'out',
  'units',
  'classes',
);

type Words = WordsOf<typeof softmaxWords>;

/** One row: byte distances of its logits and of its number in the vectors, its label. */
interface Row {
  readonly logits: Local<'i32'>;
  readonly number: Local<'i32'>;
  readonly label: Local<'i32'>;
  readonly bytes: Local<'i32'>;
}

/** A function that runs `body` for each row. */
function emitRows(
  name: string,
  features: Features,
  body: (l: Lanes, w: Words, row: Row) => void,
): Uint8Array<ArrayBuffer> {
  return emitUnits(name, softmaxWords, features, ({ l, w }) => {
    const bytes = l.let(i32.shl(w.classes, 2));
    return (unit) => {
      const number = l.let(i32.shl(unit, 2));
      const label = l.let(i32.load(i32.add(w.labels, number)));
      body(l, w, { logits: l.let(i32.mul(unit, bytes)), number, label, bytes });
    };
  });
}

/** Emits `crossEntropy(address of words, thread, threads)`. */
export function emitCrossEntropy(features: Features): Uint8Array<ArrayBuffer> {
  return emitRows('crossEntropy', features, (l, w, row) => {
    const logits = l.let(i32.add(w.logits, row.logits));
    const largest = l.let(l.f32(-Infinity));
    const first = l.let<'i32'>(logits);
    forRuns(l, w.classes, [first], (run) => {
      for (let i = 0; i < run.vectors; i++) l.do(largest.set(f32x4.max(largest, run.load(first, i))));
    });
    const m = l.let(acrossLanes(l, largest, f32x4.max));
    const sum = l.let(l.f32(0));
    const second = l.let<'i32'>(logits);
    forRuns(l, w.classes, [second], (run) => {
      for (let i = 0; i < run.vectors; i++) {
        const term = exp(l, l.let(f32x4.sub(run.load(second, i), m)));
        const counted = run.single
          ? v128.and(
              term,
              l.once('first lane', () => i32x4.const(-1, 0, 0, 0)),
            )
          : term;
        l.do(sum.set(f32x4.add(sum, counted)));
      }
    });
    const logSum = l.let(log(l, l.let(acrossLanes(l, sum, f32x4.add))));
    const logZ = l.let(f32x4.extractLane(f32x4.add(m, logSum), 0));
    // Not logZ - l_label, which would round to the size of the largest logit.
    const target = f32.load(i32.add(logits, i32.shl(row.label, 2)));
    const behind = f32.sub(f32x4.extractLane(m, 0), target);
    const loss = choose(i32.ltU(row.label, w.classes), f32.add(f32x4.extractLane(logSum, 0), behind), NaN);
    l.do(f32.store(i32.add(w.logZ, row.number), logZ), f32.store(i32.add(w.losses, row.number), loss));
  });
}

/** All four lanes combined, in every lane. */
function acrossLanes(l: Lanes, value: V128, combine: (a: V128, b: V128) => V128): V128 {
  const pairs = l.let(combine(value, v128.shuffle32(value, value, 2, 3, 0, 1)));
  return combine(pairs, v128.shuffle32(pairs, pairs, 1, 0, 3, 2));
}

/** Emits `crossEntropyGrad(address of words, thread, threads)`. */
export function emitCrossEntropyGrad(features: Features): Uint8Array<ArrayBuffer> {
  return emitRows('crossEntropyGrad', features, (l, w, row) => {
    const from = l.let(i32.add(w.logits, row.logits));
    const to = l.let(i32.add(w.out, row.logits));
    const z = l.let(v128.load32Splat(i32.add(w.logZ, row.number)));
    const grad = l.let(v128.load32Splat(i32.add(w.grad, row.number)));
    const probability = (logit: V128): V128 => exp(l, l.let(f32x4.sub(logit, z)));
    forRuns(l, w.classes, [from, to], (run) => {
      for (let i = 0; i < run.vectors; i++) {
        l.do(run.store(to, i, f32x4.mul(probability(run.load(from, i)), grad)));
      }
    });
    // The label's class once more, less one; the pointers stand at the row's end.
    const correct = l.block(() => {
      const back = l.let(i32.sub(i32.shl(row.label, 2), row.bytes));
      const less = f32x4.sub(probability(v128.load32Splat(i32.add(from, back))), l.f32(1));
      l.do(v128.store32Lane(i32.add(to, back), f32x4.mul(less, grad), 0));
    });
    l.do(if_(i32.ltU(row.label, w.classes), correct));
  });
}
