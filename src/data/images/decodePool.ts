/**
 * A pool of decoding threads.
 *
 * A call is split into jobs of a few files, so that threads share the work evenly; each writes to its own slots of
 * one shared buffer, which makes the result independent of their number and order. The threads share a budget of
 * memory for the pictures they are decoding: eight photographs of 64 megapixels at once would take more than there is,
 * so some wait until others are done.
 */
import { availableParallelism } from 'node:os';
import { Tinypool } from 'tinypool';
import { DataError } from '../../core/errors.js';
import { Budget } from '../budget.js';
import type { Decoded, DecodeJob } from './decodeWorker.js';
import type { ImageSource } from './imageSource.js';
import type { JpegDecoderName } from './jpeg/turbo.js';
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
   * @param decoder of ordinary JPEGs; those of others differ from jpeg-js's a little
   */
  constructor(
    readonly workers: number = Math.min(8, availableParallelism()),
    private readonly budget: Budget = new Budget(),
    private readonly decoder: JpegDecoderName = 'jpeg-js',
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
   * @throws {DataError} when a file can't be read for a reason that isn't of the file: the disk fails, too many files are
   * open, an archive is gone.
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
      // Bytes that are posted take all of the memory they lie in along.
      const part = sources
        .slice(start, start + step)
        .map((source) => ('bytes' in source ? { bytes: source.bytes.slice() } : source));
      const { limit, cell } = this.budget;
      const job: DecodeJob = {
        ...{ sources: part, height, width, target, offset: start * size },
        ...{ memory: { limit, cell }, decoder: this.decoder },
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
    const stopped = decoded.find((file) => 'stop' in file);
    if (stopped) throw new DataError(stopped.stop);
    const failures = new Map<number, string>();
    const facts = decoded.map((file, at) => {
      if ('facts' in file) return file.facts;
      if ('reason' in file) failures.set(at, file.reason);
      return undefined;
    });
    return { planes: new Uint8Array(target), failures, facts };
  }

  /** Ends the threads. */
  async close(): Promise<void> {
    await this.pool.destroy();
  }
}
