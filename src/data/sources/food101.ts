/**
 * Food-101 (Bossard, Guillaumin and Van Gool, 2014): images/CLASS/FILE.jpg, and in meta/ the parts: train.txt and test.txt
 * are lists of CLASS/FILE without ending. labels.txt has what the classes of classes.txt are called, line by line.
 */
import { DataError } from '../../core/errors.js';
import { namedClasses } from './classes.js';
import { bytesOf, type Entry } from './entries.js';
import { classesOf, imageSet } from './folder.js';
import type { Format, Place } from './format.js';
import { LayoutError } from './layoutError.js';
import { counted, listed, textLines } from './names.js';
import { type Classed, isImageName } from './parts.js';

/** The format of Food-101. */
export const food101: Format = {
  kind: 'food-101',
  help: 'Food-101: images/CLASS/... with meta/train.txt and meta/test.txt',
  recognises: ({ entries }) => topOf(entries) !== undefined,
  async open(place, opening) {
    const { path, entries } = place;
    const top = topOf(entries) ?? '';
    const notes = [...place.notes];
    const listOf = async (name: string): Promise<string[]> => {
      const entry = entries.find((candidate) => candidate.name === `${top}meta/${name}`);
      return entry ? textLines(await bytesOf(entry)) : [];
    };
    const parts = { train: new Set(await listOf('train.txt')), test: new Set(await listOf('test.txt')) };
    const both = [...parts.train].filter((name) => parts.test.has(name));
    if (both.length > 0) {
      throw new DataError(`${path}: ${both[0]} is in both meta/train.txt and meta/test.txt`);
    }
    const images = classedImages(place, `${top}images/`);
    const stem = ({ className, inClass }: Classed): string =>
      `${className}/${inClass.replace(/\.[^./]*$/, '')}`;
    const [train, test] = [parts.train, parts.test].map((names) =>
      images.filter((image) => names.has(stem(image))),
    );
    if (!train || !test || train.length === 0) {
      throw new LayoutError(`${path}: none of the images that meta/train.txt lists are there`);
    }
    const left = images.length - train.length - test.length;
    if (left > 0)
      notes.push(`${path}: not used: ${counted(left, 'image')} in neither meta/train.txt nor meta/test.txt`);
    const present = new Set(images.map(stem));
    const missing = [...parts.train, ...parts.test].filter((name) => !present.has(name));
    if (missing.length > 0) {
      notes.push(`${path}: missing: ${counted(missing.length, 'image')} that meta/ lists ${listed(missing)}`);
    }
    const [ids, words] = [await listOf('classes.txt'), await listOf('labels.txt')];
    const named = new Map(ids.map((id, i) => [id, words[i] ?? '']));
    notes.push('validation images: those of meta/test.txt');
    return {
      classes: namedClasses(classesOf(train), named),
      train: imageSet(path, 'train', train, opening),
      validation: test.length > 0 ? imageSet(path, 'validation', test, opening) : undefined,
      notes,
    };
  },
};

/** The folder that holds images/ and meta/, with its closing slash. */
function topOf(entries: readonly Entry[]): string | undefined {
  const list = entries.find(({ name }) => /^(.*\/)?meta\/train\.txt$/.test(name))?.name;
  const top = list?.slice(0, -'meta/train.txt'.length);
  const has = (start: string): boolean => entries.some(({ name }) => name.startsWith(`${top}${start}`));
  return top !== undefined && has('meta/test.txt') && has('images/') ? top : undefined;
}

function classedImages({ entries }: Place, folder: string): Classed[] {
  return entries.flatMap((entry): Classed[] => {
    if (!entry.name.startsWith(folder) || !isImageName(entry)) return [];
    const below = entry.name.slice(folder.length);
    const slash = below.indexOf('/');
    const named = { ...entry, name: `images/${below}` };
    return slash < 0
      ? []
      : [{ entry: named, className: below.slice(0, slash), inClass: below.slice(slash + 1) }];
  });
}
