/**
 * Opens the data to train with: files of any format (formats.ts), or, with no path, the synthetic set.
 *
 * Image files that fit in memory are decoded once and kept as bytes; larger sets are decoded batch by batch.
 */
import { ArgumentError, DataError } from '../../core/errors.js';
import { balancedSubset, type Dataset, describeUnreadable, keepInMemory, resized } from '../dataset.js';
import type { Mean } from '../images/mean.js';
import { PictureSet } from '../pictures.js';
import { SyntheticDataset } from '../synthetic/synthetic.js';
import { openSets } from './sets.js';
import { holdOut } from './splits.js';

/** Options of `openData`. */
export interface OpenOptions {
  /** Height and width of the pictures, default 32. */
  readonly imageSize?: number;
  /** Train on this many pictures only, as many of each class; default: all (synthetic: 8,000). */
  readonly limit?: number | undefined;
  /** Draws the choice of `limit`, and the synthetic pictures. Default 0. */
  readonly seed?: number;
  /** Share of each class held out when there's no validation set, default 0.1. */
  readonly holdout?: number;
  /** Another folder or archive to validate with, of any format. */
  readonly validation?: string | undefined;
  /** Decoding threads; default: one for each core, at most 8. */
  readonly workers?: number | undefined;
  /** Sets up to this many bytes, decoded, are kept in memory. Default 1.5e9. */
  readonly memory?: number;
  /** Called while pictures are decoded to be kept. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Classes by number, and what people call them where `classes` are ids (ImageNet's WNIDs). */
interface Classes {
  readonly classes: readonly string[];
  readonly classNames?: readonly string[] | undefined;
}

/** Data to train with. */
export interface OpenedData extends Classes {
  /** The name of its format; `synthetic` for the images that are drawn. */
  readonly kind: string;
  readonly train: Dataset;
  /** Empty where no image can be spared to validate with. */
  readonly validation: Dataset;
  /** Means of the training set, where they're stored with it and it's the whole of it that is opened. */
  readonly mean?: Mean;
  /** What was decided or noticed that the user should know, a sentence each. */
  readonly notes: readonly string[];
  /** Ends decoding threads. */
  close(): Promise<void>;
}

/** What the classes are called, without synonyms: `tench` of `tench, Tinca tinca`. Two classes may share a name. */
export function briefNames({ classes, classNames }: Classes): string[] {
  return classes.map((id, i) => {
    const name = classNames?.[i] ?? id;
    // Only names that stand for an id are lists of synonyms.
    return name === id ? id : name.split(',', 1)[0] || id;
  });
}

/** Checks that there is something to validate with. @throws {DataError} when there isn't */
export function checkValidation({ validation }: OpenedData): void {
  if (validation.length > 0) return;
  throw new DataError(`${validation.name}: no images to validate with: give others for it`);
}

/** Pictures of the synthetic set: training and validation. */
const syntheticLengths = { train: 8000, validation: 2000 } as const;

/**
 * Opens a data set.
 * @param path a folder or tar archive, or the beginning of the names of files in one; undefined: the synthetic set.
 * @throws {DataError} when the path holds nothing to train on, saying what was found and what was expected.
 * @throws {ArgumentError} for a size, limit or share that can't be.
 */
export async function openData(path: string | undefined, options: OpenOptions = {}): Promise<OpenedData> {
  const { imageSize = 32, limit } = options;
  if (!Number.isInteger(imageSize) || imageSize < 1) {
    throw new ArgumentError(`imageSize ${imageSize} isn't a number of pixels: expected a positive integer`);
  }
  if (limit !== undefined && !(Number.isInteger(limit) && limit > 0)) {
    throw new ArgumentError(`limit ${limit} isn't a number of images: expected a positive integer`);
  }
  return path === undefined ? openSynthetic(imageSize, options) : openFiles(path, imageSize, options);
}

/** Keeps a data set in memory when it fits. */
async function keptIfSmall(dataset: Dataset, options: OpenOptions): Promise<Dataset> {
  const { memory = 1.5e9, onProgress } = options;
  const [c, h, w] = dataset.imageShape;
  if (dataset.length === 0 || dataset.length * c * h * w > memory) return dataset;
  return keepInMemory(dataset, onProgress ? { onProgress } : {});
}

async function openSynthetic(side: number, options: OpenOptions): Promise<OpenedData> {
  const { seed = 0, limit = syntheticLengths.train } = options;
  if (options.validation !== undefined) {
    throw new ArgumentError(`validation data ${options.validation} was given without training data`);
  }
  const train = new SyntheticDataset(seed, 'train', limit, side);
  const validation = new SyntheticDataset(seed, 'validation', syntheticLengths.validation, side);
  return {
    kind: 'synthetic',
    train: await keptIfSmall(train, options),
    validation: await keptIfSmall(validation, options),
    classes: train.classes,
    notes: [`synthetic images: ten classes of figures drawn from seed ${seed}`],
    close: async () => {},
  };
}

async function openFiles(path: string, side: number, options: OpenOptions): Promise<OpenedData> {
  const { seed = 0, limit, validation: other, workers } = options;
  const sets = await openSets(path, { side, validation: other, workers });
  try {
    const { kind, classes, mean } = sets;
    const {
      train: whole,
      validation,
      notes: held,
    } = sets.validation
      ? { train: sets.train, validation: sets.validation, notes: [] }
      : heldOut(path, sets.train, options);
    const train = limit === undefined ? whole : whole.pick(balancedSubset(whole.labels, limit, seed));
    /** Decoding and resizing each time is what memory can save. */
    const sized = async (set: PictureSet): Promise<Dataset> => {
      const asStored = !set.decodes && set.imageShape[1] === side && set.imageShape[2] === side;
      return asStored ? set : keptIfSmall(resized(set, side, side), options);
    };
    const opened = { train: await sized(train), validation: await sized(validation) };
    const notes = [...sets.notes, ...held];
    for (const set of [opened.train, opened.validation]) {
      if (set.unreadable.length > 0) notes.push(`${set.name}: ${describeUnreadable(set.unreadable)}`);
    }
    const decodes = (set: Dataset): boolean => set instanceof PictureSet && set.decodes;
    if (!decodes(opened.train) && !decodes(opened.validation)) await sets.close();
    const isWhole = train === sets.train && train.imageShape[1] === side;
    return {
      kind,
      ...opened,
      classes: classes.map(({ id }) => id),
      classNames: classes.map(({ name }) => name),
      ...(mean && isWhole ? { mean } : {}),
      notes,
      close: sets.close,
    };
  } catch (error) {
    await sets.close();
    throw error;
  }
}

/** Parts a set that has no validation images; one that can spare none stays whole. */
function heldOut(
  path: string,
  train: PictureSet,
  { holdout = 0.1 }: OpenOptions,
): { train: PictureSet; validation: PictureSet; notes: string[] } {
  const names = Array.from({ length: train.length }, (_, index) => train.nameOf(index));
  const parted = holdOut(names, train.labels, holdout);
  const held = parted.validation.length;
  const note =
    held > 0
      ? `no validation images were given: ${held} of ${train.length} are held out, ` +
        `${Math.round(holdout * 1000) / 10} % of each class by a hash of the file name`
      : `${path}: no class has more than one image (${train.length} in all), so none is held out to validate with`;
  return {
    train: held > 0 ? train.pick(parted.train) : train,
    validation: train.pick(parted.validation),
    notes: [note],
  };
}
