/**
 * Elementary functions of float32 against double precision: numbers to try, and errors in units of the last place.
 */
import * as assert from 'uvu/assert';
import type { HostRandom } from '../../src/backends/threefry.js';

/** Numbers at which functions have bends, limits and ends. */
export const edges = [
  0,
  -0,
  1,
  -1,
  0.5,
  2,
  88.7,
  88.73,
  -87.4,
  -103.9,
  -104,
  1e-45,
  -1e-45,
  1e-38,
  1.2e-38,
  3e38,
  -3e38,
  Infinity,
  -Infinity,
  NaN,
];

/** Numbers of every magnitude between 2^low and 2^high, both signs, and the edges. */
export function magnitudes(
  random: HostRandom,
  low: number,
  high: number,
  count = 20000,
): Float32Array<ArrayBuffer> {
  const data = Float32Array.from({ length: count }, () => {
    const size = 2 ** (low + (high - low) * random.uniform());
    return random.uniform() < 0.5 ? -size : size;
  });
  data.set(edges);
  return data;
}

/** The error function: its alternating series for small x, its continued fraction for larger ones. */
function erf(x: number): number {
  if (Math.abs(x) < 2) {
    let term = x;
    let sum = x;
    for (let n = 1; n < 60; n++) {
      term *= -(x * x) / n;
      sum += term / (2 * n + 1);
    }
    return (2 / Math.sqrt(Math.PI)) * sum;
  }
  const size = Math.abs(x);
  let fraction = size;
  for (let k = 200; k > 0; k--) fraction = size + k / 2 / fraction;
  return Number.isNaN(x) ? x : Math.sign(x) * (1 - Math.exp(-x * x) / Math.sqrt(Math.PI) / fraction);
}

/** Each of `functions` in doubles. */
export const inDoubles = { exp: Math.exp, log: Math.log, tanh: Math.tanh, erf, sin: Math.sin, cos: Math.cos };

/** Functions, the magnitudes over which to try them, and the error that each may have. */
export const functions: readonly (readonly [
  name: keyof typeof inDoubles,
  low: number,
  high: number,
  limit: number,
])[] = [
  ['exp', -149, 7, 2],
  ['log', -149, 128, 2],
  ['log', -0.5, 0.5, 2],
  ['log', -0.001, 0.001, 2],
  ['tanh', -149, 5, 3],
  ['erf', -149, 5, 3],
  ['sin', -149, 20, 2],
  ['cos', -30, 20, 2],
  ['sin', 20, 128, 2],
  ['cos', 20, 128, 2],
];

/** The largest error in units in the last place of the exact result; NaN must meet NaN, infinity its equal. */
export function worstUlp(
  actual: ArrayLike<number>,
  exact: (i: number) => number,
  name: (i: number) => string,
): number {
  let worst = 0;
  Array.from(actual).forEach((value, i) => {
    const want = exact(i);
    const rounded = Math.fround(want);
    if (Object.is(value, rounded) || value === rounded) return;
    const limit = 3.4028235677973366e38;
    const finite = Math.abs(value) === Infinity ? Math.sign(value) * limit : value;
    const ulp = 2 ** (Math.max(-126, Math.floor(Math.log2(Math.min(Math.abs(want), limit)))) - 23);
    const error = Math.abs(finite - want) / ulp;
    if (!(error < 8)) assert.unreachable(`${name(i)} = ${value}, expected ${rounded}`);
    worst = Math.max(worst, error);
  });
  return worst;
}

/** a^b as C has it: JavaScript gives NaN for powers of 1 and -1 that C gives 1 for. */
export function power(a: number, b: number): number {
  return a === 1 || (a === -1 && Math.abs(b) === Infinity) ? 1 : a ** b;
}
