/**
 * The pictures of image files, decoded each time they're loaded.
 */
import { stat } from 'node:fs/promises';
import { PictureSet, type PictureSource } from '../pictures.js';
import { nodePath } from '../reading.js';
import type { DecodePool } from './decodePool.js';
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

/**
 * The data set of image files with labels.
 * @param side height and width of the pictures that are loaded
 * @param pool gives the threads that decode, which other data sets may share; whoever made them ends them.
 */
export function fileDataset(
  name: string,
  classes: readonly string[],
  files: readonly LabelledFile[],
  side: number,
  pool: () => DecodePool,
): PictureSet {
  const decode: DecodesFiles = (numbers, wanted, onDecoded) => {
    const sources = numbers.map((number) => files[number]!.source);
    return pool().decode(sources, wanted, wanted, onDecoded);
  };
  const source: PictureSource = {
    imageShape: [3, side, side],
    nameOf: (number) => files[number]!.name,
    pathInClass: (number) => files[number]!.inClass,
    fingerprint: (number) => lengthOf(files[number]!.source),
    read: (numbers) => decode(numbers, side),
    decode,
  };
  const labels = Int32Array.from(files, ({ label }) => label);
  return new PictureSet(name, classes, source, labels);
}

type DecodesFiles = NonNullable<PictureSource['decode']>;

/** A file's length, -1 where it isn't there (a broken link). */
async function lengthOf(source: ImageSource): Promise<number> {
  if ('bytes' in source) return source.bytes.length;
  if ('length' in source) return source.length;
  return stat(nodePath(source.path)).then(
    ({ size }) => size,
    () => -1,
  );
}
