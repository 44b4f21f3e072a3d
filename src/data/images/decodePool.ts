/**
 * A pool of decoding threads, and the data set of image files that uses one.
 *
 * A call is split into jobs of a few files, so that threads share the work evenly; each writes to its own slots of
 * one shared buffer, which makes the result independent of their number and order. The threads share a budget of
 * memory for the pictures they are decoding: eight photographs of 64 megapixels at once would take more than there is,
 * so some wait until others are done.
 */
import { availableParallelism } from 'node:os';
import { Tinypool } from 'tinypool';
import { Budget } from '../budget.js';
import { checkIndices, type Dataset, type LoadedImages, type Unreadable } from '../dataset.js';
import type { Decoded, DecodeJob } from './decodeWorker.js';
import type { ImageSource } from './imageSource.js';
import type { ImageFacts } from './opened.js';

/** Files decoded in one job at most. */
const filesPerJob = 64;

/** What came of decoding files. */
export interface DecodedFiles {
  /** [N, 3, height, width]; the slots of files that failed are zero. */
  readonly planes: Uint8Array;
  /** Why each file that failed did, by position, ascending. */
  readonly failures: ReadonlyMap<number, string>;
  /** [N], what the files were; undefined for those that failed. */
  readonly facts: readonly (ImageFacts | undefined)[];
}

/** Decoding threads. Close it, or they stay. */
export class DecodePool {
  private readonly pool: Tinypool;

  /**
   * @param workers number of threads; default: one for each core, at most 8.
   * @param budget memory that the pictures being decoded may take together.
   */
  constructor(
    readonly workers: number = Math.min(8, availableParallelism()),
    private readonly budget: Budget = new Budget(),
  ) {
    this.pool = new Tinypool({
      filename: new URL('./decodeWorker.js', import.meta.url).href,
      minThreads: workers,
      maxThreads: workers,
      isolateWorkers: false,
    });
  }

  /**
   * Decodes files to [N, 3, height, width].
   * @param onDecoded called with the number of files done since the last call.
   */
  async decode(
    sources: readonly ImageSource[],
    height: number,
    width: number,
    onDecoded?: (count: number) => void,
  ): Promise<DecodedFiles> {
    const size = 3 * height * width;
    const target = new SharedArrayBuffer(sources.length * size);
    const step = Math.max(1, Math.min(filesPerJob, Math.ceil(sources.length / this.workers / 2)));
    const jobs: Promise<Decoded[]>[] = [];
    for (let start = 0; start < sources.length; start += step) {
      const part = sources.slice(start, start + step);
      const { limit, cell } = this.budget;
      const job: DecodeJob = {
        ...{ sources: part, height, width, target, offset: start * size },
        memory: { limit, cell },
      };
      const done: Promise<Decoded[]> = this.pool.run(job);
      jobs.push(
        done.then((decoded) => {
          onDecoded?.(decoded.length);
          return decoded;
        }),
      );
    }
    const decoded = (await Promise.all(jobs)).flat();
    const failures = new Map<number, string>();
    const facts = decoded.map((file, at) => {
      if ('facts' in file) return file.facts;
      failures.set(at, file.reason);
      return undefined;
    });
    return { planes: new Uint8Array(target), failures, facts };
  }

  /** Ends the threads. */
  async close(): Promise<void> {
    await this.pool.destroy();
  }
}

/** An image file of a data set. */
export interface LabelledFile {
  /** Path within the data set, for messages. */
  readonly name: string;
  readonly source: ImageSource;
  readonly label: number;
}

/** A data set of image files, decoded each time they're loaded. */
export class FileDataset implements Dataset {
  readonly imageShape: readonly [3, number, number];
  readonly labels: Int32Array;
  private readonly log = new UnreadableLog();

  /** @param pool the threads that decode, which other data sets may share; whoever opened it closes it. */
  constructor(
    readonly name: string,
    readonly classes: readonly string[],
    private readonly files: readonly LabelledFile[],
    height: number,
    width: number,
    private readonly pool: DecodePool,
  ) {
    this.imageShape = [3, height, width];
    this.labels = Int32Array.from(files, (file) => file.label);
  }

  get length(): number {
    return this.files.length;
  }

  get unreadable(): readonly Unreadable[] {
    return this.log.list;
  }

  async load(indices: ArrayLike<number>): Promise<LoadedImages> {
    checkIndices(this.name, this.length, indices);
    const [c, height, width] = this.imageShape;
    const asked = Array.from(indices);
    const files = asked.map((index) => this.files[index]!);
    const { planes, failures } = await this.pool.decode(
      files.map((file) => file.source),
      height,
      width,
    );
    return this.log.sift(planes, c * height * width, asked, failures, this.labels, (at) => files[at]!.name);
  }
}

/** The pictures of a data set found unreadable so far. */
export class UnreadableLog {
  private readonly failed = new Map<number, Unreadable>();

  /** Each once, in the order of the set. */
  get list(): readonly Unreadable[] {
    return [...this.failed].sort(([a], [b]) => a - b).map(([, picture]) => picture);
  }

  /**
   * Notes what failed, by position among those asked for, and gives the others.
   * @param planes [N, size], changed in place
   * @param labels of the whole set, by index
   */
  sift(
    planes: Uint8Array,
    size: number,
    asked: readonly number[],
    failures: ReadonlyMap<number, string>,
    labels: Int32Array,
    nameOf: (at: number) => string,
  ): LoadedImages {
    for (const [at, reason] of failures) this.failed.set(asked[at]!, { name: nameOf(at), reason });
    const read = moveUp(planes, size, asked.length, failures);
    return {
      images: planes.subarray(0, read.length * size),
      labels: Int32Array.from(read, (at) => labels[asked[at]!]!),
      indices: Uint32Array.from(read, (at) => asked[at]!),
    };
  }
}

/**
 * Moves the pictures that could be read up over the gaps of those that couldn't.
 * @param planes [N, size], changed in place.
 * @returns the former positions of the pictures that are left.
 */
export function moveUp(
  planes: Uint8Array,
  size: number,
  count: number,
  failures: ReadonlyMap<number, string>,
): number[] {
  const read = Array.from({ length: count }, (_, at) => at).filter((at) => !failures.has(at));
  for (const [to, from] of read.entries()) {
    if (to !== from) planes.copyWithin(to * size, from * size, (from + 1) * size);
  }
  return read;
}
