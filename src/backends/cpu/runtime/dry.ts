/**
 * The books of a CPU device that doesn't run (../dry.ts): its allocator over memory that isn't there, and its plans
 * with nowhere to enqueue.
 */
import type { KernelName, Kernels, MemoryStats } from '../../../core/backend.js';
import type { BufferId, DType } from '../../../core/shape.js';
import type { Books, DryOptions } from '../../kind.js';
import { plans } from '../kernels/plans.js';
import type { Plan, Planner } from '../plan.js';
import { Allocator } from './allocator.js';
import { cpuDTypes, hasDoubles } from './device.js';
import { narrow } from './wide.js';

/** A CPU device's account. */
export class CpuBooks implements Books {
  readonly dtypes: ReadonlySet<DType> = cpuDTypes;
  private readonly allocator: Allocator;
  private readonly planner: Planner;
  private temporaries: BufferId[] = [];
  private commands = 0;
  private readonly tables = new Map<string, BufferId>();

  constructor(name: string, { memoryLimit = Number.POSITIVE_INFINITY, threads = 1 }: DryOptions) {
    // Everything enqueued has run at once.
    const progress = { enqueued: 0, completed: () => 0, drain: () => true };
    this.allocator = new Allocator(name, memoryLimit, progress, () => true);
    this.planner = {
      threads,
      features: { shared: true, relaxed: true, ...narrow },
      winograd: true,
      run: () => {
        this.commands++;
      },
      temporary: (bytes) => {
        const block = this.allocator.alloc(bytes, 'temporary', false);
        this.temporaries.push(block);
        return block;
      },
      table: (key, make) => {
        const known = this.tables.get(key) ?? this.allocator.alloc(make().byteLength, 'table', false);
        this.tables.set(key, known);
        return known;
      },
    };
  }

  alloc(bytes: number, op: string): BufferId {
    return this.allocator.alloc(bytes, op);
  }

  free(buffer: BufferId): void {
    this.allocator.free(buffer);
  }

  launch<K extends KernelName>(kernel: K, args: Kernels[K]): number {
    const before = this.commands;
    const plan: Plan<K> | undefined = hasDoubles(args) ? undefined : plans[kernel];
    if (!plan?.(args, this.planner)) this.commands++; // a plain loop
    for (const block of this.temporaries) this.allocator.free(block);
    this.temporaries = [];
    return this.commands - before;
  }

  memory(): MemoryStats {
    const { live, pooled, peak, buffers } = this.allocator;
    return { live, pooled, peak, buffers };
  }
}
