/**
 * Matrix products, batched over the groups of a product (tile.ts). A matrix whose rows or columns are aligned to
 * four elements is loaded in vec4s, whichever way it is transposed; others element by element.
 */
import type { Kernels } from '../../../../core/backend.js';
import { sizeOf, type View } from '../../../../core/shape.js';
import type { Recorder } from '../../runtime/recorder.js';
import { type Operand, product } from './tile.js';

/** See `Kernels.matmul`. */
export function matmul(recorder: Recorder, { a, b, bias, relu, out }: Kernels['matmul']): void {
  const [groups = 0, M = 0, N = 0] = out.shape;
  if (sizeOf(out.shape) === 0) return;
  product(recorder, {
    key: 'matmul',
    a: operand(a, a.strides[1]!, a.strides[2]!),
    b: operand(b, b.strides[2]!, b.strides[1]!),
    M,
    N,
    K: a.shape[2]!,
    groups,
    bias: bias && { view: bias, along: 'columns' },
    relu,
    out,
    outRow: N,
    outGroup: M * N,
  });
}

function operand(view: View, outer: number, depth: number): Operand {
  const group = view.strides[0]!;
  const aligned = (stride: number): boolean => [stride, group, view.offset].every((n) => n % 4 === 0);
  const form =
    depth === 1 && aligned(outer) ? 'along' : outer === 1 && aligned(depth) ? 'across' : 'scattered';
  return { view, form, outer, depth, group };
}
