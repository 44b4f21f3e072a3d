/**
 * Winograd's convolution for square kernels of r x r taps and stride 1, in tiles of 2 x 2 results: the multiplications
 * of t x t "points" (t = r + 1) take the place of 4 r^2, so 16 that of 36, or 36 that of 100. With d a tile of t x t
 * pixels and g a kernel,
 *
 *     results = AT ((G g GT) * (BT d B)) A        (* element by element)
 *
 * where the matrices come from interpolating polynomials at t - 1 numbers and infinity (Cook and Toom). The sums over
 * channels are taken among the points, as t^2 matrix products. All steps are linear, so the gradient by the kernel
 * goes the same way with the matrices transposed, and sums over tiles:
 *
 *     kernel gradient = GT ((A gradient AT) * (BT d B)) G
 *
 * This file holds the matrices and the emitters for kernels; tiles.ts those for images.
 *
 * Lavin, Gray: Fast Algorithms for Convolutional Neural Networks (2015).
 */

import { forRange } from '../../asm/flow.js';
import { f32x4, i32, type Local, type V128, v128 } from '../../asm/instructions.js';
import { type Lanes, smaller } from '../../asm/lanes.js';
import { emitUnits } from '../../asm/units.js';
import { WordLayout } from '../../asm/words.js';
import type { Features } from '../../plan.js';
import { depthBlock, Panels } from '../matmul/panels.js';

/** Results along one side of a tile. */
export const tileResults = 2;

/** The numbers of interpolation for each size of kernel; these keep rounding errors at a few times a plain sum's. */
const points: Readonly<Record<number, readonly number[]>> = { 3: [0, 1, -1], 5: [0, 1, -1, 0.5, -2] };

/** Whether kernels of this size can be done. */
export function hasPoints(kernel: number): boolean {
  return kernel in points;
}

/** A matrix, row by row. */
type Matrix = readonly (readonly number[])[];

/** The matrices along one axis: of kernels `G` `[t, r]`, of pixels `BT` `[t, t]`, back to results `AT` `[2, t]`. */
export function matricesOf(kernel: number): { G: Matrix; BT: Matrix; AT: Matrix } {
  const numbers = points[kernel] ?? [];
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
    return powers(a, kernel).map((power) => power / scale);
  });
  return {
    G: [...G, infinity(kernel)],
    BT: [...numbers.map((_, i) => product(i)), product(-1)],
    AT: transposed([...numbers.map((a) => powers(a, tileResults)), infinity(tileResults)]),
  };
}

/** The matrix with rows and columns exchanged. */
export function transposed(matrix: Matrix): Matrix {
  return matrix[0]!.map((_, j) => matrix.map((row) => row[j]!));
}

/** The sum of `vectors` times `factors`. */
function combine(l: Lanes, factors: readonly number[], vectors: readonly V128[]): V128 {
  const terms = factors
    .map((factor, i) => ({ factor, vector: vectors[i]! }))
    .filter(({ factor }) => factor !== 0)
    .sort((a, b) => Number(b.factor === 1) - Number(a.factor === 1));
  return terms.slice(1).reduce(
    (sum, { factor, vector }) => {
      if (factor === 1) return f32x4.add(sum, vector);
      return factor === -1 ? f32x4.sub(sum, vector) : l.madd(vector, l.f32(factor), sum);
    },
    terms[0]!.factor === 1 ? terms[0]!.vector : f32x4.mul(terms[0]!.vector, l.f32(terms[0]!.factor)),
  );
}

/** `matrix x matrixT`, each element a vector, kept in variables. */
export function bothSides(l: Lanes, matrix: Matrix, x: readonly (readonly V128[])[]): Local<'v128'>[][] {
  const along = x.map((row) => matrix.map((factors) => l.let(combine(l, factors, row))));
  return matrix.map((factors) =>
    matrix.map((_, j) =>
      l.let(
        combine(
          l,
          factors,
          along.map((row) => row[j]!),
        ),
      ),
    ),
  );
}

/**
 * Words of `kernels`: the taps of the kernel (row, depth k) of group g lie at `from + g * fromGroup + row * fromRow +
 * k * fromDepth`, row by row. The result is packed (panels.ts), for each point and group a
 * matrix of its own: `[points, groups]`, `toPoint` and `toGroup` bytes apart.
 */
export const kernelWords = new WordLayout(
  'from',
  'fromGroup',
  'fromRow',
  'fromDepth',
  'to',
  'toPoint',
  'toGroup',
  'units',
  'rows',
  'depth',
  'panels',
  'lastHeight',
);

/**
 * Emits `kernels(address of words, thread, threads)`: `G g GT`, of kernels `turned` around if so. A unit is a panel; the
 * depth comes in fours.
 */
export function emitKernels(kernel: number, turned: boolean, features: Features): Uint8Array<ArrayBuffer> {
  const { G } = matricesOf(kernel);
  return emitUnits('kernels', kernelWords, features, ({ l, w }) => {
    const panels = new Panels(features, w);
    const [k, row] = [l.variable('i32'), l.variable('i32')];
    return (unit) => {
      const group = l.let(i32.divU(unit, w.panels));
      const panel = l.let(i32.remU(unit, w.panels));
      const first = l.let(panels.firstRow(panel));
      const end = l.let(panels.firstRow(i32.add(panel, 1)));
      const height = l.let(i32.sub(end, first));
      const step = l.let(i32.shl(height, 2));
      const source = l.let(i32.add(w.from, i32.mul(group, w.fromGroup)));
      const target = l.let(i32.add(w.to, i32.mul(group, w.toGroup)));
      const four = l.block(() => {
        const block = l.let(i32.and(k, -depthBlock));
        const steps = l.let(smaller(l.let(i32.sub(w.depth, block)), depthBlock));
        const before = i32.add(i32.mul(block, w.rows), i32.mul(first, steps));
        const place = i32.add(before, i32.mul(i32.sub(k, block), height));
        const panelAt = l.let(i32.add(target, i32.shl(i32.sub(place, first), 2)));
        const at = l.let(i32.add(source, i32.mul(k, w.fromDepth)));
        const eachRow = l.block(() => {
          const taps = lanesAt(l, i32.add(at, i32.mul(row, w.fromRow)), w.fromDepth);
          const g = Array.from({ length: kernel }, (_, i) =>
            Array.from({ length: kernel }, (_, j) => {
              const number = i * kernel + j;
              const offset = 4 * (turned ? kernel * kernel - 1 - number : number);
              const [zero, ...others] = taps;
              const tap = l.let(v128.load32Zero(zero!, offset));
              l.do(others.map((address, lane) => tap.set(v128.load32Lane(address, tap, lane + 1, offset))));
              return tap;
            }),
          );
          const to = lanesAt(l, i32.add(panelAt, i32.shl(row, 2)), step);
          for (const point of bothSides(l, G, g).flat()) {
            l.do(to.map((address, lane) => v128.store32Lane(address, point, lane)));
            l.do(to.map((address) => address.set(i32.add(address, w.toPoint))));
          }
        });
        l.do(forRange(row, first, end, 1, eachRow));
      });
      l.do(forRange(k, 0, w.depth, 4, four));
    };
  });
}

/**
 * Words of `kernelGrads`: the gradients among the points lie as `[points, groups]` matrices `[rows, depth]` at `from`,
 * `fromPoint` and `fromGroup` bytes apart; the result is `[groups, rows, depth, r, r]` at `to`.
 */
export const kernelGradWords = new WordLayout(
  'from',
  'fromPoint',
  'fromGroup',
  'to',
  'units',
  'rows',
  'depth',
);

/** Emits `kernelGrads(address of words, thread, threads)`: `GT x G`. A unit is a row; the depth comes in fours. */
export function emitKernelGrads(kernel: number, features: Features): Uint8Array<ArrayBuffer> {
  const { G } = matricesOf(kernel);
  const kernelBytes = 4 * kernel * kernel;
  return emitUnits('kernelGrads', kernelGradWords, features, ({ l, w }) => {
    const k = l.variable('i32');
    return (unit) => {
      const group = i32.mul(i32.divU(unit, w.rows), w.fromGroup);
      const line = i32.mul(i32.mul(i32.remU(unit, w.rows), w.depth), 4);
      const source = l.let(i32.add(w.from, i32.add(group, line)));
      const target = l.let(i32.add(w.to, i32.mul(i32.mul(unit, w.depth), kernelBytes)));
      const four = l.block(() => {
        const from = l.let(i32.add(source, i32.shl(k, 2)));
        const to = l.let(i32.add(target, i32.mul(k, kernelBytes)));
        const x = G.map(() => loadPoints(l, from, w.fromPoint, G.length));
        bothSides(l, transposed(G), x)
          .flat()
          .forEach((tap, i) => {
            const store = (lane: number) => v128.store32Lane(to, tap, lane, lane * kernelBytes + 4 * i);
            l.do([0, 1, 2, 3].map(store));
          });
      });
      l.do(forRange(k, 0, w.depth, 4, four));
    };
  });
}

/** Loads a vector of each of `count` points and moves `address` on. */
export function loadPoints(
  l: Lanes,
  address: Local<'i32'>,
  pointBytes: Local<'i32'>,
  count: number,
): Local<'v128'>[] {
  return Array.from({ length: count }, () => {
    const value = l.let(v128.load(address));
    l.do(address.set(i32.add(address, pointBytes)));
    return value;
  });
}

/** Four addresses `step` apart. */
function lanesAt(l: Lanes, first: ReturnType<typeof i32.add>, step: Local<'i32'>): Local<'i32'>[] {
  const addresses = [l.let(first)];
  for (let i = 1; i < 4; i++) addresses.push(l.let(i32.add(addresses[i - 1]!, step)));
  return addresses;
}
