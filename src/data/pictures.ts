/**
 * Labelled pictures as their files hold them: a data set whose pictures have names, some of which can be picked, and
 * which decodes them at any size. What opens data (sources/) and what prepares it (prepare/) both work with these.
 */
import type { Dataset, LoadedImages, Unreadable } from './dataset.js';
import type { DecodedFiles } from './images/decodePool.js';
import { coverCentre } from './images/resize.js';

/** A data set of pictures with names. */
export interface PictureSet extends Dataset {
  /** What a picture is called in messages; different for each. @throws {ArgumentError} outside 0..length-1. */
  nameOf(index: number): string;
  /** A picture's path below its class's folder, or what stands for it. */
  pathInClass(index: number): string;
  /** A number that is another one once a picture's file was changed: its length, or a checksum. */
  fingerprint(index: number): Promise<number>;
  /** The set of some of the pictures, in the order given. */
  pick(indices: ArrayLike<number>): PictureSet;
  /**
   * The same pictures with the classes of another list.
   * @param numbers what each label becomes
   */
  relabelled(classes: readonly string[], numbers: readonly number[]): PictureSet;
  /**
   * Decodes pictures to [N, 3, side, side], and says of each what it was or what is wrong with it.
   * @param onDecoded called with the number of pictures done since the last call.
   */
  decode(
    indices: ArrayLike<number>,
    side: number,
    onDecoded?: (count: number) => void,
  ): Promise<DecodedFiles>;
}

/** The pictures of a data set found unreadable so far. */
export class UnreadableLog {
  private readonly failed = new Map<number, Unreadable>();

  /** Each once, in the order of the set. */
  get list(): readonly Unreadable[] {
    return [...this.failed].sort(([a], [b]) => a - b).map(([, picture]) => picture);
  }

  /** Why a picture can't be read, if it was found so. */
  reasonOf(index: number): string | undefined {
    return this.failed.get(index)?.reason;
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

/** `PictureSet.decode` for a set whose pictures are stored as planes: those it loads, resized. */
export async function decodeLoaded(
  set: Dataset & { reasonOf(index: number): string | undefined },
  indices: ArrayLike<number>,
  side: number,
  onDecoded: (count: number) => void = () => {},
): Promise<DecodedFiles> {
  const { images, indices: read } = await set.load(indices);
  const [channels, height, width] = set.imageShape;
  const [from, to] = [channels * height * width, 3 * side * side];
  const planes = new Uint8Array(indices.length * to);
  const failures = new Map<number, string>();
  for (let at = 0, next = 0; at < indices.length; at++) {
    const index = indices[at]!;
    if (read[next] !== index) {
      failures.set(at, set.reasonOf(index) ?? "can't be read");
      continue;
    }
    const picture = { height, width, planes: images.subarray(next * from, (next + 1) * from) };
    planes.set(coverCentre(picture, side, side).planes, at * to);
    next++;
  }
  onDecoded(indices.length);
  return { planes, failures, facts: Array.from({ length: indices.length }, () => undefined) };
}
