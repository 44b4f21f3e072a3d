/**
 * Functions of numbers that ONNX has and `core` doesn't: each its expression and its derivative, written as in
 * core/ops/elementwise.ts.
 */
import { type Expr, e } from '../../../core/expr.js';
import { binary, type Unary, unary } from '../../../core/ops/expressionOps.js';

/** A piecewise function: `above` from a border on and `below` under it, with their derivatives. */
export function pieces(op: string, border: number, above: Piece, below: Piece): Unary {
  const at = (x: Expr): Expr => e.ge(x, border);
  return unary(
    op,
    (x) => e.where(at(x), above.value(x), below.value(x)),
    (g, _y, x) => e.mul(g, e.where(at(x), above.slope(x), below.slope(x))),
  );
}

interface Piece {
  readonly value: (x: Expr) => Expr;
  readonly slope: (x: Expr) => Expr;
}

/** factor x. */
export const line = (factor: number): Piece => ({
  value: (x) => e.mul(factor, x),
  slope: () => e.constant(factor),
});

/** factor (e^(x / width) - 1), held from overflow where it isn't used. */
export const curve = (factor: number, width: number): Piece => ({
  value: (x) => e.mul(factor, e.sub(e.exp(e.div(e.min(x, 0), width)), 1)),
  slope: (x) => e.mul(factor / width, e.exp(e.div(e.min(x, 0), width))),
});

/** The nearest whole number, of two as near the even one. */
export const roundHalfEven = unary('round', (x) => {
  const low = e.floor(x);
  const rest = e.sub(x, low);
  const odd = e.ne(e.mul(2, e.floor(e.mul(0.5, low))), low);
  return e.add(low, e.where(e.eq(rest, 0.5), odd, e.gt(rest, 0.5)));
});

/** 1 / x. */
export const reciprocal = unary(
  'reciprocal',
  (x) => e.div(1, x),
  (g, y) => e.neg(e.mul(g, e.mul(y, y))),
);
/** -1, 0 or 1. */
export const sign = unary('sign', (x) => e.sub(e.gt(x, 0), e.lt(x, 0)));
/** x / (1 + |x|). */
export const softsign = unary(
  'softsign',
  (x) => e.div(x, e.add(1, e.abs(x))),
  (g, _y, x) => e.div(g, e.mul(e.add(1, e.abs(x)), e.add(1, e.abs(x)))),
);
/** sin(x) / cos(x). */
export const tan = unary(
  'tan',
  (x) => e.div(e.sin(x), e.cos(x)),
  (g, y) => e.mul(g, e.add(1, e.mul(y, y))),
);
const half = (x: Expr, second: (a: Expr, b: Expr) => Expr): Expr =>
  e.mul(0.5, second(e.exp(x), e.exp(e.neg(x))));
/** (e^x - e^-x) / 2. */
export const sinh = unary(
  'sinh',
  (x) => half(x, e.sub),
  (g, _y, x) => e.mul(g, half(x, e.add)),
);
/** (e^x + e^-x) / 2. */
export const cosh = unary(
  'cosh',
  (x) => half(x, e.add),
  (g, _y, x) => e.mul(g, half(x, e.sub)),
);
/** log(x + sqrt(x^2 + 1)), of |x| with the sign of x. */
export const asinh = unary(
  'asinh',
  (x) => {
    const size = e.log(e.add(e.abs(x), e.sqrt(e.add(1, e.mul(x, x)))));
    return e.where(e.lt(x, 0), e.neg(size), size);
  },
  (g, _y, x) => e.div(g, e.sqrt(e.add(1, e.mul(x, x)))),
);
/** log(x + sqrt(x^2 - 1)). */
export const acosh = unary(
  'acosh',
  (x) => e.log(e.add(x, e.sqrt(e.sub(e.mul(x, x), 1)))),
  (g, _y, x) => e.div(g, e.sqrt(e.sub(e.mul(x, x), 1))),
);
/** log((1 + x) / (1 - x)) / 2. */
export const atanh = unary(
  'atanh',
  (x) => e.mul(0.5, e.log(e.div(e.add(1, x), e.sub(1, x)))),
  (g, _y, x) => e.div(g, e.sub(1, e.mul(x, x))),
);

const truth = (x: Expr): Expr => e.ne(x, 0);
/** 1 where neither is 0, else 0. */
export const and = binary('and', (a, b) => e.mul(truth(a), truth(b)));
/** 1 where one isn't 0, else 0. */
export const or = binary('or', (a, b) => e.max(truth(a), truth(b)));
/** 1 where one is 0 and the other isn't, else 0. */
export const xor = binary('xor', (a, b) => e.ne(truth(a), truth(b)));
/** 1 where x is 0, else 0. */
export const not = unary('not', (x) => e.eq(x, 0));

/** x from 0 on, slope x below. */
export const prelu = binary(
  'prelu',
  (x, slope) => e.where(e.lt(x, 0), e.mul(slope, x), x),
  (g, _y, x, slope) => e.where(e.lt(x, 0), e.mul(g, slope), g),
  (g, _y, x) => e.where(e.lt(x, 0), e.mul(g, x), 0),
);
