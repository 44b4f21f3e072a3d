/**
 * CIFAR-10 and CIFAR-100 in their binary versions (Krizhevsky, "Learning multiple layers of features from tiny images",
 * 2009): files of records, each one label (CIFAR-100: two, of 20 coarse and 100 fine classes, of which the fine one is
 * taken) and three planes of 32x32, red, green, blue. Text files have the names of the classes, one a line.
 */
import { DataError } from '../../core/errors.js';
import type { PictureSet } from '../pictures.js';
import { namedClasses } from './classes.js';
import { bytesOf, type Entry, lengthOf } from './entries.js';
import type { Format, Found, Opening, Place } from './format.js';
import { baseName, textLines } from './names.js';
import { storedDataset } from './stored.js';

const imageBytes = 3 * 32 * 32;

/** One of the two data sets. */
interface Variant {
  readonly kind: 'cifar10' | 'cifar100';
  readonly title: string;
  readonly train: RegExp;
  readonly test: RegExp;
  /** The file of the classes' names. */
  readonly names: string;
  readonly classes: number;
  /** Bytes of labels in a record; the last is taken. */
  readonly labelBytes: number;
  /** Classes' names where the file isn't there. */
  readonly defaults?: readonly string[];
}

const ten: Variant = {
  kind: 'cifar10',
  title: 'CIFAR-10',
  train: /^data_batch_\d+\.bin$/,
  test: /^test_batch\.bin$/,
  names: 'batches.meta.txt',
  classes: 10,
  labelBytes: 1,
  defaults: 'airplane automobile bird cat deer dog frog horse ship truck'.split(' '),
};

const hundred: Variant = {
  kind: 'cifar100',
  title: 'CIFAR-100',
  train: /^train\.bin$/,
  test: /^test\.bin$/,
  names: 'fine_label_names.txt',
  classes: 100,
  labelBytes: 2,
};

/** The format of CIFAR-10, data_batch_1.bin to data_batch_5.bin and test_batch.bin. */
export const cifar10: Format = {
  kind: 'cifar10',
  help: 'CIFAR-10, binary: data_batch_*.bin and test_batch.bin',
  recognises: ({ entries }) =>
    filesOf(entries, ten.train).length + filesOf(entries, ten.test).length > 0 ||
    pythonFiles(entries, ['data_batch_1', 'test_batch']).length === 2,
  open: (place, opening) => openCifar(ten, place, opening),
};

/** The format of CIFAR-100, train.bin and test.bin. */
export const cifar100: Format = {
  kind: 'cifar100',
  help: 'CIFAR-100, binary: train.bin and test.bin',
  async recognises({ entries }) {
    const files = [...filesOf(entries, hundred.train), ...filesOf(entries, hundred.test)];
    if (files.length === 0) return pythonFiles(entries, ['train', 'test', 'meta']).length === 3;
    if (filesOf(entries, /^(fine|coarse)_label_names\.txt$/).length > 0) return true;
    const lengths = await Promise.all(files.map(lengthOf));
    return lengths.every((length) => length > 0 && length % recordBytes(hundred) === 0);
  },
  open: (place, opening) => openCifar(hundred, place, opening),
};

function filesOf(entries: readonly Entry[], name: RegExp): Entry[] {
  return entries.filter((entry) => name.test(baseName(entry.name)));
}

/** Files of these names that have no ending, as the Python versions' have. */
function pythonFiles(entries: readonly Entry[], names: readonly string[]): Entry[] {
  return entries.filter((entry) => names.includes(baseName(entry.name)));
}

const recordBytes = ({ labelBytes }: Variant): number => labelBytes + imageBytes;

/** @throws {DataError} when a file isn't whole records, a label is beyond the classes, or there is nothing to train on. */
async function openCifar(variant: Variant, place: Place, opening: Opening): Promise<Found> {
  const { path, entries } = place;
  const training = filesOf(entries, variant.train);
  const testing = filesOf(entries, variant.test);
  if (training.length + testing.length === 0) {
    throw new DataError(
      `${path}: holds the Python version of ${variant.title}: the binary version is read, give that`,
    );
  }
  if (training.length === 0 && !opening.trained) {
    throw new DataError(
      `${path}: has ${variant.title}'s ${baseName(testing[0]!.name)} but no file to train on`,
    );
  }
  const named = entries.find(({ name }) => baseName(name) === variant.names);
  const lines = named ? textLines(await bytesOf(named)).filter((line) => line !== '') : [];
  const numbers = Array.from({ length: variant.classes }, (_, i) => String(i));
  const classes = lines.length === variant.classes ? lines : (variant.defaults ?? numbers);
  const setOf = (part: string, files: readonly Entry[]): Promise<PictureSet> =>
    readRecords(variant, `${path} (${variant.title} ${part})`, classes, path, files, opening);
  return {
    classes: namedClasses(classes, new Map()),
    train: training.length > 0 ? await setOf('train', training) : undefined,
    validation: testing.length > 0 ? await setOf('test', testing) : undefined,
    notes: place.notes,
  };
}

async function readRecords(
  variant: Variant,
  name: string,
  classes: readonly string[],
  path: string,
  entries: readonly Entry[],
  { budget }: Opening,
): Promise<PictureSet> {
  const record = recordBytes(variant);
  const lengths = await Promise.all(entries.map(lengthOf));
  const counts = lengths.map((length, i) => {
    if (length > 0 && length % record === 0) return length / record;
    throw new DataError(
      `${path}, ${entries[i]!.name}: ${length} bytes aren't whole ${variant.title} records of ${record}: cut short?`,
    );
  });
  const count = counts.reduce((sum, n) => sum + n, 0);
  // The pictures, and the largest file beside them while it is read.
  budget.take(count * imageBytes + Math.max(...lengths), `${path}, ${count} images of ${variant.title}`);
  const images = new Uint8Array(count * imageBytes);
  const labels = new Int32Array(count);
  let to = 0;
  for (const [i, entry] of entries.entries()) {
    const bytes = await bytesOf(entry, lengths[i]);
    for (let at = 0; at + record <= bytes.length; at += record, to++) {
      const label = bytes[at + variant.labelBytes - 1]!;
      if (label >= variant.classes) {
        const other = variant === ten && bytes.length % recordBytes(hundred) === 0;
        throw new DataError(
          `${path}, ${entry.name}: record ${at / record} has label ${label}, expected 0 to ${variant.classes - 1}` +
            `${other ? '; its length is that of CIFAR-100 records' : ''}`,
        );
      }
      labels[to] = label;
      images.set(bytes.subarray(at + variant.labelBytes, at + record), to * imageBytes);
    }
  }
  budget.give(Math.max(...lengths));
  const pictures = { noun: variant.kind, channels: 3, height: 32, width: 32, images, labels } as const;
  return storedDataset(name, classes, pictures);
}
