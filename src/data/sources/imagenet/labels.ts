/**
 * The labels of ImageNet's validation photographs, which lie in one folder, and what its classes are called.
 *
 * Files that are understood, by what they hold:
 * - ILSVRC2012_validation_ground_truth.txt (development kit): line i is the ILSVRC2012_ID, from 1, of photograph i.
 *   These ids aren't in the order of the WNIDs, so a table of synsets must come with it:
 * - meta.mat (development kit), or text of lines `ID WNID ...` or `WNID ID ...` (map_clsloc.txt).
 * - a list of WNIDs, line i being that of photograph i.
 * - LOC_val_solution.csv (Kaggle): `ImageId,PredictionString`, each prediction starting with the WNID.
 * - LOC_synset_mapping.txt (Kaggle): lines `WNID what it is called`.
 */
import { DataError } from '../../../core/errors.js';
import { textLines } from '../names.js';
import { readStructs } from './matlab.js';

/** Matches a WordNet id of a noun, as ImageNet names its classes. */
const wnid = /^n\d{8}$/;

/** A class of ImageNet. */
export interface Synset {
  readonly wnid: string;
  /** ILSVRC2012_ID; undefined where the file doesn't number them. */
  readonly id: number | undefined;
  /** What it is called, empty when the file doesn't say. */
  readonly words: string;
}

/**
 * Gives the WNIDs of validation photographs, by the names of their files without folders: of all there are, as the
 * labels must fit them.
 */
export type Labeller = (fileNames: readonly string[]) => readonly string[];

/**
 * Reads a table of synsets: meta.mat or text.
 * @throws {DataError} for anything else, and when a WNID or id occurs twice.
 */
export function parseSynsets(path: string, bytes: Uint8Array): Synset[] {
  const isMatlab = new TextDecoder('latin1').decode(bytes.subarray(0, 6)) === 'MATLAB';
  const synsets = isMatlab
    ? leaves(path, bytes)
    : textLines(bytes).flatMap((line, i) => (line === '' ? [] : [synsetOf(path, line, i)]));
  for (const key of ['wnid', 'id'] as const) {
    const seen = new Set<string | number>();
    for (const synset of synsets) {
      const value = synset[key];
      if (value === undefined) continue;
      if (seen.has(value)) throw new DataError(`${path}: two classes have the ${key} ${value}`);
      seen.add(value);
    }
  }
  if (synsets.length === 0) throw new DataError(`${path}: no classes in it`);
  return synsets;
}

/** The classes of meta.mat, whose struct array `synsets` also has the kinds they are of: those without children. */
function leaves(path: string, bytes: Uint8Array): Synset[] {
  return readStructs(path, bytes, 'synsets').flatMap((row, i) => {
    const number = (field: string): number | undefined => {
      const value = row.get(field);
      return Array.isArray(value) && typeof value[0] === 'number' ? value[0] : undefined;
    };
    const [id, children] = [number('ILSVRC2012_ID'), number('num_children')];
    const [name, words] = [row.get('WNID'), row.get('words')];
    if (id === undefined || children === undefined || typeof name !== 'string') {
      throw new DataError(`${path}: synset ${i + 1} lacks ILSVRC2012_ID, WNID or num_children`);
    }
    return children > 0 ? [] : [{ wnid: name, id, words: typeof words === 'string' ? words : '' }];
  });
}

function synsetOf(path: string, line: string, index: number): Synset {
  const [first = '', second = ''] = line.split(/[\s,]+/, 2);
  const after = (count: number): string =>
    line
      .split(/[\s,]+/)
      .slice(count)
      .join(' ');
  if (wnid.test(first) && /^\d+$/.test(second)) {
    return { wnid: first, id: Number(second), words: after(2).replaceAll('_', ' ') };
  }
  if (/^\d+$/.test(first) && wnid.test(second)) {
    return { wnid: second, id: Number(first), words: after(2).replaceAll('_', ' ') };
  }
  if (wnid.test(first)) return { wnid: first, id: undefined, words: line.slice(first.length).trim() };
  throw new DataError(
    `${path}: line ${index + 1} is "${line.slice(0, 40)}", expected a WNID (n01440764) with its name or ILSVRC2012_ID`,
  );
}

/** Photographs in ImageNet's validation set. */
const validationImages = 50_000;

/**
 * Reads the labels of the validation photographs.
 * @param synsets needed where the labels are ILSVRC2012_IDs.
 * @throws {DataError} when the file is none that is understood, or a table of synsets with ids is needed.
 */
export function parseGroundTruth(path: string, bytes: Uint8Array, synsets: readonly Synset[]): Labeller {
  const lines = textLines(bytes);
  if (/^ImageId,PredictionString$/i.test(lines[0] ?? '')) return fromSolution(path, lines.slice(1));
  const odd = lines.length === 0 ? 0 : lines.findIndex((line) => !wnid.test(line) && !/^\d+$/.test(line));
  if (odd >= 0) {
    throw new DataError(
      `${path}: line ${odd + 1} is "${(lines[odd] ?? '').slice(0, 40)}", expected on each line the ILSVRC2012_ID or ` +
        'WNID of one validation photograph, or a CSV file headed ImageId,PredictionString',
    );
  }
  const byId = new Map(synsets.map(({ id, wnid: name }) => [String(id), name]));
  const labels = lines.map((line, i) => {
    if (wnid.test(line)) return line;
    const found = byId.get(line);
    if (found !== undefined) return found;
    throw new DataError(
      synsets.some(({ id }) => id !== undefined)
        ? `${path}: line ${i + 1} has the ILSVRC2012_ID ${line}, which the table of synsets doesn't have`
        : `${path}: holds ILSVRC2012_IDs, which aren't in the order of the WNIDs, and nothing says which class each ` +
            "stands for: give the development kit's meta.mat, or a text file of lines `ID WNID`",
    );
  });
  return (fileNames) => {
    const numbers = fileNames.map((fileName) => {
      const digits = /_(\d{8})\.[^.]+$/.exec(fileName)?.[1];
      if (digits !== undefined) return Number(digits);
      throw new DataError(
        `validation photograph ${fileName} isn't called ILSVRC2012_val_00000001.JPEG or the like, so its number in ${path} is unknown`,
      );
    });
    const found = fileNames.map((fileName, i) => {
      const label = labels[numbers[i]! - 1];
      if (label !== undefined) return label;
      throw new DataError(
        `validation photograph ${fileName} has no line in ${path}, which has ${labels.length}`,
      );
    });
    // A line too many anywhere would shift all labels after it.
    const last = numbers.reduce((a, b) => Math.max(a, b), 0);
    if (labels.length > last && labels.length !== validationImages) {
      throw new DataError(
        `${path}: has ${labels.length} lines, which fit neither the ${validationImages} photographs of the whole set nor ` +
          `those that are here, up to number ${last}: one line too many would shift all labels after it`,
      );
    }
    return found;
  };
}

/** Kaggle's labels: `ILSVRC2012_val_00048981,n03995372 85 1 499 272`. */
function fromSolution(path: string, lines: readonly string[]): Labeller {
  const labels = new Map<string, string>();
  for (const [i, line] of lines.entries()) {
    const [name = '', prediction = ''] = line.split(',', 2);
    const [label = ''] = prediction.trim().split(' ');
    if (!wnid.test(label)) {
      throw new DataError(`${path}: line ${i + 2} is "${line.slice(0, 40)}", expected IMAGE,WNID ...`);
    }
    if (labels.has(name)) {
      throw new DataError(`${path}: line ${i + 2}: ${name} has a line before: which of the two holds?`);
    }
    labels.set(name, label);
  }
  return (fileNames) =>
    fileNames.map((fileName) => {
      const label = labels.get(fileName.replace(/\.[^.]+$/, ''));
      if (label !== undefined) return label;
      throw new DataError(
        `validation photograph ${fileName} has no line in ${path}, which has ${labels.size}`,
      );
    });
}
