/**
 * Making element-wise ops of expressions: the value, and the gradient by each operand.
 *
 * In a gradient, the operands are inputs 0, 1, ..; `y` is the result and `g` the gradient of the result. What the
 * gradient mentions is saved for it, and nothing else: relu keeps its output, mul its operands, add nothing.
 * Operands broadcast; a number may stand for a tensor and compiles nothing new when it changes.
 */
import { requireArray, requireFunction, requireText, wrongArgument } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import { type Expr, type ExprLike, e, inputsOf, isPredicate, lift } from '../expr.js';
import { type DType, requireFits } from '../shape.js';
import { Tensor } from '../tensor.js';
import { floatType, isIntegral, map, record } from './launch.js';
import { sumTo } from './reduce.js';

/** What an element-wise op takes: a tensor, or a number that stands for one. */
export type Operand = Tensor | number;

/** An element-wise op: its result and gradients, where operands, result and incoming gradient are expressions. */
export interface ElementwiseOp<A extends Expr[] = Expr[]> {
  /** Its name, for messages. */
  readonly op: string;
  /** The result, from the operands. */
  readonly value: (...operands: A) => ExprLike;
  /**
   * The gradient of each operand: d result / d operand, times `g`, the gradient of the result `y`. It is 0 by
   * operands that have none; left out, the op is flat everywhere.
   */
  readonly gradients?: readonly ((g: Expr, y: Expr, ...operands: A) => ExprLike)[] | undefined;
}

interface Definition extends ElementwiseOp {
  readonly names: readonly string[];
  /** What was worked out so far, by pattern: the same trees at every call, known to caches of compiled kernels. */
  readonly forms: Map<number, Form>;
}

/** A definition for one pattern of operands: which of them are the same tensor, which are numbers. */
interface Form {
  /** Inputs are the distinct tensors. */
  readonly value: Expr;
  /**
   * The gradient of each tensor, none where the op is flat. Inputs are what is `saved` (numbers of tensors, and of the
   * result, which comes after them), then the incoming gradient.
   */
  readonly gradients: readonly { readonly expr: Expr; readonly saved: readonly number[] }[];
}

/** @param places for each operand the number of its tensor, or -1 - the number of its param */
function formOf({ op, value, gradients = [] }: Definition, places: readonly number[], tensors: number): Form {
  const termsOf = (input: (i: number) => Expr): Expr[] =>
    places.map((place) => (place < 0 ? e.param(-1 - place) : input(place)));
  const gradientOf = (t: number, input: (i: number) => Expr): Expr => {
    const terms = termsOf(input);
    const parts = gradients
      .filter((_, i) => places[i] === t)
      .map((by) => lift(op, by(input(tensors + 1), input(tensors), ...terms), 'a gradient'));
    return parts.length === 0 ? e.constant(0) : parts.reduce((sum, part) => e.add(sum, part));
  };
  const isFlat = gradients.length === 0;
  return {
    value: lift(op, value(...termsOf(e.input)), 'the value'),
    gradients: Array.from({ length: isFlat ? 0 : tensors }, (_, t) => {
      const mentioned = new Set(inputsOf(gradientOf(t, e.input)));
      const saved = [...mentioned].filter((i) => i <= tensors).sort((a, b) => a - b);
      const input = (i: number): Expr => e.input(i > tensors ? saved.length : saved.indexOf(i));
      return { expr: gradientOf(t, input), saved };
    }),
  };
}

/** Operands that an op can have, so that kernels find room for them, for the result and for its gradient. */
const mostOperands = 8;

/** The op of a definition, for `maker`. @throws {ArgumentError} unless it has one to eight operands, and no more gradients */
export function elementwise(
  maker: string,
  names: readonly string[],
  { op, value, gradients }: ElementwiseOp,
): (...operands: Operand[]) => Tensor {
  requireText(maker, 'op', op);
  requireFunction(maker, 'value', value);
  if (gradients !== undefined) requireArray(op, 'gradients', gradients, 'an array of functions');
  for (const [i, gradient] of (gradients ?? []).entries()) requireFunction(op, `gradients[${i}]`, gradient);
  if (names.length === 0 || names.length > mostOperands)
    throw wrongArgument(op, 'value', value, `one of 1 to ${mostOperands} operands, each written out`);
  if (gradients && gradients.length > names.length)
    throw new ArgumentError(`${op}: ${gradients.length} gradients for ${names.length} operands`);
  const definition: Definition = { op, value, gradients, names, forms: new Map() };
  return (...operands) => apply(definition, operands);
}

function apply(definition: Definition, operands: readonly unknown[]): Tensor {
  const { op, names, forms } = definition;
  const tensors: Tensor[] = [];
  const params: number[] = [];
  const places = names.map((name, i) => {
    const x = operands[i];
    if (typeof x === 'number') return -params.push(x);
    if (!(x instanceof Tensor)) {
      const expected = names.length > 1 ? 'a Tensor or a number' : 'a Tensor';
      throw wrongArgument(op, name, x, expected, 'tensor() makes one');
    }
    const known = tensors.indexOf(x);
    return known < 0 ? tensors.push(x) - 1 : known;
  });
  if (tensors.length === 0)
    throw new ArgumentError(`${op}: got only numbers; at least one operand must be a tensor`);
  const pattern = places.reduce((key, place) => 2 * mostOperands * key + place + mostOperands, 0);
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
 * @param gradient of x, from `g`, the gradient of the result, the result `y`, and x; none: the op is flat everywhere
 */
export function unary(
  op: string,
  value: (x: Expr) => Expr,
  gradient?: (g: Expr, y: Expr, x: Expr) => Expr,
): Unary {
  return elementwise('unary', ['x'], { op, value, gradients: gradient && [gradient] });
}

/** The gradient of one operand of `binary`: from the gradient of the result, the result, and the operands. */
export type BinaryGradient = (g: Expr, y: Expr, a: Expr, b: Expr) => Expr;

/** Makes an element-wise op of two operands, like `unary`; without `gradients` of a and b it is flat everywhere. */
export function binary(
  op: string,
  value: (a: Expr, b: Expr) => Expr,
  ...gradients: BinaryGradient[]
): Binary {
  return elementwise('binary', ['a', 'b'], { op, value, gradients });
}
