/**
 * What seeds leave to chance: the mean of some runs' errors with its standard error, and whether a change between two rows
 * of runs is larger than chance. Changes are taken seed by seed, since runs of one seed share images, order and first
 * weights; of their mean the 95 % interval is `mean +- t s / sqrt(n)`, with Student's t for n - 1 degrees of freedom.
 */

/** Student's t that 2.5 % lie beyond, for 1, 2, .. degrees of freedom; from 10 on the tenth is taken, which is careful. */
const quantiles = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228];

/** A mean and what is known of it. */
export interface Estimate {
  readonly mean: number;
  /** Standard error of the mean; NaN of one number. */
  readonly error: number;
  /** Half the width of the 95 % interval; NaN of one number. */
  readonly halfWidth: number;
}

/** The estimate of some numbers' mean. */
export function estimateOf(numbers: readonly number[]): Estimate {
  const n = numbers.length;
  const mean = numbers.reduce((sum, x) => sum + x, 0) / n;
  const squares = numbers.reduce((sum, x) => sum + (x - mean) ** 2, 0);
  const error = n > 1 ? Math.sqrt(squares / (n - 1) / n) : Number.NaN;
  const t = quantiles[Math.min(n - 1, quantiles.length) - 1] ?? Number.NaN;
  return { mean, error, halfWidth: t * error };
}

/** The change from one row of runs to another, seed by seed, and whether chance explains it; null of one seed. */
export function changeBetween(
  base: readonly number[],
  other: readonly number[],
): Estimate & { readonly beyondChance: boolean | null } {
  const change = estimateOf(other.map((x, i) => x - base[i]!));
  const known = Number.isFinite(change.halfWidth);
  return { ...change, beyondChance: known ? Math.abs(change.mean) > change.halfWidth : null };
}
