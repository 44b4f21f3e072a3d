/**
 * Changing tensors in place: `targets[j][i] = exprs[j](inputs[..][i], params)`, all of an element's inputs read before
 * its targets are written. This is what optimizers, running statistics and other buffers are written with.
 */
import { readOptions, requireArray, requireNumber, requireText, wrongArgument } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import { type ExprLike, inputsOf, lift, paramsOf, remembered, usesRandom } from '../expr.js';
import { defaultGenerator } from '../random.js';
import { broadcastShapes, formatShape, sameShape } from '../shape.js';
import { denseCopy, type Tensor } from '../tensor.js';
import { commonDevice, type DrawPlacement, mapInto, requireTensors } from './launch.js';

/** Options of `update`. */
export interface UpdateOptions {
  /** Values of `e.param(0)`, `e.param(1)`, ..: numbers that change from call to call, and compile nothing anew. */
  readonly params?: readonly number[] | undefined;
  /** Which random numbers `e.random()` takes: the default generator's next draw unless given. */
  readonly draw?: DrawPlacement | undefined;
  /** Who changes the targets, for messages. Default 'update'. */
  readonly op?: string | undefined;
}

/**
 * Overwrites tensors by expressions of tensors, in one pass and past the tape: a gradient that still needs what a target
 * held is an error from then on.
 *
 *     update(w, e.sub(e.input(0), e.mul(e.param(0), e.input(1))), [w, gradient], { params: [learningRate] });
 *
 * @param targets one, or several of one shape with an expression for each; leaves, results off the tape, or views of
 *   such. Numbers are converted to their dtype as `cast` does.
 * @param inputs what `e.input(0)`, `e.input(1)`, .. stand for, broadcast to the targets' shape; read before targets change
 * @throws {ArgumentError} for a target that a gradient flows through, targets that share elements, shapes that don't
 *   fit, and expressions of inputs or params that aren't there; then nothing changed
 */
export function update(
  targets: Tensor | readonly Tensor[],
  exprs: ExprLike | readonly ExprLike[],
  inputs: readonly Tensor[],
  options: UpdateOptions = {},
): void {
  const { params, draw, op } = readOptions('update', options, { params: [], draw: undefined, op: 'update' });
  requireText('update', 'op', op);
  const outputs: readonly Tensor[] = Array.isArray(targets) ? targets : [targets];
  const trees = (Array.isArray(exprs) ? exprs : [exprs]).map((expr: ExprLike) => lift(op, expr));
  requireTensors(op, 'targets', outputs);
  requireTensors(op, 'inputs', inputs);
  requireArray(op, 'params', params, 'an array of numbers');
  for (const [i, value] of params.entries()) requireNumber(op, `params[${i}]`, value);
  requireTargets(op, outputs, trees.length);
  commonDevice(op, [...outputs, ...inputs]);
  const mentioned = trees.map(mentionsOf);
  for (const tree of mentioned) {
    requireOperands(op, 'input', tree.inputs, inputs.length);
    requireOperands(op, 'param', tree.params, params.length);
  }
  const { shape } = outputs[0]!;
  const all = broadcastShapes(op, shape, ...inputs.map((x) => x.shape));
  if (!sameShape(all, shape)) {
    const shapes = `the inputs broadcast to ${formatShape(all)}, the targets are ${formatShape(shape)}`;
    throw new ArgumentError(`${op}: ${shapes}`);
  }
  // An input that sees a target's elements in other places would be read after some were written.
  const copies = new Map<Tensor, Tensor>();
  for (const x of inputs) if (outputs.some((out) => seesShifted(op, x, out))) copies.set(x, denseCopy(op, x));
  const read = inputs.map((x) => copies.get(x) ?? x);
  const random = mentioned.some((tree) => tree.random) ? (draw ?? defaultGenerator().next()) : undefined;
  mapInto(op, trees, read, outputs, { params, draw: random });
  for (const copy of copies.values()) copy.dispose();
}

function requireTargets(op: string, targets: readonly Tensor[], exprs: number): void {
  const [first] = targets;
  if (!first) throw new ArgumentError(`${op}: got no target`);
  if (targets.length !== exprs)
    throw new ArgumentError(`${op}: ${targets.length} targets and ${exprs} expressions; each takes one`);
  const buffers = new Set<number>();
  for (const x of targets) {
    const { shape, strides, buffer } = x.view(op);
    if (!x.isLeaf) {
      const what = `a gradient flows through this target, a ${formatShape(shape)} tensor, and would be wrong`;
      throw new ArgumentError(
        `${op}: ${what}; update leaves, results made in noGrad(), or what detach() gives`,
      );
    }
    if (!sameShape(shape, first.shape)) {
      const shapes = `${formatShape(first.shape)} and ${formatShape(shape)}`;
      throw new ArgumentError(`${op}: targets are ${shapes}, expected one shape; update one after the other`);
    }
    if (strides.some((stride, axis) => stride === 0 && shape[axis]! > 1))
      throw new ArgumentError(`${op}: a target repeats its elements, as expand() does, and can't be written`);
    if (buffers.has(buffer))
      throw new ArgumentError(`${op}: two targets are views of one tensor; update one after the other`);
    buffers.add(buffer);
  }
}

/** What a tree mentions. */
const mentionsOf = remembered((tree) => ({
  inputs: new Set(inputsOf(tree)),
  params: new Set(paramsOf(tree)),
  random: usesRandom(tree),
}));

function requireOperands(op: string, kind: string, mentioned: ReadonlySet<number>, count: number): void {
  const missing = [...mentioned].find((index) => !(Number.isInteger(index) && index >= 0 && index < count));
  if (missing === undefined) return;
  throw wrongArgument(op, `the number of an e.${kind}`, missing, `one of the ${count} ${kind}s given`);
}

/** Whether x looks at elements of the target's buffer otherwise than the target does. */
function seesShifted(op: string, x: Tensor, target: Tensor): boolean {
  const [seen, written] = [x.view(op), target.view(op)];
  if (seen.buffer !== written.buffer) return false;
  const same = seen.strides.every((stride, axis) => stride === written.strides[axis]);
  return !(same && seen.offset === written.offset && sameShape(seen.shape, written.shape));
}
