/**
 * The data formats. A new one is a file that recognises and opens itself, and its place in this list.
 */
import { DataError } from '../../core/errors.js';
import { cifar10, cifar100 } from './cifar.js';
import { classFolders } from './folder.js';
import { food101 } from './food101.js';
import type { Format, Found, Opening, Place } from './format.js';
import { idx } from './idx.js';
import { imagenet } from './imagenet/imagenet.js';
import { LayoutError } from './layoutError.js';
import { shards } from './shards.js';
import { tinyImagenet } from './tinyImagenet.js';

/** All formats, in the order in which they are looked for; the last takes what is left. */
export const formats: readonly Format[] = [
  shards,
  cifar10,
  cifar100,
  idx,
  tinyImagenet,
  food101,
  imagenet,
  classFolders,
];

/** What data can be, for helps and messages: a line for each format. */
export const formatLines: readonly string[] = formats.toReversed().map(({ help }) => help);

/**
 * Opens a listed place by its format.
 * @throws {LayoutError} when it's of none; else as the format does.
 */
export async function openPlace(place: Place, opening: Opening): Promise<Found & { kind: string }> {
  for (const format of formats) {
    const { kind } = format;
    if (await format.recognises(place, opening)) return { kind, ...(await format.open(place, opening)) };
  }
  throw new LayoutError(`${place.path}: of no format that is known`);
}

/** For `catch`: to the error of what is no data set it adds what would be; others pass as they are. */
export function sayFormats(error: unknown): never {
  if (!(error instanceof LayoutError)) throw error;
  throw new DataError(`${error.message}; expected ${formatLines.join('; or ')}`, { cause: error });
}
