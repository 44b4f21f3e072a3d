/**
 * Who owns which bytes of a device's memory: best fit over free blocks, which are joined with their neighbours as
 * soon as they are freed.
 *
 * Blocks are multiples of 64 bytes and lie in address order from `heapAt` to `top`; a free block is also in the bin
 * of its size (eight bins for each power of two). Kernels run in the order they were enqueued, so a block freed
 * while kernels still use it may be given out at once to kernels enqueued later. Bytes that the caller writes itself
 * don't wait in the queue, though: `allocForCaller` takes only blocks whose last user has run, told by the queue's
 * position at the time of the free.
 */
import { DeviceError, OutOfMemoryError } from '../../core/errors.js';
import { heapAt } from './control.js';

const alignment = 64;
const bins = 200;

interface Block {
  readonly start: number;
  size: number;
  free: boolean;
  /** Whether it belongs to a tensor, and so counts as live. */
  counted: boolean;
  /** Position of the queue when it was freed: what was enqueued up to there may still use it. */
  freedAt: number;
  before: Block | null;
  after: Block | null;
  /** Its place in its bin. */
  place: number;
}

/** How far the queue is, as the allocator needs to know it. */
export interface Progress {
  /** Position after the last command enqueued: a number that only grows. */
  readonly enqueued: number;
  /** Position up to which all commands have run. */
  completed(): number;
  /** Blocks until all commands have run. */
  drain(): void;
}

/** The memory of one device. */
export class Allocator {
  live = 0;
  peak = 0;
  buffers = 0;
  pooled = 0;

  private readonly bins: Block[][] = Array.from({ length: bins }, () => []);
  private readonly blocks = new Map<number, Block>();
  private last: Block | null = null;
  private top = heapAt;

  /**
   * @param device its name, for messages
   * @param limit bytes the memory may reach
   * @param grow makes the memory at least so many bytes; false when the system refuses
   */
  constructor(
    private readonly device: string,
    private readonly limit: number,
    private readonly progress: Progress,
    private readonly grow: (bytes: number) => boolean,
  ) {}

  /** A block for queued commands; `counted` if it is a tensor's. @throws {OutOfMemoryError} */
  alloc(bytes: number, op: string, counted = true): number {
    const size = roundUp(bytes);
    const block = this.claim(size, Number.POSITIVE_INFINITY);
    return this.hand(block, bytes, op, counted);
  }

  /** A block that the caller may write at once. @throws {OutOfMemoryError} */
  allocForCaller(bytes: number, op: string, counted = true): number {
    const size = roundUp(bytes);
    let block = this.claim(size, this.progress.completed());
    if (block === null) {
      this.progress.drain();
      block = this.claim(size, Number.POSITIVE_INFINITY);
    }
    return this.hand(block, bytes, op, counted);
  }

  /** Gives a block back. @throws {DeviceError} if it isn't in use. */
  free(address: number): void {
    const block = this.blocks.get(address);
    if (block === undefined || block.free) {
      throw new DeviceError(`free: ${this.device} has no buffer at ${address} in use (was it freed twice?)`);
    }
    if (block.counted) {
      this.live -= block.size;
      this.buffers--;
    }
    this.pooled += block.size;
    block.freedAt = this.progress.enqueued;
    const { before, after } = block;
    if (after?.free) {
      this.unbin(after);
      this.absorb(block, after);
    }
    if (before?.free) {
      this.unbin(before);
      this.absorb(before, block);
      this.bin(before);
    } else {
      this.bin(block);
    }
  }

  private hand(block: Block | null, bytes: number, op: string, counted: boolean): number {
    if (block === null) throw this.outOfMemory(bytes, op);
    block.counted = counted;
    if (counted) {
      this.live += block.size;
      this.peak = Math.max(this.peak, this.live);
      this.buffers++;
    }
    return block.start;
  }

  /** A block of `size` bytes that no command after position `completed` uses; null if there is no room. */
  private claim(size: number, completed: number): Block | null {
    return this.take(size, completed) ?? this.extend(size, completed);
  }

  /** Takes the smallest free block of at least `size` bytes that was freed by position `completed`. */
  private take(size: number, completed: number): Block | null {
    for (let index = binOf(size); index < bins; index++) {
      let best: Block | null = null;
      for (const block of this.bins[index]!) {
        if (block.size < size || block.freedAt > completed) continue;
        if (
          best === null ||
          block.size < best.size ||
          (block.size === best.size && block.start < best.start)
        ) {
          best = block;
        }
      }
      if (best === null) continue;
      this.unbin(best);
      this.split(best, size);
      best.free = false;
      this.pooled -= size;
      return best;
    }
    return null;
  }

  /** Moves the top up for a new block, which begins in the free block below the top if that may be used. */
  private extend(size: number, completed: number): Block | null {
    const tail = this.last?.free && this.last.freedAt <= completed ? this.last : null;
    const start = tail ? tail.start : this.top;
    if (start + size > this.limit || !this.grow(start + size)) return null;
    this.top = start + size;
    if (tail) {
      this.unbin(tail);
      this.pooled -= tail.size;
      tail.size = size;
      tail.free = false;
      return tail;
    }
    const block = this.insert(start, size, this.last, null);
    block.free = false;
    return block;
  }

  /** Cuts `block` down to `size`; the rest becomes a free block. */
  private split(block: Block, size: number): void {
    if (block.size === size) return;
    const rest = this.insert(block.start + size, block.size - size, block, block.after);
    rest.freedAt = block.freedAt;
    block.size = size;
    this.bin(rest);
  }

  private insert(start: number, size: number, before: Block | null, after: Block | null): Block {
    const block = { start, size, free: true, counted: false, freedAt: 0, before, after, place: 0 };
    if (before) before.after = block;
    if (after) after.before = block;
    else this.last = block;
    this.blocks.set(start, block);
    return block;
  }

  /** Joins `next` to `block`, its neighbour below. */
  private absorb(block: Block, next: Block): void {
    block.size += next.size;
    block.freedAt = Math.max(block.freedAt, next.freedAt);
    block.after = next.after;
    if (next.after) next.after.before = block;
    else this.last = block;
    this.blocks.delete(next.start);
  }

  private bin(block: Block): void {
    block.free = true;
    const bin = this.bins[binOf(block.size)]!;
    block.place = bin.length;
    bin.push(block);
  }

  private unbin(block: Block): void {
    const bin = this.bins[binOf(block.size)]!;
    const moved = bin.pop()!;
    if (moved === block) return;
    moved.place = block.place;
    bin[block.place] = moved;
  }

  private outOfMemory(bytes: number, op: string): OutOfMemoryError {
    return new OutOfMemoryError(
      `${op}: ${this.device} can't hold ${formatBytes(bytes)} more: ${formatBytes(this.live)} in use by ` +
        `${this.buffers} buffers, ${formatBytes(this.pooled)} free in pieces, limit ${formatBytes(this.limit)}. ` +
        'Use smaller batches, free tensors earlier (scope, dispose), or raise memoryLimit (at most 4 GiB).',
    );
  }
}

function roundUp(bytes: number): number {
  return Math.max(alignment, Math.ceil(bytes / alignment) * alignment);
}

/** The bin of a size: eight for each power of two, in rising order of their sizes. */
function binOf(size: number): number {
  const units = size / alignment;
  const exponent = 31 - Math.clz32(units);
  return exponent < 3 ? units : (exponent - 2) * 8 + ((units >>> (exponent - 3)) & 7);
}

function formatBytes(bytes: number): string {
  if (bytes < 1e4) return `${bytes} bytes`;
  return bytes < 1e7 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
