/**
 * New tensors: from host data, constants, ranges and random numbers.
 */
import { readOptions, requireArray, requireNumber } from '../arguments.js';
import { type Device, requireDevice } from '../device.js';
import { ArgumentError } from '../errors.js';
import { type Expr, e } from '../expr.js';
import { defaultGenerator } from '../random.js';
import {
  checkShape,
  type DType,
  formatShape,
  hostArray,
  isIntegerType,
  makeArray,
  requireFits,
  type Shape,
  type TypedArray,
} from '../shape.js';
import { Tensor } from '../tensor.js';
import { type DrawPlacement, mapInto } from './launch.js';

/** Numbers nested in arrays, one level an axis. */
export type NestedNumbers = number | readonly NestedNumbers[];

/** Where and how a tensor is made. */
export interface TensorOptions {
  readonly device: Device;
  /** float32 by default, or what the typed array holds. */
  readonly dtype?: DType;
  /** Whether it is a leaf that gathers a gradient. Default false. */
  readonly requiresGrad?: boolean;
}

const asGiven = { device: undefined, dtype: undefined, requiresGrad: false };

type Making = { readonly [K in keyof TensorOptions]-?: TensorOptions[K] | (typeof asGiven)[K] };

function fromHost(op: string, data: TypedArray, shape: Shape, { device, requiresGrad }: Making): Tensor {
  requireDevice(op, device);
  const out = Tensor.from(op, device, data, shape);
  if (requiresGrad) out.requiresGrad = true;
  return out;
}

/**
 * A tensor of host data, copied: a number, nested arrays, or a typed array in row-major order. Fractions become
 * integers toward zero where the dtype is one.
 * @param options `shape` is needed for a typed array with other than one axis
 * @throws {ArgumentError} for ragged nesting, data that doesn't fill the shape, or numbers out of the dtype's range.
 */
export function tensor(
  data: NestedNumbers | TypedArray,
  options: TensorOptions & { readonly shape?: Shape },
): Tensor {
  const op = 'tensor';
  const { shape, ...making } = readOptions(op, options, { ...asGiven, shape: undefined });
  const { dtype } = making;
  if (ArrayBuffer.isView(data)) {
    const array = dtype === undefined ? data : hostArray(op, dtype, data);
    return fromHost(op, array, shape ?? [data.length], making);
  }
  const numbers: number[] = [];
  const nested = unnest(data, numbers);
  return fromHost(op, hostArray(op, dtype ?? 'float32', numbers), shape ?? nested, making);
}

function unnest(data: NestedNumbers, out: number[]): number[] {
  if (typeof data === 'number') {
    out.push(data);
    return [];
  }
  requireArray('tensor', 'data', data, 'numbers in arrays, or a typed array');
  const shapes = data.map((item) => unnest(item, out));
  const first = shapes[0] ?? [];
  const ragged = shapes.find((shape) => shape.join() !== first.join());
  const both = `${formatShape(first)} and ${formatShape(ragged ?? first)}`;
  if (ragged) throw new ArgumentError(`tensor: ${both} side by side in one array`);
  return [data.length, ...first];
}

/** What `generate` computes: an expression without inputs, its params and its random numbers. */
interface Formula {
  readonly expr: Expr;
  readonly params?: readonly number[];
  readonly draw?: DrawPlacement;
}

function generate(op: string, shape: Shape, making: Making, formula: Formula): Tensor {
  const { device, dtype, requiresGrad } = making;
  requireDevice(op, device);
  const out = Tensor.empty(op, device, shape, dtype);
  mapInto(op, [formula.expr], [], [out], formula);
  if (requiresGrad) out.requiresGrad = true;
  return out;
}

/** A tensor filled with one number. @throws {ArgumentError} where it is out of the dtype's range */
export function full(shape: Shape, value: number, options: TensorOptions): Tensor {
  const op = 'full';
  const making = readOptions(op, options, asGiven);
  requireFits(op, making.dtype ?? 'float32', value);
  return generate(op, shape, making, { expr: e.param(0), params: [value] });
}

const allOf =
  (op: string, value: number) =>
  (shape: Shape, options: TensorOptions): Tensor =>
    generate(op, shape, readOptions(op, options, asGiven), { expr: e.constant(value) });

/** A tensor of zeros. */
export const zeros = allOf('zeros', 0);
/** A tensor of ones. */
export const ones = allOf('ones', 1);

/** The identity matrix `[n, n]`: ones on the diagonal, else zeros. */
export function eye(n: number, options: TensorOptions): Tensor {
  const op = 'eye';
  const making = readOptions(op, options, asGiven);
  checkShape(op, [n, n]);
  const array = makeArray(making.dtype ?? 'float32', n * n);
  for (let i = 0; i < n; i++) array[i * (n + 1)] = 1;
  return fromHost(op, array, [n, n], making);
}

/**
 * `start`, `start + step`, .. up to but without `end`.
 * @throws {ArgumentError} for a step that never gets there, or numbers out of the dtype's range
 */
export function arange(
  start: number,
  end: number,
  options: TensorOptions & { readonly step?: number },
): Tensor {
  const op = 'arange';
  const { step, ...making } = readOptions(op, options, { ...asGiven, step: 1 });
  for (const [name, value] of Object.entries({ start, end, step })) requireNumber(op, name, value);
  const length = Math.max(0, Math.ceil((end - start) / step));
  if (!Number.isFinite(length))
    throw new ArgumentError(`arange: from ${start} to ${end} by ${step} never ends`);
  const numbers = Float64Array.from({ length }, (_, i) => start + i * step);
  return fromHost(op, hostArray(op, making.dtype ?? 'float32', numbers), [length], making);
}

/** Options of random tensors. */
export interface RandomOptions extends TensorOptions {
  /** Which random numbers: the default generator's next draw unless given. */
  readonly draw?: DrawPlacement;
}

/** A tensor of random numbers. @throws {ArgumentError} for integers, all of which would be 0 */
function random(
  op: string,
  shape: Shape,
  { draw, ...making }: Making & { readonly draw: DrawPlacement | undefined },
  formula: Formula,
): Tensor {
  const { dtype = 'float32' } = making;
  if (isIntegerType(dtype))
    throw new ArgumentError(
      `${op}: ${dtype} holds no fractions; for whole numbers below n, cast(mul(rand(shape, { device }), n), '${dtype}')`,
    );
  requireDevice(op, making.device);
  checkShape(op, shape);
  return generate(op, shape, making, { ...formula, draw: draw ?? defaultGenerator().next() });
}

/** Uniform numbers in [0, 1), the same bits on every backend. */
export function rand(shape: Shape, options: RandomOptions): Tensor {
  const making = readOptions('rand', options, { ...asGiven, draw: undefined });
  return random('rand', shape, making, { expr: e.random() });
}

/** Box-Muller on two uniform numbers; 1 - u lies in (0, 1], so that the logarithm is finite. */
const normal = e.mul(e.sqrt(e.mul(-2, e.log(e.sub(1, e.random(0))))), e.cos(e.mul(2 * Math.PI, e.random(1))));

/**
 * Normal numbers, made of two uniform ones each (Box-Muller). Logarithm and cosine are rounded differently by backends:
 * these numbers differ by up to 1e-6 between kinds of device, and between CPUs unless they are `deterministic`.
 * @param options `mean` (default 0) and `std` (default 1, the standard deviation)
 */
export function randn(
  shape: Shape,
  options: RandomOptions & { readonly mean?: number; readonly std?: number },
): Tensor {
  const op = 'randn';
  const { mean, std, ...making } = readOptions(op, options, { ...asGiven, draw: undefined, mean: 0, std: 1 });
  requireNumber(op, 'mean', mean);
  requireNumber(op, 'std', std);
  return random(op, shape, making, {
    expr: e.add(e.param(0), e.mul(e.param(1), normal)),
    params: [mean, std],
  });
}
