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
import { type Device, requireDevice } from '../core/device.js';
import { ArgumentError } from '../core/errors.js';
import { type Conv2dOptions, conv2d, type PairLike, toPadding, toPair } from '../core/ops/conv.js';
import { type DropoutOptions, dropout, readDropout } from '../core/ops/dropout.js';
import { relu, sigmoid, tanh } from '../core/ops/elementwise.js';
import { linear } from '../core/ops/matmul.js';
import {
  localResponseNorm,
  type ResponseNormOptions,
  readResponseNorm,
  spatialResponseNorm,
} from '../core/ops/normalize.js';
import {
  type AvgPoolOptions,
  avgPool2d,
  maxPool2d,
  type PoolOptions,
  readAvgPool,
  readMaxPool,
} from '../core/ops/pool.js';
import { flatten } from '../core/ops/views.js';
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
  /** `[out, in]`. */
  readonly weight: Tensor;
  /** `[out]`. */
  readonly bias: Tensor | null;
  private readonly relu: boolean;

  constructor(inFeatures: number, outFeatures: number, options: WeightOptions) {
    super();
    const { relu, ...making } = readOptions('Linear', options, weightDefaults);
    requireWhole('Linear', 'inFeatures', inFeatures, 0);
    requireWhole('Linear', 'outFeatures', outFeatures, 0);
    const { weight, bias } = makeParameters('Linear', [outFeatures, inFeatures], making);
    this.weight = weight;
    this.bias = bias;
    this.relu = relu;
  }

  forward(x: Tensor): Tensor {
    return linear(x, this.weight, { bias: this.bias, relu: this.relu });
  }
}

/** Convolution: `[N, in, H, W]` to `[N, out, OH, OW]`. */
export class Conv2d extends Layer {
  /** `[out, in / groups, KH, KW]`. */
  readonly weight: Tensor;
  /** `[out]`. */
  readonly bias: Tensor | null;
  private readonly options: Pick<Conv2dOptions, 'stride' | 'padding' | 'groups' | 'relu'>;

  /** @throws {ArgumentError} when the groups don't divide the channels */
  constructor(
    inChannels: number,
    outChannels: number,
    kernel: PairLike,
    options: WeightOptions & Pick<Conv2dOptions, 'stride' | 'padding' | 'groups'>,
  ) {
    super();
    const op = 'Conv2d';
    const window = { stride: 1, padding: 0, groups: 1 };
    const { stride, padding, groups, relu, ...making } = readOptions(op, options, {
      ...weightDefaults,
      ...window,
    });
    requireWhole(op, 'inChannels', inChannels, 0);
    requireWhole(op, 'outChannels', outChannels, 0);
    if (!Number.isInteger(inChannels / groups) || !Number.isInteger(outChannels / groups)) {
      throw new ArgumentError(
        `Conv2d: groups=${groups} must divide the ${inChannels} input and ${outChannels} output channels`,
      );
    }
    this.options = { stride: toPair(op, 'stride', stride, 1), padding: toPadding(op, padding), groups, relu };
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
  constructor(kernel: PairLike, options: Omit<PoolOptions, 'kernel'> = {}) {
    const all = { kernel, ...readOptions('MaxPool2d', options, windowDefaults) };
    readMaxPool('MaxPool2d', all);
    super((x) => maxPool2d(x, all));
  }
}

/** Mean of each window. */
export class AvgPool2d extends Lambda {
  constructor(kernel: PairLike, options: Omit<AvgPoolOptions, 'kernel'> = {}) {
    const all = {
      kernel,
      ...readOptions('AvgPool2d', options, { ...windowDefaults, countIncludePad: true }),
    };
    readAvgPool('AvgPool2d', all);
    super((x) => avgPool2d(x, all));
  }
}

/** Response normalization across adjacent maps (Krizhevsky 2012, section 3.3). */
export class LocalResponseNorm extends Lambda {
  constructor(options: ResponseNormOptions = {}) {
    readResponseNorm('LocalResponseNorm', options);
    super((x) => localResponseNorm(x, options));
  }
}

/** Response normalization within each map. */
export class SpatialResponseNorm extends Lambda {
  constructor(options: ResponseNormOptions = {}) {
    readResponseNorm('SpatialResponseNorm', options);
    super((x) => spatialResponseNorm(x, options));
  }
}

/** Dropout, on while training. */
export class Dropout extends Layer {
  constructor(
    private readonly p = 0.5,
    private readonly options: Pick<DropoutOptions, 'form'> = {},
  ) {
    super();
    readDropout('Dropout', p, readOptions('Dropout', options, { form: 'inverted' }));
  }

  forward(x: Tensor): Tensor {
    return dropout(x, this.p, { ...this.options, training: this.training });
  }
}

/** Layers one after the other; each intermediate result is let go as soon as only the tape needs it. */
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
