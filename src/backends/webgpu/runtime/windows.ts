/**
 * Which stretch of a buffer a kernel sees.
 *
 * WebGPU bounds what one binding may show (`maxStorageBufferBindingSize`, 128 MiB on many adapters), while a buffer may
 * be larger: AlexNet's fc6 has 151 MB of weights. Of a larger buffer a kernel is given the stretch that its views span,
 * and kernels cut their work (kernels/cuts.ts) until stretches are small enough.
 */
import { OutOfMemoryError } from '../../../core/errors.js';
import { bytesPerElement, formatShape, type View } from '../../../core/shape.js';
import type { Buffers } from './buffers.js';

/** Bytes of a buffer from `offset` on. */
interface Window {
  readonly offset: number;
  readonly bytes: number;
}

/** Where bindings may begin (WebGPU's default limit); at most so much is bound on either side of a view. */
const alignment = 256;

/** The stretches of one device's buffers. */
export class Windows {
  /**
   * @param limit bytes that a binding may have
   * @param name the device's, for messages
   */
  constructor(
    private readonly buffers: Pick<Buffers, 'get'>,
    private readonly limit: number,
    private readonly name: string,
  ) {}

  /** Bytes that views may span, wherever they begin. */
  get room(): number {
    return this.limit - 2 * alignment;
  }

  /** Whether views of one buffer can be bound together. */
  fit(views: readonly View[]): boolean {
    return this.stretch(views).bytes <= this.limit;
  }

  /**
   * What to bind of the one buffer that all the views are of.
   * @throws {OutOfMemoryError} when it is more than a kernel may see
   */
  of(views: readonly View[], op: string): Window {
    const stretch = this.stretch(views);
    if (stretch.bytes > this.limit) {
      const shapes = views.map(({ shape }) => formatShape(shape)).join(', ');
      throw new OutOfMemoryError(
        `${op}: ${shapes} spans ${stretch.bytes} bytes, and ${this.name} shows a kernel at most ${this.limit} of one buffer (maxStorageBufferBindingSize); use smaller batches, split the tensor into smaller ones, spread the layer over more devices, or use an adapter that allows more`,
      );
    }
    return stretch;
  }

  /** The whole buffer where that may be bound, else from the first to the last byte of the views. */
  private stretch(views: readonly View[]): Window {
    const whole = this.buffers.get(views[0]!.buffer).bytes;
    if (whole <= this.limit) return { offset: 0, bytes: whole };
    let [first, last] = [Number.POSITIVE_INFINITY, 0];
    for (const { shape, strides, offset, dtype } of views) {
      if (shape.includes(0)) continue;
      const steps = shape.map((n, axis) => (n - 1) * strides[axis]!);
      const reach = (pick: (step: number) => number): number =>
        (offset + steps.reduce((sum, step) => sum + pick(step), 0)) * bytesPerElement[dtype];
      first = Math.min(
        first,
        reach((step) => Math.min(0, step)),
      );
      last = Math.max(last, reach((step) => Math.max(0, step)) + bytesPerElement[dtype]);
    }
    const start = Math.min(Math.floor(first / alignment) * alignment, whole - alignment);
    const end = Math.min(Math.ceil(last / alignment) * alignment, whole);
    return { offset: start, bytes: Math.max(end - start, alignment) };
  }
}
