/**
 * What the machine gives at most, measured right before each sample of a row, so that both see the same noise:
 * multiply-adds in registers, and reading memory too large for the caches, on as many threads as the row has.
 *
 * The CPU's loops are emitted like all kernels (backends/cpu/asm/probe.ts) and timed by the threads themselves.
 */

import { probeModule, probeSums, probeWords } from '../src/backends/cpu/asm/probe.js';
import { floatBits } from '../src/backends/cpu/plan.js';
import { enableRelaxedSimd } from '../src/backends/cpu/runtime/features.js';
import { Team } from '../src/backends/cpu/runtime/team.js';
import { enableWideSimd } from '../src/backends/cpu/runtime/wide.js';

/** Rates of one moment. */
export interface Rates {
  /** Floating-point operations a second, with the vectors that kernels use; a multiply-add is two. */
  readonly flops: number;
  /** The same with vectors of 128 bits, where kernels use wider ones. */
  readonly flops128?: number;
  /** Bytes read a second. */
  readonly bytes: number;
}

/** Something that measures the limits of the hardware below some devices. */
export interface Probe {
  measure(): Promise<Rates>;
  close(): Promise<void>;
}

/** The best of three measurements: what the machine can, rather than what it does in a moment. */
export async function bestRates(probe: Probe): Promise<Rates> {
  const best = { flops: 0, bytes: 0 };
  for (let i = 0; i < 3; i++) {
    const { flops, bytes } = await probe.measure();
    best.flops = Math.max(best.flops, flops);
    best.bytes = Math.max(best.bytes, bytes);
  }
  return best;
}

/** More than a last-level cache holds. */
const readBytes = 96 << 20;
/** Turns of the multiply-add loop: 1.1 ms on one thread at 45 GFLOP/s. */
const turns = 1 << 19;

/** Probes a CPU with a team of `threads` threads of its own, which sleeps between measurements. */
export async function cpuProbe(threads: number): Promise<Probe> {
  const relaxed = await enableRelaxedSimd();
  const memoryLimit = 2 * readBytes;
  const features = { shared: true, relaxed, ...(await enableWideSimd(relaxed)) };
  const team = await Team.start({ device: 'probe', threads, features, memoryLimit });
  const block = team.allocator.alloc(readBytes, 'probe');
  // Pages never written to are all the same one, which would be read from the cache.
  new Uint8Array(team.memory.buffer, block, readBytes).fill(1);
  const multiply = (name: 'flops' | 'pairs', count: number, factor: number): void =>
    team.run(probeModule, name, [
      count,
      floatBits(factor),
      floatBits(factor),
      ...Array(probeWords - 3).fill(0),
    ]);
  // The first run compiles the loops.
  team.run(probeModule, 'read', [block, readBytes]);
  multiply('flops', 1, 0);
  multiply('pairs', 1, 0);
  await team.sync();
  return {
    async measure() {
      multiply('flops', turns >> 3, 0); // wakes the threads
      team.mark();
      multiply('flops', turns, 0.5);
      team.mark();
      if (features.wide) multiply('pairs', turns >> 1, 0.5);
      team.mark();
      team.run(probeModule, 'read', [block, readBytes]);
      team.mark();
      const [start = 0, narrow = 0, wide = 0, end = 0] = await team.marks();
      const work = turns * probeSums * 8 * threads * 1000;
      const flops128 = work / (narrow - start);
      return {
        ...(features.wide ? { flops: work / (wide - narrow), flops128 } : { flops: flops128 }),
        bytes: (readBytes * 1000) / (end - wide),
      };
    },
    close: () => team.close(),
  };
}
