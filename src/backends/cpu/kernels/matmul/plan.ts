/**
 * Matrix products: `out[b, m, n] = sum over k of a[b, m, k] * b[b, k, n] (+ bias[n]) (then max(0, .))`.
 *
 * With few rows or columns each number of the larger matrix is used so rarely that packing it would cost more than
 * the product. That is done without where both lie along k (dot.ts), or the larger lies along its many columns
 * (axpy.ts). All others are products of panels (gemm.ts), k in stretches so that the packed a stays within
 * `chunkBytes`.
 */
import type { Kernels } from '../../../../core/backend.js';
import type { View } from '../../../../core/shape.js';
import { addressOf, type Planner } from '../../plan.js';
import { sumLines } from '../reduce/plan.js';
import { scratchBytes as axpyBytes, axpyModule, axpyWords, mostDepth } from './axpy.js';
import {
  dotModule,
  dotWords,
  mostFew,
  packedRows,
  packedVectors,
  packFewWords,
  scratchBytes,
} from './dot.js';
import { depthBlock } from './panels.js';
import { Partials, runInPartials } from './partials.js';
import { chunkBytes, isSmall, runEnds, runPack, strided, workspaceOf } from './product.js';
import { smallModule, smallWords } from './small.js';

type MatMul = Kernels['matmul'];

/** Up to so many rows are few for `axpy`. */
const fewForAxpy = 16;

/** Multiply-adds of a small product: they take a few microseconds, as preparing it would. */
const mostSmall = 4096;

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
  if (planDot(args, planner) || planAxpy(args, planner) || planSmall(args, planner)) return true;
  const a = bytesOf(args.a);
  const b = bytesOf(args.b);
  const groups = a.batch === 0 ? 1 : batches; // one a for all batches is packed once
  const stepBytes = 4 * groups * rows;
  const stretch = Math.max(1, Math.floor(chunkBytes / stepBytes / depthBlock)) * depthBlock;
  const packed = planner.temporary(stepBytes * Math.min(depth, stretch));
  const workspace = workspaceOf(planner);
  const c = { address: addressOf(args.out), group: 4 * rows * columns, row: 4 * columns, columns: 0 };
  const columnBias = args.bias === null ? 0 : addressOf(args.bias);
  const partials = new Partials(planner, c.address, batches * rows * columns, depth);
  for (let k = 0; k === 0 || k < depth; k += stretch) {
    const steps = Math.min(stretch, depth - k);
    const isLast = k + steps === depth && !partials.isSplit;
    const source = {
      address: addressOf(args.a) + k * a.column,
      group: a.batch,
      lanes: a.row,
      depth: a.column,
    };
    runPack(planner, strided, source, { groups, rows, depth: steps }, packed);
    const product = {
      a: packed,
      aGroup: groups === 1 ? 0 : 4 * rows * steps,
      b: { address: addressOf(args.b) + k * b.row, group: b.batch, lanes: b.column, depth: b.row },
      c,
      groups: batches,
      rows,
      columns,
      depth: steps,
      accumulate: k > 0,
      columnBias: isLast ? columnBias : 0,
      relu: isLast && args.relu,
      workspace,
    };
    runInPartials(planner, strided, product, partials);
  }
  partials.sum();
  if (partials.isSplit) {
    runEnds(planner, { c, groups: batches, rows, columns, columnBias, relu: args.relu, workspace });
  }
  return true;
}

/** Plans a product with few rows or columns of matrices that lie along k; false for others. */
function planDot(args: MatMul, planner: Planner): boolean {
  const [groups = 0, M = 0, N = 0] = args.out.shape;
  const depth = args.a.shape[2] ?? 0;
  const a = bytesOf(args.a);
  const b = bytesOf(args.b);
  if (Math.min(M, N) > mostFew || (depth > 1 && (a.column !== 4 || b.row !== 4))) return false;
  const left = { address: addressOf(args.a), group: a.batch, row: a.row, rows: M, out: 4 * N, bias: 0 };
  const bias = args.bias === null ? 0 : addressOf(args.bias);
  const right = { address: addressOf(args.b), group: b.batch, row: b.column, rows: N, out: 4, bias };
  const [tall, few] = M < N ? [right, left] : [left, right];
  const alone = isSmall(groups * M * N * depth);
  // Eights of the few are packed where pairs of vectors are fused, and where there are tall rows enough to be worth it.
  const pays = planner.features.wide && tall.rows >= packedRows;
  const eights = pays ? Math.floor(few.rows / packedRows) : 0;
  const vectors = packedVectors(depth);
  const packed = planner.temporary(16 * groups * eights * packedRows * vectors);
  if (eights > 0) {
    const copy = packFewWords.encode({
      few: few.address,
      fewGroup: few.group,
      fewRow: few.row,
      packed,
      groups,
      eights,
      units: vectors,
    });
    planner.run(dotModule, 'packFew', copy, alone);
  }
  const words = dotWords.encode({
    tall: tall.address,
    tallGroup: tall.group,
    tallRow: tall.row,
    few: few.address,
    fewGroup: few.group,
    fewRow: few.row,
    packed,
    eights,
    out: addressOf(args.out),
    outGroup: 4 * M * N,
    outTall: tall.out,
    outFew: few.out,
    tallBias: tall.bias,
    fewBias: few.bias,
    relu: args.relu ? 1 : 0,
    groups,
    tallRows: tall.rows,
    fewRows: few.rows,
    depth,
    scratch: planner.temporary(scratchBytes * planner.threads),
  });
  planner.run(dotModule, 'dot', words, alone);
  return true;
}

/** Plans a product of so little work that packing would be most of it; false for others. */
function planSmall(args: MatMul, planner: Planner): boolean {
  const [groups = 0, rows = 0, columns = 0] = args.out.shape;
  const depth = args.a.shape[2] ?? 0;
  if (depth > depthBlock || groups * rows * columns * depth > mostSmall) return false;
  const a = bytesOf(args.a);
  const b = bytesOf(args.b);
  const words = smallWords.encode({
    a: addressOf(args.a),
    aGroup: a.batch,
    aRow: a.row,
    aColumn: a.column,
    b: addressOf(args.b),
    bGroup: b.batch,
    bRow: b.row,
    bColumn: b.column,
    bias: args.bias === null ? 0 : addressOf(args.bias),
    relu: args.relu ? 1 : 0,
    out: addressOf(args.out),
    groups,
    rows,
    columns,
    depth,
  });
  planner.run(smallModule, 'small', words, true);
  return true;
}

/** Plans a product of few rows and a matrix that lies along its columns; false for others. */
function planAxpy(args: MatMul, planner: Planner): boolean {
  const [groups = 0, rows = 0, columns = 0] = args.out.shape;
  const a = bytesOf(args.a);
  const b = bytesOf(args.b);
  const depth = args.a.shape[2] ?? 0;
  if (rows > fewForAxpy || columns <= rows || b.column !== 4) return false;
  const bias = args.bias === null ? 0 : addressOf(args.bias);
  const all = {
    wide: addressOf(args.b),
    wideGroup: b.batch,
    wideRow: b.row,
    few: addressOf(args.a),
    fewGroup: a.batch,
    fewRow: a.row,
    fewStep: a.column,
    scratch: planner.temporary(axpyBytes(rows, columns) * planner.threads),
    out: addressOf(args.out),
    outGroup: 4 * rows * columns,
    bias,
    relu: args.relu ? 1 : 0,
    groups,
    fewRows: rows,
    depth,
    columns,
  };
  const run = (words: typeof all): void => {
    const alone = isSmall(words.groups * rows * columns * words.depth);
    planner.run(axpyModule, 'axpy', axpyWords.encode(words), alone);
  };
  if (depth <= mostDepth) {
    run(all);
    return true;
  }
  // Parts of the depth as groups, and their sums.
  const numbers = groups * rows * columns;
  const whole = Math.floor(depth / mostDepth);
  const rest = depth - whole * mostDepth;
  const partial = planner.temporary(4 * numbers * (whole + 1));
  for (let group = 0; group < groups; group++) {
    const part = {
      ...all,
      wide: all.wide + group * all.wideGroup,
      wideGroup: mostDepth * b.row,
      few: all.few + group * all.fewGroup,
      fewGroup: mostDepth * a.column,
      out: partial + group * all.outGroup,
      outGroup: 4 * numbers,
      bias: 0,
      relu: 0,
      groups: whole,
      depth: mostDepth,
    };
    run(part);
    if (rest === 0) continue;
    const [wide, few] = [part.wide + whole * part.wideGroup, part.few + whole * part.fewGroup];
    run({ ...part, wide, few, out: part.out + whole * part.outGroup, groups: 1, depth: rest });
  }
  sumLines(planner, { from: partial, to: all.out, numbers, lines: whole + (rest > 0 ? 1 : 0) });
  const c = { address: all.out, group: all.outGroup, row: 4 * columns, columns: 0 };
  const ends = { columnBias: bias, relu: args.relu, workspace: workspaceOf(planner) };
  runEnds(planner, { groups, rows, columns, c, ...ends });
  return true;
}
