/**
 * What matrix products and convolutions share: a product of many columns is a `pack` command for a, and a `gemm`
 * command for each stretch of columns that uses it.
 */
import type { Planner } from '../plan.js';
import { tileColumns } from '../wasm/tile.js';

/** Bytes that the packed operand, or a chunk of copied images, should stay within: half a third level cache. */
export const chunkBytes = 16 << 20;

/**
 * How many threads share a range of columns, each with its own rows of c: the number (a divisor of `threads`) with
 * the least work for the busiest thread. A strip of columns costs a tile for each panel and about one more to pack.
 */
export function rowTeams(threads: number, panels: number, columns: number, groups: number): number {
  const strips = groups * Math.ceil(columns / tileColumns);
  const cost = (teams: number) => Math.ceil(strips / (threads / teams)) * (Math.ceil(panels / teams) + 1);
  let best = 1;
  for (let teams = 2; teams <= threads; teams++) {
    if (threads % teams === 0 && cost(teams) < cost(best)) best = teams;
  }
  return best;
}

/** A table of `make()`, by a key that says what it holds. */
export function tableOf(
  planner: Planner,
  what: string,
  numbers: readonly number[],
  make: () => Int32Array,
): number {
  return planner.table(`${what} ${numbers.join(' ')}`, make);
}
