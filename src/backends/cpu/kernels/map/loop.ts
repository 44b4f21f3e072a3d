/**
 * Element-wise maps: `outputs[j][i] = exprs[j](inputs[..][i], params)`.
 *
 * A tree becomes a closure over closures, one for each node. Every node's value is rounded to float32, as the
 * contract computes in float32, unless a float64 tensor takes part. (Rounding the double result of one +, -, *, /
 * or square root of float32 numbers gives exactly the float32 operation.) Of integers it is wrapped to int32 instead.
 */
import type { BinaryOp, Expr, UnaryOp } from '../../../../core/expr.js';
import { asElement, dtypeOf, isIntegerType } from '../../../../core/shape.js';
import { threefry, toUniform } from '../../../threefry.js';
import { type LoopArgs, walk } from '../view.js';

/** Each function of one argument, in doubles. */
const unaryFunctions: Readonly<Record<UnaryOp, (a: number) => number>> = {
  neg: (a) => -a,
  abs: Math.abs,
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  sin: Math.sin,
  cos: Math.cos,
  tanh: Math.tanh,
  erf,
  floor: Math.floor,
  isnan: (a) => Number(Number.isNaN(a)),
};

/** By the series `2 / sqrt(pi) e^(-x^2) sum of 2^n x^(2n + 1) / (1 3 5 .. (2n + 1))`, whose terms don't cancel. */
function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

/** Each function of two arguments, in doubles. */
const binaryFunctions: Readonly<Record<BinaryOp, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  // JavaScript has NaN for both, C and IEEE 754 have 1.
  pow: (a, b) => (a === 1 || (a === -1 && Math.abs(b) === Number.POSITIVE_INFINITY) ? 1 : a ** b),
  min: Math.min,
  max: Math.max,
  eq: (a, b) => Number(a === b),
  ne: (a, b) => Number(a !== b),
  lt: (a, b) => Number(a < b),
  le: (a, b) => Number(a <= b),
  gt: (a, b) => Number(a > b),
  ge: (a, b) => Number(a >= b),
};

/** What the leaves of a tree read: set by the loop before each element. */
export interface Leaves {
  readonly inputs: Float64Array;
  readonly params: readonly number[];
  /** Both random words of this element, as uniform numbers. */
  readonly random: [number, number];
}

/** Makes a double one of the numbers that are computed in. */
type Round = (x: number) => number;

const exact: Round = (x) => x;
const wrapped: Round = (x) => x | 0;

/** A closure that computes a tree of what its leaves hold. */
export function compile(expr: Expr, leaves: Leaves, round: Round): () => number {
  switch (expr.kind) {
    case 'input': {
      const { inputs } = leaves;
      return () => inputs[expr.index]!;
    }
    case 'constant': {
      const value = round(expr.value);
      return () => value;
    }
    case 'param': {
      const value = round(leaves.params[expr.index]!);
      return () => value;
    }
    case 'random':
      return () => leaves.random[expr.lane];
    case 'unary': {
      const fn = unaryFunctions[expr.op];
      const a = compile(expr.a, leaves, round);
      return () => round(fn(a()));
    }
    case 'binary': {
      // A product of two int32 numbers may have more digits than a double.
      const fn = round === wrapped && expr.op === 'mul' ? Math.imul : binaryFunctions[expr.op];
      const a = compile(expr.a, leaves, round);
      const b = compile(expr.b, leaves, round);
      return () => round(fn(a(), b()));
    }
    case 'where': {
      const condition = compile(expr.condition, leaves, round);
      const a = compile(expr.a, leaves, round);
      const b = compile(expr.b, leaves, round);
      return () => (condition() !== 0 ? a() : b());
    }
  }
}

/** See `Kernels.map`. */
export function map(args: LoopArgs<'map'>): void {
  const { inputs, outputs, draw, integers = false } = args;
  const wide = [...inputs, ...outputs].some((view) => view.data instanceof Float64Array);
  const round = integers ? wrapped : wide ? exact : Math.fround;
  const leaves: Leaves = {
    inputs: new Float64Array(inputs.length),
    params: args.params,
    random: [0, 0],
  };
  const exprs = args.exprs.map((expr) => compile(expr, leaves, round));
  const results = new Float64Array(exprs.length);
  const elements = outputs.map(({ data }): Round => {
    const dtype = dtypeOf(data);
    return isIntegerType(dtype) ? (x) => asElement(dtype, x) : exact;
  });

  // The counter of random numbers walks with its own offset and strides, just as the views do.
  const walkers = draw === null ? [...inputs, ...outputs] : [...inputs, ...outputs, draw];
  walk(args.shape, walkers, (positions) => {
    for (let k = 0; k < inputs.length; k++) leaves.inputs[k] = round(inputs[k]!.data[positions[k]!]!);
    if (draw !== null) {
      const words = threefry(draw.seed, [positions[walkers.length - 1]! >>> 0, draw.stream]);
      leaves.random[0] = toUniform(words[0]);
      leaves.random[1] = toUniform(words[1]);
    }
    for (let j = 0; j < exprs.length; j++) results[j] = exprs[j]!();
    for (let j = 0; j < exprs.length; j++) {
      outputs[j]!.data[positions[inputs.length + j]!] = elements[j]!(results[j]!);
    }
  });
}
