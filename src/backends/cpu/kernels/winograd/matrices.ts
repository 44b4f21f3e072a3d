/**
 * The matrices of Winograd's method (backends/winograd.ts) times numbers, as vector instructions: rows or columns that differ
 * in signs alone share their work.
 */
import { type Matrix, transposed } from '../../../winograd.js';
import { f32x4, type V128 } from '../../asm/instructions.js';
import type { Lanes } from '../../asm/lanes.js';

/** Whether two rows differ in signs alone. */
function areTwins(a: readonly number[], b: readonly number[]): boolean {
  return a.every((factor, k) => Math.abs(factor) === Math.abs(b[k]!));
}

/** Number of the first row after `i` that differs from it in signs alone; -1 if there is none. */
function twinOf(matrix: Matrix, i: number): number {
  return matrix.findIndex((row, j) => j > i && areTwins(matrix[i]!, row));
}

/** The matrix times `x`, whose numbers are vectors: rows or columns of a number and its negative share their work. */
export function multiplied(l: Lanes, matrix: Matrix, x: readonly V128[]): V128[] {
  return matrix.length < x.length ? byColumns(l, matrix, x) : byRows(l, matrix, x);
}

/** Rows that differ in signs alone are sum and difference of two parts. */
function byRows(l: Lanes, matrix: Matrix, x: readonly V128[]): V128[] {
  const results: V128[] = [];
  matrix.forEach((row, i) => {
    if (results[i]) return;
    const j = twinOf(matrix, i);
    const twin = matrix[j];
    if (twin === undefined) {
      results[i] = l.let(combine(l, row, x));
      return;
    }
    const part = (same: boolean) =>
      l.let(
        combine(
          l,
          row.map((factor, k) => ((factor === twin[k]) === same ? factor : 0)),
          x,
        ),
      );
    const [even, odd] = [part(true), part(false)];
    results[i] = l.let(f32x4.add(even, odd));
    results[j] = l.let(f32x4.sub(even, odd));
  });
  return results;
}

/** Vectors whose columns differ in signs alone are added and subtracted first. */
function byColumns(l: Lanes, matrix: Matrix, x: readonly V128[]): V128[] {
  const columns = transposed(matrix);
  const vectors: V128[] = [];
  const factors: (readonly number[])[] = [];
  const done = new Set<number>();
  columns.forEach((column, i) => {
    if (done.has(i)) return;
    const j = twinOf(columns, i);
    const twin = columns[j];
    if (twin === undefined) {
      vectors.push(x[i]!);
      factors.push(column);
      return;
    }
    done.add(j);
    vectors.push(l.let(f32x4.add(x[i]!, x[j]!)), l.let(f32x4.sub(x[i]!, x[j]!)));
    for (const same of [true, false])
      factors.push(column.map((factor, k) => ((factor === twin[k]) === same ? factor : 0)));
  });
  return transposed(factors).map((row) => l.let(combine(l, row, vectors)));
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
