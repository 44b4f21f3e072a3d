/**
 * Names of classes in the order of a network's outputs, from a file of one of these forms:
 *
 *     a name a line; or `n01440764 tench, Tinca tinca`: an id and what it is called (Caffe's synset_words.txt, Kaggle's
 *     LOC_synset_mapping.txt)
 *     JSON: a list of names; or {"0": "name", ..}; or {"0": ["n01440764", "tench"], ..} (imagenet_class_index.json)
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DataError } from '../../core/errors.js';
import { throwNaming } from '../../data/files.js';
import { textLines } from '../../data/sources/names.js';
import { anyOf, list, parseJson, record, text, tuple } from '../../formats/json.js';

/** Classes by number. */
export interface Labels {
  /** Ids, or names where there are no ids; no two are the same. */
  readonly classes: readonly string[];
  /** What the classes are called, where `classes` are ids. */
  readonly classNames?: readonly string[];
}

/** A class of a file: a name, or an id and a name. */
type Label = string | readonly [string, string];

const item = anyOf<Label>(text, tuple(text, text));
const schema = anyOf<readonly Label[] | Readonly<Record<string, Label>>>(list(item), record(item));

/**
 * Reads a file's bytes.
 * @param file its name, for messages
 * @param count classes of the network
 * @throws {DataError} for a damaged file, or another number of classes
 */
export function parseLabels(bytes: Uint8Array, file: string, count: number): Labels {
  const labels = /^\s*[[{]/.test(new TextDecoder().decode(bytes.subarray(0, 100)))
    ? fromJson(new TextDecoder().decode(bytes), file)
    : fromLines(textLines(bytes));
  if (labels.length !== count)
    throw new DataError(`${file}: names ${labels.length} classes, the network has ${count}`);
  if (labels.every((label) => typeof label !== 'string')) {
    return { classes: distinct(labels.map(([id]) => id)), classNames: labels.map(([, name]) => name) };
  }
  return { classes: distinct(labels.map((label) => (typeof label === 'string' ? label : label[1]))) };
}

function fromLines(lines: readonly string[]): Label[] {
  const pairs = lines.map((line) => /^(n\d{8})\s+(.+)$/.exec(line));
  return lines.map((line, i): Label => {
    const [, id, name] = pairs[i] ?? [];
    return id === undefined || name === undefined ? line : [id, name];
  });
}

function fromJson(json: string, file: string): Label[] {
  const given = parseJson(json, file, schema);
  if (Array.isArray(given)) return [...given];
  const numbered = new Map(Object.entries(given));
  return Array.from({ length: numbered.size }, (_, i) => {
    const label = numbered.get(String(i));
    if (label === undefined)
      throw new DataError(`${file}: names ${numbered.size} classes, but none of number ${i}`);
    return label;
  });
}

/** Names, each with its number where another class has it too: ImageNet has two cranes. */
function distinct(names: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return names.map((name, i) => ((counts.get(name) ?? 0) > 1 ? `${name} (${i})` : name));
}

/** Files of labels that are looked for beside weights. */
const besides = [
  'labels.txt',
  'synset_words.txt',
  'LOC_synset_mapping.txt',
  'imagenet_class_index.json',
] as const;

/** A file of labels beside weights, by its name; undefined if there is none. */
export function findLabels(weights: string): string | undefined {
  return besides.map((name) => join(dirname(weights), name)).find((path) => existsSync(path));
}

/** Reads a file of labels. @throws {DataError} as `parseLabels` does, and when it can't be read */
export async function readLabels(path: string, count: number): Promise<Labels> {
  return parseLabels(await readFile(path).catch(throwNaming(path, "can't be read")), path, count);
}
