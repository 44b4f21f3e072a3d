/**
 * Preparing a data set, as the paper did (section 2): every image's shorter side becomes 256 pixels, the central
 * 256x256 are cut out and stored as raw bytes in shards (data/shard-format.ts), with the mean training picture and
 * the principal components of the colours.
 *
 * Files are sorted by class and name and parted into shards of `shardImages` files, so that what a shard holds
 * depends on neither the number of threads nor how often the work was interrupted. A shard's record is written when
 * it's whole; a restart checks the shards that are there, makes the others, and adds all of them up anew. The index is
 * taken away before a shard is made and written last, so a folder with an index is whole.
 */
import { readdir, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { ArgumentError, DataError } from '../../core/errors.js';
import { encodeSafetensors } from '../../formats/safetensors.js';
import { describeUnreadable } from '../dataset.js';
import { makeFolder, throwNaming, writeWhole } from '../files.js';
import { type JpegDecoderName, resolveDecoder } from '../images/jpeg/turbo.js';
import { type Mean, Moments } from '../images/mean.js';
import { isLockName, lockFolder } from '../lock.js';
import { mapLimited } from '../parallel.js';
import type { PictureSet } from '../pictures.js';
import {
  indexFormat,
  type ShardIndex,
  type SplitIndex,
  type SplitName,
  sha256,
  shardFiles,
  shardName,
} from '../shards/shardFormat.js';
import { openSets, type SetOptions, type Sets } from '../sources/sets.js';
import { keptShard, type MadeShard, makeShard, readRecord, type ShardPlan } from './convert.js';
import { reportText, type SplitSummary, summarize } from './report.js';

/** Shards in memory at once: while one is written the next is decoded. */
const shardsAtOnce = 2;

/** Largest shard, bytes: it's held in memory and read at once. */
const maxShard = 2 ** 30;

/** Who is told how it goes. */
interface PrepareListener {
  /** Pictures were found and labelled; converting begins. */
  readonly found: (sets: Sets) => void;
  /** Files done since the last call, `kept` of an earlier run or converted now. */
  readonly done: (count: number, kept: boolean) => void;
}

/** Options of `prepare`. */
export interface PrepareOptions extends Omit<SetOptions, 'side' | 'jpegDecoder'> {
  /** Folder or archive of the training images, or of everything; of any format. */
  readonly data: string;
  /** Folder of the shards; made if absent. */
  readonly out: string;
  /** Side of the pictures, default 256. */
  readonly size?: number;
  /** Files in a shard, default 512. */
  readonly shardImages?: number;
  /** Decoding threads; default: one for each core, at most 8. */
  readonly workers?: number | undefined;
  /**
   * What decodes ordinary JPEGs: jpeg-js (the default), libjpeg-turbo (an optional package, several times as fast, whose
   * pictures differ a little), or `auto`, which is libjpeg-turbo where it is installed.
   */
  readonly decoder?: JpegDecoderName | 'auto';
  readonly listener?: PrepareListener;
}

/** What came of it. */
export interface Prepared {
  readonly index: ShardIndex;
  readonly mean: Mean;
  readonly summaries: readonly SplitSummary[];
  readonly notes: readonly string[];
}

/**
 * Prepares a data set, or goes on where an earlier call was interrupted.
 * @throws {DataError} when the images can't be found or labelled, none can be read, or the disk is full.
 * @throws {ArgumentError} for a size or number that can't be, a folder that holds something else, or shards
 * that another decoder made, and for a decoder that isn't installed.
 * @throws {LockedError} while another process prepares there.
 */
export async function prepare(options: PrepareOptions): Promise<Prepared> {
  const { out, size = 256, shardImages = 512 } = options;
  for (const [name, value] of Object.entries({ size, shardImages, workers: options.workers ?? 1 })) {
    if (!Number.isInteger(value) || value < 1) {
      throw new ArgumentError(`prepare: ${name} ${value} isn't a positive integer`);
    }
  }
  const shardBytes = shardImages * 3 * size * size;
  if (shardBytes > maxShard) {
    throw new ArgumentError(
      `prepare: ${shardImages} images of side ${size} make shards of ${shardBytes} bytes, at most ${maxShard} are allowed: ` +
        'put fewer images into a shard',
    );
  }
  const decoder = resolveDecoder(options.decoder ?? 'jpeg-js');
  await openFolder(out);
  const lock = await lockFolder(out);
  try {
    await checkDecoder(out, decoder.mark);
    const sets = await openSets(options.data, { ...options, side: size, jpegDecoder: decoder.name });
    return await makeShards(sets, options, { size, shardImages, decoder: decoder.mark }).finally(() =>
      sets.close(),
    );
  } finally {
    await lock.release();
  }
}

async function makeShards(
  sets: Sets,
  { out, data, validation: other, listener }: PrepareOptions,
  { size, shardImages, decoder }: { size: number; shardImages: number; decoder: string | undefined },
): Promise<Prepared> {
  listener?.found(sets);
  const classNames = sets.classes.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const classes = classNames.map(({ id }) => id);
  const plansOf = (split: SplitName, pictures: PictureSet | undefined): ShardPlan[] => {
    if (!pictures) return [];
    // Shards number classes in the order of their ids, which a format's own numbers needn't follow.
    const numbers = pictures.classes.map((id) => classes.indexOf(id));
    const set = pictures.relabelled(classes, numbers);
    const order = inOrder(set);
    return Array.from({ length: Math.ceil(order.length / shardImages) }, (_, i) => ({
      name: shardName(split, i),
      split,
      set,
      indices: order.slice(i * shardImages, (i + 1) * shardImages),
      classes,
      size,
      decoder,
    }));
  };
  const plans = { train: plansOf('train', sets.train), validation: plansOf('validation', sets.validation) };
  const all = [...plans.train, ...plans.validation];
  await removeStale(out, new Set(all.map(({ name }) => name)));
  await checkSpace(out, all);

  const moments = new Moments([3, size, size]);
  const make = async (plan: ShardPlan): Promise<Omit<MadeShard, 'images'>> => {
    const kept = await keptShard(out, plan);
    if (kept) listener?.done(plan.indices.length, true);
    else await rm(join(out, shardFiles.index), { force: true });
    const made = kept ?? (await makeShard(out, plan, (count) => listener?.done(count, false)));
    if (plan.name.startsWith('train')) moments.add(made.images);
    return { record: made.record, sha256: made.sha256 };
  };
  const made = await mapLimited(all, shardsAtOnce, make);
  const [train, validation] = [made.slice(0, plans.train.length), made.slice(plans.train.length)];
  checkReadable(data, 'training', train);
  checkReadable(other ?? data, 'validation', validation);
  const mean = moments.mean(data);
  const summaries = [
    summarize(
      'train',
      train.map(({ record }) => record),
    ),
  ];
  if (validation.length > 0)
    summaries.push(
      summarize(
        'validation',
        validation.map(({ record }) => record),
      ),
    );
  const tensors = new Map([['mean', { shape: [3, size, size], data: mean.image }]]);
  const meanFile = encodeSafetensors({ tensors, metadata: {} });
  const { covariance, values, vectors } = mean.pca;
  const index: ShardIndex = {
    format: indexFormat,
    size,
    classes: classNames,
    train: splitIndex(classes, plans.train, train),
    validation: validation.length > 0 ? splitIndex(classes, plans.validation, validation) : null,
    mean: sha256(...meanFile),
    colours: { mean: mean.channels, covariance, values, vectors },
  };
  const notes = [...sets.notes, ...emptyClasses(index)];
  if (decoder !== undefined) notes.push(`JPEGs were decoded by ${decoder}`);
  if (!sets.validation)
    notes.push('no validation images: part of the training images will be held out when training');
  await writeWhole(join(out, shardFiles.mean), meanFile);
  await writeWhole(join(out, shardFiles.report), [reportText(summaries, notes)]);
  await writeWhole(join(out, shardFiles.index), [`${JSON.stringify(index, null, 1)}\n`]);
  return { index, mean, summaries, notes };
}

/** The pictures of a set by class and name. */
function inOrder(set: PictureSet): number[] {
  const order = Array.from(set.labels, (label, index) => ({ index, label, path: set.pathInClass(index) }));
  const byPath = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
  return order.sort((a, b) => a.label - b.label || byPath(a.path, b.path)).map(({ index }) => index);
}

function splitIndex(
  classes: readonly string[],
  plans: readonly ShardPlan[],
  made: readonly Omit<MadeShard, 'images'>[],
): SplitIndex {
  const counts = new Map(classes.map((id) => [id, 0]));
  for (const { record } of made) {
    for (const [, id] of record.images) counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  const perClass = [...counts.values()];
  return {
    images: perClass.reduce((sum, n) => sum + n, 0),
    perClass,
    shards: made.map(({ record, sha256: hash }, i) => ({
      name: plans[i]!.name,
      images: record.images.length,
      sha256: hash,
    })),
  };
}

/** @throws {DataError} when there are images of a part, and none could be read. */
function checkReadable(path: string, part: string, made: readonly Pick<MadeShard, 'record'>[]): void {
  if (made.length === 0 || made.some(({ record }) => record.images.length > 0)) return;
  const refused = made.flatMap(({ record }) => record.refused.map(([name, reason]) => ({ name, reason })));
  throw new DataError(`${path}: none of the ${part} images can be read: ${describeUnreadable(refused)}`);
}

/** A note on classes none of whose images could be read. */
function emptyClasses({ classes, train }: ShardIndex): string[] {
  const empty = classes.filter((_, i) => train.perClass[i] === 0).map(({ id }) => id);
  return empty.length > 0 ? [`no training image could be read of ${empty.join(', ')}`] : [];
}

const ownFile = /^((train|validation)-\d{5,})\.(bin|json)(\.\d+\.tmp)?$/;

/** Makes the folder of the shards. @throws {ArgumentError} when it holds files that aren't of shards. */
async function openFolder(out: string): Promise<void> {
  await makeFolder(out);
  const others = (await readdir(out).catch(throwNaming(out, "can't be read"))).filter((name) => {
    const whole = name.replace(/\.\d+\.tmp$/, '');
    return (
      !ownFile.test(name) && !isLockName(name) && !Object.values(shardFiles).some((own) => own === whole)
    );
  });
  if (others.length > 0) {
    throw new ArgumentError(
      `${out}: holds other files (${others.slice(0, 3).join(', ')}${others.length > 3 ? ', ...' : ''}); ` +
        'give an empty folder, or one that prepare has begun to fill',
    );
  }
}

/**
 * Shards that two decoders made would hold pictures that differ by who made them.
 * @throws {ArgumentError} when a record in the folder names another decoder.
 */
async function checkDecoder(out: string, decoder: string | undefined): Promise<void> {
  for (const file of await readdir(out)) {
    if (!ownFile.test(file) || !file.endsWith('.json')) continue;
    const record = await readRecord(join(out, file));
    if (!record || record.decoder === decoder) continue;
    throw new ArgumentError(
      `${join(out, file)}: its JPEGs were decoded by ${record.decoder ?? 'jpeg-js'}, this run would decode by ` +
        `${decoder ?? 'jpeg-js'}, which gives slightly other pictures: choose the decoder of the shards, or another folder`,
    );
  }
}

/** Removes files left half written, and shards of an earlier, larger set. */
async function removeStale(out: string, names: ReadonlySet<string>): Promise<void> {
  for (const file of await readdir(out)) {
    const shard = ownFile.exec(file)?.[1];
    if (file.endsWith('.tmp') || (shard !== undefined && !names.has(shard))) {
      await rm(join(out, shardFiles.index), { force: true });
      await rm(join(out, file), { force: true });
    }
  }
}

/** @throws {DataError} when the disk hasn't room for the shards that are missing. */
async function checkSpace(out: string, plans: readonly ShardPlan[]): Promise<void> {
  let needed = 0;
  for (const { name, indices, size } of plans) {
    const present = await stat(join(out, `${name}.bin`)).catch(() => undefined);
    if (!present) needed += indices.length * 3 * size * size;
  }
  const { bavail, bsize } = await statfs(out);
  if (needed > bavail * bsize) {
    const gigabytes = (bytes: number): string => `${(bytes / 1e9).toPrecision(3)} GB`;
    throw new DataError(
      `${out}: the shards need ${gigabytes(needed)} more, ${gigabytes(bavail * bsize)} are free on that disk`,
    );
  }
}
