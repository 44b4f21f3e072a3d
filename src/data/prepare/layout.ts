/**
 * From the files as people have them to labelled files: which are training images, which validate, of which class.
 *
 * Each file's role comes from the first folder of its path that has one: train, val and the like, or ImageNet's
 * archives ILSVRC2012_img_train.tar, ILSVRC2012_img_val.tar, which count as folders of their name (but not
 * ILSVRC2012_img_train_t3.tar, which holds the dogs of the former once more). So all of these
 * are understood: class folders; train/ and val/ folders; ImageNet's archives and development kit in one folder, none
 * unpacked; Kaggle's ILSVRC/Data/CLS-LOC/ with its .csv and .txt files. Validation images in one folder without
 * classes take their labels from a file (labels.ts); without one nothing is guessed.
 */
import { readFile, stat } from 'node:fs/promises';
import { DataError } from '../../core/errors.js';
import { throwNaming } from '../files.js';
import type { LabelledFile } from '../images/decodePool.js';
import type { ShardClass } from '../shards/shardFormat.js';
import { baseName } from '../sources/cifar.js';
import { emptyFolderNotes, listed, splitFolder } from '../sources/folder.js';
import { type Labeller, parseGroundTruth, parseSynsets, type Synset } from '../sources/imagenet/labels.js';
import { bytesOf, type Entry, listArchive, listEntries } from '../sources/sources.js';
import type { ScanProgress } from '../sources/tar.js';
import { isImage, type Roles, roleOf, roles } from './roles.js';

/** Where the images and what is known of them lie. */
export interface LayoutOptions {
  /** Folder or archive of the training images, or of everything. */
  readonly data: string;
  /** Another folder or archive to validate with. */
  readonly validation?: string | undefined;
  /** Labels of validation images that lie in one folder; default: found among the data by its name. */
  readonly groundTruth?: string | undefined;
  /** Table of classes: ids, WNIDs and names; default: found among the data by its name. */
  readonly synsets?: string | undefined;
  /** Called while a large archive's headers are read. */
  readonly onProgress?: ScanProgress | undefined;
}

/** Labelled files. */
export interface Layout {
  /** In the order of their numbers. */
  readonly classes: readonly ShardClass[];
  /** Sorted by class and name. */
  readonly train: readonly LabelledFile[];
  /** Empty when there are none. */
  readonly validation: readonly LabelledFile[];
  /** What was decided that the user should know, a sentence each. */
  readonly notes: readonly string[];
}

/** Names of label files, first those that say more. */
const groundTruthNames = [
  'LOC_val_solution.csv',
  'ILSVRC2012_validation_ground_truth.txt',
  'imagenet_2012_validation_synset_labels.txt',
];
const synsetNames = ['meta.mat', 'map_clsloc.txt', 'LOC_synset_mapping.txt', 'synset_words.txt'];

const archiveName = /\.(tar|tar\.gz|tgz)$/i;

/**
 * Finds and labels the images.
 * @throws {DataError} when there's nothing to train on, labels are missing, or two classes can't be told apart.
 */
export async function resolveLayout(options: LayoutOptions): Promise<Layout> {
  const notes: string[] = [];
  const given = await gather(options.data, options, notes);
  const other = options.validation === undefined ? [] : await gather(options.validation, options, notes);
  const all = [...given, ...other];
  const synsets = await synsetTables(all, options.synsets);
  const labeller = await groundTruth(all, options.groundTruth, synsets.flat());

  const training = roles(images(options.data, given, notes));
  const found =
    options.validation === undefined ? undefined : roles(images(options.validation, other, notes));
  const train = training.train.length > 0 ? training.train : training.none;
  if (training.train.length > 0 && training.none.length > 0) {
    notes.push(`not used: ${training.none.length} images in neither training nor validation folders`);
  }
  const foldersOf = (entries: readonly Entry[]): Set<string> =>
    new Set(entries.flatMap(({ name }) => (name.includes('/') ? [name.slice(0, name.indexOf('/'))] : [])));
  const validation = labelled(
    options.validation ?? options.data,
    found ? chosen(found) : ownValidation(training, notes),
    labeller,
    foldersOf(train),
    notes,
  );
  const under = (folder: string, entries: readonly Entry[]): Entry[] =>
    entries.map(({ name, source }) => ({ name: `${folder}/${name}`, source }));
  const entries = [...under('train', train), ...under('validation', validation)];
  const split = splitFolder(options.data, entries, { holdout: 0 });
  if (split.validation.length === 0) {
    notes.push('no validation images: part of the training images will be held out when training');
  }
  checkNames(options.data, split.classes, notes);
  return {
    classes: nameClasses(split.classes, synsets.flat()),
    train: sorted(options.data, split.train),
    validation: sorted(options.validation ?? options.data, split.validation),
    notes,
  };
}

const byName = (a: { name: string }, b: { name: string }): number =>
  a.name < b.name ? -1 : a.name > b.name ? 1 : 0;

/** By class and name. @throws {DataError} when two files are called the same, so that one would be counted twice. */
function sorted(path: string, files: readonly LabelledFile[]): LabelledFile[] {
  const inOrder = files.toSorted((a, b) => a.label - b.label || byName(a, b));
  const twice = inOrder.find(({ name }, i) => name === inOrder[i + 1]?.name);
  if (!twice) return inOrder;
  throw new DataError(
    `${path}: ${twice.name} is found twice, in two folders or archives of that part; give the one to use as --data`,
  );
}

/** Lists a folder or archive, and the archives in a folder that play a part. */
async function gather(path: string, options: LayoutOptions, notes: string[]): Promise<Entry[]> {
  const empty: string[] = [];
  const { onProgress } = options;
  const entries = await listEntries(path, { onProgress, onEmptyFolder: (name) => empty.push(name) });
  notes.push(...emptyFolderNotes(path, empty));
  const isArchive = ({ name, source }: Entry): boolean => archiveName.test(name) && 'path' in source;
  const unpacked = entries.filter((entry) => !isArchive(entry));
  const present = new Set(unpacked.filter(isImage).map(({ name }) => roleOf(name)?.role));
  const lists = [unpacked];
  for (const { name, source } of entries.filter(isArchive)) {
    const folder = name.replace(archiveName, '');
    const base = folder.slice(folder.lastIndexOf('/') + 1);
    const role = roleOf(`${folder}/`)?.role;
    if (
      !('path' in source) ||
      'offset' in source ||
      !(role || /^n\d{8}$/.test(base) || /devkit/i.test(base))
    ) {
      notes.push(`not used: the archive ${name}`);
    } else if (role && present.has(role)) {
      notes.push(`not used: the archive ${name}, as ${role} images lie unpacked beside it`);
    } else {
      const { size } = await stat(source.path);
      const members = await listArchive(source.path, size, onProgress);
      lists.push(members.map((member) => ({ name: `${folder}/${member.name}`, source: member.source })));
    }
  }
  return lists.flat();
}

/** The entries that may be images; the others are counted in a note, label files apart. */
function images(path: string, entries: readonly Entry[], notes: string[]): Entry[] {
  const rest = entries.filter((entry) => !isImage(entry));
  const endings = new Set(rest.map(({ name }) => name.slice(name.lastIndexOf('.'))));
  if (rest.length > 0) {
    notes.push(
      `${path}: passed over ${rest.length} files that aren't called as images are ${listed([...endings])}`,
    );
  }
  return entries.filter(isImage);
}

const inFolder = ({ name }: Entry): boolean => name.includes('/');

/** Of data that was given to validate with: its validation images, or whatever it has. */
function chosen(found: Roles): Entry[] {
  const lists = [found.validation, found.test, found.train, found.none];
  return lists.find((list) => list.length > 0) ?? [];
}

/** Validation images that lie with the training images: test images only if they're in class folders. */
function ownValidation(found: Roles, notes: string[]): Entry[] {
  const { validation, test } = found;
  const classed = test.filter(inFolder);
  const use = validation.length > 0 ? validation : found.train.length > 0 ? classed : [];
  const unused = test.length - (use === classed ? classed.length : 0);
  if (unused > 0)
    notes.push(`not used: ${unused} test images${classed.length === 0 ? ' without labels' : ''}`);
  return use;
}

/** Puts validation images that lie in one folder into folders of their classes. */
function labelled(
  path: string,
  entries: readonly Entry[],
  labeller: Labeller | undefined,
  trained: ReadonlySet<string>,
  notes: string[],
): Entry[] {
  const classed = entries.filter(inFolder);
  const loose = entries.filter((entry) => !inFolder(entry));
  if (loose.length === 0) return classed;
  if (!labeller) {
    if (classed.length > 0) {
      notes.push(`not used: ${loose.length} validation images outside the class folders`);
      return classed;
    }
    throw new DataError(
      `${path}: ${loose.length} validation images lie in one folder (${loose[0]!.name}, ...) and nothing says what ` +
        "they show: give Kaggle's LOC_val_solution.csv, or the development kit's " +
        'ILSVRC2012_validation_ground_truth.txt together with its meta.mat, with --ground-truth and --synsets or in ' +
        'the same folder; or give the training images alone as --data',
    );
  }
  const named = loose.map((entry) => ({ entry, wnid: labeller(baseName(entry)) }));
  const kept = named.filter(({ wnid }) => trained.has(wnid));
  if (kept.length < named.length) {
    notes.push(`left out: ${named.length - kept.length} validation images of classes that aren't trained`);
  }
  return [
    ...classed,
    ...kept.map(({ entry, wnid }) => ({ name: `${wnid}/${entry.name}`, source: entry.source })),
  ];
}

/** All tables of classes found, or the one given. */
async function synsetTables(entries: readonly Entry[], given: string | undefined): Promise<Synset[][]> {
  if (given !== undefined) return [parseSynsets(given, await readGiven(given))];
  const tables: Synset[][] = [];
  for (const name of synsetNames) {
    const entry = entries.find((candidate) => baseName(candidate) === name);
    if (entry) tables.push(parseSynsets(entry.name, await bytesOf(entry)));
  }
  return tables;
}

async function groundTruth(
  entries: readonly Entry[],
  given: string | undefined,
  synsets: readonly Synset[],
): Promise<Labeller | undefined> {
  if (given !== undefined) return parseGroundTruth(given, await readGiven(given), synsets);
  for (const name of groundTruthNames) {
    const entry = entries.find((candidate) => baseName(candidate) === name);
    if (entry) return parseGroundTruth(entry.name, await bytesOf(entry), synsets);
  }
  return undefined;
}

async function readGiven(path: string): Promise<Uint8Array> {
  return readFile(path).catch(throwNaming(path, "can't be read"));
}

/** Refuses classes whose names look the same; says so of those that differ in capitals alone. */
function checkNames(path: string, classes: readonly string[], notes: string[]): void {
  const clash = (form: (name: string) => string): [string, string] | undefined => {
    const seen = new Map<string, string>();
    for (const name of classes) {
      const first = seen.get(form(name));
      if (first !== undefined) return [first, name];
      seen.set(form(name), name);
    }
    return undefined;
  };
  const alike = clash((name) => name.normalize('NFC').trim());
  if (alike) {
    throw new DataError(
      `${path}: two classes have one name: ${alike.map((name) => JSON.stringify(name)).join(' and ')} differ only in ` +
        'blanks or the way accents are written; rename or join them',
    );
  }
  const capitals = clash((name) => name.normalize('NFC').trim().toLowerCase());
  if (capitals) notes.push(`classes that differ in capitals alone: ${capitals.join(' and ')}`);
}

/** What classes are called; where two are called the same (crane, the bird and the machine) their ids are added. */
function nameClasses(classes: readonly string[], synsets: readonly Synset[]): ShardClass[] {
  const words = new Map<string, string>();
  for (const synset of synsets) if (synset.words !== '') words.set(synset.wnid, synset.words);
  const counts = new Map<string, number>();
  for (const id of classes) {
    const name = words.get(id) ?? id;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return classes.map((id) => {
    const name = words.get(id) ?? id;
    return { id, name: counts.get(name) === 1 ? name : `${name} (${id})` };
  });
}
