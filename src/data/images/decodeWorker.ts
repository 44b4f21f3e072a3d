/**
 * The job of a decoding thread: read files, decode them, scale and crop them, and write the planes to their slot
 * in shared memory. What each file was, or what went wrong with it, is sent back.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Budget } from '../budget.js';
import { reasonOf } from '../files.js';
import { isPassing, pathText } from '../reading.js';
import { openImage } from './image.js';
import { type ImageSource, readSource } from './imageSource.js';
import { type JpegDecoderName, loadTurbo } from './jpeg/turbo.js';
import type { ImageFacts, OpenedImage } from './opened.js';
import { coverCentre } from './resize.js';

/** Decode `sources[i]` to planes [3, height, width] at byte `offset + i * 3 * height * width` of `target`. */
export interface DecodeJob {
  readonly sources: readonly ImageSource[];
  readonly height: number;
  readonly width: number;
  readonly target: SharedArrayBuffer;
  readonly offset: number;
  readonly decoder: JpegDecoderName;
  /** The budget of memory that all threads share. */
  readonly memory: { readonly limit: number; readonly cell: SharedArrayBuffer };
}

/**
 * What a source turned out to be; or why it couldn't be read, its slot being untouched; or why no source can be read at
 * the moment, with the file that it showed at.
 */
export type Decoded =
  | { readonly facts: ImageFacts }
  | { readonly reason: string }
  | { readonly stop: string };

/** Loaded once by a thread. */
let turbo: ReturnType<typeof loadTurbo> | undefined;

/** Runs a job; the result has an element for each source. */
export default async function decodeJob(job: DecodeJob): Promise<Decoded[]> {
  const { height, width, target, offset } = job;
  const size = 3 * height * width;
  const budget = new Budget(job.memory.limit, job.memory.cell);
  const decoded: Decoded[] = [];
  if (job.decoder === 'libjpeg-turbo') turbo ??= loadTurbo();
  const faster = job.decoder === 'libjpeg-turbo' ? await turbo : undefined;
  for (const [at, source] of job.sources.entries()) {
    try {
      const image = openImage(await readSource(source), faster);
      const { planes, fellBack } = withMemory(budget, image, () => {
        const picture = image.decode();
        return { ...coverCentre(picture, height, width), fellBack: picture.fellBack };
      });
      new Uint8Array(target, offset + at * size, size).set(planes);
      decoded.push({ facts: fellBack ? { ...image.facts, fellBack } : image.facts });
    } catch (error) {
      if ('path' in source && stops(source, error)) {
        return [...decoded, { stop: `${pathText(source.path)}: can't be read: ${reasonOf(error)}` }];
      }
      // Whatever one file does wrong, the others go on.
      decoded.push({ reason: reasonOf(error) });
    }
  }
  return decoded;
}

/** Does something with an image once the memory for decoding it is free, and gives that back. */
function withMemory<T>(budget: Budget, { facts, memory }: OpenedImage, use: () => T): T {
  budget.takeWhenFree(memory, `${facts.format} of ${facts.width}x${facts.height} pixels`);
  try {
    return use();
  } finally {
    if (memory >= largeMemory) collectGarbage();
    budget.give(memory);
  }
}

/** Bytes from which on the memory of a picture is freed before another thread may take as much. */
const largeMemory = 2 ** 27;

/**
 * Frees what this thread no longer uses. Otherwise a thread that has decoded a large picture keeps its memory until it
 * next allocates, and threads that wait add theirs to it.
 */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('globalThis.gc');
  if (typeof collect === 'function') collect();
}

/** Whether an error isn't of this one image: it may pass, or the archive of all of them can't be opened. */
function stops(source: ImageSource, error: unknown): boolean {
  const isArchive = 'length' in source;
  return isPassing(error) || (isArchive && error instanceof Error && 'syscall' in error);
}
