/**
 * Pictures that a file holds as plain bytes, one like the other: CIFAR's and MNIST's. They stay in memory as they are
 * stored; grey ones become three equal planes, and those under 32x32 are centred on black of that size, as they're loaded.
 */
import { ArgumentError } from '../../core/errors.js';
import { checkIndices, type LoadedImages } from '../dataset.js';
import type { DecodedFiles } from '../images/decodePool.js';
import { decodeLoaded, type PictureSet } from '../pictures.js';

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

/** A data set of pictures in memory, or of some of them. */
export class StoredDataset implements PictureSet {
  readonly length: number;
  readonly imageShape: readonly [3, number, number];
  readonly labels: Int32Array;
  readonly unreadable = [];

  /** @param chosen numbers of the pictures it holds, in this order; default: all. */
  constructor(
    readonly name: string,
    readonly classes: readonly string[],
    private readonly pictures: StoredPictures,
    private readonly chosen?: Uint32Array,
  ) {
    const { channels, height, width, images, labels } = pictures;
    if (images.length !== labels.length * channels * height * width) {
      throw new ArgumentError(`${name}: ${images.length} bytes of images for ${labels.length} labels`);
    }
    this.imageShape = [3, Math.max(leastSide, height), Math.max(leastSide, width)];
    this.labels = chosen ? Int32Array.from(chosen, (i) => labels[i]!) : labels;
    this.length = this.labels.length;
  }

  nameOf(index: number): string {
    checkIndices(this.name, this.length, [index]);
    return `${this.pictures.noun} ${this.numberOf(index)}`;
  }

  pathInClass(index: number): string {
    return this.nameOf(index);
  }

  async fingerprint(index: number): Promise<number> {
    // FNV-1a.
    return this.bytes(index).reduce((hash, byte) => Math.imul(hash ^ byte, 0x01000193), 0x811c9dc5) >>> 0;
  }

  /** All of them can be read. */
  reasonOf(): undefined {
    return undefined;
  }

  pick(indices: ArrayLike<number>): StoredDataset {
    checkIndices(this.name, this.length, indices);
    const numbers = Uint32Array.from(indices, (index) => this.numberOf(index));
    return new StoredDataset(this.name, this.classes, this.pictures, numbers);
  }

  relabelled(classes: readonly string[], numbers: readonly number[]): StoredDataset {
    const labels = this.pictures.labels.map((label) => numbers[label]!);
    return new StoredDataset(this.name, classes, { ...this.pictures, labels }, this.chosen);
  }

  async load(indices: ArrayLike<number>): Promise<LoadedImages> {
    checkIndices(this.name, this.length, indices);
    const { channels, height: h, width: w } = this.pictures;
    const [planes, height, width] = this.imageShape;
    const area = height * width;
    const margin = ((height - h) >> 1) * width + ((width - w) >> 1);
    const images = new Uint8Array(indices.length * planes * area);
    for (let i = 0; i < indices.length; i++) {
      const stored = this.bytes(indices[i]!);
      const first = i * planes * area;
      for (let c = 0; c < channels; c++) {
        if (w === width) images.set(stored.subarray(c * h * w, (c + 1) * h * w), first + c * area + margin);
        else
          for (let y = 0; y < h; y++) {
            const from = (c * h + y) * w;
            images.set(stored.subarray(from, from + w), first + c * area + margin + y * width);
          }
      }
      for (let c = channels; c < planes; c++) images.copyWithin(first + c * area, first, first + area);
    }
    return {
      images,
      labels: Int32Array.from(indices, (index) => this.labels[index]!),
      indices: Uint32Array.from(indices),
    };
  }

  decode(
    indices: ArrayLike<number>,
    side: number,
    onDecoded?: (count: number) => void,
  ): Promise<DecodedFiles> {
    return decodeLoaded(this, indices, side, onDecoded);
  }

  private numberOf(index: number): number {
    return this.chosen ? this.chosen[index]! : index;
  }

  private bytes(index: number): Uint8Array {
    const { channels, height, width, images } = this.pictures;
    const size = channels * height * width;
    const at = this.numberOf(index) * size;
    return images.subarray(at, at + size);
  }
}
