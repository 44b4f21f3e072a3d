/**
 * Shards: prepared pictures as they lie on disk, a folder of
 *
 *   train-00000.bin    pictures one after the other, each raw bytes [3, size, size]: red, green, blue plane, 0-255
 *   train-00000.json   the record of what that file holds: for each picture its source's name, its class's id and
 *                      the checksum of its bytes; what was refused, and what was converted oddly; and `source`, a
 *                      SHA-256 of the list of files it was made from, by which a restart knows its own work
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
import { reasonOf } from '../files.js';

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
  readonly images: readonly ShardImage[];
  readonly odd: readonly Remark[];
  readonly refused: readonly Remark[];
}

/** A class: its id, and what people call it. */
export interface ShardClass {
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
  readonly colours: {
    readonly mean: readonly number[];
    readonly covariance: readonly (readonly number[])[];
    readonly values: readonly number[];
    readonly vectors: readonly (readonly number[])[];
  };
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

/** Reads a record. @throws {DataError} for anything else. */
export function parseRecord(path: string, text: string): ShardRecord {
  const value = parseJson(path, text);
  const isRemark = (x: unknown): x is Remark => isList(x, isString) && x.length === 2;
  if (
    isObject(value) &&
    value.format === recordFormat &&
    isCount(value.size) &&
    isString(value.source) &&
    isList(value.images, isImage) &&
    isList(value.odd, isRemark) &&
    isList(value.refused, isRemark)
  ) {
    const { size, source, images, odd, refused } = value;
    return { format: recordFormat, size, source, images, odd, refused };
  }
  throw new DataError(`${path}: not the record of a shard (${recordFormat}), or damaged`);
}

/** Reads index.json. @throws {DataError} for anything else, or classes that aren't sorted and different. */
export function parseIndex(path: string, text: string): ShardIndex {
  const value = parseJson(path, text);
  if (isObject(value) && isString(value.format) && value.format !== indexFormat) {
    throw new DataError(`${path}: format ${value.format}, only ${indexFormat} is read`);
  }
  if (
    !isObject(value) ||
    value.format !== indexFormat ||
    !isCount(value.size) ||
    !isList(value.classes, isClass) ||
    !isSplit(value.train) ||
    !(value.validation === null || isSplit(value.validation)) ||
    !isString(value.mean) ||
    !isColours(value.colours)
  ) {
    throw new DataError(`${path}: not the index of a folder of shards (${indexFormat}), or damaged`);
  }
  const { size, classes, train, validation, mean, colours } = value;
  for (const [i, { id }] of classes.entries()) {
    if (i > 0 && id === classes[i - 1]!.id) throw new DataError(`${path}: two classes are called ${id}`);
    if (i > 0 && id < classes[i - 1]!.id) {
      throw new DataError(`${path}: its classes aren't in sorted order (${classes[i - 1]!.id}, ${id})`);
    }
  }
  return { format: indexFormat, size, classes, train, validation, mean, colours };
}

function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new DataError(`${path}: damaged: ${reasonOf(error)}`, { cause: error });
  }
}

const isObject = (x: unknown): x is Record<string, unknown> => typeof x === 'object' && x !== null;
const isString = (x: unknown): x is string => typeof x === 'string';
const isNumber = (x: unknown): x is number => typeof x === 'number';
const isCount = (x: unknown): x is number => isNumber(x) && Number.isSafeInteger(x) && x >= 0;

function isList<T>(x: unknown, isItem: (item: unknown) => item is T): x is readonly T[] {
  return Array.isArray(x) && x.every(isItem);
}

function isImage(x: unknown): x is ShardImage {
  return Array.isArray(x) && x.length === 3 && isString(x[0]) && isString(x[1]) && isCount(x[2]);
}

function isClass(x: unknown): x is ShardClass {
  return isObject(x) && isString(x.id) && isString(x.name);
}

function isSplit(x: unknown): x is SplitIndex {
  const isShard = (s: unknown): s is SplitIndex['shards'][number] =>
    isObject(s) && isString(s.name) && isCount(s.images) && isString(s.sha256);
  return isObject(x) && isCount(x.images) && isList(x.perClass, isCount) && isList(x.shards, isShard);
}

function isColours(x: unknown): x is ShardIndex['colours'] {
  const isTriple = (t: unknown): t is readonly number[] => isList(t, isNumber) && t.length === 3;
  const isMatrix = (m: unknown): m is readonly (readonly number[])[] => isList(m, isTriple) && m.length === 3;
  return (
    isObject(x) && isTriple(x.mean) && isMatrix(x.covariance) && isTriple(x.values) && isMatrix(x.vectors)
  );
}
