/**
 * A plain loop's call as JSON text, which is how it crosses to the thread that runs it: views as they are, numbers
 * that JSON doesn't know (NaN, infinities, -0) as `{ "number": text }`.
 */
import type { KernelName, Kernels } from '../../../core/backend.js';
import { arrayAt, type View } from '../../../core/shape.js';
import type { LoopArgs, LoopView } from '../kernels/loops.js';

/** A kernel and its arguments, ready to run. */
export interface LoopCall<K extends KernelName> {
  readonly kernel: K;
  readonly args: LoopArgs<K>;
}

/** Writes the call down. */
export function encodeLoop<K extends KernelName>(kernel: K, args: Kernels[K]): string {
  return JSON.stringify({ kernel, args }, (_, value: unknown) =>
    typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0))
      ? { number: Object.is(value, -0) ? '-0' : String(value) }
      : value,
  );
}

/** Reads the call back, with the elements of each view found in `memory`. */
export function decodeLoop(text: string, memory: ArrayBufferLike): LoopCall<KernelName> {
  return JSON.parse(text, (_, value: unknown) => {
    if (isView(value)) return resolve(value, memory);
    return isOddNumber(value) ? Number(value.number) : value;
  });
}

function isView(value: unknown): value is View {
  return typeof value === 'object' && value !== null && 'buffer' in value && 'dtype' in value;
}

function isOddNumber(value: unknown): value is { number: string } {
  return typeof value === 'object' && value !== null && 'number' in value;
}

/** The view over an array that starts at its buffer and ends at its last element. */
function resolve({ buffer, dtype, shape, strides, offset }: View, memory: ArrayBufferLike): LoopView {
  let last = offset;
  for (let axis = 0; axis < shape.length; axis++) {
    if (shape[axis] === 0) return { data: arrayAt(dtype, memory, buffer, 0), shape, strides, offset };
    last += Math.max(0, (shape[axis]! - 1) * strides[axis]!);
  }
  return { data: arrayAt(dtype, memory, buffer, last + 1), shape, strides, offset };
}
