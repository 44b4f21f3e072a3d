/**
 * ONNX's operators that move elements and leave them as they are.
 */
import { requireWhole } from '../../../core/arguments.js';
import { full } from '../../../core/ops/create.js';
import { dropout } from '../../../core/ops/dropout.js';
import { indexSelect } from '../../../core/ops/gather.js';
import { expand } from '../../../core/ops/reduce.js';
import { concat, permute, reshape, slice } from '../../../core/ops/views.js';
import { broadcastShapes, normalizeAxis, type Shape, sizeOf } from '../../../core/shape.js';
import type { Tensor } from '../../../core/tensor.js';
import { dtypeOfType, type OnnxCall, type Operator, type Value } from '../call.js';

/** The same elements: a tensor of its own, since what a node reads may be given back before what it writes. */
const same = (x: Tensor): Tensor => reshape(x, x.shape);

/** The shape that Reshape asks for: 0 is the input's own size unless `allowzero`, -1 what is left. */
export function reshaped(call: OnnxCall, from: Shape): number[] {
  const sizes = call.listOrInput('shape', 1) ?? call.fail('has no shape');
  const zero = call.int('allowzero', 0) === 1;
  return sizes.map((n, axis) => (n === 0 && !zero ? (from[axis] ?? 0) : n));
}

/** Axes of x that a node names, from 0; all of size 1 where it names none. */
function namedAxes(call: OnnxCall, shape: Shape): number[] {
  const axes = call.listOrInput('axes', 1);
  if (axes === undefined) return [...shape.keys()].filter((axis) => shape[axis] === 1);
  return axes.map((axis) => normalizeAxis('axes', axis, shape.length));
}

/** The shape without axes of size 1. */
export function squeezed(call: OnnxCall, shape: Shape): number[] {
  const axes = namedAxes(call, shape);
  const wide = axes.find((axis) => shape[axis] !== 1);
  if (wide !== undefined) call.fail(`axis ${wide} has ${shape[wide]} elements, expected 1`);
  return shape.filter((_, axis) => !axes.includes(axis));
}

/** The shape with new axes of size 1. */
export function unsqueezed(call: OnnxCall, shape: Shape): number[] {
  const given = call.listOrInput('axes', 1) ?? call.fail('has no axes');
  const rank = shape.length + given.length;
  const axes = new Set(given.map((axis) => normalizeAxis('axes', axis, rank)));
  if (axes.size !== given.length) call.fail(`its axes are [${given.join(', ')}]: one is named twice`);
  const rest = [...shape];
  return Array.from({ length: rank }, (_, axis) => (axes.has(axis) ? 1 : (rest.shift() ?? 1)));
}

/** One axis of a slice: from `start` in `count` steps. */
interface Cut {
  readonly axis: number;
  readonly start: number;
  readonly step: number;
  readonly count: number;
}

/** What a Slice node takes of each axis it names. */
export function cutsOf(call: OnnxCall, shape: Shape): Cut[] {
  const starts = call.listOrInput('starts', 1) ?? call.fail('has no starts');
  const ends = call.listOrInput('ends', 2) ?? call.fail('has no ends');
  const axes = call.listOrInput('axes', 3) ?? [...starts.keys()];
  const steps = call.has(4) ? call.ints(4) : starts.map(() => 1);
  if ([ends, axes, steps].some(({ length }) => length !== starts.length))
    call.fail('its starts, ends, axes and steps are not as many');
  return axes.map((given, i) => {
    const axis = normalizeAxis('axes', given, shape.length);
    const [n, step] = [shape[axis] ?? 0, steps[i] ?? 1];
    if (step === 0 || !Number.isInteger(step)) call.fail(`a step is ${step}`);
    const within = (at: number, low: number, high: number): number =>
      Math.min(Math.max(at < 0 ? at + n : at, low), high);
    const [from = 0, to = 0] = [starts[i], ends[i]];
    const start = step > 0 ? within(from, 0, n) : within(from, 0, n - 1);
    const end = step > 0 ? within(to, 0, n) : within(to, -1, n - 1);
    return { axis, start, step, count: Math.max(0, Math.ceil((end - start) / step)) };
  });
}

function sliced(call: OnnxCall): Tensor {
  let x = call.tensor();
  for (const { axis, start, step, count } of cutsOf(call, x.shape)) {
    if (step === 1) {
      x = slice(x, axis, start, start + count);
      continue;
    }
    const places = Int32Array.from({ length: count }, (_, i) => start + i * step);
    x = indexSelect(x, axis, call.lift({ shape: [count], data: places, type: 'int32' }));
  }
  return same(x);
}

function splitSizes(call: OnnxCall, n: number): readonly number[] {
  const given = call.listOrInput('split', 1);
  if (given) return given;
  const parts = call.int('num_outputs', call.outputs);
  const each = Math.ceil(n / parts);
  return Array.from({ length: parts }, (_, i) => Math.min(each, n - i * each));
}

function splitUp(call: OnnxCall): Tensor[] {
  const x = call.tensor();
  const axis = normalizeAxis('axis', call.int('axis', 0), x.shape.length);
  const n = x.shape[axis] ?? 0;
  const sizes = splitSizes(call, n);
  if (sizes.reduce((sum, size) => sum + size, 0) !== n || sizes.some((size) => size < 0))
    call.fail(`splits an axis of ${n} into [${sizes.join(', ')}]`);
  let start = 0;
  return sizes.map((size) => {
    const part = slice(x, axis, start, start + size);
    start += size;
    return part;
  });
}

/** x `times[i]` times along axis i: each axis is seen as [1, n], repeated, and joined. */
function tiled(call: OnnxCall): Tensor {
  const x = call.tensor();
  const times = call.ints(1);
  if (times.length !== x.shape.length)
    call.fail(`repeats ${times.length} axes, its input has ${x.shape.length}`);
  for (const n of times) requireWhole('Tile', 'repeats', n, 0);
  const split = reshape(
    x,
    x.shape.flatMap((n) => [1, n]),
  );
  const repeated = expand(
    split,
    x.shape.flatMap((n, axis) => [times[axis] ?? 1, n]),
  );
  return reshape(
    repeated,
    x.shape.map((n, axis) => n * (times[axis] ?? 1)),
  );
}

function depthToSpace(call: OnnxCall): Tensor {
  const x = call.tensor();
  const [n = 0, c = 0, h = 0, w = 0] = x.shape;
  const block = call.int('blocksize', 1);
  const maps = c / (block * block);
  if (call.text('mode', 'DCR') === 'CRD') {
    const apart = permute(reshape(x, [n, maps, block, block, h, w]), [0, 1, 4, 2, 5, 3]);
    return reshape(apart, [n, maps, h * block, w * block]);
  }
  const apart = permute(reshape(x, [n, block, block, maps, h, w]), [0, 3, 4, 1, 5, 2]);
  return reshape(apart, [n, maps, h * block, w * block]);
}

function spaceToDepth(call: OnnxCall): Tensor {
  const x = call.tensor();
  const [n = 0, c = 0, h = 0, w = 0] = x.shape;
  const block = call.int('blocksize', 1);
  const apart = permute(reshape(x, [n, c, h / block, block, w / block, block]), [0, 3, 5, 1, 2, 4]);
  return reshape(apart, [n, c * block * block, h / block, w / block]);
}

function dropped(call: OnnxCall): Value | readonly Value[] {
  const x = call.tensor();
  const ratio = call.attribute('ratio')?.float ?? (call.has(1) ? call.scalar(1) : 0.5);
  const out = dropout(x, ratio, { training: call.training });
  if (call.outputs < 2) return out;
  if (call.training) call.fail('gives its mask as well, which is never stored');
  return [out, full(x.shape, 1, { device: call.device })];
}

/** The operators of this file by name. */
export const shapes: Readonly<Record<string, Operator>> = {
  Concat: (call) => concat(call.tensors(), call.int('axis', 1)),
  ConstantOfShape: (call) => {
    const held = call.attribute('value')?.tensor?.value;
    if (held && !('data' in held)) return call.fail('its value is in another file');
    const dtype = dtypeOfType(held?.type ?? 'float32');
    return full(call.ints(0), held?.data[0] ?? 0, { device: call.device, dtype });
  },
  DepthToSpace: depthToSpace,
  Dropout: dropped,
  Expand: (call) => {
    const x = call.tensor();
    return expand(x, broadcastShapes('Expand', x.shape, call.ints(1)));
  },
  Flatten: (call) => {
    const x = call.tensor();
    const rank = x.shape.length;
    const axis = call.int('axis', 1);
    const at = axis < 0 ? axis + rank : axis;
    if (!(at >= 0 && at <= rank)) call.fail(`its axis is ${axis}, its input has ${rank} axes`);
    return reshape(x, [sizeOf(x.shape.slice(0, at)), sizeOf(x.shape.slice(at))]);
  },
  Identity: (call) => same(call.tensor()),
  Reshape: (call) => {
    const x = call.tensor();
    return reshape(x, reshaped(call, x.shape));
  },
  Slice: sliced,
  SpaceToDepth: spaceToDepth,
  Split: splitUp,
  Squeeze: (call) => {
    const x = call.tensor();
    return reshape(x, squeezed(call, x.shape));
  },
  Tile: tiled,
  Transpose: (call) => {
    const x = call.tensor();
    return permute(x, call.list('perm') ?? [...x.shape.keys()].reverse());
  },
  Unsqueeze: (call) => {
    const x = call.tensor();
    return reshape(x, unsqueezed(call, x.shape));
  },
};
