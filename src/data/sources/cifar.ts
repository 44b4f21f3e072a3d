/**
 * CIFAR-10's binary version (Krizhevsky, "Learning multiple layers of features from tiny images", 2009): files of
 * records of 3073 bytes, a label 0-9 and three planes of 32x32, red, green, blue. data_batch_1.bin to
 * data_batch_5.bin are trained on, test_batch.bin validates; batches.meta.txt has the class names, one a line.
 */
import { DataError } from '../../core/errors.js';
import { MemoryDataset } from '../dataset.js';
import { bytesOf, type Entry } from './sources.js';

/** A data set as it lies in its files; without a validation set when they hold none. */
export interface StoredSets {
  readonly train: MemoryDataset;
  readonly validation?: MemoryDataset;
}

const imageBytes = 3 * 32 * 32;
const recordBytes = 1 + imageBytes;

const defaultNames = 'airplane automobile bird cat deer dog frog horse ship truck'.split(' ');

/** The last part of an entry's name. */
export const baseName = ({ name }: Entry): string => name.slice(name.lastIndexOf('/') + 1);

/**
 * Reads CIFAR-10 when the entries hold its files.
 * @returns undefined when they don't.
 * @throws {DataError} when a file isn't whole records, has a label over 9, or there's nothing to train on.
 */
export async function readCifar(path: string, entries: readonly Entry[]): Promise<StoredSets | undefined> {
  const training = entries.filter((entry) => /^data_batch_\d+\.bin$/.test(baseName(entry)));
  const testing = entries.filter((entry) => baseName(entry) === 'test_batch.bin');
  if (training.length + testing.length === 0) return undefined;
  if (training.length === 0) {
    throw new DataError(`${path}: has CIFAR-10's test_batch.bin but no data_batch_*.bin to train on`);
  }
  const meta = entries.find((entry) => baseName(entry) === 'batches.meta.txt');
  const lines = meta ? new TextDecoder().decode(await bytesOf(meta)).split('\n') : [];
  const named = lines.map((line) => line.trim()).filter((line) => line !== '');
  const classes = named.length === 10 ? named : defaultNames;
  const train = await readRecords(path, 'train', classes, training);
  if (testing.length === 0) return { train };
  return { train, validation: await readRecords(path, 'test', classes, testing) };
}

async function readRecords(
  path: string,
  part: string,
  classes: readonly string[],
  entries: readonly Entry[],
): Promise<MemoryDataset> {
  const files = await Promise.all(entries.map(bytesOf));
  for (const [i, bytes] of files.entries()) {
    if (bytes.length === 0 || bytes.length % recordBytes !== 0) {
      throw new DataError(
        `${path}, ${entries[i]!.name}: ${bytes.length} bytes aren't whole CIFAR-10 records of ${recordBytes}: cut short?`,
      );
    }
  }
  const count = files.reduce((sum, bytes) => sum + bytes.length / recordBytes, 0);
  const images = new Uint8Array(count * imageBytes);
  const labels = new Int32Array(count);
  let to = 0;
  for (const [i, bytes] of files.entries()) {
    for (let at = 0; at < bytes.length; at += recordBytes, to++) {
      const label = bytes[at]!;
      if (label > 9) {
        throw new DataError(
          `${path}, ${entries[i]!.name}: record ${at / recordBytes} has label ${label}, expected 0 to 9`,
        );
      }
      labels[to] = label;
      images.set(bytes.subarray(at + 1, at + recordBytes), to * imageBytes);
    }
  }
  return new MemoryDataset(`${path} (CIFAR-10 ${part})`, classes, [3, 32, 32], images, labels);
}
