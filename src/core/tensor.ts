/// <reference lib="esnext.disposable" preserve="true" />
/**
 * Tensors: a handle of a device's buffer, and what the tape knows about it.
 *
 * Buffers are counted: every tensor that looks at one (a result, its views, what the tape saved) holds a reference,
 * and the last `dispose()` gives the buffer back. Ops are functions in ops/; a tensor itself can only be looked at,
 * read, detached, differentiated and disposed of.
 */
import { requireFunction, wrongArgument } from './arguments.js';
import type { Arrived } from './backend.js';
import type { Device } from './device.js';
import { ArgumentError, DeviceError } from './errors.js';
import { type Expr, e } from './expr.js';
import { describe, Handle, Storage } from './handle.js';
import { adopt, keep } from './scope.js';
import {
  type ArrayOf,
  type BufferId,
  bytesPerElement,
  checkShape,
  contiguousStrides,
  type DType,
  dtypeOf,
  formatShape,
  isIntegerType,
  type Shape,
  sizeOf,
  type TypedArray,
  type View,
} from './shape.js';
import { reading } from './synchronous.js';
import { type Edge, leafEdge, type Node, walk } from './tape.js';
import { formatElements, type NestedArray, nest } from './text.js';

/** The largest tensor whose elements are all printed. */
const mostPrinted = 1000;

/** Shape and place of the elements within a storage. */
type Layout = Pick<View, 'shape' | 'strides' | 'offset'>;

/** A multi-dimensional array on a device. */
export class Tensor extends Handle {
  /** Accumulated gradient of a leaf that `requiresGrad`, disposed of with it; null before the first `backward()`. */
  grad: Tensor | null = null;
  private edge: Edge<Tensor> | null = null;
  private leaf = false;
  /** One for all uses of a leaf whose gradient somebody wants to be told of. */
  private leafEdge: Edge<Tensor> | null = null;
  /** The first elements as they were read last, for `toString`. */
  private seen: { readonly version: number; readonly data: TypedArray } | null = null;

  private constructor(storage: Storage, place: View) {
    super(storage, place);
    adopt(this);
  }

  /** A new dense tensor with unspecified contents; `op`: who asks, for messages. @throws {OutOfMemoryError} @internal */
  static empty(op: string, device: Device, shape: Shape, dtype: DType = 'float32'): Tensor {
    checkShape(op, shape);
    const buffer = device.alloc(sizeOf(shape) * bytesPerElement[dtype], dtype, op);
    return Tensor.of(op, device, buffer, dtype, shape);
  }

  /** A new tensor holding a copy of `data`, row-major. @throws {ArgumentError} when the sizes differ @internal */
  static from(op: string, device: Device, data: TypedArray, shape: Shape): Tensor {
    checkShape(op, shape);
    if (data.length !== sizeOf(shape))
      throw new ArgumentError(`${op}: ${data.length} numbers don't fill a tensor of ${formatShape(shape)}`);
    const dtype = dtypeOf(data);
    const buffer = device.upload(data, dtype, op);
    return Tensor.of(op, device, buffer, dtype, shape);
  }

  /** A new tensor that will hold x's elements, on another device; see `Device.receive`. x must be contiguous. @internal */
  static receive(op: string, device: Device, x: Tensor, arrived: Arrived): Tensor {
    const buffer = device.receive(x.device, x.view(op), op, arrived);
    return Tensor.of(op, device, buffer, x.dtype, x.shape);
  }

  private static of(op: string, device: Device, buffer: BufferId, dtype: DType, shape: Shape): Tensor {
    const storage = new Storage(device, buffer);
    device.note(op, shape, dtype, storage);
    const strides = contiguousStrides(shape);
    return new Tensor(storage, { buffer, dtype, shape: [...shape], strides, offset: 0 });
  }

  /** Whether `backward()` computes a gradient through this tensor. */
  get requiresGrad(): boolean {
    return this.leaf || this.edge !== null;
  }

  /** Marks a leaf as one that gathers `grad`. @throws {ArgumentError} on a tensor that an op computed */
  set requiresGrad(value: boolean) {
    if (this.edge)
      throw new ArgumentError('requiresGrad: only a leaf can be marked; use detach() to make one');
    if (value && isIntegerType(this.dtype))
      throw new ArgumentError(
        `requiresGrad: ${this.dtype} tensors have no gradient; cast() to float32 first`,
      );
    this.leaf = value;
  }

  /** Whether no op on the tape computed this tensor: only then can it gather `grad` or be overwritten by `update`. */
  get isLeaf(): boolean {
    return this.edge === null;
  }

  /** Another tensor that looks at the same elements, without gradient: `layout` may change shape and strides. @internal */
  alias(op: string, layout: Partial<Layout> = {}): Tensor {
    return new Tensor(this.held(op), { ...this.view(op), ...layout });
  }

  /** The same elements without their history: a new leaf. */
  detach(): Tensor {
    return this.alias('detach');
  }

  /** Gives the elements back. Calling it again does nothing; using the tensor afterwards throws. */
  dispose(): void {
    if (this.disposed) return;
    keep(this);
    this.release();
    this.edge?.node.release();
    this.edge = null;
    this.grad?.dispose();
    this.grad = null;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** A copy of the elements in row-major order, once computed. */
  data(): Promise<TypedArray>;
  /** The same, typed by dtype. @throws {ArgumentError} when the tensor is of another */
  data<D extends DType>(dtype: D): Promise<ArrayOf[D]>;
  data(dtype: DType = this.dtype): Promise<TypedArray> {
    return reading(this.readAs(dtype));
  }

  /** The elements as nested arrays: a number for a scalar, `[[1, 2], [3, 4]]` for a matrix. */
  array(): Promise<NestedArray> {
    return reading(this.data().then((data) => nest(data, this.shape)));
  }

  private async readAs(dtype: DType): Promise<TypedArray> {
    if (dtype !== this.dtype)
      throw new ArgumentError(`data: the tensor is ${this.dtype}, not ${dtype}; use cast() first`);
    const version = this.version;
    const copy = this.contiguous ? null : denseCopy('data', this);
    try {
      const data = await this.device.open('data').read((copy ?? this).view('data'));
      this.seen = { version, data: data.slice(0, mostPrinted) };
      return data;
    } finally {
      copy?.dispose();
    }
  }

  /** The only element. @throws {ArgumentError} when there are more */
  item(): Promise<number> {
    const only = async (): Promise<number> => {
      if (this.size !== 1)
        throw new ArgumentError(`item: the tensor is ${formatShape(this.shape)}, not one element`);
      return (await this.data())[0]!;
    };
    return reading(only());
  }

  /**
   * Adds the gradient of this tensor by every leaf it depends on to their `grad`, and frees the graph on the way.
   * @param gradient of some scalar by this tensor; 1 for a scalar by default. Borrowed.
   * @throws {ArgumentError} when there is nothing to differentiate, or the shapes differ.
   */
  backward(gradient?: Tensor): void {
    this.requireAlive('backward');
    if (gradient !== undefined && !(gradient instanceof Tensor))
      throw wrongArgument('backward', 'gradient', gradient, 'a Tensor');
    const edge = this.gradEdge();
    if (!edge)
      throw new ArgumentError(
        'backward: nothing here requires a gradient; set requiresGrad on a leaf before',
      );
    if (!gradient && this.size !== 1)
      throw new ArgumentError(
        `backward: the tensor is ${formatShape(this.shape)}, not a scalar; pass its gradient`,
      );
    if (gradient && describe(gradient) !== describe(this))
      throw new ArgumentError(`backward: the gradient is ${describe(gradient)}, expected ${describe(this)}`);
    if (gradient && gradient.device !== this.device) {
      const names = `${gradient.device.name}, the tensor on ${this.device.name}`;
      throw new DeviceError(`backward: the gradient is on ${names}; move it with to() first`);
    }
    walk<Tensor>(edge, gradient ? gradient.alias('backward') : onesLike(this), addConsuming);
  }

  /**
   * Has a function told of the gradient of this tensor in each `backward()`, once it is complete: for logging. Of a leaf,
   * in passes forward that begin after this call; else of this result, whose own passes these are.
   * @param hook runs off the tape and in a scope; the gradient is borrowed @returns what ends it
   * @throws {ArgumentError} for a tensor that requires no gradient
   */
  onGradient(hook: (gradient: Tensor) => unknown): () => void {
    this.requireAlive('onGradient');
    requireFunction('onGradient', 'hook', hook);
    if (this.isLeaf && this.leaf) this.leafEdge ??= this.newLeafEdge();
    const edge = this.gradEdge();
    if (!edge)
      throw new ArgumentError(
        'onGradient: no gradient flows through this tensor; set requiresGrad on a leaf',
      );
    return edge.node.observe(edge.index, hook);
  }

  /** @throws {ArgumentError} where JavaScript wants a number: `x + 1` and `x > 0` would be nonsense, not element-wise. */
  [Symbol.toPrimitive](hint: string): string {
    if (hint === 'string') return this.toString();
    throw new ArgumentError(
      `${this.toString()} isn't a number: use add(), gt() and the like, or await x.item() for the only element`,
    );
  }

  /** What it is and, once read, its elements: of more than a thousand the first six. */
  override toString(): string {
    const state = this.disposed ? ', disposed' : this.requiresGrad ? ', requires grad' : '';
    const what = `Tensor(${describe(this)}, ${this.device.name}${state})`;
    // The elements as they were read last, unless they were written over since.
    if (this.disposed || this.seen?.version !== this.version) return what;
    const { data } = this.seen;
    if (data.length === this.size) return `${what}\n${formatElements(data, this.shape)}`;
    return `${what}\n${formatElements(data.subarray(0, 6), [6]).replace(/\]$/, ', ..]')}`;
  }

  /** What Node prints of a tensor. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }

  /** Where gradients of this tensor go: its op's node, or for a leaf a node that adds to `grad`; null for neither. @internal */
  gradEdge(): Edge<Tensor> | null {
    if (!this.edge && this.leaf) return this.leafEdge ?? this.newLeafEdge();
    return this.edge;
  }

  private newLeafEdge(): Edge<Tensor> {
    return leafEdge<Tensor>(this, (grad) => {
      if (this.disposed) return;
      const own = grad.detach();
      this.grad = keep(this.grad ? addConsuming(this.grad, own) : own);
    });
  }

  /** Makes this tensor output `index` of `node`. @internal */
  attach(node: Node<Tensor>, index: number): void {
    node.retain();
    this.edge = { node, index };
  }
}

/** A dense copy of any view. */
export function denseCopy(op: string, x: Tensor): Tensor {
  x.requireAlive(op);
  return fill(op, Tensor.empty(op, x.device, x.shape, x.dtype), e.input(0), x);
}

/** Overwrites a tensor by an expression of others of its shape. Returns it. */
function fill(op: string, out: Tensor, expr: Expr, ...inputs: readonly Tensor[]): Tensor {
  const args = { shape: out.shape, params: [], draw: null, integers: isIntegerType(out.dtype) };
  const views = { inputs: inputs.map((x) => x.view(op)), outputs: [out.view(op)] };
  out.device.run('map', { ...args, exprs: [expr], ...views });
  return out;
}

function onesLike(x: Tensor): Tensor {
  return fill('backward', Tensor.empty('backward', x.device, x.shape, x.dtype), e.constant(1));
}

const total = e.add(e.input(0), e.input(1));

/** a + b, written over a where nothing else uses a's storage; disposes of a and b, but for the tensor returned. */
function addConsuming(a: Tensor, b: Tensor): Tensor {
  const out = a.exclusive && a.contiguous ? a : Tensor.empty('backward', a.device, a.shape, a.dtype);
  fill('backward', out, total, a, b);
  if (out !== a) a.dispose();
  b.dispose();
  return out;
}
