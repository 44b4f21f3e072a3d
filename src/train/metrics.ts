/**
 * What a training measures: numbers by name, each the mean over samples of what steps report.
 */

/** Means over samples by name: `loss`, `error`. */
export type Metrics = Readonly<Record<string, number>>;

/** Sums over the samples seen so far. */
export interface Totals {
  /** Number of samples. */
  readonly count: number;
  readonly sums: Metrics;
}

/** Nothing seen yet. */
export const noTotals: Totals = { count: 0, sums: {} };

/** Sums over the samples of both. */
export function addTotals(a: Totals, b: Totals): Totals {
  const sums = Object.entries(b.sums).map(([name, sum]) => [name, (a.sums[name] ?? 0) + sum]);
  return { count: a.count + b.count, sums: { ...a.sums, ...Object.fromEntries(sums) } };
}

/** The same names, of no samples. */
export function emptied({ sums }: Totals): Totals {
  return { count: 0, sums: Object.fromEntries(Object.keys(sums).map((name) => [name, 0])) };
}

/** Means over the samples; NaN of none. */
export function meansOf({ count, sums }: Totals): Metrics {
  return Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, sum / count]));
}

/** Metrics as JSON holds them: null for what isn't finite. */
export function metricsToJson(metrics: Metrics): Record<string, number | null> {
  return Object.fromEntries(
    Object.entries(metrics).map(([name, value]) => [name, Number.isFinite(value) ? value : null]),
  );
}

/** The reverse: NaN for null. */
export function metricsFromJson(json: Readonly<Record<string, number | null>>): Metrics {
  return Object.fromEntries(Object.entries(json).map(([name, value]) => [name, value ?? Number.NaN]));
}
