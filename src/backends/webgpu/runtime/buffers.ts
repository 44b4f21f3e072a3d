/**
 * The memory of one device: buffers by number, freed ones kept for the next that they suit.
 *
 * Of those that suit, the oldest is taken. What is made last is asked for last, so a step that repeats the one before takes
 * for each of its tensors what that one took, and where that one made a buffer, the very same: two steps that are alike make
 * none, and bind the same buffers. By their sizes (the smallest that suits, say) a new buffer would change what others take.
 *
 * A buffer may be handed out again as soon as it is freed: work enqueued later runs later. Only destroying one has
 * to wait until the work that uses it was submitted. WebGPU doesn't tell how much memory there is, so the account
 * kept here says when to stop.
 */
import type { MemoryStats } from '../../../core/backend.js';
import { DeviceError, OutOfMemoryError } from '../../../core/errors.js';
import type { BufferId } from '../../../core/shape.js';

/** WebGPU's buffer usage flags (Node has no global GPUBufferUsage). */
export const usage = {
  mapRead: 0x1,
  mapWrite: 0x2,
  copySrc: 0x4,
  copyDst: 0x8,
  uniform: 0x40,
  storage: 0x80,
  queryResolve: 0x200,
} as const;

/** A storage buffer and when it was last used. */
export interface Slot {
  /** Of the device's buffers; none of two buffers is one. */
  readonly number: number;
  readonly gpu: GPUBuffer;
  readonly bytes: number;
  /** Number of the last command that uses it (CommandQueue counts them), 0 before the first. */
  lastUse: number;
}

/** Sizes are rounded up to this, so that nearly equal ones share a buffer and vec4 loads stay inside. */
const granularity = 256;

/**
 * From `large` bytes on, a pooled buffer of up to `slack` times the size serves, so that layers of different sizes
 * share: a training step of AlexNet holds a fifth less in all. Small ones are kept by their very size.
 */
const large = 1 << 20;
const slack = 2;

/** What the account needs to know of its device. */
export interface MemoryLimits {
  /** Bytes that live and pooled buffers may take together. */
  readonly budget: number;
  /** Bytes that one buffer may have, by the adapter's limits. */
  readonly largest: number;
}

/** The buffers of one device. */
export class Buffers {
  /** Number of storage buffers made since the device was opened. */
  created = 0;
  private readonly slots = new Map<BufferId, Slot>();
  /** Freed buffers by size, the oldest of each size first. */
  private readonly pool = new Map<number, Slot[]>();
  private nextId = 1;
  private live = 0;
  private pooled = 0;
  private peak = 0;

  /** @param submitted gives the number of the last command that was submitted */
  constructor(
    private readonly device: Pick<GPUDevice, 'createBuffer'>,
    private readonly name: string,
    private readonly limits: MemoryLimits,
    private readonly submitted: () => number,
  ) {}

  /** A buffer of at least `bytes`. @throws {OutOfMemoryError} */
  alloc(bytes: number, op: string): BufferId {
    const size = Math.max(granularity, Math.ceil(bytes / granularity) * granularity);
    const slot = this.takePooled(size) ?? this.create(size, bytes, op);
    const id = this.nextId++;
    this.slots.set(id, slot);
    this.live += slot.bytes;
    this.peak = Math.max(this.peak, this.live);
    return id;
  }

  /** The buffer of a number. @throws {DeviceError} for one that isn't in use */
  get(id: BufferId): Slot {
    const slot = this.slots.get(id);
    if (!slot)
      throw new DeviceError(`${this.name}: buffer ${id} isn't in use (freed already, or another device's)`);
    return slot;
  }

  /** Gives a buffer back to the pool. */
  free(id: BufferId): void {
    const slot = this.get(id);
    this.slots.delete(id);
    this.live -= slot.bytes;
    this.pooled += slot.bytes;
    const list = this.pool.get(slot.bytes);
    if (list) {
      const younger = list.findIndex(({ number }) => number > slot.number);
      list.splice(younger < 0 ? list.length : younger, 0, slot);
    } else this.pool.set(slot.bytes, [slot]);
    // A program whose shapes keep changing would collect sizes it never asks for again.
    if (this.pooled > 2 * this.peak + (64 << 20)) this.trim(this.peak);
  }

  stats(): MemoryStats {
    return { live: this.live, pooled: this.pooled, peak: this.peak, buffers: this.slots.size };
  }

  /** The oldest pooled buffer that serves for `size` bytes. */
  private takePooled(size: number): Slot | undefined {
    let list = this.pool.get(size);
    if (size >= large) {
      let oldest = Number.POSITIVE_INFINITY;
      for (const [bytes, slots] of this.pool) {
        const number = slots[0]?.number ?? oldest;
        if (bytes >= size && bytes <= slack * size && number < oldest) {
          oldest = number;
          list = slots;
        }
      }
    }
    const slot = list?.shift();
    if (slot) this.pooled -= slot.bytes;
    return slot;
  }

  private create(size: number, asked: number, op: string): Slot {
    const { budget, largest } = this.limits;
    if (size > largest) {
      throw new OutOfMemoryError(
        `${op}: a buffer of ${asked} bytes is beyond the ${largest} bytes that ${this.name} allows for one buffer; use smaller batches or split the tensor`,
      );
    }
    if (this.live + this.pooled + size > budget) this.trim(Math.max(0, budget - this.live - size));
    if (this.live + this.pooled + size > budget) {
      throw new OutOfMemoryError(
        `${op}: ${asked} bytes asked of ${this.name}, ${this.live + this.pooled} of ${budget} bytes in use; use smaller batches, or raise memoryLimit`,
      );
    }
    this.created++;
    const flags = usage.storage | usage.copySrc | usage.copyDst;
    const gpu = this.device.createBuffer({ size, usage: flags });
    return { number: this.created, gpu, bytes: size, lastUse: 0 };
  }

  /** Destroys pooled buffers that no unsubmitted command uses, oldest size first, down to `target` bytes. */
  private trim(target: number): void {
    const submitted = this.submitted();
    for (const [size, list] of this.pool) {
      while (this.pooled > target) {
        const at = list.findIndex((slot) => slot.lastUse <= submitted);
        if (at < 0) break;
        list.splice(at, 1)[0]!.gpu.destroy();
        this.pooled -= size;
      }
      if (list.length === 0) this.pool.delete(size);
    }
  }
}
