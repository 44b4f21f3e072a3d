/**
 * A device: a name, a queue of kernels, and the memory they work on.
 *
 * Devices are values: `openDevice` (backends/open.ts) makes as many as wanted, and there is no current one. Work is
 * enqueued in order and runs on its own, so two devices compute at the same time, and wait for each other's tensors
 * where these cross; the caller waits for `sync` and for reading data alone.
 */
import { requireBoolean, wrongArgument } from './arguments.js';
import type { Arrived, Backend, KernelName, Kernels, KernelTime, MemoryStats } from './backend.js';
import { ArgumentError, DeviceError } from './errors.js';
import type { BufferId, DType, Shape, TypedArray, View } from './shape.js';
import { bytesPerElement, formatShape, sizeOf } from './shape.js';
import { trace } from './trace.js';

/** One opened device. */
export class Device {
  private closed = false;
  /** Made since they are kept account of; null: they aren't. */
  private live: Map<BufferId, LiveTensor> | null = null;

  /** @param name as given to `openDevice`: 'cpu:0' */
  constructor(
    readonly name: string,
    private readonly backend: Backend,
  ) {}

  /** 'cpu' or 'webgpu'. */
  get kind(): string {
    return this.backend.kind;
  }

  /** What it is, for people: threads and SIMD features of a CPU, the adapter's name of a GPU. */
  get description(): string {
    return this.backend.description;
  }

  /** Bytes live, pooled and at the peak, and the number of live buffers. */
  memory(): MemoryStats {
    return this.backend.memory();
  }

  /** Starts (or, with false, ends) looking at the call stack of each new tensor, for `liveTensors`. Returns whether it did. */
  trackTensors(on = true): boolean {
    requireBoolean('trackTensors', 'on', on);
    const before = this.live;
    this.live = on ? (before ?? new Map()) : null;
    return before !== null;
  }

  /** The live tensors made since `trackTensors()`, oldest first; their texts are a leak report. @throws {ArgumentError} before it */
  liveTensors(): LiveTensor[] {
    if (this.live) return [...this.live.values()];
    throw new ArgumentError(`liveTensors: ${this.name} keeps no account of them; call trackTensors() before`);
  }

  /** Resolves when everything enqueued so far has run. @throws what went wrong on the way. */
  async sync(): Promise<void> {
    await this.open('sync').sync();
  }

  /** Compiles what the enqueued kernels need (WebGPU pipelines, in parallel) before they run. */
  async compile(): Promise<void> {
    await this.open('compile').compile();
  }

  /** Starts noting the time each kernel takes. */
  startProfile(): void {
    this.open('startProfile').startProfile();
  }

  /** Ends the profile; kernels in the order they ran. */
  async stopProfile(): Promise<KernelTime[]> {
    return this.open('stopProfile').stopProfile();
  }

  /** Waits for the enqueued work and frees everything. The device and its tensors can't be used again. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await this.backend.close();
  }

  /** Enqueues a kernel, of which the op checked the arguments. @throws {DeviceError} after `close()` @internal */
  run<K extends KernelName>(kernel: K, args: Kernels[K]): void {
    this.open(kernel).kernels[kernel](args);
  }

  /** A buffer with unspecified contents. @throws {OutOfMemoryError | ArgumentError} where it lacks memory or dtype @internal */
  alloc(bytes: number, dtype: DType, op: string): BufferId {
    this.requireDType(dtype, op);
    return this.open(op).alloc(bytes, op);
  }

  /** A buffer holding a copy of `data`. @throws {OutOfMemoryError | ArgumentError} where it lacks memory or dtype @internal */
  upload(data: TypedArray, dtype: DType, op: string): BufferId {
    this.requireDType(dtype, op);
    return this.open(op).upload(data, op);
  }

  /**
   * As `Backend.copyFrom`, by way of the host where need be. What goes wrong on the way is thrown by the next await of
   * either device. @throws {OutOfMemoryError} @throws {ArgumentError} for a dtype it lacks @internal
   */
  receive(source: Device, view: View, op: string, arrived: Arrived): BufferId {
    this.requireDType(view.dtype, op);
    const [from, to] = [source.open(op), this.open(op)];
    const copy = to.copyFrom(from, view, op, arrived);
    if (copy !== null) return copy;
    const start = performance.now();
    const data = from.read(view).then((elements) => {
      arrived(start, performance.now() - start);
      return elements;
    });
    data.catch((error: unknown) => {
      if (error instanceof Error) from.fail(error);
    });
    return to.uploadLater(data, sizeOf(view.shape) * bytesPerElement[view.dtype], op);
  }

  /** Notes the tensor that a new buffer was made for, where account is kept. @internal */
  note(op: string, shape: Shape, dtype: DType, storage: { readonly buffer: BufferId; name: string }): void {
    this.live?.set(storage.buffer, new LiveTensor(op, shape, dtype, storage));
  }

  /** Gives a buffer back; does nothing once the device is closed. @internal */
  free(buffer: BufferId): void {
    this.live?.delete(buffer);
    if (!this.closed) this.backend.free(buffer);
  }

  /** What works for the device, while it does. @throws {DeviceError} naming `op`, after `close()` @internal */
  open(op: string): Backend {
    if (this.closed)
      throw new DeviceError(`${op}: device ${this.name} was closed; open it again and make its tensors anew`);
    return this.backend;
  }

  private requireDType(dtype: DType, op: string): void {
    if (this.backend.dtypes.has(dtype)) return;
    const known = [...this.backend.dtypes].join(', ');
    throw new ArgumentError(
      `${op}: ${this.name} has no ${dtype} tensors, only ${known}; use a cpu device for ${dtype}`,
    );
  }
}

/** @throws {ArgumentError} naming `op` unless the value is a device. */
export function requireDevice(op: string, value: unknown): asserts value is Device {
  if (!(value instanceof Device))
    throw wrongArgument(op, 'device', value, 'a Device', "await openDevice('cpu:0') gives one");
}

/** A tensor whose elements a device holds; views of it are the same one. */
export class LiveTensor {
  readonly bytes: number;
  /** The layer it was made in, '' outside layers. */
  readonly layer = trace.layer;
  /** File, line and column of the call into this library that made it. */
  readonly place = callerPlace();

  constructor(
    readonly op: string,
    readonly shape: Shape,
    readonly dtype: DType,
    private readonly named: { readonly name: string },
  ) {
    this.bytes = sizeOf(shape) * bytesPerElement[dtype];
  }

  /** The path of a parameter or buffer, '' for no name. */
  get name(): string {
    return this.named.name;
  }

  toString(): string {
    const name = this.name && ` ${this.name}`;
    const layer = this.layer && ` in ${this.layer}`;
    return `${this.op}${name} ${formatShape(this.shape)} ${this.dtype}, ${this.bytes} bytes${layer}, made at ${this.place}`;
  }
}

/** Where this library's files lie: as compiled, and as a debugger with source maps names them. */
const compiled = import.meta.url.replace(/core\/[^/]*$/, '');
const library = [compiled, compiled.replace(/\/dist\/src\/$/, '/src/')];

/** The innermost place of the call stack outside this library; the innermost of all where there is none. */
function callerPlace(): string {
  const usual = Error.stackTraceLimit;
  Error.stackTraceLimit = 100;
  const stack = new Error().stack ?? '';
  Error.stackTraceLimit = usual;
  const places = [...stack.matchAll(/([^\s(@]+:\d+:\d+)\)?$/gm)].map(([, place = '']) => place);
  return places.find((place) => !library.some((root) => place.startsWith(root))) ?? places[0] ?? 'unknown';
}
