/**
 * Labelled pictures as their files hold them: a data set whose pictures have names, some of which can be picked, and
 * which decodes them at any size. What opens data (sources/) and what prepares it (prepare/) both work with these.
 *
 * A set is a choice of a source's pictures, which have numbers there, with a label for each; sets that were picked from
 * one another share the source.
 */
import { checkIndices, coverAll, type Dataset, type LoadedImages, type Unreadable } from './dataset.js';
import type { DecodedFiles } from './images/decodePool.js';

/** Pictures that were read: planes [N, 3, H, W], and why each failed that did, by position. */
export type ReadPictures = Pick<DecodedFiles, 'planes' | 'failures'>;

/** Where pictures come from: files, shards, memory. They are numbered from 0. */
export interface PictureSource {
  /** Of the pictures that `read` gives. */
  readonly imageShape: readonly [3, number, number];
  /** What a picture is called in messages; different for each. */
  nameOf(number: number): string;
  /** A picture's path below its class's folder, or what stands for it. */
  pathInClass(number: number): string;
  /** A number that is another one once a picture's file was changed: its length, or a checksum. */
  fingerprint(number: number): Promise<number>;
  /** Reads pictures. @throws {DataError} when a file fails that isn't damaged: the disk fails, too many files are open */
  read(numbers: readonly number[]): Promise<ReadPictures>;
  /** Decodes pictures at any size; absent where they are stored as planes. */
  decode?(
    numbers: readonly number[],
    side: number,
    onDecoded?: (count: number) => void,
  ): Promise<DecodedFiles>;
}

/** A data set of pictures with names. */
export class PictureSet implements Dataset {
  readonly imageShape: readonly [3, number, number];
  private readonly failed = new Map<number, Unreadable>();

  /**
   * @param labels [N]
   * @param numbers [N], those of the pictures in the source; default: the first N
   */
  constructor(
    readonly name: string,
    readonly classes: readonly string[],
    private readonly source: PictureSource,
    readonly labels: Int32Array,
    private readonly numbers: Uint32Array = Uint32Array.from(labels, (_, index) => index),
  ) {
    this.imageShape = source.imageShape;
  }

  get length(): number {
    return this.labels.length;
  }

  /** Each once, in the order of the set. */
  get unreadable(): readonly Unreadable[] {
    return [...this.failed].sort(([a], [b]) => a - b).map(([, picture]) => picture);
  }

  /** Whether pictures are decoded each time they're loaded. */
  get decodes(): boolean {
    return this.source.decode !== undefined;
  }

  /** What a picture is called in messages; different for each. @throws {ArgumentError} outside 0..length-1. */
  nameOf(index: number): string {
    return this.source.nameOf(this.numberOf(index));
  }

  /** A picture's path below its class's folder, or what stands for it. @throws {ArgumentError} as `nameOf` does */
  pathInClass(index: number): string {
    return this.source.pathInClass(this.numberOf(index));
  }

  /** A number that is another one once a picture's file was changed. @throws {ArgumentError} as `nameOf` does */
  async fingerprint(index: number): Promise<number> {
    return this.source.fingerprint(this.numberOf(index));
  }

  /** The set of some of the pictures, in the order given. @throws {ArgumentError} as `nameOf` does */
  pick(indices: ArrayLike<number>): PictureSet {
    const numbers = Uint32Array.from(this.numbersOf(indices));
    const labels = Int32Array.from(indices, (index) => this.labels[index]!);
    return new PictureSet(this.name, this.classes, this.source, labels, numbers);
  }

  /**
   * The same pictures with the classes of another list.
   * @param numbers what each label becomes
   */
  relabelled(classes: readonly string[], numbers: readonly number[]): PictureSet {
    const labels = this.labels.map((label) => numbers[label]!);
    return new PictureSet(this.name, classes, this.source, labels, this.numbers);
  }

  async load(indices: ArrayLike<number>): Promise<LoadedImages> {
    const asked = Array.from(indices);
    const { planes, failures } = await this.source.read(this.numbersOf(asked));
    for (const [at, reason] of failures) {
      this.failed.set(asked[at]!, { name: this.nameOf(asked[at]!), reason });
    }
    const [c, height, width] = this.imageShape;
    const size = c * height * width;
    const read = moveUp(planes, size, asked.length, failures);
    return {
      images: planes.subarray(0, read.length * size),
      labels: Int32Array.from(read, (at) => this.labels[asked[at]!]!),
      indices: Uint32Array.from(read, (at) => asked[at]!),
    };
  }

  /**
   * Decodes pictures to [N, 3, side, side], and says of each what it was or what is wrong with it.
   * @param onDecoded called with the number of pictures done since the last call.
   */
  async decode(
    indices: ArrayLike<number>,
    side: number,
    onDecoded: (count: number) => void = () => {},
  ): Promise<DecodedFiles> {
    const { source, imageShape } = this;
    const numbers = this.numbersOf(indices);
    if (source.decode) return source.decode(numbers, side, onDecoded);
    const { planes, failures } = await source.read(numbers);
    onDecoded(numbers.length);
    return {
      planes: coverAll(planes, imageShape, side, side),
      failures,
      facts: numbers.map(() => undefined),
    };
  }

  private numberOf(index: number): number {
    checkIndices(this.name, this.length, [index]);
    return this.numbers[index]!;
  }

  private numbersOf(indices: ArrayLike<number>): number[] {
    checkIndices(this.name, this.length, indices);
    return Array.from(indices, (index) => this.numbers[index]!);
  }
}

/**
 * Moves the pictures that could be read up over the gaps of those that couldn't.
 * @param planes [N, size], changed in place.
 * @returns the former positions of the pictures that are left.
 */
export function moveUp(
  planes: Uint8Array,
  size: number,
  count: number,
  failures: ReadonlyMap<number, string>,
): number[] {
  const read = Array.from({ length: count }, (_, at) => at).filter((at) => !failures.has(at));
  for (const [to, from] of read.entries()) {
    if (to !== from) planes.copyWithin(to * size, from * size, (from + 1) * size);
  }
  return read;
}
