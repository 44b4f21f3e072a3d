/**
 * The files of a data set, whether they lie in a folder or in a tar archive (.tar, .tar.gz), as one list of entries
 * with their path inside it. A folder's files are only listed. Hidden files and what systems leave behind are passed over.
 */
import { stat } from 'node:fs/promises';
import { DataError } from '../../core/errors.js';
import type { Budget } from '../budget.js';
import { throwNaming } from '../files.js';
import { type ImageSource, readSource, readStart } from '../images/imageSource.js';
import { isPassing, pathText, withFile } from '../reading.js';
import { listArchive } from './archive.js';
import { LayoutError } from './layoutError.js';
import { counted, isClutter, listed } from './names.js';
import type { ScanProgress, TarListing } from './tar.js';
import { walk } from './walk.js';

/** A file of a data set. */
export interface Entry {
  /** Path inside the folder or archive, parts separated by `/`. */
  readonly name: string;
  readonly source: ImageSource;
  /** Where links make that several paths lead to the file's folder: the same text for all of them. */
  readonly twin?: string;
  /** Whether a link to a folder is among its path's parts. */
  readonly linked?: boolean;
}

/** The files of a folder or archive. */
export interface Listing {
  /** Sorted by name. */
  readonly entries: readonly Entry[];
  /** What the user should know, a sentence each. */
  readonly notes: readonly string[];
}

/** Largest file that is read whole for what it says: labels, names of classes, in bytes. */
const largestText = 1 << 26;

/** Where an entry lies, for messages. */
export function placeOf({ name, source }: Entry): string {
  if ('bytes' in source || 'length' in source) return name;
  return pathText(source.path);
}

/**
 * The bytes of an entry.
 * @param most bytes it may have, default 64 MiB
 * @throws {DataError} when it can't be read, or has more.
 */
export async function bytesOf(entry: Entry, most = largestText): Promise<Uint8Array> {
  return readSource(entry.source, most).catch(throwNaming(placeOf(entry), "can't be read"));
}

/**
 * The first bytes of an entry, at most `count`, for a first look: nothing where the entry can't be read, which will be told of if it's needed.
 * @throws {DataError} where that may pass: the disk fails, too many files are open.
 */
export async function startIfReadable(entry: Entry, count: number): Promise<Uint8Array> {
  try {
    return await readStart(entry.source, count);
  } catch (error) {
    return isPassing(error) ? throwNaming(placeOf(entry), "can't be read")(error) : new Uint8Array(0);
  }
}

/** How many bytes an entry has. @throws {DataError} when it isn't there. */
export async function lengthOf(entry: Entry): Promise<number> {
  const { source } = entry;
  if ('bytes' in source) return source.bytes.length;
  if ('length' in source) return source.length;
  return withFile(source.path, async (_, size) => size).catch(throwNaming(placeOf(entry), "can't be read"));
}

/** Lists in the order of names. */
export const byName = (a: { readonly name: string }, b: { readonly name: string }): number =>
  a.name < b.name ? -1 : a.name > b.name ? 1 : 0;

/**
 * Lists the files of a folder or archive.
 * @param budget of what is unpacked
 * @param onProgress called while a large archive's headers are read
 * @throws {DataError} when the path doesn't exist, isn't a folder or tar archive, is damaged, or holds no files.
 */
export async function listEntries(
  path: string,
  budget?: Budget,
  onProgress?: ScanProgress,
): Promise<Listing> {
  const info = await stat(path).catch(throwNaming(path, "can't be opened"));
  const listing = info.isDirectory()
    ? await listFolder(path)
    : membersOf(path, await listArchive(path, path, budget, onProgress));
  if (listing.entries.length === 0) {
    throw new LayoutError(`${path}: ${info.isDirectory() ? 'the folder' : 'the archive'} holds no files`);
  }
  return { entries: listing.entries.toSorted(byName), notes: listing.notes };
}

async function listFolder(path: string): Promise<Listing> {
  const { files, empty, loops, outputs } = await walk(path);
  const notes: string[] = [];
  if (empty.length > 0) {
    notes.push(`${path}: no class was made of ${empty.length} empty folders ${listed(empty.toSorted())}`);
  }
  if (loops.length > 0) {
    const links = counted(loops.length, 'link');
    notes.push(`${path}: not followed: ${links} that lead back ${listed(loops.toSorted())}`);
  }
  if (outputs.length > 0) {
    const folders = counted(outputs.length, 'folder');
    notes.push(`${path}: not looked into: ${folders} of runs or shards ${listed(outputs.toSorted())}`);
  }
  const entries = files.map(({ name, path: file, twin, linked }): Entry => {
    const entry = { name, source: { path: file } };
    return twin === undefined ? entry : { ...entry, twin, linked: linked ?? false };
  });
  return { entries, notes };
}

/**
 * The entries of an archive that was listed.
 * @param path for messages
 * @throws {DataError} when it names a file twice.
 */
export function membersOf(path: string, { members, notes }: TarListing): Listing {
  const entries = members.filter(({ name }) => !name.split('/').some(isClutter));
  const seen = new Set<string>();
  for (const { name } of entries) {
    if (seen.has(name)) {
      throw new DataError(
        `${path}: the archive holds ${name} twice; unpack it (the later one wins) and give the folder`,
      );
    }
    seen.add(name);
  }
  return { entries, notes };
}
