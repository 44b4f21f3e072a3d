/**
 * What layers are made of: a module from one tensor to one tensor, functions as layers, layers one after the other, and
 * the weights of those that have some.
 */
import { requireBoolean, requireFunction, requireWhole, wrongArgument } from '../core/arguments.js';
import { type Device, requireDevice } from '../core/device.js';
import { ArgumentError } from '../core/errors.js';
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

/** A layer with a weight, and a bias of as many `units` as the weight has rows, unless said otherwise. */
export abstract class WeightedLayer extends Layer {
  /** `[out, in / groups, ...kernel]`; of a transposed convolution `[in, out / groups, ...kernel]`. */
  readonly weight: Tensor;
  /** `[out]`. */
  readonly bias: Tensor | null;

  constructor(layer: string, shape: Shape, making: Making, units = shape[0]!) {
    super();
    const { device, bias, weightInit, biasInit } = making;
    requireDevice(layer, device);
    requireBoolean(layer, 'bias', bias);
    requireFunction(layer, 'weightInit', weightInit);
    requireFunction(layer, 'biasInit', biasInit);
    this.weight = parameter(weightInit(shape, device));
    this.bias = bias ? parameter(biasInit([units], device)) : null;
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
