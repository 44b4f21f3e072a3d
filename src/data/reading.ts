/**
 * Reading ordinary files by position. Pipes and devices, which a link in a folder of images may lead to, are refused:
 * they would keep the reader waiting or never end. Sizes are checked before memory is taken.
 */
import { isUtf8 } from 'node:buffer';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { formatBytes } from '../core/text.js';
import { printable } from '../formats/printable.js';

const [utf8, latin1] = [new TextDecoder(), new TextDecoder('latin1')];

/** A file's path; bytes where its name isn't UTF-8. */
export type FilePath = string | Uint8Array;

/** Opening a pipe waits for a writer unless told not to. (Windows has no such pipes.) */
const flags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/** A path as Node's calls take it; one that was posted to a thread has become plain bytes. */
export function nodePath(path: FilePath): string | Buffer {
  return typeof path === 'string' ? path : Buffer.from(path.buffer, path.byteOffset, path.byteLength);
}

/**
 * A name as text: UTF-8, or Latin-1 where it isn't that (which old archives and disks hold), without anything that
 * can't be printed.
 */
export function nameText(bytes: Uint8Array): string {
  return printable((isUtf8(bytes) ? utf8 : latin1).decode(bytes));
}

/** A path for messages. */
export function pathText(path: FilePath): string {
  return typeof path === 'string' ? path : nameText(path);
}

/** What the system says of files that stay as they are: they aren't there, may not be read, or are no files. */
const lasting = new Set([
  'ENOENT',
  'ENOTDIR',
  'EACCES',
  'EPERM',
  'EISDIR',
  'ELOOP',
  'ENAMETOOLONG',
  'ENXIO',
  'EINVAL',
]);

/**
 * Whether a file couldn't be read for a reason that has nothing to do with what is in it and may pass: the disk fails, too
 * many files are open.
 */
export function isPassing(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error && 'code' in error && !lasting.has(String(error.code));
}

/**
 * Opens an ordinary file for a while.
 * @throws what the system says, or an Error that says what else it is.
 */
export async function withFile<T>(
  path: FilePath,
  use: (file: FileHandle, size: number) => Promise<T>,
): Promise<T> {
  const file = await open(nodePath(path), flags);
  try {
    const info = await file.stat();
    if (info.isDirectory()) throw new Error('it is a folder');
    if (info.isFIFO()) throw new Error('it is a named pipe, not a file');
    if (!info.isFile()) throw new Error('it is a device or socket, not a file');
    return await use(file, info.size);
  } finally {
    await file.close();
  }
}

/** Fills `bytes` from byte `offset` of a file. @returns how many there were: fewer only where the file ends. */
export async function fill(file: FileHandle, bytes: Uint8Array, offset: number): Promise<number> {
  let filled = 0;
  while (filled < bytes.length) {
    const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}

/** `length` bytes of a file from `offset`; fewer where it ends. @throws as `withFile` does */
export async function readStretch(path: FilePath, offset: number, length: number): Promise<Uint8Array> {
  return withFile(path, async (file) => {
    const bytes = new Uint8Array(length);
    return bytes.subarray(0, await fill(file, bytes, offset));
  });
}

/**
 * A whole file.
 * @param most bytes it may have
 * @throws as `withFile` does, and an Error when it has more.
 */
export async function readAll(path: FilePath, most: number): Promise<Uint8Array> {
  return withFile(path, async (file, size) => {
    if (size > most) {
      throw new Error(`it has ${formatBytes(size)}, at most ${formatBytes(most)} are read`);
    }
    const bytes = new Uint8Array(size);
    return bytes.subarray(0, await fill(file, bytes, 0));
  });
}
