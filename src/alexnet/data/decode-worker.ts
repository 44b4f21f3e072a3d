/**
 * The job of a decoding thread: read files, decode them, scale and crop them, and write the planes to their slot
 * in shared memory. Only what went wrong is sent back.
 */
import { readFile } from 'node:fs/promises';
import { DataError } from '../../core/errors.js';
import { decodeImage } from './image.js';
import { coverCentre } from './resize.js';

/** An image file: on disk, or its bytes (from an archive). */
export type ImageSource = { readonly path: string } | { readonly bytes: Uint8Array };

/** Decode `sources[i]` to planes [3, height, width] at byte `offset + i * 3 * height * width` of `target`. */
export interface DecodeJob {
  readonly sources: readonly ImageSource[];
  readonly height: number;
  readonly width: number;
  readonly target: SharedArrayBuffer;
  readonly offset: number;
}

/** `sources[at]` couldn't be read; its slot is untouched. */
export interface DecodeFailure {
  readonly at: number;
  readonly reason: string;
}

/** Runs a job. */
export default async function decodeJob(job: DecodeJob): Promise<DecodeFailure[]> {
  const { height, width, target, offset } = job;
  const size = 3 * height * width;
  const failures: DecodeFailure[] = [];
  for (const [at, source] of job.sources.entries()) {
    try {
      const bytes = 'bytes' in source ? source.bytes : await readFile(source.path);
      const { planes } = coverCentre(decodeImage(bytes), height, width);
      new Uint8Array(target, offset + at * size, size).set(planes);
    } catch (error) {
      failures.push({ at, reason: reasonOf(error) });
    }
  }
  return failures;
}

/** Whatever one file does wrong, the others go on: every error is that file's reason. */
function reasonOf(error: unknown): string {
  if (error instanceof DataError) return error.message;
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
