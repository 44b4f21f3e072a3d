/**
 * Cutting work whose tensors are larger than a kernel may see of a buffer (runtime/windows.ts).
 */
import { type Shape, sizeOf, type View } from '../../../core/shape.js';
import type { Recorder } from '../runtime/recorder.js';

/** Indices of an axis. */
export interface Stretch {
  readonly start: number;
  readonly count: number;
}

/** A stretch of a view's indices along one axis. */
export function sliceOf(view: View, axis: number, { start, count }: Stretch): View {
  return {
    ...view,
    shape: view.shape.map((n, i) => (i === axis ? count : n)),
    offset: view.offset + start * view.strides[axis]!,
  };
}

/** The axis along which a view's elements lie farthest apart. */
export function widestAxis({ shape, strides }: View): number {
  const reaches = shape.map((n, axis) => (n - 1) * Math.abs(strides[axis]!));
  return reaches.indexOf(Math.max(...reaches));
}

/** Both halves of an axis of n indices, the second from where vec4s begin if there is such a place. */
export function halvesOf(n: number): [Stretch, Stretch] {
  const half = Math.ceil(n / 2);
  const count = half > 64 ? Math.ceil(half / 64) * 64 : half;
  return [
    { start: 0, count },
    { start: count, count: n - count },
  ];
}

/**
 * The images that a kernel may see at a time: all where it may see all.
 * @param tensors `[images, ...]` that it reads, writes or makes, the largest among them
 */
export function imageParts(recorder: Recorder, tensors: readonly { readonly shape: Shape }[]): Stretch[] {
  const images = tensors[0]?.shape[0] ?? 0;
  const largest = Math.max(1, ...tensors.map(({ shape }) => 4 * sizeOf(shape.slice(1))));
  const most = Math.max(1, Math.floor(recorder.room / largest));
  if (images <= most) return [{ start: 0, count: images }];
  const each = Math.ceil(images / Math.ceil(images / most));
  return Array.from({ length: Math.ceil(images / each) }, (_, part) => ({
    start: part * each,
    count: Math.min(each, images - part * each),
  }));
}

/**
 * Runs a kernel for as many images at a time as it may see.
 * @param tensors as `imageParts`
 * @param run gets what slices the images of this run out of a tensor
 */
export function byImages(
  recorder: Recorder,
  tensors: readonly { readonly shape: Shape }[],
  run: (slice: (view: View) => View) => void,
): void {
  for (const part of imageParts(recorder, tensors)) run((view) => sliceOf(view, 0, part));
}
