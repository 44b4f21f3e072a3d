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
import { aligned, layOut, PictureKernels } from './vectors/kernels.js';

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

/** Pictures that sums of 16 bits hold: 257 x 255 = 2^16 - 1. */
const mostPictures = 257;

/** Pixels whose products sums of 32 bits hold, in four lanes: 4 x 2^32 / 255^2 would be the most. */
const mostPixels = 2 ** 17;

/** Sums over pictures, to which more can be added. */
export class Moments {
  /** Pixel by pixel, [3, H, W]; those of the last `waiting` pictures are still in the kernels' memory. */
  private readonly sums: Float64Array;
  private waiting = 0;
  /** Of red times red, red green, red blue, green green, green blue, blue blue. */
  private readonly products = [0n, 0n, 0n, 0n, 0n, 0n];
  private count = 0;
  private readonly kernels = new PictureKernels();
  /** Bytes from plane to plane there. */
  private readonly apart: number;

  /** @param shape channels, height, width. */
  constructor(shape: readonly [3, number, number]) {
    this.sums = new Float64Array(shape[0] * shape[1] * shape[2]);
    this.apart = aligned(shape[1] * shape[2]);
  }

  /** Adds pictures [N, 3, H, W]. */
  add(images: Uint8Array): void {
    const { sums, products, kernels, apart } = this;
    const area = sums.length / 3;
    const [totals = 0, sixes = 0, planes = 0, end = 0] = layOut(6 * apart, 96, 3 * apart);
    const memory = kernels.room(end);
    const lanes = new Uint32Array(memory.buffer, sixes, 24);
    for (let from = 0; from < images.length; from += 3 * area, this.count++) {
      for (let c = 0; c < 3; c++) {
        memory.set(images.subarray(from + c * area, from + (c + 1) * area), planes + c * apart);
      }
      for (let at = 0; at < apart; at += mostPixels) {
        lanes.fill(0);
        const turns = Math.min(mostPixels, apart - at) / 16;
        kernels.moments(planes + at, apart, totals + 2 * at, sixes, turns);
        for (const [i, sum] of lanes.entries()) products[i >> 2]! += BigInt(sum);
      }
      if (++this.waiting === mostPictures) this.gather();
    }
  }

  /** Takes the sums of the pictures that wait out of the kernels' memory. */
  private gather(): void {
    const { sums, kernels, apart } = this;
    if (this.waiting === 0) return;
    const area = sums.length / 3;
    const totals = new Uint16Array(kernels.room(6 * apart).buffer, 0, 3 * apart);
    for (let c = 0; c < 3; c++) {
      for (let i = 0; i < area; i++) sums[c * area + i]! += totals[c * apart + i]!;
    }
    totals.fill(0);
    this.waiting = 0;
  }

  /** @throws {DataError} when no picture went in; `name` is what they're of. */
  mean(name: string): Mean {
    this.gather();
    const { sums, count } = this;
    if (count === 0) throw new DataError(`${name}: no readable image to take the mean of`);
    const area = sums.length / 3;
    const pixels = BigInt(area) * BigInt(count);
    const image = new Float32Array(sums.length);
    const totals = [0, 1, 2].map((c) => {
      let total = 0;
      for (let i = c * area; i < (c + 1) * area; i++) {
        total += sums[i]!;
        image[i] = sums[i]! / count;
      }
      return BigInt(total);
    });
    const channel = (c: number): number => Number(totals[c]!) / Number(pixels);
    const covariance = (k: number, x: number, y: number): number =>
      Number(pixels * this.products[k]! - totals[x]! * totals[y]!) / Number(pixels * pixels);
    const [rr, rg, rb] = [covariance(0, 0, 0), covariance(1, 0, 1), covariance(2, 0, 2)];
    const [gg, gb, bb] = [covariance(3, 1, 1), covariance(4, 1, 2), covariance(5, 2, 2)];
    return {
      image,
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
