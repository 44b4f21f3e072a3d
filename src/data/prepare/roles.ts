/**
 * The part a file plays, by its path: of a training set, a validation set or a test set, or none that can be told.
 */
import { type Entry, splitNames } from '../sources/sources.js';

/** What images are for. */
export type Role = 'train' | 'validation' | 'test';

/** Whether a file is called as images are, or has no ending that says otherwise. */
export function isImage({ name }: Pick<Entry, 'name'>): boolean {
  return /\.(jpe?g|png)$|\/[^/.]*$|^[^/.]*$/i.test(name);
}

/** A file's role, and what is left of its path below the folder that gives it. */
export function roleOf(name: string): { role: Role; rest: string } | undefined {
  const parts = name.split('/');
  for (const [i, part] of parts.slice(0, -1).entries()) {
    const known = /^ilsvrc\d*_img_(train|val|test)(?!_t\d)/i.exec(part)?.[1] ?? part;
    const word = known.toLowerCase();
    const rest = parts.slice(i + 1).join('/');
    if (splitNames.train.some((x) => x === word)) return { role: 'train', rest };
    if (word.startsWith('test') && splitNames.validation.some((x) => x === word))
      return { role: 'test', rest };
    if (splitNames.validation.some((x) => x === word)) return { role: 'validation', rest };
  }
  return undefined;
}

/** Entries by role, with the folders down to the one that gives it taken off their names. */
export type Roles = Record<Role | 'none', Entry[]>;

/** Sorts entries by role. */
export function roles(entries: readonly Entry[]): Roles {
  const found: Roles = { train: [], validation: [], test: [], none: [] };
  for (const entry of entries) {
    const role = roleOf(entry.name);
    if (role) found[role.role].push({ name: role.rest, source: entry.source });
    else found.none.push(entry);
  }
  return found;
}
