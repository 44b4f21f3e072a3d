/**
 * The files of a folder and of all below it, links followed.
 *
 * A folder is known by its device and number (stat), whatever path leads there. One that lies among its own parents is
 * not entered again, so that links that lead back up, and loops of mounts, end. Below a link, other links lead only to
 * folders that nothing has led to before, so that folders that link to each other can't be walked in every order.
 */
import { isUtf8 } from 'node:buffer';
import { readdir, realpath, stat } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { DataError } from '../../core/errors.js';
import { throwNaming } from '../files.js';
import { mapLimited } from '../parallel.js';
import { type FilePath, nameText, nodePath, pathText } from '../reading.js';
import { isClutter, isOwnOutput } from './names.js';

/** Calls of the system under way at a time. */
const atOnce = 16;

/** A file that was found. */
interface WalkedFile {
  /** Path below the folder, parts separated by `/`. */
  readonly name: string;
  readonly path: FilePath;
  /** Where several paths lead to the file's folder: the same text for all of them. */
  readonly twin?: string;
  /** Of such files: whether a link to a folder is among the path's parts. */
  readonly linked?: boolean;
}

/** What was found below a folder. */
interface Walk {
  /** In no order. */
  readonly files: readonly WalkedFile[];
  /** Names of folders that hold nothing. */
  readonly empty: readonly string[];
  /** Names of links that weren't followed, as they lead back up or to what other links have led to. */
  readonly loops: readonly string[];
  /** Names of folders of runs and shards, which weren't looked into. */
  readonly outputs: readonly string[];
}

/** A folder to look into. */
interface Folder {
  readonly path: FilePath;
  /** Its name, with a closing slash; empty for the first. */
  readonly prefix: string;
  /** The folders it lies in, those above the first among them. */
  readonly parents: readonly string[];
  /** Links on the way to it. */
  readonly links: number;
  /** Whether it's a link itself. */
  readonly isLink: boolean;
}

/** A folder's files and folders. */
interface Listing {
  readonly folder: Folder;
  readonly id: string;
  readonly files: readonly Pick<WalkedFile, 'name' | 'path'>[];
  readonly folders: readonly Folder[];
  /** Whether it is a run or shards; then nothing in it is listed. */
  readonly isOutput: boolean;
}

/**
 * Finds all files below a folder, but for hidden ones, clutter, and what training and preparing have written there. Pipes
 * and devices count as files: reading them says what they are.
 * @throws {DataError} naming a folder that can't be read, or two entries of one whose names are printed alike.
 */
export async function walk(root: string): Promise<Walk> {
  const visits = new Map<string, number>();
  const listings: Listing[] = [];
  const loops: string[] = [];
  const first = { path: root, prefix: '', parents: await foldersAbove(root), links: 0, isLink: false };
  for (let level: readonly Folder[] = [first]; level.length > 0; ) {
    const ids = await mapLimited(level, atOnce, ({ path }) => idOf(path));
    const entered = level.flatMap((folder, i) => {
      const id = ids[i]!;
      const before = visits.get(id) ?? 0;
      const turnsBack = folder.parents.includes(id) || (folder.isLink && folder.links > 1 && before > 0);
      if (turnsBack) loops.push(folder.prefix.slice(0, -1));
      else visits.set(id, before + 1);
      return turnsBack ? [] : [{ folder, id }];
    });
    const found = await mapLimited(entered, atOnce, ({ folder, id }) => list(folder, id));
    level = found.flatMap(({ folders }) => folders);
    for (const listing of found) listings.push(listing);
  }
  return {
    files: listings.flatMap(({ folder, id, files }): readonly WalkedFile[] => {
      const linked = folder.links > 0;
      return (visits.get(id) ?? 0) > 1 ? files.map((file) => ({ ...file, twin: id, linked })) : files;
    }),
    empty: listings.flatMap(({ folder, files, folders, isOutput }) =>
      folder.prefix !== '' && files.length === 0 && folders.length === 0 && !isOutput
        ? [folder.prefix.slice(0, -1)]
        : [],
    ),
    loops,
    outputs: listings.flatMap(({ folder, isOutput }) => (isOutput ? [folder.prefix.slice(0, -1)] : [])),
  };
}

/** What a folder is known by. */
async function idOf(path: FilePath): Promise<string> {
  const { dev, ino } = await stat(nodePath(path), { bigint: true }).catch(
    throwNaming(pathText(path), "can't be read"),
  );
  // Some network disks number nothing.
  return ino === 0n ? pathText(path) : `${dev}:${ino}`;
}

/** The folders that a folder lies in, up to the root of the disk. */
async function foldersAbove(path: string): Promise<string[]> {
  const real = await realpath(path).catch(throwNaming(path, "can't be read"));
  const above: string[] = [];
  for (let folder = real; folder !== dirname(folder); ) {
    folder = dirname(folder);
    above.push(folder);
  }
  return mapLimited(above, atOnce, idOf);
}

async function list(folder: Folder, id: string): Promise<Listing> {
  const shown = pathText(folder.path);
  const options = { withFileTypes: true, encoding: 'buffer' } as const;
  const all = await readdir(nodePath(folder.path), options).catch(throwNaming(shown, "can't be read"));
  const items = all
    .map((item) => ({ item, name: nameText(item.name), path: childOf(folder.path, item.name) }))
    .filter(({ name }) => !isClutter(name));
  if (folder.prefix !== '' && isOwnOutput(items.map(({ name }) => name))) {
    return { folder, id, files: [], folders: [], isOutput: true };
  }
  checkNames(shown, items);
  const links = items.filter(({ item }) => item.isSymbolicLink());
  const targets = await mapLimited(links, atOnce, ({ path }) => stat(nodePath(path)).catch(() => undefined));
  // A broken link counts as a file: reading it says what is wrong with it.
  const linked = new Set(links.filter((_, i) => targets[i]?.isDirectory()));
  const files: Pick<WalkedFile, 'name' | 'path'>[] = [];
  const folders: Folder[] = [];
  for (const found of items) {
    const { item, path } = found;
    const name = `${folder.prefix}${found.name}`;
    const isLink = linked.has(found);
    if (!isLink && !item.isDirectory()) {
      files.push({ name, path });
      continue;
    }
    const inside = { parents: [...folder.parents, id], links: folder.links + Number(isLink) };
    folders.push({ path, prefix: `${name}/`, ...inside, isLink });
  }
  return { folder, id, files, folders, isOutput: false };
}

/** The path of a folder's entry: text where all of it is UTF-8. */
function childOf(folder: FilePath, name: Buffer): FilePath {
  if (typeof folder === 'string' && isUtf8(name)) return join(folder, name.toString());
  return Buffer.concat([Buffer.from(folder), Buffer.from(sep), name]);
}

/** Two entries that are printed alike would be taken for one. */
function checkNames(folder: string, items: readonly { name: string; path: FilePath }[]): void {
  const odd = items.filter(({ name, path }) => typeof path !== 'string' || !path.endsWith(name));
  if (odd.length === 0) return;
  const seen = new Set<string>();
  for (const { name } of items) {
    if (seen.has(name))
      throw new DataError(`${folder}: two of its entries are printed as ${name}: rename one`);
    seen.add(name);
  }
}
