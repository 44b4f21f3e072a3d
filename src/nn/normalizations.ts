/**
 * Normalizations as layers: the paper's response normalization, and those by mean and variance, with what they learn and
 * keep count of.
 */
import { readOptions, requireBoolean, requireNumber, requireWhole } from '../core/arguments.js';
import { type Device, requireDevice } from '../core/device.js';
import { e } from '../core/expr.js';
import type { Conv2dOptions } from '../core/ops/conv.js';
import { ones, zeros } from '../core/ops/create.js';
import { requireRank, requireTensor } from '../core/ops/launch.js';
import {
  localResponseNorm,
  type ResponseNorm,
  type ResponseNormOptions,
  readResponseNorm,
  responseNormDefaults,
  spatialResponseNorm,
} from '../core/ops/normalize.js';
import { batchNorm, groupNorm, layerNorm } from '../core/ops/standardize.js';
import { update } from '../core/ops/update.js';
import { reshape } from '../core/ops/views.js';
import { scope } from '../core/scope.js';
import { checkShape, type Shape } from '../core/shape.js';
import type { Tensor } from '../core/tensor.js';
import { Lambda, Layer, requireGroups } from './layer.js';
import { parameter } from './module.js';

/** Response normalization across adjacent maps (Krizhevsky 2012, section 3.3). */
export class LocalResponseNorm extends Layer {
  /** The options, spelled out. */
  readonly norm: ResponseNorm;
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

/** Options of `GroupNorm`. */
export interface GroupNormOptions {
  readonly device: Device;
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number;
  /** Whether there are weight and bias. Default true. */
  readonly affine?: boolean;
}

/** What these share; their names in a state dict are PyTorch's. */
abstract class AffineNorm extends Layer {
  /** Factors, ones to begin with. */
  readonly weight: Tensor | null;
  /** Zeros to begin with. */
  readonly bias: Tensor | null;

  constructor(
    op: string,
    shape: Shape,
    device: Device | undefined,
    affine: boolean,
    readonly eps: number,
  ) {
    super();
    requireDevice(op, device);
    requireBoolean(op, 'affine', affine);
    requireNumber(op, 'eps', eps);
    checkShape(op, shape);
    this.weight = affine ? parameter(ones(shape, { device })) : null;
    this.bias = affine ? parameter(zeros(shape, { device })) : null;
  }

  override members(): Iterable<[PropertyKey, unknown]> {
    const spell = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    return Object.entries(this).map(([name, value]) => [spell(name), value]);
  }
}

/** Options of `LayerNorm`. */
export interface LayerNormOptions extends Omit<GroupNormOptions, 'affine'> {
  /** Whether there are weight and bias. Default true. */
  readonly elementwiseAffine?: boolean;
}

/** Normalizes each example over its last axes, of which weight and bias have the shape. */
export class LayerNorm extends AffineNorm {
  /** @param shape of the last axes, or the size of the last one */
  constructor(
    readonly shape: number | Shape,
    options: LayerNormOptions,
  ) {
    const defaults = { device: undefined, elementwiseAffine: true, eps: 1e-5 };
    const { device, elementwiseAffine, eps } = readOptions('LayerNorm', options, defaults);
    super('LayerNorm', typeof shape === 'number' ? [shape] : shape, device, elementwiseAffine, eps);
  }

  forward(x: Tensor): Tensor {
    const { shape, weight, bias, eps } = this;
    return layerNorm(x, shape, { weight, bias, eps });
  }
}

const groupDefaults = { device: undefined, affine: true, eps: 1e-5 };

/** Normalizes each example over each of `groups` groups of channels and their pixels: `[N, C, ...]`. */
export class GroupNorm extends AffineNorm {
  /** @throws {ArgumentError} when the groups don't divide the channels */
  constructor(
    readonly groups: number,
    channels: number,
    options: GroupNormOptions,
  ) {
    const { device, affine, eps } = readOptions('GroupNorm', options, groupDefaults);
    requireGroups('GroupNorm', groups, channels, channels, 'channels');
    super('GroupNorm', [channels], device, affine, eps);
  }

  forward(x: Tensor): Tensor {
    const { groups, weight, bias, eps } = this;
    return groupNorm(x, groups, { weight, bias, eps });
  }
}

/** Options of batch normalization. */
export interface BatchNormLayerOptions extends GroupNormOptions {
  /** Share of a batch's statistics in the running ones; null: of n batches 1 / n, their mean. Default 0.1. */
  readonly momentum?: number | null;
  /** Whether there are running statistics; without, those of the batch serve in evaluation, too. Default true. */
  readonly trackRunningStats?: boolean;
}

const batchDefaults = { ...groupDefaults, momentum: 0.1, trackRunningStats: true };
const [givenShare, average] = [e.param(0), e.div(1, e.input(4))].map((share) => [
  e.add(e.input(0), e.mul(share, e.sub(e.input(1), e.input(0)))),
  e.add(e.input(2), e.mul(share, e.sub(e.mul(e.param(1), e.input(3)), e.input(2)))),
]);

/** Normalizes each channel over all examples and pixels: in training by the batch's statistics, then by running ones. */
abstract class BatchNorm extends AffineNorm {
  /** `[C]`, zeros to begin with. */
  readonly runningMean: Tensor | null;
  /** `[C]`, ones to begin with; the estimate without bias. */
  readonly runningVar: Tensor | null;
  /** How many batches the running statistics have seen. */
  readonly numBatchesTracked: Tensor | null;
  readonly momentum: number | null;

  constructor(
    private readonly op: string,
    private readonly ranks: readonly number[],
    private readonly layout: string,
    channels: number,
    options: BatchNormLayerOptions,
  ) {
    const read = readOptions(op, options, batchDefaults);
    const { device, affine, eps, momentum, trackRunningStats: tracks } = read;
    super(op, [channels], device, affine, eps);
    requireDevice(op, device);
    if (momentum !== null) requireNumber(op, 'momentum', momentum);
    requireBoolean(op, 'trackRunningStats', tracks);
    this.momentum = momentum;
    this.runningMean = tracks ? this.buffer(zeros([channels], { device })) : null;
    this.runningVar = tracks ? this.buffer(ones([channels], { device })) : null;
    this.numBatchesTracked = tracks ? this.buffer(zeros([], { device, dtype: 'int32' })) : null;
  }

  forward(x: Tensor): Tensor {
    const { op, ranks, weight, bias, eps, momentum, runningMean, runningVar, numBatchesTracked } = this;
    requireTensor(op, 'x', x);
    if (!ranks.includes(x.shape.length)) requireRank(op, 'x', x, ranks[0]!, this.layout);
    const training = this.training || !runningMean;
    return scope(() => {
      const given = { weight, bias, eps, training, mean: runningMean, variance: runningVar };
      const { out, mean, variance } = batchNorm(x, given);
      if (this.training && runningMean && runningVar && numBatchesTracked) {
        update(numBatchesTracked, e.add(e.input(0), 1), [numBatchesTracked], { op });
        const n = x.size / mean.size;
        const inputs = [runningMean, mean, runningVar, variance, numBatchesTracked];
        const exprs = momentum === null ? average : givenShare;
        update([runningMean, runningVar], exprs!, inputs, { params: [momentum ?? 0, n / (n - 1)], op });
      }
      return out;
    });
  }
}

/** Batch normalization of `[N, C]` or `[N, C, L]`. */
export class BatchNorm1d extends BatchNorm {
  constructor(channels: number, options: BatchNormLayerOptions) {
    super('BatchNorm1d', [2, 3], '[N, C] or [N, C, L]', channels, options);
  }
}

/** Batch normalization of images `[N, C, H, W]`. */
export class BatchNorm2d extends BatchNorm {
  constructor(channels: number, options: BatchNormLayerOptions) {
    super('BatchNorm2d', [4], '[N, C, H, W]', channels, options);
  }
}
