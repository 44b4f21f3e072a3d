/**
 * Batches of images, fetched ahead while the devices compute.
 *
 * The crop, mirroring and colour noise of a picture are a pure function of (seed, epoch, index), or, where neighbours
 * share a crop, of their place in the epoch. So neither prefetching, nor the number of decoding threads, nor starting at
 * batch k changes what batch k holds. A batch's number is its place in the epoch, also when unreadable pictures make some batches smaller.
 */
import { ArgumentError, DataError } from '../core/errors.js';
import {
  type BatchSource,
  batchCount,
  checkCount,
  type EpochOptions,
  fetchAhead,
  type Placed,
  samplesAt,
} from './batchSource.js';
import { type Dataset, describeUnreadable, type LoadedImages } from './dataset.js';
import { randomFor } from './draws.js';
import { type Cuts, centre, copyCut, type Place } from './images/cuts.js';
import { type ColourNoise, colourShift } from './images/pca.js';

/** Options of `batches`. */
export interface LoaderOptions extends EpochOptions {
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
}

/** Options of `imageBatches`. */
export type ImageBatchOptions = Omit<LoaderOptions, 'epoch' | 'start'>;

/** A batch of training or evaluation. */
export interface Batch extends LoadedImages, Cuts {
  /** Its place in the epoch, from 0. */
  readonly number: number;
  /** [N, 3], grey levels to add to the red, green and blue of each picture; absent without colour noise. */
  readonly colour?: Float32Array;
}

/**
 * The batches of one epoch, in order. A batch none of whose pictures could be read is left out.
 * @throws {ArgumentError} for a batch size, crop, start or prefetch that can't be.
 */
export async function* batches(dataset: Dataset, options: LoaderOptions): AsyncGenerator<Batch, void, void> {
  for await (const [, batch] of placedBatches(dataset, options)) yield batch;
}

/** The same with their places, and whether they count (`BatchSource.epoch`). */
export async function* placedBatches(
  dataset: Dataset,
  options: LoaderOptions,
): AsyncGenerator<Placed<Batch>, void, void> {
  const { seed = 0, epoch = 0, colour } = options;
  checkCount('sharedBy', options.sharedBy ?? 1, 1);
  const cut = cutter(dataset, options);
  const colours = (noise: ColourNoise, indices: Uint32Array): Float32Array => {
    const shifts = new Float32Array(3 * indices.length);
    for (const [i, index] of indices.entries()) {
      shifts.set(colourShift(noise, randomFor(seed, 'colour', epoch, index)), 3 * i);
    }
    return shifts;
  };
  const fetch = async (asked: Uint32Array, first: number, step: number): Promise<Omit<Batch, 'number'>> => {
    const loaded = await dataset.load(asked);
    const { labels, indices } = loaded;
    return {
      labels,
      indices,
      ...cut(loaded, asked, first, step),
      ...(colour && { colour: colours(colour, indices) }),
    };
  };
  const isEmpty = ({ labels }: Omit<Batch, 'number'>): boolean => labels.length === 0;
  for await (const [number, batch, ...counts] of fetchAhead(dataset.length, options, fetch, isEmpty)) {
    if (!isEmpty(batch)) yield [number, { number, ...batch }, ...counts];
  }
}

/**
 * A data set's images as a training takes them.
 * @param options what `batches` takes; a function of the epoch where they change with it
 * @throws {ArgumentError} as `batches` does, once an epoch is asked for
 */
export function imageBatches(
  dataset: Dataset,
  options: ImageBatchOptions | ((epoch: number) => ImageBatchOptions),
): BatchSource<Batch> {
  const optionsOf = typeof options === 'function' ? options : (): ImageBatchOptions => options;
  const { batchSize, dropLast } = optionsOf(0);
  return {
    name: dataset.name,
    length: batchCount(dataset.length, batchSize, dropLast),
    async *epoch(epoch, start) {
      let none = start === 0;
      for await (const placed of placedBatches(dataset, { ...optionsOf(epoch), epoch, start })) {
        none = false;
        yield placed;
      }
      if (none)
        throw new DataError(`${dataset.name}: ${describeUnreadable(dataset.unreadable)}, none is left`);
    },
    share: (share) => imageBatches(dataset, (epoch) => ({ ...optionsOf(epoch), share })),
    samples: (place) => samplesAt(dataset.length, batchSize, place),
  };
}

/** What cuts loaded pictures [N, 3, H, W] to [N, 3, crop, crop]. */
type Cutter = (loaded: LoadedImages, asked: ArrayLike<number>, first: number, step: number) => Cuts;

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
  return ({ images, indices }, asked, first, step) => {
    const count = indices.length;
    const offsets = new Int32Array(2 * count);
    const mirrored = new Uint8Array(count);
    const out = new Uint8Array(count * cutSize);
    for (let i = 0, position = 0; i < count; i++, position++) {
      // Unreadable pictures are absent, the others keep their places in the epoch.
      while (asked[position] !== indices[i]) position++;
      const place = placeOf(indices[i]!, first + position * step);
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
