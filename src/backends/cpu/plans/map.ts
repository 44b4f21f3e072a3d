/**
 * The plan of element-wise maps: puts the axes into the order of the first output's memory, merges those that lie
 * one after the other in every operand, and runs the emitted code for what is left.
 */
import type { Kernels } from '../../../core/backend.js';
import { usesRandom } from '../../../core/expr.js';
import { bytesPerElement, sizeOf, type View } from '../../../core/shape.js';
import { addressOf, floatBits, type KernelModule, type Planner } from '../plan.js';
import { emitMap, type MapKind, type MapOperand, mapKey } from '../wasm/map.js';

/** Maps of fewer results run on one thread: they are done before another one has woken. */
const smallMap = 8192;

/** Sizes of the axes and each walker's strides along them. */
interface Walk {
  readonly shape: number[];
  readonly strides: number[][];
}

/**
 * The same walk over fewer axes: those of size 1 dropped, the others sorted by falling stride of walker `lead`,
 * neighbours merged where every walker steps over the inner one exactly at its end. At least one axis is left.
 */
export function simplifyAxes(
  shape: readonly number[],
  strides: readonly (readonly number[])[],
  lead: number,
): Walk {
  const leading = strides[lead]!;
  const order = shape
    .map((_, axis) => axis)
    .filter((axis) => shape[axis] !== 1)
    .sort((a, b) => Math.abs(leading[b]!) - Math.abs(leading[a]!) || a - b);
  const walk: Walk = { shape: [], strides: strides.map(() => []) };
  for (const axis of order) {
    const n = shape[axis]!;
    const last = walk.shape.length - 1;
    if (last >= 0 && strides.every((s, w) => walk.strides[w]![last] === s[axis]! * n)) {
      walk.shape[last]! *= n;
      strides.forEach((s, w) => {
        walk.strides[w]![last] = s[axis]!;
      });
      continue;
    }
    walk.shape.push(n);
    strides.forEach((s, w) => {
      walk.strides[w]!.push(s[axis]!);
    });
  }
  if (walk.shape.length === 0) return { shape: [1], strides: strides.map(() => [0]) };
  return walk;
}

function operandOf(view: View, stride: number, output: boolean): MapOperand {
  // An output that stands still has one element along the axis: any way of walking it will do.
  const inner = stride === 1 || (output && stride === 0) ? 'dense' : stride === 0 ? 'still' : 'strided';
  return { dtype: view.dtype, inner };
}

/** See `Kernels.map`. Float64 is left to the plain loop. */
export function planMap(args: Kernels['map'], planner: Planner): boolean {
  const { exprs, inputs, outputs, params, draw } = args;
  const views = [...inputs, ...outputs];
  if (views.some((view) => view.dtype === 'float64')) return false;
  const total = sizeOf(args.shape);
  if (total === 0) return true;
  const counter = draw !== null && exprs.some(usesRandom) ? draw : null;
  const strides = views.map((view) => view.strides);
  if (counter !== null) strides.push(counter.strides);
  const walk = simplifyAxes(args.shape, strides, inputs.length);
  const last = walk.shape.length - 1;

  const operand = (view: View, w: number): MapOperand =>
    operandOf(view, walk.strides[w]![last]!, w >= inputs.length);
  const kind: MapKind = {
    exprs,
    inputs: inputs.map(operand),
    outputs: outputs.map((view, j) => operand(view, inputs.length + j)),
    outer: last,
    params: params.length,
  };
  const words = [total, walk.shape[last]!, ...walk.shape.slice(0, last)];
  views.forEach((view, w) => {
    const width = bytesPerElement[view.dtype];
    words.push(addressOf(view), ...walk.strides[w]!.map((stride) => stride * width));
  });
  if (counter !== null) words.push(counter.offset, ...walk.strides[views.length]!);
  words.push(...params.map(floatBits));
  if (counter !== null) words.push(...counter.seed, counter.stream);
  const module: KernelModule = { key: mapKey(kind), emit: (features) => emitMap(kind, features) };
  planner.run(module, 'map', words, total * exprs.length < smallMap);
  return true;
}
