/**
 * Matrix products: `out[b, m, n] = sum over k of a[b, m, k] * b[b, k, n] (+ bias[n]) (then max(0, .))`, as products
 * of panels (wasm/gemm.ts), k in stretches so that the packed a stays within `chunkBytes`.
 */
import type { Kernels } from '../../../core/backend.js';
import type { View } from '../../../core/shape.js';
import { addressOf, type Planner } from '../plan.js';
import { depthBlock } from '../wasm/gemm.js';
import { chunkBytes, runPack, runProduct, strided, workspaceOf } from './product.js';

type MatMul = Kernels['matmul'];

/** Distances in bytes between batches, rows and columns of a `[B, R, C]` view. */
function bytesOf(view: View): { batch: number; row: number; column: number } {
  const [batch = 0, row = 0, column = 0] = view.strides;
  return { batch: 4 * batch, row: 4 * row, column: 4 * column };
}

/** Plans a product; covers all arguments of the contract. */
export function planMatmul(args: MatMul, planner: Planner): boolean {
  const [batches = 0, rows = 0, columns = 0] = args.out.shape;
  const depth = args.a.shape[2] ?? 0;
  if (batches === 0 || rows === 0 || columns === 0) return true;
  const a = bytesOf(args.a);
  const b = bytesOf(args.b);
  const groups = a.batch === 0 ? 1 : batches; // one a for all batches is packed once
  const stepBytes = 4 * groups * rows;
  const stretch = Math.max(1, Math.floor(chunkBytes / stepBytes / depthBlock)) * depthBlock;
  const packed = planner.temporary(stepBytes * Math.min(depth, stretch));
  const workspace = workspaceOf(planner);
  for (let k = 0; k === 0 || k < depth; k += stretch) {
    const steps = Math.min(stretch, depth - k);
    const isLast = k + steps === depth;
    const source = {
      address: addressOf(args.a) + k * a.column,
      group: a.batch,
      lanes: a.row,
      depth: a.column,
    };
    runPack(planner, strided, source, { groups, rows, depth: steps }, packed);
    runProduct(planner, strided, {
      a: packed,
      aGroup: groups === 1 ? 0 : 4 * rows * steps,
      b: { address: addressOf(args.b) + k * b.row, group: b.batch, lanes: b.column, depth: b.row },
      c: { address: addressOf(args.out), group: 4 * rows * columns, row: 4 * columns, columns: 0 },
      groups: batches,
      rows,
      columns,
      depth: steps,
      accumulate: k > 0,
      columnBias: isLast && args.bias !== null ? addressOf(args.bias) : 0,
      relu: isLast && args.relu,
      workspace,
    });
  }
  return true;
}
