/**
 * Convolutions: along two axes, along one, and transposed.
 */
import { readOptions, requireWhole } from '../core/arguments.js';
import type { ConvGeometry, Pair } from '../core/backend.js';
import {
  type Conv1dOptions,
  type Conv2dOptions,
  type ConvTranspose2dOptions,
  conv1d,
  conv2d,
  convTranspose2d,
  type PairLike,
  toGeometry,
  toPair,
  windowDefaults,
} from '../core/ops/conv.js';
import type { Shape } from '../core/shape.js';
import type { Tensor } from '../core/tensor.js';
import { type Making, requireGroups, WeightedLayer, type WeightOptions, weightDefaults } from './layer.js';

const defaults = { ...weightDefaults, ...windowDefaults };
type Window = 'stride' | 'padding' | 'dilation' | 'groups';

/** What convolutions share: kernels, and how they move. */
abstract class Convolution<O> extends WeightedLayer {
  /** @throws {ArgumentError} when the groups don't divide the channels */
  constructor(
    op: string,
    [ins, outs, groups]: readonly [number, number, number],
    kernel: Shape,
    making: Making,
    /** How the window moves, and what its op takes besides. */
    readonly options: O,
    transposed = false,
  ) {
    requireWhole(op, 'inChannels', ins, 0);
    requireWhole(op, 'outChannels', outs, 0);
    requireGroups(op, groups, ins, outs, 'channels');
    const shape = transposed ? [ins, outs / groups, ...kernel] : [outs, ins / groups, ...kernel];
    super(op, shape, making, [outs]);
  }
}

/** Convolution: `[N, in, H, W]` to `[N, out, OH, OW]`. */
export class Conv2d extends Convolution<ConvGeometry & { readonly relu: boolean }> {
  constructor(
    inChannels: number,
    outChannels: number,
    kernel: PairLike,
    options: WeightOptions & Pick<Conv2dOptions, Window>,
  ) {
    const { stride, padding, dilation, groups, relu, ...making } = readOptions('Conv2d', options, defaults);
    const window = { ...toGeometry('Conv2d', { stride, padding, dilation, groups }), relu };
    const taps = toPair('Conv2d', 'kernel', kernel, 1);
    super('Conv2d', [inChannels, outChannels, groups], taps, making, window);
  }

  forward(x: Tensor): Tensor {
    return conv2d(x, this.weight, { bias: this.bias, ...this.options });
  }
}

/** Convolution along one axis: `[N, in, L]` to `[N, out, OL]`. */
export class Conv1d extends Convolution<Pick<Conv1dOptions, Window | 'relu'>> {
  constructor(
    inChannels: number,
    outChannels: number,
    kernel: number,
    options: WeightOptions & Pick<Conv1dOptions, Window>,
  ) {
    const { stride, padding, dilation, groups, relu, ...making } = readOptions('Conv1d', options, defaults);
    requireWhole('Conv1d', 'kernel', kernel, 1);
    const window = { stride, padding, dilation, groups, relu };
    super('Conv1d', [inChannels, outChannels, groups], [kernel], making, window);
  }

  forward(x: Tensor): Tensor {
    return conv1d(x, this.weight, { bias: this.bias, ...this.options });
  }
}

/** Transposed convolution: `[N, in, H, W]` to `[N, out, OH, OW]`; see `convTranspose2d`. */
export class ConvTranspose2d extends Convolution<ConvGeometry & { readonly outputPadding: Pair }> {
  constructor(
    inChannels: number,
    outChannels: number,
    kernel: PairLike,
    options: Omit<WeightOptions, 'relu'> & Pick<ConvTranspose2dOptions, Window | 'outputPadding'>,
  ) {
    const op = 'ConvTranspose2d';
    const { relu: _, ...usual } = { ...defaults, outputPadding: 0 };
    const { stride, padding, dilation, groups, outputPadding, ...making } = readOptions(op, options, usual);
    const extra = { outputPadding: toPair(op, 'outputPadding', outputPadding, 0) };
    const window = { ...toGeometry(op, { stride, padding, dilation, groups }), ...extra };
    super(op, [inChannels, outChannels, groups], toPair(op, 'kernel', kernel, 1), making, window, true);
  }

  forward(x: Tensor): Tensor {
    return convTranspose2d(x, this.weight, { bias: this.bias, ...this.options });
  }
}
