/**
 * How a fast CPU kernel is written down: as a plan.
 *
 * A plan turns a kernel's arguments into a few commands. A command names one exported function of an emitted
 * WebAssembly module and its int32 words; every thread of the device's team runs it as
 * `fn(address of the words, thread, threads)` and takes its share of the work by thread number. A barrier follows
 * each command, so the next one sees all that was written. The device owns queue, memory and threads (runtime/);
 * plans (kernels/<family>/plan.ts) only decide what runs, and emitters (code.ts beside them) how.
 */
import type { KernelName, Kernels } from '../../core/backend.js';
import { bytesPerElement, type View } from '../../core/shape.js';

/** What the emitted code may use. */
export interface Features {
  /** Whether the device's memory is shared between threads; without it there is one thread, the caller. */
  readonly shared: boolean;
  /** Relaxed SIMD: multiply-adds in one instruction, whose rounding depends on the machine. */
  readonly relaxed: boolean;
  /** Whether the engine makes one 256-bit instruction of two equal ones on neighbouring vectors (runtime/wide.ts). */
  readonly wide: boolean;
  /** Columns of the register tile of products: what measured best here. */
  readonly tileColumns: 8 | 16;
}

/** A WebAssembly module of kernels, importing `env.memory` (shared, as emitted); emitted at its first use. */
export interface KernelModule {
  /** Tells modules apart; the same key means the same code. */
  readonly key: string;
  emit(features: Features): Uint8Array<ArrayBuffer>;
}

/** What a plan may ask of the device. All addresses are in bytes; memory is aligned to 64. */
export interface Planner {
  readonly threads: number;
  readonly features: Features;
  /** Whether convolutions may take Winograd's method. */
  readonly winograd: boolean;
  /**
   * Enqueues `fn` of `module` with `words` (int32; `floatBits` for floats) on every thread, and a barrier; with
   * `alone` on one thread as `fn(address, 0, 1)`, for work of a few microseconds, too little to wake the other threads for.
   */
  run(module: KernelModule, fn: string, words: readonly number[], alone?: boolean): void;
  /** Memory with unspecified contents, the plan's own until its last command has run. */
  temporary(bytes: number): number;
  /** A constant table, made once for `key` and kept while the device is open. */
  table(key: string, make: () => Int32Array): number;
}

/** Enqueues a kernel's commands; false when it doesn't cover these arguments, so that the plain loop runs. */
export type Plan<K extends KernelName> = (args: Kernels[K], planner: Planner) => boolean;

/** The plans there are; kernels without one run as plain loops. */
export type PlanTable = { readonly [K in KernelName]?: Plan<K> };

/** The address of a view's first element. */
export function addressOf(view: View): number {
  return view.buffer + view.offset * bytesPerElement[view.dtype];
}

const float = new Float32Array(1);
const bits = new Int32Array(float.buffer);

/** A float32 number's bits, to pass it as a word. */
export function floatBits(value: number): number {
  float[0] = value;
  return bits[0]!;
}
