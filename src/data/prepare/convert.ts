/**
 * Making one shard: its files are decoded, scaled, cropped and written; or, if that was done before and nothing
 * changed since, its pictures are read back and checked. What a shard holds depends on its files alone.
 */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '../../core/errors.js';
import { writeWhole } from '../files.js';
import { type DecodePool, type LabelledFile, moveUp } from '../images/decodePool.js';
import type { ImageSource } from '../images/imageSource.js';
import { mapLimited } from '../parallel.js';
import {
  checksum,
  encodeRecord,
  firstDamaged,
  parseRecord,
  type Remark,
  recordFormat,
  type ShardImage,
  type ShardRecord,
  sha256,
} from '../shards/shardFormat.js';
import { oddities } from './oddities.js';

/** Goes into every shard's `source`: raise it when pictures come out otherwise than before. */
const conversion = 'area-cubic-1';

/** A shard to make. */
export interface ShardPlan {
  /** Its name without ending: train-00012. */
  readonly name: string;
  readonly files: readonly LabelledFile[];
  /** Ids of the classes, by number. */
  readonly classes: readonly string[];
  /** Side of its pictures. */
  readonly size: number;
}

/** A shard that is there. */
export interface MadeShard {
  readonly record: ShardRecord;
  /** SHA-256 of the record's file. */
  readonly sha256: string;
  /** [N, 3, size, size] */
  readonly images: Uint8Array;
}

/**
 * Takes a shard that was made before.
 * @returns undefined when there is none, it's damaged, or its files have changed since.
 */
export async function keptShard(folder: string, plan: ShardPlan): Promise<MadeShard | undefined> {
  const path = join(folder, plan.name);
  const text = await readFile(`${path}.json`, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  let record: ShardRecord;
  try {
    record = parseRecord(`${path}.json`, text);
  } catch (error) {
    if (error instanceof DataError) return undefined;
    throw error;
  }
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
  pool: DecodePool,
  onDecoded: (count: number) => void,
): Promise<MadeShard> {
  const { files, classes, size } = plan;
  const source = await sourceOf(plan);
  const sources = files.map((file) => file.source);
  const { planes, failures, facts } = await pool.decode(sources, size, size, onDecoded);
  const bytes = 3 * size * size;
  const read = moveUp(planes, bytes, files.length, failures);
  const images = planes.subarray(0, read.length * bytes);
  const odd = facts.flatMap((fact, at): Remark[] => {
    const { name } = files[at]!;
    const found = fact ? oddities(name, fact, size) : [];
    return found.length > 0 ? [[name, found.join('; ')]] : [];
  });
  const record: ShardRecord = {
    format: recordFormat,
    size,
    source,
    images: read.map((from, at): ShardImage => {
      const { name, label } = files[from]!;
      return [name, classes[label]!, checksum(images.subarray(at * bytes, (at + 1) * bytes))];
    }),
    odd,
    refused: Array.from(failures, ([at, reason]): Remark => [files[at]!.name, reason]),
  };
  const text = encodeRecord(record);
  await writeWhole(join(folder, `${plan.name}.bin`), [images]);
  await writeWhole(join(folder, `${plan.name}.json`), [text]);
  return { record, sha256: sha256(text), images };
}

/** A hash of a shard's files: names, classes and lengths. */
async function sourceOf({ files, classes, size }: ShardPlan): Promise<string> {
  const lengths = await mapLimited(files, 16, ({ source }) => lengthOf(source));
  const lines = files.map(({ name, label }, i) => `${name}\0${classes[label]}\0${lengths[i]}\n`);
  return sha256(`${conversion} ${size}\n${lines.join('')}`);
}

/** Bytes of a source; -1 when it isn't there (a broken link). */
async function lengthOf(source: ImageSource): Promise<number> {
  if ('bytes' in source) return source.bytes.length;
  if ('offset' in source) return source.length;
  return stat(source.path).then(
    ({ size }) => size,
    () => -1,
  );
}
