/**
 * What a kind of backend contributes to the registry: how to open a device, and how to keep the books of one that
 * doesn't run.
 */
import type { Backend, KernelName, Kernels, MemoryStats } from '../core/backend.js';
import type { BufferId, DType } from '../core/shape.js';

/** Options of a dry device. */
export interface DryOptions {
  /** Bytes its tensors may take; beyond it OutOfMemoryError is thrown as a real device would. Default: no limit. */
  readonly memoryLimit?: number;
  /** CPU: threads, which pack operands into memory of their own. Default 1. */
  readonly threads?: number;
  /** WebGPU: 'direct' for the account of a software driver. Default 'shared', as on GPUs. */
  readonly tiles?: 'direct' | 'shared';
}

/** The books of a device that computes nothing: its account of memory, and what each kernel asks of it. */
export interface Books {
  readonly dtypes: ReadonlySet<DType>;
  alloc(bytes: number, op: string): BufferId;
  free(buffer: BufferId): void;
  /** Allocates and frees what enqueueing the kernel would; returns the number of commands or dispatches. */
  launch<K extends KernelName>(kernel: K, args: Kernels[K]): number;
  memory(): MemoryStats;
}

/** A kind of backend: `cpu/index.ts`, `webgpu/index.ts`. `Options` are those of `openDevice`. */
export interface BackendKind<Options> {
  /** Opens the device of that name: 'cpu:0'. */
  open(name: string, options: Options): Promise<Backend>;
  /** The books of a device of that name which doesn't run. */
  openBooks(name: string, options: DryOptions): Books;
}
