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
import type { LabelledFile } from './decode-pool.js';
import { type Entry, splitNames, splitOf } from './sources.js';
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

/** "3 folders (a, b, c) and 2 loose files (x.txt, y.txt)". */
function describe(entries: readonly Entry[]): string {
  const parts = entries.map(({ name }) => name.split('/'));
  const folders = [...new Set(parts.filter((part) => part.length > 1).map((part) => part[0]!))];
  const loose = parts.filter((part) => part.length === 1).map((part) => part[0]!);
  const list = (kind: string, names: string[]): string => {
    const shown = names.slice(0, 5).join(', ') + (names.length > 5 ? ', ...' : '');
    return `${names.length} ${kind}${names.length === 1 ? '' : 's'}${names.length > 0 ? ` (${shown})` : ''}`;
  };
  return `${list('folder', folders)} and ${list('loose file', loose)}`;
}

/** The folder that plays a part: the first of `names` that is there. */
function findSplit(entries: readonly Entry[], names: readonly string[]): string | undefined {
  const folders = new Set(entries.map(({ name }) => name.split('/')[0]!));
  for (const wanted of names) {
    for (const folder of folders) if (folder.toLowerCase() === wanted) return folder;
  }
  return undefined;
}

function inFolder(entries: readonly Entry[], folder: string): Entry[] {
  return entries.filter(({ name }) => name.startsWith(`${folder}/`));
}

/** The images to validate with: another path's, or this one's own validation folder. */
function validationOf(path: string, entries: readonly Entry[]): Classed[] {
  const folder = findSplit(entries, [...splitNames.validation, ...splitNames.train]);
  const classed = folder === undefined ? classify(entries, 0) : classify(inFolder(entries, folder), 1);
  if (classed.length === 0) {
    throw new DataError(
      `${path}: no class folders to validate with, found ${describe(entries)}; ${folderLayout}`,
    );
  }
  return classed;
}

/**
 * Sorts the files of a folder or archive into classes and splits.
 * @param entries the training data's files.
 * @param options `holdout`: share of each class held out when there's no validation set. `validation`: another
 * folder's or archive's files to validate with instead.
 * @throws {DataError} when there are no class folders, only one class, or validation classes that aren't trained.
 */
export function splitFolder(
  path: string,
  entries: readonly Entry[],
  options: { holdout: number; validation?: { path: string; entries: readonly Entry[] } | undefined },
): FolderSplit {
  const notes: string[] = [];
  const trainFolder = findSplit(entries, splitNames.train);
  const heldFolder = findSplit(entries, splitNames.validation);
  if (trainFolder === undefined && heldFolder !== undefined) {
    throw new DataError(
      `${path}: has ${heldFolder}/ but no train/, found ${describe(entries)}; ${folderLayout}`,
    );
  }
  const trained =
    trainFolder === undefined ? classify(entries, 0) : classify(inFolder(entries, trainFolder), 1);
  const classes = [...new Set(trained.map(({ className }) => className))].sort();
  if (classes.length === 0) {
    throw new DataError(`${path}: no class folders, found ${describe(entries)}; ${folderLayout}`);
  }
  if (classes.length === 1) {
    throw new DataError(
      `${path}: only one class (${classes[0]}), there's nothing to tell apart; ${folderLayout}`,
    );
  }
  const labelled = ({ entry, className }: Classed): LabelledFile => ({
    name: entry.name,
    source: entry.source,
    label: classes.indexOf(className),
  });
  const files = trained.map(labelled);

  let held: Classed[];
  if (options.validation) {
    held = validationOf(options.validation.path, options.validation.entries);
    notes.push(`validation images: ${options.validation.path}`);
  } else if (trainFolder !== undefined && heldFolder !== undefined) {
    held = classify(inFolder(entries, heldFolder), 1);
    notes.push(`validation images: the folder ${heldFolder}`);
    const others = new Set(
      entries.map(({ name }) => name.split('/')[0]!).filter((folder) => splitOf(folder)),
    );
    others.delete(trainFolder);
    others.delete(heldFolder);
    if (others.size > 0) notes.push(`not used: the folder ${[...others].join(', ')}`);
  } else {
    const parted = holdOut(
      files.map(({ name }) => name),
      files.map(({ label }) => label),
      options.holdout,
    );
    notes.push(
      `no validation images were given: ${parted.validation.length} of ${files.length} are held out, ` +
        `${Math.round(options.holdout * 1000) / 10} % of each class by a hash of the file name`,
    );
    return {
      classes,
      train: Array.from(parted.train, (index) => files[index]!),
      validation: Array.from(parted.validation, (index) => files[index]!),
      notes,
    };
  }
  const validation = held.map(labelled);
  const unknown = [...new Set(held.map(({ className }) => className))].filter(
    (name) => !classes.includes(name),
  );
  if (unknown.length > 0) {
    const shown = `${unknown.slice(0, 5).join(', ')}${unknown.length > 5 ? ', ...' : ''}`;
    throw new DataError(
      `${path}: validation images of ${unknown.length} classes that aren't trained (${shown}); ` +
        `trained are ${classes.slice(0, 5).join(', ')}${classes.length > 5 ? ', ...' : ''}`,
    );
  }
  if (validation.length === 0) {
    throw new DataError(`${path}: ${heldFolder}/ holds no class folders; ${folderLayout}`);
  }
  return { classes, train: files, validation, notes };
}
