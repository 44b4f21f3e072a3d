/**
 * Element-wise ops: each is its expression and the expression of its gradient by each operand (expressionOps.ts).
 *
 * Integers (int32, uint8) among themselves and with whole numbers give int32, exactly: sums and products beyond its
 * range wrap around. Comparisons give float32. Where a float or a fraction takes part, or the op has one (division,
 * powers, exponentials), they are taken as float32, which holds all of them up to 2^24.
 */
import { requireChoice, requireNumber } from '../arguments.js';
import { type Expr, e } from '../expr.js';
import { scope } from '../scope.js';
import { asElement, bytesPerElement, type DType, isIntegerType } from '../shape.js';
import { Tensor } from '../tensor.js';
import { binary, elementwise, type Operand, unary } from './expressionOps.js';
import { map, recordOne, requireTensor } from './launch.js';

/** g where a isn't below b, half of it where they are equal: how the larger of two shares a gradient; NaN hands it on. */
const ifLarger = (g: Expr, _y: Expr, a: Expr, b: Expr): Expr =>
  e.where(e.lt(a, b), 0, e.where(e.eq(a, b), e.mul(0.5, g), g));
const ifSmaller = (g: Expr, y: Expr, a: Expr, b: Expr): Expr => ifLarger(g, y, b, a);

const same = (g: Expr): Expr => g;

/** a + b. */
export const add = binary('add', e.add, same, same);
/** a - b. */
export const sub = binary('sub', e.sub, same, e.neg);
/** a * b. */
export const mul = binary(
  'mul',
  e.mul,
  (g, _y, _a, b) => e.mul(g, b),
  (g, _y, a) => e.mul(g, a),
);
/** a / b. */
export const div = binary(
  'div',
  e.div,
  (g, _y, _a, b) => e.div(g, b),
  (g, y, _a, b) => e.neg(e.div(e.mul(g, y), b)),
);
/**
 * a to the power of b by IEEE 754's and C's rules: NaN for a below 0 unless b is whole, but 1 where b is 0 or a is 1.
 * The gradient by a is 0 where b is 0; by b it is 0 where a is 0 and b isn't negative, NaN where a is negative.
 */
export const pow = binary(
  'pow',
  e.pow,
  (g, _y, a, b) => e.where(e.eq(b, 0), 0, e.mul(g, e.mul(b, e.pow(a, e.sub(b, 1))))),
  (g, y, a, b) => e.where(e.mul(e.eq(a, 0), e.ge(b, 0)), 0, e.mul(g, e.mul(y, e.log(a)))),
);
/** The smaller of a and b, NaN if one is; equal ones share the gradient, and both get it where one is NaN. */
export const minimum = binary('minimum', e.min, ifSmaller, ifLarger);
/** The larger of a and b, NaN if one is; equal ones share the gradient, and both get it where one is NaN. */
export const maximum = binary('maximum', e.max, ifLarger, ifSmaller);

/** 1 where a == b, else 0. */
export const eq = binary('eq', e.eq);
/** 1 where a != b, else 0. */
export const ne = binary('ne', e.ne);
/** 1 where a < b, else 0. */
export const lt = binary('lt', e.lt);
/** 1 where a <= b, else 0. */
export const le = binary('le', e.le);
/** 1 where a > b, else 0. */
export const gt = binary('gt', e.gt);
/** 1 where a >= b, else 0. */
export const ge = binary('ge', e.ge);

/** -x. */
export const neg = unary('neg', e.neg, e.neg);
/** |x|; the gradient at 0 is 0. */
export const abs = unary('abs', e.abs, (g, _y, x) => e.mul(g, e.sub(e.gt(x, 0), e.lt(x, 0))));
/** e to the power of x. */
export const exp = unary('exp', e.exp, (g, y) => e.mul(g, y));
/** Natural logarithm. */
export const log = unary('log', e.log, (g, _y, x) => e.div(g, x));
/** Square root. */
export const sqrt = unary('sqrt', e.sqrt, (g, y) => e.div(e.mul(0.5, g), y));
/** Sine of x in radians. */
export const sin = unary('sin', e.sin, (g, _y, x) => e.mul(g, e.cos(x)));
/** Cosine of x in radians. */
export const cos = unary('cos', e.cos, (g, _y, x) => e.neg(e.mul(g, e.sin(x))));
/** Hyperbolic tangent. */
export const tanh = unary('tanh', e.tanh, (g, y) => e.mul(g, e.sub(1, e.mul(y, y))));
/** The error function `2 / sqrt(pi) * integral from 0 to x of e^(-t^2) dt`. */
export const erf = unary('erf', e.erf, (g, _y, x) =>
  e.mul(g, e.mul(2 / Math.sqrt(Math.PI), e.exp(e.neg(e.mul(x, x))))),
);
/** max(0, x), NaN where x is; the gradient at 0 is 0 (Krizhevsky 2012, section 3.1), at NaN it passes. */
export const relu = unary(
  'relu',
  (x) => e.max(x, 0),
  (g, y) => e.where(e.le(y, 0), 0, g),
);
/** 1 / (1 + exp(-x)). */
export const sigmoid = unary(
  'sigmoid',
  (x) => e.div(1, e.add(1, e.exp(e.neg(x)))),
  (g, y) => e.mul(g, e.mul(y, e.sub(1, y))),
);
/** The largest whole number not above x; no gradient. */
export const floor = unary('floor', e.floor);
/** 1 where x is NaN, else 0. */
export const isnan = unary('isnan', e.isnan);

/** x held within [low, high], of which -Infinity and Infinity are no bounds; the gradient passes inside and at the bounds. */
export function clamp(x: Tensor, low: number, high: number): Tensor {
  requireTensor('clamp', 'x', x);
  requireNumber('clamp', 'low', low);
  requireNumber('clamp', 'high', high);
  // Without a bound integers stay integers.
  const bound = (n: number): number => (isInteger(x) && Math.abs(n) === Infinity ? asElement('int32', n) : n);
  return clamped(x, bound(low), bound(high));
}

const clamped = elementwise('clamp', ['x', 'low', 'high'], {
  op: 'clamp',
  value: (x, low, high) => e.min(e.max(x!, low!), high!),
  gradients: [(g, _y, x, low, high) => e.where(e.mul(e.ge(x!, low!), e.le(x!, high!)), g, 0)],
});

/** a where `condition` isn't 0, else b: int32 where both are integers. The condition's gradient is 0. */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  const op = 'where';
  requireTensor(op, 'condition', condition);
  const chosen = [a, b].filter((x) => x instanceof Tensor);
  const whole = [a, b].every((x) => (typeof x === 'number' ? Number.isInteger(x) : isInteger(x)));
  if (!whole || chosen.length === 0 || isInteger(condition)) return chosenBy(condition, a, b);
  return scope(() => {
    const holds = map(op, e.ne(e.input(0), 0), [condition], { dtype: 'int32' });
    return chosenBy(holds, a, b);
  });
}

const isInteger = (x: unknown): boolean => x instanceof Tensor && isIntegerType(x.dtype);

const chosenBy = elementwise('where', ['condition', 'a', 'b'], {
  op: 'where',
  value: (condition, a, b) => e.where(condition!, a!, b!),
  gradients: [
    () => 0,
    (g, _y, condition) => e.where(condition!, g, 0),
    (g, _y, condition) => e.where(condition!, 0, g),
  ],
});

/** The same numbers in another dtype; integers are taken toward zero and held within their range, NaN as 0. */
export function cast(x: Tensor, dtype: DType): Tensor {
  requireTensor('cast', 'x', x);
  requireChoice('cast', 'dtype', dtype, Object.keys(bytesPerElement));
  const out = map('cast', e.input(0), [x], { dtype });
  const from = x.dtype;
  recordOne('cast', x, out, (grad) => map('cast', e.input(0), [grad], { dtype: from }));
  return out;
}

// Activations: `exp(x) - 1` is `2 t / (1 - t)` with `t = tanh(x / 2)`, and `log(1 + z)` is `log(u) * z / (u - 1)` with
// `u = 1 + z` as rounded (Kahan), so that neither loses digits near 0.

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
