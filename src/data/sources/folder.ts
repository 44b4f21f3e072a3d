/**
 * Class folders of JPEG and PNG files:
 *
 *   DATA/train/CLASS/...  and  DATA/validation/CLASS/...   (or val, valid, test)
 *   DATA/CLASS/...                                         (part of each class is held out for validation)
 *
 * A class is the first folder below; what lies in its subfolders belongs to it too. Classes are numbered in the
 * order of their names. Files are taken for images by their bytes when they're decoded, so any file in a class
 * folder is a candidate here.
 */
import { DataError } from '../../core/errors.js';
import type { LabelledFile } from '../images/decodePool.js';
import { type Entry, splitNames } from './sources.js';
import { holdOut } from './splits.js';

/** Labelled files, parted into training and validation. */
export interface FolderSplit {
  readonly classes: readonly string[];
  readonly train: readonly LabelledFile[];
  readonly validation: readonly LabelledFile[];
  /** What was decided that the user should know. */
  readonly notes: readonly string[];
}

/** What was expected, for error messages. */
export const folderLayout =
  'expected train/CLASS/... and validation/CLASS/... (or val, test), or CLASS/... directly, with two classes or ' +
  "more of JPEG or PNG files; or CIFAR-10's data_batch_*.bin; or MNIST's IDX files";

/** A file and its class's name. */
interface Classed {
  readonly entry: Entry;
  readonly className: string;
}

/** The class of each file: the first folder of its name after `skip` folders. Loose files have none. */
function classify(entries: readonly Entry[], skip: number): Classed[] {
  return entries.flatMap((entry) => {
    const parts = entry.name.split('/');
    return parts.length > skip + 1 ? [{ entry, className: parts[skip]! }] : [];
  });
}

/** The first names of a list, in brackets. */
export function listed(names: readonly string[]): string {
  return `(${names.slice(0, 5).join(', ')}${names.length > 5 ? ', ...' : ''})`;
}

/** What to say of empty folders among the classes; nothing when there are none. */
export function emptyFolderNotes(path: string, folders: readonly string[]): string[] {
  if (folders.length === 0) return [];
  return [`${path}: no class was made of ${folders.length} empty folders ${listed(folders.toSorted())}`];
}

/** "3 folders (a, b, c) and 2 loose files (x.txt, y.txt)". */
function describe(entries: readonly Entry[]): string {
  const loose = entries.filter(({ name }) => !name.includes('/')).map(({ name }) => name);
  const count = (kind: string, names: readonly string[]): string =>
    `${names.length} ${kind}${names.length === 1 ? '' : 's'}${names.length > 0 ? ` ${listed(names)}` : ''}`;
  return `${count('folder', topFolders(entries))} and ${count('loose file', loose)}`;
}

/** The folders at the top. */
function topFolders(entries: readonly Entry[]): string[] {
  const folders = new Set<string>();
  for (const { name } of entries) {
    const end = name.indexOf('/');
    if (end >= 0) folders.add(name.slice(0, end));
  }
  return [...folders];
}

/** The folder that plays a part: the first of `names` that is there. */
function findSplit(entries: readonly Entry[], names: readonly string[]): string | undefined {
  const folders = topFolders(entries);
  return names
    .map((wanted) => folders.find((folder) => folder.toLowerCase() === wanted))
    .find((folder) => folder !== undefined);
}

/** The classed files of a top folder; undefined: of the whole. */
function classedIn(path: string, entries: readonly Entry[], folder: string | undefined): Classed[] {
  const inside = entries.filter(({ name }) => folder === undefined || name.startsWith(`${folder}/`));
  const classed = classify(inside, folder === undefined ? 0 : 1);
  if (classed.length === 0) {
    const where = folder === undefined ? path : `${path}, ${folder}/`;
    throw new DataError(`${where}: no class folders, found ${describe(entries)}; ${folderLayout}`);
  }
  return classed;
}

/** Gives classed files the numbers of their classes. */
function numbered(path: string, classed: readonly Classed[], classes: readonly string[]): LabelledFile[] {
  const numbers = new Map(classes.map((name, label) => [name, label]));
  const unknown = new Set<string>();
  const files = classed.flatMap(({ entry, className }) => {
    const label = numbers.get(className);
    if (label === undefined) unknown.add(className);
    return label === undefined ? [] : [{ name: entry.name, source: entry.source, label }];
  });
  if (unknown.size > 0) {
    throw new DataError(
      `${path}: validation images of ${unknown.size} classes that aren't trained ${listed([...unknown])}; ` +
        `trained are ${listed(classes)}`,
    );
  }
  return files;
}

/**
 * The files of another folder or archive to validate with: its validation part, its training part, or all of it.
 * @throws {DataError} when there are no class folders, or classes that aren't trained.
 */
export function validationFiles(
  path: string,
  entries: readonly Entry[],
  classes: readonly string[],
): LabelledFile[] {
  const folder = findSplit(entries, [...splitNames.validation, ...splitNames.train]);
  return numbered(path, classedIn(path, entries, folder), classes);
}

/** Holds out a share of the training files. */
function heldOut(
  path: string,
  classes: readonly string[],
  files: readonly LabelledFile[],
  holdout: number,
): FolderSplit {
  const parted = holdOut(
    path,
    files.map(({ name }) => name),
    files.map(({ label }) => label),
    holdout,
  );
  return {
    classes,
    train: Array.from(parted.train, (index) => files[index]!),
    validation: Array.from(parted.validation, (index) => files[index]!),
    notes: [
      `no validation images were given: ${parted.validation.length} of ${files.length} are held out, ` +
        `${Math.round(holdout * 1000) / 10} % of each class by a hash of the file name`,
    ],
  };
}

/**
 * Sorts the files of a folder or archive into classes and splits.
 * @param entries the training data's files.
 * @param options `holdout`: share of each class held out when there's no validation set; 0: none. `validation`: another
 * folder's or archive's files to validate with instead.
 * @throws {DataError} when there are no class folders, only one class, or validation classes that aren't trained.
 */
export function splitFolder(
  path: string,
  entries: readonly Entry[],
  options: { holdout: number; validation?: { path: string; entries: readonly Entry[] } | undefined },
): FolderSplit {
  const trainFolder = findSplit(entries, splitNames.train);
  const ownFolder = findSplit(entries, splitNames.validation);
  if (trainFolder === undefined && ownFolder !== undefined) {
    throw new DataError(
      `${path}: has ${ownFolder}/ but no train/, found ${describe(entries)}; ${folderLayout}`,
    );
  }
  const trained = classedIn(path, entries, trainFolder);
  const classes = [...new Set(trained.map(({ className }) => className))].sort();
  if (classes.length === 1) {
    throw new DataError(
      `${path}: only one class (${classes[0]}), there's nothing to tell apart; ${folderLayout}`,
    );
  }
  const train = numbered(path, trained, classes);
  const other = options.validation;
  if (other) {
    const validation = validationFiles(other.path, other.entries, classes);
    return { classes, train, validation, notes: [`validation images: ${other.path}`] };
  }
  if (ownFolder === undefined && options.holdout === 0) return { classes, train, validation: [], notes: [] };
  if (ownFolder === undefined) return heldOut(path, classes, train, options.holdout);
  const validation = numbered(path, classedIn(path, entries, ownFolder), classes);
  const notes = [`validation images: the folder ${ownFolder}`];
  const unused = topFolders(entries).filter((folder) => ![trainFolder, ownFolder].includes(folder));
  if (unused.length > 0) notes.push(`not used: ${unused.length} other folders ${listed(unused)}`);
  return { classes, train, validation, notes };
}
