/**
 * Waiting for the device, and reading buffers back through MAP_READ buffers kept by size (powers of two).
 *
 * While a promise of Dawn's is pending, Dawn in Node looks after it at every turn of the event loop, which takes a
 * whole core from the decoders, CPU devices and software drivers that could use it. A wait that isn't over at once is
 * therefore called off, slept on for a little, and begun anew. Where the host brings WebGPU, as browsers and Deno do, it
 * waits in its own way, and Deno tells of no work that is called off.
 */
import { inBrowser } from './adapters.js';
import { type Slot, usage } from './buffers.js';
import type { CommandQueue } from './queue.js';

/** GPUMapMode.READ (Node has no global of that name). */
const mapModeRead = 1;

/**
 * Milliseconds that a wait may take a core; then it sleeps for a tenth of the time gone by, within bounds. A GPU answers sooner
 * than a driver that needs the core itself.
 */
const eager = { gpu: 4, software: 1 };
const shortestSleep = 1;
const longestSleep = 10;
/** Turns of the event loop within which Dawn tells of work that is done. */
const turns = 3;

/** The readback buffers of one device. */
export class Readbacks {
  /** Number of buffers made. */
  created = 0;
  /** Number of reads begun. */
  begun = 0;
  private readonly pool = new Map<number, GPUBuffer[]>();
  /** A word to read when there is nothing to read but the end of the work. */
  private readonly fence: Slot;

  /** @param adapter what answers: a GPU, or a driver that computes on the CPU */
  constructor(
    private readonly device: GPUDevice,
    private readonly queue: CommandQueue,
    private readonly adapter: keyof typeof eager,
  ) {
    const gpu = device.createBuffer({ label: 'fence', size: 4, usage: usage.copySrc });
    this.fence = { number: 0, gpu, bytes: 4, lastUse: 0 };
  }

  /** Resolves when everything enqueued so far has run. */
  async finish(): Promise<void> {
    await this.read(this.fence, 0, new Uint8Array(4));
  }

  /** Fills `bytes` from byte `at` of a buffer on, after everything enqueued so far. */
  async read(from: Slot, at: number, bytes: Uint8Array): Promise<void> {
    this.begun++;
    const start = at - (at % 4); // copies go by whole words
    const length = Math.ceil((at - start + bytes.length) / 4) * 4;
    const staging = this.take(length);
    const command = this.queue.copy(from, start, staging, 0, length);
    await this.queue.drain();
    await mapped(staging, length, eager[this.adapter]);
    this.queue.uploads.ran(command);
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

/**
 * Resolves when the buffer is mapped for reading.
 * @param patience milliseconds before the first sleep
 * @throws what `mapAsync` rejects with
 */
async function mapped(buffer: GPUBuffer, bytes: number, patience: number): Promise<void> {
  if (inBrowser()) return buffer.mapAsync(mapModeRead, 0, bytes);
  const start = performance.now();
  for (;;) {
    let settled = false;
    const settle = (): void => {
      settled = true;
    };
    const mapping = buffer.mapAsync(mapModeRead, 0, bytes);
    mapping.then(settle, settle);
    for (let turn = 0; !settled && (turn < turns || performance.now() - start < patience); turn++) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (settled) return mapping;
    buffer.unmap(); // calls the mapping off
    const elapsed = performance.now() - start;
    const pause = Math.min(longestSleep, Math.max(shortestSleep, elapsed / 10));
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}
