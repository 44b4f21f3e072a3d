/**
 * Batches of a data set, fetched ahead while the devices compute.
 *
 * The order of an epoch is a pure function of (seed, epoch); the crop and mirroring of a picture of (seed, epoch,
 * index). So neither prefetching, nor the number of decoding threads, nor starting at batch k changes what batch k
 * holds. A batch's number is its place in the epoch, also when unreadable pictures make some batches smaller.
 */
import { setImmediate } from 'node:timers/promises';
import { ArgumentError } from '../../core/errors.js';
import type { Dataset, LoadedImages } from './dataset.js';
import { randomFor } from './draws.js';

/** Options of `batches`. */
export interface LoaderOptions {
  readonly batchSize: number;
  /** Default 0. */
  readonly seed?: number;
  /** Default 0. */
  readonly epoch?: number;
  /** Draw the order anew for each epoch; default false: by index. */
  readonly shuffle?: boolean;
  /** First batch to give, for going on in the middle of an epoch. Default 0. */
  readonly start?: number;
  /** Side of the square cut from each picture; default: the whole picture. */
  readonly crop?: number;
  /** Cut at a random place and mirror every second picture; default false: cut the centre, don't mirror. */
  readonly augment?: boolean;
  /** Leave out the last batch when it's smaller; default false. */
  readonly dropLast?: boolean;
  /** Batches fetched ahead; default 2. */
  readonly prefetch?: number;
}

/** A batch of training or evaluation. */
export interface Batch extends LoadedImages {
  /** Its place in the epoch, from 0. */
  readonly number: number;
}

/** Number of batches in an epoch. */
export function batchCount(length: number, batchSize: number, dropLast = false): number {
  return dropLast ? Math.floor(length / batchSize) : Math.ceil(length / batchSize);
}

/** The order of an epoch: a permutation of 0..length-1 drawn from (seed, epoch). */
export function epochOrder(length: number, seed: number, epoch: number): Uint32Array {
  return randomFor(seed, 'order', epoch).permutation(length);
}

/**
 * The batches of one epoch, in order. A batch none of whose pictures could be read is left out.
 * @throws {ArgumentError} for a batch size, crop, start or prefetch that can't be.
 */
export async function* batches(dataset: Dataset, options: LoaderOptions): AsyncGenerator<Batch, void, void> {
  const { batchSize, seed = 0, epoch = 0, start = 0, prefetch = 2, dropLast = false } = options;
  checkCount('batchSize', batchSize, 1);
  checkCount('start', start, 0);
  checkCount('prefetch', prefetch, 0);
  const cut = cutter(dataset, options);
  const order = options.shuffle
    ? epochOrder(dataset.length, seed, epoch)
    : Uint32Array.from({ length: dataset.length }, (_, i) => i);
  const count = batchCount(dataset.length, batchSize, dropLast);

  const fetch = async (number: number): Promise<Batch> => {
    // Let the caller have the batch it's waiting for first: this one is made while the devices compute.
    await setImmediate();
    const loaded = await dataset.load(order.subarray(number * batchSize, (number + 1) * batchSize));
    return { number, images: cut(loaded), labels: loaded.labels, indices: loaded.indices };
  };
  const ahead: Promise<Batch>[] = [];
  for (let next = start, number = start; number < count; number++) {
    for (; next < count && next <= number + prefetch; next++) {
      const coming = fetch(next);
      // It's awaited later, or never when the caller stops early: its error must not go unhandled until then.
      coming.catch(() => {});
      ahead.push(coming);
    }
    const batch = await ahead.shift()!;
    if (batch.labels.length > 0) yield batch;
  }
}

function checkCount(name: string, value: number, least: number): void {
  if (!Number.isInteger(value) || value < least) {
    throw new ArgumentError(`batches: ${name} ${value} isn't an integer of at least ${least}`);
  }
}

/** What turns loaded pictures [N, 3, H, W] into the batch's own array [N, 3, crop, crop]. */
function cutter(dataset: Dataset, options: LoaderOptions): (loaded: LoadedImages) => Uint8Array {
  const { seed = 0, epoch = 0, augment = false, crop } = options;
  const [channels, height, width] = dataset.imageShape;
  const cropHeight = crop ?? height;
  const cropWidth = crop ?? width;
  if (!Number.isInteger(cropHeight) || cropHeight < 1 || cropHeight > height || cropWidth > width) {
    throw new ArgumentError(
      `batches: can't cut ${crop}x${crop} from the ${width}x${height} of ${dataset.name}`,
    );
  }
  const marginY = height - cropHeight;
  const marginX = width - cropWidth;
  return ({ images, indices }) => {
    const out = new Uint8Array(indices.length * channels * cropHeight * cropWidth);
    for (let i = 0, to = 0; i < indices.length; i++) {
      const random = augment ? randomFor(seed, 'augment', epoch, indices[i]!) : undefined;
      const top = random ? random.integer(marginY + 1) : marginY >> 1;
      const left = random ? random.integer(marginX + 1) : marginX >> 1;
      const mirror = random !== undefined && random.uniform() < 0.5;
      for (let c = 0; c < channels; c++) {
        for (let y = 0; y < cropHeight; y++, to += cropWidth) {
          const from = ((i * channels + c) * height + top + y) * width + left;
          const row = out.subarray(to, to + cropWidth);
          row.set(images.subarray(from, from + cropWidth));
          if (mirror) row.reverse();
        }
      }
    }
    return out;
  };
}
