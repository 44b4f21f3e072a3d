/**
 * CPU devices that copy from each other, memory to memory, without the caller waiting.
 *
 * Every device has a word that its queue raises (control.signals), one for each `signal` command. To send, the source
 * enqueues a signal; the destination enqueues to wait for it, to copy, and to raise a signal of its own. Until that
 * one is seen the source neither writes over the elements nor gives their block to others: it enqueues to wait first.
 *
 * Nobody waits for ever: each wait is for something enqueued before it, and a device that is lost has its word raised
 * beyond all that is waited for.
 */
import type { Arrived } from '../../../core/backend.js';
import type { BufferId } from '../../../core/shape.js';
import { control, opcode, type PeerMessage } from './control.js';
import type { Queue } from './queue.js';
import { raise } from './wait.js';

/** More signals than are ever waited for at a time. */
const beyondAll = 2 ** 30;

let count = 0;

/** A device's part in copies between devices. */
export class Peers {
  /** Tells devices apart. */
  readonly number = count++;
  /** Signals enqueued so far, mod 2^32. */
  private signals = 0;
  /** The devices whose memory this device's thread 0 knows, and those that know this device's. */
  private readonly known = new Set<Peers>();
  private readonly knownTo = new Set<Peers>();
  /** Who copies a buffer's elements, and how many signals they will have raised when they have. */
  private readonly copies = new Map<BufferId, Map<Peers, number>>();
  /** Who is to be told of the copies whose times haven't come yet, oldest first. */
  private awaited: Arrived[] = [];
  private readonly words: Int32Array;
  private lost = false;

  /** @param post sends a message to thread 0 */
  constructor(
    private readonly memory: WebAssembly.Memory,
    private readonly queue: Queue,
    private readonly post: (message: PeerMessage) => void,
  ) {
    this.words = new Int32Array(memory.buffer, 0, control.lost + 1);
  }

  /**
   * Enqueues copying `bytes` bytes at `from` of the source's memory, in `buffer` there, to `to` of this device's, after
   * everything enqueued on either side.
   */
  receive(source: Peers, buffer: BufferId, from: number, to: number, bytes: number, arrived: Arrived): void {
    this.meet(source);
    source.meet(this);
    this.awaitSignal(source, source.signal());
    this.queue.push(opcode.receive, source.number, 0, [to, from, bytes]);
    this.awaited.push(arrived);
    const copies = source.copies.get(buffer) ?? new Map<Peers, number>();
    source.copies.set(buffer, copies.set(this, this.signal()));
  }

  /** Before a buffer is written over or given back: what is enqueued from here on waits for the copies of it. */
  awaitCopies(buffer: BufferId): void {
    const copies = this.copies.get(buffer);
    if (!copies) return;
    this.copies.delete(buffer);
    for (const [by, signal] of copies) if (!by.hasRaised(signal)) this.awaitSignal(by, signal);
  }

  /** Takes the times of copies that this device made: beginnings and ends by turns, in milliseconds since 1970. */
  note(times: readonly number[]): void {
    for (const [i, arrived] of this.awaited.splice(0, times.length / 2).entries()) {
      arrived(times[2 * i]! - performance.timeOrigin, times[2 * i + 1]! - times[2 * i]!);
    }
  }

  /** When the device is lost: nobody waits for it any more, and what others receive from it is an error. */
  lose(): void {
    this.lost = true;
    Atomics.store(this.words, control.lost, 1);
    raise(this.words, control.signals, beyondAll, control.signalsSleepers);
    // Later, since a queue that waits for room may have found the loss.
    queueMicrotask(() => this.part());
  }

  /** When the device is closed or lost: the devices that know its memory let it go. */
  part(): void {
    for (const peer of this.knownTo) {
      peer.known.delete(this);
      if (!peer.lost) peer.queue.push(opcode.forget, this.number, 0, []);
    }
    for (const peer of this.known) peer.knownTo.delete(this);
    this.knownTo.clear();
    this.known.clear();
  }

  private meet(peer: Peers): void {
    if (this.known.has(peer)) return;
    this.known.add(peer);
    peer.knownTo.add(this);
    // The message first: where the caller itself runs commands, it runs this one at once.
    this.post({ number: peer.number, memory: peer.memory });
    this.queue.push(opcode.meet, peer.number, 0, []);
  }

  /** Enqueues a signal; gives its number. */
  private signal(): number {
    this.queue.push(opcode.signal, 0, 0, []);
    this.signals = (this.signals + 1) | 0;
    return this.signals;
  }

  private awaitSignal(peer: Peers, signal: number): void {
    this.queue.push(opcode.await, peer.number, 0, [signal]);
  }

  private hasRaised(signal: number): boolean {
    return ((Atomics.load(this.words, control.signals) - signal) | 0) >= 0;
  }
}
