/**
 * Files that are written whole: under a temporary name first, then renamed, so that whoever reads sees the old file
 * or the new one, whatever happens in between. And what the system says when it refuses a file, in words.
 */
import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { DataError, TandemError } from '../core/errors.js';

/**
 * Writes a file whole; on failure the old one is untouched.
 * @param pieces written one after the other
 * @throws {DataError} naming the file and what the system said: no space, no permission, no such folder.
 */
export async function writeWhole(path: string, pieces: readonly (Uint8Array | string)[]): Promise<void> {
  const temporary = await temporaryFor(path);
  try {
    await writePieces(temporary, pieces);
    if (temporary !== path) await rename(temporary, path);
  } catch (error) {
    if (temporary !== path) await rm(temporary, { force: true }).catch(() => {});
    throwNaming(path, "can't be written")(error);
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
    if (
      await stat(path).then(
        (found) => found.isDirectory(),
        () => false,
      )
    )
      throw new Error('it is a folder');
    await writePieces(temporary, []);
    await rm(temporary);
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

/** Removes what processes that were killed while they wrote `path` have left beside it. */
export async function removeLeftovers(path: string): Promise<void> {
  const start = `${basename(path)}.`;
  for (const name of await readdir(dirname(path)).catch((): string[] => [])) {
    const pid = name.startsWith(start) ? /^(\d+)\.tmp$/.exec(name.slice(start.length))?.[1] : undefined;
    if (pid !== undefined && !isAlive(Number(pid))) await rm(join(dirname(path), name), { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
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
  ENOSPC: 'the disk is full; free some space and resume',
  EDQUOT: 'the disk is full; free some space and resume',
  ENOENT: 'no such file or folder',
  EACCES: 'no permission',
  EPERM: 'no permission',
  EROFS: 'no permission',
  EISDIR: 'it is a folder',
  EEXIST: 'a file is in the way',
  ENOTDIR: 'a file is in the way',
};

/** What went wrong, in words. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return ('code' in error ? reasons[String(error.code)] : undefined) ?? error.message;
}
