/**
 * ImageNet (ILSVRC 2012) as people have it: the archives ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar and the
 * development kit in one folder, none of them unpacked (place.ts); or Kaggle's ILSVRC/Data/CLS-LOC/ with its .csv and
 * .txt files. Training images lie in folders of their WNIDs; validation images in one folder, and take their labels from a
 * file (labels.ts). Without one nothing is guessed.
 */

import { throwNaming } from '../../files.js';
import { readAll } from '../../reading.js';
import { bytesOf, type Entry } from '../entries.js';
import { openImages } from '../folder.js';
import type { Format, Opening, Place } from '../format.js';
import { baseName } from '../names.js';
import { type Labeller, parseGroundTruth, parseSynsets, type Synset } from './labels.js';

/** Names of label files, first those that say more. */
const groundTruthNames = [
  'LOC_val_solution.csv',
  'ILSVRC2012_validation_ground_truth.txt',
  'imagenet_2012_validation_synset_labels.txt',
];
const synsetNames = ['meta.mat', 'map_clsloc.txt', 'LOC_synset_mapping.txt', 'synset_words.txt'];

/** Largest label file, in bytes. */
const largestText = 1 << 26;

/** The format of ImageNet. */
export const imagenet: Format = {
  kind: 'imagenet',
  help: "ImageNet's archives and development kit in one folder, or Kaggle's ILSVRC folder",
  recognises({ entries }, { others = [], groundTruth, synsets }) {
    if (groundTruth !== undefined || synsets !== undefined) return true;
    const tables = new Set([...groundTruthNames, ...synsetNames]);
    const isTable = ({ name }: Entry): boolean => tables.has(baseName(name));
    return entries.some((entry) => isTable(entry) || isOfImagenet(entry)) || others.some(isTable);
  },
  async open(place, opening) {
    const synsets = await synsetTables(place, opening);
    return openImages(place, opening, {
      classesOf: await groundTruth(place, opening, synsets.flat()),
      words: new Map(synsets.flat().flatMap(({ wnid, words }) => (words === '' ? [] : [[wnid, words]]))),
      wayOut:
        "give Kaggle's LOC_val_solution.csv, or the development kit's ILSVRC2012_validation_ground_truth.txt together " +
        'with its meta.mat, or put them into the same folder',
    });
  },
};

/** Whether a file is called as ImageNet's archives and validation photographs are. */
function isOfImagenet({ name }: Entry): boolean {
  return /(^|\/)ilsvrc\d*_(img_(train|val|test)[^/]*|val_\d{8}\.[^/]*)(\/|$)/i.test(name);
}

/** All tables of classes found, or the one given. */
async function synsetTables({ entries }: Place, { others = [], synsets }: Opening): Promise<Synset[][]> {
  if (synsets !== undefined) return [parseSynsets(synsets, await readGiven(synsets))];
  const tables: Synset[][] = [];
  for (const name of synsetNames) {
    const entry = [...entries, ...others].find((candidate) => baseName(candidate.name) === name);
    if (entry) tables.push(parseSynsets(entry.name, await bytesOf(entry)));
  }
  return tables;
}

async function groundTruth(
  { entries }: Place,
  { others = [], groundTruth: given }: Opening,
  synsets: readonly Synset[],
): Promise<Labeller | undefined> {
  if (given !== undefined) return parseGroundTruth(given, await readGiven(given), synsets);
  for (const name of groundTruthNames) {
    const entry = [...entries, ...others].find((candidate) => baseName(candidate.name) === name);
    if (entry) return parseGroundTruth(entry.name, await bytesOf(entry), synsets);
  }
  return undefined;
}

async function readGiven(path: string): Promise<Uint8Array> {
  return readAll(path, largestText).catch(throwNaming(path, "can't be read"));
}
