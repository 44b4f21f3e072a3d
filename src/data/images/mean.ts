/**
 * The mean training picture, which the paper subtracts from every input (section 2), the mean colour, and the
 * principal components of the colours (section 4.1), all from one pass.
 *
 * Sums and sums of products are whole numbers, kept exactly (below 2^53 in float64, beyond as BigInt), so they
 * don't depend on the order of the pictures; one division each follows. With S_x the sum of a colour over the n pixels
 * and S_xy that of products of two, the covariance is (n S_xy - S_x S_y) / n^2.
 */
import { DataError } from '../../core/errors.js';
import type { Dataset } from '../dataset.js';
import { type Pca, pcaOf, type Triple } from './pca.js';

/** Means over the readable pictures of a data set, 0-255. */
export interface Mean {
  /** Pixel by pixel, [3, H, W]. */
  readonly image: Float32Array;
  /** Of each channel, over all pixels: red, green, blue. */
  readonly channels: Triple;
  /** Number of pictures that went in. */
  readonly count: number;
  /** Principal components of the colours. */
  readonly pca: Pca;
}

/** Sums over pictures, to which more can be added. */
export class Moments {
  /** Pixel by pixel, [3, H, W]. */
  private readonly sums: Float64Array;
  /** Of red times red, red green, red blue, green green, green blue, blue blue. */
  private readonly products = [0n, 0n, 0n, 0n, 0n, 0n];
  private count = 0;

  /** @param shape channels, height, width. */
  constructor(shape: readonly [3, number, number]) {
    this.sums = new Float64Array(shape[0] * shape[1] * shape[2]);
  }

  /** Adds pictures [N, 3, H, W]. */
  add(images: Uint8Array): void {
    const { sums, products } = this;
    const size = sums.length;
    for (let from = 0; from < images.length; from += size, this.count++) {
      const image = images.subarray(from, from + size);
      for (let i = 0; i < size; i++) sums[i]! += image[i]!;
      for (const [k, sum] of colourProducts(image).entries()) products[k]! += BigInt(sum);
    }
  }

  /** @throws {DataError} when no picture went in; `name` is what they're of. */
  mean(name: string): Mean {
    const { sums, count } = this;
    if (count === 0) throw new DataError(`${name}: no readable image to take the mean of`);
    const area = sums.length / 3;
    const pixels = BigInt(area) * BigInt(count);
    const totals = [0, 1, 2].map((c) =>
      BigInt(sums.subarray(c * area, (c + 1) * area).reduce((a, b) => a + b, 0)),
    );
    const channel = (c: number): number => Number(totals[c]!) / Number(pixels);
    const covariance = (k: number, x: number, y: number): number =>
      Number(pixels * this.products[k]! - totals[x]! * totals[y]!) / Number(pixels * pixels);
    const [rr, rg, rb] = [covariance(0, 0, 0), covariance(1, 0, 1), covariance(2, 0, 2)];
    const [gg, gb, bb] = [covariance(3, 1, 1), covariance(4, 1, 2), covariance(5, 2, 2)];
    return {
      image: Float32Array.from(sums, (sum) => sum / count),
      channels: [channel(0), channel(1), channel(2)],
      count,
      pca: pcaOf([
        [rr, rg, rb],
        [rg, gg, gb],
        [rb, gb, bb],
      ]),
    };
  }
}

/** Sums of the six products of two colours over a picture [3, H, W]. */
function colourProducts(image: Uint8Array): number[] {
  const area = image.length / 3;
  let [rr, rg, rb, gg, gb, bb] = [0, 0, 0, 0, 0, 0];
  for (let i = 0; i < area; i++) {
    const r = image[i]!;
    const g = image[area + i]!;
    const b = image[2 * area + i]!;
    rr += r * r;
    rg += r * g;
    rb += r * b;
    gg += g * g;
    gb += g * b;
    bb += b * b;
  }
  return [rr, rg, rb, gg, gb, bb];
}

/** Options of `meanOf`. */
interface MeanOptions {
  /** Pictures fetched at a time, default 256. */
  readonly batchSize?: number;
  /** Called as pictures arrive. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * The means of a data set.
 * @throws {DataError} when no picture could be read.
 */
export async function meanOf(dataset: Dataset, options: MeanOptions = {}): Promise<Mean> {
  const { batchSize = 256, onProgress } = options;
  const moments = new Moments(dataset.imageShape);
  for (let start = 0; start < dataset.length; start += batchSize) {
    const length = Math.min(batchSize, dataset.length - start);
    const { images } = await dataset.load(Uint32Array.from({ length }, (_, i) => start + i));
    moments.add(images);
    onProgress?.(start + length, dataset.length);
  }
  return moments.mean(dataset.name);
}
