/**
 * Classes by name: whether two of them can be told apart, and which of another set's they are.
 */
import { DataError } from '../../core/errors.js';
import type { PictureSet } from '../pictures.js';
import { listed } from './names.js';

/** A class: its id, by which pictures are stored, and what people call it. */
export interface ClassName {
  readonly id: string;
  readonly name: string;
}

/**
 * What two names have in common that look the same: blanks of any kind are one blank, marks that can't be seen are left
 * out, and accents are written in one way.
 */
function appearance(name: string): string {
  return name
    .normalize('NFC')
    .replace(/\p{Cf}|\p{Variation_Selector}|\u034f/gu, '')
    .replace(/\s+/gu, ' ')
    .trim();
}

/** The first two names that a form makes equal. */
function clash(names: readonly string[], form: (name: string) => string): [string, string] | undefined {
  const seen = new Map<string, string>();
  for (const name of names) {
    const first = seen.get(form(name));
    if (first !== undefined) return [first, name];
    seen.set(form(name), name);
  }
  return undefined;
}

/**
 * Checks that classes can be told apart by people.
 * @returns a note on names that differ in capitals alone
 * @throws {DataError} when two look the same.
 */
export function checkClasses(path: string, names: readonly string[]): string[] {
  const alike = clash(names, appearance);
  if (alike) {
    // What can't be seen is written as its code.
    const shown = alike.map((name) =>
      JSON.stringify(name).replace(/[^ -~]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`),
    );
    throw new DataError(
      `${path}: two classes have one name: ${shown.join(' and ')} differ only in blanks or the way accents are ` +
        'written; rename or join them',
    );
  }
  const capitals = clash(names, (name) => appearance(name).toLowerCase());
  return capitals ? [`classes that differ in capitals alone: ${capitals.join(' and ')}`] : [];
}

/**
 * Gives pictures the numbers that a training has for their classes, by name; accents may be written in another way.
 * @throws {DataError} when there are pictures of classes that aren't trained.
 */
export function matched(path: string, pictures: PictureSet, trained: readonly string[]): PictureSet {
  const exact = new Map(trained.map((name, number) => [name, number]));
  const alike = new Map(trained.map((name, number) => [appearance(name), number]));
  const numbers = pictures.classes.map((name) => exact.get(name) ?? alike.get(appearance(name)) ?? -1);
  const unknown = new Set<string>();
  for (const label of pictures.labels) if (numbers[label]! < 0) unknown.add(pictures.classes[label]!);
  if (unknown.size > 0) {
    throw new DataError(
      `${path}: validation images of ${unknown.size} classes that aren't trained ${listed([...unknown])}; ` +
        `trained are ${listed(trained)}`,
    );
  }
  return pictures.relabelled(trained, numbers);
}

/** The classes of pictures whose names are ids, with what people call them; two that are called the same keep their ids. */
export function namedClasses(ids: readonly string[], words: ReadonlyMap<string, string>): ClassName[] {
  const called = (id: string): string => words.get(id) || id;
  const counts = new Map<string, number>();
  for (const id of ids) counts.set(called(id), (counts.get(called(id)) ?? 0) + 1);
  return ids.map((id) => ({ id, name: counts.get(called(id)) === 1 ? called(id) : `${called(id)} (${id})` }));
}
