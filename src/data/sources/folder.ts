/**
 * Class folders of JPEG and PNG files (parts.ts): the format of any folder that is of no other, and what the formats of
 * image files with tables of labels (ImageNet, Tiny ImageNet) are opened by as well.
 *
 * Classes are numbered in the order of their names. Files are taken for images by their bytes when they're decoded.
 */
import { DataError } from '../../core/errors.js';
import { fileDataset, type LabelledFile } from '../images/fileDataset.js';
import type { PictureSet } from '../pictures.js';
import { namedClasses } from './classes.js';
import type { Entry } from './entries.js';
import type { Format, Found, Opening, Place } from './format.js';
import { LayoutError } from './layoutError.js';
import { baseName, counted, listed } from './names.js';
import { type Classed, imagesAmong, type Part, type Parts, partsOf } from './parts.js';

/** The format of class folders. */
export const classFolders: Format = {
  kind: 'folder',
  help: 'train/CLASS/... and validation/CLASS/... (or val, test), or CLASS/... directly, with two classes or more of JPEG or PNG files',
  recognises: () => true,
  open: (place, opening) => openImages(place, opening, {}),
};

/** What is known of images beside the folders they lie in. */
interface Labels {
  /** The class of each of these files, which lie in one folder. @throws {DataError} when one has none. */
  readonly classesOf?: ((files: readonly string[]) => readonly string[]) | undefined;
  /** What classes are called, by the name of their folder. */
  readonly words?: ReadonlyMap<string, string>;
  /** What to do where images without class folders have no labels. */
  readonly wayOut?: string;
}

/**
 * Opens image files in class folders.
 * @throws {LayoutError} when there are no images in class folders.
 * @throws {DataError} when there is one class only, a file is found twice, or nothing says what validation images show.
 */
export async function openImages(place: Place, opening: Opening, labels: Labels): Promise<Found> {
  const { path } = place;
  const { images, notes: passed } = await imagesAmong(path, place.entries);
  const parts = partsOf(images);
  const notes = [...place.notes, ...passed];
  const { trained } = opening;
  const training = trained ? [] : trainingImages(place, parts, notes);
  const part = trained ? partToValidate(place, parts) : ownValidation(parts, notes);
  const [train, classed] = withoutTwins(path, training, part?.classed ?? [], notes);
  const ids = trained ?? classesOf(train);
  if (ids.length === 1) {
    throw new DataError(`${path}: only one class (${ids[0]}), there's nothing to tell apart`);
  }
  const validation = part ? labelled(path, { ...part, classed }, labels, ids, notes) : [];
  return {
    classes: namedClasses(trained ? classesOf(validation) : ids, labels.words ?? new Map()),
    train: trained ? undefined : imageSet(path, 'train', train, opening),
    validation: validation.length > 0 ? imageSet(path, 'validation', validation, opening) : undefined,
    notes,
  };
}

/** The data set of classed images. @throws {DataError} when two are called the same. */
export function imageSet(
  path: string,
  part: string,
  images: readonly Classed[],
  opening: Opening,
): PictureSet {
  const classes = classesOf(images);
  const files = labelledFiles(path, images, classes);
  return fileDataset(`${path} (${part})`, classes, files, opening.side, opening.pool);
}

/** The classes of images, in order. */
export function classesOf(images: readonly Classed[]): string[] {
  return [...new Set(images.map(({ className }) => className))].sort();
}

const sizeOf = ({ classed, loose }: Part): number => classed.length + loose.length;

/** The images to train on: those of the training folder, or of the class folders where there is none. */
function trainingImages(place: Place, parts: Parts, notes: string[]): readonly Classed[] {
  const { path, entries } = place;
  const training = sizeOf(parts.train) > 0 ? parts.train : parts.none;
  const other = [parts.validation, parts.test].find((part) => sizeOf(part) > 0);
  if (sizeOf(training) === 0 && other) {
    throw new DataError(`${path}: has ${other.folder}/ but no train/, found ${describe(entries)}`);
  }
  if (training.classed.length === 0) {
    if (training.folder === undefined)
      throw new LayoutError(`${path}: no class folders, found ${describe(entries)}`);
    const names = training.loose.map(({ name }) => name);
    throw new DataError(
      `${path}: no class folders in ${training.folder}/, which holds ${counted(names.length, 'image')} ${listed(names)}: ` +
        'put those of each class into a folder of its name',
    );
  }
  if (training.loose.length > 0) {
    const names = training.loose.map(({ name }) => name);
    notes.push(
      `${path}: not used: ${counted(names.length, 'image')} outside the class folders ${listed(names)}`,
    );
  }
  if (training === parts.train && sizeOf(parts.none) > 0) {
    notes.push(`not used: ${sizeOf(parts.none)} images in neither training nor validation folders`);
  }
  return training.classed;
}

/** Validation images that lie with the training images: test images only if they're in class folders. */
function ownValidation({ train, validation, test }: Parts, notes: string[]): Part | undefined {
  const testServes = sizeOf(validation) === 0 && sizeOf(train) > 0 && test.classed.length > 0;
  const part = sizeOf(validation) > 0 ? validation : testServes ? { ...test, loose: [] } : undefined;
  if (part) notes.push(`validation images: the folder ${part.folder}`);
  const unused = testServes ? test.loose.length : sizeOf(test);
  if (unused > 0) {
    notes.push(`not used: ${unused} test images${test.classed.length === 0 ? ' without labels' : ''}`);
  }
  return part;
}

/** Of a place that is only validated with: its validation images, or whatever it has. */
function partToValidate({ path, entries }: Place, { validation, test, train, none }: Parts): Part {
  const part = [validation, test, train, none].find((candidate) => sizeOf(candidate) > 0);
  if (part) return part;
  throw new LayoutError(`${path}: no class folders, found ${describe(entries)}`);
}

/** Validation images with their classes: of their folders, or by their labels where they lie in one folder. */
function labelled(
  path: string,
  part: Part,
  labels: Labels,
  trained: readonly string[],
  notes: string[],
): readonly Classed[] {
  const known = new Set(trained);
  const folders = classesOf(part.classed);
  // A lone folder that isn't called as a class is but a folder: val/images/...
  const inOne = folders.length === 1 && !known.has(folders[0]!) && (labels.classesOf || trained.length > 1);
  const classed = inOne && part.loose.length === 0 ? [] : part.classed;
  const loose = classed === part.classed ? part.loose : part.classed.map(({ entry }) => entry);
  if (loose.length === 0) return classed;
  if (!labels.classesOf) {
    if (classed.length > 0) {
      notes.push(`not used: ${loose.length} validation images outside the class folders`);
      return classed;
    }
    throw new DataError(
      `${path}: ${loose.length} validation images lie in one folder (${loose[0]!.name}, ...) and nothing says what ` +
        `they show: ${labels.wayOut ?? 'put them into folders of their classes'}; or give the training images alone`,
    );
  }
  const names = loose.map(({ name }) => baseName(name));
  const found = labels.classesOf(names);
  const kept = loose.flatMap((entry, i): Classed[] => {
    const className = found[i]!;
    return known.has(className) ? [{ entry, className, inClass: names[i]! }] : [];
  });
  if (kept.length < loose.length) {
    notes.push(`left out: ${loose.length - kept.length} validation images of classes that aren't trained`);
  }
  return [...classed, ...kept];
}

/**
 * Leaves out images that links lead to once more: those in a class of another name, or in the same part. The path without
 * links is the one that counts.
 */
function withoutTwins(
  path: string,
  train: readonly Classed[],
  validation: readonly Classed[],
  notes: string[],
): [train: readonly Classed[], validation: readonly Classed[]] {
  const keyOf = ({ entry }: Classed): string => `${entry.twin}/${baseName(entry.name)}`;
  const originals = new Map<string, Classed>();
  const linkedLast = [...train, ...validation]
    .filter(({ entry }) => entry.twin !== undefined)
    .sort((a, b) => Number(a.entry.linked ?? false) - Number(b.entry.linked ?? false));
  if (linkedLast.length === 0) return [train, validation];
  for (const image of linkedLast) if (!originals.has(keyOf(image))) originals.set(keyOf(image), image);
  let dropped = 0;
  const keptOf = (images: readonly Classed[]): readonly Classed[] => {
    const seen = new Set<string>();
    return images.filter((image) => {
      if (image.entry.twin === undefined) return true;
      const key = keyOf(image);
      const keeps = originals.get(key)?.className === image.className && !seen.has(key);
      if (keeps) seen.add(key);
      else dropped++;
      return keeps;
    });
  };
  const kept: [readonly Classed[], readonly Classed[]] = [keptOf(train), keptOf(validation)];
  if (dropped > 0) notes.push(`${path}: left out ${counted(dropped, 'image')} that links lead to once more`);
  return kept;
}

/** Gives images the numbers of their classes. @throws {DataError} when two are called the same. */
function labelledFiles(path: string, images: readonly Classed[], classes: readonly string[]): LabelledFile[] {
  const numbers = new Map(classes.map((name, label) => [name, label]));
  const seen = new Set<string>();
  return images.map(({ entry, className, inClass }) => {
    const key = `${className}/${inClass}`;
    if (seen.has(key)) {
      throw new DataError(
        `${path}: ${entry.name} is found twice, in two folders or archives of that part; give the one to use`,
      );
    }
    seen.add(key);
    return { name: entry.name, source: entry.source, inClass, label: numbers.get(className)! };
  });
}

/** "3 folders (a, b, c) and 2 loose files (x.txt, y.txt)". */
function describe(entries: readonly Entry[]): string {
  const loose = entries.filter(({ name }) => !name.includes('/')).map(({ name }) => name);
  const folders = new Set(
    entries.filter(({ name }) => name.includes('/')).map(({ name }) => name.split('/', 1)[0]!),
  );
  const count = (noun: string, names: readonly string[]): string =>
    counted(names.length, noun) + (names.length > 0 ? ` ${listed(names)}` : '');
  return `${count('folder', [...folders])} and ${count('loose file', loose)}`;
}
