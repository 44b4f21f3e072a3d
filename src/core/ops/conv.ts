/**
 * Convolution with groups, strides, dilation and padding on four sides, bias and ReLU fused, and its transpose: the
 * gradient of a convolution by its input, as an op of its own. Those along one axis are of images one pixel high.
 *
 * Output sizes are `floor((H + top + bottom - (KH - 1) * dilation - 1) / stride) + 1`. Four paddings are needed for the paper's conv1:
 * 224 pixels, stride 4, kernel 11 give 55 only with three zeros at the right and bottom.
 */
import { readOptions, requireArray, requireWhole, wrongArgument } from '../arguments.js';
import type { ConvGeometry, Padding, Pair } from '../backend.js';
import { ArgumentError } from '../errors.js';
import { scope } from '../scope.js';
import { formatShape, type Shape } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { add } from './elementwise.js';
import { commonDevice, computed, requireImages, requireRank, requireTensor } from './launch.js';
import { checkBias, type FusedOptions, recordProduct } from './matmul.js';
import { sum } from './reduce.js';
import { reshape, squeeze, unsqueeze } from './views.js';

/** A number for both directions, or vertical and horizontal. */
export type PairLike = number | Pair;

/** A number for all sides, vertical and horizontal, or top, left, bottom, right. */
export type PaddingLike = number | Pair | Padding;

/** Spells a pair out. @throws {ArgumentError} unless whole numbers from `least` */
export function toPair(op: string, name: string, value: PairLike | undefined, least: number): Pair {
  const pair = typeof value === 'number' ? ([value, value] as const) : value;
  const expected = `one or two whole numbers from ${least}`;
  if (!pair || !Array.isArray(pair)) throw wrongArgument(op, name, pair, expected);
  if (pair.length === 2 && pair.every((n) => Number.isInteger(n) && n >= least)) return pair;
  throw new ArgumentError(`${op}: ${name} is [${pair.join(', ')}], expected ${expected}`);
}

/** Spells padding out. @throws {ArgumentError} unless whole numbers from 0 */
export function toPadding(op: string, value: PaddingLike): Padding {
  const sides = typeof value === 'number' ? [value, value] : value;
  const expected = 'one, two or four whole numbers from 0';
  requireArray(op, 'padding', sides, expected);
  const [top, left, bottom = top, right = left] = sides;
  const valid = [2, 4].includes(sides.length) && sides.every((n) => Number.isInteger(n) && n >= 0);
  if (valid) return [top, left, bottom, right];
  throw new ArgumentError(`${op}: padding is [${sides.join(', ')}], expected ${expected}`);
}

/** How many windows fit along an axis; in ceil mode a last one may overhang, if it starts inside. */
export function outputSize(
  n: number,
  kernel: number,
  stride: number,
  before: number,
  after: number,
  ceil: boolean,
): number {
  const steps = (n + before + after - kernel) / stride;
  if (!ceil) return Math.floor(steps) + 1;
  const size = Math.ceil(steps) + 1;
  return (size - 1) * stride >= n + before ? size - 1 : size;
}

/** What says how windows move over images. */
type WindowGeometry = Pick<ConvGeometry, 'stride' | 'padding'> & Partial<Pick<ConvGeometry, 'dilation'>>;

/** How many windows fit into images `[.., H, W]`, both ways. @throws {ArgumentError} naming `op` where none does */
export function windowsIn(
  op: string,
  images: Shape,
  kernel: Pair,
  { stride, padding, dilation = [1, 1] }: WindowGeometry,
  ceil = false,
): Pair {
  const [h = 0, w = 0] = images.slice(-2);
  const [top, left, bottom, right] = padding;
  const [tall, wide] = [(kernel[0] - 1) * dilation[0] + 1, (kernel[1] - 1) * dilation[1] + 1];
  const rows = outputSize(h, tall, stride[0], top, bottom, ceil);
  const columns = outputSize(w, wide, stride[1], left, right, ceil);
  if (rows >= 1 && columns >= 1) return [rows, columns];
  const spread = dilation.some((step) => step > 1) ? ` of dilation [${dilation.join(', ')}]` : '';
  const image = `${h}x${w} padded by [${padding.join(', ')}]`;
  throw new ArgumentError(`${op}: a ${kernel.join('x')} window${spread} doesn't fit into ${image}`);
}

/** How the window of a convolution moves; `P` and `S` are numbers for both directions, or for the one there is. */
export interface ConvWindow<P = PairLike, S = PaddingLike> {
  /** Step of the window. Default 1. */
  readonly stride?: P | undefined;
  /** Zeros around the image, or at both ends. Default 0. */
  readonly padding?: S | undefined;
  /** Pixels from one tap of the kernel to the next. Default 1. */
  readonly dilation?: P | undefined;
  /** Channels fall into this many groups that don't see each other. Default 1. */
  readonly groups?: number | undefined;
}

/** Options of `conv2d`. */
export interface Conv2dOptions extends FusedOptions, ConvWindow {}

/** What a window is by default. */
export const windowDefaults = { stride: 1, padding: 0, dilation: 1, groups: 1 } as const;

/** A window spelled out. @throws {ArgumentError} for one that can't move so */
export function toGeometry(op: string, window: ConvWindow): ConvGeometry {
  const { stride, padding = 0, dilation, groups = 1 } = window;
  requireWhole(op, 'groups', groups, 1);
  return {
    stride: toPair(op, 'stride', stride, 1),
    padding: toPadding(op, padding),
    dilation: toPair(op, 'dilation', dilation, 1),
    groups,
  };
}

/** @throws {ArgumentError} unless the operands are of one device and dtype; `layout` is the weight's */
function requireOperands(op: string, x: Tensor, weight: Tensor, bias: Tensor | null, layout: string): void {
  requireImages(op, x);
  requireTensor(op, 'weight', weight);
  if (bias) requireTensor(op, 'bias', bias);
  requireRank(op, 'weight', weight, 4, layout);
  if (x.dtype !== weight.dtype)
    throw new ArgumentError(`${op}: x is ${x.dtype}, weight ${weight.dtype}; cast() one`);
  commonDevice(op, bias ? [x, weight, bias] : [x, weight]);
}

/** The kernels, of which the two ops take one each, and for their gradients the other two. */
function forward(
  op: string,
  geometry: ConvGeometry,
  x: Tensor,
  weight: Tensor,
  shape: Shape,
  bias: Tensor | null = null,
  relu = false,
): Tensor {
  return computed(op, x, shape, (dense, out) => {
    const args = { ...geometry, x: dense(x), weight: dense(weight), bias: bias && dense(bias), relu, out };
    x.device.run('conv2d', args);
  });
}

function byInput(op: string, geometry: ConvGeometry, grad: Tensor, weight: Tensor, shape: Shape): Tensor {
  return computed(op, grad, shape, (dense, out) =>
    grad.device.run('conv2dInputGrad', { ...geometry, grad: dense(grad), weight: dense(weight), out }),
  );
}

function byWeight(op: string, geometry: ConvGeometry, x: Tensor, grad: Tensor, shape: Shape): Tensor {
  return computed(op, grad, shape, (dense, out) =>
    grad.device.run('conv2dWeightGrad', { ...geometry, x: dense(x), grad: dense(grad), out }),
  );
}

/**
 * Convolution (cross-correlation): x `[N, C, H, W]`, weight `[O, C / groups, KH, KW]`, bias `[O]`, result
 * `[N, O, OH, OW]`.
 *
 * CPU devices take Winograd's method for 3x3 and 5x5 kernels of stride and dilation 1 where it saves time. A pixel's rounding
 * error then goes by the largest of its tile (up to 7x7), and in the gradient by the weight a tap's by the largest of
 * its kernel `[o, c]`; infinities and NaN spread as far. `{ kernels: 'direct' }` opens a device that goes without.
 * @throws {ArgumentError} for shapes that don't fit.
 */
export function conv2d(x: Tensor, weight: Tensor, options: Conv2dOptions = {}): Tensor {
  const op = 'conv2d';
  const { bias, relu, ...window } = readOptions(op, options, { bias: null, relu: false, ...windowDefaults });
  requireOperands(op, x, weight, bias, '[O, C / groups, KH, KW]');
  const geometry = toGeometry(op, window);
  checkChannels(op, x.shape, weight.shape, geometry.groups);
  checkBias(op, bias, weight.shape[0]!, weight.dtype);
  const [n = 0] = x.shape;
  const [o = 0, , kh = 0, kw = 0] = weight.shape;
  const size = windowsIn(op, x.shape, [kh, kw], geometry);
  const out = forward(op, geometry, x, weight, [n, o, ...size], bias, relu);
  const [inputShape, weightShape] = [x.shape, weight.shape];
  recordProduct(op, x, weight, bias, out, relu, {
    byLeft: (grad, kernel) => byInput(op, geometry, grad, kernel, inputShape),
    byRight: (input, grad) => byWeight(op, geometry, input, grad, weightShape),
    byBias: (grad) => sum(grad, { axes: [0, 2, 3] }),
  });
  return out;
}

function checkChannels(op: string, x: Shape, weight: Shape, groups: number): void {
  const [channels = 0, outputs = 0, each = 0] = [x[1], weight[0], weight[1]];
  if (outputs % groups !== 0)
    throw new ArgumentError(`${op}: groups=${groups} doesn't divide the ${outputs} output channels`);
  if (channels === each * groups) return;
  const wanted = each * groups;
  const has = `${channels} ${channels === 1 ? 'channel' : 'channels'}`;
  const shapes = `input ${formatShape(x)} has ${has}, weight ${formatShape(weight)} expects ${wanted}`;
  const fitting = channels / each;
  const grey = formatShape([x[0] ?? 0, wanted, ...x.slice(2)]);
  const hints = [
    Number.isInteger(fitting) && outputs % fitting === 0 && `pass groups=${fitting}`,
    channels > 1 && wanted % channels === 0 && 'exchange() the other parts first',
    channels === 1 && `expand() the one channel of grey images, to ${grey}`,
  ];
  const way = hints.filter(Boolean).join(' or ') || 'the two numbers must agree';
  throw new ArgumentError(`${op}: ${shapes} with groups=${groups}: ${way}`);
}

interface ConvTransposeOptions<P, S> extends ConvWindow<P, S>, Pick<FusedOptions, 'bias'> {
  /** Rows and columns (elements) more at the bottom and right (end), less than the stride or the dilation. Default 0. */
  readonly outputPadding?: P | undefined;
}

/** Options of `convTranspose2d`. `padding` is what is cut off each side of the result. */
export interface ConvTranspose2dOptions extends ConvTransposeOptions<PairLike, PaddingLike> {}

/**
 * Transposed convolution: x `[N, C, H, W]`, weight `[C, O / groups, KH, KW]`, bias `[O]`, result `[N, O, OH, OW]`: the
 * gradient by its input of the `conv2d` with the same weight and options, whose output x has the shape of.
 * @throws {ArgumentError} for shapes that don't fit
 */
export function convTranspose2d(x: Tensor, weight: Tensor, options: ConvTranspose2dOptions = {}): Tensor {
  const op = 'convTranspose2d';
  const defaults = { bias: null, outputPadding: 0, ...windowDefaults };
  const { bias, outputPadding, ...window } = readOptions(op, options, defaults);
  requireOperands(op, x, weight, bias, '[C, O / groups, KH, KW]');
  const geometry = toGeometry(op, window);
  const { stride, padding, dilation, groups } = geometry;
  const extra = toPair(op, 'outputPadding', outputPadding, 0);
  const [n = 0, channels = 0] = x.shape;
  const [inputs = 0, each = 0] = weight.shape;
  if (inputs !== channels || channels % groups !== 0) {
    const shapes = `x is ${formatShape(x.shape)}, weight ${formatShape(weight.shape)}`;
    throw new ArgumentError(
      `${op}: ${shapes}, expected as many channels in x as kernels in weight, and groups=${groups} to divide them`,
    );
  }
  checkBias(op, bias, each * groups, weight.dtype);
  const sizeAlong = (axis: 0 | 1): number => {
    const [step, apart, more] = [stride[axis], dilation[axis], extra[axis]];
    if (more >= Math.max(step, apart)) {
      const steps = `stride [${stride.join(', ')}] or dilation [${dilation.join(', ')}]`;
      throw new ArgumentError(`${op}: outputPadding is [${extra.join(', ')}], expected less than ${steps}`);
    }
    const reach = (weight.shape[2 + axis]! - 1) * apart + 1;
    return (x.shape[2 + axis]! - 1) * step - padding[axis] - padding[axis + 2]! + reach + more;
  };
  const [oh, ow] = [sizeAlong(0), sizeAlong(1)];
  if (oh < 1 || ow < 1)
    throw new ArgumentError(
      `${op}: padding [${padding.join(', ')}] leaves nothing of ${formatShape(x.shape)}`,
    );
  const out = byInput(op, geometry, x, weight, [n, each * groups, oh, ow]);
  const [inputShape, weightShape] = [x.shape, weight.shape];
  recordProduct(op, x, weight, null, out, false, {
    byLeft: (grad, kernel) => forward(op, geometry, grad, kernel, inputShape),
    byRight: (input, grad) => byWeight(op, geometry, grad, input, weightShape),
  });
  if (!bias) return out;
  return scope(() => add(out, reshape(bias, [each * groups, 1, 1])));
}

type ConvWindow1d = ConvWindow<number, PairLike>;

/** Options of `conv1d`; `padding` as `[before, after]` where these differ. */
export interface Conv1dOptions extends FusedOptions, ConvWindow1d {}

/** Options of `convTranspose1d`. `padding` is what is cut off the ends of the result. */
export interface ConvTranspose1dOptions extends ConvTransposeOptions<number, PairLike> {}

/**
 * Convolution (cross-correlation): x `[N, C, L]`, weight `[O, C / groups, K]`, bias `[O]`, result `[N, O, OL]`, where
 * `OL = floor((L + before + after - (K - 1) * dilation - 1) / stride) + 1`.
 * @throws {ArgumentError} for shapes that don't fit
 */
export function conv1d(x: Tensor, weight: Tensor, options: Conv1dOptions = {}): Tensor {
  const op = 'conv1d';
  const { bias, relu, ...window } = readOptions(op, options, { bias: null, relu: false, ...windowDefaults });
  return inLines(op, x, weight, '[O, C / groups, K]', (images, kernels) =>
    conv2d(images, kernels, { ...windowAlong(op, window), bias, relu }),
  );
}

/**
 * Transposed convolution: x `[N, C, L]`, weight `[C, O / groups, K]`, bias `[O]`, result `[N, O, OL]`, where
 * `OL = (L - 1) * stride - before - after + (K - 1) * dilation + outputPadding + 1`.
 * @throws {ArgumentError} for shapes that don't fit
 */
export function convTranspose1d(x: Tensor, weight: Tensor, options: ConvTranspose1dOptions = {}): Tensor {
  const op = 'convTranspose1d';
  const defaults = { bias: null, outputPadding: 0, ...windowDefaults };
  const { bias, outputPadding, ...window } = readOptions(op, options, defaults);
  return inLines(op, x, weight, '[C, O / groups, K]', (images, kernels) => {
    requireWhole(op, 'outputPadding', outputPadding, 0);
    const wide = { ...windowAlong(op, window), bias, outputPadding: [0, outputPadding] as const };
    return convTranspose2d(images, kernels, wide);
  });
}

type Product = (x: Tensor, weight: Tensor) => Tensor;

/** Takes lines for images one pixel high. @throws {ArgumentError} for others; `layout` is the weight's */
function inLines(op: string, x: Tensor, weight: Tensor, layout: string, product: Product): Tensor {
  requireTensor(op, 'x', x);
  requireTensor(op, 'weight', weight);
  requireRank(op, 'x', x, 3, '[N, C, L]');
  requireRank(op, 'weight', weight, 3, layout);
  return scope(() => squeeze(product(unsqueeze(x, 2), unsqueeze(weight, 2)), 2));
}

function windowAlong(op: string, window: Required<ConvWindow1d>): ConvGeometry {
  const { stride = 1, padding = 0, dilation = 1, groups = 1 } = window;
  requireWhole(op, 'stride', stride, 1);
  requireWhole(op, 'dilation', dilation, 1);
  const [before, after] = toPair(op, 'padding', padding, 0);
  return { stride: [1, stride], padding: [0, before, 0, after], dilation: [1, dilation], groups };
}
