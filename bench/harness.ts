/**
 * Measuring one row: bursts of work timed by tinybench, the probe before each burst, medians of both.
 *
 * A burst enqueues the work often enough to take some milliseconds and ends with `sync`, so what is timed is what a
 * user waits for, enqueueing included. The roofline says how long the work must take at least,
 *
 *     ideal = max(flops / multiply-add peak, bytes / bandwidth),
 *
 * with the probe's rates of that moment; `shareOfPeak` is the median of ideal / measured over the samples.
 */
import { Bench } from 'tinybench';
import type { Cost } from '../src/backends/cost.js';
import type { Probe, Rates } from './probes.js';
import { median, spread } from './stats.js';
import type { Ready } from './work.js';

/** Something to measure. */
export interface Subject extends Omit<Ready, 'dispose'> {
  /** Resolves when all that was enqueued has run. */
  sync(): Promise<void>;
  /** Milliseconds of processor time so far, where that isn't this process's. */
  readonly cpuTime?: () => number;
}

/** How long to look at a row. */
export interface Budget {
  /** At least so many samples. */
  readonly samples: number;
  /** Milliseconds to spend on samples, once the least number is there. */
  readonly time: number;
  /** Milliseconds that a burst takes at least; 0 for bursts of one run. */
  readonly burst: number;
  /** Ends the measurement between two bursts. */
  readonly signal?: AbortSignal | undefined;
}

/** What was measured of a row. */
export interface Measurement {
  /** Median milliseconds of one run of the work. */
  readonly medianMs: number;
  /**
   * Median milliseconds of processor time of one run, of all threads together; null in browsers. On one thread and a
   * quiet machine it is `medianMs`; where other programs take turns on the processors, it tells what the run itself took.
   */
  readonly cpuMs: number | null;
  /** Half the distance between the quartiles, as a share of the median. */
  readonly spread: number;
  readonly samples: number;
  /** Floating-point operations, and bytes that must move, in units of 10^9 a second. */
  readonly gflops: number;
  readonly gbps: number;
  /** How much of the roofline was reached. */
  readonly shareOfPeak: number;
  /** Which of the two sets the roofline here. */
  readonly bound: 'arithmetic' | 'memory';
  /** Medians of the probe beside this row; `gflops128` with 128-bit vectors where kernels use wider ones. */
  readonly probe: { readonly gflops: number; readonly gflops128?: number; readonly gbps: number };
}

/** CPU time of all of this process's threads so far, in milliseconds; null in browsers. */
function cpuTime(): number | null {
  if (typeof process !== 'object' || typeof process.cpuUsage !== 'function') return null;
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Bursts of more runs than this are warmed up until they got no faster for so many milliseconds, up to a limit. */
const warmUp = { runs: 50, milliseconds: 300, most: 2000 };

/** Measures `subject` with the probe beside it. */
export async function measure(subject: Subject, probe: Probe, budget: Budget): Promise<Measurement> {
  const burst = async (runs: number): Promise<number> => {
    budget.signal?.throwIfAborted();
    const start = performance.now();
    for (let i = 0; i < runs; i++) {
      const waiting = subject.run();
      if (waiting) await waiting;
    }
    await subject.sync();
    return performance.now() - start;
  };
  await burst(1); // compiles
  let runs = 1;
  while (budget.burst > 0 && runs < 1e5) {
    const took = await burst(runs);
    if (took >= budget.burst) break;
    runs = Math.ceil(runs * Math.min(50, Math.max(1.5, (1.1 * budget.burst) / took)));
  }
  // Where enqueueing is most of the work, the JavaScript engine takes a while to compile it well.
  let best = Number.POSITIVE_INFINITY;
  for (let all = 0, same = 0; runs > warmUp.runs && same < warmUp.milliseconds && all < warmUp.most; ) {
    const took = await burst(runs);
    all += took;
    same += took;
    if (took / runs < 0.95 * best) {
      best = took / runs;
      same = 0;
    }
    if (took < budget.burst) runs = Math.ceil((1.1 * runs * budget.burst) / took);
  }
  const samples: Sample[] = [];
  const bench = new Bench({ iterations: budget.samples, time: budget.time, warmup: false, throws: true });
  const cpu = subject.cpuTime ?? cpuTime;
  let rates = await probe.measure();
  const timed = async () => {
    const before = cpu();
    const milliseconds = await burst(runs);
    const after = cpu();
    const own = before === null || after === null ? null : (after - before) / runs;
    samples.push({ milliseconds: milliseconds / runs, cpu: own, rates });
    return { overriddenDuration: milliseconds };
  };
  const beforeEach = async (): Promise<void> => {
    rates = await probe.measure();
  };
  bench.add('row', timed, { async: true, beforeEach });
  await bench.run();
  return summarize(samples, subject.cost);
}

interface Sample {
  readonly milliseconds: number;
  readonly cpu: number | null;
  readonly rates: Rates;
}

/** Milliseconds that the roofline leaves for some work. */
export function idealTime(cost: Cost, rates: Rates): number {
  return Math.max(cost.flops / rates.flops, cost.bytes / rates.bytes) * 1000;
}

function summarize(samples: readonly Sample[], cost: Cost): Measurement {
  const times = samples.map(({ milliseconds }) => milliseconds);
  const narrow = samples.flatMap(({ rates }) => (rates.flops128 === undefined ? [] : [rates.flops128]));
  const cpuTimes = samples.flatMap(({ cpu }) => (cpu === null ? [] : [cpu]));
  const medianMs = median(times);
  const [flops, bytes] = [
    median(samples.map(({ rates }) => rates.flops)),
    median(samples.map(({ rates }) => rates.bytes)),
  ];
  return {
    medianMs,
    cpuMs: cpuTimes.length === 0 ? null : median(cpuTimes),
    spread: spread(times),
    samples: times.length,
    gflops: cost.flops / medianMs / 1e6,
    gbps: cost.bytes / medianMs / 1e6,
    shareOfPeak: median(samples.map(({ milliseconds, rates }) => idealTime(cost, rates) / milliseconds)),
    bound: cost.flops / flops >= cost.bytes / bytes ? 'arithmetic' : 'memory',
    probe: {
      gflops: flops / 1e9,
      ...(narrow.length > 0 && { gflops128: median(narrow) / 1e9 }),
      gbps: bytes / 1e9,
    },
  };
}
