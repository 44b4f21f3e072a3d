/**
 * Shards: prepared pictures as they lie on disk, a folder of
 *
 *   train-00000.bin    pictures one after the other, each raw bytes [3, size, size]: red, green, blue plane, 0-255
 *   train-00000.json   the record of what that file holds: for each picture its source's name, its class's id and
 *                      the checksum of its bytes; what was refused, and what was converted oddly; `decoder`, what
 *                      decoded ordinary JPEGs, where that wasn't jpeg-js; and `source`, a SHA-256 of the list of
 *                      files it was made from and of the decoder, by which a restart knows its own work
 *   validation-...     the same for the validation set
 *   mean.safetensors   the mean training picture, `mean`, float32 [3, size, size]
 *   index.json         written last: the classes in the order of their numbers, the shards of each split with the
 *                      SHA-256 of their records, pictures per class, the mean's SHA-256, and the colours' mean and
 *                      principal components
 *   report.txt         for people: every file refused or converted oddly
 *
 * A class is stored by its id (ImageNet's WNIDs, else the folder's name) with every picture, never by number alone,
 * and ids are numbered in sorted order, so a picture can't come by the wrong label.
 */
import { createHash } from 'node:crypto';
import { DataError } from '../../core/errors.js';
import {
  list,
  nullable,
  object,
  oneOf,
  optional,
  parseJson,
  type Schema,
  text,
  tuple,
  where,
  whole,
} from '../../formats/json.js';
import { printable } from '../../formats/printable.js';
import { type Pca, pcaFields, type Triple, tripleSchema } from '../images/pca.js';

/** Names of the files of a folder of shards. */
export const shardFiles = { index: 'index.json', mean: 'mean.safetensors', report: 'report.txt' } as const;

/** Value of `format` in index.json. */
export const indexFormat = 'tandem-shards-1';

/** Value of `format` in a shard's record. */
export const recordFormat = 'tandem-shard-1';

/** The parts of a data set. */
export type SplitName = 'train' | 'validation';

/** A picture of a shard: name of its source, id of its class, `checksum` of its bytes. */
export type ShardImage = readonly [name: string, classId: string, checksum: number];

/** A file, and why it was refused or what was odd about it. */
export type Remark = readonly [name: string, what: string];

/** What a shard holds. */
export interface ShardRecord {
  readonly format: typeof recordFormat;
  /** Height and width of its pictures. */
  readonly size: number;
  readonly source: string;
  /** What decoded ordinary JPEGs, with its version; absent: jpeg-js. */
  readonly decoder?: string | undefined;
  readonly images: readonly ShardImage[];
  readonly odd: readonly Remark[];
  readonly refused: readonly Remark[];
}

/** A class: its id, and what people call it. */
interface ShardClass {
  readonly id: string;
  readonly name: string;
}

/** A split in the index. */
export interface SplitIndex {
  /** Number of pictures. */
  readonly images: number;
  /** Of each class. */
  readonly perClass: readonly number[];
  readonly shards: readonly { readonly name: string; readonly images: number; readonly sha256: string }[];
}

/** The contents of index.json. */
export interface ShardIndex {
  readonly format: typeof indexFormat;
  readonly size: number;
  readonly classes: readonly ShardClass[];
  readonly train: SplitIndex;
  /** Null when no validation pictures were prepared. */
  readonly validation: SplitIndex | null;
  /** SHA-256 of mean.safetensors. */
  readonly mean: string;
  /** Of the training pictures: mean red, green, blue; rows of their covariance, from which the rest follows. */
  readonly colours: Pca & { readonly mean: Triple };
}

/** The name of a shard without its ending: train-00012. */
export function shardName(split: SplitName, number: number): string {
  return `${split}-${String(number).padStart(5, '0')}`;
}

/** SHA-256 in hexadecimal. */
export function sha256(...pieces: readonly (Uint8Array | string)[]): string {
  const hash = createHash('sha256');
  for (const piece of pieces) hash.update(piece);
  return hash.digest('hex');
}

/** A picture's checksum: the first 32 bits of the SHA-256 of its bytes. */
export function checksum(bytes: Uint8Array): number {
  return createHash('sha256').update(bytes).digest().readUInt32BE();
}

/** The first picture whose bytes differ from its record's checksum, or -1: all agree. */
export function firstDamaged(images: Uint8Array, record: ShardRecord): number {
  const size = 3 * record.size * record.size;
  return record.images.findIndex(
    ([, , sum], i) => checksum(images.subarray(i * size, (i + 1) * size)) !== sum,
  );
}

/** A record as text, a line for each picture. */
export function encodeRecord(record: ShardRecord): string {
  const { images, odd, refused, ...head } = record;
  const list = (items: readonly unknown[]): string =>
    `[${items.map((item) => `\n${JSON.stringify(item)}`).join(',')}]`;
  const start = JSON.stringify(head).slice(0, -1);
  return `${start},\n"images":${list(images)},\n"odd":${list(odd)},\n"refused":${list(refused)}}\n`;
}

const countSchema = whole();
const sha256Schema = where(text, 'a SHA-256 in hexadecimal', (hash) => /^[0-9a-f]{64}$/.test(hash));
const remarksSchema = list(tuple<Remark>(text, text));

const recordSchema = object<ShardRecord>({
  format: oneOf(recordFormat),
  size: whole(1),
  source: sha256Schema,
  decoder: optional(text),
  images: list(tuple<ShardImage>(text, text, whole(0, 2 ** 32 - 1))),
  odd: remarksSchema,
  refused: remarksSchema,
});

/** A part of the set; its shards are numbered from 0. */
const splitSchema = (split: SplitName): Schema<SplitIndex> =>
  object<SplitIndex>({
    images: countSchema,
    perClass: list(countSchema),
    shards: where(
      list(object<SplitIndex['shards'][number]>({ name: text, images: countSchema, sha256: sha256Schema })),
      `shards called ${shardName(split, 0)} and so on`,
      (shards) => shards.every(({ name }, i) => name === shardName(split, i)),
    ),
  });

const indexSchema = object<ShardIndex>({
  format: oneOf(indexFormat),
  size: whole(1),
  classes: list(object<ShardClass>({ id: text, name: text })),
  train: splitSchema('train'),
  validation: nullable(splitSchema('validation')),
  mean: sha256Schema,
  colours: object<ShardIndex['colours']>({ mean: tripleSchema, ...pcaFields }),
});

/** Reads a record. @throws {DataError} for anything else. */
export function parseRecord(path: string, json: string): ShardRecord {
  return parseJson(json, path, recordSchema);
}

/** Reads index.json. @throws {DataError} for anything else, or classes that aren't sorted and different. */
export function parseIndex(path: string, json: string): ShardIndex {
  const index = parseJson(json, path, indexSchema);
  for (const [i, { id }] of index.classes.entries()) {
    const before = index.classes[i - 1]?.id;
    if (before === undefined || id > before) continue;
    const [first, second] = [printable(before), printable(id)];
    throw new DataError(
      id === before
        ? `${path}: two classes are called ${second}`
        : `${path}: its classes aren't in sorted order (${first}, ${second})`,
    );
  }
  return index;
}
