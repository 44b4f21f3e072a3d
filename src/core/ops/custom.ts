/**
 * Ops with a gradient of their own, written with other ops: a forward function that is off the tape, what it saves, and
 * the gradient of each input. `gradcheck` compares such a gradient with finite differences.
 */
import { readOptions, requireFunction, requireText, wrongArgument } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import type { Expr } from '../expr.js';
import { describe } from '../handle.js';
import { scope } from '../scope.js';
import { sameShape } from '../shape.js';
import { synchronously } from '../synchronous.js';
import { noGrad } from '../tape.js';
import { Tensor } from '../tensor.js';
import { type ElementwiseOp, elementwise, type Operand } from './expressionOps.js';
import { record, requireTensor } from './launch.js';

/** What a tensor is like, whatever its elements. */
type Like = Pick<Tensor, 'shape' | 'dtype' | 'device'>;

type Named = Readonly<Record<string, Tensor>>;

/** Gradients of what an op gives: of its one result, or of each of several, null where nothing depends on it. */
type GradientsOf<R> = R extends Tensor ? Tensor : { readonly [K in keyof R]: Tensor | null };

/** An op of tensors: what it computes, what it saves, and its gradient. */
export interface CustomOp<A extends Tensor[], R extends Tensor | Named, S extends Named> {
  /** Its name, for messages. */
  readonly op: string;
  /** Computes the result, or several by name, and what the gradient needs, which may not change before that has run. */
  readonly forward: (...inputs: A) => { readonly result: R; readonly saved?: S };
  /** The gradient of each input, in its shape and dtype; null for none, or where `needs` has false. Inputs are borrowed. */
  readonly gradient: (
    gradients: GradientsOf<R>,
    saved: S,
    needs: readonly boolean[],
  ) => readonly (Tensor | null)[];
}

/** A `CustomOp` of whatever inputs and results. */
interface AnyOp {
  readonly op: string;
  forward(...inputs: Tensor[]): { readonly result: Tensor | Named; readonly saved?: Named };
  gradient(gradients: unknown, saved: unknown, needs: readonly boolean[]): unknown;
}

/**
 * Makes an op with a gradient of its own. Make it once, call it often. Of tensors, by other ops:
 *
 *     const cube = customOp({
 *       op: 'cube',
 *       forward: (x: Tensor) => ({ result: mul(x, mul(x, x)), saved: { x } }),
 *       gradient: (g, { x }) => [mul(g, mul(3, mul(x, x)))],
 *     });
 *
 * or element by element, as expressions that run as a single kernel on every backend:
 *
 *     const cube = customOp({
 *       op: 'cube',
 *       value: (x: Expr) => e.mul(x, e.mul(x, x)),
 *       gradients: [(g, _y, x) => e.mul(g, e.mul(3, e.mul(x, x)))],
 *     });
 *
 * @throws {ArgumentError} when it is made of something else; when called, for what isn't a tensor; and where functions
 *   give something else than they should, naming op and input
 */
export function customOp<A extends Expr[]>(
  definition: ElementwiseOp<A>,
): (...operands: { [K in keyof A]: Operand }) => Tensor;
export function customOp<A extends Tensor[], R extends Tensor | Named, S extends Named>(
  definition: CustomOp<A, R, S>,
): (...inputs: A) => R;
export function customOp(definition: ElementwiseOp | AnyOp) {
  if (typeof definition !== 'object' || definition === null || !('op' in definition))
    throw wrongArgument('customOp', 'the definition', definition, 'an object of op, forward and gradient');
  if ('value' in definition) {
    readOptions('customOp', definition, { op: undefined, value: undefined, gradients: undefined });
    const names = Array.from({ length: definition.value?.length }, (_, i) => `operand ${i}`);
    return elementwise('customOp', names, definition);
  }
  const { op, forward, gradient } = definition;
  requireText('customOp', 'op', op);
  requireFunction(op, 'forward', forward);
  requireFunction(op, 'gradient', gradient);
  readOptions(op, definition, { op: undefined, forward: undefined, gradient: undefined });
  return (...inputs: Tensor[]) => {
    if (inputs.length < forward.length)
      throw new ArgumentError(`${op}: got ${inputs.length} inputs, expected ${forward.length}`);
    for (const [i, x] of inputs.entries()) requireTensor(op, `input ${i}`, x);
    return scope(() => {
      const made = noGrad(() => synchronously(`${op}'s forward`, () => forward(...inputs)));
      if (typeof made !== 'object' || made === null || !('result' in made))
        throw wrongArgument(op, 'what forward gave', made, 'an object of result and saved');
      const { result, saved = {} } = made;
      const single = result instanceof Tensor;
      const results = namedTensors(op, 'result', single ? { result } : result);
      const kept = namedTensors(op, 'saved', saved);
      // New handles: an input, or a tensor from elsewhere, may be the result, and keeps its own history.
      const outputs = [...results.values()].map((x) => x.detach());
      const likes = inputs.map(({ shape, dtype, device }): Like => ({ shape, dtype, device }));
      const named = (names: Iterable<string>, list: readonly (Tensor | null)[]) =>
        Object.fromEntries(Array.from(names, (name, i) => [name, list[i] ?? null]));
      const [resultNames, savedNames] = [[...results.keys()], [...kept.keys()]];
      record({
        op,
        inputs,
        outputs,
        saved: [...kept.values()],
        gradient: ({ grads, saved: held, needs }) => {
          const given = single ? grads[0] : named(resultNames, grads);
          const backward = () => gradient(given, named(savedNames, held), needs);
          return checked(op, synchronously(`${op}'s gradient`, backward), likes, needs);
        },
      });
      return single ? outputs[0] : named(resultNames, outputs);
    });
  };
}

function namedTensors(op: string, what: string, value: unknown): Map<string, Tensor> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw wrongArgument(op, what, value, 'Tensors by name, as in { mean, deviation }');
  const found = new Map<string, Tensor>();
  for (const [name, x] of Object.entries(value)) {
    requireTensor(op, `${what}.${name}`, x);
    found.set(name, x);
  }
  return found;
}

/** Gradients as the tape takes them: new handles of what a gradient function gave, if they are like the inputs. */
function checked(
  op: string,
  found: unknown,
  inputs: readonly Like[],
  needs: readonly boolean[],
): (Tensor | null)[] {
  if (!Array.isArray(found))
    throw wrongArgument(op, 'what gradient gave', found, 'an array of a Tensor or null for each input');
  if (found.length !== inputs.length)
    throw new ArgumentError(`${op}: gradient gave ${found.length} gradients for ${inputs.length} inputs`);
  return inputs.map((input, i) => {
    const x: unknown = found[i];
    if (x === null || x === undefined || !needs[i]) return null;
    requireTensor(op, `the gradient of input ${i}`, x);
    if (sameShape(x.shape, input.shape) && x.dtype === input.dtype && x.device === input.device)
      return x.detach();
    const [given, expected] = [x, input].map((like) => `${describe(like)} on ${like.device.name}`);
    throw new ArgumentError(
      `${op}: the gradient of input ${i} is ${given}, expected ${expected}; sum() what was broadcast, cast() or move it`,
    );
  });
}
