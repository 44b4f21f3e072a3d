/**
 * Devices that keep the books and compute nothing: what a program would allocate, multiply and send across, without
 * the hours or the hardware that running it would take.
 *
 * A dry device shares its kind's own account of memory and its own kernels up to the point where work would be
 * enqueued, so it counts padded and packed temporaries, tables, and rounded sizes as the real one does. Whatever is
 * read from it is zeros.
 */
import {
  type Backend,
  type KernelName,
  type Kernels,
  kernelTable,
  type MemoryStats,
} from '../core/backend.js';
import { costOf } from '../core/cost.js';
import { Device } from '../core/device.js';
import { type BufferId, type DType, makeArray, sizeOf } from '../core/shape.js';
import type { DeviceName } from './open.js';

/** What a kind of device contributes: its account, and what each kernel asks of it. */
export interface Books {
  readonly dtypes: ReadonlySet<DType>;
  alloc(bytes: number, op: string): BufferId;
  free(buffer: BufferId): void;
  /** Allocates and frees what enqueueing the kernel would. */
  launch<K extends KernelName>(kernel: K, args: Kernels[K]): void;
  memory(): MemoryStats;
}

/** Work that was asked for. */
export interface Tally {
  /** Floating-point operations of all kernels; a multiply-add counts as two. */
  readonly flops: number;
  /** Multiply-adds of matrix products and convolutions. */
  readonly macs: number;
  /** Number of kernels. */
  readonly kernels: number;
}

/** A device that computes nothing, and what was asked of it so far. */
export interface DryDevice {
  readonly device: Device;
  tally(): Tally;
}

/** Options of a dry device. */
export interface DryOptions {
  /** Bytes its tensors may take; beyond it OutOfMemoryError is thrown as a real device would. Default: no limit. */
  readonly memoryLimit?: number;
  /** CPU: threads, which pack operands into memory of their own. Default 1. */
  readonly threads?: number;
}

const products: ReadonlySet<KernelName> = new Set([
  'matmul',
  'conv2d',
  'conv2dInputGrad',
  'conv2dWeightGrad',
]);

/** Opens a dry device: `await openDryDevice('webgpu:0')`. */
export async function openDryDevice(name: DeviceName, options: DryOptions = {}): Promise<DryDevice> {
  const kind = name.startsWith('cpu') ? 'cpu' : 'webgpu';
  const books =
    kind === 'cpu'
      ? new (await import('./cpu/dry.js')).CpuBooks(name, options)
      : new (await import('./webgpu/dry.js')).WebGpuBooks(name, options);
  const tally = { flops: 0, macs: 0, kernels: 0 };
  const backend: Backend = {
    kind,
    description: `dry run of a ${kind} device`,
    dtypes: books.dtypes,
    kernels: kernelTable((kernel, args) => {
      const { flops } = costOf(kernel, args);
      tally.flops += flops;
      if (products.has(kernel)) tally.macs += flops / 2;
      tally.kernels++;
      books.launch(kernel, args);
    }),
    alloc: (bytes, op) => books.alloc(bytes, op),
    upload: (data, op) => books.alloc(data.byteLength, op),
    free: (buffer) => books.free(buffer),
    read: async (view) => makeArray(view.dtype, sizeOf(view.shape)),
    sync: async () => {},
    compile: async () => {},
    memory: () => books.memory(),
    startProfile: () => {},
    stopProfile: async () => [],
    close: async () => {},
  };
  return { device: new Device(name, backend), tally: () => ({ ...tally }) };
}
