/**
 * Layers. Each is its op with the options it was made with, and its parameters.
 */
import type { Device } from '../core/device.js';
import { ArgumentError } from '../core/errors.js';
import { type Conv2dOptions, conv2d, type PairLike, toPair } from '../core/ops/conv.js';
import { type DropoutOptions, dropout } from '../core/ops/dropout.js';
import { relu, sigmoid, tanh } from '../core/ops/elementwise.js';
import { linear } from '../core/ops/matmul.js';
import { localResponseNorm, type ResponseNormOptions, spatialResponseNorm } from '../core/ops/normalize.js';
import { type AvgPoolOptions, avgPool2d, maxPool2d, type PoolOptions } from '../core/ops/pool.js';
import { flatten } from '../core/ops/views.js';
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

/** `x W^T + b`: `[.., in]` to `[.., out]`. */
export class Linear extends Layer {
  /** `[out, in]`. */
  readonly weight: Tensor;
  /** `[out]`. */
  readonly bias: Tensor | null;

  constructor(
    inFeatures: number,
    outFeatures: number,
    private readonly options: WeightOptions,
  ) {
    super();
    const { device, bias = true, weightInit = fanInUniform(), biasInit = constant(0) } = options;
    this.weight = parameter(weightInit([outFeatures, inFeatures], device));
    this.bias = bias ? parameter(biasInit([outFeatures], device)) : null;
  }

  forward(x: Tensor): Tensor {
    return linear(x, this.weight, { bias: this.bias, relu: this.options.relu });
  }
}

/** Convolution: `[N, in, H, W]` to `[N, out, OH, OW]`. */
export class Conv2d extends Layer {
  /** `[out, in / groups, KH, KW]`. */
  readonly weight: Tensor;
  /** `[out]`. */
  readonly bias: Tensor | null;

  /** @throws {ArgumentError} when the groups don't divide the channels */
  constructor(
    inChannels: number,
    outChannels: number,
    kernel: PairLike,
    private readonly options: WeightOptions & Pick<Conv2dOptions, 'stride' | 'padding' | 'groups'>,
  ) {
    super();
    const { device, bias = true, weightInit = fanInUniform(), biasInit = constant(0), groups = 1 } = options;
    if (!Number.isInteger(inChannels / groups) || !Number.isInteger(outChannels / groups)) {
      throw new ArgumentError(
        `Conv2d: groups=${groups} must divide the ${inChannels} input and ${outChannels} output channels`,
      );
    }
    const shape = [outChannels, inChannels / groups, ...toPair('Conv2d', 'kernel', kernel, 1)];
    this.weight = parameter(weightInit(shape, device));
    this.bias = bias ? parameter(biasInit([outChannels], device)) : null;
  }

  forward(x: Tensor): Tensor {
    const { stride, padding, groups, relu } = this.options;
    return conv2d(x, this.weight, { bias: this.bias, stride, padding, groups, relu });
  }
}

/** A layer without parameters: a function of its input. */
export class Lambda extends Layer {
  constructor(private readonly fn: (x: Tensor) => Tensor) {
    super();
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

/** Largest of each window. */
export class MaxPool2d extends Lambda {
  constructor(kernel: PairLike, options: Omit<PoolOptions, 'kernel'> = {}) {
    super((x) => maxPool2d(x, { kernel, ...options }));
  }
}

/** Mean of each window. */
export class AvgPool2d extends Lambda {
  constructor(kernel: PairLike, options: Omit<AvgPoolOptions, 'kernel'> = {}) {
    super((x) => avgPool2d(x, { kernel, ...options }));
  }
}

/** Response normalization across adjacent maps (Krizhevsky 2012, section 3.3). */
export class LocalResponseNorm extends Lambda {
  constructor(options: ResponseNormOptions = {}) {
    super((x) => localResponseNorm(x, options));
  }
}

/** Response normalization within each map. */
export class SpatialResponseNorm extends Lambda {
  constructor(options: ResponseNormOptions = {}) {
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
