/**
 * Two reports, row by row.
 *
 * Absolute times differ between machines and between busy and quiet ones, so a row counts as changed only when both
 * say so, its time and its time in units of the probe beside it, by more than the samples' own noise. The median of n
 * samples is known to about 1.25 sigma / sqrt(n), and sigma is about spread / 0.67 (the quartiles of a normal
 * distribution); a change is one beyond three such errors of both medians together and 3 %.
 */
import type { Report, Row } from './rows.js';

/** What became of a row. */
export type Verdict = 'faster' | 'slower' | 'same';

/** A row of both reports. */
export interface Comparison {
  readonly name: string;
  readonly device: string;
  readonly threads: number | null;
  /** Milliseconds that are compared: medians, or processor time on one thread where that is less. */
  readonly before: number;
  readonly after: number;
  /** Time after / time before. */
  readonly ratio: number;
  /** The same with both times divided by what the probe needed for the work. */
  readonly ratioToProbe: number;
  /** Changes of less than this share are noise. */
  readonly tolerance: number;
  readonly verdict: Verdict;
}

/** Rows of both, and the keys of those that only one has. */
export interface ReportComparison {
  readonly rows: readonly Comparison[];
  readonly missing: readonly string[];
  readonly added: readonly string[];
}

/** What tells rows apart. */
export function keyOf({ name, device, threads }: Row): string {
  return threads === null ? `${name} on ${device}` : `${name} on ${device}, threads: ${threads}`;
}

/** Compares `after` with `before`. */
export function compareReports(before: Report, after: Report): ReportComparison {
  const known = new Map(before.rows.map((row) => [keyOf(row), row]));
  const found = new Set(after.rows.map(keyOf));
  return {
    rows: after.rows.flatMap((row) => {
      const old = known.get(keyOf(row));
      return old ? [compareRows(old, row)] : [];
    }),
    missing: [...known.keys()].filter((key) => !found.has(key)),
    added: [...found].filter((key) => !known.has(key)),
  };
}

/**
 * The time of a row that other programs on the machine disturb least: on one thread its processor time, if that is
 * less.
 */
function undisturbed({ medianMs, cpuMs, threads }: Row): number {
  return threads === 1 && cpuMs ? Math.min(medianMs, cpuMs) : medianMs;
}

/** How often the probe's time for the work goes into the row's. */
function inProbes(row: Row): number {
  return undisturbed(row) / row.medianMs / row.shareOfPeak;
}

function compareRows(old: Row, row: Row): Comparison {
  const [before, after] = [undisturbed(old), undisturbed(row)];
  const ratio = after / before;
  const ratioToProbe = inProbes(row) / inProbes(old);
  const error = ({ spread, samples }: Row): number => ((1.25 / 0.67) * spread) / Math.sqrt(samples);
  const tolerance = 0.03 + 3 * Math.hypot(error(old), error(row));
  const slower = Math.min(ratio, ratioToProbe) > 1 + tolerance;
  const faster = Math.max(ratio, ratioToProbe) < 1 / (1 + tolerance);
  const { name, device, threads } = row;
  return {
    name,
    device,
    threads,
    before,
    after,
    ratio,
    ratioToProbe,
    tolerance,
    verdict: slower ? 'slower' : faster ? 'faster' : 'same',
  };
}
