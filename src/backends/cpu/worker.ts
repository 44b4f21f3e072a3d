/**
 * One thread of a device's team: reads every command of the ring (control.ts), does its share, and meets the others
 * before the next one.
 *
 * The thread never returns to its event loop: it sleeps in `Atomics.wait` when there is nothing to do, and posts
 * replies without being asked by message. What goes wrong in a command is written down for the caller's next await
 * (the first error stays) and the command counts as done, so that nobody waits for ever.
 */
import type { KernelName } from '../../core/backend.js';
import type { TypedArray } from '../../core/shape.js';
import {
  control,
  dtypes,
  errorAt,
  errorBytes,
  errorState,
  heapAt,
  opcode,
  publish,
  ringAt,
  ringSlots,
  slotWords,
  waitWhile,
} from './control.js';
import { enableRelaxedSimd } from './features.js';
import { arrayAt, decodeLoop, type LoopCall } from './loopCommand.js';
import { loops } from './loops/index.js';
import { connectToParent } from './thread.js';

/** Milliseconds to watch for the next command, and for the others at the end of one, before going to sleep. */
const idleSpin = 0.03;
const barrierSpin = 0.1;

type KernelFunction = (address: number, thread: number, threads: number) => void;

const parent = await connectToParent();
const { memory, thread, threads, relaxed } = parent.member;
if (relaxed) await enableRelaxedSimd();

const words = new Int32Array(memory.buffer, 0, heapAt / 4);
let pages = Atomics.load(words, control.pages);

/** What the modules export, and the functions found there, by the numbers the caller gave them. */
const modules: (WebAssembly.Exports | undefined)[] = [];
const functions: (KernelFunction | undefined)[] = [];
/** Times noted since the last reply that carried them. */
let marks: number[] = [];

/** A copy of bytes in the shared memory, for those who don't take shared ones. */
function bytesAt(address: number, length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(memory.buffer, address, length).slice();
}

function textAt(address: number, length: number): string {
  return new TextDecoder().decode(bytesAt(address, length));
}

function isKernelFunction(value: unknown): value is KernelFunction {
  return typeof value === 'function';
}

function load(module: number, address: number, length: number): void {
  const compiled = new WebAssembly.Module(bytesAt(address, length));
  modules[module] = new WebAssembly.Instance(compiled, { env: { memory } }).exports;
}

function bind(fn: number, module: number, name: string): void {
  const found = modules[module]?.[name];
  if (isKernelFunction(found)) functions[fn] = found;
  else throw new Error(`there is no exported function ${name}`);
}

function run(fn: number, address: number): void {
  const call = functions[fn];
  if (call === undefined) throw new Error('it was not found in its module');
  call(address, thread, threads);
}

function loop<K extends KernelName>({ kernel, args }: LoopCall<K>): void {
  loops[kernel](args);
}

function reply(id: number, data: TypedArray): void {
  parent.post({ kind: 'reply', id, data }, data.buffer instanceof ArrayBuffer ? [data.buffer] : []);
}

/** This thread's share of the command whose header is at word `at`. */
function execute(at: number): void {
  const code = words[at + 1]!;
  const a = words[at + 2]!;
  const b = words[at + 3]!;
  const payload = at + slotWords;
  if (code === opcode.run) {
    run(a, payload * 4);
    return;
  }
  const first = words[payload]! >>> 0;
  const second = words[payload + 1]! >>> 0;
  if (code === opcode.load) load(a, first, second);
  else if (code === opcode.bind) bind(a, b, textAt(first, second));
  else if (thread === 0) executeAlone(code, a, b, first, second, words[payload + 2]! >>> 0);
}

/** The commands that thread 0 runs while the others wait. */
function executeAlone(
  code: number,
  a: number,
  b: number,
  first: number,
  second: number,
  third: number,
): void {
  switch (code) {
    case opcode.loop:
      loop(decodeLoop(textAt(first, second), memory.buffer));
      break;
    case opcode.copy:
      new Uint8Array(memory.buffer, first, third).set(new Uint8Array(memory.buffer, second, third));
      break;
    case opcode.mark:
      marks.push(performance.now());
      break;
    case opcode.fence:
      reply(a, new Uint8Array(0));
      break;
    case opcode.read:
      reply(a, arrayAt(dtypes[b]!, memory.buffer, first, second).slice());
      break;
    case opcode.marks:
      reply(a, Float64Array.from(marks));
      marks = [];
  }
}

/** Writes down what went wrong with the command at word `at`, unless an earlier error hasn't been fetched yet. */
function noteError(at: number, error: unknown): void {
  const { none, beingWritten, written } = errorState;
  if (Atomics.compareExchange(words, control.errorState, none, beingWritten) !== none) return;
  const text = new TextEncoder().encode(String(error)).subarray(0, errorBytes);
  new Uint8Array(memory.buffer, errorAt, text.length).set(text);
  words[control.errorOpcode] = words[at + 1]!;
  words[control.errorOperand] = words[at + 2]!;
  words[control.errorLength] = text.length;
  Atomics.store(words, control.errorState, written);
}

/** Meets the others; the last to come retires the command. */
function finish(position: number, next: number): void {
  if (threads > 1 && Atomics.add(words, control.arrived, 1) + 1 < threads) {
    waitWhile(words, control.tail, position, control.tailSleepers, barrierSpin);
    return;
  }
  words[control.arrived] = 0;
  publish(words, control.tail, next, control.tailSleepers);
}

parent.post({ kind: 'ready' });
for (let position = 0; ; ) {
  waitWhile(words, control.head, position, control.headSleepers, idleSpin);
  if (Atomics.load(words, control.pages) !== pages) {
    // Another thread's growth may not have reached this one's view of the memory; growing by nothing fetches it.
    memory.grow(0);
    pages = Atomics.load(words, control.pages);
  }
  const at = ringAt / 4 + (position & (ringSlots - 1)) * slotWords;
  const next = (position + words[at]!) | 0;
  try {
    execute(at);
  } catch (error) {
    noteError(at, error);
  }
  finish(position, next);
  position = next;
}
