/**
 * One thread of a device's team. Thread 0 runs every command of the ring (control.ts); the others do their share of
 * those for the whole team, after which all meet.
 *
 * A thread returns to its event loop only to be handed another device's memory: it sleeps in `Atomics.wait` when
 * there is nothing to do, and posts replies without being asked by message. What goes wrong in a command is written down
 * for the caller's next await (the first error stays) and the command counts as done, so that nobody waits for ever.
 *
 * Where there are no threads (inline.ts) the caller itself is thread 0, and runs commands step by step.
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
  heapAt,
  opcode,
  type PeerMessage,
  ringAt,
  ringSlots,
  slotWords,
  type TeamMember,
  type TeamMessage,
} from './control.js';
import { decodeLoop, type LoopCall } from './loopCommand.js';
import { Patience, publish, raise } from './wait.js';

/**
 * How long a thread looks before it sleeps (milliseconds): for the next command, for the team's other threads at a
 * command's end, and for signals of other devices.
 */
const idle = new Patience(0.03, 0.03);
const meeting = new Patience(0.005, 0.1);
const crossing = new Patience(0.005, 0.1);

type KernelFunction = (address: number, thread: number, threads: number) => void;

/** So many beginnings and ends of copies are told at once. */
const manyCopies = 128;

/** Another device: its memory and control words. */
interface Peer {
  readonly memory: WebAssembly.Memory;
  readonly words: Int32Array;
}

/** What a member does its work with, and the way to who started it. */
interface Link {
  readonly member: TeamMember;
  post(message: TeamMessage, transfer?: ArrayBuffer[]): void;
}

/** One thread's part in a device's work. */
export class Member {
  private readonly memory: WebAssembly.Memory;
  private readonly words: Int32Array;
  private pages: number;
  /** What the modules export, and the functions found there, by the numbers the caller gave them. */
  private readonly modules: (WebAssembly.Exports | undefined)[] = [];
  private readonly functions: (KernelFunction | undefined)[] = [];
  /** Times noted since the last reply that carried them. */
  private marks: number[] = [];
  /** Beginnings and ends of copies from other devices, told at the next reply or when they are so many. */
  private copies: number[] = [];
  /** The devices that this device crosses with, by their numbers. */
  private readonly peers = new Map<number, Peer>();

  constructor(private readonly link: Link) {
    this.memory = link.member.memory;
    this.words = new Int32Array(this.memory.buffer, 0, heapAt / 4);
    this.pages = Atomics.load(this.words, control.pages);
  }

  /** Thread 0: waits for the command at `position`, and gives its opcode. */
  awaitCommand(position: number): number {
    const { words } = this;
    idle.waitWhile(words, control.head, position, control.headSleepers);
    return words[headerAt(position) + 1]!;
  }

  /** Other threads: waits until thread 0 has come to a command for the whole team, from `position` on, and gives its position. */
  awaitTeamCommand(position: number): number {
    const { words } = this;
    idle.waitWhile(words, control.teamHead, position, control.teamHeadSleepers);
    for (;;) {
      const tail = Atomics.load(words, control.tail);
      const code = Atomics.load(words, headerAt(tail) + 1);
      // Only if the tail is still there was that the command's opcode, and not one written over it later.
      if (Atomics.load(words, control.tail) !== tail) continue;
      if (code < firstAlone) return tail;
      meeting.waitWhile(words, control.tail, tail, control.tailSleepers);
    }
  }

  /** Whether there is a command at `position` that can run at once: it doesn't wait for another device. */
  canStep(position: number): boolean {
    const { words } = this;
    if (Atomics.load(words, control.head) === position) return false;
    const at = headerAt(position);
    if (words[at + 1] !== opcode.await) return true;
    const peer = this.peers.get(words[at + 2]!);
    return !peer || reaches(Atomics.load(peer.words, control.signals), words[at + slotWords]!);
  }

  /** Takes in another device's memory. */
  meet({ number, memory }: PeerMessage): void {
    this.peers.set(number, { memory, words: new Int32Array(memory.buffer, 0, heapAt / 4) });
  }

  /** Runs the command at `position`, meets the team's other threads if all run it, and gives the position after it. */
  step(position: number): number {
    const { threads } = this.link.member;
    if (Atomics.load(this.words, control.pages) !== this.pages) {
      // Growth by another thread may not have reached this thread's view of the memory; growing by nothing fetches it.
      this.memory.grow(0);
      this.pages = Atomics.load(this.words, control.pages);
    }
    const at = headerAt(position);
    const alone = this.words[at + 1]! >= firstAlone;
    const next = (position + this.words[at]!) | 0;
    try {
      this.execute(at);
    } catch (error) {
      this.noteError(at, error);
      if (this.words[at + 1]! >= opcode.fence) this.reply(this.words[at + 2]!, new Uint8Array(0));
    }
    if (!alone && threads > 1 && Atomics.add(this.words, control.arrived, 1) + 1 < threads) {
      meeting.waitWhile(this.words, control.tail, position, control.tailSleepers);
    } else {
      Atomics.store(this.words, control.arrived, 0);
      publish(this.words, control.tail, next, control.tailSleepers);
    }
    return next;
  }

  /** This thread's share of the command whose header is at word `at`. */
  private execute(at: number): void {
    const a = this.words[at + 2]!;
    const b = this.words[at + 3]!;
    const payload = at + slotWords;
    const [first, second] = [this.words[payload]! >>> 0, this.words[payload + 1]! >>> 0];
    switch (this.words[at + 1]) {
      case opcode.run:
        this.run(a, payload * 4, this.link.member.threads);
        break;
      case opcode.runAlone:
        this.run(a, payload * 4, 1);
        break;
      case opcode.load:
        this.load(a, first, second);
        break;
      case opcode.bind:
        this.bind(a, b, this.textAt(first, second));
        break;
      case opcode.loop:
        this.loop(decodeLoop(this.textAt(first, second), this.memory.buffer));
        break;
      case opcode.copy: {
        const bytes = this.words[payload + 2]! >>> 0;
        new Uint8Array(this.memory.buffer, first, bytes).set(
          new Uint8Array(this.memory.buffer, second, bytes),
        );
        break;
      }
      case opcode.signal:
        raise(this.words, control.signals, 1, control.signalsSleepers);
        break;
      case opcode.await:
        awaitSignal(this.peers.get(a), first | 0);
        break;
      case opcode.receive:
        this.receive(this.peers.get(a), first, second, this.words[payload + 2]! >>> 0);
        break;
      case opcode.forget:
        this.peers.delete(a);
        break;
      case opcode.mark:
        this.marks.push(performance.now());
        break;
      case opcode.fence:
        this.reply(a, new Uint8Array(0));
        break;
      case opcode.read:
        this.reply(a, arrayAt(dtypes[b]!, this.memory.buffer, first, second).slice());
        break;
      case opcode.marks:
        this.reply(a, Float64Array.from(this.marks));
        this.marks = [];
    }
  }

  /** A copy of bytes in the shared memory, for those who don't take shared ones. */
  private bytesAt(address: number, length: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.memory.buffer, address, length).slice();
  }

  private textAt(address: number, length: number): string {
    return new TextDecoder().decode(this.bytesAt(address, length));
  }

  private load(module: number, address: number, length: number): void {
    const compiled = new WebAssembly.Module(this.bytesAt(address, length));
    this.modules[module] = new WebAssembly.Instance(compiled, { env: { memory: this.memory } }).exports;
  }

  private bind(fn: number, module: number, name: string): void {
    const found = this.modules[module]?.[name];
    if (isKernelFunction(found)) this.functions[fn] = found;
    else throw new Error(`there is no exported function ${name}`);
  }

  private run(fn: number, address: number, team: number): void {
    const call = this.functions[fn];
    if (call === undefined) throw new Error('it was not found in its module');
    call(address, this.link.member.thread, team);
  }

  private loop<K extends KernelName>({ kernel, args }: LoopCall<K>): void {
    loops[kernel](args);
  }

  private reply(id: number, data: TypedArray): void {
    this.tellCopies();
    this.link.post({ kind: 'reply', id, data }, data.buffer instanceof ArrayBuffer ? [data.buffer] : []);
  }

  private tellCopies(): void {
    if (this.copies.length > 0) this.link.post({ kind: 'copies', times: this.copies });
    this.copies = [];
  }

  /** Copies from another device's memory. What went wrong there so far is taken for an error of this device as well. */
  private receive(peer: Peer | undefined, to: number, from: number, bytes: number): void {
    if (!peer || Atomics.load(peer.words, control.lost) !== 0) {
      this.copies.push(Number.NaN, Number.NaN);
      throw new Error('that device was lost');
    }
    const start = performance.timeOrigin + performance.now();
    new Uint8Array(this.memory.buffer, to, bytes).set(new Uint8Array(peer.memory.buffer, from, bytes));
    this.copies.push(start, performance.timeOrigin + performance.now());
    if (this.copies.length >= 2 * manyCopies) this.tellCopies();
    this.adoptError(peer);
  }

  /** Writes down what went wrong with the command at word `at`, unless an earlier error hasn't been fetched yet. */
  private noteError(at: number, error: unknown): void {
    this.writeError(() => {
      const text = new TextEncoder().encode(String(error)).subarray(0, errorBytes);
      new Uint8Array(this.memory.buffer, errorAt, text.length).set(text);
      this.words[control.errorOpcode] = this.words[at + 1]!;
      this.words[control.errorOperand] = this.words[at + 2]!;
      this.words[control.errorLength] = text.length;
      this.words[control.errorOrigin] = this.link.member.device;
    });
  }

  /** Takes over what went wrong on another device, if anything did and hasn't been fetched there. */
  private adoptError(peer: Peer): void {
    if (Atomics.load(peer.words, control.errorState) !== errorState.written) return;
    this.writeError(() => {
      new Uint8Array(this.memory.buffer, errorAt, errorBytes).set(
        new Uint8Array(peer.memory.buffer, errorAt, errorBytes),
      );
      const { errorOpcode, errorOrigin } = control;
      this.words.set(peer.words.subarray(errorOpcode, errorOrigin + 1), errorOpcode);
    });
  }

  /** Runs `write` unless an earlier error hasn't been fetched yet. */
  private writeError(write: () => void): void {
    const { none, beingWritten, written } = errorState;
    if (Atomics.compareExchange(this.words, control.errorState, none, beingWritten) !== none) return;
    write();
    Atomics.store(this.words, control.errorState, written);
  }
}

function isKernelFunction(value: unknown): value is KernelFunction {
  return typeof value === 'function';
}

/** Index of the header word of the command at `position`. */
function headerAt(position: number): number {
  return ringAt / 4 + (position & (ringSlots - 1)) * slotWords;
}

/** Whether so many raised signals, mod 2^32, are as many as `signal`. */
function reaches(raised: number, signal: number): boolean {
  return ((raised - signal) | 0) >= 0;
}

/** Waits until a device has raised so many signals. One that is gone has raised all it ever will. */
function awaitSignal(peer: Peer | undefined, signal: number): void {
  if (!peer) return;
  for (;;) {
    const raised = Atomics.load(peer.words, control.signals);
    if (reaches(raised, signal)) return;
    crossing.waitWhile(peer.words, control.signals, raised, control.signalsSleepers);
  }
}
