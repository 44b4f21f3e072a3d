/**
 * Rows and reports made up for tests.
 */
import type { Report, Row } from '../rows.js';

/** A row with these figures. */
export function row(name: string, figures: Partial<Row> = {}): Row {
  return {
    name,
    device: 'cpu:0',
    threads: 2,
    medianMs: 10,
    cpuMs: null,
    spread: 0.01,
    samples: 9,
    gflops: 40,
    gbps: 1,
    shareOfPeak: 0.8,
    bound: 'arithmetic',
    probe: { gflops: 50, gbps: 20 },
    ...figures,
  };
}

/** A report of these rows. */
export function report(...rows: Row[]): Report {
  const machine = {
    cpu: 'a',
    cores: 2,
    memoryBytes: 1,
    platform: 'linux x64',
    runtime: 'node 20',
    tandem: '0',
  };
  return { date: '', machine, load: [0, 0], seed: 1, quick: false, devices: {}, rows };
}
