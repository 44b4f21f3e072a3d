/**
 * What the machine gives at most, measured right before each sample of a row, so that both see the same noise:
 * multiply-adds in registers, and reading memory too large for the caches, on as many threads as the row has.
 *
 * The CPU's loops are emitted like all kernels (backends/cpu/asm/probe.ts) and timed by the threads themselves.
 */

import { probeModule, probeSums } from '../src/backends/cpu/asm/probe.js';
import { floatBits } from '../src/backends/cpu/plan.js';
import { enableRelaxedSimd } from '../src/backends/cpu/runtime/features.js';
import { Team } from '../src/backends/cpu/runtime/team.js';
import { enableWideSimd } from '../src/backends/cpu/runtime/wide.js';

/** Rates of one moment. */
export interface Rates {
  /** Floating-point operations a second; a multiply-add is two. */
  readonly flops: number;
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
  const features = { relaxed, ...(await enableWideSimd(relaxed)) };
  const team = await Team.start({ device: 'probe', threads, features, memoryLimit });
  const block = team.allocator.alloc(readBytes, 'probe');
  // Pages never written to are all the same one, which would be read from the cache.
  new Uint8Array(team.memory.buffer, block, readBytes).fill(1);
  // The first run compiles the loops.
  team.run(probeModule, 'read', [block, readBytes]);
  team.run(probeModule, 'flops', [1, 0, 0, 0, 0, 0, 0, 0]);
  await team.sync();
  return {
    async measure() {
      team.run(probeModule, 'flops', [turns >> 3, 0, 0, 0, 0, 0, 0, 0]); // wakes the threads
      team.mark();
      team.run(probeModule, 'flops', [turns, floatBits(0.5), floatBits(0.5), 0, 0, 0, 0, 0]);
      team.mark();
      team.run(probeModule, 'read', [block, readBytes]);
      team.mark();
      const [start = 0, middle = 0, end = 0] = await team.marks();
      return {
        flops: (turns * probeSums * 8 * threads * 1000) / (middle - start),
        bytes: (readBytes * 1000) / (end - middle),
      };
    },
    close: () => team.close(),
  };
}
