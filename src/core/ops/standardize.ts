/**
 * Normalizations by mean and variance: `y = (x - mean) / sqrt(variance + eps) * weight + bias`, the variance that of
 * all elements there are (correction 0). They differ in what mean and variance are taken over:
 *
 *     layerNorm   the last axes of each example                 x [..., shape]
 *     groupNorm   the channels of a group and their pixels      x [N, C, ...]
 *     batchNorm   a channel in all examples and pixels          x [N, C, ...]
 */
import { readOptions, requireBoolean, requireNumber, requireWhole } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import { scope } from '../scope.js';
import { checkShape, formatShape, type Shape, sameShape } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { add, div, mul, sqrt, sub } from './elementwise.js';
import { commonDevice, requireDType, requireTensor } from './launch.js';
import { mean } from './reduce.js';
import { variance } from './variance.js';
import { reshape } from './views.js';

/** Options of all normalizations. */
export interface NormOptions {
  /** Factor on the result; none by default. */
  readonly weight?: Tensor | null | undefined;
  /** Added to the result; none by default. */
  readonly bias?: Tensor | null | undefined;
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number | undefined;
}

/** Options of `batchNorm`. */
export interface BatchNormOptions extends NormOptions {
  /** Take mean and variance of the batch (true, the default), or those given. */
  readonly training?: boolean | undefined;
  /** `[C]`, outside training. */
  readonly mean?: Tensor | null | undefined;
  /** `[C]`, outside training. */
  readonly variance?: Tensor | null | undefined;
}

/** What `batchNorm` gives. */
export interface BatchNormResult {
  /** Of x's shape. */
  readonly out: Tensor;
  /** `[C]`, of the batch, without gradient; outside training that given. */
  readonly mean: Tensor;
  /** As `mean`; of all n elements there are: `n / (n - 1)` times it is the estimate without bias. */
  readonly variance: Tensor;
}

const normDefaults = { weight: null, bias: null, eps: 1e-5 };

/**
 * Normalizes each example over its last axes.
 * @param shape of these axes, or the size of the last one; `weight` and `bias` have it too
 * @throws {ArgumentError} when x doesn't end in it
 */
export function layerNorm(x: Tensor, shape: number | Shape, options: NormOptions = {}): Tensor {
  const op = 'layerNorm';
  const norm = readNorm(op, x, readOptions(op, options, normDefaults));
  const own = typeof shape === 'number' ? [shape] : shape;
  checkShape(op, own);
  const lead = x.shape.length - own.length;
  if (own.length === 0 || !sameShape(x.shape.slice(lead), own)) {
    throw new ArgumentError(`${op}: x is ${formatShape(x.shape)}, expected it to end in [${own.join(', ')}]`);
  }
  requireShape(op, norm, own);
  const axes = own.map((_, axis) => lead + axis);
  return scope(() => standardize(x, axes, norm, own));
}

/**
 * Normalizes each example over each of `groups` groups of channels and their pixels. x `[N, C, ...]`, `weight` and
 * `bias` `[C]`.
 * @throws {ArgumentError} when the groups don't divide the channels
 */
export function groupNorm(x: Tensor, groups: number, options: NormOptions = {}): Tensor {
  const op = 'groupNorm';
  const norm = readNorm(op, x, readOptions(op, options, normDefaults));
  const [n = 0, channels = 0, ...pixels] = requireChannels(op, x);
  requireWhole(op, 'groups', groups, 1);
  if (channels % groups !== 0)
    throw new ArgumentError(`${op}: ${groups} groups don't divide the ${channels} channels`);
  requireShape(op, norm, [channels]);
  return scope(() => {
    const apart = reshape(x, [n, groups, channels / groups, ...pixels]);
    const axes = [...apart.shape.keys()].slice(2);
    const own = [groups, channels / groups, ...pixels.map(() => 1)];
    return reshape(standardize(apart, axes, norm, own), x.shape);
  });
}

/**
 * Normalizes each channel over all examples and pixels: by the batch's own mean and variance in training, by those
 * given otherwise. x `[N, C, ...]`, `weight` and `bias` `[C]`.
 * @returns the mean and variance too, so that a module can keep running ones
 * @throws {ArgumentError} in training of a single element a channel, which says nothing of its variance
 */
export function batchNorm(x: Tensor, options: BatchNormOptions = {}): BatchNormResult {
  const op = 'batchNorm';
  const given = readOptions(op, options, { ...normDefaults, training: true, mean: null, variance: null });
  const norm = readNorm(op, x, given);
  const [, channels = 0, ...pixels] = requireChannels(op, x);
  requireBoolean(op, 'training', given.training);
  requireShape(op, norm, [channels]);
  const own = [channels, ...pixels.map(() => 1)];
  const axes = [...x.shape.keys()].filter((axis) => axis !== 1);
  if (given.training) {
    if (x.size <= channels)
      throw new ArgumentError(
        `${op}: x is ${formatShape(x.shape)}, expected more than one element a channel`,
      );
    return scope(() => {
      const [center, spread] = [mean(x, { axes }), variance(x, { axes, correction: 0 })];
      const out = scaled(x, reshape(center, own), reshape(spread, own), norm, own);
      return { out, mean: center.detach(), variance: spread.detach() };
    });
  }
  const { mean: center, variance: spread } = given;
  if (!center || !spread)
    throw new ArgumentError(`${op}: mean and variance must be given where training is false`);
  requireParts(op, x, { mean: center, variance: spread });
  requireShape(op, { mean: center, variance: spread }, [channels]);
  const out = scope(() => scaled(x, reshape(center, own), reshape(spread, own), norm, own));
  return { out, mean: center, variance: spread };
}

/** Weight, bias and eps, spelled out. */
interface Norm {
  readonly weight: Tensor | null;
  readonly bias: Tensor | null;
  readonly eps: number;
}

function readNorm(op: string, x: Tensor, { weight, bias, eps }: Norm): Norm {
  requireTensor(op, 'x', x);
  requireDType(op, 'x', x, 'float32', 'float64');
  requireNumber(op, 'eps', eps);
  requireParts(op, x, { weight, bias });
  return { weight, bias, eps };
}

/** @throws {ArgumentError} unless the tensors among the options are of x's dtype and device */
function requireParts(op: string, x: Tensor, parts: Readonly<Record<string, Tensor | null>>): void {
  for (const [name, part] of Object.entries(parts)) {
    if (!part) continue;
    requireTensor(op, name, part);
    commonDevice(op, [x, part]);
    requireDType(op, name, part, x.dtype);
  }
}

function requireShape(op: string, parts: object, shape: Shape): void {
  for (const [name, part] of Object.entries(parts)) {
    if (typeof part === 'number' || part === null || sameShape(part.shape, shape)) continue;
    throw new ArgumentError(
      `${op}: ${name} is ${formatShape(part.shape)}, expected [${shape.join(', ')}], one for each that x has`,
    );
  }
}

function requireChannels(op: string, x: Tensor): Shape {
  if (x.shape.length >= 2) return x.shape;
  throw new ArgumentError(`${op}: x is ${formatShape(x.shape)}, expected [N, C, ...]`);
}

/** @param own shape of weight and bias, so that they broadcast */
function standardize(x: Tensor, axes: readonly number[], norm: Norm, own: Shape): Tensor {
  const center = mean(x, { axes, keepDim: true });
  return scaled(x, center, variance(x, { axes, keepDim: true, correction: 0 }), norm, own);
}

function scaled(x: Tensor, center: Tensor, spread: Tensor, { weight, bias, eps }: Norm, own: Shape): Tensor {
  const standard = div(sub(x, center), sqrt(add(spread, eps)));
  const weighted = weight ? mul(standard, reshape(weight, own)) : standard;
  return bias ? add(weighted, reshape(bias, own)) : weighted;
}
