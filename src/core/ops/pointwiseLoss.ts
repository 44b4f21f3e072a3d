/**
 * Losses that compare tensors of one shape element by element, and how losses become one number.
 */
import { readOptions, requireChoice, requireNumber, wrongArgument } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import { e } from '../expr.js';
import { scope } from '../scope.js';
import { formatShape, sameShape } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { softplus } from './activations.js';
import { abs, add, mul, neg, sub } from './elementwise.js';
import { binary } from './expressionOps.js';
import { commonDevice, requireDType, requireTensor } from './launch.js';
import { mean, sum } from './reduce.js';

/** How losses become one number; 'none' keeps them apart. */
export type LossReduction = 'mean' | 'sum' | 'none';

/** What every loss takes; the reduction alone may stand for the options. */
export interface LossOptions {
  /** Default 'mean'. */
  readonly reduction?: LossReduction;
}

/** The options, of which the reduction alone may have been given. */
export function lossOptions<O extends LossOptions>(op: string, given: O | LossReduction): O;
export function lossOptions(op: string, given: LossOptions | LossReduction): LossOptions {
  const options = typeof given === 'string' ? { reduction: given } : given;
  if (options?.reduction !== undefined)
    requireChoice(op, 'reduction', options.reduction, ['mean', 'sum', 'none']);
  return options;
}

/** The losses as the reduction says. */
export function reduced(losses: Tensor, reduction: LossReduction): Tensor {
  if (reduction === 'none') return losses;
  return reduction === 'mean' ? mean(losses) : sum(losses);
}

type Each = (x: Tensor, target: Tensor) => Tensor;

/** The losses `each` of an op, reduced. Nothing broadcasts, as a forgotten axis would then go unnoticed. */
function compared(op: string, x: Tensor, target: Tensor, reduction: LossReduction, each: Each): Tensor {
  requireTensor(op, 'x', x);
  requireTensor(op, 'target', target);
  commonDevice(op, [x, target]);
  requireDType(op, 'x', x, 'float32', 'float64');
  if (!sameShape(x.shape, target.shape)) {
    const shapes = `x is ${formatShape(x.shape)}, target ${formatShape(target.shape)}`;
    throw new ArgumentError(`${op}: ${shapes}; reshape() one, they must agree`);
  }
  return scope(() => reduced(each(x, target), reduction));
}

const plain = { reduction: 'mean' } as const;

/** A loss without options but the reduction. */
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
