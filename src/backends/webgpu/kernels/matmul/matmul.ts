/**
 * Matrix products, batched over the groups of a product (tile.ts). A matrix whose rows or columns are aligned to
 * four elements is loaded in vec4s, whichever way it is transposed; others element by element.
 */
import type { Kernels } from '../../../../core/backend.js';
import { type Expr, e } from '../../../../core/expr.js';
import { contiguousStrides, isContiguous, sizeOf, type View } from '../../../../core/shape.js';
import type { Recorder } from '../../runtime/recorder.js';
import { halvesOf, type Stretch, sliceOf, widestAxis } from '../cuts.js';
import { map } from '../map/map.js';
import { sumChunks } from '../reduce/reduce.js';
import { chunksFor, type Operand, product } from './tile.js';
import { blockLength } from './tileDirect.js';

/** See `Kernels.matmul`. (Here `out` may have rows apart.) */
export function matmul(recorder: Recorder, args: Kernels['matmul']): void {
  const { a, b, bias, relu, out } = args;
  const [groups = 0, M = 0, N = 0] = out.shape;
  const depth = a.shape[2]!;
  if (sizeOf(out.shape) === 0) return;
  if (cut(recorder, args)) return;
  const shared = { key: 'matmul', M, N, groups };
  const second = operand(b, b.strides[2]!, b.strides[1]!);
  const gathered = second.form === 'scattered';
  const chunks = chunksFor(recorder, { M, N, K: depth, groups, gathered });
  if (chunks <= 1) {
    product(recorder, {
      ...shared,
      a: operand(a, a.strides[1]!, a.strides[2]!),
      b: second,
      K: depth,
      bias: bias && { view: bias, along: 'columns' },
      relu,
      out,
      outRow: out.strides[1]!,
      outGroup: out.strides[0]!,
    });
    return;
  }
  // Chunks begin where vec4s do.
  const K = Math.ceil(depth / chunks / blockLength) * blockLength;
  const sums = recorder.temporary([Math.ceil(depth / K), groups * M * N]);
  product(recorder, {
    ...shared,
    a: operand(a, a.strides[1]!, a.strides[2]!, K),
    b: operand(b, b.strides[2]!, b.strides[1]!, K),
    K,
    depth,
    out: sums,
    outRow: N,
    outGroup: M * N,
    outChunk: groups * M * N,
  });
  const count = sums.shape[0]!;
  if (count <= fewChunks) {
    const strides = contiguousStrides(out.shape);
    const chunk = (_: unknown, i: number): View => ({
      ...sums,
      shape: out.shape,
      strides,
      offset: i * groups * M * N,
    });
    finish(recorder, Array.from({ length: count }, chunk), args);
  } else {
    // The sum of the chunks is dense; what is left for the end goes where the result may be apart.
    const total = isContiguous(out) ? out : recorder.temporary(out.shape);
    sumChunks(recorder, sums, total);
    if (bias || relu || total !== out) finish(recorder, [total], args);
    if (total !== out) recorder.free(total);
  }
  recorder.free(sums);
}

/** Chunks up to which their sum, the bias and clipping are one map; a reduction adds up as many in the same order. */
const fewChunks = 16;

/** The axis of each operand that an index of the product runs along; null for operands without it. */
const axesOf = {
  group: { a: 0, b: 0, out: 0 },
  m: { a: 1, b: null, out: 1 },
  n: { a: null, b: 2, out: 2 },
  k: { a: 2, b: 1, out: null },
} as const;

/** Both halves of a product of which a kernel can't see an operand as a whole; false where there is nothing to cut. */
function cut(recorder: Recorder, args: Kernels['matmul']): boolean {
  const name = (['out', 'a', 'b'] as const).find((operand) => !recorder.fits(args[operand]));
  if (name === undefined) return false;
  const widest = widestAxis(args[name]);
  const index = (['group', 'm', 'n', 'k'] as const).find((letter) => axesOf[letter][name] === widest)!;
  const n = args[name].shape[widest]!;
  if (n === 1) return false;
  const axes = axesOf[index];
  const slice = (view: View, axis: number | null, half: Stretch): View =>
    axis === null ? view : sliceOf(view, axis, half);
  const { a, b, bias, out } = args;
  if (index !== 'k') {
    for (const half of halvesOf(n)) {
      matmul(recorder, {
        ...args,
        a: slice(a, axes.a, half),
        b: slice(b, axes.b, half),
        bias: bias && index === 'n' ? sliceOf(bias, 0, half) : bias,
        out: slice(out, axes.out, half),
      });
    }
    return true;
  }
  // Each half into a buffer of its own: one of both might be too large again.
  const sums = halvesOf(n).map((half) => {
    const sum = recorder.temporary(out.shape);
    matmul(recorder, {
      a: slice(a, axes.a, half),
      b: slice(b, axes.b, half),
      bias: null,
      relu: false,
      out: sum,
    });
    return sum;
  });
  finish(recorder, sums, args);
  for (const sum of sums) recorder.free(sum);
  return true;
}

/** Adds up sums of the whole product; then what was left for the end: the bias, and clipping. */
function finish(recorder: Recorder, sums: readonly View[], { bias, relu, out }: Kernels['matmul']): void {
  const { shape } = out;
  const wide = bias && { ...bias, shape, strides: [0, 0, bias.strides[0]!] };
  const inputs = wide ? [...sums, wide] : sums;
  const total = inputs.map((_, i): Expr => e.input(i)).reduce((sum, input) => e.add(sum, input));
  const exprs = [relu ? e.max(total, 0) : total];
  map(recorder, { exprs, shape, inputs, outputs: [out], params: [], draw: null });
}

/** @param K elements of a chunk */
function operand(view: View, outer: number, depth: number, K = 0): Operand {
  const group = view.strides[0]!;
  const aligned = (stride: number): boolean => [stride, group, view.offset].every((n) => n % 4 === 0);
  const form =
    depth === 1 && aligned(outer) ? 'along' : outer === 1 && aligned(depth) ? 'across' : 'scattered';
  return { view, form, outer, depth, group, chunk: form === 'scattered' ? 0 : K * depth };
}
