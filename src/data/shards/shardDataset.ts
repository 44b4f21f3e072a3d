/**
 * Pictures read from shards by position as they're asked for, and checked against their checksum each time: one that
 * fails is left out and named, like any unreadable file.
 */
import { open } from 'node:fs/promises';
import { throwNaming } from '../files.js';
import { mapLimited } from '../parallel.js';
import type { PictureSource, ReadPictures } from '../pictures.js';
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

/** The pictures of a split of a folder of shards. */
export class ShardPictures implements PictureSource {
  readonly imageShape: readonly [3, number, number];

  constructor(
    private readonly side: number,
    private readonly pictures: Pictures,
  ) {
    this.imageShape = [3, side, side];
  }

  /** The name of the file a picture was made from. */
  nameOf(number: number): string {
    return this.pictures.names[number]!;
  }

  /** Names are `train/CLASS/PATH` (prepare.ts). */
  pathInClass(number: number): string {
    return this.nameOf(number).split('/').slice(2).join('/');
  }

  /** The checksum of the picture's bytes. */
  async fingerprint(number: number): Promise<number> {
    return this.pictures.checksums[number]!;
  }

  /** @throws {DataError} when a shard can't be opened any more. */
  async read(numbers: readonly number[]): Promise<ReadPictures> {
    const { checksums } = this.pictures;
    const size = 3 * this.side * this.side;
    const planes = new Uint8Array(numbers.length * size);
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
          const bytes = planes.subarray(slot * size, (slot + 1) * size);
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
    return { planes, failures };
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
