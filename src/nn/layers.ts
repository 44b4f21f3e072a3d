/**
 * Layers. Each is its op with the options it was made with, and its parameters.
 */
import {
  readOptions,
  requireBoolean,
  requireFunction,
  requireWhole,
  wrongArgument,
} from '../core/arguments.js';
import type { Padding, Pair } from '../core/backend.js';
import { type Device, requireDevice } from '../core/device.js';
import { ArgumentError } from '../core/errors.js';
import { type Conv2dOptions, conv2d, type PairLike, toPadding, toPair } from '../core/ops/conv.js';
import { type DropoutOptions, dropout, readDropout } from '../core/ops/dropout.js';
import { abs, relu, sigmoid, tanh } from '../core/ops/elementwise.js';
import type { DrawPlacement } from '../core/ops/launch.js';
import { linear } from '../core/ops/matmul.js';
import {
  localResponseNorm,
  type ResponseNorm,
  type ResponseNormOptions,
  readResponseNorm,
  responseNormDefaults,
  spatialResponseNorm,
} from '../core/ops/normalize.js';
import {
  type AvgPoolOptions,
  avgPool2d,
  maxPool2d,
  type Pooling,
  type PoolOptions,
  readPooling,
} from '../core/ops/pool.js';
import { flatten, reshape } from '../core/ops/views.js';
import { scope } from '../core/scope.js';
import type { Shape } from '../core/shape.js';
import type { Tensor } from '../core/tensor.js';
import { constant, fanInUniform, type Initializer } from './init.js';
import { Module, parameter } from './module.js';

/** A module from one tensor to one tensor. */
export abstract class Layer extends Module {
  abstract forward(x: Tensor): Tensor;
}

/** What layers with weights take. */
export interface WeightOptions {
  readonly device: Device;
  /** Whether there is a bias. Default true. */
  readonly bias?: boolean;
  /** Apply ReLU in the kernel's last pass. Default false. */
  readonly relu?: boolean;
  /** Default `fanInUniform()`. */
  readonly weightInit?: Initializer;
  /** Default `constant(0)`. */
  readonly biasInit?: Initializer;
}

/** Defaults of `WeightOptions`. */
const weightDefaults = {
  device: undefined,
  bias: true,
  relu: false,
  weightInit: fanInUniform(),
  biasInit: constant(0),
};

/** @throws {ArgumentError} unless `groups` divides what goes in and what comes out */
function requireGroups(layer: string, groups: number, inputs: number, outputs: number, what: string): void {
  requireWhole(layer, 'groups', groups, 1);
  if (Number.isInteger(inputs / groups) && Number.isInteger(outputs / groups)) return;
  throw new ArgumentError(
    `${layer}: groups=${groups} must divide the ${inputs} input and ${outputs} output ${what}`,
  );
}

interface Making extends Omit<Required<WeightOptions>, 'device' | 'relu'> {
  readonly device: Device | undefined;
}

/** Weight and bias `[O]` of a layer whose weight has the shape `[O, ..]`. */
function makeParameters(
  layer: string,
  shape: Shape,
  { device, bias, weightInit, biasInit }: Making,
): { readonly weight: Tensor; readonly bias: Tensor | null } {
  requireDevice(layer, device);
  requireBoolean(layer, 'bias', bias);
  requireFunction(layer, 'weightInit', weightInit);
  requireFunction(layer, 'biasInit', biasInit);
  const weight = parameter(weightInit(shape, device));
  return { weight, bias: bias ? parameter(biasInit([shape[0]!], device)) : null };
}

/** `x W^T + b`: `[.., in]` to `[.., out]`. */
export class Linear extends Layer {
  /** `[out, in / groups]`. */
  readonly weight: Tensor;
  /** `[out]`. */
  readonly bias: Tensor | null;
  /** Whether ReLU is applied in the kernel's last pass. */
  readonly relu: boolean;
  /** Groups of features that don't see each other. */
  readonly groups: number;

  /**
   * @param options `groups`: the features fall into this many groups that don't see each other, and then x is `[N, in]`.
   * Default 1.
   * @throws {ArgumentError} when the groups don't divide the features
   */
  constructor(
    inFeatures: number,
    outFeatures: number,
    options: WeightOptions & Pick<Conv2dOptions, 'groups'>,
  ) {
    super();
    const op = 'Linear';
    const { relu, groups, ...making } = readOptions(op, options, { ...weightDefaults, groups: 1 });
    requireWhole(op, 'inFeatures', inFeatures, 0);
    requireWhole(op, 'outFeatures', outFeatures, 0);
    requireGroups(op, groups, inFeatures, outFeatures, 'features');
    const { weight, bias } = makeParameters(op, [outFeatures, inFeatures / groups], making);
    this.weight = weight;
    this.bias = bias;
    this.relu = relu;
    this.groups = groups;
  }

  forward(x: Tensor): Tensor {
    const { weight, groups, bias, relu } = this;
    if (groups === 1) return linear(x, weight, { bias, relu });
    // A product in groups is a convolution in groups of one pixel.
    return scope(() => {
      const pixels = reshape(x, [...x.shape, 1, 1]);
      const kernels = reshape(weight, [...weight.shape, 1, 1]);
      return flatten(conv2d(pixels, kernels, { bias, relu, groups }));
    });
  }
}

/** Convolution: `[N, in, H, W]` to `[N, out, OH, OW]`. */
export class Conv2d extends Layer {
  /** `[out, in / groups, KH, KW]`. */
  readonly weight: Tensor;
  /** `[out]`. */
  readonly bias: Tensor | null;
  /** Step of the window, zeros around the image, distance of the taps, groups, and whether ReLU is applied in the kernel's last pass. */
  readonly options: {
    readonly stride: Pair;
    readonly padding: Padding;
    readonly dilation: Pair;
    readonly groups: number;
    readonly relu: boolean;
  };

  /** @throws {ArgumentError} when the groups don't divide the channels */
  constructor(
    inChannels: number,
    outChannels: number,
    kernel: PairLike,
    options: WeightOptions & Pick<Conv2dOptions, 'stride' | 'padding' | 'dilation' | 'groups'>,
  ) {
    super();
    const op = 'Conv2d';
    const window = { stride: 1, padding: 0, dilation: 1, groups: 1 };
    const { stride, padding, dilation, groups, relu, ...making } = readOptions(op, options, {
      ...weightDefaults,
      ...window,
    });
    requireWhole(op, 'inChannels', inChannels, 0);
    requireWhole(op, 'outChannels', outChannels, 0);
    requireGroups(op, groups, inChannels, outChannels, 'channels');
    this.options = {
      stride: toPair(op, 'stride', stride, 1),
      padding: toPadding(op, padding),
      dilation: toPair(op, 'dilation', dilation, 1),
      groups,
      relu,
    };
    const shape = [outChannels, inChannels / groups, ...toPair(op, 'kernel', kernel, 1)];
    const { weight, bias } = makeParameters(op, shape, making);
    this.weight = weight;
    this.bias = bias;
  }

  forward(x: Tensor): Tensor {
    return conv2d(x, this.weight, { bias: this.bias, ...this.options });
  }
}

/** A layer without parameters: a function of its input. */
export class Lambda extends Layer {
  constructor(private readonly fn: (x: Tensor) => Tensor) {
    super();
    requireFunction('Lambda', 'fn', fn);
  }

  forward(x: Tensor): Tensor {
    return this.fn(x);
  }
}

/** max(0, x). */
export class ReLU extends Lambda {
  constructor() {
    super(relu);
  }
}

/** Hyperbolic tangent. */
export class Tanh extends Lambda {
  constructor() {
    super(tanh);
  }
}

/** |x|. */
export class Abs extends Lambda {
  constructor() {
    super(abs);
  }
}

/** 1 / (1 + exp(-x)). */
export class Sigmoid extends Lambda {
  constructor() {
    super(sigmoid);
  }
}

/** `[N, ...]` to `[N, everything else]`. */
export class Flatten extends Lambda {
  constructor() {
    super(flatten);
  }
}

const windowDefaults = { stride: undefined, padding: 0, ceilMode: false };

/** Largest of each window. */
export class MaxPool2d extends Lambda {
  /** The window, spelled out. */
  readonly window: Pooling;

  constructor(kernel: PairLike, options: Omit<PoolOptions, 'kernel'> = {}) {
    const all = { kernel, ...readOptions('MaxPool2d', options, windowDefaults) };
    const window = readPooling('MaxPool2d', 'max', all);
    super((x) => maxPool2d(x, all));
    this.window = window;
  }
}

/** Mean of each window. */
export class AvgPool2d extends Lambda {
  /** The window, spelled out. */
  readonly window: Pooling;

  constructor(kernel: PairLike, options: Omit<AvgPoolOptions, 'kernel'> = {}) {
    const all = {
      kernel,
      ...readOptions('AvgPool2d', options, { ...windowDefaults, countIncludePad: true }),
    };
    const window = readPooling('AvgPool2d', 'avg', all);
    super((x) => avgPool2d(x, all));
    this.window = window;
  }
}

/** Response normalization across adjacent maps (Krizhevsky 2012, section 3.3). */
export class LocalResponseNorm extends Layer {
  /** The options, spelled out. */
  readonly norm: ResponseNorm;
  /** Groups of maps that are normalized apart. */
  readonly groups: number;
  private readonly options: ResponseNormOptions;

  /** @param options `groups`: the maps fall into this many groups, and no window reaches beyond its group. Default 1. */
  constructor(options: ResponseNormOptions & Pick<Conv2dOptions, 'groups'> = {}) {
    super();
    const op = 'LocalResponseNorm';
    const { groups, ...norm } = readOptions(op, options, { ...responseNormDefaults, groups: 1 });
    requireWhole(op, 'groups', groups, 1);
    this.norm = readResponseNorm(op, norm);
    this.options = norm;
    this.groups = groups;
  }

  forward(x: Tensor): Tensor {
    const { groups, options } = this;
    if (groups === 1) return localResponseNorm(x, options);
    // [N, groups * C, H, W] seen as [N * groups, C, H, W]: the window stays within a group.
    const [n = 0, c = 0, ...map] = x.shape;
    requireGroups('LocalResponseNorm', groups, c, c, 'maps');
    return scope(() =>
      reshape(localResponseNorm(reshape(x, [n * groups, c / groups, ...map]), options), x.shape),
    );
  }
}

/** Response normalization within each map. */
export class SpatialResponseNorm extends Lambda {
  /** The options, spelled out. */
  readonly norm: ResponseNorm;

  constructor(options: ResponseNormOptions = {}) {
    const norm = readResponseNorm('SpatialResponseNorm', options);
    super((x) => spatialResponseNorm(x, options));
    this.norm = norm;
  }
}

/** Options of `Dropout`. */
export interface DropoutLayerOptions extends Pick<DropoutOptions, 'form'> {
  /**
   * Which random numbers an input of a shape takes, asked in each forward pass of training. By default the default
   * generator's next draw; `() => generator.next()` for one's own generator, which a checkpoint can hold.
   */
  readonly draw?: ((shape: Shape) => DrawPlacement) | undefined;
}

/** Dropout, on while training. */
export class Dropout extends Layer {
  /** See `DropoutOptions`. */
  readonly form: 'paper' | 'inverted';
  private readonly draw: ((shape: Shape) => DrawPlacement) | undefined;

  /** @param p how likely an element becomes 0 */
  constructor(
    readonly p = 0.5,
    options: DropoutLayerOptions = {},
  ) {
    super();
    const { form, draw } = readOptions('Dropout', options, { form: 'inverted', draw: undefined } as const);
    readDropout('Dropout', p, { form });
    if (draw !== undefined) requireFunction('Dropout', 'draw', draw);
    this.form = form;
    this.draw = draw;
  }

  forward(x: Tensor): Tensor {
    const { p, form, training } = this;
    return dropout(x, p, { form, training, draw: training ? this.draw?.(x.shape) : undefined });
  }
}

/**
 * Layers one after the other; each intermediate result is let go as soon as only the tape needs it. Parameters are
 * named by their layer's number: `0.weight`.
 */
export class Sequential extends Layer {
  readonly layers: readonly Layer[];

  constructor(...layers: readonly Layer[]) {
    super();
    for (const [i, layer] of layers.entries()) {
      if (typeof layer?.forward !== 'function')
        throw wrongArgument('Sequential', `layer ${i}`, layer, 'a Layer', 'pass one after the other');
    }
    this.layers = layers;
  }

  override members(): Iterable<[PropertyKey, unknown]> {
    const others = Object.entries(this).filter(([name]) => name !== 'layers');
    return [...Object.entries(this.layers), ...others];
  }

  forward(x: Tensor): Tensor {
    let result = x;
    for (const layer of this.layers) {
      const next = layer.forward(result);
      if (result !== x && result !== next) result.dispose();
      result = next;
    }
    return result;
  }
}
