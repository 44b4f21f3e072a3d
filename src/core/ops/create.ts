/**
 * New tensors: from host data, constants, ranges and random numbers.
 */
import type { Device } from '../device.js';
import { ArgumentError } from '../errors.js';
import { type Expr, e } from '../expr.js';
import { defaultGenerator } from '../random.js';
import { checkShape, type DType, formatShape, makeArray, type Shape, type TypedArray } from '../shape.js';
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

function finish(out: Tensor, { requiresGrad = false }: TensorOptions): Tensor {
  if (requiresGrad) out.requiresGrad = true;
  return out;
}

/**
 * A tensor of host data, copied: a number, nested arrays, or a typed array in row-major order.
 * @param options `shape` is needed for a typed array with other than one axis
 * @throws {ArgumentError} for ragged nesting, or data that doesn't fill the shape.
 */
export function tensor(
  data: NestedNumbers | TypedArray,
  options: TensorOptions & { readonly shape?: Shape },
): Tensor {
  const op = 'tensor';
  const nested = typeof data === 'number' || Array.isArray(data);
  const numbers: number[] = [];
  const shape = nested ? unnest(data, numbers) : [data.length];
  const dtype = options.dtype ?? (ArrayBuffer.isView(data) ? undefined : 'float32');
  const source = ArrayBuffer.isView(data) ? data : numbers;
  let array: TypedArray;
  if (dtype === undefined && ArrayBuffer.isView(data)) array = data;
  else {
    array = makeArray(dtype ?? 'float32', source.length);
    array.set(source);
  }
  return finish(Tensor.from(op, options.device, array, options.shape ?? shape), options);
}

/** Flattens nested numbers into `out`; returns their shape. */
function unnest(data: NestedNumbers, out: number[]): number[] {
  if (typeof data === 'number') {
    out.push(data);
    return [];
  }
  const shapes = data.map((item) => unnest(item, out));
  const first = shapes[0] ?? [];
  const ragged = shapes.find((shape) => shape.join() !== first.join());
  if (ragged) {
    throw new ArgumentError(
      `tensor: ${formatShape(first)} and ${formatShape(ragged)} side by side in one array`,
    );
  }
  return [data.length, ...first];
}

function generate(
  op: string,
  shape: Shape,
  options: TensorOptions,
  expr: Expr,
  params: number[],
  draw?: DrawPlacement,
): Tensor {
  const out = Tensor.empty(op, options.device, shape, options.dtype);
  mapInto(op, [expr], [], [out], { params, draw });
  return finish(out, options);
}

/** A tensor filled with one number. */
export function full(shape: Shape, value: number, options: TensorOptions): Tensor {
  return generate('full', shape, options, e.param(0), [value]);
}

/** A tensor of zeros. */
export function zeros(shape: Shape, options: TensorOptions): Tensor {
  return generate('zeros', shape, options, e.constant(0), []);
}

/** A tensor of ones. */
export function ones(shape: Shape, options: TensorOptions): Tensor {
  return generate('ones', shape, options, e.constant(1), []);
}

/** The identity matrix `[n, n]`: ones on the diagonal, else zeros. */
export function eye(n: number, options: TensorOptions): Tensor {
  const op = 'eye';
  checkShape(op, [n, n]);
  const array = makeArray(options.dtype ?? 'float32', n * n);
  for (let i = 0; i < n; i++) array[i * (n + 1)] = 1;
  return finish(Tensor.from(op, options.device, array, [n, n]), options);
}

/** `start`, `start + step`, .. up to but without `end`. */
export function arange(
  start: number,
  end: number,
  options: TensorOptions & { readonly step?: number },
): Tensor {
  const { step = 1 } = options;
  const length = Math.max(0, Math.ceil((end - start) / step));
  if (!Number.isFinite(length))
    throw new ArgumentError(`arange: from ${start} to ${end} by ${step} never ends`);
  const array = makeArray(options.dtype ?? 'float32', length);
  for (let i = 0; i < length; i++) array[i] = start + i * step;
  return finish(Tensor.from('arange', options.device, array, [length]), options);
}

/** Options of random tensors. */
export interface RandomOptions extends TensorOptions {
  /** Which random numbers: the default generator's next draw unless given. */
  readonly draw?: DrawPlacement;
}

/** Uniform numbers in [0, 1), the same bits on every backend. */
export function rand(shape: Shape, options: RandomOptions): Tensor {
  return generate('rand', shape, options, e.random(), [], options.draw ?? defaultGenerator().next());
}

/** Box-Muller on two uniform numbers; 1 - u lies in (0, 1], so that the logarithm is finite. */
const normal = e.mul(e.sqrt(e.mul(-2, e.log(e.sub(1, e.random(0))))), e.cos(e.mul(2 * Math.PI, e.random(1))));

/**
 * Normal numbers.
 * @param options `mean` (default 0) and `std` (default 1, the standard deviation)
 */
export function randn(
  shape: Shape,
  options: RandomOptions & { readonly mean?: number; readonly std?: number },
): Tensor {
  const { mean = 0, std = 1, draw = defaultGenerator().next() } = options;
  return generate('randn', shape, options, e.add(e.param(0), e.mul(e.param(1), normal)), [mean, std], draw);
}
