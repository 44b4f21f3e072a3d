/**
 * The books of a WebGPU device that doesn't run (../dry.ts): its account over buffers that aren't there, and its
 * kernels recorded for no queue. No adapter is needed.
 */
import type { KernelName, Kernels, MemoryStats } from '../../../core/backend.js';
import type { BufferId, DType } from '../../../core/shape.js';
import type { Books, DryOptions } from '../../kind.js';
import { kernels } from '../kernels/index.js';
import { usualPerByte } from '../kernels/matmul/forms.js';
import { Buffers } from './buffers.js';
import { webGpuDTypes } from './device.js';
import type { Program } from './pipelines.js';
import { Recorder } from './recorder.js';
import { Windows } from './windows.js';

/** A buffer of no bytes. */
export class NoBuffer implements GPUBuffer {
  readonly __brand = 'GPUBuffer';
  readonly mapState = 'unmapped';
  label = '';

  constructor(
    readonly size: number,
    readonly usage: number,
  ) {}

  mapAsync(): Promise<undefined> {
    return Promise.reject(new Error('a dry device has nothing to map'));
  }

  getMappedRange(): ArrayBuffer {
    throw new Error('a dry device has nothing to map');
  }

  unmap(): undefined {}

  destroy(): undefined {}
}

/** A WebGPU device's account. */
export class WebGpuBooks implements Books {
  readonly dtypes: ReadonlySet<DType> = webGpuDTypes;
  private readonly buffers: Buffers;
  private readonly recorder: Recorder;
  private dispatches = 0;

  constructor(name: string, { memoryLimit = Number.POSITIVE_INFINITY, tiles = 'shared' }: DryOptions) {
    const nowhere = {
      createBuffer: ({ size, usage }: GPUBufferDescriptor): GPUBuffer => new NoBuffer(size, usage),
    };
    const limits = { budget: memoryLimit, largest: Number.POSITIVE_INFINITY };
    this.buffers = new Buffers(nowhere, name, limits, () => 0);
    const program: Program = {
      pipeline: null,
      access: '',
      layout: null,
      failed: false,
      ready: Promise.resolve(),
    };
    const dispatch = (): void => {
      this.dispatches++;
    };
    const queue = { dispatch, write: () => {}, copy: () => 0 };
    const windows = new Windows(this.buffers, Number.POSITIVE_INFINITY, name);
    this.recorder = new Recorder(this.buffers, windows, { get: () => program }, queue, {
      tiles,
      vendor: '',
      lanes: 0,
      times: {},
      perByte: usualPerByte,
    });
  }

  alloc(bytes: number, op: string): BufferId {
    return this.buffers.alloc(bytes, op);
  }

  free(buffer: BufferId): void {
    this.buffers.free(buffer);
  }

  launch<K extends KernelName>(kernel: K, args: Kernels[K]): number {
    const before = this.dispatches;
    this.recorder.op = kernel;
    kernels[kernel](this.recorder, args);
    return this.dispatches - before;
  }

  memory(): MemoryStats {
    return this.buffers.stats();
  }
}
