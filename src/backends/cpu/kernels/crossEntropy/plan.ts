/**
 * The plans of softmax cross-entropy and its gradient.
 */
import type { Kernels } from '../../../../core/backend.js';
import { addressOf, type KernelModule, type Planner } from '../../plan.js';
import { emitCrossEntropy, emitCrossEntropyGrad, softmaxWords } from './code.js';

const forward: KernelModule = { key: 'crossEntropy', emit: emitCrossEntropy };
const backward: KernelModule = { key: 'crossEntropyGrad', emit: emitCrossEntropyGrad };

/** Fewer logits than this are done on one thread before another one has woken. */
const smallBatch = 2048;

/** See `Kernels.crossEntropy`. */
export function planCrossEntropy(args: Kernels['crossEntropy'], planner: Planner): boolean {
  const [rows = 0, classes = 0] = args.logits.shape;
  const words = softmaxWords.encode({
    logits: addressOf(args.logits),
    labels: addressOf(args.labels),
    losses: addressOf(args.losses),
    peaks: addressOf(args.peaks),
    grad: 0,
    out: 0,
    units: rows,
    classes,
  });
  planner.run(forward, 'crossEntropy', words, rows * classes < smallBatch);
  return true;
}

/** See `Kernels.crossEntropyGrad`. */
export function planCrossEntropyGrad(args: Kernels['crossEntropyGrad'], planner: Planner): boolean {
  const [rows = 0, classes = 0] = args.logits.shape;
  const words = softmaxWords.encode({
    logits: addressOf(args.logits),
    labels: addressOf(args.labels),
    losses: 0,
    peaks: addressOf(args.peaks),
    grad: addressOf(args.grad),
    out: addressOf(args.out),
    units: rows,
    classes,
  });
  planner.run(backward, 'crossEntropyGrad', words, rows * classes < smallBatch);
  return true;
}
