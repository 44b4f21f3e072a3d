/**
 * Losses: of classes, `-log softmax(logits)[label]` from the largest logit, so that nothing overflows; of tensors of one
 * shape, element by element; and how losses become one number.
 */
import { readOptions, requireChoice, requireNumber, wrongArgument } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import { e } from '../expr.js';
import { scope } from '../scope.js';
import { formatShape, sameShape } from '../shape.js';
import { Tensor } from '../tensor.js';
import { abs, add, div, mul, ne, neg, softplus, sub, where } from './elementwise.js';
import { binary } from './expressionOps.js';
import { gather, indexSelect } from './gather.js';
import {
  commonDevice,
  computed,
  floatType,
  recordOne,
  requireDType,
  requireFloats,
  requireRank,
  requireTensor,
} from './launch.js';
import { mean, sum } from './reduce.js';
import { logSoftmax } from './softmax.js';
import { reshape, squeeze, unsqueeze } from './views.js';

/** How losses become one number; 'none' keeps them apart. */
export type LossReduction = 'mean' | 'sum' | 'none';

/** What every loss takes; the reduction alone may stand for the options. */
export interface LossOptions {
  /** Default 'mean'. */
  readonly reduction?: LossReduction;
}

/** The options, of which the reduction alone may have been given. */
function lossOptions<O extends LossOptions>(op: string, given: O | LossReduction): O;
function lossOptions(op: string, given: LossOptions | LossReduction): LossOptions {
  const options = typeof given === 'string' ? { reduction: given } : given;
  if (options?.reduction !== undefined)
    requireChoice(op, 'reduction', options.reduction, ['mean', 'sum', 'none']);
  return options;
}

function reduced(losses: Tensor, reduction: LossReduction): Tensor {
  if (reduction === 'none') return losses;
  return reduction === 'mean' ? mean(losses) : sum(losses);
}

/** Options of `nllLoss`. */
export interface NllLossOptions extends LossOptions {
  /** Factor on the losses of each class, `[C]`; a mean is then divided by the sum of the labels' factors. */
  readonly weight?: Tensor | null;
  /** A label that counts for nothing, neither in a mean. None by default. */
  readonly ignoreIndex?: number | undefined;
}

/** Options of `crossEntropy`. */
export interface CrossEntropyOptions extends NllLossOptions {
  /** The share of each target that is spread evenly over all classes. Default 0. */
  readonly labelSmoothing?: number;
}

const nllDefaults = { reduction: 'mean', weight: null, ignoreIndex: undefined } as const;

/**
 * `-logProbabilities[label]`: `[N, C]` or `[N, C, ..]`, labels `[N]` or `[N, ..]` int32.
 * @param options or the reduction: 'mean' by default; 'none' gives the labels' shape
 * @returns NaN for a label outside [0, C)
 */
export function nllLoss(
  logProbabilities: Tensor,
  labels: Tensor,
  options: NllLossOptions | LossReduction = {},
): Tensor {
  const op = 'nllLoss';
  const { reduction, ...choice } = readOptions(op, lossOptions(op, options), nllDefaults);
  requireTensor(op, 'labels', labels);
  requireClasses(op, 'logProbabilities', logProbabilities, labels, choice.weight);
  return scope(() => {
    const { losses, shares } = chosen(logProbabilities, labels, choice);
    return averaged(losses, shares, reduction);
  });
}

type OrNone = Tensor | null;

/** @throws {ArgumentError} unless x is floats `[N, C, ..]`, labels int32 `[N, ..]`, and weight `[C]` of x's dtype. */
function requireClasses(op: string, name: string, x: Tensor, labels: OrNone, weight: OrNone): void {
  requireFloats(op, name, x);
  if (x.shape.length < 2) requireRank(op, name, x, 2, '[N, C]');
  if (labels) {
    commonDevice(op, [x, labels]);
    requireDType(op, 'labels', labels, 'int32');
    if (!sameShape(labels.shape, x.shape.toSpliced(1, 1))) {
      const given = labels.shape.length === 1 ? `${labels.size}` : formatShape(labels.shape);
      throw new ArgumentError(`${op}: ${name} ${formatShape(x.shape)} and ${given} labels`);
    }
  }
  if (weight) {
    requireTensor(op, 'weight', weight);
    commonDevice(op, [x, weight]);
    const [given, classes] = [formatShape(weight.shape), x.shape[1]];
    if (!sameShape(weight.shape, [classes!]))
      throw new ArgumentError(`${op}: weight is ${given}, expected [${classes}], one number for each class`);
  }
}

/** Each label's loss times its class's weight; which labels count; and the weights, null where all are 1. */
function chosen(x: Tensor, labels: Tensor, { weight, ignoreIndex }: NllLossOptions) {
  const kept = ignoreIndex === undefined ? null : ne(labels, ignoreIndex);
  const index = kept ? where(kept, labels, 0) : labels;
  const own = neg(squeeze(gather(x, 1, unsqueeze(index, 1)), 1));
  const weights = weight && reshape(indexSelect(weight, 0, reshape(index, [-1])), labels.shape);
  const losses = weights ? mul(own, weights) : own;
  const shares = weights && kept ? mul(weights, kept) : (weights ?? kept);
  // What is ignored may be infinite.
  return { kept, losses: kept ? where(kept, losses, 0) : losses, shares };
}

function averaged(losses: Tensor, shares: Tensor | null, reduction: LossReduction): Tensor {
  if (reduction !== 'mean' || !shares) return reduced(losses, reduction);
  return div(sum(losses), sum(shares));
}

/**
 * `-log softmax(logits)[label]`, multinomial logistic regression: logits `[N, C]` or `[N, C, ..]`, labels `[N]` or
 * `[N, ..]` int32, or probabilities of the classes in the logits' shape and dtype. Of logits `[N, C]` and labels,
 * without options but the reduction, it is one kernel.
 * @param options or the reduction: 'mean' over the labels by default; 'none' gives their shape
 * @returns NaN for a label outside [0, C), whose row of logits gets NaN as its gradient where it is one kernel
 */
export function crossEntropy(
  logits: Tensor,
  labels: Tensor,
  options: CrossEntropyOptions | LossReduction = {},
): Tensor {
  const op = 'crossEntropy';
  const { reduction, labelSmoothing, ...choice } = readOptions(op, lossOptions(op, options), {
    ...nllDefaults,
    labelSmoothing: 0,
  });
  requireTensor(op, 'logits', logits);
  requireTensor(op, 'labels', labels);
  requireNumber(op, 'labelSmoothing', labelSmoothing);
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1))
    throw wrongArgument(op, 'labelSmoothing', labelSmoothing, 'a number from 0 to 1');
  const { weight, ignoreIndex } = choice;
  const soft = floatType([labels]) === labels.dtype && sameShape(labels.shape, logits.shape);
  requireClasses(op, 'logits', logits, soft ? null : labels, weight);
  if (soft && ignoreIndex !== undefined)
    throw new ArgumentError(`${op}: ignoreIndex is a label, but labels are probabilities: make their rows 0`);
  const isPlain = !soft && !weight && ignoreIndex === undefined && labelSmoothing === 0;
  if (isPlain && logits.shape.length === 2) return scope(() => reduced(fused(op, logits, labels), reduction));
  return scope(() => {
    const logs = logSoftmax(logits, 1);
    const classes = logits.shape[1]!;
    const row = weight && reshape(weight, [classes, ...logits.shape.slice(2).map(() => 1)]);
    /** The losses of all classes, each by its share of the target. */
    const spread = (share: Tensor | number): Tensor => {
      const losses = mul(logs, share);
      return neg(sum(row ? mul(losses, row) : losses, { axes: 1 }));
    };
    const even = labelSmoothing / classes;
    if (soft) return reduced(spread(add(mul(labels, 1 - labelSmoothing), even)), reduction);
    const { kept, losses, shares } = chosen(logs, labels, choice);
    if (labelSmoothing === 0) return averaged(losses, shares, reduction);
    const others = spread(even);
    const smoothed = add(mul(losses, 1 - labelSmoothing), kept ? where(kept, others, 0) : others);
    return averaged(smoothed, shares, reduction);
  });
}

/** `crossEntropy` of logits `[N, C]` and labels `[N]`, each on its own, as one kernel. */
function fused(op: string, logits: Tensor, labels: Tensor): Tensor {
  const { device, dtype } = logits;
  const [n = 0] = logits.shape;
  const peaks = Tensor.empty(op, device, [n, 2], dtype);
  const losses = computed(op, logits, [n], (dense, losses) => {
    const args = { logits: dense(logits), labels: dense(labels), losses, peaks: peaks.view(op) };
    device.run('crossEntropy', args);
  });
  const back = (grad: Tensor, x: Tensor, target: Tensor, peak: Tensor): Tensor =>
    computed(op, x, x.shape, (dense, out) => {
      const args = { logits: dense(x), labels: dense(target), peaks: peak.view(op), grad: dense(grad), out };
      device.run('crossEntropyGrad', args);
    });
  recordOne(op, logits, losses, back, logits, labels, peaks);
  return losses;
}

type Each = (x: Tensor, target: Tensor) => Tensor;

/** The losses `each` of an op, reduced. Nothing broadcasts, as a forgotten axis would then go unnoticed. */
function compared(op: string, x: Tensor, target: Tensor, reduction: LossReduction, each: Each): Tensor {
  requireFloats(op, 'x', x);
  requireTensor(op, 'target', target);
  commonDevice(op, [x, target]);
  if (!sameShape(x.shape, target.shape)) {
    const shapes = `x is ${formatShape(x.shape)}, target ${formatShape(target.shape)}`;
    throw new ArgumentError(`${op}: ${shapes}; reshape() one, they must agree`);
  }
  return scope(() => reduced(each(x, target), reduction));
}

const plain = { reduction: 'mean' } as const;

function pointwise(op: string, each: Each) {
  return (x: Tensor, target: Tensor, options: LossOptions | LossReduction = {}): Tensor => {
    const { reduction } = readOptions(op, lossOptions(op, options), plain);
    return compared(op, x, target, reduction, each);
  };
}

/**
 * Squared differences `(x - target)^2`, averaged over all elements. x and target have one shape; options are the
 * reduction, 'mean' by default, alone or as an object; 'none' gives x's shape.
 */
export const mseLoss = pointwise('mseLoss', (x, target) => {
  const difference = sub(x, target);
  return mul(difference, difference);
});

/** `|x - target|`, averaged over all elements; its gradient is 0 where they are equal. Otherwise as `mseLoss`. */
export const l1Loss = pointwise('l1Loss', (x, target) => abs(sub(x, target)));

const rounded = binary(
  'smoothL1Loss',
  (d, beta) =>
    e.where(e.lt(e.abs(d), beta), e.div(e.mul(0.5, e.mul(d, d)), beta), e.sub(e.abs(d), e.mul(0.5, beta))),
  (g, _y, d, beta) =>
    e.mul(g, e.where(e.lt(e.abs(d), beta), e.div(d, beta), e.where(e.lt(d, 0), -1, e.gt(d, 0)))),
);

/** Options of `smoothL1Loss`. */
export interface SmoothL1LossOptions extends LossOptions {
  /** Below this difference the loss is a parabola. Default 1. */
  readonly beta?: number;
}

/** With `d = |x - target|`: `d^2 / (2 beta)` where d < beta, else `d - beta / 2`. Otherwise as `mseLoss`. */
export function smoothL1Loss(
  x: Tensor,
  target: Tensor,
  options: SmoothL1LossOptions | LossReduction = {},
): Tensor {
  const op = 'smoothL1Loss';
  const { reduction, beta } = readOptions(op, lossOptions(op, options), { ...plain, beta: 1 });
  requireNumber(op, 'beta', beta);
  if (!(beta >= 0)) throw wrongArgument(op, 'beta', beta, 'a number from 0');
  return compared(op, x, target, reduction, () => rounded(sub(x, target), beta));
}

/** Options of `bceWithLogitsLoss`. */
export interface BceWithLogitsLossOptions extends LossOptions {
  /** Factor on each loss; broadcasts. */
  readonly weight?: Tensor | null;
  /** Factor on the losses of positive targets; broadcasts. */
  readonly posWeight?: Tensor | null;
}

/**
 * Binary cross-entropy `-t log s - (1 - t) log(1 - s)` with `s = sigmoid(x)` and targets t from 0 to 1, worked out as
 * `t softplus(-x) + (1 - t) softplus(x)`, which neither overflows nor cancels. Otherwise as `mseLoss`.
 */
export function bceWithLogitsLoss(
  x: Tensor,
  target: Tensor,
  options: BceWithLogitsLossOptions | LossReduction = {},
): Tensor {
  const op = 'bceWithLogitsLoss';
  const defaults = { ...plain, weight: null, posWeight: null };
  const { reduction, weight, posWeight } = readOptions(op, lossOptions(op, options), defaults);
  for (const [name, factor] of Object.entries({ weight, posWeight }))
    if (factor !== null) requireTensor(op, name, factor);
  return compared(op, x, target, reduction, () => {
    const yes = mul(target, softplus(neg(x)));
    const no = mul(sub(1, target), softplus(x));
    const losses = add(posWeight ? mul(yes, posWeight) : yes, no);
    return weight ? mul(losses, weight) : losses;
  });
}
