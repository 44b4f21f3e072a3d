/**
 * Activations as layers: functions of one's input, without parameters.
 */
import { requireChoice, requireNumber } from '../core/arguments.js';
import { abs, elu, gelu, leakyRelu, relu, sigmoid, silu, softplus, tanh } from '../core/ops/elementwise.js';
import { logSoftmax, softmax } from '../core/ops/softmax.js';
import type { Tensor } from '../core/tensor.js';
import { Lambda } from './layer.js';

const layerOf = (fn: (x: Tensor) => Tensor): (new () => Lambda) =>
  class extends Lambda {
    constructor() {
      super(fn);
    }
  };

/** max(0, x). */
export class ReLU extends layerOf(relu) {}

/** Hyperbolic tangent. */
export class Tanh extends layerOf(tanh) {}

/** |x|. */
export class Abs extends layerOf(abs) {}

/** 1 / (1 + exp(-x)). */
export class Sigmoid extends layerOf(sigmoid) {}

/** x * sigmoid(x). */
export class SiLU extends layerOf(silu) {}

/** x times the standard normal distribution's share below x, exactly by default; see `gelu`. */
export class GELU extends Lambda {
  constructor(readonly approximate: 'none' | 'tanh' = 'none') {
    super((x) => gelu(x, approximate));
    requireChoice('GELU', 'approximate', approximate, ['none', 'tanh']);
  }
}

/** x from 0 on, `negativeSlope * x` (0.01 by default) below. */
export class LeakyReLU extends Lambda {
  constructor(readonly negativeSlope = 0.01) {
    super((x) => leakyRelu(x, negativeSlope));
    requireNumber('LeakyReLU', 'negativeSlope', negativeSlope);
  }
}

/** x above 0, `alpha * (exp(x) - 1)` (alpha 1 by default) below. */
export class ELU extends Lambda {
  constructor(readonly alpha = 1) {
    super((x) => elu(x, alpha));
    requireNumber('ELU', 'alpha', alpha);
  }
}

/** `log(1 + exp(beta * x)) / beta`, beta 1 by default. */
export class Softplus extends Lambda {
  constructor(readonly beta = 1) {
    super((x) => softplus(x, beta));
    requireNumber('Softplus', 'beta', beta);
  }
}

/** exp(x) / sum exp(x) along an axis, the last by default. */
export class Softmax extends Lambda {
  constructor(readonly axis = -1) {
    super((x) => softmax(x, axis));
    requireNumber('Softmax', 'axis', axis);
  }
}

/** x - log sum exp(x) along an axis, the last by default. */
export class LogSoftmax extends Lambda {
  constructor(readonly axis = -1) {
    super((x) => logSoftmax(x, axis));
    requireNumber('LogSoftmax', 'axis', axis);
  }
}
