/**
 * Expression trees (core/expr.ts) printed as SIMD code. Equal subtrees, within a tree or of several, are computed
 * once: an optimizer's update of weight and velocity shares all that it can.
 */
import {
  type BinaryOp,
  type Expr,
  exprKey,
  isWholeBinary,
  isWholeUnary,
  type UnaryOp,
  type WholeBinary,
  type WholeUnary,
} from '../../../../core/expr.js';
import { f32x4, i32x4, type V128, v128 } from '../../asm/instructions.js';
import type { Lanes } from '../../asm/lanes.js';
import { cos, erf, exp, log, pow, powConstant, rootable, sin, tanh } from '../../asm/math.js';

/** Where the leaves of a tree come from. */
interface Leaves {
  input(index: number): V128;
  param(index: number): V128;
  /** Both random words of these elements, as uniform numbers. */
  uniform(): [V128, V128];
  /** Values of trees that were computed before, by their keys. */
  readonly known?: ReadonlyMap<string, V128>;
}

/** How a map's nodes are computed: on float32 or on int32 lanes. */
interface Arithmetic {
  constant(l: Lanes, value: number): V128;
  /** All ones in the lanes where it is so. */
  readonly compare: { readonly [Op in Comparison]: (a: V128, b: V128) => V128 };
  readonly isnan: (l: Lanes, a: V128) => V128;
  unary(l: Lanes, op: Exclude<UnaryOp, 'isnan'>, a: V128): V128;
  binary(l: Lanes, op: Exclude<BinaryOp, Comparison>, a: Expr, b: Expr, value: (expr: Expr) => V128): V128;
}

/** The trees' values at four elements, each in a variable: float32 lanes, or int32 ones of integers. */
export function printExpr(
  l: Lanes,
  exprs: readonly Expr[],
  leaves: Leaves,
  { integers }: { readonly integers: boolean },
): V128[] {
  const { constant, compare, isnan, unary, binary } = integers ? onIntegers : onFloats;
  const known = new Map<string, V128>(leaves.known);
  let words: [V128, V128] | null = null;

  const value = (expr: Expr): V128 => {
    const key = exprKey(expr);
    const found = known.get(key);
    if (found !== undefined) return found;
    const result = compute(expr);
    known.set(key, result);
    return result;
  };

  const compute = (expr: Expr): V128 => {
    switch (expr.kind) {
      case 'input':
        return leaves.input(expr.index);
      case 'constant':
        return constant(l, expr.value);
      case 'param':
        return leaves.param(expr.index);
      case 'random':
        words ??= leaves.uniform();
        return words[expr.lane];
      case 'unary':
        return expr.op === 'isnan' ? oneWhere(expr) : l.let(unary(l, expr.op, value(expr.a)));
      case 'binary':
        return isComparison(expr.op) ? oneWhere(expr) : l.let(binary(l, expr.op, expr.a, expr.b, value));
      case 'where': {
        const a = value(expr.a);
        const b = value(expr.b);
        const condition = mask(expr.condition);
        if (isZero(expr.b)) return l.let(v128.and(a, condition));
        if (isZero(expr.a)) return l.let(v128.andnot(b, condition));
        return l.let(l.either(a, b, condition));
      }
    }
  };

  const oneWhere = (expr: Expr): V128 => l.let(v128.and(mask(expr), constant(l, 1)));

  /** All ones in the lanes where the expression isn't 0. */
  const mask = (expr: Expr): V128 => {
    if (expr.kind === 'binary' && isComparison(expr.op))
      return l.let(compare[expr.op](value(expr.a), value(expr.b)));
    if (expr.kind === 'unary' && expr.op === 'isnan') return l.let(isnan(l, value(expr.a)));
    return l.let(compare.ne(value(expr), constant(l, 0)));
  };

  return exprs.map(value);
}

const comparisons = ['eq', 'ne', 'lt', 'le', 'gt', 'ge'] as const;

type Comparison = (typeof comparisons)[number];

function isComparison(op: BinaryOp): op is Comparison {
  return comparisons.some((name) => name === op);
}

function isNumber(expr: Expr): boolean {
  return expr.kind === 'constant' && !Number.isNaN(expr.value);
}

function isZero(expr: Expr): boolean {
  return expr.kind === 'constant' && Object.is(expr.value, 0);
}

const sums = { add: f32x4.add, sub: f32x4.sub, mul: f32x4.mul, div: f32x4.div };

const onFloats: Arithmetic = {
  constant: (l, value) => l.f32(value),
  compare: { eq: f32x4.eq, ne: f32x4.ne, lt: f32x4.lt, le: f32x4.le, gt: f32x4.gt, ge: f32x4.ge },
  isnan: (_, a) => f32x4.ne(a, a),
  unary: (l, op, a) => {
    switch (op) {
      case 'neg':
        return f32x4.neg(a);
      case 'abs':
        return f32x4.abs(a);
      case 'sqrt':
        return f32x4.sqrt(a);
      case 'floor':
        return f32x4.floor(a);
      case 'exp':
        return exp(l, a);
      case 'log':
        return log(l, a);
      case 'sin':
        return sin(l, a);
      case 'cos':
        return cos(l, a);
      case 'tanh':
        return tanh(l, a);
      case 'erf':
        return erf(l, a);
    }
  },
  binary: (l, op, a, b, value) => {
    if (op === 'pow') {
      if (b.kind !== 'constant') return pow(l, value(a), value(b));
      return powConstant(l, Number.isInteger(b.value) ? value(a) : rootable(l, value(a)), b.value);
    }
    if (op !== 'min' && op !== 'max') return sums[op](value(a), value(b));
    // With a constant, which is no NaN, the one-instruction forms hand on the other operand's NaN.
    const quick = op === 'min' ? f32x4.pmin : f32x4.pmax;
    if (isNumber(b)) return quick(value(a), value(b));
    if (isNumber(a)) return quick(value(b), value(a));
    return f32x4[op](value(a), value(b));
  },
};

type WholeSum = Exclude<WholeBinary, Comparison>;

const wholeSums: { readonly [Op in WholeSum]: (a: V128, b: V128) => V128 } = {
  add: i32x4.add,
  sub: i32x4.sub,
  mul: i32x4.mul,
  min: i32x4.minS,
  max: i32x4.maxS,
};
const wholeUnary: { readonly [Op in Exclude<WholeUnary, 'isnan'>]: (a: V128) => V128 } = {
  neg: i32x4.neg,
  abs: i32x4.abs,
  floor: (a) => a,
};

const onIntegers: Arithmetic = {
  constant: (l, value) => l.i32(value),
  compare: { eq: i32x4.eq, ne: i32x4.ne, lt: i32x4.ltS, le: i32x4.leS, gt: i32x4.gtS, ge: i32x4.geS },
  isnan: (l) => l.i32(0),
  unary: (_, op, a) => {
    if (!isWholeUnary(op)) throw new TypeError(`${op} isn't exact in integers`);
    return wholeUnary[op](a);
  },
  binary: (_, op, a, b, value) => {
    if (!isWholeBinary(op)) throw new TypeError(`${op} isn't exact in integers`);
    return wholeSums[op](value(a), value(b));
  },
};
