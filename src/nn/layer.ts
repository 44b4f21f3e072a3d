/**
 * What layers are made of: a module from one tensor to one tensor, functions as layers, layers one after the other, and
 * the weights of those that have some, made by initializers. The fan-in of a weight `[O, I, ..]` is the number of inputs of
 * one output: the product of all axes but the first.
 */
import {
  requireBoolean,
  requireFunction,
  requireNumber,
  requireWhole,
  wrongArgument,
} from '../core/arguments.js';
import { type Device, requireDevice } from '../core/device.js';
import { ArgumentError } from '../core/errors.js';
import { e } from '../core/expr.js';
import { full, rand, randn } from '../core/ops/create.js';
import type { DrawPlacement } from '../core/ops/launch.js';
import { update } from '../core/ops/update.js';
import { type Shape, sizeOf } from '../core/shape.js';
import type { Tensor } from '../core/tensor.js';
import { Module, parameter } from './module.js';

/** A module from one tensor to one tensor. */
export abstract class Layer extends Module {
  abstract forward(x: Tensor): Tensor;
}

/** Makes a tensor; `draw` says which random numbers (the default generator's next draw unless given). */
export type Initializer = (shape: Shape, device: Device, draw?: DrawPlacement) => Tensor;

const withDraw = (draw: DrawPlacement | undefined): { draw?: DrawPlacement } => (draw ? { draw } : {});

/** All elements `value`. */
export function constant(value: number): Initializer {
  requireNumber('constant', 'value', value);
  return (shape, device) => full(shape, value, { device });
}

/** Normal numbers of mean 0 (the paper's weights: standard deviation 0.01). */
export function normal(std: number): Initializer {
  requireNumber('normal', 'std', std);
  return (shape, device, draw) => randn(shape, { device, std, ...withDraw(draw) });
}

/** Uniform numbers in [-bound, bound). */
export function uniform(bound: number): Initializer {
  requireNumber('uniform', 'bound', bound);
  return (shape, device, draw) => {
    const x = rand(shape, { device, ...withDraw(draw) });
    update(x, e.mul(e.sub(e.mul(e.input(0), 2), 1), e.param(0)), [x], { params: [bound], op: 'uniform' });
    return x;
  };
}

function fanIn(shape: Shape): number {
  return Math.max(1, sizeOf(shape.slice(1)));
}

/** Normal numbers of deviation sqrt(2 / fan-in), for layers before a ReLU (He et al. 2015, eq. 10). */
export function kaimingNormal(): Initializer {
  return (shape, device, draw) => normal(Math.sqrt(2 / fanIn(shape)))(shape, device, draw);
}

/** Uniform numbers in +-sqrt(1 / fan-in): PyTorch's default of linear and convolution layers. */
export function fanInUniform(): Initializer {
  return (shape, device, draw) => uniform(Math.sqrt(1 / fanIn(shape)))(shape, device, draw);
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
export const weightDefaults = {
  device: undefined,
  bias: true,
  relu: false,
  weightInit: fanInUniform(),
  biasInit: constant(0),
};

/** @throws {ArgumentError} unless `groups` divides what goes in and what comes out */
export function requireGroups(op: string, groups: number, ins: number, outs: number, what: string): void {
  requireWhole(op, 'groups', groups, 1);
  if (Number.isInteger(ins / groups) && Number.isInteger(outs / groups)) return;
  throw new ArgumentError(`${op}: groups=${groups} must divide the ${ins} input and ${outs} output ${what}`);
}

/** `WeightOptions` with their defaults. */
export interface Making extends Omit<Required<WeightOptions>, 'device' | 'relu'> {
  readonly device: Device | undefined;
}

/** A layer with a weight, and a bias of shape `units`: as many as the weight has rows, unless said otherwise. */
export abstract class WeightedLayer extends Layer {
  /** `[out, in / groups, ...kernel]`; of a transposed convolution `[in, out / groups, ...kernel]`. */
  readonly weight: Tensor;
  /** `[out]`. */
  readonly bias: Tensor | null;

  constructor(layer: string, shape: Shape, making: Making, units: Shape = shape.slice(0, 1)) {
    super();
    const { device, bias, weightInit, biasInit } = making;
    requireDevice(layer, device);
    requireBoolean(layer, 'bias', bias);
    requireFunction(layer, 'weightInit', weightInit);
    requireFunction(layer, 'biasInit', biasInit);
    this.weight = parameter(weightInit(shape, device));
    this.bias = bias ? parameter(biasInit(units, device)) : null;
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
