/**
 * Images as the operand of a product: in frames of zeros, chunk by chunk, addressed by tables of offsets.
 */
import { e } from '../../../../core/expr.js';
import { contiguousStrides, type Shape, type View } from '../../../../core/shape.js';
import { addressOf, type Planner } from '../../plan.js';
import { planMap } from '../map/plan.js';
import { chunkBytes, isSmallCopy } from '../matmul/product.js';
import { padModule, padWords } from './pad.js';

/** Most pixels whose offsets a table holds. */
const tablePixels = 1 << 16;

/** Images `[channels, height, width]` within a frame of zeros. */
interface Frame {
  readonly channels: number;
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
  /** Bytes of a framed image; 0 if the frame is empty, so that nothing needs to be copied. */
  readonly copyBytes: number;
  readonly planeBytes: number;
}

/** The frame of images `[N, C, H, W]` that is `height` x `width` and has the image at row `top`, column `left`. */
export function frameOf(image: Shape, top: number, left: number, height: number, width: number): Frame {
  const [, channels = 0, innerHeight = 0, innerWidth = 0] = image;
  const planeBytes = 4 * height * width;
  const empty = height === innerHeight && width === innerWidth;
  return { channels, top, left, height, width, planeBytes, copyBytes: empty ? 0 : channels * planeBytes };
}

/** Images of one chunk, at most: as many as `chunkBytes` and a table of their pixels hold, spread evenly. */
export function chunkOf(images: number, bytesPerImage: number, pixels: number): number {
  const most = Math.min(Math.floor(chunkBytes / bytesPerImage), Math.floor(tablePixels / pixels));
  return Math.ceil(images / Math.ceil(images / Math.max(1, most)));
}

/** The address of framed images: `count` from image `first` on, copied to `to` if need be. */
export function framed(
  planner: Planner,
  image: View,
  frame: Frame,
  first: number,
  count: number,
  to: number,
): number {
  const [, channels = 0, height = 0, width = 0] = image.shape;
  const from = addressOf(image) + 4 * first * channels * height * width;
  if (frame.copyBytes === 0) return from;
  const { top, left, height: paddedHeight, width: paddedWidth } = frame;
  const units = count * channels;
  const words = { from, to, units, height, width, top, left, paddedHeight, paddedWidth };
  planner.run(padModule, 'pad', padWords.encode(words), isSmallCopy((count * frame.copyBytes) / 4));
  return to;
}

/** A view of float32 memory at an address, dense unless strides are given. */
export function viewAt(
  buffer: number,
  shape: Shape,
  strides: readonly number[] = contiguousStrides(shape),
): View {
  return { buffer, dtype: 'float32', shape, strides, offset: 0 };
}

/** What a copy computes. */
const itself = [e.input(0)];

/** Enqueues a copy between views of the same shape. */
export function runCopy(planner: Planner, input: View, output: View): void {
  planMap(
    { shape: output.shape, exprs: itself, inputs: [input], outputs: [output], params: [], draw: null },
    planner,
  );
}

/**
 * A table of `offset(i, j, k)` elements, in bytes, for i < I, j < J, k < K, the last fastest. `name` and the sizes must
 * say all that the offsets depend on: it is made once for them.
 */
export function table(
  planner: Planner,
  name: readonly (string | number)[],
  [I, J, K]: readonly [number, number, number],
  offset: (i: number, j: number, k: number) => number,
): number {
  return planner.table(`conv ${name.join(' ')} ${I} ${J} ${K}`, () => {
    const result = new Int32Array(I * J * K);
    let at = 0;
    for (let i = 0; i < I; i++) {
      for (let j = 0; j < J; j++) for (let k = 0; k < K; k++) result[at++] = 4 * offset(i, j, k);
    }
    return result;
  });
}

/** A table of the first `count` multiples of `step` elements, in bytes. */
export function multiples(planner: Planner, count: number, step: number): number {
  return table(planner, ['steps', step], [1, 1, count], (_i, _j, k) => k * step);
}
