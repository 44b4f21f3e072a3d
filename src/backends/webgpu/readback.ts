/**
 * Reading buffers back, through MAP_READ buffers kept by size (powers of two) and used again.
 */
import { type Slot, usage } from './buffers.js';
import type { CommandQueue } from './queue.js';

/** GPUMapMode.READ (Node has no global of that name). */
const mapModeRead = 1;

/** The readback buffers of one device. */
export class Readbacks {
  /** Number of buffers made. */
  created = 0;
  private readonly pool = new Map<number, GPUBuffer[]>();

  constructor(
    private readonly device: GPUDevice,
    private readonly queue: CommandQueue,
  ) {}

  /** Fills `bytes` from byte `at` of a buffer on, after everything enqueued so far. */
  async read(from: Slot, at: number, bytes: Uint8Array): Promise<void> {
    const start = at - (at % 4); // copies go by whole words
    const length = Math.ceil((at - start + bytes.length) / 4) * 4;
    const staging = this.take(length);
    this.queue.copy(from, start, staging, 0, length);
    await this.queue.drain();
    await staging.mapAsync(mapModeRead, 0, length);
    bytes.set(new Uint8Array(staging.getMappedRange(0, length), at - start, bytes.length));
    staging.unmap();
    this.pool.get(staging.size)?.push(staging);
  }

  private take(bytes: number): GPUBuffer {
    const size = 2 ** Math.ceil(Math.log2(Math.max(256, bytes)));
    const list = this.pool.get(size) ?? [];
    this.pool.set(size, list);
    const pooled = list.pop();
    if (pooled) return pooled;
    this.created++;
    return this.device.createBuffer({ size, usage: usage.mapRead | usage.copyDst });
  }
}
