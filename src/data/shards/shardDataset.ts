/**
 * Pictures read from shards by position as they're asked for, and checked against their checksum each time: one that
 * fails is left out and named, like any unreadable file.
 */
import { open } from 'node:fs/promises';
import { checkIndices, type LoadedImages, type Unreadable } from '../dataset.js';
import { throwNaming } from '../files.js';
import type { DecodedFiles } from '../images/decodePool.js';
import { mapLimited } from '../parallel.js';
import { decodeLoaded, type PictureSet, UnreadableLog } from '../pictures.js';
import { fill } from '../reading.js';
import { checksum } from './shardFormat.js';

/** Files read at the same time. */
export const filesAtOnce = 16;

/** A shard's place on disk and among the pictures. */
export interface Shard {
  readonly path: string;
  /** Number of its first picture. */
  readonly start: number;
}

/** The pictures of one split, and what is known of each. */
export interface Pictures {
  readonly shards: readonly Shard[];
  /** [N] */
  readonly names: readonly string[];
  readonly labels: Int32Array;
  readonly checksums: Uint32Array;
}

/** A split of a folder of shards, or some of its pictures. */
export class ShardDataset implements PictureSet {
  readonly length: number;
  readonly imageShape: readonly [3, number, number];
  readonly labels: Int32Array;
  private readonly log = new UnreadableLog();

  /** @param chosen numbers of the pictures it holds, in this order; default: all. */
  constructor(
    readonly name: string,
    readonly classes: readonly string[],
    private readonly side: number,
    private readonly pictures: Pictures,
    private readonly chosen?: Uint32Array,
  ) {
    this.imageShape = [3, side, side];
    this.labels = chosen ? Int32Array.from(chosen, (i) => pictures.labels[i]!) : pictures.labels;
    this.length = this.labels.length;
  }

  get unreadable(): readonly Unreadable[] {
    return this.log.list;
  }

  /** The name of the file a picture was made from. @throws {ArgumentError} outside 0..length-1. */
  nameOf(index: number): string {
    checkIndices(this.name, this.length, [index]);
    return this.pictures.names[this.numberOf(index)]!;
  }

  /** Names are `train/CLASS/PATH` (prepare.ts). */
  pathInClass(index: number): string {
    return this.nameOf(index).split('/').slice(2).join('/');
  }

  /** The checksum of the picture's bytes. @throws {ArgumentError} outside 0..length-1. */
  async fingerprint(index: number): Promise<number> {
    checkIndices(this.name, this.length, [index]);
    return this.pictures.checksums[this.numberOf(index)]!;
  }

  /** Why a picture that was loaded couldn't be read. */
  reasonOf(index: number): string | undefined {
    return this.log.reasonOf(index);
  }

  pick(indices: ArrayLike<number>): ShardDataset {
    checkIndices(this.name, this.length, indices);
    const chosen = Uint32Array.from(indices, (index) => this.numberOf(index));
    return new ShardDataset(this.name, this.classes, this.side, this.pictures, chosen);
  }

  relabelled(classes: readonly string[], numbers: readonly number[]): ShardDataset {
    const labels = this.pictures.labels.map((label) => numbers[label]!);
    return new ShardDataset(this.name, classes, this.side, { ...this.pictures, labels }, this.chosen);
  }

  decode(
    indices: ArrayLike<number>,
    side: number,
    onDecoded?: (count: number) => void,
  ): Promise<DecodedFiles> {
    return decodeLoaded(this, indices, side, onDecoded);
  }

  /** @throws {DataError} when a shard can't be opened any more. */
  async load(indices: ArrayLike<number>): Promise<LoadedImages> {
    checkIndices(this.name, this.length, indices);
    const { names, checksums } = this.pictures;
    const asked = Array.from(indices);
    const numbers = asked.map((index) => this.numberOf(index));
    const size = 3 * this.side * this.side;
    const images = new Uint8Array(asked.length * size);
    const failures = new Map<number, string>();
    const slotsOf = new Map<Shard, number[]>();
    for (const [slot, number] of numbers.entries()) {
      const shard = this.shardOf(number);
      const slots = slotsOf.get(shard);
      if (slots) slots.push(slot);
      else slotsOf.set(shard, [slot]);
    }
    await mapLimited([...slotsOf], filesAtOnce, async ([shard, slots]) => {
      const file = await open(shard.path).catch(throwNaming(shard.path, "can't be opened any more"));
      try {
        for (const slot of slots) {
          const number = numbers[slot]!;
          const bytes = images.subarray(slot * size, (slot + 1) * size);
          const at = (number - shard.start) * size;
          const read = await fill(file, bytes, at).catch(throwNaming(shard.path, "can't be read"));
          if (read < size || checksum(bytes) !== checksums[number]) {
            failures.set(slot, `${shard.path}: picture ${number - shard.start} is damaged (checksum)`);
          }
        }
      } finally {
        await file.close();
      }
    });
    return this.log.sift(images, size, asked, failures, this.labels, (slot) => names[numbers[slot]!]!);
  }

  private numberOf(index: number): number {
    return this.chosen ? this.chosen[index]! : index;
  }

  /** The last shard that starts at or before a picture (an empty shard starts where the next does). */
  private shardOf(number: number): Shard {
    const { shards } = this.pictures;
    let [low, high] = [0, shards.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (shards[middle]!.start <= number) low = middle;
      else high = middle - 1;
    }
    return shards[low]!;
  }
}
