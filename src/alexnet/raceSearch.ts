/**
 * The search for each non-linearity's rate, from each start of a grid, and what it finds.
 *
 * Rates go by fours from the first one, up and down, on into the direction of the best until that lies between two
 * worse ones, then by twos around it; and down for as long as none learns, which is what too large a rate looks like.
 * A race of the search has lost, and ends, when it can't be faster than the best so far: once that had reached the
 * target, or at less than half of its pace, which is where its error is above the one that the best had after half as
 * many epochs.
 */
import {
  epochsTo,
  type IsLost,
  type Race,
  type RaceLine,
  type Racer,
  type RaceSummary,
  type RaceTrack,
  summarize,
} from './race.js';
import type { Start } from './raceStart.js';

/** A rate that was tried, and its race. */
interface TriedRate {
  readonly rate: number;
  readonly lines: readonly RaceLine[];
}

/** The least number of rates that a search tries. */
export const leastTries = 5;

/** Epochs before which the pace of a race isn't judged, and how much of an error is chance. */
const settling = { epochs: 6, error: 0.02 };

/** Whether a race lost against the best so far. */
export function lostAgainst(best: TriedRate | undefined): IsLost | undefined {
  if (!best || best.lines.at(-1)?.ended === 'diverged') return undefined;
  const { lines: ahead } = best;
  return (lines) => {
    const last = lines.at(-1);
    if (!last) return false;
    if (ahead.at(-1)?.ended === 'reached' && last.epoch >= ahead.length) return true;
    const half = ahead[Math.floor(last.epoch / 2) - 1];
    return (
      last.epoch >= settling.epochs &&
      half !== undefined &&
      last.trainError > half.trainError + settling.error
    );
  };
}

/** Whether a rate is better than another: there sooner; or nearer in the end, where neither got there. */
function isBetter(one: TriedRate, other: TriedRate, target: number): boolean {
  const [a, b] = [one, other].map(({ lines }) => epochsTo(lines, target));
  if (a != null || b != null) return (a ?? Number.POSITIVE_INFINITY) < (b ?? Number.POSITIVE_INFINITY);
  const [x, y] = [one, other].map(({ lines }) => lines.at(-1));
  const out = (line: RaceLine | undefined): number =>
    line?.ended === 'diverged' ? 2 : line?.ended === 'lost' ? 1 : 0;
  return out(x) === out(y) ? (x?.trainError ?? 1) < (y?.trainError ?? 1) : out(x) < out(y);
}

/** Whether a race got nowhere: by the end no better than chance allows after its first epoch. */
function isStuck({ lines }: TriedRate): boolean {
  const [first] = lines;
  if (!first || lines.at(-1)?.ended === 'diverged') return true;
  return lines.every(({ trainError }) => trainError > first.trainError - 2 * settling.error);
}

/**
 * Looks for the best rate.
 * @param most rates tried, at least `leastTries`
 * @param run runs the race of a rate, which may end as lost
 * @returns the rates tried, the best one first, the others in order
 */
export async function searchRate(
  first: number,
  most: number,
  target: number,
  run: (rate: number, isLost: IsLost | undefined) => Promise<readonly RaceLine[]>,
): Promise<TriedRate[]> {
  const tried = new Map<number, TriedRate>();
  let best: TriedRate | undefined;
  // Rates are named by their power of two, so that none is tried twice.
  let at = 0;
  const rateOf = (power: number): number => first * 2 ** power;
  const attempt = async (power: number): Promise<void> => {
    if (tried.has(power) || tried.size >= most) return;
    const rate = rateOf(power);
    const one = { rate, lines: await run(rate, lostAgainst(best)) };
    tried.set(power, one);
    if (!best || isBetter(one, best, target)) [best, at] = [one, power];
  };
  // Two are kept for the steps by twos.
  const coarse = most - 2;
  for (let power: number | undefined = 0; power !== undefined && tried.size < coarse; ) {
    await attempt(power);
    const down = Math.min(...tried.keys()) - 2;
    power = best && isStuck(best) ? down : [at + 2, at - 2].find((next) => !tried.has(next));
  }
  const middle = at;
  await attempt(middle + 1);
  await attempt(middle - 1);
  const others = [...tried.values()].filter((one) => one !== best).sort((a, b) => a.rate - b.rate);
  return best ? [best, ...others] : others;
}

/** What the search found from a start. */
export interface Corner {
  readonly start: Start;
  /** The rates of each non-linearity, the best one first. */
  readonly tried: ReadonlyMap<Racer, readonly TriedRate[]>;
}

/** The best rate of each non-linearity of a corner. */
export function bestRates({ tried }: Corner): Map<Racer, number> {
  return new Map(
    [...tried].flatMap(([activation, [best]]) => (best ? [[activation, best.rate] as const] : [])),
  );
}

/** Searches the rates of each non-linearity from a start. */
export async function searchCorner(
  track: RaceTrack,
  start: Start,
  options: {
    /** The rate that each search begins with, by non-linearity. */
    readonly first: ReadonlyMap<Racer, number>;
    readonly most: number;
    readonly seed: number;
    readonly target: number;
  },
): Promise<Corner> {
  const { first, most, seed, target } = options;
  const tried = new Map<Racer, readonly TriedRate[]>();
  for (const [activation, rate] of first) {
    const race = (rate: number): Race => ({ activation, start, rate, seed });
    tried.set(
      activation,
      await searchRate(rate, most, target, (rate, isLost) => track.run(race(rate), isLost)),
    );
  }
  return { start, tried };
}

/** How the non-linearities fared at their best rates. */
export function summarizeCorner({ tried }: Corner, target: number): RaceSummary[] {
  return summarize(
    [...tried.values()].flatMap(([best]) => best?.lines ?? []),
    target,
  );
}

/** The corner where tanh takes the most times of ReLU's epochs; the first one where none has a ratio. */
export function widest(corners: readonly Corner[], target: number): Corner | undefined {
  const gap = (corner: Corner): number => {
    const row = summarizeCorner(corner, target).find(({ activation }) => activation === 'tanh');
    return row?.ratio ?? row?.atLeast ?? 0;
  };
  return corners.reduce<Corner | undefined>(
    (best, corner) => (best && gap(best) >= gap(corner) ? best : corner),
    undefined,
  );
}
