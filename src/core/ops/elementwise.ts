/**
 * Element-wise ops: each is its expression and the expression of its gradient by each operand.
 *
 * In a gradient, the operands are inputs 0, 1, ..; `y` is the result and `g` the gradient of the result. What the
 * gradient mentions is saved for it, and nothing else: relu keeps its output, mul its operands, add nothing.
 * Operands broadcast; a number may stand for a tensor and compiles nothing new when it changes.
 */
import { ArgumentError } from '../errors.js';
import { type Expr, e, inputsOf } from '../expr.js';
import type { DType } from '../shape.js';
import { record, Tensor } from '../tensor.js';
import { commonDevice, floatType, map } from './launch.js';
import { sumTo } from './reduce.js';

type Operand = Tensor | number;

/** Value and gradients of an op; operands, result and incoming gradient are expressions. */
interface Definition {
  readonly value: (...operands: readonly Expr[]) => Expr;
  /** d result / d operand, times g; none for ops that are flat everywhere. */
  readonly gradients?: readonly ((g: Expr, y: Expr, ...operands: readonly Expr[]) => Expr)[];
}

function apply(op: string, { value, gradients }: Definition, operands: readonly Operand[]): Tensor {
  const tensors = [...new Set(operands.filter((x) => x instanceof Tensor))];
  if (tensors.length === 0)
    throw new ArgumentError(`${op}: got only numbers; at least one operand must be a tensor`);
  commonDevice(op, tensors);
  const params = operands.filter((x) => typeof x === 'number');
  let numbers = 0;
  const places = operands.map((x) => (x instanceof Tensor ? tensors.indexOf(x) : -1 - numbers++));
  const termsOf = (input: (i: number) => Expr): Expr[] =>
    places.map((place) => (place < 0 ? e.param(-1 - place) : input(place)));

  const out = map(op, value(...termsOf(e.input)), tensors, { params });
  if (!gradients) return out;

  // Inputs of the gradients: the tensors, then the result, then the incoming gradient.
  const gradientsOf = (input: (i: number) => Expr): Expr[] =>
    tensors.map((_, t) => {
      const parts = gradients.filter((_, i) => places[i] === t);
      const terms = termsOf(input);
      return parts
        .map((by) => by(input(tensors.length + 1), input(tensors.length), ...terms))
        .reduce((sum, part) => e.add(sum, part));
    });
  const mentioned = new Set(gradientsOf(e.input).flatMap(inputsOf));
  const candidates = [...tensors, out];
  const used = [...candidates.keys()].filter((i) => mentioned.has(i));
  record({
    op,
    inputs: tensors,
    outputs: [out],
    saved: used.map((i) => candidates[i]!),
    gradient: ({ grads: [grad], saved, needs }) => {
      const exprs = gradientsOf((i) => e.input(i > tensors.length ? used.length : used.indexOf(i)));
      return exprs.map((expr, t) => {
        if (!needs[t] || !grad) return null;
        const { shape, dtype } = tensors[t]!;
        if (expr.kind === 'input' && grad.dtype === dtype) return sumTo(grad, shape);
        // Of the operand's own dtype, where float32 met float64.
        return sumTo(map(op, expr, [...saved, grad], { params, dtype }), shape);
      });
    },
  });
  return out;
}

type Unary = (x: Tensor) => Tensor;
type Binary = (a: Operand, b: Operand) => Tensor;

function unary(op: string, value: (x: Expr) => Expr, gradient?: (g: Expr, y: Expr, x: Expr) => Expr): Unary {
  const definition: Definition = {
    value: (x) => value(x!),
    ...(gradient && { gradients: [(g, y, x) => gradient(g, y, x!)] }),
  };
  return (x) => apply(op, definition, [x]);
}

type BinaryGradient = (g: Expr, y: Expr, a: Expr, b: Expr) => Expr;

function binary(
  op: string,
  value: (a: Expr, b: Expr) => Expr,
  ...gradients: readonly BinaryGradient[]
): Binary {
  const definition: Definition = {
    value: (a, b) => value(a!, b!),
    ...(gradients.length > 0 && {
      gradients: gradients.map((by) => (g: Expr, y: Expr, a?: Expr, b?: Expr) => by(g, y, a!, b!)),
    }),
  };
  return (a, b) => apply(op, definition, [a, b]);
}

/** 1 where a > b, 1/2 where they are equal, else 0: how min and max share a gradient among equals. */
const share = (a: Expr, b: Expr): Expr => e.add(e.gt(a, b), e.mul(0.5, e.eq(a, b)));

/** a + b. */
export const add = binary(
  'add',
  e.add,
  (g) => g,
  (g) => g,
);
/** a - b. */
export const sub = binary(
  'sub',
  e.sub,
  (g) => g,
  (g) => e.neg(g),
);
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
/** a to the power of b, for a >= 0 (a below 0 needs a whole b). */
export const pow = binary(
  'pow',
  e.pow,
  (g, _y, a, b) => e.where(e.ne(b, 0), e.mul(g, e.mul(b, e.pow(a, e.sub(b, 1)))), 0),
  (g, y, a) => e.where(e.gt(a, 0), e.mul(g, e.mul(y, e.log(a))), 0),
);
/** The smaller of a and b; equal ones share the gradient. */
export const minimum = binary(
  'minimum',
  e.min,
  (g, _y, a, b) => e.mul(g, share(b, a)),
  (g, _y, a, b) => e.mul(g, share(a, b)),
);
/** The larger of a and b; equal ones share the gradient. */
export const maximum = binary(
  'maximum',
  e.max,
  (g, _y, a, b) => e.mul(g, share(a, b)),
  (g, _y, a, b) => e.mul(g, share(b, a)),
);

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
export const neg = unary('neg', e.neg, (g) => e.neg(g));
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
/** max(0, x); the gradient at 0 is 0 (Krizhevsky 2012, section 3.1). */
export const relu = unary(
  'relu',
  (x) => e.max(x, 0),
  (g, y) => e.where(e.gt(y, 0), g, 0),
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

/** x held within [low, high]; the gradient passes inside and at the bounds. */
export function clamp(x: Tensor, low: number, high: number): Tensor {
  return apply('clamp', clampDefinition, [x, low, high]);
}

const clampDefinition: Definition = {
  value: (x, low, high) => e.min(e.max(x!, low!), high!),
  gradients: [(g, _y, x, low, high) => e.where(e.mul(e.ge(x!, low!), e.le(x!, high!)), g, 0)],
};

/** a where `condition` isn't 0, else b. The condition's gradient is 0. */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  return apply('where', whereDefinition, [condition, a, b]);
}

const whereDefinition: Definition = {
  value: (condition, a, b) => e.where(condition!, a!, b!),
  gradients: [
    () => e.constant(0),
    (g, _y, condition) => e.where(condition!, g, 0),
    (g, _y, condition) => e.where(condition!, 0, g),
  ],
};

/** The same numbers in another dtype; toward zero for integers. The gradient is cast back. */
export function cast(x: Tensor, dtype: DType): Tensor {
  const out = map('cast', e.input(0), [x], { dtype });
  const from = x.dtype;
  const gradient = (grad: Tensor | null | undefined): Tensor | null =>
    grad ? map('cast', e.input(0), [grad], { dtype: from }) : null;
  if (floatType([out]) === out.dtype) {
    record({ op: 'cast', inputs: [x], outputs: [out], gradient: ({ grads: [grad] }) => [gradient(grad)] });
  }
  return out;
}
