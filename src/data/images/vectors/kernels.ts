/**
 * The functions of `code.ts` with a memory of their own, which grows as it is asked to.
 */
import { maximumPages } from '../../../backends/cpu/asm/assembler.js';
import { pageBytes } from '../../../backends/cpu/runtime/control.js';
import { emit } from './code.js';

/** A function of the module: addresses and counts, as code.ts has them. */
type Kernel = (...words: number[]) => void;

/** Emitted and compiled once. */
let module: WebAssembly.Module | undefined;

/** One copy of the kernels. */
export class PictureKernels {
  readonly split: Kernel;
  readonly rows3: Kernel;
  readonly rows4: Kernel;
  readonly columns: Kernel;
  readonly moments: Kernel;
  private readonly memory = new WebAssembly.Memory({ initial: 1, maximum: maximumPages });
  private view: Uint8Array<ArrayBuffer> | undefined;

  constructor() {
    module ??= new WebAssembly.Module(emit());
    const { exports } = new WebAssembly.Instance(module, { env: { memory: this.memory } });
    this.split = kernelOf(exports, 'split');
    this.rows3 = kernelOf(exports, 'rows3');
    this.rows4 = kernelOf(exports, 'rows4');
    this.columns = kernelOf(exports, 'columns');
    this.moments = kernelOf(exports, 'moments');
  }

  /** The memory, of at least so many bytes: zeros at first, then what was left there. Views taken before may be empty. */
  room(bytes: number): Uint8Array<ArrayBuffer> {
    const has = this.memory.buffer.byteLength;
    if (has < bytes) this.memory.grow(Math.ceil((bytes - has) / pageBytes));
    if (!this.view || this.view.length < bytes) this.view = new Uint8Array(this.memory.buffer);
    return this.view;
  }
}

function kernelOf(exports: WebAssembly.Exports, name: string): Kernel {
  const kernel = exports[name];
  if (typeof kernel !== 'function') throw new Error(`the module has no ${name}`);
  return (...words) => void kernel(...words);
}

let shared: PictureKernels | undefined;

/** Those of this thread whose memory holds nothing between two calls. */
export function sharedKernels(): PictureKernels {
  shared ??= new PictureKernels();
  return shared;
}

/** The next multiple of 16, the bytes of a vector: what kernels read and write of a piece of so many bytes. */
export function aligned(bytes: number): number {
  return 16 * Math.ceil(bytes / 16);
}

/** Where pieces of so many bytes start that lie one after the other, each aligned; then the end of them all. */
export function layOut(...sizes: number[]): number[] {
  const starts = [0];
  for (const [i, size] of sizes.entries()) starts.push(starts[i]! + aligned(size));
  return starts;
}
