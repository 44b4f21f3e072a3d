/**
 * One thread of a device's team. Thread 0 runs every command of the ring (control.ts); the others do their share of
 * those for the whole team, after which all meet.
 *
 * The thread returns to its event loop only to be handed another device's memory: it sleeps in `Atomics.wait` when
 * there is nothing to do, and posts replies without being asked by message. What goes wrong in a command is written down for the caller's next await
 * (the first error stays) and the command counts as done, so that nobody waits for ever.
 */
import type { KernelName } from '../../../core/backend.js';
import { arrayAt, type TypedArray } from '../../../core/shape.js';
import { loops } from '../kernels/loops.js';
import {
  control,
  dtypes,
  errorAt,
  errorBytes,
  errorState,
  firstAlone,
  firstPosition,
  heapAt,
  opcode,
  ringAt,
  ringSlots,
  slotWords,
} from './control.js';
import { enableRelaxedSimd } from './features.js';
import { decodeLoop, type LoopCall } from './loopCommand.js';
import { connectToParent } from './thread.js';
import { Patience, publish, raise } from './wait.js';

/**
 * How long a thread looks before it sleeps (milliseconds): for the next command, for the team's other threads at a
 * command's end, and for signals of other devices.
 */
const idle = new Patience(0.03, 0.03);
const meeting = new Patience(0.005, 0.1);
const crossing = new Patience(0.005, 0.1);

type KernelFunction = (address: number, thread: number, threads: number) => void;

const parent = await connectToParent();
const { device, memory, thread, threads, relaxed } = parent.member;
if (relaxed) await enableRelaxedSimd();

const words = new Int32Array(memory.buffer, 0, heapAt / 4);
let pages = Atomics.load(words, control.pages);

/** What the modules export, and the functions found there, by the numbers the caller gave them. */
const modules: (WebAssembly.Exports | undefined)[] = [];
const functions: (KernelFunction | undefined)[] = [];
/** Times noted since the last reply that carried them. */
let marks: number[] = [];
/** Beginnings and ends of copies from other devices, told at the next reply or when they are so many. */
let copies: number[] = [];
const manyCopies = 128;

/** Another device: its memory and control words. */
interface Peer {
  readonly memory: WebAssembly.Memory;
  readonly words: Int32Array;
}

/** The devices that this device crosses with, by their numbers. */
const peers = new Map<number, Peer>();

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

function run(fn: number, address: number, team: number): void {
  const call = functions[fn];
  if (call === undefined) throw new Error('it was not found in its module');
  call(address, thread, team);
}

function loop<K extends KernelName>({ kernel, args }: LoopCall<K>): void {
  loops[kernel](args);
}

function reply(id: number, data: TypedArray): void {
  tellCopies();
  parent.post({ kind: 'reply', id, data }, data.buffer instanceof ArrayBuffer ? [data.buffer] : []);
}

function tellCopies(): void {
  if (copies.length > 0) parent.post({ kind: 'copies', times: copies });
  copies = [];
}

async function meet(): Promise<void> {
  const { number, memory } = await parent.nextPeer();
  peers.set(number, { memory, words: new Int32Array(memory.buffer, 0, heapAt / 4) });
}

/** Waits until a device has raised so many signals. One that is gone has raised all it ever will. */
function awaitSignal(peer: Peer | undefined, signal: number): void {
  if (!peer) return;
  for (;;) {
    const raised = Atomics.load(peer.words, control.signals);
    if (((raised - signal) | 0) >= 0) return;
    crossing.waitWhile(peer.words, control.signals, raised, control.signalsSleepers);
  }
}

/** Copies from another device's memory. What went wrong there so far is taken for an error of this device as well. */
function receive(peer: Peer | undefined, to: number, from: number, bytes: number): void {
  if (!peer || Atomics.load(peer.words, control.lost) !== 0) {
    copies.push(Number.NaN, Number.NaN);
    throw new Error('that device was lost');
  }
  const start = performance.timeOrigin + performance.now();
  new Uint8Array(memory.buffer, to, bytes).set(new Uint8Array(peer.memory.buffer, from, bytes));
  copies.push(start, performance.timeOrigin + performance.now());
  if (copies.length >= 2 * manyCopies) tellCopies();
  adoptError(peer);
}

/** This thread's share of the command whose header is at word `at`. */
function execute(at: number): void {
  const a = words[at + 2]!;
  const b = words[at + 3]!;
  const payload = at + slotWords;
  const [first, second] = [words[payload]! >>> 0, words[payload + 1]! >>> 0];
  switch (words[at + 1]) {
    case opcode.run:
      run(a, payload * 4, threads);
      break;
    case opcode.runAlone:
      run(a, payload * 4, 1);
      break;
    case opcode.load:
      load(a, first, second);
      break;
    case opcode.bind:
      bind(a, b, textAt(first, second));
      break;
    case opcode.loop:
      loop(decodeLoop(textAt(first, second), memory.buffer));
      break;
    case opcode.copy: {
      const bytes = words[payload + 2]! >>> 0;
      new Uint8Array(memory.buffer, first, bytes).set(new Uint8Array(memory.buffer, second, bytes));
      break;
    }
    case opcode.signal:
      raise(words, control.signals, 1, control.signalsSleepers);
      break;
    case opcode.await:
      awaitSignal(peers.get(a), first | 0);
      break;
    case opcode.receive:
      receive(peers.get(a), first, second, words[payload + 2]! >>> 0);
      break;
    case opcode.forget:
      peers.delete(a);
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
  writeError(() => {
    const text = new TextEncoder().encode(String(error)).subarray(0, errorBytes);
    new Uint8Array(memory.buffer, errorAt, text.length).set(text);
    words[control.errorOpcode] = words[at + 1]!;
    words[control.errorOperand] = words[at + 2]!;
    words[control.errorLength] = text.length;
    words[control.errorOrigin] = device;
  });
}

/** Takes over what went wrong on another device, if anything did and hasn't been fetched there. */
function adoptError(peer: Peer): void {
  if (Atomics.load(peer.words, control.errorState) !== errorState.written) return;
  writeError(() => {
    new Uint8Array(memory.buffer, errorAt, errorBytes).set(
      new Uint8Array(peer.memory.buffer, errorAt, errorBytes),
    );
    const { errorOpcode, errorOrigin } = control;
    words.set(peer.words.subarray(errorOpcode, errorOrigin + 1), errorOpcode);
  });
}

/** Runs `write` unless an earlier error hasn't been fetched yet. */
function writeError(write: () => void): void {
  const { none, beingWritten, written } = errorState;
  if (Atomics.compareExchange(words, control.errorState, none, beingWritten) !== none) return;
  write();
  Atomics.store(words, control.errorState, written);
}

/** Index of the header word of the command at `position`. */
function headerAt(position: number): number {
  return ringAt / 4 + (position & (ringSlots - 1)) * slotWords;
}

/** Runs the command at `position`, meets the team's other threads if all run it, and gives the position after it. */
function step(position: number): number {
  if (Atomics.load(words, control.pages) !== pages) {
    // Growth by another thread may not have reached this thread's view of the memory; growing by nothing fetches it.
    memory.grow(0);
    pages = Atomics.load(words, control.pages);
  }
  const at = headerAt(position);
  const alone = words[at + 1]! >= firstAlone;
  const next = (position + words[at]!) | 0;
  try {
    execute(at);
  } catch (error) {
    noteError(at, error);
    if (words[at + 1]! >= opcode.fence) reply(words[at + 2]!, new Uint8Array(0));
  }
  if (!alone && threads > 1 && Atomics.add(words, control.arrived, 1) + 1 < threads) {
    meeting.waitWhile(words, control.tail, position, control.tailSleepers);
  } else {
    Atomics.store(words, control.arrived, 0);
    publish(words, control.tail, next, control.tailSleepers);
  }
  return next;
}

/** Waits until thread 0 has come to a command for the whole team, and gives its position. */
function awaitTeamCommand(): number {
  for (;;) {
    const position = Atomics.load(words, control.tail);
    const code = Atomics.load(words, headerAt(position) + 1);
    // Only if the tail is still there was that the command's opcode, and not one written over it later.
    if (Atomics.load(words, control.tail) !== position) continue;
    if (code < firstAlone) return position;
    meeting.waitWhile(words, control.tail, position, control.tailSleepers);
  }
}

parent.post({ kind: 'ready' });
if (thread === 0) {
  for (let position = firstPosition | 0; ; ) {
    idle.waitWhile(words, control.head, position, control.headSleepers);
    if (words[headerAt(position) + 1] === opcode.meet) await meet();
    position = step(position);
  }
} else {
  for (let position = firstPosition | 0; ; ) {
    idle.waitWhile(words, control.teamHead, position, control.teamHeadSleepers);
    position = step(awaitTeamCommand());
  }
}
