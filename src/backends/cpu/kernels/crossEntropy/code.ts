/**
 * Softmax cross-entropy and its gradient as SIMD code: a thread takes whole rows of logits. With m the largest logit:
 *
 *     s = sum_j exp(l_j - m) over all but one class of m;  loss = (m - l_label) + log(1 + s)
 *     out_j = exp(l_j - m) / (1 + s) * grad;  for the label ((exp(l_j - m) - 1) - s) / (1 + s) * grad
 */

import { choose, if_ } from '../../asm/flow.js';
import { f32, f32x4, i32, i32x4, type Local, type V128, v128 } from '../../asm/instructions.js';
import type { Lanes } from '../../asm/lanes.js';
import { exp, log1p } from '../../asm/math.js';
import { forRuns, storeRun } from '../../asm/runs.js';
import { LongSum } from '../../asm/sums.js';
import { emitUnits } from '../../asm/units.js';
import { WordLayout, type WordsOf } from '../../asm/words.js';
import type { Features } from '../../plan.js';
import { acrossLanes } from '../reduce/folds.js';

/** Words of both kernels: addresses, number of rows (`units`) and of classes. */
export const softmaxWords = new WordLayout(
  'logits',
  'labels',
  'losses',
  'peaks',
  'grad',
  'out',
  'units',
  'classes',
);

type Words = WordsOf<typeof softmaxWords>;

/** One row: byte distances of its logits and of its place in vectors and in `peaks`, its label. */
interface Row {
  readonly logits: Local<'i32'>;
  readonly number: Local<'i32'>;
  readonly peak: Local<'i32'>;
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
      const peak = l.let(i32.shl(unit, 3));
      body(l, w, { logits: l.let(i32.mul(unit, bytes)), number, peak, label, bytes });
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
    const below = new LongSum(l, 4);
    const equal = l.let(l.f32(0));
    const second = l.let<'i32'>(logits);
    forRuns(l, w.classes, [second], (run) => {
      const terms = Array.from({ length: run.vectors }, (_, i) => {
        const logit = l.let(run.load(second, i));
        const term = l.let(exp(l, l.let(f32x4.sub(logit, m))));
        const counted = run.single ? v128.and(term, l.once('first lane', firstLane)) : term;
        const peak = l.let(f32x4.eq(logit, m));
        // 1 each, or NaN for an infinite one.
        l.do(equal.set(f32x4.add(equal, v128.and(counted, peak))));
        return l.let(v128.andnot(counted, peak));
      });
      below.add(terms);
      below.settle();
    });
    const ties = f32x4.sub(acrossLanes(l, equal, f32x4.add), l.f32(1));
    const others = l.let(f32x4.add(below.total(l.f32(1)), ties));
    const logSum = f32x4.extractLane(log1p(l, others), 0);
    const target = f32.load(i32.add(logits, i32.shl(row.label, 2)));
    const largestLogit = f32x4.extractLane(m, 0);
    const behind = f32.sub(largestLogit, target);
    const loss = choose(i32.ltU(row.label, w.classes), f32.add(behind, logSum), NaN);
    const peak = l.let(i32.add(w.peaks, row.peak));
    l.do(
      f32.store(peak, largestLogit),
      f32.store(peak, f32x4.extractLane(others, 0), 4),
      f32.store(i32.add(w.losses, row.number), loss),
    );
  });
}

const firstLane = (): V128 => i32x4.const(-1, 0, 0, 0);

/** Emits `crossEntropyGrad(address of words, thread, threads)`. */
export function emitCrossEntropyGrad(features: Features): Uint8Array<ArrayBuffer> {
  return emitRows('crossEntropyGrad', features, (l, w, row) => {
    const from = l.let(i32.add(w.logits, row.logits));
    const to = l.let(i32.add(w.out, row.logits));
    const peak = l.let(i32.add(w.peaks, row.peak));
    const m = l.let(v128.load32Splat(peak));
    const others = l.let(v128.load32Splat(peak, 4));
    const grad = v128.load32Splat(i32.add(w.grad, row.number));
    const share = f32x4.div(grad, f32x4.add(others, l.f32(1)));
    const known = i32.ltU(row.label, w.classes);
    const factor = l.let(choose(known, share, l.f32(NaN)));
    const weight = (logit: V128): V128 => exp(l, l.let(f32x4.sub(logit, m)));
    forRuns(l, w.classes, [from, to], (run) => {
      storeRun(l, run, to, (i) => f32x4.mul(weight(run.load(from, i)), factor));
    });
    // The label's class once more, less one; the pointers stand at the row's end.
    const correct = l.block(() => {
      const back = l.let(i32.sub(i32.shl(row.label, 2), row.bytes));
      const less = f32x4.sub(f32x4.sub(weight(v128.load32Splat(i32.add(from, back))), l.f32(1)), others);
      l.do(v128.store32Lane(i32.add(to, back), f32x4.mul(less, factor), 0));
    });
    l.do(if_(known, correct));
  });
}
