/**
 * Where the bytes of a file lie: in a file of their own, in a stretch of an archive, or in memory. Sources can be
 * posted to other threads.
 */
import { open, readFile } from 'node:fs/promises';
import { DataError } from '../../core/errors.js';

/** A whole file on disk; `length` bytes of one from `offset` (an archive's member); or the bytes themselves. */
export type ImageSource =
  | { readonly path: string }
  | { readonly path: string; readonly offset: number; readonly length: number }
  | { readonly bytes: Uint8Array };

/** The bytes of a source. @throws {DataError} when an archive is shorter than it was. */
export async function readSource(source: ImageSource): Promise<Uint8Array> {
  if ('bytes' in source) return source.bytes;
  if (!('offset' in source)) return await readFile(source.path);
  const bytes = await readStretch(source.path, source.offset, source.length);
  if (bytes.length === source.length) return bytes;
  throw new DataError(`${source.path}: ends ${source.length - bytes.length} bytes early`);
}

/** The first bytes of a source, at most `count`. */
export async function readStart(source: ImageSource, count: number): Promise<Uint8Array> {
  if ('bytes' in source) return source.bytes.subarray(0, count);
  if (!('offset' in source)) return readStretch(source.path, 0, count);
  return readStretch(source.path, source.offset, Math.min(count, source.length));
}

/** `length` bytes of a file from `offset`; fewer where it ends. */
export async function readStretch(path: string, offset: number, length: number): Promise<Uint8Array> {
  const file = await open(path);
  try {
    const bytes = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      const { bytesRead } = await file.read(bytes, filled, length - filled, offset + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return bytes.subarray(0, filled);
  } finally {
    await file.close();
  }
}
