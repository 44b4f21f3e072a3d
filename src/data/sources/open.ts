/**
 * Opens the data to train with, recognised by what it is: a folder of prepared shards; class folders of JPEG and PNG
 * files, CIFAR-10's binary files, MNIST's IDX files, each in a folder or a tar archive; or, with no path, the
 * synthetic set.
 *
 * Sets that fit in memory are decoded once and kept as bytes; larger ones are decoded batch by batch.
 */
import { ArgumentError, DataError } from '../../core/errors.js';
import {
  balancedSubset,
  type Dataset,
  describeUnreadable,
  keepInMemory,
  type MemoryDataset,
  resized,
} from '../dataset.js';
import { DecodePool, FileDataset, type LabelledFile } from '../images/decodePool.js';
import type { Mean } from '../images/mean.js';
import { ShardDataset } from '../shards/shardDataset.js';
import { isShardFolder, openShards } from '../shards/shards.js';
import { SyntheticDataset } from '../synthetic/synthetic.js';
import { readCifar, type StoredSets } from './cifar.js';
import { emptyFolderNotes, folderLayout, splitFolder, validationFiles } from './folder.js';
import { readMnist } from './mnist.js';
import { type Entry, listEntries } from './sources.js';
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
  /** Another folder or archive to validate with, of class folders. */
  readonly validation?: string | undefined;
  /** Decoding threads; default: one for each core, at most 8. */
  readonly workers?: number | undefined;
  /** Sets up to this many bytes, decoded, are kept in memory. Default 1.5e9. */
  readonly memory?: number;
  /** Called while pictures are decoded to be kept. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** What the data was recognised as. */
export type DataKind = 'synthetic' | 'folder' | 'cifar10' | 'mnist' | 'shards';

/** Data to train with. */
export interface OpenedData {
  readonly kind: DataKind;
  readonly train: Dataset;
  readonly validation: Dataset;
  readonly classes: readonly string[];
  /** What people call the classes, where `classes` are ids (ImageNet's WNIDs). */
  readonly classNames?: readonly string[];
  /** Means of the training set, where they're stored with it and it's the whole of it that is opened. */
  readonly mean?: Mean;
  /** What was decided or noticed that the user should know, a sentence each. */
  readonly notes: readonly string[];
  /** Ends decoding threads. */
  close(): Promise<void>;
}

/** What the classes are called, without synonyms: `tench` of `tench, Tinca tinca`. Two classes may share a name. */
export function briefNames({ classes, classNames }: OpenedData): string[] {
  return classes.map((id, i) => classNames?.[i]?.split(',', 1)[0] || id);
}

/** Pictures of the synthetic set: training and validation. */
const syntheticLengths = { train: 8000, validation: 2000 } as const;

const nothingToClose = async (): Promise<void> => {};

/**
 * Opens a data set.
 * @param path a folder or tar archive; undefined: the synthetic set.
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
  if (path === undefined) return openSynthetic(imageSize, options);
  if (await isShardFolder(path)) return openPrepared(path, options);
  const empty: string[] = [];
  const entries = await listEntries(path, { onEmptyFolder: (name) => empty.push(name) }).catch(sayLayout);
  const cifar = await readCifar(path, entries);
  if (cifar) return openStored('cifar10', cifar, options);
  const mnist = await readMnist(path, entries);
  if (mnist) return openStored('mnist', mnist, options);
  return openFolder(path, entries, emptyFolderNotes(path, empty), options);
}

/** Keeps a data set in memory when it fits. */
async function keptIfSmall(dataset: Dataset, options: OpenOptions): Promise<Dataset> {
  const { memory = 1.5e9, onProgress } = options;
  const [c, h, w] = dataset.imageShape;
  if (dataset.length * c * h * w > memory) return dataset;
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
    close: nothingToClose,
  };
}

function openStored(kind: DataKind, stored: StoredSets, options: OpenOptions): OpenedData {
  const { imageSize = 32, holdout = 0.1, seed = 0, limit } = options;
  if (options.validation !== undefined) {
    throw new ArgumentError(
      `validation data of its own can be given for class folders, not for ${kind} files`,
    );
  }
  const notes: string[] = [];
  let train: MemoryDataset = stored.train;
  let { validation } = stored;
  if (!validation) {
    const names = Array.from(train.labels, (_, i) => `${kind} ${i}`);
    const parted = holdOut(train.name, names, train.labels, holdout);
    validation = train.pick(parted.validation);
    train = train.pick(parted.train);
    notes.push(`no test file was found: ${validation.length} images are held out of the training files`);
  }
  if (limit !== undefined) train = train.pick(balancedSubset(train.labels, limit, seed));
  return {
    kind,
    train: resized(train, imageSize, imageSize),
    validation: resized(validation, imageSize, imageSize),
    classes: train.classes,
    notes,
    close: nothingToClose,
  };
}

async function openPrepared(path: string, options: OpenOptions): Promise<OpenedData> {
  const { imageSize = 32, seed = 0, limit } = options;
  const opened = await openShards(path);
  const { index, mean } = opened;
  const sized = async (set: ShardDataset): Promise<Dataset> =>
    index.size === imageSize ? set : keptIfSmall(resized(set, imageSize, imageSize), options);
  const { train: whole, validation, note, close } = await validatedBy(path, opened, options);
  const train = limit === undefined ? whole : whole.pick(balancedSubset(whole.labels, limit, seed));
  return {
    kind: 'shards',
    train: await sized(train),
    validation: validation instanceof ShardDataset ? await sized(validation) : validation,
    classes: train.classes,
    classNames: index.classes.map(({ name }) => name),
    ...(train === opened.train && index.size === imageSize ? { mean } : {}),
    notes: note === null ? [] : [note],
    close,
  };
}

/** What validates a prepared set: other class folders if they're given, its own part, or images held out. */
async function validatedBy(
  path: string,
  { train, validation }: Awaited<ReturnType<typeof openShards>>,
  options: OpenOptions,
): Promise<{ train: ShardDataset; validation: Dataset; note: string | null; close(): Promise<void> }> {
  const { holdout = 0.1, validation: other } = options;
  if (other !== undefined) {
    const files = await openFiles(other, train.classes, options).catch(sayLayout);
    return { train, ...files, note: `validation images: ${other}` };
  }
  if (validation) return { train, validation, note: null, close: nothingToClose };
  const parted = holdOut(path, train.names, train.labels, holdout);
  return {
    train: train.pick(parted.train),
    validation: train.pick(parted.validation),
    note: `no validation images were prepared: ${parted.validation.length} are held out of the training images`,
    close: nothingToClose,
  };
}

/** Class folders to validate with, decoded batch by batch. */
async function openFiles(
  path: string,
  classes: readonly string[],
  { imageSize = 32, workers }: OpenOptions,
): Promise<{ validation: Dataset; close(): Promise<void> }> {
  const files = validationFiles(path, await listEntries(path), classes);
  const pool = new DecodePool(workers);
  return {
    validation: new FileDataset(path, classes, files, imageSize, imageSize, pool),
    close: () => pool.close(),
  };
}

async function openFolder(
  path: string,
  entries: readonly Entry[],
  notesBefore: readonly string[],
  options: OpenOptions,
): Promise<OpenedData> {
  const { imageSize = 32, holdout = 0.1, seed = 0, limit, validation } = options;
  const other =
    validation === undefined ? undefined : { path: validation, entries: await listEntries(validation) };
  const split = splitFolder(path, entries, { holdout, validation: other });
  const labels = split.train.map(({ label }) => label);
  const chosen =
    limit === undefined
      ? split.train
      : Array.from(balancedSubset(labels, limit, seed), (index) => split.train[index]!);
  const pool = new DecodePool(options.workers);
  try {
    const setOf = (part: string, files: readonly LabelledFile[]): Dataset =>
      new FileDataset(`${path} (${part})`, split.classes, files, imageSize, imageSize, pool);
    const train = await keptIfSmall(setOf('train', chosen), options);
    const validationSet = await keptIfSmall(setOf('validation', split.validation), options);
    const notes = [...notesBefore, ...split.notes];
    for (const set of [train, validationSet]) {
      if (set.unreadable.length > 0) notes.push(`${set.name}: ${describeUnreadable(set.unreadable)}`);
    }
    const decodes = [train, validationSet].some((set) => set instanceof FileDataset);
    if (!decodes) await pool.close();
    return {
      kind: 'folder',
      train,
      validation: validationSet,
      classes: split.classes,
      notes,
      close: decodes ? () => pool.close() : nothingToClose,
    };
  } catch (error) {
    await pool.close();
    throw error;
  }
}

/** Throws an error again; to one about what the data is, not of files that can't be read, it adds what was expected. */
function sayLayout(error: unknown): never {
  if (!(error instanceof DataError) || error.cause !== undefined) throw error;
  throw new DataError(`${error.message}; ${folderLayout}`, { cause: error });
}
