/**
 * Holding out part of a set that comes without a validation set.
 *
 * In each class the pictures are ranked by a hash of their name, and the first `holdout` of them are held out: a
 * function of the files alone, the same for every seed and order of reading.
 */

import { threefry } from '../../backends/threefry.js';
import { ArgumentError } from '../../core/errors.js';
import { membersByClass } from '../dataset.js';

/** A 32-bit hash of a name: FNV-1a over its UTF-16 units, stirred by Threefry. */
function hashOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return threefry([hash >>> 0, name.length], [0, 0])[0];
}

/**
 * Parts pictures into those to train on and those held out: of each class of n >= 2 pictures, n * `holdout` to the
 * nearest number, but at least one on either side.
 * @param names [N], different from each other.
 * @param labels [N]
 * @returns indices, ascending; none to validate with where every class has one picture only.
 * @throws {ArgumentError} unless 0 < holdout < 1.
 */
export function holdOut(
  names: readonly string[],
  labels: ArrayLike<number>,
  holdout: number,
): { train: Uint32Array; validation: Uint32Array } {
  if (!(holdout > 0 && holdout < 1)) {
    throw new ArgumentError(
      `holdout ${holdout} isn't a share of the images: expected more than 0, less than 1`,
    );
  }
  const train: number[] = [];
  const validation: number[] = [];
  for (const members of membersByClass(labels)) {
    const ranked = members
      .map((index) => ({ index, hash: hashOf(names[index]!) }))
      .sort((a, b) => a.hash - b.hash || a.index - b.index);
    const share = Math.round(members.length * holdout);
    const held = members.length < 2 ? 0 : Math.max(1, Math.min(members.length - 1, share));
    for (const [rank, { index }] of ranked.entries()) (rank < held ? validation : train).push(index);
  }
  return { train: Uint32Array.from(train).sort(), validation: Uint32Array.from(validation).sort() };
}
