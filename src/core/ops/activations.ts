/**
 * Activations besides relu, sigmoid and tanh: each is its expression and that of its gradient, as elementwise.ts has
 * them. `exp(x) - 1` is `2 t / (1 - t)` with `t = tanh(x / 2)`, and `log(1 + z)` is `log(u) * z / (u - 1)` with
 * `u = 1 + z` as rounded (Kahan), so that neither loses digits near 0.
 */
import { requireChoice, requireNumber } from '../arguments.js';
import { type Expr, e } from '../expr.js';
import type { Tensor } from '../tensor.js';
import { binary, unary } from './expressionOps.js';
import { requireTensor } from './launch.js';

const logistic = (x: Expr): Expr => e.div(1, e.add(1, e.exp(e.neg(x))));

function log1p(z: Expr): Expr {
  const u = e.add(1, z);
  return e.where(e.eq(u, 1), z, e.div(e.mul(e.log(u), z), e.sub(u, 1)));
}

/** x * sigmoid(x), also called swish. */
export const silu = unary(
  'silu',
  (x) => e.div(x, e.add(1, e.exp(e.neg(x)))),
  (g, _y, x) => e.mul(g, e.mul(logistic(x), e.add(1, e.mul(x, e.sub(1, logistic(x)))))),
);

/** The standard normal distribution's share below x. */
const below = (x: Expr): Expr => e.mul(0.5, e.add(1, e.erf(e.mul(Math.SQRT1_2, x))));
const density = (x: Expr): Expr => e.mul(1 / Math.sqrt(2 * Math.PI), e.exp(e.mul(-0.5, e.mul(x, x))));
const exactGelu = unary(
  'gelu',
  (x) => e.mul(x, below(x)),
  (g, _y, x) => e.mul(g, e.add(below(x), e.mul(x, density(x)))),
);

const [scale, cubic] = [Math.sqrt(2 / Math.PI), 0.044715];
const bent = (x: Expr): Expr => e.tanh(e.mul(scale, e.mul(x, e.add(1, e.mul(cubic, e.mul(x, x))))));
const tanhGelu = unary(
  'gelu',
  (x) => e.mul(e.mul(0.5, x), e.add(1, bent(x))),
  (g, _y, x) => {
    const slope = e.mul(scale, e.add(1, e.mul(3 * cubic, e.mul(x, x))));
    const bend = e.mul(x, e.mul(slope, e.sub(1, e.mul(bent(x), bent(x)))));
    return e.mul(g, e.mul(0.5, e.add(e.add(1, bent(x)), bend)));
  },
);

/**
 * x times the standard normal distribution's share below x (Hendrycks and Gimpel 2016).
 * @param approximate 'tanh': by `0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`. Default 'none'
 */
export function gelu(x: Tensor, approximate: 'none' | 'tanh' = 'none'): Tensor {
  requireTensor('gelu', 'x', x);
  requireChoice('gelu', 'approximate', approximate, ['none', 'tanh']);
  return (approximate === 'tanh' ? tanhGelu : exactGelu)(x);
}

const sloped = binary(
  'leakyRelu',
  (x, slope) => e.where(e.lt(x, 0), e.mul(slope, x), x),
  (g, _y, x, slope) => e.where(e.gt(x, 0), g, e.mul(slope, g)),
);

/** x from 0 on, `negativeSlope * x` below; the gradient at 0 is the slope's. */
export function leakyRelu(x: Tensor, negativeSlope = 0.01): Tensor {
  requireTensor('leakyRelu', 'x', x);
  requireNumber('leakyRelu', 'negativeSlope', negativeSlope);
  return sloped(x, negativeSlope);
}

const half = (x: Expr): Expr => e.tanh(e.mul(0.5, x));
const exponential = binary(
  'elu',
  (x, alpha) => e.where(e.gt(x, 0), x, e.mul(alpha, e.div(e.mul(2, half(x)), e.sub(1, half(x))))),
  (g, _y, x, alpha) => e.where(e.gt(x, 0), g, e.mul(g, e.mul(alpha, e.exp(x)))),
);

/** x above 0, `alpha * (exp(x) - 1)` below (Clevert et al. 2016). */
export function elu(x: Tensor, alpha = 1): Tensor {
  requireTensor('elu', 'x', x);
  requireNumber('elu', 'alpha', alpha);
  return exponential(x, alpha);
}

const smooth = binary(
  'softplus',
  (x, beta) => {
    const z = e.mul(beta, x);
    return e.div(e.add(e.max(z, 0), log1p(e.exp(e.neg(e.abs(z))))), beta);
  },
  (g, _y, x, beta) => e.mul(g, logistic(e.mul(beta, x))),
);

/** `log(1 + exp(beta * x)) / beta`, a smooth relu. */
export function softplus(x: Tensor, beta = 1): Tensor {
  requireTensor('softplus', 'x', x);
  requireNumber('softplus', 'beta', beta);
  return smooth(x, beta);
}
