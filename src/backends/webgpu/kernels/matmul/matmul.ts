/**
 * Matrix products, batched over the groups of a product (tile.ts). A matrix whose rows or columns are aligned to
 * four elements is loaded in vec4s, whichever way it is transposed; others element by element.
 */
import type { Kernels } from '../../../../core/backend.js';
import { e } from '../../../../core/expr.js';
import { sizeOf, type View } from '../../../../core/shape.js';
import type { Recorder } from '../../runtime/recorder.js';
import { map } from '../map/map.js';
import { sumChunks } from '../reduce/reduce.js';
import { mostChunks, type Operand, partLength, product } from './tile.js';
import { blockLength } from './tileDirect.js';

/** See `Kernels.matmul`. */
export function matmul(recorder: Recorder, { a, b, bias, relu, out }: Kernels['matmul']): void {
  const [groups = 0, M = 0, N = 0] = out.shape;
  const depth = a.shape[2]!;
  if (sizeOf(out.shape) === 0) return;
  const shared = {
    key: 'matmul',
    M,
    N,
    groups,
    outRow: N,
    outGroup: M * N,
  };
  const chunks = Math.min(Math.ceil(depth / partLength), mostChunks(depth, M, N));
  if (chunks <= 1) {
    product(recorder, {
      ...shared,
      a: operand(a, a.strides[1]!, a.strides[2]!),
      b: operand(b, b.strides[2]!, b.strides[1]!),
      K: depth,
      bias: bias && { view: bias, along: 'columns' },
      relu,
      out,
    });
    return;
  }
  // Segments begin where vec4s do.
  const K = Math.ceil(depth / chunks / blockLength) * blockLength;
  const sums = recorder.temporary([Math.ceil(depth / K), groups * M * N]);
  product(recorder, {
    ...shared,
    a: operand(a, a.strides[1]!, a.strides[2]!, K),
    b: operand(b, b.strides[2]!, b.strides[1]!, K),
    K,
    depth,
    segmentsPerChunk: 1,
    out: sums,
    outChunk: groups * M * N,
  });
  sumChunks(recorder, sums, out);
  recorder.free(sums);
  if (bias || relu) finish(recorder, bias, relu, out);
}

/** Adds the bias and clips, where that wasn't done with the product. */
function finish(recorder: Recorder, bias: View | null, relu: boolean, out: View): void {
  const sum = bias ? e.add(e.input(0), e.input(1)) : e.input(0);
  map(recorder, {
    exprs: [relu ? e.max(sum, 0) : sum],
    shape: out.shape,
    inputs: bias ? [out, { ...bias, shape: out.shape, strides: [0, 0, bias.strides[0] ?? 1] }] : [out],
    outputs: [out],
    params: [],
    draw: null,
  });
}

/** @param K elements of a segment */
function operand(view: View, outer: number, depth: number, K = 0): Operand {
  const group = view.strides[0]!;
  const aligned = (stride: number): boolean => [stride, group, view.offset].every((n) => n % 4 === 0);
  const form =
    depth === 1 && aligned(outer) ? 'along' : outer === 1 && aligned(depth) ? 'across' : 'scattered';
  return { view, form, outer, depth, group, segment: K * depth };
}
