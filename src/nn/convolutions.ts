/**
 * Convolutions: along two axes, along one, and transposed.
 */
import { readOptions, requireWhole } from '../core/arguments.js';
import type { ConvGeometry, Pair } from '../core/backend.js';
import {
  type Conv2dOptions,
  conv2d,
  type PairLike,
  toGeometry,
  toPair,
  windowDefaults,
} from '../core/ops/conv.js';
import { type Conv1dOptions, conv1d } from '../core/ops/conv1d.js';
import { type ConvTranspose2dOptions, convTranspose2d } from '../core/ops/convTranspose.js';
import type { Shape } from '../core/shape.js';
import type { Tensor } from '../core/tensor.js';
import {
  Layer,
  type Making,
  makeParameters,
  requireGroups,
  type WeightOptions,
  weightDefaults,
} from './layer.js';

const defaults = { ...weightDefaults, ...windowDefaults };
type WindowNames = 'stride' | 'padding' | 'dilation' | 'groups';

/** A weight `[outs, ins / groups, ...kernel]`, or transposed `[ins, outs / groups, ...kernel]`, and a bias `[outs]`. */
function makeKernels(
  op: string,
  [inChannels, outChannels, groups]: readonly [number, number, number],
  kernel: Shape,
  making: Making,
  transposed = false,
) {
  requireWhole(op, 'inChannels', inChannels, 0);
  requireWhole(op, 'outChannels', outChannels, 0);
  requireGroups(op, groups, inChannels, outChannels, 'channels');
  const [first, second] = transposed ? [inChannels, outChannels] : [outChannels, inChannels];
  return makeParameters(op, [first, second / groups, ...kernel], making, outChannels);
}

/** Convolution: `[N, in, H, W]` to `[N, out, OH, OW]`. */
export class Conv2d extends Layer {
  /** `[out, in / groups, KH, KW]`. */
  readonly weight: Tensor;
  /** `[out]`. */
  readonly bias: Tensor | null;
  /** How the window moves, and whether ReLU is applied in the kernel's last pass. */
  readonly options: ConvGeometry & { readonly relu: boolean };

  /** @throws {ArgumentError} when the groups don't divide the channels */
  constructor(
    inChannels: number,
    outChannels: number,
    kernel: PairLike,
    options: WeightOptions & Pick<Conv2dOptions, WindowNames>,
  ) {
    super();
    const op = 'Conv2d';
    const { stride, padding, dilation, groups, relu, ...making } = readOptions(op, options, defaults);
    this.options = { ...toGeometry(op, { stride, padding, dilation, groups }), relu };
    const taps = toPair(op, 'kernel', kernel, 1);
    const { weight, bias } = makeKernels(op, [inChannels, outChannels, groups], taps, making);
    this.weight = weight;
    this.bias = bias;
  }

  forward(x: Tensor): Tensor {
    return conv2d(x, this.weight, { bias: this.bias, ...this.options });
  }
}

/** Convolution along one axis: `[N, in, L]` to `[N, out, OL]`. */
export class Conv1d extends Layer {
  /** `[out, in / groups, K]`. */
  readonly weight: Tensor;
  /** `[out]`. */
  readonly bias: Tensor | null;
  /** How the window moves, and whether ReLU is applied in the kernel's last pass. */
  readonly options: Omit<Conv1dOptions, 'bias'>;

  /** @throws {ArgumentError} when the groups don't divide the channels */
  constructor(
    inChannels: number,
    outChannels: number,
    kernel: number,
    options: WeightOptions & Pick<Conv1dOptions, WindowNames>,
  ) {
    super();
    const op = 'Conv1d';
    const { stride, padding, dilation, groups, relu, ...making } = readOptions(op, options, defaults);
    requireWhole(op, 'kernel', kernel, 1);
    this.options = { stride, padding, dilation, groups, relu };
    const { weight, bias } = makeKernels(op, [inChannels, outChannels, groups], [kernel], making);
    this.weight = weight;
    this.bias = bias;
  }

  forward(x: Tensor): Tensor {
    return conv1d(x, this.weight, { bias: this.bias, ...this.options });
  }
}

/** Transposed convolution: `[N, in, H, W]` to `[N, out, OH, OW]`; see `convTranspose2d`. */
export class ConvTranspose2d extends Layer {
  /** `[in, out / groups, KH, KW]`. */
  readonly weight: Tensor;
  /** `[out]`. */
  readonly bias: Tensor | null;
  /** How the window moves, and rows and columns more at the bottom and right. */
  readonly options: ConvGeometry & { readonly outputPadding: Pair };

  /** @throws {ArgumentError} when the groups don't divide the channels */
  constructor(
    inChannels: number,
    outChannels: number,
    kernel: PairLike,
    options: Omit<WeightOptions, 'relu'> & Pick<ConvTranspose2dOptions, WindowNames | 'outputPadding'>,
  ) {
    super();
    const op = 'ConvTranspose2d';
    const { relu: _, ...usual } = { ...defaults, outputPadding: 0 };
    const { stride, padding, dilation, groups, outputPadding, ...making } = readOptions(op, options, usual);
    const extra = toPair(op, 'outputPadding', outputPadding, 0);
    this.options = { ...toGeometry(op, { stride, padding, dilation, groups }), outputPadding: extra };
    const taps = toPair(op, 'kernel', kernel, 1);
    const { weight, bias } = makeKernels(op, [inChannels, outChannels, groups], taps, making, true);
    this.weight = weight;
    this.bias = bias;
  }

  forward(x: Tensor): Tensor {
    return convTranspose2d(x, this.weight, { bias: this.bias, ...this.options });
  }
}
