/**
 * A report of rows that were measured in a browser, as `npm run bench -- --json` writes it, for `bench:page` and
 * `bench:compare` to read.
 */
import type { Report } from '../rows.js';

/** What was measured here and now; a browser doesn't tell the processor's name, memory and load. */
export function browserReport(measured: Pick<Report, 'quick' | 'devices' | 'rows'>): Report {
  return {
    date: new Date().toISOString(),
    machine: {
      cpu: 'a processor that browsers do not name',
      cores: navigator.hardwareConcurrency,
      memoryBytes: null,
      platform: 'browser',
      runtime: navigator.userAgent,
      tandem: 'as served',
    },
    load: null,
    seed: 1,
    ...measured,
  };
}
