/**
 * Making one shard: its files are decoded, scaled, cropped and written; or, if that was done before and nothing
 * changed since, its pictures are read back and checked. What a shard holds depends on its files alone.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '../../core/errors.js';
import { writeWhole } from '../files.js';
import { mapLimited } from '../parallel.js';
import { moveUp, type PictureSet } from '../pictures.js';
import {
  checksum,
  encodeRecord,
  firstDamaged,
  parseRecord,
  type Remark,
  recordFormat,
  type ShardImage,
  type ShardRecord,
  type SplitName,
  sha256,
} from '../shards/shardFormat.js';
import { oddities } from './oddities.js';

/** Goes into every shard's `source`: raise it when pictures come out otherwise than before. */
const conversion = 'area-cubic-1';

/** A shard to make. */
export interface ShardPlan {
  /** Its name without ending: train-00012. */
  readonly name: string;
  readonly split: SplitName;
  /** The set it is a part of, and the numbers of its pictures in it. */
  readonly set: PictureSet;
  readonly indices: readonly number[];
  /** Ids of the classes, by number. */
  readonly classes: readonly string[];
  /** Side of its pictures. */
  readonly size: number;
  /** As the record names it; undefined: jpeg-js. */
  readonly decoder: string | undefined;
}

/** A shard that is there. */
export interface MadeShard {
  readonly record: ShardRecord;
  /** SHA-256 of the record's file. */
  readonly sha256: string;
  /** [N, 3, size, size] */
  readonly images: Uint8Array;
}

/** The record of a shard; undefined when there is none or it's damaged. */
export async function readRecord(path: string): Promise<ShardRecord | undefined> {
  return (await readText(path))?.record;
}

/** A record with its text. */
async function readText(path: string): Promise<{ text: string; record: ShardRecord } | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return { text, record: parseRecord(path, text) };
  } catch (error) {
    if (error instanceof DataError) return undefined;
    throw error;
  }
}

/**
 * Takes a shard that was made before.
 * @returns undefined when there is none, it's damaged, or its files have changed since.
 */
export async function keptShard(folder: string, plan: ShardPlan): Promise<MadeShard | undefined> {
  const path = join(folder, plan.name);
  const found = await readText(`${path}.json`);
  if (!found) return undefined;
  const { text, record } = found;
  if (record.size !== plan.size || record.source !== (await sourceOf(plan))) return undefined;
  const images = await readFile(`${path}.bin`).catch(() => undefined);
  const bytes = record.images.length * 3 * plan.size * plan.size;
  if (images?.length !== bytes || firstDamaged(images, record) >= 0) return undefined;
  return { record, sha256: sha256(text), images };
}

/**
 * Makes a shard; its record is written after its pictures, so that a shard with a record is whole.
 * @throws {DataError} when it can't be written.
 */
export async function makeShard(
  folder: string,
  plan: ShardPlan,
  onDecoded: (count: number) => void,
): Promise<MadeShard> {
  const { set, indices, classes, size, decoder } = plan;
  const source = await sourceOf(plan);
  const names = namesOf(plan);
  const { planes, failures, facts } = await set.decode(indices, size, onDecoded);
  const bytes = 3 * size * size;
  const read = moveUp(planes, bytes, indices.length, failures);
  const images = planes.subarray(0, read.length * bytes);
  const odd = facts.flatMap((fact, at): Remark[] => {
    const name = names[at]!;
    const found = fact ? oddities(name, fact, size) : [];
    return found.length > 0 ? [[name, found.join('; ')]] : [];
  });
  const record: ShardRecord = {
    format: recordFormat,
    size,
    source,
    ...(decoder === undefined ? {} : { decoder }),
    images: read.map((from, at): ShardImage => {
      const label = set.labels[indices[from]!]!;
      return [names[from]!, classes[label]!, checksum(images.subarray(at * bytes, (at + 1) * bytes))];
    }),
    odd,
    refused: Array.from(failures, ([at, reason]): Remark => [names[at]!, reason]),
  };
  const text = encodeRecord(record);
  await writeWhole(join(folder, `${plan.name}.bin`), [images]);
  await writeWhole(join(folder, `${plan.name}.json`), [text]);
  return { record, sha256: sha256(text), images };
}

/** What its pictures are called: part, class, and path below the class's folder. */
function namesOf({ split, set, indices, classes }: ShardPlan): string[] {
  return indices.map((index) => `${split}/${classes[set.labels[index]!]}/${set.pathInClass(index)}`);
}

/** A hash of a shard's files: names, classes and lengths or checksums. */
async function sourceOf(plan: ShardPlan): Promise<string> {
  const { set, indices, classes, size, decoder } = plan;
  const marks = await mapLimited(indices, 16, (index) => set.fingerprint(index));
  const lines = namesOf(plan).map(
    (name, i) => `${name}\0${classes[set.labels[indices[i]!]!]}\0${marks[i]}\n`,
  );
  const way = decoder === undefined ? conversion : `${conversion} ${decoder}`;
  return sha256(`${way} ${size}\n${lines.join('')}`);
}
