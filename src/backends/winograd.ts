/**
 * The matrices of Winograd's convolution for square kernels of r x r taps and stride 1, in tiles of m x m results: the
 * multiplications of t x t "points" (t = m + r - 1) take the place of m^2 r^2. With d a tile of t x t pixels and g a
 * kernel,
 *
 *     results = AT ((G g GT) * (BT d B)) A        (* element by element)
 *
 * where the matrices come from interpolating polynomials at t - 1 numbers and infinity (Cook and Toom). The sums over
 * channels are taken among the points, as t^2 matrix products. All steps are linear, so the gradient by the kernel
 * goes the same way with the matrices transposed, and sums over tiles:
 *
 *     kernel gradient = GT ((A gradient AT) * (BT d B)) G
 *
 * Lavin, Gray: Fast Algorithms for Convolutional Neural Networks (2015).
 */

/** How kernels of one size are done. */
export interface Method {
  /** Taps along one side of a kernel: r. */
  readonly taps: number;
  /** Results along one side of a tile: m. */
  readonly results: number;
  /** The numbers of interpolation. */
  readonly numbers: readonly number[];
  /** Whether gradients by the input are exact enough. */
  readonly byInput: boolean;
}

/**
 * All methods: large tiles take fewer multiplications, small ones less work for the kernels. A few numbers and their
 * negatives keep rounding errors smallest; these were found by a search in steps of 1/16 over AlexNet's own convolutions
 * at its first step on photographs. Root mean squares of the error against doubles, as multiples of that of direct sums
 * in single precision, forward, by the weight and by the input (whose sums have few terms that aren't zero, so that direct
 * ones are nearly exact):
 *
 *     4 x 4 results of 3 x 3 taps    1.0 to 1.7    0.9 to 1.3    (4.9 to 8.8)
 *     3 x 3 of 3 x 3                 1.0 to 1.4    0.8 to 1.7    (2.7 to 4.8)
 *     2 x 2 of 3 x 3                 1.1 to 1.2    0.9 to 1.7    1.5 to 2.2
 *     3 x 3 of 5 x 5                 2.1           4.0           (10.5)
 *     2 x 2 of 5 x 5                 1.3           2.5           5.7
 *
 * The numbers 0, 1, -1, 2 and -2 of the literature give 1.4 to 3.0 forward where these give 1.0 to 1.7. Of pixels and kernels
 * that are all independent, 4 x 4 results have 3.5 times the error of direct sums, and 3 x 3 of 5 x 5 taps 6 to 9 times.
 */
export const methods: readonly Method[] = [
  { taps: 3, results: 4, numbers: [0, 3 / 4, -3 / 4, 3 / 2, -3 / 2], byInput: false },
  { taps: 3, results: 3, numbers: [1 / 2, -1 / 2, 5 / 4, -5 / 4], byInput: false },
  { taps: 3, results: 2, numbers: [0, 1, -1], byInput: true },
  { taps: 5, results: 3, numbers: [5 / 16, -5 / 16, 7 / 8, -7 / 8, 7 / 4, -7 / 4], byInput: false },
  { taps: 5, results: 2, numbers: [0, 3 / 4, -3 / 4, 3 / 2, -3 / 2], byInput: true },
];

/** Tells methods apart in the names of modules. */
export function nameOf({ taps, results }: Method): string {
  return `${results}x${results} of ${taps}x${taps}`;
}

/** A matrix, row by row. */
export type Matrix = readonly (readonly number[])[];

/** The matrices along one axis: of kernels `G` `[t, r]`, of pixels `BT` `[t, t]`, back to results `AT` `[m, t]`. */
export function matricesOf({ taps, results, numbers }: Method): { G: Matrix; BT: Matrix; AT: Matrix } {
  /** Coefficients of the product of (x - number) over all numbers but the one at `skip`. */
  const product = (skip: number): number[] =>
    numbers.reduce(
      (p, a, j) => (j === skip ? p : p.map((c, i) => (p[i - 1] ?? 0) - a * c)),
      [1, ...numbers.map(() => 0)],
    );
  const powers = (a: number, count: number): number[] => Array.from({ length: count }, (_, k) => a ** k);
  const infinity = (count: number): number[] =>
    Array.from({ length: count }, (_, k) => (k === count - 1 ? 1 : 0));
  const G = numbers.map((a, i) => {
    const scale = numbers.reduce((s, b, j) => (j === i ? s : s * (a - b)), 1);
    return powers(a, taps).map((power) => power / scale);
  });
  return {
    G: [...G, infinity(taps)],
    BT: [...numbers.map((_, i) => product(i)), product(-1)],
    AT: transposed([...numbers.map((a) => powers(a, results)), infinity(results)]),
  };
}

/** The matrix with rows and columns exchanged. */
export function transposed(matrix: Matrix): Matrix {
  return matrix[0]!.map((_, j) => matrix.map((row) => row[j]!));
}
