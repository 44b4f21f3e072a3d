/**
 * Who owns which bytes of a device's memory: best fit over free blocks, which join their neighbours. Blocks lie in
 * address order from `heapAt` to `top`.
 *
 * Kernels run in the order they were enqueued, so a block freed while kernels still use it may be given out at once
 * to kernels enqueued later. Bytes that the caller writes itself (a batch of images) don't wait in the queue: they
 * need a block whose last user has run, told by the queue's position when it was freed. Such blocks are kept apart,
 * and they join only once the queue has passed them both: joined with blocks just freed they would always be in use,
 * and each batch would take new memory. Kernels get them when nothing else is free.
 */
import { DeviceError, OutOfMemoryError } from '../../../core/errors.js';
import { heapAt } from './control.js';
import { alignment, type Block, FreeList } from './freeList.js';

/** How far the queue is, as the allocator needs to know it. */
export interface Progress {
  /** Position after the last command enqueued: a number that only grows. */
  readonly enqueued: number;
  /** Position up to which all commands have run. */
  completed(): number;
  /** Blocks until all commands have run; false where that may not be waited for. */
  drain(): boolean;
}

/** The memory of one device. */
export class Allocator {
  /** Bytes in tensors' buffers, and the most there have been. */
  live = 0;
  peak = 0;
  /** Number of tensors' buffers. */
  buffers = 0;
  /** Bytes in free blocks. */
  pooled = 0;

  private readonly queued = new FreeList();
  private readonly written = new FreeList();
  /** Free blocks of `written` that haven't joined their neighbours yet, in the order they were freed. */
  private unjoined: Block[] = [];
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
    const block =
      this.take(this.queued, size, Number.POSITIVE_INFINITY) ??
      this.take(this.written, size, Number.POSITIVE_INFINITY) ??
      this.extend(this.queued, size, Number.POSITIVE_INFINITY) ??
      this.takeJoined(size);
    return this.hand(block, bytes, op, counted);
  }

  /**
   * A block that the caller may write at once; null when only commands that may not be waited for stand in the way.
   * @throws {OutOfMemoryError}
   */
  allocForCaller(bytes: number, op: string, counted = true): number | null {
    const size = roundUp(bytes);
    let block = this.claimForCaller(size);
    if (block === null) {
      if (!this.progress.drain()) return null;
      block = this.claimForCaller(size);
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
    block.list.add(block);
    if (block.list === this.queued) this.join(block, Number.POSITIVE_INFINITY);
    else {
      this.unjoined.push(block);
      this.joinWritten(this.progress.completed());
    }
  }

  /** Joins a free block with the free blocks beside it that were freed by position `completed`. */
  private join(block: Block, completed: number): void {
    const joins = (other: Block | null): other is Block =>
      other?.free === true && other.list === block.list && other.freedAt <= completed;
    const { list, before, after } = block;
    list.remove(block);
    if (joins(after)) {
      list.remove(after);
      this.absorb(block, after);
    }
    if (joins(before)) {
      list.remove(before);
      this.absorb(before, block);
      list.add(before);
    } else list.add(block);
  }

  /** Joins the blocks of `written` that the queue has passed. */
  private joinWritten(completed: number): void {
    let passed = 0;
    for (const block of this.unjoined) {
      if (block.freedAt > completed) break;
      passed++;
      // Meanwhile it may have been given out again, or have become part of its neighbour.
      if (block.free && this.blocks.get(block.start) === block) this.join(block, completed);
    }
    this.unjoined.splice(0, passed);
  }

  /** A block for queued commands from what hasn't joined yet, when there is no other memory. */
  private takeJoined(size: number): Block | null {
    this.joinWritten(this.progress.enqueued);
    return this.take(this.written, size, Number.POSITIVE_INFINITY);
  }

  private claimForCaller(size: number): Block | null {
    const completed = this.progress.completed();
    const idle = completed === this.progress.enqueued;
    this.joinWritten(completed);
    return (
      this.take(this.written, size, completed) ??
      (idle ? this.take(this.queued, size, completed) : null) ??
      this.extend(this.written, size, completed)
    );
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

  /** Takes a free block of a list, cut to `size`, that no command after position `completed` uses. */
  private take(list: FreeList, size: number, completed: number): Block | null {
    const block = list.find(size, completed);
    if (block === null) return null;
    list.remove(block);
    this.pooled -= size;
    if (block.size > size) {
      const rest = this.insert(list, block.start + size, block.size - size, block, block.after);
      rest.freedAt = block.freedAt;
      block.size = size;
      list.add(rest);
      if (list === this.written) this.unjoined.push(rest);
    }
    return block;
  }

  /** Moves the top up for a new block, which begins in the free block below the top if that may be used. */
  private extend(list: FreeList, size: number, completed: number): Block | null {
    const { last } = this;
    const tail = last?.free && last.list === list && last.freedAt <= completed ? last : null;
    const start = tail ? tail.start : this.top;
    if (start + size > this.limit || !this.grow(start + size)) return null;
    this.top = start + size;
    if (!tail) return this.insert(list, start, size, last, null);
    list.remove(tail);
    this.pooled -= tail.size;
    tail.size = size;
    return tail;
  }

  private insert(
    list: FreeList,
    start: number,
    size: number,
    before: Block | null,
    after: Block | null,
  ): Block {
    const block = { start, size, list, free: false, counted: false, freedAt: 0, before, after, place: 0 };
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

  private outOfMemory(bytes: number, op: string): OutOfMemoryError {
    return new OutOfMemoryError(
      `${op}: ${this.device} can't hold ${formatBytes(bytes)} more: ${formatBytes(this.live)} in use by ` +
        `${this.buffers} buffers, ${formatBytes(this.top - this.live - this.pooled)} by the device's own work, ` +
        `${formatBytes(this.pooled)} free in pieces, limit ${formatBytes(this.limit)}. ` +
        'Use smaller batches, free tensors earlier (scope, dispose), or raise memoryLimit (at most 4 GiB).',
    );
  }
}

function roundUp(bytes: number): number {
  return Math.max(alignment, Math.ceil(bytes / alignment) * alignment);
}

function formatBytes(bytes: number): string {
  if (bytes < 1e4) return `${bytes} bytes`;
  return bytes < 1e7 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
