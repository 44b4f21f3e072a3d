/**
 * Pictures that a file holds as plain bytes, one like the other: CIFAR's and MNIST's. They stay in memory as they are
 * stored; grey ones become three equal planes, and those under 32x32 are centred on black of that size, as they're loaded.
 */
import { PictureSet, type PictureSource } from '../pictures.js';

/** Least side of a picture that is loaded, for MNIST's 28. */
const leastSide = 32;

/** Pictures in memory. */
interface StoredPictures {
  /** What they are called, with their number behind it. */
  readonly noun: string;
  /** Planes of each: 1 (grey) or 3 (red, green, blue). */
  readonly channels: 1 | 3;
  readonly height: number;
  readonly width: number;
  /** [N, channels, height, width], 0-255. */
  readonly images: Uint8Array;
  /** [N] */
  readonly labels: Int32Array;
}

/** A data set of pictures in memory. */
export function storedDataset(
  name: string,
  classes: readonly string[],
  { noun, channels, height: h, width: w, images, labels }: StoredPictures,
): PictureSet {
  const size = channels * h * w;
  const [height, width] = [Math.max(leastSide, h), Math.max(leastSide, w)];
  const area = height * width;
  const margin = ((height - h) >> 1) * width + ((width - w) >> 1);
  const nameOf = (number: number): string => `${noun} ${number}`;
  const bytesOf = (number: number): Uint8Array => images.subarray(number * size, (number + 1) * size);
  const source: PictureSource = {
    imageShape: [3, height, width],
    nameOf,
    pathInClass: nameOf,
    // FNV-1a.
    fingerprint: async (number) =>
      bytesOf(number).reduce((hash, byte) => Math.imul(hash ^ byte, 0x01000193), 0x811c9dc5) >>> 0,
    async read(numbers) {
      const planes = new Uint8Array(numbers.length * 3 * area);
      for (const [i, number] of numbers.entries()) {
        const stored = bytesOf(number);
        const first = i * 3 * area;
        for (let c = 0; c < channels; c++) {
          if (w === width) planes.set(stored.subarray(c * h * w, (c + 1) * h * w), first + c * area + margin);
          else
            for (let y = 0; y < h; y++) {
              const from = (c * h + y) * w;
              planes.set(stored.subarray(from, from + w), first + c * area + margin + y * width);
            }
        }
        for (let c = channels; c < 3; c++) planes.copyWithin(first + c * area, first, first + area);
      }
      return { planes, failures: new Map() };
    },
  };
  return new PictureSet(name, classes, source, labels);
}
