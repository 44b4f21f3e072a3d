/**
 * Softmax and its losses: `logSoftmax(x)[j] = x[j] - log sum exp(x)`, from the largest logit, so that nothing
 * overflows.
 */
import { readOptions, requireChoice } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import { e } from '../expr.js';
import { record } from '../record.js';
import { scope } from '../scope.js';
import { formatShape, normalizeAxis, sameShape } from '../shape.js';
import { Tensor } from '../tensor.js';
import { add, exp, log, mul, sub } from './elementwise.js';
import { commonDevice, map, requireDType, requireRank, requireTensor, withDense } from './launch.js';
import { max, mean, type ReduceOptions, sum } from './reduce.js';
import { reshape } from './views.js';

/**
 * log sum exp(x) over axes (all by default), from the largest element; -infinity over elements that all are.
 * @throws {ArgumentError} over no elements
 */
export function logSumExp(x: Tensor, options: ReduceOptions = {}): Tensor {
  requireTensor('logSumExp', 'x', x);
  const { axes, keepDim } = readOptions('logSumExp', options, { axes: undefined, keepDim: false });
  return scope(() => {
    const largest = max(x.alias('logSumExp'), { axes, keepDim: true });
    // An infinite one would meet itself in the difference.
    const level = map('logSumExp', finiteOr0, [largest]);
    const total = sum(exp(sub(x, level)), { axes, keepDim });
    return add(log(total), reshape(level, total.shape));
  });
}

const finiteOr0 = e.where(e.lt(e.abs(e.input(0)), Number.POSITIVE_INFINITY), e.input(0), 0);

/** x - log sum exp(x) along an axis (the last by default). */
export function logSoftmax(x: Tensor, axis = -1): Tensor {
  requireTensor('logSoftmax', 'x', x);
  normalizeAxis('logSoftmax', axis, x.shape.length);
  return scope(() => {
    const shifted = sub(x, max(x.alias('logSoftmax'), { axes: axis, keepDim: true }));
    return sub(shifted, log(sum(exp(shifted), { axes: axis, keepDim: true })));
  });
}

/** exp(x) / sum exp(x) along an axis (the last by default). */
export function softmax(x: Tensor, axis = -1): Tensor {
  requireTensor('softmax', 'x', x);
  normalizeAxis('softmax', axis, x.shape.length);
  return scope(() => exp(logSoftmax(x, axis)));
}

/** How the losses of a batch become a result. */
export type LossReduction = 'mean' | 'sum' | 'none';

function requireReduction(op: string, reduction: LossReduction): void {
  requireChoice(op, 'reduction', reduction, ['mean', 'sum', 'none']);
}

function reduced(losses: Tensor, reduction: LossReduction): Tensor {
  if (reduction === 'none') return losses;
  return reduction === 'mean' ? mean(losses) : sum(losses);
}

/**
 * Squared differences `(x - target)^2`, averaged over all elements.
 * @param target of x's shape; nothing broadcasts, as a forgotten axis would then go unnoticed
 * @param reduction 'mean' by default; 'none' gives x's shape
 */
export function mseLoss(x: Tensor, target: Tensor, reduction: LossReduction = 'mean'): Tensor {
  requireTensor('mseLoss', 'x', x);
  requireTensor('mseLoss', 'target', target);
  requireDType('mseLoss', 'x', x, 'float32', 'float64');
  requireReduction('mseLoss', reduction);
  if (!sameShape(x.shape, target.shape)) {
    const shapes = `x is ${formatShape(x.shape)}, target ${formatShape(target.shape)}`;
    throw new ArgumentError(`mseLoss: ${shapes}; reshape() one, they must agree`);
  }
  return scope(() => {
    const difference = sub(x, target);
    return reduced(mul(difference, difference), reduction);
  });
}

/**
 * `-log softmax(logits)[label]`, multinomial logistic regression: logits `[N, C]`, labels `[N]` int32.
 * @param reduction 'mean' over the batch by default; 'none' gives `[N]`
 * @returns NaN for a label outside [0, C), whose row of logits gets NaN as its gradient
 */
export function crossEntropy(logits: Tensor, labels: Tensor, reduction: LossReduction = 'mean'): Tensor {
  const op = 'crossEntropy';
  requireTensor(op, 'logits', logits);
  requireTensor(op, 'labels', labels);
  requireReduction(op, reduction);
  const device = commonDevice(op, [logits, labels]);
  requireRank(op, 'logits', logits, 2, '[N, C]');
  requireDType(op, 'logits', logits, 'float32', 'float64');
  requireRank(op, 'labels', labels, 1, '[N]');
  requireDType(op, 'labels', labels, 'int32');
  const [n = 0] = logits.shape;
  if (labels.size !== n) {
    throw new ArgumentError(`crossEntropy: logits ${formatShape(logits.shape)} and ${labels.size} labels`);
  }
  return scope(() => {
    const losses = Tensor.empty(op, device, [n], logits.dtype);
    const peaks = Tensor.empty(op, device, [n, 2], logits.dtype);
    withDense(op, (dense) =>
      device.run('crossEntropy', {
        logits: dense(logits),
        labels: dense(labels),
        losses: losses.view(op),
        peaks: peaks.view(op),
      }),
    );
    record({
      op,
      inputs: [logits],
      outputs: [losses],
      saved: [logits, labels, peaks],
      gradient: ({ grads: [grad], saved: [x, target, peak] }) => {
        if (!grad || !x || !target || !peak) return [null];
        const dx = Tensor.empty(op, device, x.shape, x.dtype);
        withDense(op, (dense) =>
          device.run('crossEntropyGrad', {
            logits: dense(x),
            labels: dense(target),
            peaks: peak.view(op),
            grad: dense(grad),
            out: dx.view(op),
          }),
        );
        return [dx];
      },
    });
    return reduced(losses, reduction);
  });
}
