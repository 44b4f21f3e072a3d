/**
 * Element-wise math as data.
 *
 * An `Expr` is a small tree over the inputs of a `map` kernel, numbers known when it is built (`constant`), numbers
 * given at each run (`param`: a learning rate changes without compiling anew), and random numbers counted by the
 * element's index. Each backend prints the same tree in its own language (a JavaScript closure, WebAssembly SIMD,
 * WGSL), so that they can't drift apart; `sameAs` keys let it keep what it compiled.
 *
 * Everything is computed in float32 (float64 in plain loops over float64 tensors), or in int32 where the map is one of
 * integers (`isWhole`). A comparison gives 1 or 0, and is 0 where a NaN takes part, except `ne`. `min` and `max` hand a
 * NaN on.
 */

import { wrongArgument } from './arguments.js';

/** Functions of one argument that are exact in int32. */
export type WholeUnary = 'neg' | 'abs' | 'floor' | 'isnan';

/** Functions of one argument. */
export type UnaryOp = WholeUnary | 'exp' | 'log' | 'sqrt' | 'sin' | 'cos' | 'tanh' | 'erf';

/** Functions of two arguments that are exact in int32, where sums and products wrap around. */
export type WholeBinary = 'add' | 'sub' | 'mul' | 'min' | 'max' | 'eq' | 'ne' | 'lt' | 'le' | 'gt' | 'ge';

/** Functions of two arguments; `pow(a, b)` as in C: for a finite a < 0 only whole b give a number. */
export type BinaryOp = WholeBinary | 'div' | 'pow';

/** One node of the tree. */
export type Expr =
  | { readonly kind: 'input'; readonly index: number }
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'param'; readonly index: number }
  /** A uniform number in [0, 1): word `lane` of the map's draw at this element (core/random.ts). */
  | { readonly kind: 'random'; readonly lane: 0 | 1 }
  | { readonly kind: 'unary'; readonly op: UnaryOp; readonly a: Expr }
  | { readonly kind: 'binary'; readonly op: BinaryOp; readonly a: Expr; readonly b: Expr }
  /** `a` where `condition` isn't 0, else `b`. */
  | { readonly kind: 'where'; readonly condition: Expr; readonly a: Expr; readonly b: Expr };

/** A number stands for the constant node of that value. */
export type ExprLike = Expr | number;

/** A number as the node of that constant. @throws {ArgumentError} naming `op` and what it is for no expression */
export function lift(op: string, expr: ExprLike, what = 'an operand'): Expr {
  if (typeof expr === 'number') return { kind: 'constant', value: expr };
  if (typeof expr?.kind !== 'string') throw wrongArgument(op, what, expr, 'an expression or a number');
  return expr;
}

const unary =
  (op: UnaryOp) =>
  (a: ExprLike): Expr => ({ kind: 'unary', op, a: lift(`e.${op}`, a) });

const binary =
  (op: BinaryOp) =>
  (a: ExprLike, b: ExprLike): Expr => ({ kind: 'binary', op, a: lift(`e.${op}`, a), b: lift(`e.${op}`, b) });

/** Builders, one for each kind of node: `e.mul(e.input(0), e.param(0))`. */
export const e = {
  input: (index: number): Expr => ({ kind: 'input', index }),
  constant: (value: number): Expr => ({ kind: 'constant', value }),
  param: (index: number): Expr => ({ kind: 'param', index }),
  random: (lane: 0 | 1 = 0): Expr => ({ kind: 'random', lane }),
  where: (condition: ExprLike, a: ExprLike, b: ExprLike): Expr => ({
    kind: 'where',
    condition: lift('e.where', condition),
    a: lift('e.where', a),
    b: lift('e.where', b),
  }),
  neg: unary('neg'),
  abs: unary('abs'),
  exp: unary('exp'),
  log: unary('log'),
  sqrt: unary('sqrt'),
  sin: unary('sin'),
  cos: unary('cos'),
  tanh: unary('tanh'),
  erf: unary('erf'),
  floor: unary('floor'),
  isnan: unary('isnan'),
  add: binary('add'),
  sub: binary('sub'),
  mul: binary('mul'),
  div: binary('div'),
  pow: binary('pow'),
  min: binary('min'),
  max: binary('max'),
  eq: binary('eq'),
  ne: binary('ne'),
  lt: binary('lt'),
  le: binary('le'),
  gt: binary('gt'),
  ge: binary('ge'),
} as const;

/** A function of trees that works a tree out once: most are asked of again and again. */
export function remembered<T>(work: (expr: Expr) => T): (expr: Expr) => T {
  const known = new WeakMap<Expr, T>();
  return (expr) => {
    const found = known.get(expr) ?? work(expr);
    known.set(expr, found);
    return found;
  };
}

/** A text that two trees share exactly when they are the same: the key of caches of compiled kernels. */
export const exprKey = remembered(writeKey);

function writeKey(expr: Expr): string {
  switch (expr.kind) {
    case 'input':
      return `i${expr.index}`;
    case 'constant':
      return Object.is(expr.value, -0) ? '-0' : String(expr.value);
    case 'param':
      return `p${expr.index}`;
    case 'random':
      return `r${expr.lane}`;
    default:
      return `${expr.kind === 'where' ? 'where' : expr.op}(${childrenOf(expr).map(exprKey).join()})`;
  }
}

/** The operands of a node. */
export function childrenOf(expr: Expr): readonly Expr[] {
  switch (expr.kind) {
    case 'unary':
      return [expr.a];
    case 'binary':
      return [expr.a, expr.b];
    case 'where':
      return [expr.condition, expr.a, expr.b];
    default:
      return [];
  }
}

/** Whether random numbers occur in the tree. */
export function usesRandom(expr: Expr): boolean {
  return expr.kind === 'random' || childrenOf(expr).some(usesRandom);
}

/** Numbers of the inputs that occur in the tree. */
export function inputsOf(expr: Expr): number[] {
  return expr.kind === 'input' ? [expr.index] : childrenOf(expr).flatMap(inputsOf);
}

/** Numbers of the params that occur in the tree. */
export function paramsOf(expr: Expr): number[] {
  return expr.kind === 'param' ? [expr.index] : childrenOf(expr).flatMap(paramsOf);
}

/** Whether a function of one argument is exact in int32. */
export function isWholeUnary(op: UnaryOp): op is WholeUnary {
  return op === 'neg' || op === 'abs' || op === 'floor' || op === 'isnan';
}

/** Whether a function of two arguments is exact in int32. */
export function isWholeBinary(op: BinaryOp): op is WholeBinary {
  return op !== 'div' && op !== 'pow';
}

/** Whether a number is one of int32. */
export function isInt32(value: number): boolean {
  return (value | 0) === value;
}

/** Whether the tree is exact in int32, given that its inputs and params are int32 numbers. */
export function isWhole(expr: Expr): boolean {
  if (expr.kind === 'random' || (expr.kind === 'constant' && !isInt32(expr.value))) return false;
  if (expr.kind === 'unary' && !isWholeUnary(expr.op)) return false;
  if (expr.kind === 'binary' && !isWholeBinary(expr.op)) return false;
  return childrenOf(expr).every(isWhole);
}

/** Whether the tree's value says that something is so: 1 or 0. */
export function isPredicate(expr: Expr): boolean {
  return (expr.kind === 'unary' || expr.kind === 'binary') && /^(isnan|eq|ne|l[te]|g[te])$/.test(expr.op);
}
