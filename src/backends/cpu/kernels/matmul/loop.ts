/**
 * Matrix products: `out[b, m, n] = sum over k of a[b, m, k] * b[b, k, n] (+ bias[n]) (then max(0, .))`, each sum
 * accumulated in doubles.
 */
import type { LoopArgs } from '../view.js';

/** See `Kernels.matmul`. */
export function matmul({ a, b, bias, relu, out }: LoopArgs<'matmul'>): void {
  const [batches = 0, M = 0, K = 0] = a.shape;
  const N = b.shape[2]!;
  const [aBatch = 0, aRow = 0, aColumn = 0] = a.strides;
  const [bBatch = 0, bRow = 0, bColumn = 0] = b.strides;
  let to = out.offset;
  for (let batch = 0; batch < batches; batch++) {
    for (let m = 0; m < M; m++) {
      const aStart = a.offset + batch * aBatch + m * aRow;
      for (let n = 0; n < N; n++) {
        const bStart = b.offset + batch * bBatch + n * bColumn;
        let sum = 0;
        for (let k = 0; k < K; k++) sum += a.data[aStart + k * aColumn]! * b.data[bStart + k * bRow]!;
        if (bias !== null) sum += bias.data[bias.offset + n]!;
        out.data[to++] = relu ? Math.max(0, sum) : sum;
      }
    }
  }
}
