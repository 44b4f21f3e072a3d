/**
 * A device in miniature for testing plans: commands run at once, thread after thread, in a memory whose blocks lie
 * between guards, so that a kernel that writes outside its output is found out.
 */
import * as assert from 'uvu/assert';
import type { LoopView } from '../../../src/backends/cpu/kernels/loops.js';
import type { Features, KernelModule, Planner } from '../../../src/backends/cpu/plan.js';
import { enableRelaxedSimd } from '../../../src/backends/cpu/runtime/features.js';
import { enableWideSimd, narrow } from '../../../src/backends/cpu/runtime/wide.js';
import {
  bytesPerElement,
  contiguousStrides,
  dtypeOf,
  type Shape,
  type TypedArray,
  type View,
} from '../../../src/core/shape.js';

const guard = 64;
const guardByte = 0xa5;
const firstBlock = 4096;
const bytesPerPage = 65536;

const modules = new Map<string, WebAssembly.Module>();

/** The compiled module, emitted once for all planners. */
function compiled(module: KernelModule, features: Features): WebAssembly.Module {
  const key = `${module.key} ${JSON.stringify(features)}`;
  let result = modules.get(key);
  if (result === undefined) {
    result = new WebAssembly.Module(module.emit(features));
    modules.set(key, result);
  }
  return result;
}

/** 128-bit vectors, and no relaxed SIMD. */
export const plainSimd: Features = { shared: true, relaxed: false, ...narrow };

/** Runs plans' commands as soon as they are enqueued. */
export class TestPlanner implements Planner {
  /** Grows with what is stored, so that no drawn shape is too large. */
  private readonly memory = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true });
  private readonly instances = new Map<string, WebAssembly.Instance>();
  private readonly tables = new Map<string, number>();
  private readonly blocks: { address: number; bytes: number }[] = [];
  private top = firstBlock;
  /** Number of commands run so far. */
  commands = 0;

  constructor(
    readonly threads: number,
    readonly features: Features = plainSimd,
    readonly winograd = true,
  ) {}

  run(module: KernelModule, fn: string, words: readonly number[], alone = false): void {
    let instance = this.instances.get(module.key);
    if (instance === undefined) {
      instance = new WebAssembly.Instance(compiled(module, this.features), { env: { memory: this.memory } });
      this.instances.set(module.key, instance);
    }
    new Int32Array(this.memory.buffer).set(words);
    const run = instance.exports[fn];
    if (typeof run !== 'function') throw new Error(`${module.key} exports no ${fn}`);
    // Backwards, so that a thread that waits in vain for one before it is found out.
    const threads = alone ? 1 : this.threads;
    for (let thread = threads - 1; thread >= 0; thread--) run(0, thread, threads);
    this.commands++;
  }

  temporary(bytes: number): number {
    const address = this.top + guard;
    this.top = Math.ceil((address + bytes + guard) / 64) * 64;
    const missing = this.top - this.memory.buffer.byteLength;
    if (missing > 0) this.memory.grow(Math.ceil(missing / bytesPerPage));
    new Uint8Array(this.memory.buffer).fill(guardByte, address - guard, this.top);
    this.blocks.push({ address, bytes });
    return address;
  }

  table(key: string, make: () => Int32Array): number {
    let address = this.tables.get(key);
    if (address === undefined) {
      address = this.upload(make());
      this.tables.set(key, address);
    }
    return address;
  }

  /** Copies a host array into memory. */
  upload(data: TypedArray): number {
    const address = this.temporary(data.byteLength);
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    new Uint8Array(this.memory.buffer).set(bytes, address);
    return address;
  }

  /** A view of a copy of `data`, dense unless strides are given. */
  view(
    data: TypedArray,
    shape: Shape,
    strides: readonly number[] = contiguousStrides(shape),
    offset = 0,
  ): View {
    return { buffer: this.upload(data), dtype: dtypeOf(data), shape, strides, offset };
  }

  /** A device view of a copy of a host view's whole array. */
  viewOf(view: LoopView): View {
    return this.view(view.data, view.shape, view.strides, view.offset);
  }

  /** A copy of the `length` elements that a view's buffer begins with. */
  read(view: View, length: number): TypedArray {
    const bytes = this.memory.buffer.slice(view.buffer, view.buffer + length * bytesPerElement[view.dtype]);
    const copy = new Uint8Array(new ArrayBuffer(bytes.byteLength));
    copy.set(new Uint8Array(bytes));
    switch (view.dtype) {
      case 'float32':
        return new Float32Array(copy.buffer);
      case 'float64':
        return new Float64Array(copy.buffer);
      case 'int32':
        return new Int32Array(copy.buffer);
      case 'uint8':
        return copy;
    }
  }

  /** Fails if a kernel wrote outside the blocks. */
  checkGuards(): void {
    const memory = new Uint8Array(this.memory.buffer);
    for (const { address, bytes } of this.blocks) {
      for (let i = 1; i <= guard; i++) {
        if (memory[address - i] !== guardByte) assert.unreachable(`written ${i} bytes before a block`);
        if (memory[address + bytes + i - 1] !== guardByte)
          assert.unreachable(`written ${i} bytes after a block`);
      }
    }
  }
}

/** Whether relaxed SIMD may be used, for tests that try both where there is a choice. */
export const relaxedModes: readonly boolean[] = (await enableRelaxedSimd()) ? [false, true] : [false];

// From here on the engine fuses what it can.
await enableWideSimd(false);

/**
 * Results of `run` on one thread, without and with relaxed SIMD; two and three threads must give the same bits, and so
 * must the code for 256-bit vectors. Guards are checked after each run.
 */
export function acrossTeams(run: (planner: TestPlanner) => readonly TypedArray[]): (readonly TypedArray[])[] {
  return relaxedModes.map((relaxed) => {
    const resultsOf = (threads: number, features: Features): readonly TypedArray[] => {
      const planner = new TestPlanner(threads, features);
      const results = run(planner);
      planner.checkGuards();
      return results;
    };
    const simple = { ...plainSimd, relaxed };
    const wide: Features = { shared: true, relaxed, wide: true, tileColumns: 16 };
    const one = resultsOf(1, simple);
    const others = [
      [2, simple],
      [3, simple],
      [1, wide],
      [3, wide],
    ] as const;
    for (const [threads, features] of others) {
      resultsOf(threads, features).forEach((data, k) => {
        const same = data.every((value, j) => Object.is(value, one[k]![j]));
        if (same) return;
        const how = `${threads} threads with ${JSON.stringify(features)}`;
        assert.unreachable(`${how} gave other bits than one thread with ${JSON.stringify(simple)}`);
      });
    }
    return one;
  });
}

/** The same planner, but with all threads at work in commands that one would do alone: a way to test small shapes. */
export function neverAlone(planner: TestPlanner): Planner {
  return {
    threads: planner.threads,
    features: planner.features,
    winograd: planner.winograd,
    run: (module, fn, words) => planner.run(module, fn, words),
    temporary: (bytes) => planner.temporary(bytes),
    table: (key, make) => planner.table(key, make),
  };
}
