/**
 * The data set of image files, decoded each time they're loaded.
 */
import { stat } from 'node:fs/promises';
import { checkIndices, type LoadedImages, type Unreadable } from '../dataset.js';
import { type PictureSet, UnreadableLog } from '../pictures.js';
import { nodePath } from '../reading.js';
import type { DecodedFiles, DecodePool } from './decodePool.js';
import type { ImageSource } from './imageSource.js';

/** An image file of a data set. */
export interface LabelledFile {
  /** Path within the data set, for messages. */
  readonly name: string;
  /** Path below its class's folder. */
  readonly inClass: string;
  readonly source: ImageSource;
  readonly label: number;
}

/** Image files with labels. */
export class FileDataset implements PictureSet {
  readonly imageShape: readonly [3, number, number];
  readonly labels: Int32Array;
  private readonly log = new UnreadableLog();

  /**
   * @param side height and width of the pictures that are loaded
   * @param pool gives the threads that decode, which other data sets may share; whoever made them ends them.
   */
  constructor(
    readonly name: string,
    readonly classes: readonly string[],
    private readonly files: readonly LabelledFile[],
    side: number,
    private readonly pool: () => DecodePool,
  ) {
    this.imageShape = [3, side, side];
    this.labels = Int32Array.from(files, (file) => file.label);
  }

  get length(): number {
    return this.files.length;
  }

  get unreadable(): readonly Unreadable[] {
    return this.log.list;
  }

  nameOf(index: number): string {
    return this.file(index).name;
  }

  pathInClass(index: number): string {
    return this.file(index).inClass;
  }

  /** The file's length, -1 where it isn't there (a broken link). */
  async fingerprint(index: number): Promise<number> {
    const { source } = this.file(index);
    if ('bytes' in source) return source.bytes.length;
    if ('length' in source) return source.length;
    return stat(nodePath(source.path)).then(
      ({ size }) => size,
      () => -1,
    );
  }

  pick(indices: ArrayLike<number>): FileDataset {
    checkIndices(this.name, this.length, indices);
    return this.with(
      this.classes,
      Array.from(indices, (index) => this.files[index]!),
    );
  }

  relabelled(classes: readonly string[], numbers: readonly number[]): FileDataset {
    return this.with(
      classes,
      this.files.map((file) => ({ ...file, label: numbers[file.label]! })),
    );
  }

  /** @throws {DataError} when a file fails that isn't damaged: the disk fails, too many files are open. */
  async load(indices: ArrayLike<number>): Promise<LoadedImages> {
    const [c, height, width] = this.imageShape;
    const { planes, failures } = await this.decode(indices, height);
    const asked = Array.from(indices);
    return this.log.sift(planes, c * height * width, asked, failures, this.labels, (at) =>
      this.nameOf(asked[at]!),
    );
  }

  async decode(
    indices: ArrayLike<number>,
    side: number,
    onDecoded?: (count: number) => void,
  ): Promise<DecodedFiles> {
    checkIndices(this.name, this.length, indices);
    const sources = Array.from(indices, (index) => this.files[index]!.source);
    return this.pool().decode(sources, side, side, onDecoded);
  }

  private file(index: number): LabelledFile {
    checkIndices(this.name, this.length, [index]);
    return this.files[index]!;
  }

  private with(classes: readonly string[], files: readonly LabelledFile[]): FileDataset {
    return new FileDataset(this.name, classes, files, this.imageShape[1], this.pool);
  }
}
