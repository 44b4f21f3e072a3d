/**
 * The files of a data set, whether they lie in a folder or in a tar archive (.tar, .tar.gz), as one list of
 * entries with their path inside it.
 *
 * An archive is known by its bytes: gzip starts 1F 8B, a tar with a header whose checksum is right. A tar is used in
 * place, whatever its size; a gzipped one is unpacked into memory (2 GiB at most). A folder's files are only listed.
 * Hidden files and what desktops leave behind are passed over.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { DataError } from '../../core/errors.js';
import { reasonOf, throwNaming } from '../files.js';
import { type ImageSource, readSource, readStart, readStretch } from '../images/imageSource.js';
import { isTarHeader, listTar, type ScanProgress, type TarMember } from './tar.js';

/** A file of a data set. */
export interface Entry {
  /** Path inside the folder or archive, parts separated by `/`. */
  readonly name: string;
  readonly source: ImageSource;
}

/** Largest gzipped archive that is read, unpacked, in bytes. */
const maxArchive = 2 ** 31 - 1;

/** Deepest folder that is looked into; a link that leads back up ends here. */
const maxDepth = 8;

const unzip = promisify(gunzip);

/** Unpacks gzip; other bytes come back as they are. */
export async function gunzipped(bytes: Uint8Array, what: string): Promise<Uint8Array> {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return await unzip(bytes, { maxOutputLength: maxArchive });
  } catch (error) {
    throw new DataError(`${what}: damaged gzip, cut short, or over 2 GiB unpacked: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}

/** Where an entry lies, for messages. */
function placeOf({ name, source }: Entry): string {
  return 'path' in source && !('offset' in source) ? source.path : name;
}

/** The bytes of an entry. @throws {DataError} when it can't be read. */
export async function bytesOf(entry: Entry): Promise<Uint8Array> {
  return readSource(entry.source).catch(throwNaming(placeOf(entry), "can't be read"));
}

/** The first bytes of an entry, at most `count`. @throws {DataError} when it can't be read. */
export async function startOf(entry: Entry, count: number): Promise<Uint8Array> {
  return readStart(entry.source, count).catch(throwNaming(placeOf(entry), "can't be read"));
}

/** Who is told what while files are listed. */
export interface ListOptions {
  /** Called while a large archive's headers are read. */
  readonly onProgress?: ScanProgress | undefined;
  /** Called with each folder that holds nothing, by its path inside. */
  readonly onEmptyFolder?: (name: string) => void;
}

/**
 * Lists the files of a folder or archive, sorted by name. Folders that hold everything and say nothing (an archive's
 * top folder) are left off the names; those called train, test and the like aren't.
 * @throws {DataError} when the path doesn't exist, isn't a folder or tar archive, is damaged, or holds no files.
 */
export async function listEntries(path: string, options: ListOptions = {}): Promise<Entry[]> {
  const info = await stat(path).catch(throwNaming(path, "can't be opened"));
  const entries = info.isDirectory()
    ? await listFolder(path, '', 0, options)
    : await listArchive(path, info.size, options.onProgress).catch(throwNaming(path, "can't be read"));
  const wanted = entries.filter(({ name }) => !isClutter(name));
  if (wanted.length === 0) {
    throw new DataError(`${path}: ${info.isDirectory() ? 'the folder' : 'the archive'} holds no files`);
  }
  return withoutTopFolders(wanted).sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

async function listFolder(
  path: string,
  prefix: string,
  depth: number,
  options: ListOptions,
): Promise<Entry[]> {
  const entries: Entry[] = [];
  const deeper: Promise<Entry[]>[] = [];
  const items = await readdir(path, { withFileTypes: true }).catch(throwNaming(path, "can't be read"));
  if (items.length === 0 && prefix !== '') options.onEmptyFolder?.(prefix.slice(0, -1));
  for (const item of items) {
    const full = join(path, item.name);
    const name = prefix + item.name;
    // A broken link counts as a file: reading it says what's wrong with it.
    const kind = item.isSymbolicLink() ? await stat(full).catch(() => undefined) : item;
    if (!kind?.isDirectory()) entries.push({ name, source: { path: full } });
    else if (depth < maxDepth) deeper.push(listFolder(full, `${name}/`, depth + 1, options));
  }
  return entries.concat(...(await Promise.all(deeper)));
}

/** Lists the files of an archive. @throws {DataError} when it's no archive, damaged, or names a file twice. */
export async function listArchive(path: string, size: number, onProgress?: ScanProgress): Promise<Entry[]> {
  const start = await readStretch(path, 0, 512);
  if (start[0] === 0x1f && start[1] === 0x8b) {
    if (size > maxArchive) {
      throw new DataError(
        `${path}: gzipped archive of ${size} bytes, at most 2 GiB are read: unpack it with gunzip and give the .tar`,
      );
    }
    return listBytes(path, await gunzipped(await readFile(path), path));
  }
  checkTar(path, start);
  const file = openSync(path, 'r');
  try {
    const read = (offset: number, length: number): Uint8Array => {
      const bytes = new Uint8Array(length);
      return bytes.subarray(0, readSync(file, bytes, 0, length, offset));
    };
    const members = await listTar(path, { size, read }, onProgress);
    return entriesOf(path, members, ({ offset, length }) => ({ path, offset, length }));
  } finally {
    closeSync(file);
  }
}

/** Lists the files of an archive in memory. */
async function listBytes(path: string, bytes: Uint8Array): Promise<Entry[]> {
  checkTar(path, bytes);
  const at = (offset: number, length: number): Uint8Array => bytes.subarray(offset, offset + length);
  const members = await listTar(path, { size: bytes.length, read: at });
  // Copies: a view that's posted to a thread would take the whole archive along.
  return entriesOf(path, members, ({ offset, length }) => ({
    bytes: new Uint8Array(at(offset, length)),
  }));
}

function checkTar(path: string, start: Uint8Array): void {
  if (!isTarHeader(start.subarray(0, 512))) {
    throw new DataError(`${path}: neither a folder nor a tar archive (.tar or .tar.gz)`);
  }
}

function entriesOf(
  path: string,
  members: readonly TarMember[],
  sourceOf: (member: TarMember) => ImageSource,
): Entry[] {
  const seen = new Set<string>();
  for (const { name } of members) {
    if (seen.has(name)) {
      throw new DataError(
        `${path}: the archive holds ${name} twice; unpack it (the later one wins) and give the folder`,
      );
    }
    seen.add(name);
  }
  return members.map((member) => ({ name: member.name, source: sourceOf(member) }));
}

function isClutter(name: string): boolean {
  return name
    .split('/')
    .some((part) => part.startsWith('.') || ['__MACOSX', 'Thumbs.db', 'desktop.ini'].includes(part));
}

/** What folders that hold a split are called, by the part it plays, the first found being taken. */
export const splitNames = {
  train: ['train', 'training'],
  validation: ['validation', 'val', 'valid', 'test', 'testing'],
} as const;

const allSplitNames: readonly string[] = [...splitNames.train, ...splitNames.validation];

function withoutTopFolders(entries: Entry[]): Entry[] {
  const top = entries[0]!.name.split('/')[0]!;
  const rest = entries.map(({ name, source }) => ({ name: name.slice(top.length + 1), source }));
  const shared = entries.every(({ name }) => name.startsWith(`${top}/`));
  // A lone folder of images is a class, not a top folder.
  const holdsMore = rest.every(({ name }) => name.includes('/')) || rest.some(({ name }) => isBinary(name));
  return shared && holdsMore && !allSplitNames.includes(top.toLowerCase())
    ? withoutTopFolders(rest)
    : entries;
}

/** Whether a file is called as the binary data sets' files are. */
function isBinary(name: string): boolean {
  return !name.includes('/') && /\.bin$|ubyte(\.gz)?$/.test(name);
}
