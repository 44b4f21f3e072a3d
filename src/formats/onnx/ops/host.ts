/**
 * ONNX's operators on the host: what exporters write to work out shapes. `x.view(x.size(0), -1)` is Shape, Gather,
 * Unsqueeze, Concat and Reshape, of which all but the last work on a few whole numbers that are known at once.
 */
import {
  broadcastShapes,
  contiguousStrides,
  normalizeAxis,
  type Shape,
  sizeOf,
} from '../../../core/shape.js';
import { Tensor } from '../../../core/tensor.js';
import type { NumberType } from '../../numbers.js';
import type { OnnxCall, Operator, Value } from '../call.js';
import { type HostValue, typeOfNumber } from '../tensors.js';
import { cutsOf, reshaped, squeezed, unsqueezed } from './shapes.js';

/** Most numbers that are worked on here: shapes have a few. More go to the device. */
const mostOnHost = 4096;

function host(type: NumberType, shape: Shape, numbers: ArrayLike<number>): HostValue {
  return { type, shape, data: Float64Array.from(numbers) };
}

/** x's numbers along `shape`, where x's own axes of size 1 repeat. */
function broadcast({ shape, data }: HostValue, to: Shape): number[] {
  const strides = contiguousStrides(shape);
  const lead = to.length - shape.length;
  return indices(to).map((index) => {
    const at = shape.reduce(
      (sum, n, axis) => sum + (n === 1 ? 0 : (index[axis + lead] ?? 0) * (strides[axis] ?? 0)),
      0,
    );
    return data[at] ?? Number.NaN;
  });
}

/** All places of a shape, in row-major order. */
function indices(shape: Shape): number[][] {
  return shape.reduce<number[][]>(
    (places, n) => places.flatMap((place) => Array.from({ length: n }, (_, i) => [...place, i])),
    [[]],
  );
}

const two =
  (type: NumberType | null, op: (a: number, b: number) => number): Operator =>
  (call) => {
    const [a, b] = [call.host(0), call.host(1)];
    const shape = checked(call, broadcastShapes('shapes', a.shape, b.shape));
    const [left, right] = [broadcast(a, shape), broadcast(b, shape)];
    return host(
      type ?? a.type,
      shape,
      left.map((value, i) => op(value, right[i] ?? Number.NaN)),
    );
  };

function checked(call: OnnxCall, shape: Shape): Shape {
  if (sizeOf(shape) > mostOnHost)
    call.fail(`makes ${sizeOf(shape)} numbers on the host, at most ${mostOnHost} are`);
  return shape;
}

const isInteger = (type: NumberType): boolean => !type.includes('float');

const view =
  (shapeOf: (call: OnnxCall, shape: Shape) => number[]): Operator =>
  (call) => {
    const x = call.host(0);
    const shape = shapeOf(call, x.shape);
    const known = shape.filter((n) => n !== -1);
    const full = shape.map((n) => (n === -1 ? x.data.length / sizeOf(known) : n));
    if (sizeOf(full) !== x.data.length)
      call.fail(`[${shape.join(', ')}] doesn't hold ${x.data.length} numbers`);
    return { ...x, shape: full };
  };

function shape(call: OnnxCall): HostValue {
  const value = call.value(0);
  const rank = value.shape.length;
  const within = (at: number): number => Math.min(Math.max(at < 0 ? at + rank : at, 0), rank);
  const sizes = value.shape.slice(within(call.int('start', 0)), within(call.int('end', rank)));
  return host('int64', [sizes.length], sizes);
}

function gather(call: OnnxCall): HostValue {
  const [x, index] = [call.host(0), call.host(1)];
  const axis = normalizeAxis('axis', call.int('axis', 0), x.shape.length);
  const n = x.shape[axis] ?? 0;
  const outer = sizeOf(x.shape.slice(0, axis));
  const inner = sizeOf(x.shape.slice(axis + 1));
  const sizes = checked(call, [...x.shape.slice(0, axis), ...index.shape, ...x.shape.slice(axis + 1)]);
  const numbers: number[] = [];
  for (let o = 0; o < outer; o++) {
    for (const given of index.data) {
      const at = given < 0 ? given + n : given;
      if (!(at >= 0 && at < n)) call.fail(`its index ${given} is outside an axis of ${n}`);
      for (let i = 0; i < inner; i++) numbers.push(x.data[(o * n + at) * inner + i] ?? 0);
    }
  }
  return host(x.type, sizes, numbers);
}

function concat(call: OnnxCall): HostValue {
  const parts = Array.from({ length: call.count }, (_, i) => call.host(i));
  const [first] = parts;
  if (!first || parts.some(({ shape: { length } }) => length !== 1))
    return call.fail('joins numbers on the host that are no lists');
  const numbers = parts.flatMap(({ data }) => [...data]);
  return host(first.type, checked(call, [numbers.length]), numbers);
}

function slice(call: OnnxCall): HostValue {
  const x = call.host(0);
  if (x.shape.length !== 1) call.fail('cuts numbers on the host that are no list');
  const [cut] = cutsOf(call, x.shape);
  if (!cut) return x;
  const numbers = Array.from({ length: cut.count }, (_, i) => x.data[cut.start + i * cut.step] ?? 0);
  return host(x.type, [cut.count], numbers);
}

function cast(call: OnnxCall): HostValue {
  const { shape: sizes, data } = call.host(0);
  const code = call.int('to', 0);
  const type = typeOfNumber(code) ?? call.fail(`casts to type ${code}, which tensors don't have`);
  return host(
    type,
    sizes,
    type === 'bool' ? data.map((n) => Number(n !== 0)) : isInteger(type) ? data.map(Math.trunc) : data,
  );
}

function range(call: OnnxCall): HostValue {
  const [start, limit, step] = [call.scalar(0), call.scalar(1), call.scalar(2)];
  const count = Math.max(0, Math.ceil((limit - start) / step));
  const sizes = checked(call, [Number.isNaN(count) ? Number.POSITIVE_INFINITY : count]);
  return host(
    call.host(0).type,
    sizes,
    Array.from({ length: count }, (_, i) => start + i * step),
  );
}

function constantOfShape(call: OnnxCall): HostValue {
  const held = call.attribute('value')?.tensor?.value;
  const sizes = checked(call, call.ints(0));
  const value = held && 'data' in held ? (held.data[0] ?? 0) : 0;
  return host(held?.type ?? 'float32', sizes, new Float64Array(sizeOf(sizes)).fill(value));
}

function where(call: OnnxCall): HostValue {
  const [condition, a, b] = [call.host(0), call.host(1), call.host(2)];
  const sizes = checked(call, broadcastShapes('Where', condition.shape, a.shape, b.shape));
  const [left, right] = [broadcast(a, sizes), broadcast(b, sizes)];
  return host(
    a.type,
    sizes,
    broadcast(condition, sizes).map((held, i) => (held !== 0 ? left[i] : right[i]) ?? 0),
  );
}

/** Quotients of integers go toward zero. */
const divide: Operator = (call) => {
  const whole = isInteger(call.host(0).type);
  return two(null, (a, b) => (whole ? Math.trunc(a / b) : a / b))(call);
};

/** Those that need no numbers of their first input, and so are always done here. */
const ofShape: Readonly<Record<string, Operator>> = {
  Shape: shape,
  Size: (call) => host('int64', [], [sizeOf(call.value(0).shape)]),
};

/** Those that are done here when all they read is here. */
const ofNumbers: Readonly<Record<string, Operator>> = {
  Add: two(null, (a, b) => a + b),
  Cast: cast,
  Concat: concat,
  ConstantOfShape: constantOfShape,
  Div: divide,
  Equal: two('bool', (a, b) => Number(a === b)),
  Gather: gather,
  Identity: (call) => call.host(0),
  Mul: two(null, (a, b) => a * b),
  Neg: (call) => {
    const { type, shape: sizes, data } = call.host(0);
    return host(
      type,
      sizes,
      data.map((n) => -n),
    );
  },
  Range: range,
  ReduceProd: (call) => {
    const { type, data } = call.host(0);
    return host(type, call.int('keepdims', 1) === 1 ? [1] : [], [
      [...data].reduce((product, n) => product * n, 1),
    ]);
  },
  Reshape: view(reshaped),
  Slice: slice,
  Squeeze: view(squeezed),
  Sub: two(null, (a, b) => a - b),
  Unsqueeze: view(unsqueezed),
  Where: where,
};

/** Names of the operators that only this file has. */
export const onHostAlone: readonly string[] = ['Constant', 'Range', ...Object.keys(ofShape)];

/** The operator on the host for what is to be read, if it can work there. */
export function hostOperator(op: string, inputs: readonly (Value | undefined)[]): Operator | undefined {
  if (ofShape[op]) return ofShape[op];
  const here = inputs.every((x) => !(x instanceof Tensor) && (x?.data.length ?? 0) <= mostOnHost);
  return here ? ofNumbers[op] : undefined;
}
