/**
 * What a data set is to the training loop: labelled pictures of one size, fetched by index.
 *
 * Pictures are raw uint8 RGB planes [N, 3, H, W] in ordinary host arrays; grey pictures carry three equal planes.
 * A picture that can't be read is left out of what `load` returns and listed once in `unreadable`.
 */
import { ArgumentError, DataError } from '../core/errors.js';
import { randomFor } from './draws.js';
import { coverCentre } from './images/resize.js';

/** Pictures that were asked for and could be read, in the order asked for. */
export interface LoadedImages {
  /** [N, 3, H, W], 0-255. */
  readonly images: Uint8Array;
  /** [N], class numbers. */
  readonly labels: Int32Array;
  /** [N], the index of each picture in its data set. */
  readonly indices: Uint32Array;
}

/** A picture that couldn't be read: its file (within the data set) and why. */
export interface Unreadable {
  readonly name: string;
  readonly reason: string;
}

/** Labelled pictures of one size. */
export interface Dataset {
  /** For people: where the pictures come from. */
  readonly name: string;
  readonly classes: readonly string[];
  /** Number of pictures. */
  readonly length: number;
  /** Channels, height, width. */
  readonly imageShape: readonly [3, number, number];
  /** [length], class numbers. */
  readonly labels: Int32Array;
  /** The pictures found unreadable so far, each once. */
  readonly unreadable: readonly Unreadable[];
  /**
   * Fetches pictures; unreadable ones are left out, so that fewer may come back than were asked for.
   * @throws {ArgumentError} for an index outside 0..length-1.
   */
  load(indices: ArrayLike<number>): Promise<LoadedImages>;
}

/** Checks indices before they're used. */
export function checkIndices(name: string, length: number, indices: ArrayLike<number>): void {
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i]!;
    if (!Number.isInteger(index) || index < 0 || index >= length) {
      throw new ArgumentError(`${name}: image ${index} was asked for, it holds 0 to ${length - 1}`);
    }
  }
}

/** A data set whose pictures all lie in memory. */
export class MemoryDataset implements Dataset {
  readonly length: number;

  /**
   * @param images [N, 3, H, W], kept without a copy.
   * @param labels [N]
   */
  constructor(
    readonly name: string,
    readonly classes: readonly string[],
    readonly imageShape: readonly [3, number, number],
    readonly images: Uint8Array,
    readonly labels: Int32Array,
    readonly unreadable: readonly Unreadable[] = [],
  ) {
    this.length = labels.length;
    const expected = this.length * imageShape[0] * imageShape[1] * imageShape[2];
    if (images.length !== expected) {
      throw new ArgumentError(
        `${name}: ${images.length} bytes of images for ${this.length} labels of ${imageShape.join('x')}, expected ${expected}`,
      );
    }
  }

  /** A set of some of the pictures, copied, in the order given. */
  pick(indices: ArrayLike<number>): MemoryDataset {
    const { images, labels } = this.copy(indices);
    return new MemoryDataset(this.name, this.classes, this.imageShape, images, labels, this.unreadable);
  }

  async load(indices: ArrayLike<number>): Promise<LoadedImages> {
    return this.copy(indices);
  }

  private copy(indices: ArrayLike<number>): LoadedImages {
    checkIndices(this.name, this.length, indices);
    const [c, h, w] = this.imageShape;
    const size = c * h * w;
    const images = new Uint8Array(indices.length * size);
    const labels = new Int32Array(indices.length);
    for (let i = 0; i < indices.length; i++) {
      const index = indices[i]!;
      images.set(this.images.subarray(index * size, (index + 1) * size), i * size);
      labels[i] = this.labels[index]!;
    }
    return { images, labels, indices: Uint32Array.from(indices) };
  }
}

/** The pictures of another set, resized and centre cropped to height x width each time they're loaded. */
class ResizedDataset implements Dataset {
  readonly imageShape: readonly [3, number, number];

  constructor(
    private readonly inner: Dataset,
    height: number,
    width: number,
  ) {
    this.imageShape = [3, height, width];
  }

  get name(): string {
    return this.inner.name;
  }
  get classes(): readonly string[] {
    return this.inner.classes;
  }
  get length(): number {
    return this.inner.length;
  }
  get labels(): Int32Array {
    return this.inner.labels;
  }
  get unreadable(): readonly Unreadable[] {
    return this.inner.unreadable;
  }

  async load(indices: ArrayLike<number>): Promise<LoadedImages> {
    const loaded = await this.inner.load(indices);
    const [, height, width] = this.imageShape;
    const images = coverAll(loaded.images, this.inner.imageShape, height, width);
    return { images, labels: loaded.labels, indices: loaded.indices };
  }
}

/** Pictures [N, 3, H, W] resized and centre cropped to [N, 3, height, width]. */
export function coverAll(
  images: Uint8Array,
  [channels, fromHeight, fromWidth]: readonly [3, number, number],
  height: number,
  width: number,
): Uint8Array {
  const [from, to] = [channels * fromHeight * fromWidth, channels * height * width];
  const count = images.length / from;
  const all = new Uint8Array(count * to);
  for (let i = 0; i < count; i++) {
    const planes = images.subarray(i * from, (i + 1) * from);
    all.set(coverCentre({ height: fromHeight, width: fromWidth, planes }, height, width).planes, i * to);
  }
  return all;
}

/** `dataset` at height x width: itself when it has that size already, else resized at each `load`. */
export function resized(dataset: Dataset, height: number, width: number): Dataset {
  const [, h, w] = dataset.imageShape;
  return h === height && w === width ? dataset : new ResizedDataset(dataset, height, width);
}

/** Options of `keepInMemory`. */
interface KeepOptions {
  /** Called as pictures arrive. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Pictures fetched at a time, default 1024. */
  readonly batchSize?: number;
}

/**
 * Loads a whole data set once and keeps its pictures; unreadable ones are dropped for good.
 * @throws {DataError} when not one picture could be read.
 */
export async function keepInMemory(dataset: Dataset, options: KeepOptions = {}): Promise<MemoryDataset> {
  const { batchSize = 1024, onProgress } = options;
  const [c, h, w] = dataset.imageShape;
  const size = c * h * w;
  const images = new Uint8Array(dataset.length * size);
  const labels = new Int32Array(dataset.length);
  let kept = 0;
  for (let start = 0; start < dataset.length; start += batchSize) {
    const count = Math.min(batchSize, dataset.length - start);
    const loaded = await dataset.load(Uint32Array.from({ length: count }, (_, i) => start + i));
    images.set(loaded.images, kept * size);
    labels.set(loaded.labels, kept);
    kept += loaded.labels.length;
    onProgress?.(start + count, dataset.length);
  }
  const { name, classes, imageShape, unreadable } = dataset;
  if (kept === 0)
    throw new DataError(`${name}: ${describeUnreadable(unreadable)}, none is left to work with`);
  return new MemoryDataset(
    name,
    classes,
    imageShape,
    images.subarray(0, kept * size),
    labels.slice(0, kept),
    unreadable,
  );
}

/** "3 unreadable images (a.jpg: empty file (0 bytes); b.png: ...; and 1 more)". */
export function describeUnreadable(unreadable: readonly Unreadable[], shown = 3): string {
  const named = unreadable.slice(0, shown).map(({ name, reason }) => `${name}: ${reason}`);
  if (unreadable.length > shown) named.push(`and ${unreadable.length - shown} more`);
  const count = `${unreadable.length} unreadable image${unreadable.length === 1 ? '' : 's'}`;
  return named.length > 0 ? `${count} (${named.join('; ')})` : count;
}

/**
 * A class-balanced choice of `limit` pictures, a pure function of its arguments: one of each class in turn, which
 * of them drawn from the seed, until `limit` is reached or all are taken.
 * @param labels [N], class numbers.
 * @returns indices into `labels`, ascending.
 * @throws {ArgumentError} unless `limit` is a positive integer.
 */
export function balancedSubset(labels: ArrayLike<number>, limit: number, seed: number): Uint32Array {
  if (!Number.isInteger(limit) || limit < 1) {
    throw new ArgumentError(`limit ${limit} isn't a number of images: expected a positive integer`);
  }
  const members = membersByClass(labels).map((indices, label) => {
    const order = randomFor(seed, 'subset', label).permutation(indices.length);
    return Array.from(order, (at) => indices[at]!);
  });
  const chosen: number[] = [];
  for (let round = 0; chosen.length < Math.min(limit, labels.length); round++) {
    for (const indices of members) {
      const index = indices[round];
      if (index !== undefined && chosen.length < limit) chosen.push(index);
    }
  }
  return Uint32Array.from(chosen).sort();
}

/** The indices of each class, ascending. */
export function membersByClass(labels: ArrayLike<number>): number[][] {
  const members: number[][] = [];
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i]!;
    while (members.length <= label) members.push([]);
    members[label]!.push(i);
  }
  return members;
}
