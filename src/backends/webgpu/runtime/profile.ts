/**
 * Times of kernels, by timestamp queries where the adapter has them: each dispatch gets a compute pass of its own
 * with a query at either end. Without them the queue runs one dispatch at a time and takes the clock (`serial`).
 */
import type { KernelTime } from '../../../core/backend.js';
import { usage } from './buffers.js';

/** The kernel a dispatch belongs to; one kernel may take several dispatches. */
export interface Tag {
  readonly kernel: string;
  readonly layer: string;
  readonly phase: KernelTime['phase'];
  readonly flops: number;
  readonly bytes: number;
}

/** Dispatches timed in one submit. */
const capacity = 256;

interface Sample {
  readonly tag: Tag;
  readonly start: number;
  readonly milliseconds: number;
}

/** Collects the times of one device. */
export class Profiler {
  active = false;
  private samples: Sample[] = [];
  private tags: Tag[] = [];
  /** The first timestamp: differences of nanoseconds fit a number, timestamps don't. */
  private origin: bigint | null = null;
  private queries: GPUQuerySet | null = null;
  private resolved: GPUBuffer | null = null;
  private readbacks: Promise<void>[] = [];

  constructor(
    private readonly device: GPUDevice,
    private readonly timestamps: boolean,
  ) {}

  /** Whether dispatches must run one at a time. */
  get serial(): boolean {
    return this.active && !this.timestamps;
  }

  /** Whether the query set has no room for another dispatch. */
  get full(): boolean {
    return this.tags.length >= capacity;
  }

  start(): void {
    this.samples = [];
    this.origin = null;
    this.active = true;
    if (!this.timestamps || this.queries) return;
    this.queries = this.device.createQuerySet({ type: 'timestamp', count: 2 * capacity });
    this.resolved = this.device.createBuffer({
      size: 16 * capacity,
      usage: usage.queryResolve | usage.copySrc,
    });
  }

  /** The queries of the next dispatch's pass. */
  next(tag: Tag): GPUComputePassTimestampWrites {
    if (!this.queries) throw new Error('the profiler was not started');
    const at = 2 * this.tags.length;
    this.tags.push(tag);
    return { querySet: this.queries, beginningOfPassWriteIndex: at, endOfPassWriteIndex: at + 1 };
  }

  /** Notes a time taken by the clock, in milliseconds. */
  note(tag: Tag, start: number, milliseconds: number): void {
    this.samples.push({ tag, start, milliseconds });
  }

  /** Ends recording for one submit; the function it gives reads the times and is called after it. */
  resolve(encoder: GPUCommandEncoder): () => void {
    const { tags, queries, resolved } = this;
    if (tags.length === 0 || !queries || !resolved) return () => {};
    this.tags = [];
    const bytes = 16 * tags.length;
    const readback = this.device.createBuffer({ size: bytes, usage: usage.mapRead | usage.copyDst });
    encoder.resolveQuerySet(queries, 0, 2 * tags.length, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, readback, 0, bytes);
    return () => {
      const read = async (): Promise<void> => {
        await readback.mapAsync(1);
        const times = new BigUint64Array(readback.getMappedRange());
        tags.forEach((tag, i) => {
          const [begin, end] = [times[2 * i]!, times[2 * i + 1]!];
          this.origin ??= begin;
          this.note(tag, Number(begin - this.origin) / 1e6, Math.max(0, Number(end - begin) / 1e6));
        });
        readback.destroy();
      };
      this.readbacks.push(read());
    };
  }

  /** Ends the profile: one row for each kernel, in the order they ran. */
  async stop(): Promise<KernelTime[]> {
    await Promise.all(this.readbacks);
    this.readbacks = [];
    this.active = false;
    const rows = new Map<Tag, { start: number; milliseconds: number }>();
    for (const { tag, start, milliseconds } of this.samples) {
      const row = rows.get(tag);
      if (row) row.milliseconds += milliseconds;
      else rows.set(tag, { start, milliseconds });
    }
    this.samples = [];
    const origin = Math.min(...[...rows.values()].map((row) => row.start));
    return [...rows].map(([tag, row]) => ({
      ...tag,
      milliseconds: row.milliseconds,
      start: row.start - origin,
    }));
  }
}
