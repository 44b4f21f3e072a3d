/**
 * The product under matmul and the convolutions: for every group g and chunk c of segments,
 *
 *     out[c, g, m, n] = sum over segments s of c, and k, of a[g, s, m, k] * b[g, s, k, n] (+ bias) (then max(0, .))
 *
 * computed in register tiles of up to 16 rows by 8 columns for each invocation, columns in vec4s. With tiles
 * 'direct' an invocation loads its operands from memory; with 'shared' a workgroup of 64 loads 64 x 16 blocks of
 * both into workgroup memory first. Sums run over k in rising order, in blocks where it is long.
 *
 * An operand's element at outer index o (m of `a`, n of `b`) and depth k is found in one of three ways:
 * - 'across': `o + k * depth`, loaded as vec4s of neighbours in o,
 * - 'along': `o * outer + k`, loaded as vec4s of neighbours in k,
 * - 'scattered': `outer(o) + depth(k)`, one by one, both given as WGSL.
 */

import type { Tiles } from '../../runtime/options.js';
import { type Recorder, wide } from '../../runtime/recorder.js';
import { blockLength, directBody } from './tileDirect.js';
import { type Operand, type Plan, type Product, partLength } from './tileParts.js';
import { blockSize, blockVariables, sharedBody } from './tileShared.js';

export type { Operand, Product };

/**
 * Chunks that a product of M x N should be cut into: as many as its depth asks for, while their sums take no more memory
 * than the operands, and a kernel sees them all.
 */
export function chunksFor(recorder: Recorder, depth: number, M: number, N: number, groups: number): number {
  const byMemory = (depth * (M + N)) / (M * N);
  const byRoom = recorder.room / (4 * M * N * groups);
  return Math.max(1, Math.floor(Math.min(Math.ceil(depth / partLength), byMemory, byRoom)));
}

/** Enqueues a product. */
export function product(recorder: Recorder, p: Product): void {
  const { a, b, M, N, K, groups } = p;
  const depth = p.depth ?? K;
  const segments = K === 0 ? 0 : Math.ceil(depth / K);
  const perChunk = p.segmentsPerChunk ?? Math.max(1, segments);
  const chunks = Math.max(1, Math.ceil(segments / perChunk));
  const tiles = recorder.tiles === 'shared' && M > 16 && N > 16 ? 'shared' : 'direct';
  const steps = [p.outRow, p.outGroup, p.outChunk ?? 0, p.out.offset, N];
  const plan: Plan = {
    tiles,
    rows: tiles === 'shared' ? 8 : rowsFor(M, recorder.tiles === 'direct'),
    halves: tiles === 'shared' || N > 4 ? 2 : 1,
    levels: levelsFor(tiles, depth, Math.min(depth, K * perChunk)),
    wideOut: p.columnAt === undefined && steps.every((step) => step % 4 === 0),
  };
  const [height, breadth] = tiles === 'shared' ? [blockSize, blockSize] : [plan.rows, 4 * plan.halves];
  const [tilesM, tilesN] = [Math.ceil(M / height), Math.ceil(N / breadth)];
  const amount = tilesM * tilesN * groups * chunks;
  const bias = p.bias ?? null;
  recorder.dispatch({
    key: [
      `product ${p.key} ${tiles} ${plan.rows}x${4 * plan.halves} ${a.form} ${b.form}`,
      plan.levels === 1 ? '' : `in ${plan.levels} ${K < blockLength ? 'counted' : ''}`,
      bias?.along ?? '',
      p.relu ? 'relu' : '',
    ].join(' '),
    functions: () => functions(p, plan),
    body: () => (tiles === 'shared' ? sharedBody(p, plan) : directBody(p, plan)),
    i32: {
      M,
      N,
      K,
      depth,
      groups,
      segments,
      perChunk,
      tilesM,
      tilesN,
      ...operandNumbers('a', a),
      ...operandNumbers('b', b),
      outRow: p.outRow,
      outGroup: p.outGroup,
      outChunk: p.outChunk ?? 0,
      ...p.i32,
    },
    read: {
      a: a.form === 'scattered' ? a.view : wide(a.view),
      b: b.form === 'scattered' ? b.view : wide(b.view),
      ...(bias ? { bias: bias.view } : {}),
      ...p.read,
    },
    write: { out: plan.wideOut ? wide(p.out) : p.out },
    run: tiles === 'shared' ? { workgroups: amount } : { invocations: amount },
  });
}

/** Rows of a direct tile. 16 take fewer loads for each product, but no GPU has the registers for them. */
function rowsFor(M: number, software: boolean): number {
  if (software && (M % 16 === 0 || M > 64)) return 16;
  return M > 4 ? 8 : M > 2 ? 4 : M;
}

/** Depth up to which one sum does: a second set of sums takes registers, of which GPUs have few. */
const oneSum: Readonly<Record<Tiles, number>> = { direct: 512, shared: 4096 };

/** @param depth of the whole product @param part of it that an invocation adds up */
function levelsFor(tiles: Tiles, depth: number, part: number): Plan['levels'] {
  if (depth <= oneSum[tiles] || part <= blockLength) return 1;
  return part <= 2 * partLength ? 2 : 3;
}

/** Strides in the units the operand is loaded in: elements, or vec4s. */
function operandNumbers(name: 'a' | 'b', operand: Operand): Record<string, number> {
  const unit = operand.form === 'scattered' ? 1 : 4;
  return {
    [`${name}Outer`]: (operand.outer ?? 0) / (operand.form === 'along' ? 4 : 1),
    [`${name}Depth`]: (operand.depth ?? 0) / (operand.form === 'across' ? 4 : 1),
    [`${name}Group`]: operand.group / unit,
    [`${name}Segment`]: (operand.segment ?? 0) / unit,
    [`${name}First`]: (operand.first ?? 0) / unit,
  };
}

function functions(p: Product, { tiles }: Plan): string {
  const scattered = (name: string, operand: Operand): string =>
    operand.form === 'scattered'
      ? `fn ${name}OuterAt(o: i32) -> i32 { return ${operand.outerAt ?? `o * u.${name}Outer`}; }
fn ${name}DepthAt(k: i32) -> i32 { return ${operand.depthAt ?? `k * u.${name}Depth`}; }`
      : '';
  const shared = tiles === 'shared' ? blockVariables : '';
  const column = p.columnAt ? `fn columnAt(o: i32) -> i32 { return ${p.columnAt}; }` : '';
  return [p.functions ?? '', scattered('a', p.a), scattered('b', p.b), column, shared].join('\n');
}
