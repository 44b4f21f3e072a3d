/**
 * The caller's end of the ring (control.ts): writes commands, wakes the team, waits for room.
 */
import { DeviceLostError } from '../../../core/errors.js';
import type { Progress } from './allocator.js';
import {
  control,
  firstAlone,
  firstPosition,
  opcode,
  ringAt,
  ringSlots,
  slotBytes,
  slotWords,
} from './control.js';
import { publish, sleep } from './wait.js';

/** Bytes of a payload that may stand in the ring itself; more must lie elsewhere in the memory. */
export const inlineBytes = (ringSlots * slotBytes) / 8;

/** Milliseconds without any progress after which the threads are looked at, and after which waiting is given up. */
const checkAfter = 100;
const patience = 600_000;

/** The queue of one device. */
export class Queue implements Progress {
  /** Position after the last command, never wrapped: exact for 2^53 slots. */
  enqueued = firstPosition;

  private readonly words: Int32Array;
  private readonly mayBlock: boolean;

  /**
   * @param device its name, for messages
   * @param requireAlive throws when a thread has died: no event can tell while the caller waits for room
   */
  constructor(
    private readonly device: string,
    memory: WebAssembly.Memory,
    private readonly requireAlive: () => void,
  ) {
    this.words = new Int32Array(memory.buffer, 0, ringAt / 4 + ringSlots * slotWords);
    for (const index of [control.head, control.teamHead, control.tail]) this.words[index] = firstPosition | 0;
    this.mayBlock = mayBlock(this.words);
  }

  /** Enqueues a command with payload words. */
  push(code: number, a: number, b: number, payload: readonly number[]): void {
    const at = this.reserve(code, a, b, payload.length);
    for (let i = 0; i < payload.length; i++) this.words[at + i] = payload[i]!;
    this.publish(code);
  }

  /**
   * Enqueues a command whose payload is `[...payload, address, bytes.length]` with the bytes themselves after it in
   * the ring, at `address`.
   */
  pushBytes(code: number, a: number, b: number, payload: readonly number[], bytes: Uint8Array): void {
    const header = Math.ceil((payload.length + 2) / slotWords) * slotWords;
    const at = this.reserve(code, a, b, header + Math.ceil(bytes.length / 4));
    const address = (at + header) * 4;
    for (let i = 0; i < payload.length; i++) this.words[at + i] = payload[i]!;
    this.words[at + payload.length] = address;
    this.words[at + payload.length + 1] = bytes.length;
    new Uint8Array(this.words.buffer, address, bytes.length).set(bytes);
    this.publish(code);
  }

  /** Position up to which all commands have run. */
  completed(): number {
    return this.enqueued - this.inFlight();
  }

  /** Blocks until everything enqueued has run. */
  drain(): void {
    this.waitUntil(0);
  }

  private inFlight(): number {
    return ((this.enqueued | 0) - Atomics.load(this.words, control.tail)) >>> 0;
  }

  /** Writes a header where `payload` words fit behind it in one piece, and gives the index of the first of them. */
  private reserve(code: number, a: number, b: number, payload: number): number {
    const slots = 1 + Math.ceil(payload / slotWords);
    const toEnd = ringSlots - (this.enqueued % ringSlots);
    if (slots > toEnd) {
      this.waitUntil(ringSlots - toEnd);
      this.writeHeader(toEnd, opcode.skip, 0, 0);
      this.publish(opcode.skip);
    }
    this.waitUntil(ringSlots - slots);
    return this.writeHeader(slots, code, a, b);
  }

  private writeHeader(slots: number, code: number, a: number, b: number): number {
    const at = ringAt / 4 + (this.enqueued % ringSlots) * slotWords;
    this.words[at] = slots;
    this.words[at + 1] = code;
    this.words[at + 2] = a;
    this.words[at + 3] = b;
    this.enqueued += slots;
    return at + slotWords;
  }

  private publish(code: number): void {
    publish(this.words, control.head, this.enqueued | 0, control.headSleepers);
    if (code < firstAlone) publish(this.words, control.teamHead, this.enqueued | 0, control.teamHeadSleepers);
  }

  /** Blocks until at most `slots` slots are in flight: asleep where that is allowed, spinning elsewhere. */
  private waitUntil(slots: number): void {
    if (this.inFlight() <= slots) return;
    let since = performance.now();
    let checked = since;
    let tail = Atomics.load(this.words, control.tail);
    while (this.inFlight() > slots) {
      if (this.mayBlock) sleep(this.words, control.tail, tail, control.tailSleepers, checkAfter);
      const seen = Atomics.load(this.words, control.tail);
      const now = performance.now();
      if (seen !== tail) since = now;
      tail = seen;
      if (now - Math.max(since, checked) < checkAfter) continue;
      this.requireAlive();
      checked = now;
      if (now - since > patience) {
        throw new DeviceLostError(`${this.device}: its full queue made no progress in ${patience / 1000} s`);
      }
    }
  }
}

/** Whether this thread may sleep in `Atomics.wait`: not so the main thread of a browser. */
function mayBlock(words: Int32Array): boolean {
  try {
    Atomics.wait(words, control.pages, Atomics.load(words, control.pages) + 1, 0);
    return true;
  } catch {
    return false;
  }
}
