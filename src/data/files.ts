/**
 * Files that are written whole: under a temporary name first, then renamed, so that whoever reads sees the old file
 * or the new one, whatever happens in between, a power cut included. Folders for them. And what the system says when
 * it refuses either, in words.
 */
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { constants } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { DataError, TandemError } from '../core/errors.js';

/**
 * Writes a file whole; on failure the old one is untouched. What killed processes left half written of it goes.
 * @param pieces written one after the other
 * @throws {DataError} naming the file and what the system said: no space, no permission, no such folder.
 */
export function writeWhole(path: string, pieces: readonly (Uint8Array | string)[]): Promise<void> {
  return writeTogether([[path, pieces]]);
}

/**
 * Writes files that belong together, as `writeWhole` does. Nobody ever finds some of them old and some new: all are
 * written under other names first, then the old ones but the first are removed, and then the new ones put in place. A
 * process killed in that moment leaves a file without its companions.
 * @param files each by path with its pieces, in one folder
 */
export async function writeTogether(
  files: readonly (readonly [path: string, pieces: readonly (Uint8Array | string)[]])[],
): Promise<void> {
  const written: [temporary: string, path: string][] = [];
  let current = '';
  try {
    for (const [path, pieces] of files) {
      current = path;
      const temporary = await temporaryFor(path);
      if (temporary !== path) {
        await removeLeftovers(path);
        written.push([temporary, path]);
      }
      await writePieces(temporary, pieces);
    }
    for (const [, path] of written.slice(1)) {
      current = path;
      await rm(path, { force: true });
    }
    if (written.length > 1) await syncFolder(dirname(current));
    for (const [temporary, path] of written) {
      current = path;
      await rename(temporary, path);
    }
    if (written.length > 0) await syncFolder(dirname(current));
  } catch (error) {
    for (const [temporary] of written) await rm(temporary, { force: true }).catch(() => {});
    throwNaming(current, "can't be written")(error);
  }
}

/**
 * Finds out whether a file can be written, before hours are spent on what goes into it.
 * @throws {DataError} as `writeWhole` does
 */
export async function checkWritable(path: string): Promise<void> {
  const temporary = await temporaryFor(path);
  if (temporary === path) return;
  try {
    if (await isFolder(path)) throw new Error('it is a folder');
    await removeLeftovers(path);
    await writePieces(temporary, []).finally(() => rm(temporary, { force: true }));
  } catch (error) {
    throwNaming(path, "can't be written")(error);
  }
}

/** The name to write under first; the file's own where it is a device or pipe (/dev/stdout), which no file may replace. */
async function temporaryFor(path: string): Promise<string> {
  const special = await stat(path).then(
    (found) => !found.isFile() && !found.isDirectory(),
    () => false,
  );
  return special ? path : `${path}.${process.pid}.tmp`;
}

async function writePieces(path: string, pieces: readonly (Uint8Array | string)[]): Promise<void> {
  const file = await open(path, 'w');
  try {
    for (const piece of pieces) await file.writeFile(piece);
    if ((await file.stat()).isFile()) await file.sync();
  } finally {
    await file.close();
  }
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

/**
 * Makes a folder and those above it that are missing. (Node's recursive `mkdir` calls a full disk "no such file", and
 * never returns where no folders can be made, as in /proc.)
 * @returns whether this call made it: false when it was there, or another process was faster
 * @throws {DataError} naming the folder and what the system said: no space, no permission, a file in the way.
 */
export async function makeFolder(path: string): Promise<boolean> {
  return makeMissing(path).catch(throwNaming(path, "the folder can't be made"));
}

async function makeMissing(path: string): Promise<boolean> {
  if (await isFolder(path)) return false;
  const parent = dirname(path);
  if (parent !== path) await makeMissing(parent);
  try {
    await mkdir(path);
  } catch (error) {
    if (await isFolder(path)) return false;
    throw codeOf(error) === 'ENOENT' ? new Error('no folder can be made there', { cause: error }) : error;
  }
  await syncFolder(parent);
  return true;
}

/** What systems answer that can't sync a folder: their file systems keep names in order by themselves, or not at all. */
const cannotSync: readonly (string | undefined)[] = [
  'EINVAL',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
  'EBADF',
  'EPERM',
  'EISDIR',
];

/** Makes the names in a folder last: until then a file renamed into it may be gone after a power cut. */
async function syncFolder(path: string): Promise<void> {
  // A folder that can be written to but not listed can't be opened, nor can any on Windows.
  const folder = await open(path, 'r').catch(() => null);
  try {
    await folder?.sync();
  } catch (error) {
    if (!cannotSync.includes(codeOf(error))) throw error;
  } finally {
    await folder?.close();
  }
}

/** Removes what processes that were killed while they wrote `path` have left beside it. */
export async function removeLeftovers(path: string): Promise<void> {
  const start = `${basename(path)}.`;
  for (const name of await readdir(dirname(path)).catch((): string[] => [])) {
    const pid = name.startsWith(start) ? /^(\d+)\.tmp$/.exec(name.slice(start.length))?.[1] : undefined;
    if (pid === undefined || isAlive(Number(pid))) continue;
    // What can't be removed is in nobody's way.
    await rm(join(dirname(path), name), { force: true }).catch(() => {});
  }
}

/** Whether a process runs, anybody's. */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

/**
 * For `catch`: throws a DataError that names a file and says what the system said. Errors of ours pass as they are.
 * @param what didn't work: "can't be read"
 * @param wayOut what to do about it
 */
export function throwNaming(path: string, what: string, wayOut?: string): (error: unknown) => never {
  return (error) => {
    if (error instanceof TandemError) throw error;
    const end = wayOut === undefined ? '' : `; ${wayOut}`;
    throw new DataError(`${path}: ${what}: ${reasonOf(error)}${end}`, { cause: error });
  };
}

/** What the system refused and why, on a line; null for errors of other kinds. */
export function refusalOf(error: unknown): string | null {
  if (!(error instanceof Error) || !('syscall' in error)) return null;
  return 'path' in error ? `${String(error.path)}: ${reasonOf(error)}` : reasonOf(error);
}

const reasons: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full; free some space',
  EDQUOT: 'the quota of disk space is used up; free some space',
  EROFS: 'the disk is read-only',
  EIO: 'the disk fails (input/output error)',
  EFBIG: 'the file would be larger than this disk or account allows',
  ENOENT: 'no such file or folder',
  EACCES: 'no permission',
  EPERM: 'no permission',
  EISDIR: 'it is a folder',
  EEXIST: 'a file is in the way',
  ENOTDIR: 'a file is in the way',
  ELOOP: 'its links lead round in a circle',
  ENAMETOOLONG: 'the name is too long',
  EMFILE: 'too many files are open',
  ENFILE: 'too many files are open',
  ESTALE: 'the network folder it was in is gone',
  EPIPE: 'nobody reads it any more',
};

/** The name of a system's error (ENOSPC); undefined for errors of other kinds. */
function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined;
  if (!('errno' in error) || !error.code.startsWith('Unknown system error')) return error.code;
  // Node has names only for what its own library knows, which leaves out EDQUOT.
  const { errno } = error;
  return Object.entries(constants.errno).find(([, number]) => -number === errno)?.[0];
}

/** What went wrong, in words. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return reasons[codeOf(error) ?? ''] ?? error.message;
}
