/**
 * What ops share: checks with messages, dense views for kernels that need them, running a `map`, and how an op comes onto
 * the tape: its inputs, its outputs, what its gradient needs and the gradient itself.
 */
import { requireArray, wrongArgument } from '../arguments.js';
import type { Device } from '../device.js';
import { ArgumentError, DeviceError } from '../errors.js';
import { type Expr, isInt32, isWhole } from '../expr.js';
import type { Draw } from '../random.js';
import { keep } from '../scope.js';
import {
  broadcastShapes,
  broadcastTo,
  contiguousStrides,
  type DType,
  formatShape,
  isIntegerType,
  normalizeAxis,
  type Shape,
  type View,
} from '../shape.js';
import { type GradFunction, gradEnabled, Node } from '../tape.js';
import { denseCopy, Tensor } from '../tensor.js';

/** @throws {ArgumentError} unless x is a tensor. @throws {DisposedError} naming the op, after `dispose()` */
export function requireTensor(op: string, name: string, x: unknown): asserts x is Tensor {
  if (!(x instanceof Tensor)) throw wrongArgument(op, name, x, 'a Tensor', 'tensor() makes one');
  x.requireAlive(op);
}

/** @throws {ArgumentError} unless `parts` is an array of tensors. @throws {DisposedError} naming the op */
export function requireTensors(op: string, name: string, parts: readonly Tensor[]): void {
  requireArray(op, name, parts, 'an array of Tensors');
  for (const [i, x] of parts.entries()) requireTensor(op, `${name}[${i}]`, x);
}

/** x's axis of a number that may count from the end. @throws {ArgumentError} unless x is a tensor that has it */
export function axisOf(op: string, x: Tensor, axis: number): number {
  requireTensor(op, 'x', x);
  return normalizeAxis(op, axis, x.shape.length);
}

/** The one device of all `tensors`. @throws {DeviceError} naming both devices. @throws {DisposedError} naming the op */
export function commonDevice(op: string, tensors: readonly Tensor[]): Device {
  const device = tensors[0]?.device;
  if (!device) throw new ArgumentError(`${op}: got no tensor`);
  for (const x of tensors) x.requireAlive(op);
  for (const x of tensors) {
    if (x.device !== device) {
      const names = `${device.name} and ${x.device.name}`;
      const where = device.name === x.device.name ? `two devices opened as ${device.name}` : names;
      throw new DeviceError(
        `${op}: tensors on ${where}; move one with to() or join them with exchange() first`,
      );
    }
  }
  return device;
}

/** @throws {ArgumentError} unless x has `rank` axes; `layout` names them, as in '[N, C, H, W]'. */
export function requireRank(op: string, name: string, x: Tensor, rank: number, layout: string): void {
  if (x.shape.length === rank) return;
  throw new ArgumentError(`${op}: ${name} is ${formatShape(x.shape)}, expected ${rank} axes ${layout}`);
}

/** @throws {ArgumentError} unless x has the dtype. */
export function requireDType(op: string, name: string, x: Tensor, ...dtypes: readonly DType[]): void {
  if (dtypes.includes(x.dtype)) return;
  throw new ArgumentError(`${op}: ${name} is ${x.dtype}, expected ${dtypes.join(' or ')}; use cast() first`);
}

/** @throws {ArgumentError} unless x is a tensor of floats. */
export function requireFloats(op: string, name: string, x: Tensor): void {
  requireTensor(op, name, x);
  requireDType(op, name, x, 'float32', 'float64');
}

/** @throws {ArgumentError} unless x is images of floats `[N, C, H, W]`. */
export function requireImages(op: string, x: Tensor): void {
  requireTensor(op, 'x', x);
  requireRank(op, 'x', x, 4, '[N, C, H, W]');
  requireFloats(op, 'x', x);
}

/** The dtype that arithmetic on these gives: float64 if one is, else float32. */
export function floatType(tensors: readonly Tensor[]): DType {
  return tensors.some((x) => x.dtype === 'float64') ? 'float64' : 'float32';
}

/** Whether a map is one of integers: all `operands` are (outputs where it has no inputs), and nothing needs fractions. */
export function isIntegral(
  exprs: readonly Expr[],
  operands: readonly Tensor[],
  params: readonly number[],
): boolean {
  return operands.every((x) => isIntegerType(x.dtype)) && exprs.every(isWhole) && params.every(isInt32);
}

/** Calls `run` with a function that gives dense views, copying where a tensor isn't dense; frees the copies. */
export function withDense<T>(op: string, run: (dense: (x: Tensor) => View) => T): T {
  const copies: Tensor[] = [];
  const dense = (x: Tensor): View => {
    if (x.contiguous) return x.view(op);
    const copy = denseCopy(op, x);
    copies.push(copy);
    return copy.view(op);
  };
  try {
    return run(dense);
  } finally {
    for (const copy of copies) copy.dispose();
  }
}

/** A new tensor, of the device and dtype of `like`, that `run` has a kernel fill; else as `withDense`. */
export function computed(
  op: string,
  like: Tensor,
  shape: Shape,
  run: (dense: (x: Tensor) => View, out: View) => void,
): Tensor {
  const out = Tensor.empty(op, like.device, shape, like.dtype);
  withDense(op, (dense) => run(dense, out.view(op)));
  return out;
}

interface MapOptions {
  readonly params?: readonly number[];
  readonly draw?: DrawPlacement | undefined;
  /** Dtype of the result; float64 if an input is, else float32. */
  readonly dtype?: DType;
}

/**
 * Which random numbers the elements take: element i counts `offset + sum of i[axis] * strides[axis]`. By default
 * the row-major index, so that a part of a larger tensor can ask for exactly the part's numbers.
 */
export interface DrawPlacement extends Draw {
  readonly offset?: number | undefined;
  readonly strides?: readonly number[] | undefined;
}

/** A new tensor of `expr` over the broadcast inputs. */
export function map(op: string, expr: Expr, inputs: readonly Tensor[], options: MapOptions = {}): Tensor {
  const device = commonDevice(op, inputs);
  const shape = broadcastShapes(op, ...inputs.map((x) => x.shape));
  const out = Tensor.empty(op, device, shape, options.dtype ?? floatType(inputs));
  mapInto(op, [expr], inputs, [out], options);
  return out;
}

/** Computes `exprs` over the broadcast inputs into existing tensors of one shape, which may be inputs; past the tape. */
export function mapInto(
  op: string,
  exprs: readonly Expr[],
  inputs: readonly Tensor[],
  outputs: readonly Tensor[],
  { params = [], draw }: MapOptions = {},
): void {
  const device = commonDevice(op, [...outputs, ...inputs]);
  const shape: Shape = outputs[0]?.shape ?? [];
  for (const out of outputs) out.overwrite(op);
  device.run('map', {
    exprs,
    shape,
    inputs: inputs.map((x) => broadcastTo(x.view(op), shape)),
    outputs: outputs.map((x) => x.view(op)),
    params,
    integers: isIntegral(exprs, inputs.length > 0 ? inputs : outputs, params),
    draw: draw
      ? { ...draw, offset: draw.offset ?? 0, strides: draw.strides ?? contiguousStrides(shape) }
      : null,
  });
}

interface Recorded {
  readonly op: string;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  /**
   * Tensors the gradient needs, which may not change before it has run; null where it has no use for one. The tape
   * holds its own references to them.
   */
  readonly saved?: readonly (Tensor | null)[];
  readonly gradient: GradFunction<Tensor>;
}

/** Puts an op on the tape if any of its inputs needs a gradient and recording is on; integer outputs have none. */
export function record({ op, inputs, outputs, saved = [], gradient }: Recorded): void {
  const wanted = gradEnabled() && inputs.some((x) => x.requiresGrad);
  if (!wanted || outputs.every((out) => isIntegerType(out.dtype))) return;
  const edges = inputs.map((x) => x.gradEdge());
  const handles = saved.map((x) => x && keep(x.detach()));
  const versions = handles.map((x) => x?.version ?? 0);
  const node = new Node<Tensor>(op, edges, handles, (context) => {
    for (const [i, x] of handles.entries()) x?.requireVersion(versions[i]!, op);
    return gradient(context);
  });
  for (const [index, out] of outputs.entries()) if (!isIntegerType(out.dtype)) out.attach(node, index);
}

/** `record` for one input and one output: `back` is given the gradient that comes in, and what was saved. */
export function recordOne(
  op: string,
  x: Tensor,
  out: Tensor,
  back: (grad: Tensor, ...saved: Tensor[]) => Tensor,
  ...saved: Tensor[]
): void {
  const gradient: GradFunction<Tensor> = ({ grads: [grad], saved: held }) => [
    grad ? back(grad, ...held.filter((kept) => kept !== null)) : null,
  ];
  record({ op, inputs: [x], outputs: [out], saved, gradient });
}
