/**
 * Buffers, counted: the last handle that looks at one gives it back. A tensor is a handle that also knows of the tape
 * (tensor.ts).
 *
 * What is marked internal is for ops and kernels alone; the published types leave it out.
 */
import type { Device } from './device.js';
import { DisposedError, TandemError } from './errors.js';
import type { BufferId, DType, Shape, View } from './shape.js';
import { formatShape, isContiguous, sizeOf } from './shape.js';

/** A device buffer and the number of handles that look at it. @internal */
export class Storage {
  /** What messages call the tensors that look at it, '' for no name. */
  name = '';
  /** How often its elements were written over, and the op that did it last. */
  version = 0;
  writer = '';
  private references = 0;

  constructor(
    readonly device: Device,
    readonly buffer: BufferId,
  ) {}

  retain(): void {
    this.references++;
  }

  release(): void {
    if (--this.references === 0) this.device.free(this.buffer);
  }

  get exclusive(): boolean {
    return this.references === 1;
  }
}

/** Shape and dtype as messages name them: `2x3 float32`. */
export function describe(x: { readonly shape: Shape; readonly dtype: DType }): string {
  return `${formatShape(x.shape)} ${x.dtype}`;
}

/** Elements on a device, and whether they are still held. */
export abstract class Handle {
  readonly device: Device;
  readonly dtype: DType;
  readonly shape: Shape;
  private storage: Storage | null;

  /** @internal */
  protected constructor(
    storage: Storage,
    private readonly place: View,
  ) {
    this.storage = storage;
    this.device = storage.device;
    this.dtype = place.dtype;
    this.shape = place.shape;
    storage.retain();
  }

  /** What messages call this tensor and its views: the path of a module's parameter, '' for no name. */
  get name(): string {
    return this.storage?.name ?? '';
  }

  set name(name: string) {
    this.held('name').name = name;
  }

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.shape);
  }

  /** Whether `dispose()` was called. */
  get disposed(): boolean {
    return this.storage === null;
  }

  /** Whether the elements lie densely in row-major order. */
  get contiguous(): boolean {
    return isContiguous(this.place);
  }

  /** For ops, before they take memory for a result. @throws {DisposedError} naming `op`, after `dispose()` @internal */
  requireAlive(op: string): void {
    this.held(op);
  }

  /** Where the elements lie, for kernels. @throws {DisposedError} naming `op` @internal */
  view(op: string): View {
    this.held(op);
    return this.place;
  }

  /** Notes that `op` writes over the elements: a gradient that still needs the old ones is an error from now on. @internal */
  overwrite(op: string): void {
    const storage = this.held(op);
    storage.version++;
    storage.writer = op;
  }

  /** How often the elements were written over, through whatever view. @internal */
  get version(): number {
    return this.storage?.version ?? 0;
  }

  /** @throws {TandemError} where the elements aren't those of `version` any more, which `op`'s gradient needs @internal */
  requireVersion(version: number, op: string): void {
    const storage = this.held(op);
    if (storage.version === version) return;
    const who = storage.name ? `${storage.name} (${describe(this)})` : `a ${describe(this)} tensor`;
    throw new TandemError(
      `backward: the gradient of ${op} needs ${who} as it was in the forward pass, but ${storage.writer} changed it ` +
        'in between; call backward() before changing it, or run the forward pass again',
    );
  }

  /** Whether no other tensor looks at the same buffer. @internal */
  get exclusive(): boolean {
    return this.storage?.exclusive ?? false;
  }

  /** Gives the elements back. @internal */
  protected release(): void {
    this.storage?.release();
    this.storage = null;
  }

  /** @throws {DisposedError} naming `op`, after `dispose()` @internal */
  protected held(op: string): Storage {
    if (this.storage) return this.storage;
    throw new DisposedError(
      `${op}: this ${describe(this)} tensor was disposed of; keep() it, return it from its scope, or use it before`,
    );
  }
}
