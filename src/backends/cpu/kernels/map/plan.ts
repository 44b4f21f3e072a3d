/**
 * The plan of element-wise maps: puts the axes into the order of the first output's memory, merges those that lie
 * one after the other in every operand, and runs the emitted code for what is left.
 */
import type { Kernels } from '../../../../core/backend.js';
import { type Expr, usesRandom } from '../../../../core/expr.js';
import { bytesPerElement, sizeOf, type View } from '../../../../core/shape.js';
import { addressOf, floatBits, type KernelModule, type Planner } from '../../plan.js';
import { simplifyAxes } from '../axes.js';
import { emitMap, type MapKind, type MapOperand, mapKey } from './code.js';
import { planTranspose } from './transposePlan.js';

/** Maps of fewer results run on one thread: they are done before another one has woken. */
const smallMap = 8192;

function operandOf(view: View, stride: number, output: boolean): MapOperand {
  // An output that stands still has one element along the axis: any way of walking it will do.
  const inner = stride === 1 || (output && stride === 0) ? 'dense' : stride === 0 ? 'still' : 'strided';
  return { dtype: view.dtype, inner };
}

/** A module made before, and the expressions that it computes. */
interface KnownModule {
  readonly exprs: readonly Expr[];
  readonly module: KernelModule;
}

/** Modules by their first expression and a number for what else their code depends on: an op's trees stay the same. */
const knownModules = new WeakMap<Expr, Map<number, KnownModule>>();

const dtypeNumbers = { float32: 0, int32: 1, uint8: 2, float64: 3 } as const;
const innerNumbers = { still: 0, dense: 1, strided: 2 } as const;

/** Operands of a module that is looked for by number. */
const mostKnown = 8;

/** The module of a map: writing its key takes longer than small work, so those made before are looked for first. */
function moduleOf(kind: MapKind): KernelModule {
  const { exprs, inputs, outputs, outer, params, integers } = kind;
  const [first] = exprs;
  const make = (): KernelModule => ({ key: mapKey(kind), emit: (features) => emitMap(kind, features) });
  if (first === undefined || inputs.length + outputs.length > mostKnown) return make();
  let number = ((params * 16 + outer) * 16 + inputs.length) * 2 + (integers ? 1 : 0);
  for (const { dtype, inner } of inputs) number = number * 16 + 4 * dtypeNumbers[dtype] + innerNumbers[inner];
  for (const { dtype, inner } of outputs)
    number = number * 16 + 4 * dtypeNumbers[dtype] + innerNumbers[inner];
  let modules = knownModules.get(first);
  if (modules === undefined) {
    modules = new Map();
    knownModules.set(first, modules);
  }
  const known = modules.get(number);
  if (known?.exprs.length === exprs.length && exprs.every((expr, j) => expr === known.exprs[j]))
    return known.module;
  const module = make();
  modules.set(number, { exprs, module });
  return module;
}

/** See `Kernels.map`. Float64 is left to the plain loop, and so are bytes written across another output's axes. */
export function planMap(args: Kernels['map'], planner: Planner): boolean {
  const { exprs, inputs, outputs, params, draw, integers = false } = args;
  const views = inputs.concat(outputs);
  if (views.some((view) => view.dtype === 'float64')) return false;
  const total = sizeOf(args.shape);
  if (total === 0) return true;
  const counter = draw !== null && exprs.some(usesRandom) ? draw : null;
  const strides = views.map((view) => view.strides);
  if (counter !== null) strides.push(counter.strides);
  const walk = simplifyAxes(args.shape, strides, inputs.length);
  if (planTranspose(args, walk, planner)) return true;
  const last = walk.shape.length - 1;

  const operand = (view: View, w: number): MapOperand =>
    operandOf(view, walk.strides[w]![last]!, w >= inputs.length);
  const kind: MapKind = {
    exprs,
    inputs: inputs.map(operand),
    outputs: outputs.map((view, j) => operand(view, inputs.length + j)),
    outer: last,
    params: params.length,
    integers,
  };
  // Bytes are written four neighbours at a time; the axes may have been sorted for another output.
  if (kind.outputs.some((output) => output.dtype === 'uint8' && output.inner === 'strided')) return false;
  const words = [total, walk.shape[last]!];
  for (let axis = 0; axis < last; axis++) words.push(walk.shape[axis]!);
  views.forEach((view, w) => {
    const width = bytesPerElement[view.dtype];
    words.push(addressOf(view));
    for (const stride of walk.strides[w]!) words.push(stride * width);
  });
  if (counter !== null) words.push(counter.offset, ...walk.strides[views.length]!);
  for (const param of params) words.push(integers ? param : floatBits(param));
  if (counter !== null) words.push(...counter.seed, counter.stream);
  planner.run(moduleOf(kind), 'map', words, total * exprs.length < smallMap);
  return true;
}
