/**
 * Batches of a data set, fetched ahead while the devices compute.
 *
 * The order of an epoch is a pure function of (seed, epoch); the crop, mirroring and colour noise of a picture of
 * (seed, epoch, index), or, where neighbours share a crop, of their place in the epoch. So neither prefetching, nor the number of decoding threads, nor starting at batch k changes what batch k
 * holds. A batch's number is its place in the epoch, also when unreadable pictures make some batches smaller.
 */
import { ArgumentError } from '../core/errors.js';
import type { Dataset, LoadedImages } from './dataset.js';
import { randomFor } from './draws.js';
import { type Cuts, centre, copyCut, type Place } from './images/cuts.js';
import { type ColourNoise, colourShift } from './images/pca.js';

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
  /**
   * Places that a random cut may take along an axis of margin m = side - crop: 'all', 0 to m; or 'below-margin', 0 to
   * m - 1, the 32 x 32 places that give the paper's "factor of 2048". Default 'all'.
   */
  readonly places?: 'all' | 'below-margin';
  /** Pictures in a row, counted from the epoch's first, that share a random cut and mirroring; default 1. */
  readonly sharedBy?: number;
  /** Draw a shift of colour for each picture; the batch carries it, for the device to add. Default: none. */
  readonly colour?: ColourNoise | undefined;
  /** Leave out the last batch when it's smaller; default false. */
  readonly dropLast?: boolean;
  /** Batches fetched ahead; default 2. */
  readonly prefetch?: number;
}

/** A batch of training or evaluation. */
export interface Batch extends LoadedImages, Cuts {
  /** Its place in the epoch, from 0. */
  readonly number: number;
  /** [N, 3], grey levels to add to the red, green and blue of each picture; absent without colour noise. */
  readonly colour?: Float32Array;
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
  checkCount('sharedBy', options.sharedBy ?? 1, 1);
  const cut = cutter(dataset, options);
  const order = options.shuffle
    ? epochOrder(dataset.length, seed, epoch)
    : Uint32Array.from({ length: dataset.length }, (_, i) => i);
  const count = batchCount(dataset.length, batchSize, dropLast);
  const colours = (noise: ColourNoise, indices: Uint32Array): Float32Array => {
    const shifts = new Float32Array(3 * indices.length);
    for (const [i, index] of indices.entries()) {
      shifts.set(colourShift(noise, randomFor(seed, 'colour', epoch, index)), 3 * i);
    }
    return shifts;
  };

  const fetch = async (number: number): Promise<Batch> => {
    // Let the caller have the batch it's waiting for first: this one is made while the devices compute.
    await new Promise((resolve) => setTimeout(resolve));
    const first = number * batchSize;
    const asked = order.subarray(first, first + batchSize);
    const loaded = await dataset.load(asked);
    const { labels, indices } = loaded;
    const batch = { number, labels, indices, ...cut(loaded, asked, first) };
    return options.colour ? { ...batch, colour: colours(options.colour, indices) } : batch;
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

/** What cuts loaded pictures [N, 3, H, W] to [N, 3, crop, crop]. */
type Cutter = (loaded: LoadedImages, asked: ArrayLike<number>, first: number) => Cuts;

function cutter(dataset: Dataset, options: LoaderOptions): Cutter {
  const [channels, height, width] = dataset.imageShape;
  const crop = { height: options.crop ?? height, width: options.crop ?? width };
  if (!Number.isInteger(crop.height) || crop.height < 1 || crop.height > height || crop.width > width) {
    throw new ArgumentError(
      `batches: can't cut ${options.crop}x${options.crop} from the ${width}x${height} of ${dataset.name}`,
    );
  }
  const placeOf = placer(height, width, crop, options);
  const size = channels * height * width;
  const cutSize = channels * crop.height * crop.width;
  return ({ images, indices }, asked, first) => {
    const count = indices.length;
    const offsets = new Int32Array(2 * count);
    const mirrored = new Uint8Array(count);
    const out = new Uint8Array(count * cutSize);
    for (let i = 0, position = 0; i < count; i++, position++) {
      // Unreadable pictures are absent, the others keep their places in the epoch.
      while (asked[position] !== indices[i]) position++;
      const place = placeOf(indices[i]!, first + position);
      offsets.set([place.top, place.left], 2 * i);
      mirrored[i] = Number(place.mirror);
      copyCut(images.subarray(i * size, (i + 1) * size), height, width, place, crop, out, i * cutSize);
    }
    return { images: out, offsets, mirrored };
  };
}

/** Where to cut picture `index`, the epoch's `position`th. */
function placer(
  height: number,
  width: number,
  crop: { height: number; width: number },
  options: LoaderOptions,
): (index: number, position: number) => Place {
  const { seed = 0, epoch = 0, sharedBy = 1, places = 'all' } = options;
  const middle = centre(height, width, crop);
  if (!options.augment) return () => middle;
  const choices = (margin: number): number => (places === 'all' ? margin + 1 : Math.max(1, margin));
  return (index, position) => {
    const random =
      sharedBy === 1
        ? randomFor(seed, 'augment', epoch, index)
        : randomFor(seed, 'sharedCut', epoch, Math.floor(position / sharedBy));
    return {
      top: random.integer(choices(height - crop.height)),
      left: random.integer(choices(width - crop.width)),
      mirror: random.uniform() < 0.5,
    };
  };
}
