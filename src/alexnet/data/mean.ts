/**
 * The mean training picture, which the paper subtracts from every input (section 2), and the mean colour.
 *
 * Sums are whole numbers below 2^53 in float64, so they're exact and don't depend on the order of the pictures;
 * one division each follows.
 */
import { DataError } from '../../core/errors.js';
import type { Dataset } from './dataset.js';

/** Means over the readable pictures of a data set, 0-255. */
export interface Mean {
  /** Pixel by pixel, [3, H, W]. */
  readonly image: Float32Array;
  /** Of each channel, over all pixels: red, green, blue. */
  readonly channels: readonly [number, number, number];
  /** Number of pictures that went in. */
  readonly count: number;
}

/** Options of `meanOf`. */
export interface MeanOptions {
  /** Pictures fetched at a time, default 256. */
  readonly batchSize?: number;
  /** Called as pictures arrive. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * The mean picture and colour of a data set.
 * @throws {DataError} when no picture could be read.
 */
export async function meanOf(dataset: Dataset, options: MeanOptions = {}): Promise<Mean> {
  const { batchSize = 256, onProgress } = options;
  const [c, h, w] = dataset.imageShape;
  const sums = new Float64Array(c * h * w);
  let count = 0;
  for (let start = 0; start < dataset.length; start += batchSize) {
    const length = Math.min(batchSize, dataset.length - start);
    const { images, labels } = await dataset.load(Uint32Array.from({ length }, (_, i) => start + i));
    for (let from = 0; from < images.length; ) {
      for (let i = 0; i < sums.length; i++) sums[i]! += images[from++]!;
    }
    count += labels.length;
    onProgress?.(start + length, dataset.length);
  }
  if (count === 0) throw new DataError(`${dataset.name}: no readable image to take the mean of`);
  const ofChannel = (channel: number): number => {
    const plane = sums.subarray(channel * h * w, (channel + 1) * h * w);
    return plane.reduce((a, b) => a + b, 0) / (count * h * w);
  };
  return {
    image: Float32Array.from(sums, (sum) => sum / count),
    channels: [ofChannel(0), ofChannel(1), ofChannel(2)],
    count,
  };
}
