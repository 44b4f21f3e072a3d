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
import { ArgumentError, DeviceError, TandemError } from './errors.js';
import { e } from './expr.js';
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
  holds,
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
  /**
   * Accumulated gradient of a leaf that `requiresGrad`, null before the first `backward()`. It is disposed of with the
   * leaf; set to null, it is the caller's to dispose of.
   */
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

  /**
   * A new dense tensor with unspecified contents. `op` is who asks, for messages.
   * @throws {OutOfMemoryError} @internal
   */
  static empty(op: string, device: Device, shape: Shape, dtype: DType = 'float32'): Tensor {
    checkShape(op, shape);
    const buffer = device.alloc(sizeOf(shape) * bytesPerElement[dtype], dtype, op);
    return Tensor.of(op, device, buffer, dtype, shape);
  }

  /** A new tensor holding a copy of `data`, row-major. @throws {ArgumentError} when the sizes differ @internal */
  static from(op: string, device: Device, data: TypedArray, shape: Shape): Tensor {
    checkShape(op, shape);
    if (data.length !== sizeOf(shape)) {
      throw new ArgumentError(`${op}: ${data.length} numbers don't fill a tensor of ${formatShape(shape)}`);
    }
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
    return new Tensor(storage, dense(buffer, dtype, shape));
  }

  /** Whether `backward()` computes a gradient through this tensor. */
  get requiresGrad(): boolean {
    return this.leaf || this.edge !== null;
  }

  /** Marks a leaf as one that gathers `grad`. @throws {ArgumentError} on a tensor that an op computed */
  set requiresGrad(value: boolean) {
    if (this.edge) {
      throw new ArgumentError('requiresGrad: only a leaf can be marked; use detach() to make one');
    }
    if (value && this.dtype !== 'float32' && this.dtype !== 'float64') {
      throw new ArgumentError(
        `requiresGrad: ${this.dtype} tensors have no gradient; cast() to float32 first`,
      );
    }
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

  /**
   * A copy of the elements in row-major order, once computed.
   */
  data(): Promise<TypedArray>;
  /**
   * The same, typed by dtype.
   * @param dtype the tensor's own
   * @throws {ArgumentError} when the tensor is of another dtype
   */
  data<D extends DType>(dtype: D): Promise<ArrayOf[D]>;
  data(dtype: DType = this.dtype): Promise<TypedArray> {
    return reading(this.readAs(dtype));
  }

  /** The elements as nested arrays: a number for a scalar, `[[1, 2], [3, 4]]` for a matrix. */
  array(): Promise<NestedArray> {
    return reading(this.data().then((data) => nest(data, this.shape)));
  }

  private async readAs<D extends DType>(dtype: D): Promise<ArrayOf[D]> {
    if (dtype !== this.dtype) {
      throw new ArgumentError(`data: the tensor is ${this.dtype}, not ${dtype}; use cast() first`);
    }
    const version = this.version;
    const data = await this.readElements();
    if (!holds(dtype, data)) throw new TandemError(`data: ${this.device.name} gave ${dtypeOf(data)}`);
    this.seen = { version, data: data.slice(0, mostPrinted) };
    return data;
  }

  private async readElements(): Promise<TypedArray> {
    if (this.contiguous) return this.device.read(this.view('data'), 'data');
    const copy = denseCopy('data', this);
    try {
      return await this.device.read(copy.view('data'), 'data');
    } finally {
      copy.dispose();
    }
  }

  /** The only element. @throws {ArgumentError} when there are more */
  item(): Promise<number> {
    return reading(this.readOnly());
  }

  private async readOnly(): Promise<number> {
    if (this.size !== 1)
      throw new ArgumentError(`item: the tensor is ${formatShape(this.shape)}, not one element`);
    const [value = Number.NaN] = await this.data();
    return value;
  }

  /**
   * Computes the gradient of this tensor by every leaf it depends on and adds it to their `grad`. The graph is freed
   * on the way: saved activations go as soon as they were used.
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
    if (!gradient && this.size !== 1) {
      throw new ArgumentError(
        `backward: the tensor is ${formatShape(this.shape)}, not a scalar; pass its gradient`,
      );
    }
    if (gradient && describe(gradient) !== describe(this)) {
      throw new ArgumentError(`backward: the gradient is ${describe(gradient)}, expected ${describe(this)}`);
    }
    if (gradient && gradient.device !== this.device) {
      const names = `${gradient.device.name}, the tensor on ${this.device.name}`;
      throw new DeviceError(`backward: the gradient is on ${names}; move it with to() first`);
    }
    walk<Tensor>(edge, gradient ? gradient.alias('backward') : onesLike(this), addConsuming);
  }

  /**
   * Has a function told of the gradient of this tensor in each `backward()`, once it is complete: for logging. Of a leaf,
   * in passes forward that begin after this call; else of this result, whose own passes these are.
   * @param hook runs off the tape and in a scope; the gradient is borrowed, and what the hook gives is ignored
   * @returns what ends it
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
    return `Tensor(${describe(this)}, ${this.device.name}${state})${this.elementsText()}`;
  }

  /** The elements as they were read last, unless they were written over since. */
  private elementsText(): string {
    if (this.disposed || this.seen?.version !== this.version) return '';
    const { data } = this.seen;
    if (data.length === this.size) return `\n${formatElements(data, this.shape)}`;
    return `\n${formatElements(data.subarray(0, 6), [6]).replace(/\]$/, ', ..]')}`;
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
    return leafEdge<Tensor>(this, (grad) => this.accumulate(grad));
  }

  /** Makes this tensor output `index` of `node`. @internal */
  attach(node: Node<Tensor>, index: number): void {
    node.retain();
    this.edge = { node, index };
  }

  private accumulate(grad: Tensor): void {
    if (this.disposed) return;
    const sum = this.grad ? addConsuming(this.grad, grad.detach()) : grad.detach();
    this.grad = keep(sum);
  }
}

function dense(buffer: BufferId, dtype: DType, shape: Shape): View {
  return { buffer, dtype, shape: [...shape], strides: contiguousStrides(shape), offset: 0 };
}

/** A dense copy of any view. */
export function denseCopy(op: string, x: Tensor): Tensor {
  x.requireAlive(op);
  const out = Tensor.empty(op, x.device, x.shape, x.dtype);
  const args = { shape: x.shape, params: [], draw: null, integers: isIntegerType(x.dtype) };
  x.device.run('map', { ...args, exprs: [e.input(0)], inputs: [x.view(op)], outputs: [out.view(op)] });
  return out;
}

function onesLike(x: Tensor): Tensor {
  const out = Tensor.empty('backward', x.device, x.shape, x.dtype);
  const args = { shape: x.shape, inputs: [], params: [], draw: null };
  x.device.run('map', { ...args, exprs: [e.constant(1)], outputs: [out.view('backward')] });
  return out;
}

/** a + b, written over a where nothing else uses a's storage; disposes of a and b, but for the tensor returned. */
function addConsuming(a: Tensor, b: Tensor): Tensor {
  const op = 'backward';
  const out = a.exclusive && a.contiguous ? a : Tensor.empty(op, a.device, a.shape, a.dtype);
  const args = { shape: a.shape, params: [], draw: null, exprs: [e.add(e.input(0), e.input(1))] };
  a.device.run('map', { ...args, inputs: [a.view(op), b.view(op)], outputs: [out.view(op)] });
  if (out !== a) a.dispose();
  b.dispose();
  return out;
}
