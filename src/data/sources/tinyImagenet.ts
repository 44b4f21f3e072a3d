/**
 * Tiny ImageNet (Stanford's CS231n): train/WNID/images/..., val/images/... with the labels in val/val_annotations.txt
 * (lines of file, WNID and a box, parted by tabs), test/images/... without labels, and what the classes are called in
 * words.txt (lines of WNID and words, parted by a tab).
 */
import { DataError } from '../../core/errors.js';
import { bytesOf, type Entry } from './entries.js';
import { openImages } from './folder.js';
import type { Format, Place } from './format.js';
import { baseName, textLines } from './names.js';

const annotations = 'val_annotations.txt';

/** The format of Tiny ImageNet. */
export const tinyImagenet: Format = {
  kind: 'tiny-imagenet',
  help: 'Tiny ImageNet: train/WNID/images/... and val/val_annotations.txt',
  recognises: ({ entries }) => entries.some((entry) => baseName(entry.name) === annotations),
  async open(place, opening) {
    return openImages(place, opening, {
      classesOf: await validationLabels(place),
      words: await wordsOf(place.entries),
    });
  },
};

async function validationLabels({
  path,
  entries,
}: Place): Promise<((files: readonly string[]) => readonly string[]) | undefined> {
  const entry = entries.find(({ name }) => baseName(name) === annotations);
  if (!entry) return undefined;
  const where = `${path}, ${entry.name}`;
  const labels = new Map<string, string>();
  for (const [i, line] of textLines(await bytesOf(entry)).entries()) {
    const [file = '', wnid = ''] = line.split('\t');
    if (wnid === '')
      throw new DataError(`${where}: line ${i + 1} is "${line.slice(0, 40)}", expected FILE, WNID, ...`);
    if (labels.has(file))
      throw new DataError(`${where}: line ${i + 1}: ${file} has a line before: which holds?`);
    labels.set(file, wnid);
  }
  return (files) =>
    files.map((file) => {
      const label = labels.get(file);
      if (label === undefined) throw new DataError(`${where}: has no line for ${file}`);
      return label;
    });
}

async function wordsOf(entries: readonly Entry[]): Promise<Map<string, string>> {
  const entry = entries.find(({ name }) => baseName(name) === 'words.txt');
  const lines = entry ? textLines(await bytesOf(entry)) : [];
  return new Map(
    lines.map((line): [string, string] => {
      const [wnid = '', words = ''] = line.split('\t');
      return [wnid, words];
    }),
  );
}
