/**
 * A rung of the ladder: one way to compute a problem, and what it gains over the rung below.
 */
import type { Device } from '../../src/core/device.js';
import type { Tensor } from '../../src/core/tensor.js';
import type { Problem } from './problems.js';

/** A rung at work on a problem. */
export interface Climb {
  /** Computes once, or enqueues it. */
  run(): void;
  sync(): Promise<void>;
  /** `[m, n]` of the last run. */
  result(): Promise<Float32Array>;
  close(): Promise<void>;
}

/** One way to compute. */
export interface Rung {
  readonly name: string;
  /** What it gains over the rung below, and why. */
  readonly buys: string;
  start(problem: Problem): Promise<Climb>;
}

/** A rung that a device's own kernel makes; the device is the rung's own. */
export async function climbOnDevice(problem: Problem, opened: Promise<Device>): Promise<Climb> {
  const device = await opened;
  const work = problem.onDevice(device);
  let last: Tensor | null = null;
  return {
    run() {
      last?.dispose();
      last = work.run();
    },
    sync: () => device.sync(),
    async result() {
      const data = await last?.data();
      if (data instanceof Float32Array) return data;
      throw new Error('nothing was run');
    },
    async close() {
      last?.dispose();
      work.dispose();
      await device.close();
    },
  };
}
