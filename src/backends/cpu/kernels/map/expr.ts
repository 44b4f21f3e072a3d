/**
 * Expression trees (core/expr.ts) printed as SIMD code. Equal subtrees, within a tree or of several, are computed
 * once: an optimizer's update of weight and velocity shares all that it can.
 */
import { type BinaryOp, type Expr, exprKey, type UnaryOp } from '../../../../core/expr.js';
import { f32x4, type V128, v128 } from '../../asm/instructions.js';
import type { Lanes } from '../../asm/lanes.js';
import { cos, exp, log, pow, powConstant, rootable, sin, tanh } from '../../asm/math.js';

/** Where the leaves of a tree come from. */
export interface Leaves {
  input(index: number): V128;
  param(index: number): V128;
  /** Both random words of these elements, as uniform numbers. */
  uniform(): [V128, V128];
}

const comparisons = { eq: f32x4.eq, ne: f32x4.ne, lt: f32x4.lt, le: f32x4.le, gt: f32x4.gt, ge: f32x4.ge };
const arithmetic = { add: f32x4.add, sub: f32x4.sub, mul: f32x4.mul, div: f32x4.div };

/** The trees' values at four elements, each in a variable. */
export function printExpr(l: Lanes, exprs: readonly Expr[], leaves: Leaves): V128[] {
  const known = new Map<string, V128>();
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
        return l.f32(expr.value);
      case 'param':
        return leaves.param(expr.index);
      case 'random':
        words ??= leaves.uniform();
        return words[expr.lane];
      case 'unary':
        return expr.op === 'isnan' ? oneWhere(expr) : l.let(unary(l, expr.op, value(expr.a)));
      case 'binary':
        return isComparison(expr.op) ? oneWhere(expr) : l.let(binary(expr.op, expr.a, expr.b));
      case 'where': {
        const a = value(expr.a);
        const b = value(expr.b);
        const condition = mask(expr.condition);
        if (isZero(expr.b)) return l.let(v128.and(a, condition));
        if (isZero(expr.a)) return l.let(v128.andnot(b, condition));
        return l.let(v128.bitselect(a, b, condition));
      }
    }
  };

  const oneWhere = (expr: Expr): V128 => l.let(v128.and(mask(expr), l.f32(1)));

  /** All ones in the lanes where the expression isn't 0. */
  const mask = (expr: Expr): V128 => {
    if (expr.kind === 'binary' && isComparison(expr.op))
      return l.let(comparisons[expr.op](value(expr.a), value(expr.b)));
    if (expr.kind === 'unary' && expr.op === 'isnan') {
      const a = value(expr.a);
      return l.let(f32x4.ne(a, a));
    }
    return l.let(f32x4.ne(value(expr), l.f32(0)));
  };

  const binary = (op: Exclude<BinaryOp, Comparison>, a: Expr, b: Expr): V128 => {
    if (op === 'pow') {
      if (b.kind !== 'constant') return pow(l, value(a), value(b));
      return powConstant(l, Number.isInteger(b.value) ? value(a) : rootable(l, value(a)), b.value);
    }
    if (op === 'min' || op === 'max') return extreme(op, a, b);
    return arithmetic[op](value(a), value(b));
  };

  /** With a constant, which is no NaN, the one-instruction forms hand on the other operand's NaN. */
  const extreme = (op: 'min' | 'max', a: Expr, b: Expr): V128 => {
    const quick = op === 'min' ? f32x4.pmin : f32x4.pmax;
    if (isNumber(b)) return quick(value(a), value(b));
    if (isNumber(a)) return quick(value(b), value(a));
    return f32x4[op](value(a), value(b));
  };

  return exprs.map(value);
}

type Comparison = keyof typeof comparisons;

function isComparison(op: BinaryOp): op is Comparison {
  return op in comparisons;
}

function isNumber(expr: Expr): boolean {
  return expr.kind === 'constant' && !Number.isNaN(expr.value);
}

function isZero(expr: Expr): boolean {
  return expr.kind === 'constant' && Object.is(expr.value, 0);
}

function unary(l: Lanes, op: Exclude<UnaryOp, 'isnan'>, a: V128): V128 {
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
  }
}
