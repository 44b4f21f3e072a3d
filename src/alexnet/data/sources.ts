/**
 * The files of a data set, whether they lie in a folder or in a tar archive (.tar, .tar.gz), as one list of
 * entries with their path inside it.
 *
 * An archive is known by its bytes: gzip starts 1F 8B, tar has "ustar" at byte 257. It's read into memory whole (2
 * GiB at most, unpacked); a folder's files are only listed. Hidden files and what desktops leave behind are passed
 * over.
 */
import { open, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { unpackTar } from 'modern-tar';
import { DataError } from '../../core/errors.js';
import type { ImageSource } from './decode-worker.js';

/** A file of a data set. */
export interface Entry {
  /** Path inside the folder or archive, parts separated by `/`. */
  readonly name: string;
  readonly source: ImageSource;
}

/** Largest archive that is read, unpacked, in bytes. */
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
    throw new DataError(`${what}: damaged gzip, cut short, or over 2 GiB unpacked: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** The bytes of an entry. */
export async function bytesOf({ source }: Entry): Promise<Uint8Array> {
  return 'bytes' in source ? source.bytes : await readFile(source.path);
}

/** The first bytes of an entry, at most `count`. */
export async function startOf({ source }: Entry, count: number): Promise<Uint8Array> {
  if ('bytes' in source) return source.bytes.subarray(0, count);
  const file = await open(source.path);
  try {
    const { bytesRead, buffer } = await file.read(new Uint8Array(count), 0, count, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/**
 * Lists the files of a folder or archive, sorted by name. Folders that hold everything and say nothing (an archive's
 * top folder) are left off the names; those called train, test and the like aren't.
 * @throws {DataError} when the path doesn't exist, isn't a folder or tar archive, or holds no files.
 */
export async function listEntries(path: string): Promise<Entry[]> {
  const info = await stat(path).catch((error: unknown) => {
    throw new DataError(`${path}: can't be opened (${messageOf(error)})`, { cause: error });
  });
  const entries = info.isDirectory() ? await listFolder(path, '', 0) : await listArchive(path, info.size);
  const wanted = entries.filter(({ name }) => !isClutter(name));
  if (wanted.length === 0) {
    throw new DataError(`${path}: ${info.isDirectory() ? 'the folder' : 'the archive'} holds no files`);
  }
  return withoutTopFolders(wanted).sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

async function listFolder(path: string, prefix: string, depth: number): Promise<Entry[]> {
  const entries: Entry[] = [];
  const deeper: Promise<Entry[]>[] = [];
  for (const item of await readdir(path, { withFileTypes: true })) {
    const full = join(path, item.name);
    const name = prefix + item.name;
    // A broken link counts as a file: reading it says what's wrong with it.
    const kind = item.isSymbolicLink() ? await stat(full).catch(() => undefined) : item;
    if (!kind?.isDirectory()) entries.push({ name, source: { path: full } });
    else if (depth < maxDepth) deeper.push(listFolder(full, `${name}/`, depth + 1));
  }
  return entries.concat(...(await Promise.all(deeper)));
}

async function listArchive(path: string, size: number): Promise<Entry[]> {
  if (size > maxArchive) {
    throw new DataError(
      `${path}: archive of ${size} bytes, at most 2 GiB are read: unpack it and give the folder`,
    );
  }
  const bytes = await gunzipped(await readFile(path), path);
  if (new TextDecoder('latin1').decode(bytes.subarray(257, 262)) !== 'ustar') {
    throw new DataError(`${path}: neither a folder nor a tar archive (.tar or .tar.gz)`);
  }
  try {
    const files = await unpackTar(bytes, { strict: true });
    return files
      .filter(({ header }) => header.type === undefined || header.type === 'file')
      .map(({ header, data }) => ({
        name: header.name.replace(/^(\.\/)+/, ''),
        source: { bytes: data ?? new Uint8Array(0) },
      }));
  } catch (error) {
    throw new DataError(`${path}: damaged tar archive or cut short: ${messageOf(error)}`, { cause: error });
  }
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

/** An error's message. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
