/**
 * Selection along an axis: gather, its gradient scatterAdd, and the k largest of each row.
 */
import { contiguousStrides } from '../../../../core/shape.js';
import { type LoopArgs, walk } from '../view.js';

/** See `Kernels.gather`. */
export function gather({ x, index, out }: LoopArgs<'gather'>): void {
  const [, A = 0, I = 0] = x.shape;
  // Where the row [o, :, i] of x begins, as a view over the index's shape.
  const rows = { offset: x.offset, strides: [A * I, 0, 1] };
  const dense = { offset: out.offset, strides: contiguousStrides(out.shape) };
  walk(index.shape, [index, rows, dense], ([from, row, to]) => {
    const a = index.data[from!]!;
    out.data[to!] = a >= 0 && a < A ? x.data[row! + a * I]! : NaN; // an integer array takes NaN as 0
  });
}

/** See `Kernels.scatterAdd`. */
export function scatterAdd({ grad, index, out }: LoopArgs<'scatterAdd'>): void {
  const [O = 0, A = 0, I = 0] = out.shape;
  const sums = new Float64Array(O * A * I);
  const rows = { offset: 0, strides: [A * I, 0, 1] };
  walk(index.shape, [index, grad, rows], ([at, from, row]) => {
    const a = index.data[at!]!;
    if (a >= 0 && a < A) sums[row! + a * I]! += grad.data[from!]!;
  });
  out.data.set(sums, out.offset);
}

/** See `Kernels.topk`. */
export function topk({ x, values, indices }: LoopArgs<'topk'>): void {
  const [R = 0, C = 0] = x.shape;
  const [, k = 0] = values.shape;
  for (let r = 0; r < R; r++) {
    const row = x.data.subarray(x.offset + r * C, x.offset + (r + 1) * C);
    // The best so far in order; an equal one stays behind those before it.
    const best: number[] = [];
    for (let j = 0; j < C; j++) {
      let rank = best.length;
      while (rank > 0 && isBefore(row[j]!, row[best[rank - 1]!]!)) rank--;
      if (rank === k) continue;
      best.splice(rank, 0, j);
      if (best.length > k) best.pop();
    }
    best.forEach((j, rank) => {
      values.data[values.offset + r * k + rank] = row[j]!;
      indices.data[indices.offset + r * k + rank] = j;
    });
  }
}

/** Whether a comes before b whatever their indices: NaN first, then falling. */
function isBefore(a: number, b: number): boolean {
  return Number.isNaN(a) ? !Number.isNaN(b) : a > b;
}
