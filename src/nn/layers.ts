/**
 * Layers: products, tables of vectors, pooling and dropout. Each is its op with the options it was made with, and its
 * parameters.
 */
import { readOptions, requireFunction, requireWhole, wrongArgument } from '../core/arguments.js';
import { type Device, requireDevice } from '../core/device.js';
import { type Conv2dOptions, conv2d, type PairLike, toPair } from '../core/ops/conv.js';
import { type DropoutOptions, dropout, readDropout } from '../core/ops/dropout.js';
import { ne, where } from '../core/ops/elementwise.js';
import { indexSelect } from '../core/ops/gather.js';
import { type DrawPlacement, requireDType, requireTensor } from '../core/ops/launch.js';
import { linear } from '../core/ops/matmul.js';
import {
  type AvgPoolOptions,
  adaptiveAvgPool2d,
  avgPool2d,
  maxPool2d,
  type Pooling,
  type PoolOptions,
  readPooling,
} from '../core/ops/pool.js';
import { update } from '../core/ops/update.js';
import { flatten, reshape, slice, unsqueeze } from '../core/ops/views.js';
import { scope } from '../core/scope.js';
import type { Shape } from '../core/shape.js';
import { noGrad } from '../core/tape.js';
import type { Tensor } from '../core/tensor.js';
import {
  type Initializer,
  Lambda,
  Layer,
  normal,
  requireGroups,
  WeightedLayer,
  type WeightOptions,
  weightDefaults,
} from './layer.js';
import { parameter } from './module.js';

/** `x W^T + b`: `[.., in]` to `[.., out]`. */
export class Linear extends WeightedLayer {
  /** Whether ReLU is applied in the kernel's last pass. */
  readonly relu: boolean;
  /** Groups of features that don't see each other. */
  readonly groups: number;

  /** @param options of `groups` (default 1) other than one, x is `[N, in]` @throws {ArgumentError} unless they divide the features */
  constructor(
    inFeatures: number,
    outFeatures: number,
    options: WeightOptions & Pick<Conv2dOptions, 'groups'>,
  ) {
    const { relu, groups, ...making } = readOptions('Linear', options, { ...weightDefaults, groups: 1 });
    requireWhole('Linear', 'inFeatures', inFeatures, 0);
    requireWhole('Linear', 'outFeatures', outFeatures, 0);
    requireGroups('Linear', groups, inFeatures, outFeatures, 'features');
    super('Linear', [outFeatures, inFeatures / groups], making);
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

/** `[N, ...]` to `[N, everything else]`. */
export class Flatten extends Lambda {
  constructor() {
    super(flatten);
  }
}

const windowDefaults = { stride: undefined, padding: 0, ceilMode: false };

class Pool2d extends Lambda {
  /** The window, spelled out. */
  readonly window: Pooling;

  constructor(op: string, mode: Pooling['mode'], options: AvgPoolOptions) {
    super((x) => (mode === 'max' ? maxPool2d : avgPool2d)(x, options));
    this.window = readPooling(op, mode, options);
  }
}

/** Largest of each window. */
export class MaxPool2d extends Pool2d {
  constructor(kernel: PairLike, options: Omit<PoolOptions, 'kernel'> = {}) {
    super('MaxPool2d', 'max', { kernel, ...readOptions('MaxPool2d', options, windowDefaults) });
  }
}

/** Mean of each window. */
export class AvgPool2d extends Pool2d {
  constructor(kernel: PairLike, options: Omit<AvgPoolOptions, 'kernel'> = {}) {
    const usual = { ...windowDefaults, countIncludePad: true };
    super('AvgPool2d', 'avg', { kernel, ...readOptions('AvgPool2d', options, usual) });
  }
}

/** The mean of each of `size` windows that cover the image: `[N, C, H, W]` to `[N, C, ...size]`. */
export class AdaptiveAvgPool2d extends Lambda {
  constructor(readonly size: PairLike) {
    super((x) => adaptiveAvgPool2d(x, size));
    toPair('AdaptiveAvgPool2d', 'size', size, 1);
  }
}

/** Options of `Embedding`. */
export interface EmbeddingOptions {
  readonly device: Device;
  /** A row of zeros that isn't trained. None by default. */
  readonly paddingIdx?: number | undefined;
  /** Default `normal(1)`. */
  readonly weightInit?: Initializer;
}

/** A table of vectors: int32 indices `[..]` to their rows `[.., dim]`; NaN for an index outside. */
export class Embedding extends Layer {
  /** `[count, dim]`. */
  readonly weight: Tensor;
  /** A row that isn't trained. */
  readonly paddingIdx: number | undefined;

  constructor(count: number, dim: number, options: EmbeddingOptions) {
    super();
    const op = 'Embedding';
    const defaults = { device: undefined, paddingIdx: undefined, weightInit: normal(1) };
    const { device, paddingIdx, weightInit } = readOptions(op, options, defaults);
    requireDevice(op, device);
    requireWhole(op, 'count', count, 1);
    requireWhole(op, 'dim', dim, 1);
    requireFunction(op, 'weightInit', weightInit);
    if (paddingIdx !== undefined) {
      requireWhole(op, 'paddingIdx', paddingIdx, 0);
      if (paddingIdx >= count) throw wrongArgument(op, 'paddingIdx', paddingIdx, `a row of ${count}`);
    }
    this.weight = parameter(weightInit([count, dim], device));
    this.paddingIdx = paddingIdx;
    if (paddingIdx === undefined) return;
    noGrad(() => scope(() => update(slice(this.weight, 0, paddingIdx, paddingIdx + 1), 0, [])));
  }

  forward(x: Tensor): Tensor {
    const { weight, paddingIdx } = this;
    requireTensor('Embedding', 'x', x);
    requireDType('Embedding', 'x', x, 'int32');
    return scope(() => {
      const places = reshape(x, [-1]);
      const rows = indexSelect(weight, 0, places);
      const trained =
        paddingIdx === undefined ? rows : where(unsqueeze(ne(places, paddingIdx), 1), rows, rows.detach());
      return reshape(trained, [...x.shape, weight.shape[1]!]);
    });
  }
}

/** Options of `Dropout`. */
export interface DropoutLayerOptions extends Pick<DropoutOptions, 'form'> {
  /** Which random numbers an input of a shape takes, as `() => generator.next()`. By default the default generator's. */
  readonly draw?: ((shape: Shape) => DrawPlacement) | undefined;
}

/** Dropout, on while training. */
export class Dropout extends Layer {
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
