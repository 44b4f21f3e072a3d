/**
 * Files that are written whole: under a temporary name first, then renamed, so that whoever reads sees the old file
 * or the new one, whatever happens in between.
 */
import { open, rename, rm } from 'node:fs/promises';
import { DataError } from '../core/errors.js';

/**
 * Writes a file whole; on failure the old one is untouched.
 * @param pieces written one after the other
 * @throws {DataError} naming the file and what the system said: no space, no permission, no such folder.
 */
export async function writeWhole(path: string, pieces: readonly (Uint8Array | string)[]): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    const file = await open(temporary, 'w');
    try {
      for (const piece of pieces) await file.writeFile(piece);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw new DataError(`${path}: can't be written: ${reasonOf(error)}`, { cause: error });
  }
}

/** What went wrong, in words. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error ? error.code : undefined;
  if (code === 'ENOSPC' || code === 'EDQUOT') return 'the disk is full; free some space and resume';
  if (code === 'ENOENT') return 'no such file or folder';
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') return 'no permission';
  if (code === 'EISDIR') return 'it is a folder';
  return error.message;
}
