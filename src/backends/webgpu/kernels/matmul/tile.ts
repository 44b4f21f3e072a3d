/**
 * The product under matmul and the convolutions: for every group g and chunk c of the depth,
 *
 *     out[c, g, m, n] = sum over k of c of a[g, m, k] * b[g, k, n] (+ bias) (then max(0, .))
 *
 * computed in register tiles of up to 16 rows by 8 columns for each invocation, columns in vec4s. Tiles 'direct' load their
 * operands from memory (tileDirect.ts); others share blocks of both in workgroup memory, in one of the forms of forms.ts
 * (tileShared.ts). Sums run over k in rising order, in blocks where it is long.
 *
 * An operand's element at outer index o (m of `a`, n of `b`) and depth k is found in one of three ways:
 * - 'across': `o + k * depth`, loaded as vec4s of neighbours in o,
 * - 'along': `o * outer + k`, loaded as vec4s of neighbours in k,
 * - 'scattered': `outer(o) + depth(k)`, one by one, both given as WGSL.
 */

import { type Recorder, wide } from '../../runtime/recorder.js';
import {
  blockDepth,
  choose,
  chunkedInvocations,
  fewestDeep,
  oneSum,
  type ProductShape,
  type TileDevice,
  type TileForm,
} from './forms.js';
import { blockLength, directBody } from './tileDirect.js';
import { type Operand, type Plan, type Product, partLength } from './tileParts.js';
import { blockDeclarations, sharedBody } from './tileShared.js';

export type { Operand, Product };

/**
 * Chunks that a product's depth should be cut into: as many as it asks for by its length, or so that a GPU is kept busy,
 * while their sums take no more memory than the operands, and a kernel sees them all.
 */
export function chunksFor(recorder: Recorder, shape: ProductShape): number {
  const { M, N, K, groups } = shape;
  const form = choose(shape, recorder.tileDevice);
  const byMemory = (K * (M + N)) / (M * N);
  const byRoom = recorder.room / (4 * M * N * groups);
  const { tileDevice } = recorder;
  const invocations = form
    ? Math.ceil(M / form.rows) * Math.ceil(N / form.columns) * groups * form.workgroup
    : Math.ceil(M / rowsFor(M, tileDevice)) * Math.ceil(N / (4 * halvesFor(shape, tileDevice))) * groups;
  const deep = K / (form ? fewestDeep : blockLength);
  // What computes on a CPU is busy with few.
  const idle =
    tileDevice.tiles === 'direct' ? 1 : Math.min(chunkedInvocations / invocations, deep, mostChunks);
  return Math.max(1, Math.floor(Math.min(Math.max(idle, Math.ceil(K / partLength)), byMemory, byRoom)));
}

/** Chunks that keep a GPU busy, whatever the shape: their sums lose digits where they are many. */
const mostChunks = 512;

/** Enqueues a product. */
export function product(recorder: Recorder, p: Product): void {
  const { a, b, M, N, K, groups } = p;
  const depth = p.depth ?? K;
  const chunks = depth === 0 ? 1 : Math.ceil(depth / K);
  const form = choose({ M, N, K: depth, groups, gathered: b.form === 'scattered' }, recorder.tileDevice);
  const steps = [p.outRow, p.outGroup, p.outChunk ?? 0, p.out.offset, N];
  const lanes = form ? 1 : lanesFor(p, recorder.tileDevice);
  const plan: Plan = {
    rows: form ? 4 * form.rowQuads : lanes > 1 ? sharedRows : rowsFor(M, recorder.tileDevice),
    halves: form ? form.columnQuads : lanes === 1 ? halvesFor(p, recorder.tileDevice) : 1,
    lanes,
    whole: form !== null && depth > 0 && [depth, K].every((k) => k % (2 * blockDepth) === 0),
    levels: levelsFor(form, depth, Math.min(depth, K)),
    wideOut:
      p.columnsAt === undefined &&
      p.rowAt === undefined &&
      !(form && b.form === 'along') &&
      steps.every((step) => step % 4 === 0),
  };
  const [height, breadth] = form ? [form.rows, form.columns] : [plan.rows, 4 * plan.halves * lanes];
  const [tilesM, tilesN] = [Math.ceil(M / height), Math.ceil(N / breadth)];
  const amount = tilesM * tilesN * groups * chunks;
  const bias = p.bias ?? null;
  recorder.dispatch({
    key: [
      `product ${p.key} ${form?.name ?? 'direct'} ${plan.rows}x${4 * plan.halves} ${a.form} ${b.form}`,
      plan.levels === 1 ? '' : `in ${plan.levels}`,
      plan.whole ? 'whole' : '',
      bias?.along ?? '',
      p.relu ? 'relu' : '',
      lanes > 1 ? `lanes ${lanes}` : '',
    ].join(' '),
    functions: () => functions(p, form),
    body: () => (form ? sharedBody(p, plan, form) : directBody(p, plan)),
    i32: {
      M,
      N,
      K,
      depth,
      groups,
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
    folds: lanes > 1,
    run: form
      ? { workgroups: amount, size: form.workgroup }
      : lanes > 1
        ? { workgroups: amount, size: lanes }
        : { invocations: amount },
  });
}

/**
 * Rows of a direct tile. 16 take fewer loads for each product, and SwiftShader, whose vectors have four numbers, is quickest with
 * them; lavapipe, with eight, is quicker with 8, and no GPU has the registers for more.
 */
function rowsFor(M: number, { tiles, vendor }: TileDevice): number {
  const swiftShader = tiles === 'direct' && vendor === 'google';
  if (swiftShader && (M % 16 === 0 || M > 64)) return 16;
  return M > 4 ? 8 : M > 2 ? 4 : M;
}

/** Vec4s of columns of a direct tile: one where a GPU takes such tiles, of few rows or columns, to have more of them. */
function halvesFor({ N }: Pick<Product, 'N'>, { tiles }: TileDevice): 1 | 2 {
  return N > 4 && tiles === 'direct' ? 2 : 1;
}

/** Rows of a direct tile whose lanes share them. */
const sharedRows = 16;

/** Invocations that share the rows of a direct tile: none where rows or columns are too few for it. */
function lanesFor({ a, M, N }: Product, { lanes }: TileDevice): number {
  return lanes > 1 && a.form !== 'scattered' && M >= sharedRows && N >= 4 * lanes ? lanes : 1;
}

/** Depth up to which one sum does in a direct tile. */
const oneDirectSum = 512;

/** @param depth of the whole product @param part of it that an invocation adds up */
function levelsFor(form: TileForm | null, depth: number, part: number): Plan['levels'] {
  if (depth <= (form ? oneSum : oneDirectSum) || part <= blockLength) return 1;
  return part <= 2 * partLength ? 2 : 3;
}

/** Strides in the units the operand is loaded in: elements, or vec4s. */
function operandNumbers(name: 'a' | 'b', operand: Operand): Record<string, number> {
  const unit = operand.form === 'scattered' ? 1 : 4;
  return {
    [`${name}Outer`]: (operand.outer ?? 0) / (operand.form === 'along' ? 4 : 1),
    [`${name}Depth`]: (operand.depth ?? 0) / (operand.form === 'across' ? 4 : 1),
    [`${name}Group`]: operand.group / unit,
    [`${name}Chunk`]: (operand.chunk ?? 0) / unit,
    [`${name}First`]: (operand.first ?? 0) / unit,
  };
}

function functions(p: Product, form: TileForm | null): string {
  const strided = (name: string): string => `min(vec4i(o) + vec4i(0, 1, 2, 3), vec4i(last)) * u.${name}Outer`;
  const scattered = (name: string, operand: Operand): string =>
    operand.form === 'scattered'
      ? `fn ${name}OutersAt(o: i32, last: i32) -> vec4i { return ${operand.outersAt ?? strided(name)}; }
fn ${name}DepthAt(k: i32) -> i32 { return ${operand.depthAt ?? `k * u.${name}Depth`}; }`
      : '';
  const shared = form ? blockDeclarations(p, form) : '';
  const columns = p.columnsAt ? `fn columnsAt(o: i32, last: i32) -> vec4i { return ${p.columnsAt}; }` : '';
  const rows = p.rowAt ? `fn rowAt(m: i32) -> i32 { return ${p.rowAt}; }` : '';
  return [p.functions ?? '', scattered('a', p.a), scattered('b', p.b), rows, columns, shared].join('\n');
}
