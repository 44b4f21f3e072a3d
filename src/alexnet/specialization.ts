/**
 * Whether two towers took different parts: the paper's Figure 3, where the first layer's kernels came out without colour
 * on one GPU and with it on the other, "independent of any particular random initialization".
 *
 * The measure of a kernel: with w_c(p) the weight of channel c at pixel p and m(p) its mean over the channels, the share
 * of its energy that isn't grey, sum (w_c(p) - m(p))^2 / sum w_c(p)^2: 0 for a kernel that sees brightness alone, 2/3 on
 * average for random weights, 1 for one that sees differences of colour alone.
 *
 * Of a layer: the difference D of the towers' means. Two numbers tell what it is worth. Its *chance* is the share of all
 * ways to hand the same kernels out to two towers of these sizes whose difference is as large, whichever way it points:
 * a permutation test, which supposes nothing of how shares are distributed, but takes kernels as independent of each
 * other. Its *separation* is |D| divided by the largest difference there is for these kernels, that of the greyest on one
 * tower and the others on the other.
 */
import { HostRandom } from '../backends/threefry.js';
import { ArgumentError } from '../core/errors.js';
import type { HostTensor } from '../core/state.js';

/** Share of a kernel's energy that isn't grey; 0 of a kernel of zeros. @param weights `[3, k, k]` */
export function colourfulness(weights: ArrayLike<number>): number {
  const area = weights.length / 3;
  let [coloured, all] = [0, 0];
  for (let p = 0; p < area; p++) {
    const channels = [weights[p]!, weights[area + p]!, weights[2 * area + p]!];
    const grey = (channels[0]! + channels[1]! + channels[2]!) / 3;
    for (const w of channels) {
      coloured += (w - grey) ** 2;
      all += w * w;
    }
  }
  return all === 0 ? 0 : coloured / all;
}

/**
 * What random weights `[3, k, k]`, normal and independent, come to: shares distributed as Beta(k^2, k^2 / 2), of mean
 * 2/3 and the deviation returned. The median of n kernels deviates by sqrt(pi / 2n) of it.
 */
export function randomColourfulness(side: number): { readonly mean: number; readonly deviation: number } {
  return { mean: 2 / 3, deviation: Math.sqrt(2 / 9 / (1.5 * side ** 2 + 1)) };
}

/** What decides whether towers are specialized. */
export const specializedRule = { chance: 0.01, separation: 0.5 } as const;

/** A kernel with less than this share of the mean energy of its layer's kernels is dead. */
const deadBelow = 0.01;

/** A kernel of a first layer. */
export interface KernelShare {
  /** Its colourfulness, 0-1. */
  readonly share: number;
  /** Whether it decayed to next to nothing: whatever pattern it has says nothing then, and isn't counted. */
  readonly dead: boolean;
}

/** A tower's kernels, in order. */
export interface TowerShares {
  readonly kernels: readonly KernelShare[];
  /** Mean share of those that aren't dead. */
  readonly mean: number;
  readonly dead: number;
}

/** How far two towers have parted. */
export interface Specialization {
  readonly towers: readonly [TowerShares, TowerShares];
  /** Mean of the first tower less that of the second. */
  readonly difference: number;
  /** How likely one as large is if the same kernels are handed out by chance, 0-1. */
  readonly chance: number;
  /** Of the largest difference these kernels allow, 0-1. */
  readonly separation: number;
  /** A chance of at most 0.01 and a separation of at least 0.5: more than chance, and most of what could be. */
  readonly specialized: boolean;
}

/**
 * How far the two towers of a first layer have parted.
 * @param weights `[K, 3, k, k]` @param kernels of each tower
 * @throws {ArgumentError} for another number of towers, weights of another shape, or a tower without a live kernel
 */
export function specializationOf(
  { shape, data }: Pick<HostTensor, 'shape' | 'data'>,
  kernels: readonly number[],
): Specialization {
  const [count = 0, channels, height = 0, width = 0] = shape;
  const [first, second, ...more] = kernels;
  if (first === undefined || second === undefined || more.length > 0)
    throw new ArgumentError(`specialization is of two towers; there are ${kernels.length}`);
  if (shape.length !== 4 || channels !== 3 || first + second !== count) {
    throw new ArgumentError(
      `specialization: weights [${shape.join(', ')}], expected [${first + second}, 3, k, k] for towers of ${first} and ${second} kernels`,
    );
  }
  const size = 3 * height * width;
  const all = Array.from({ length: count }, (_, i) => {
    const own = Array.from(data.subarray(i * size, (i + 1) * size), Number);
    return { share: colourfulness(own), energy: own.reduce((sum, w) => sum + w * w, 0) };
  });
  const least = (deadBelow * all.reduce((sum, { energy }) => sum + energy, 0)) / count;
  const own = all.map(({ share, energy }) => ({ share, dead: energy === 0 || energy < least }));
  const towers = [towerOf(own.slice(0, first)), towerOf(own.slice(first))] as const;
  const [a, b] = [liveShares(towers[0]), liveShares(towers[1])];
  const difference = towers[0].mean - towers[1].mean;
  const most = largestDifference([...a, ...b], a.length);
  const separation = most === 0 ? 0 : Math.abs(difference) / most;
  const chance = chanceOfDifference(a, b);
  const specialized = chance <= specializedRule.chance && separation >= specializedRule.separation;
  return { towers, difference, chance, separation, specialized };
}

/** The shares that count. */
function liveShares({ kernels }: Pick<TowerShares, 'kernels'>): number[] {
  return kernels.flatMap(({ share, dead }) => (dead ? [] : [share]));
}

function towerOf(kernels: readonly KernelShare[]): TowerShares {
  const live = liveShares({ kernels });
  if (live.length === 0) throw new ArgumentError('specialization: a tower has no live kernel');
  return { kernels, mean: meanOf(live), dead: kernels.length - live.length };
}

const meanOf = (numbers: readonly number[]): number =>
  numbers.reduce((sum, x) => sum + x, 0) / numbers.length;

/** The largest difference of means that numbers allow, `first` of them on one side. */
function largestDifference(numbers: readonly number[], first: number): number {
  const sorted = [...numbers].sort((x, y) => x - y);
  const apart = (n: number): number => meanOf(sorted.slice(n)) - meanOf(sorted.slice(0, n));
  return Math.max(apart(first), apart(numbers.length - first));
}

/** Up to this many ways to hand numbers out are gone through one by one; of more, as many are drawn. */
const mostWays = 20_000;

/**
 * How likely a difference of means at least as large as that between `a` and `b` is if their numbers are handed out by
 * chance: exact for up to 20,000 ways to do so, otherwise of 20,000 draws, the given one counted among them. The same
 * numbers give the same chance.
 */
export function chanceOfDifference(a: readonly number[], b: readonly number[]): number {
  const numbers = [...a, ...b];
  const total = numbers.reduce((sum, x) => sum + x, 0);
  const n = a.length;
  const distance = (sum: number): number => Math.abs(sum / n - (total - sum) / b.length);
  // Sums of the same numbers in another order differ in their last digits.
  const least = distance(a.reduce((sum, x) => sum + x, 0)) - 1e-12;
  let [ways, asLarge] = [0, 0];
  const count = (sum: number): void => {
    ways++;
    if (distance(sum) >= least) asLarge++;
  };
  if (waysToChoose(numbers.length, n) <= mostWays) {
    const choose = (at: number, left: number, sum: number): void => {
      if (left === 0) count(sum);
      else for (let i = at; i <= numbers.length - left; i++) choose(i + 1, left - 1, sum + numbers[i]!);
    };
    choose(0, n, 0);
    return asLarge / ways;
  }
  const random = new HostRandom({ seed: [n, b.length], stream: 0 });
  count(numbers.slice(0, n).reduce((sum, x) => sum + x, 0));
  while (ways < mostWays) {
    let sum = 0;
    // The first n places of a shuffle.
    for (let i = 0; i < n; i++) {
      const j = i + random.integer(numbers.length - i);
      [numbers[i], numbers[j]] = [numbers[j]!, numbers[i]!];
      sum += numbers[i]!;
    }
    count(sum);
  }
  return asLarge / ways;
}

/** n over k. */
function waysToChoose(n: number, k: number): number {
  let ways = 1;
  for (let i = 1; i <= k; i++) ways = (ways * (n - k + i)) / i;
  return ways;
}

/**
 * What several chances come to together, each of a run of its own (R. A. Fisher's method): how likely a product as small
 * is of as many uniform numbers, P sum_(i < n) (-ln P)^i / i!.
 */
export function combinedChance(chances: readonly number[]): number {
  const log = -chances.reduce((sum, chance) => sum + Math.log(chance), 0);
  let [term, sum] = [1, 0];
  for (let i = 0; i < chances.length; i++) {
    sum += term;
    term *= log / (i + 1);
  }
  return Math.min(1, Math.exp(-log) * sum);
}
