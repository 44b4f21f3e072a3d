/**
 * Matrix products: `out[b, m, n] = sum over k of a[b, m, k] * b[b, k, n] (+ bias[n]) (then max(0, .))`.
 *
 * With few rows (or columns) each number of the large matrix is used so rarely that packing would cost more than
 * the product: those go row by row through the large matrix (`dot`), where its rows lie along k. The rest is a
 * product of panels (wasm/gemm.ts), k in stretches so that the packed a stays within `chunkBytes`.
 */
import type { Kernels } from '../../../core/backend.js';
import type { View } from '../../../core/shape.js';
import { addressOf, type Planner } from '../plan.js';
import { depthBlock, gemmModule, gemmWords, packWords, panelsOf, workspaceBytes } from '../wasm/gemm.js';
import { chunkBytes, rowTeams } from './product.js';

type MatMul = Kernels['matmul'];

const module = gemmModule('strided');

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
  planPanels(args, planner, batches, rows, columns, depth);
  return true;
}

function planPanels(
  args: MatMul,
  planner: Planner,
  batches: number,
  rows: number,
  columns: number,
  depth: number,
) {
  const { threads } = planner;
  const a = bytesOf(args.a);
  const b = bytesOf(args.b);
  const { panels, lastHeight } = panelsOf(rows, planner.features);
  const shared = a.batch === 0; // one a for all batches is packed once
  const packedGroups = shared ? 1 : batches;
  const stepBytes = 4 * packedGroups * rows;
  const stretch = Math.max(1, Math.floor(chunkBytes / stepBytes / depthBlock)) * depthBlock;
  const packed = planner.temporary(stepBytes * Math.min(depth, stretch));
  const workspace = planner.temporary(workspaceBytes * threads);
  for (let k = 0; k === 0 || k < depth; k += stretch) {
    const steps = Math.min(stretch, depth - k);
    const isLast = k + steps === depth;
    planner.run(
      module,
      'pack',
      packWords.encode({
        source: addressOf(args.a) + k * a.column,
        sourceGroup: a.batch,
        lanes: a.row,
        depthSteps: a.column,
        to: packed,
        groups: packedGroups,
        rows,
        depth: steps,
        panels,
        lastHeight,
      }),
    );
    planner.run(
      module,
      'gemm',
      gemmWords.encode({
        a: packed,
        aGroup: shared ? 0 : 4 * rows * steps,
        b: addressOf(args.b) + k * b.row,
        bGroup: b.batch,
        bLanes: b.column,
        bDepth: b.row,
        c: addressOf(args.out),
        cGroup: 4 * rows * columns,
        cRow: 4 * columns,
        cColumns: 0,
        rowBias: 0,
        columnBias: isLast && args.bias !== null ? addressOf(args.bias) : 0,
        relu: isLast && args.relu ? 1 : 0,
        accumulate: k > 0 ? 1 : 0,
        groups: batches,
        rows,
        columns,
        depth: steps,
        panels,
        lastHeight,
        rowTeams: rowTeams(threads, panels, columns, batches),
        workspace,
      }),
    );
  }
}
