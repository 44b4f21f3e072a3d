/**
 * Listing what was given as a data set: a folder, a tar archive, or the beginning of the names of files in one
 * (`FOLDER/emnist-letters`). In a folder, archives whose names say what they are for (train.tar, ILSVRC2012_img_val.tar,
 * n01440764.tar, a development kit) count as folders of their names, and a lone archive as what it holds.
 */
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { printable } from '../../formats/printable.js';
import type { Budget } from '../budget.js';
import { listArchive } from './archive.js';
import { byName, type Entry, listEntries, membersOf, placeOf } from './entries.js';
import type { Place } from './format.js';
import { baseName } from './names.js';
import { isImageName, roleOf } from './parts.js';
import type { ScanProgress } from './tar.js';

const archiveEnding = /\.(tar|tar\.gz|tgz)$/i;

/**
 * Lists a place.
 * @param budget of what is unpacked
 * @param onProgress called while a large archive's headers are read
 * @throws {DataError} when there is nothing of that name, it's damaged, or holds no files.
 */
export async function listPlace(path: string, budget: Budget, onProgress?: ScanProgress): Promise<Place> {
  const begun = await beginningOfNames(path, budget);
  if (begun.length > 0) return { path, entries: begun, notes: [] };
  const { entries, notes } = await listEntries(path, budget, onProgress);
  return withArchives({ path, entries, notes }, budget, onProgress);
}

/** The files whose names begin so, where no file or folder is called so. */
async function beginningOfNames(path: string, budget: Budget): Promise<Entry[]> {
  const [parent, start] = [dirname(path), `${basename(path)}-`];
  if (await stat(path).catch(() => undefined)) return [];
  const info = await stat(parent).catch(() => undefined);
  if (info?.isFile()) {
    const { entries } = await listEntries(parent, budget).catch(() => ({ entries: [] }));
    return entries.filter(({ name }) => baseName(name).startsWith(start));
  }
  const names = await readdir(parent).catch((): string[] => []);
  return names
    .filter((name) => name.startsWith(start))
    .map((name) => ({ name: printable(name), source: { path: join(parent, name) } }))
    .toSorted(byName);
}

/** Puts what a folder's archives hold in the place of those whose names say what they are for. */
async function withArchives(place: Place, budget: Budget, onProgress?: ScanProgress): Promise<Place> {
  const { path, entries } = place;
  const archives = entries.flatMap((entry) => {
    const { source, name } = entry;
    const isArchive = archiveEnding.test(name) && 'path' in source && !('length' in source);
    return isArchive ? [{ entry, file: source.path, folder: name.replace(archiveEnding, '') }] : [];
  });
  if (archives.length === 0) return place;
  const isAlone = entries.length === 1;
  const files = new Set(archives.map(({ entry }) => entry));
  const unpacked = entries.filter((entry) => !files.has(entry));
  const present = new Set(unpacked.filter(isImageName).map(({ name }) => roleOf(name)?.role));
  const found: Entry[] = [...unpacked];
  const notes = [...place.notes];
  for (const { entry, file, folder } of archives) {
    const role = roleOf(`${folder}/`)?.role;
    const base = baseName(folder);
    if (role && present.has(role)) {
      notes.push(`not used: the archive ${entry.name}, as ${role} images lie unpacked beside it`);
    } else if (role || isAlone || /^n\d{8}$/.test(base) || /devkit/i.test(base)) {
      const listing = membersOf(entry.name, await listArchive(file, placeOf(entry), budget, onProgress));
      notes.push(...listing.notes);
      for (const member of listing.entries) {
        found.push({ name: isAlone ? member.name : `${folder}/${member.name}`, source: member.source });
      }
    } else {
      notes.push(`not used: the archive ${entry.name}`);
    }
  }
  return { path, entries: found.toSorted(byName), notes };
}
