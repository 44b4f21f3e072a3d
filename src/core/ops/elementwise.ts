/**
 * Element-wise ops: each is its expression and the expression of its gradient by each operand.
 *
 * In a gradient, the operands are inputs 0, 1, ..; `y` is the result and `g` the gradient of the result. What the
 * gradient mentions is saved for it, and nothing else: relu keeps its output, mul its operands, add nothing.
 * Operands broadcast; a number may stand for a tensor and compiles nothing new when it changes.
 *
 * Integers (int32, uint8) among themselves and with whole numbers give int32, exactly: sums and products beyond its
 * range wrap around. Comparisons give float32. Where a float or a fraction takes part, or the op has one (division,
 * powers, exponentials), they are taken as float32, which holds all of them up to 2^24.
 */
import { requireChoice, requireFunction, requireNumber, requireText, wrongArgument } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import { type Expr, e, inputsOf, isPredicate } from '../expr.js';
import { record } from '../record.js';
import { scope } from '../scope.js';
import { asElement, bytesPerElement, type DType, isIntegerType, requireFits } from '../shape.js';
import { Tensor } from '../tensor.js';
import { floatType, isIntegral, map, requireTensor } from './launch.js';
import { sumTo } from './reduce.js';

/** What an element-wise op takes: a tensor, or a number that stands for one. */
export type Operand = Tensor | number;

/** Value and gradients of an op; operands, result and incoming gradient are expressions. */
interface Definition {
  readonly op: string;
  /** What messages call the operands. */
  readonly names: readonly string[];
  readonly value: (...operands: readonly Expr[]) => Expr;
  /** d result / d operand, times g; none for ops that are flat everywhere. */
  readonly gradients?: readonly ((g: Expr, y: Expr, ...operands: readonly Expr[]) => Expr)[];
  /** What was worked out so far, by pattern: the same trees at every call, known to caches of compiled kernels. */
  readonly forms: Map<number, Form>;
}

/** A definition for one pattern of operands: which of them are the same tensor, which are numbers. */
interface Form {
  /** Inputs are the distinct tensors. */
  readonly value: Expr;
  /** The gradient of each tensor; none where the op is flat. */
  readonly gradients: readonly FormGradient[];
}

/** The gradient of a form by one of its tensors. */
interface FormGradient {
  /** Inputs are what is `saved`, then the incoming gradient. */
  readonly expr: Expr;
  /** What the gradient mentions: numbers of tensors, and of the result, which comes after them. */
  readonly saved: readonly number[];
}

/** @param places for each operand the number of its tensor, or -1 - the number of its param */
function formOf({ value, gradients = [] }: Definition, places: readonly number[], tensors: number): Form {
  const termsOf = (input: (i: number) => Expr): Expr[] =>
    places.map((place) => (place < 0 ? e.param(-1 - place) : input(place)));
  const gradientOf = (t: number, input: (i: number) => Expr): Expr => {
    const terms = termsOf(input);
    return gradients
      .filter((_, i) => places[i] === t)
      .map((by) => by(input(tensors + 1), input(tensors), ...terms))
      .reduce((sum, part) => e.add(sum, part));
  };
  const isFlat = gradients.length === 0;
  return {
    value: value(...termsOf(e.input)),
    gradients: Array.from({ length: isFlat ? 0 : tensors }, (_, t) => {
      const mentioned = new Set(inputsOf(gradientOf(t, e.input)));
      const saved = [...mentioned].filter((i) => i <= tensors).sort((a, b) => a - b);
      const input = (i: number): Expr => e.input(i > tensors ? saved.length : saved.indexOf(i));
      return { expr: gradientOf(t, input), saved };
    }),
  };
}

function apply(definition: Definition, operands: readonly Operand[]): Tensor {
  const { op, names, forms } = definition;
  const tensors: Tensor[] = [];
  const params: number[] = [];
  const places = operands.map((x, i) => {
    if (typeof x === 'number') return -params.push(x);
    if (!(x instanceof Tensor)) {
      const expected = names.length > 1 ? 'a Tensor or a number' : 'a Tensor';
      throw wrongArgument(op, names[i]!, x, expected, 'tensor() makes one');
    }
    const known = tensors.indexOf(x);
    return known < 0 ? tensors.push(x) - 1 : known;
  });
  if (tensors.length === 0)
    throw new ArgumentError(`${op}: got only numbers; at least one operand must be a tensor`);
  const pattern = places.reduce((key, place) => 8 * key + place + 4, 0);
  let form = forms.get(pattern);
  if (!form) {
    form = formOf(definition, places, tensors.length);
    forms.set(pattern, form);
  }
  const { value, gradients } = form;

  const out = map(op, value, tensors, { params, dtype: resultType(op, value, tensors, params) });
  if (gradients.length === 0 || !tensors.some((x) => x.requiresGrad)) return out;
  const needed = new Set(gradients.flatMap(({ saved }, t) => (tensors[t]!.requiresGrad ? saved : [])));
  record({
    op,
    inputs: tensors,
    outputs: [out],
    saved: [...tensors, out].map((x, i) => (needed.has(i) ? x : null)),
    gradient: ({ grads: [grad], saved: held, needs }) =>
      gradients.map(({ expr, saved }, t) => {
        if (!needs[t] || !grad) return null;
        const { shape, dtype } = tensors[t]!;
        if (expr.kind === 'input' && grad.dtype === dtype) return sumTo(grad, shape);
        // Of the operand's own dtype, where float32 met float64.
        const inputs = [...saved.map((i) => held[i]!), grad];
        return sumTo(map(op, expr, inputs, { params, dtype }), shape);
      }),
  });
  return out;
}

/** The dtype of an op's result. @throws {ArgumentError} for a whole number beyond int32 among integers */
function resultType(op: string, value: Expr, tensors: readonly Tensor[], params: readonly number[]): DType {
  if (!isIntegral([value], tensors, [])) return floatType(tensors);
  if (!params.every(Number.isInteger)) return 'float32';
  for (const param of params) requireFits(op, 'int32', param);
  return isPredicate(value) ? 'float32' : 'int32';
}

/** An element-wise op of one tensor. */
export type Unary = (x: Tensor) => Tensor;
/** An element-wise op of two operands that broadcast, at least one of them a tensor. */
export type Binary = (a: Operand, b: Operand) => Tensor;

/**
 * Makes an element-wise op of one tensor, which runs as a single kernel on every backend:
 * `unary('square', (x) => e.mul(x, x), (g, _y, x) => e.mul(g, e.mul(2, x)))`. Make it once, call it often.
 * @param op its name, for messages
 * @param value the result, as an expression of x
 * @param gradient of x, from `g`, the gradient of the result, the result `y`, and x; none: the op is flat everywhere
 */
export function unary(
  op: string,
  value: (x: Expr) => Expr,
  gradient?: (g: Expr, y: Expr, x: Expr) => Expr,
): Unary {
  requireText('unary', 'op', op);
  requireFunction('unary', 'value', value);
  const definition: Definition = {
    op,
    names: ['x'],
    forms: new Map(),
    value: (x) => value(x!),
    ...(gradient && { gradients: [(g, y, x) => gradient(g, y, x!)] }),
  };
  return (x) => apply(definition, [x]);
}

/** The gradient of one operand of `binary`: from the gradient of the result, the result, and the operands. */
export type BinaryGradient = (g: Expr, y: Expr, a: Expr, b: Expr) => Expr;

/**
 * Makes an element-wise op of two operands, like `unary`.
 * @param gradients of a and of b; none: the op is flat everywhere
 */
export function binary(
  op: string,
  value: (a: Expr, b: Expr) => Expr,
  ...gradients: readonly BinaryGradient[]
): Binary {
  requireText('binary', 'op', op);
  requireFunction('binary', 'value', value);
  const definition: Definition = {
    op,
    names: ['a', 'b'],
    forms: new Map(),
    value: (a, b) => value(a!, b!),
    ...(gradients.length > 0 && {
      gradients: gradients.map((by) => (g: Expr, y: Expr, a?: Expr, b?: Expr) => by(g, y, a!, b!)),
    }),
  };
  return (a, b) => apply(definition, [a, b]);
}

/** g where a isn't below b, half of it where they are equal: how the larger of two shares a gradient; NaN hands it on. */
const share = (g: Expr, a: Expr, b: Expr): Expr =>
  e.where(e.lt(a, b), 0, e.where(e.eq(a, b), e.mul(0.5, g), g));

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
export const minimum = binary(
  'minimum',
  e.min,
  (g, _y, a, b) => share(g, b, a),
  (g, _y, a, b) => share(g, a, b),
);
/** The larger of a and b, NaN if one is; equal ones share the gradient, and both get it where one is NaN. */
export const maximum = binary(
  'maximum',
  e.max,
  (g, _y, a, b) => share(g, a, b),
  (g, _y, a, b) => share(g, b, a),
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
  const [least, most] = isInteger(x) ? [low, high].map(finiteBound) : [low, high];
  return apply(clampDefinition, [x, least!, most!]);
}

const finiteBound = (bound: number): number =>
  Math.abs(bound) === Number.POSITIVE_INFINITY ? asElement('int32', bound) : bound;

const clampDefinition: Definition = {
  op: 'clamp',
  names: ['x', 'low', 'high'],
  forms: new Map(),
  value: (x, low, high) => e.min(e.max(x!, low!), high!),
  gradients: [(g, _y, x, low, high) => e.where(e.mul(e.ge(x!, low!), e.le(x!, high!)), g, 0)],
};

/** a where `condition` isn't 0, else b: int32 where both are integers. The condition's gradient is 0. */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  const op = 'where';
  requireTensor(op, 'condition', condition);
  const chosen = [a, b].filter((x) => x instanceof Tensor);
  const whole = [a, b].every((x) => (typeof x === 'number' ? Number.isInteger(x) : isInteger(x)));
  if (!whole || chosen.length === 0 || isInteger(condition)) return apply(whereDefinition, [condition, a, b]);
  return scope(() => {
    const holds = map(op, e.ne(e.input(0), 0), [condition], { dtype: 'int32' });
    return apply(whereDefinition, [holds, a, b]);
  });
}

const isInteger = (x: unknown): boolean => x instanceof Tensor && isIntegerType(x.dtype);

const whereDefinition: Definition = {
  op: 'where',
  names: ['condition', 'a', 'b'],
  forms: new Map(),
  value: (condition, a, b) => e.where(condition!, a!, b!),
  gradients: [
    () => e.constant(0),
    (g, _y, condition) => e.where(condition!, g, 0),
    (g, _y, condition) => e.where(condition!, 0, g),
  ],
};

/**
 * The same numbers in another dtype. Integers are taken toward zero; what is out of their range becomes the smallest or
 * largest of them, NaN 0. The gradient is cast back.
 */
export function cast(x: Tensor, dtype: DType): Tensor {
  requireTensor('cast', 'x', x);
  requireChoice('cast', 'dtype', dtype, Object.keys(bytesPerElement));
  const out = map('cast', e.input(0), [x], { dtype });
  const from = x.dtype;
  const gradient = (grad: Tensor | null | undefined): Tensor | null =>
    grad ? map('cast', e.input(0), [grad], { dtype: from }) : null;
  if (floatType([out]) === out.dtype) {
    record({ op: 'cast', inputs: [x], outputs: [out], gradient: ({ grads: [grad] }) => [gradient(grad)] });
  }
  return out;
}
