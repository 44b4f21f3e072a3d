/**
 * Shapes, strides and views.
 *
 * A tensor's elements lie in one buffer; a `View` says where: element `[i0, i1, ...]` is found at
 * `offset + i0 * strides[0] + i1 * strides[1] + ...`, counted in elements. Reshape, permute, slice, flip and
 * expand only make new views: a stride of 0 repeats an axis (broadcasting), a negative one walks it backwards.
 */
import { requireArray, requireChoice, requireNumber, wrongArgument } from './arguments.js';
import { ArgumentError } from './errors.js';

/** Element types. `float64` exists on CPU devices only, for checking gradients. */
export type DType = 'float32' | 'float64' | 'int32' | 'uint8';

/** The typed array that holds a dtype's elements on the host. */
export interface ArrayOf {
  readonly float32: Float32Array;
  readonly float64: Float64Array;
  readonly int32: Int32Array;
  readonly uint8: Uint8Array;
}

/** The typed arrays that hold elements on the host. */
export type TypedArray = ArrayOf[DType];

/** Sizes of the axes, outermost first: images are `[N, C, H, W]`. A scalar is `[]`. */
export type Shape = readonly number[];

/** Bytes an element takes. */
export const bytesPerElement: Readonly<Record<DType, number>> = {
  float32: 4,
  float64: 8,
  int32: 4,
  uint8: 1,
};

/** Makes a zeroed host array of `length` elements. */
export function makeArray(dtype: DType, length: number): TypedArray {
  return arrayAt(dtype, new ArrayBuffer(length * bytesPerElement[dtype]), 0, length);
}

/** The host array of `length` elements at byte `address` of `memory`, which it shares. */
export function arrayAt(dtype: DType, memory: ArrayBufferLike, address: number, length: number): TypedArray {
  switch (dtype) {
    case 'float32':
      return new Float32Array(memory, address, length);
    case 'float64':
      return new Float64Array(memory, address, length);
    case 'int32':
      return new Int32Array(memory, address, length);
    case 'uint8':
      return new Uint8Array(memory, address, length);
  }
}

/** The dtype whose elements a host array holds. @throws {ArgumentError} for arrays of other elements */
export function dtypeOf(data: TypedArray): DType {
  if (data instanceof Float32Array) return 'float32';
  if (data instanceof Float64Array) return 'float64';
  if (data instanceof Int32Array) return 'int32';
  if (data instanceof Uint8Array) return 'uint8';
  const given = Object.prototype.toString.call(data).slice(8, -1);
  throw new ArgumentError(
    `tensor: got ${given}, expected Float32Array, Float64Array, Int32Array or Uint8Array; pass a dtype to convert`,
  );
}

const integerRanges: Readonly<Partial<Record<DType, readonly [low: number, high: number]>>> = {
  int32: [-(2 ** 31), 2 ** 31 - 1],
  uint8: [0, 255],
};

/** Whether a dtype holds whole numbers only. */
export function isIntegerType(dtype: DType): boolean {
  return integerRanges[dtype] !== undefined;
}

/** A number as an element of `dtype`: integers truncate toward zero, within their range; NaN is 0 there. */
export function asElement(dtype: DType, value: number): number {
  const [low, high] = integerRanges[dtype] ?? [];
  if (low === undefined || high === undefined) return value;
  return Number.isNaN(value) ? 0 : Math.min(Math.max(Math.trunc(value), low), high);
}

/**
 * The numbers as `dtype`, a new array unless they are; integers take fractions toward zero.
 * @throws {ArgumentError} naming `op` for a number out of the dtype's range, and for elements that are no numbers
 */
export function hostArray(op: string, dtype: DType, numbers: readonly number[] | TypedArray): TypedArray {
  requireChoice(op, 'dtype', dtype, Object.keys(bytesPerElement));
  const array = makeArray(dtype, numbers.length);
  if (ArrayBuffer.isView(numbers) && numbers.constructor === array.constructor) return numbers;
  if (numbers.length > 0 && typeof numbers[0] !== 'number')
    throw wrongArgument(op, 'data', numbers, 'numbers');
  const range = integerRanges[dtype];
  if (range) for (let i = 0; i < numbers.length; i++) requireFits(op, dtype, numbers[i]!);
  array.set(numbers);
  return array;
}

/** @throws {ArgumentError} naming `op` unless the value is a number, and in the range of an integer dtype. */
export function requireFits(op: string, dtype: DType, value: number): void {
  requireNumber(op, 'value', value);
  if (!isIntegerType(dtype) || asElement(dtype, value) === Math.trunc(value)) return;
  const range = integerRanges[dtype]!.join(' to ');
  throw new ArgumentError(`${op}: ${value} is out of the range of ${dtype}, ${range}`);
}

/** A buffer of one backend, by the number that backend gave it (an address, or a key of its table). */
export type BufferId = number;

/** Where a tensor's elements lie. */
export interface View {
  readonly buffer: BufferId;
  readonly dtype: DType;
  readonly shape: Shape;
  /** Distance between neighbours along each axis, in elements; 0 repeats, negative goes backwards. */
  readonly strides: readonly number[];
  /** Index of element `[0, 0, ...]`, in elements. */
  readonly offset: number;
}

/** Number of elements: the product of the sizes. */
export function sizeOf(shape: Shape): number {
  let size = 1;
  for (const n of shape) size *= n;
  return size;
}

/** @throws {ArgumentError} unless the sizes are whole numbers from 0. */
export function checkShape(op: string, shape: Shape): void {
  requireArray(op, 'shape', shape, 'an array of sizes');
  if (shape.every((n) => Number.isInteger(n) && n >= 0) && Number.isSafeInteger(sizeOf(shape))) return;
  throw new ArgumentError(`${op}: [${shape.join(', ')}] isn't a shape: sizes must be whole numbers from 0`);
}

/** Strides of a dense row-major layout. */
export function contiguousStrides(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = step;
    step *= shape[axis]!;
  }
  return strides;
}

/** The same elements with the axes in another order. */
export function permuted(view: View, order: readonly number[]): View {
  const [shape, strides] = [view.shape, view.strides].map((list) => order.map((axis) => list[axis]!));
  return { ...view, shape: shape!, strides: strides! };
}

/** Whether the view's elements lie densely in row-major order (axes of size 1 may have any stride). */
export function isContiguous(view: { readonly shape: Shape; readonly strides: readonly number[] }): boolean {
  let step = 1;
  for (let axis = view.shape.length - 1; axis >= 0; axis--) {
    const n = view.shape[axis]!;
    if (n !== 1 && view.strides[axis] !== step) return n === 0 || sizeOf(view.shape) === 0;
    step *= n;
  }
  return true;
}

/** `[2, 3]` as people write it: `2x3`; `[3]` for one axis, `scalar` for none. */
export function formatShape(shape: Shape): string {
  return shape.length > 1 ? shape.join('x') : shape.length === 1 ? `[${shape[0]}]` : 'scalar';
}

/** Whether two shapes are equal. */
export function sameShape(a: Shape, b: Shape): boolean {
  if (a === b) return true;
  return a.length === b.length && a.every((n, axis) => n === b[axis]);
}

/**
 * The shape that all of `shapes` broadcast to, by NumPy's rule: aligned at the last axis, sizes must be equal or 1.
 * @throws {ArgumentError} naming `op` and the shapes that don't fit.
 */
export function broadcastShapes(op: string, ...shapes: readonly Shape[]): Shape {
  const [first] = shapes;
  if (first && shapes.every((shape) => sameShape(shape, first))) return first;
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  const result = new Array<number>(rank).fill(1);
  for (const shape of shapes) {
    for (let i = 0; i < shape.length; i++) {
      const axis = rank - shape.length + i;
      const n = shape[i]!;
      if (n === 1 || n === result[axis]) continue;
      if (result[axis] !== 1) {
        const list = shapes.map(formatShape).join(', ');
        throw new ArgumentError(
          `${op}: shapes ${list} don't broadcast: axis ${axis} has both ${result[axis]} and ${n}`,
        );
      }
      result[axis] = n;
    }
  }
  return result;
}

/** The same elements seen with a larger `shape`: new and size-1 axes repeat with stride 0. */
export function broadcastTo(view: View, shape: Shape): View {
  if (sameShape(view.shape, shape)) return view;
  const lead = shape.length - view.shape.length;
  const strides = shape.map((n, axis) => {
    const i = axis - lead;
    return i < 0 || (view.shape[i] === 1 && n !== 1) ? 0 : view.strides[i]!;
  });
  return { ...view, shape, strides };
}

/** Turns a possibly negative axis into one in `[0, rank)`. @throws {ArgumentError} when there is no such axis. */
export function normalizeAxis(op: string, axis: number, rank: number): number {
  requireNumber(op, 'axis', axis);
  const result = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || result < 0 || result >= rank)
    throw new ArgumentError(`${op}: axis ${axis} doesn't exist in a tensor of ${rank} axes`);
  return result;
}
