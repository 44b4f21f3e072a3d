/**
 * Softmax cross-entropy and its gradient, with the largest logit m and the sum s of the others' exponentials,
 * `sum of exp(logits[n, j] - m)` over all but one class of m, kept apart (see `Kernels.crossEntropy`):
 *
 *     losses[n] = (m - logits[n, label]) + log(1 + s)
 *     out[n, j] = exp(logits[n, j] - m) / (1 + s) * grad[n],  for the label ((exp(..) - 1) - s) / (1 + s) * grad[n]
 */
import type { LoopArgs } from '../view.js';

/** See `Kernels.crossEntropy`. */
export function crossEntropy({ logits, labels, losses, peaks }: LoopArgs<'crossEntropy'>): void {
  const [N = 0, C = 0] = logits.shape;
  for (let n = 0; n < N; n++) {
    const row = logits.data.subarray(logits.offset + n * C, logits.offset + (n + 1) * C);
    let largest = -Infinity;
    for (const logit of row) largest = Math.max(largest, logit);
    let below = 0;
    let equal = 0;
    for (const logit of row) {
      // 1 each, or NaN for an infinite one.
      if (logit === largest) equal += Math.exp(logit - largest);
      else below += Math.exp(logit - largest);
    }
    const others = below + (equal - 1);
    peaks.data[peaks.offset + 2 * n] = largest;
    peaks.data[peaks.offset + 2 * n + 1] = others;
    const target = row[labels.data[labels.offset + n]!] ?? NaN;
    losses.data[losses.offset + n] = largest - target + Math.log1p(others);
  }
}

/** See `Kernels.crossEntropyGrad`. */
export function crossEntropyGrad({ logits, labels, peaks, grad, out }: LoopArgs<'crossEntropyGrad'>): void {
  const [N = 0, C = 0] = logits.shape;
  for (let n = 0; n < N; n++) {
    const label = labels.data[labels.offset + n]!;
    const largest = peaks.data[peaks.offset + 2 * n]!;
    const others = peaks.data[peaks.offset + 2 * n + 1]!;
    const factor = label >= 0 && label < C ? grad.data[grad.offset + n]! / (1 + others) : NaN;
    for (let j = 0; j < C; j++) {
      const weight = Math.exp(logits.data[logits.offset + n * C + j]! - largest);
      out.data[out.offset + n * C + j] = (j === label ? weight - 1 - others : weight) * factor;
    }
  }
}
