/**
 * Where the bytes of a file lie: in a file of their own, in a stretch of an archive, or in memory. Sources can be
 * posted to other threads.
 */
import { DataError } from '../../core/errors.js';
import { formatBytes } from '../../core/text.js';
import { type FilePath, fill, readAll, readStretch, withFile } from '../reading.js';

/** Bytes of a sparse file that an archive stores; those between the pieces are zero and stored nowhere. */
export interface Piece {
  /** Place in the file. */
  readonly at: number;
  /** Place in the archive. */
  readonly offset: number;
  readonly length: number;
}

/**
 * A whole file on disk; `length` bytes of one from `offset` (an archive's member); a file of `length` bytes of which an
 * archive stores pieces; or the bytes themselves.
 */
export type ImageSource =
  | { readonly path: FilePath }
  | { readonly path: FilePath; readonly offset: number; readonly length: number }
  | { readonly path: FilePath; readonly pieces: readonly Piece[]; readonly length: number }
  | { readonly bytes: Uint8Array };

/** Largest image file that is read, in bytes: 64 million pixels of four samples of 16 bits, not compressed. */
const largestImage = 2 ** 29;

/**
 * The bytes of a source.
 * @param most bytes that are read of a file
 * @throws what the system says, or an Error or DataError when it is no file, larger, or an archive shorter than it was.
 */
export async function readSource(source: ImageSource, most = largestImage): Promise<Uint8Array> {
  if ('bytes' in source) return source.bytes;
  if (!('length' in source)) return readAll(source.path, most);
  if (source.length > most) {
    throw new Error(`it has ${formatBytes(source.length)}, at most ${formatBytes(most)} are read`);
  }
  const { length } = source;
  const pieces = 'pieces' in source ? source.pieces : [{ at: 0, offset: source.offset, length }];
  return withFile(source.path, async (file) => {
    const bytes = new Uint8Array(length);
    for (const { at, offset, length: wanted } of pieces) {
      const missing = wanted - (await fill(file, bytes.subarray(at, at + wanted), offset));
      if (missing > 0) throw new DataError(`the archive ends ${missing} bytes early`);
    }
    return bytes;
  });
}

/** The first bytes of a source, at most `count`. @throws as `readSource` does */
export async function readStart(source: ImageSource, count: number): Promise<Uint8Array> {
  if ('bytes' in source) return source.bytes.subarray(0, count);
  if (!('length' in source)) return readStretch(source.path, 0, count);
  if ('pieces' in source) return (await readSource(source)).subarray(0, count);
  return readStretch(source.path, source.offset, Math.min(count, source.length));
}
