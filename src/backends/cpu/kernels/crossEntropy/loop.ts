/**
 * Softmax cross-entropy and its gradient: `logZ[n] = log sum over j of exp(logits[n, j])`, computed from the
 * largest logit so that no exponential overflows; `losses[n] = logZ[n] - logits[n, labels[n]]`.
 */
import type { LoopArgs } from '../view.js';

/** See `Kernels.crossEntropy`. */
export function crossEntropy({ logits, labels, losses, logZ }: LoopArgs<'crossEntropy'>): void {
  const [N = 0, C = 0] = logits.shape;
  for (let n = 0; n < N; n++) {
    const row = logits.offset + n * C;
    let largest = -Infinity;
    for (let j = 0; j < C; j++) largest = Math.max(largest, logits.data[row + j]!);
    let sum = 0;
    for (let j = 0; j < C; j++) sum += Math.exp(logits.data[row + j]! - largest);
    const value = largest + Math.log(sum);
    logZ.data[logZ.offset + n] = value;
    const label = labels.data[labels.offset + n]!;
    losses.data[losses.offset + n] = label >= 0 && label < C ? value - logits.data[row + label]! : NaN;
  }
}

/** See `Kernels.crossEntropyGrad`. */
export function crossEntropyGrad({ logits, labels, logZ, grad, out }: LoopArgs<'crossEntropyGrad'>): void {
  const [N = 0, C = 0] = logits.shape;
  for (let n = 0; n < N; n++) {
    const label = labels.data[labels.offset + n]!;
    const z = logZ.data[logZ.offset + n]!;
    const g = grad.data[grad.offset + n]!;
    for (let j = 0; j < C; j++) {
      const probability = Math.exp(logits.data[logits.offset + n * C + j]! - z);
      out.data[out.offset + n * C + j] = (probability - Number(j === label)) * g;
    }
  }
}
