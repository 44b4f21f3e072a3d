/**
 * The caller's end of the ring (control.ts): writes commands, wakes the team, waits for room.
 *
 * Some commands are held back on this side first: those that come after bytes the host has yet to bring (`hold`), and
 * while there are such, on whatever device, all that find no room. A caller that waited for room then would keep the
 * event loop from bringing the bytes that the ring, or another device's, is waiting for.
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

/** Milliseconds until held commands that found no room are tried again. */
const retryAfter = 1;

/** What commands held back wait for. */
interface Hold {
  over: boolean;
}

/** The queues that hold commands back. */
const holding = new Set<Queue>();
let retrying = false;

/** Moves what can be moved to the rings; commands that found no room follow as soon as there is. */
function releaseAll(): void {
  for (let moved = true; moved; ) {
    moved = false;
    for (const queue of holding) if (queue.release()) moved = true;
  }
  if (retrying || ![...holding].some((queue) => queue.wantsRoom)) return;
  retrying = true;
  setTimeout(() => {
    retrying = false;
    releaseAll();
  }, retryAfter);
}

/** The queue of one device. */
export class Queue implements Progress {
  /** Position after the last command, never wrapped: exact for 2^53 slots. */
  enqueued = firstPosition;

  private readonly words: Int32Array;
  private readonly mayBlock: boolean;
  /** Position after the last command in the ring. */
  private head = firstPosition;
  /** Commands held back, from `next` on, and what those after it wait for. */
  private held: (Int32Array | Hold)[] = [];
  private next = 0;
  /** The array that the last command was written to, the ring or one of its own, and the index of its header. */
  private target: Int32Array;
  private at = 0;

  /**
   * @param device its name, for messages
   * @param requireAlive throws when a thread has died: no event can tell while the caller waits for room
   * @param onPublish is called when there are new commands in the ring
   */
  constructor(
    private readonly device: string,
    memory: WebAssembly.Memory,
    private readonly requireAlive: () => void,
    private readonly onPublish: () => void,
  ) {
    this.words = new Int32Array(memory.buffer, 0, ringAt / 4 + ringSlots * slotWords);
    for (const index of [control.head, control.teamHead, control.tail]) this.words[index] = firstPosition | 0;
    this.mayBlock = mayBlock(this.words);
    this.target = this.words;
  }

  /** Enqueues a command with payload words. */
  push(code: number, a: number, b: number, payload: readonly number[]): void {
    this.begin(code, a, b, payload.length);
    for (let i = 0; i < payload.length; i++) this.target[this.at + slotWords + i] = payload[i]!;
    this.end(code);
  }

  /**
   * Enqueues a command whose payload is `[...payload, address, bytes.length]` with the bytes themselves after it in
   * the ring, at `address`.
   */
  pushBytes(code: number, a: number, b: number, payload: readonly number[], bytes: Uint8Array): void {
    const lead = Math.ceil((payload.length + 2) / slotWords) * slotWords;
    const slots = this.begin(code, a, b, lead + Math.ceil(bytes.length / 4));
    const address = ringAt + ((this.enqueued - slots) % ringSlots) * slotBytes + (slotWords + lead) * 4;
    [...payload, address, bytes.length].forEach((word, i) => {
      this.target[this.at + slotWords + i] = word;
    });
    const { buffer, byteOffset } = this.target;
    new Uint8Array(buffer, byteOffset + (this.at + slotWords + lead) * 4, bytes.length).set(bytes);
    this.end(code);
  }

  /** Holds back what is enqueued from here on until the promise is settled. */
  hold(promise: Promise<unknown>): void {
    const hold = { over: false };
    this.holdBack(hold);
    const end = (): void => {
      hold.over = true;
      releaseAll();
    };
    void promise.then(end, end);
  }

  /** Moves held commands to the ring, up to the first that has to wait; tells whether any moved. */
  release(): boolean {
    const before = this.next;
    for (let entry = this.held[before]; entry; entry = this.held[this.next]) {
      if (entry instanceof Int32Array) {
        if (!this.hasRoom(entry[0]!)) break;
        this.words.set(entry, this.ringIndex(this.head));
        this.publish(entry[0]!, entry[1]!);
      } else if (!entry.over) break;
      this.next++;
    }
    const moved = this.next > before;
    if (this.next === this.held.length) this.drop();
    return moved;
  }

  /** Whether the first command held back waits for nothing but room. */
  get wantsRoom(): boolean {
    return this.held[this.next] instanceof Int32Array;
  }

  /** Forgets the commands held back. */
  drop(): void {
    this.held = [];
    this.next = 0;
    holding.delete(this);
  }

  /** Position up to which all commands have run. */
  completed(): number {
    return this.head - this.inFlight();
  }

  /** Blocks until everything enqueued has run; false where that may not be waited for. */
  drain(): boolean {
    if (holding.size > 0) return false;
    this.waitUntil(0);
    return true;
  }

  private inFlight(): number {
    return ((this.head | 0) - Atomics.load(this.words, control.tail)) >>> 0;
  }

  private hasRoom(slots: number): boolean {
    return this.inFlight() <= ringSlots - slots;
  }

  private ringIndex(position: number): number {
    return ringAt / 4 + (position % ringSlots) * slotWords;
  }

  /** Finds a place for a command with `payload` words in one piece, writes its header, and gives its slots. */
  private begin(code: number, a: number, b: number, payload: number): number {
    const slots = 1 + Math.ceil(payload / slotWords);
    const toEnd = ringSlots - (this.enqueued % ringSlots);
    if (slots > toEnd) {
      this.writeHeader(toEnd, opcode.skip, 0, 0, slotWords);
      this.end(opcode.skip);
    }
    this.writeHeader(slots, code, a, b, slots * slotWords);
    return slots;
  }

  /** Writes a header where `words` words fit. */
  private writeHeader(slots: number, code: number, a: number, b: number, words: number): void {
    if (holding.size === 0) this.waitUntil(ringSlots - slots);
    if (this.held.length === 0 && this.hasRoom(slots)) {
      this.target = this.words;
      this.at = this.ringIndex(this.enqueued);
    } else {
      this.target = new Int32Array(words);
      this.at = 0;
    }
    this.target[this.at] = slots;
    this.target[this.at + 1] = code;
    this.target[this.at + 2] = a;
    this.target[this.at + 3] = b;
    this.enqueued += slots;
  }

  /** Hands over the command just written. */
  private end(code: number): void {
    if (this.target === this.words) this.publish(this.enqueued - this.head, code);
    else this.holdBack(this.target);
  }

  private holdBack(entry: Int32Array | Hold): void {
    this.held.push(entry);
    holding.add(this);
    if (this.wantsRoom) releaseAll();
  }

  private publish(slots: number, code: number): void {
    this.head += slots;
    publish(this.words, control.head, this.head | 0, control.headSleepers);
    if (code < firstAlone) publish(this.words, control.teamHead, this.head | 0, control.teamHeadSleepers);
    this.onPublish();
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
