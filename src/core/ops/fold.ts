/**
 * Reductions of integers, in int32, where the reduce kernels have floats only. They are maps: of the n numbers of a
 * row the last half is folded onto the first until one is left, which reads and writes each about twice.
 */
import { ArgumentError } from '../errors.js';
import { type Expr, e } from '../expr.js';
import { contiguousStrides, type Shape, sizeOf } from '../shape.js';
import { denseCopy, Tensor } from '../tensor.js';
import { mapInto } from './launch.js';

const folds: Readonly<Record<'sum' | 'max' | 'min', Expr>> = {
  sum: e.add(e.input(0), e.input(1)),
  max: e.max(e.input(0), e.input(1)),
  min: e.min(e.input(0), e.input(1)),
};

/** How many bytes of 255 have a sum within int32. */
const safeBytes = Math.floor((2 ** 31 - 1) / 255);

/**
 * The sum or an extreme over all but the first `kept` of x's axes as they come in `order`, past the tape: int32 of
 * the shape `result`. Sums wrap around at 2^31; an empty one is 0.
 * @throws {ArgumentError} for a sum of so many bytes that it may be beyond int32
 */
export function foldIntegers(
  op: string,
  kind: 'sum' | 'max' | 'min',
  x: Tensor,
  order: readonly number[],
  kept: number,
  result: Shape,
): Tensor {
  const view = x.view(op);
  const shape = order.map((axis) => view.shape[axis]!);
  const [rows, n] = [sizeOf(shape.slice(0, kept)), sizeOf(shape.slice(kept))];
  if (kind === 'sum' && x.dtype === 'uint8' && n > safeBytes)
    throw new ArgumentError(
      `${op}: ${n} bytes may add up to more than an int32; cast() them to float32 first`,
    );
  if (n === 0) {
    const none = Tensor.empty(op, x.device, result, 'int32');
    mapInto(op, [e.constant(0)], [], [none]);
    return none;
  }
  const work = Tensor.empty(op, x.device, shape, 'int32');
  const turned = x.alias(op, { shape, strides: order.map((axis) => view.strides[axis]!) });
  mapInto(op, [e.input(0)], [turned], [work]);
  turned.dispose();
  const part = (offset: number, length: number): Tensor =>
    work.alias(op, { shape: [rows, length], strides: [n, 1], offset });
  for (let left = n; left > 1; left -= left >> 1) {
    const [head, tail] = [part(0, left >> 1), part(left - (left >> 1), left >> 1)];
    mapInto(op, [folds[kind]], [head, tail], [head]);
    for (const half of [head, tail]) half.dispose();
  }
  const first = part(0, 1);
  const column = denseCopy(op, first);
  const out = column.alias(op, { shape: result, strides: contiguousStrides(result) });
  for (const used of [work, first, column]) used.dispose();
  return out;
}
