/**
 * Principal components of the colours of a training set, and the paper's colour noise made from them (section 4.1).
 *
 * With C the 3x3 covariance of red, green and blue over all pixels, C p_k = lambda_k p_k, the noise added to every
 * pixel of a picture is
 *
 *   sum over k of p_k alpha_k s_k,   alpha_k ~ N(0, deviation), drawn once each time the picture is used.
 *
 * The paper's text has s_k = lambda_k, an eigenvalue, which is a variance. With pixels of 0-255 the first is near
 * 14,800 for ImageNet, and a tenth of it leaves nothing of the picture. The code that was run took the standard
 * deviation, s_k = sqrt(lambda_k), near 122 for ImageNet: a shift of 12 grey levels. Both are offered by name.
 */
import type { HostRandom } from '../../backends/threefry.js';
import { type Fields, number, object, type Schema, tuple } from '../../formats/json.js';

/** Red, green, blue. */
export type Triple = readonly [number, number, number];

/** Principal components of colours 0-255. */
export interface Pca {
  /** Of red, green and blue, the rows of the matrix. */
  readonly covariance: readonly [Triple, Triple, Triple];
  /** Eigenvalues, the largest first: variances, in grey levels squared. */
  readonly values: Triple;
  /** The eigenvector of each: length 1, its largest entry positive. */
  readonly vectors: readonly [Triple, Triple, Triple];
}

/** Red, green, blue in a file. */
export const tripleSchema: Schema<Triple> = tuple<Triple>(number(), number(), number());

/** A covariance or eigenvectors in a file. */
const matrixSchema = tuple<Pca['vectors']>(tripleSchema, tripleSchema, tripleSchema);

/** Principal components in a file, field by field. */
export const pcaFields: Fields<Pca> = {
  covariance: matrixSchema,
  values: tuple<Triple>(number(0), number(0), number(0)),
  vectors: matrixSchema,
};

/** Principal components in a file. */
export const pcaSchema: Schema<Pca> = object<Pca>(pcaFields);

/** What multiplies alpha: an eigenvalue, as the paper's text says; or its root, as its code did. */
export type ColourForm = 'lambda' | 'sqrt';

/**
 * The form to take when none is asked for, also for the recipe that follows the paper's text: taken literally, the
 * text asks for noise that drowns every picture, so here the code that gave its results is followed.
 */
export const defaultColourForm: ColourForm = 'sqrt';

/** Colour noise. */
export interface ColourNoise {
  readonly pca: Pca;
  /** Default `defaultColourForm`. */
  readonly form?: ColourForm;
  /** Standard deviation of alpha, default 0.1. */
  readonly deviation?: number;
}

/** Draws one picture's shift of red, green and blue, in grey levels. */
export function colourShift(noise: ColourNoise, random: HostRandom): Triple {
  const { pca, form = defaultColourForm, deviation = 0.1 } = noise;
  const shift: [number, number, number] = [0, 0, 0];
  for (const [k, vector] of pca.vectors.entries()) {
    const value = pca.values[k]!;
    const size = random.normal() * deviation * (form === 'sqrt' ? Math.sqrt(value) : value);
    for (let c = 0; c < 3; c++) shift[c]! += vector[c]! * size;
  }
  return shift;
}

/** The principal components of a covariance. */
export function pcaOf(covariance: readonly [Triple, Triple, Triple]): Pca {
  const { values, vectors } = eigen(covariance.map((row) => [...row]));
  const order = [0, 1, 2].sort((a, b) => values[b]! - values[a]!);
  const vectorAt = (rank: number): Triple => {
    const [r = 0, g = 0, b = 0] = vectors.map((row) => row[order[rank]!]!);
    const largest = [r, g, b].reduce((most, x) => (Math.abs(x) > Math.abs(most) ? x : most));
    const sign = largest < 0 ? -1 : 1;
    return [sign * r, sign * g, sign * b];
  };
  // A covariance has no negative eigenvalue; rounding can make one of a zero.
  const valueAt = (rank: number): number => Math.max(0, values[order[rank]!]!);
  return {
    covariance,
    values: [valueAt(0), valueAt(1), valueAt(2)],
    vectors: [vectorAt(0), vectorAt(1), vectorAt(2)],
  };
}

/**
 * Eigenvalues and eigenvectors (columns) of a symmetric matrix by Jacobi's method: plane rotations, each making one
 * entry off the diagonal zero, until none is left (Golub and Van Loan, "Matrix computations", section 8.5).
 * @param a overwritten.
 */
function eigen(a: number[][]): { values: number[]; vectors: number[][] } {
  const n = a.length;
  const vectors = a.map((_, i) => a.map((__, j) => (i === j ? 1 : 0)));
  const rotate = (
    m: number[][],
    i: number,
    j: number,
    k: number,
    l: number,
    s: number,
    tau: number,
  ): void => {
    const [g, h] = [m[i]![j]!, m[k]![l]!];
    m[i]![j] = g - s * (h + g * tau);
    m[k]![l] = h + s * (g - h * tau);
  };
  // Convergence is quadratic: three or four sweeps do for 3x3; the limit only ends a matrix with NaN.
  for (let sweep = 0; sweep < 50; sweep++) {
    let off = 0;
    for (let p = 0; p < n; p++) for (let q = p + 1; q < n; q++) off += Math.abs(a[p]![q]!);
    if (off === 0) break;
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        const apq = a[p]![q]!;
        if (apq === 0) continue;
        const [app, aqq] = [a[p]![p]!, a[q]![q]!];
        const theta = (aqq - app) / (2 * apq);
        const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.hypot(theta, 1));
        const c = 1 / Math.hypot(t, 1);
        const s = t * c;
        const tau = s / (1 + c);
        a[p]![p] = app - t * apq;
        a[q]![q] = aqq + t * apq;
        a[p]![q] = 0;
        for (let i = 0; i < n; i++) {
          if (i < p) rotate(a, i, p, i, q, s, tau);
          else if (i > p && i < q) rotate(a, p, i, i, q, s, tau);
          else if (i > q) rotate(a, p, i, q, i, s, tau);
          rotate(vectors, i, p, i, q, s, tau);
        }
      }
    }
  }
  return { values: a.map((row, i) => row[i]!), vectors };
}
