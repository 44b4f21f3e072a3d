/**
 * Opening a folder of shards (shard-format.ts): index, records and files must agree, or it's an error that says where
 * they don't and what to do about it.
 */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '../../core/errors.js';
import { sameShape } from '../../core/shape.js';
import { decodeSafetensors } from '../../formats/safetensors.js';
import { throwNaming } from '../files.js';
import type { Mean } from '../images/mean.js';
import { pcaOf } from '../images/pca.js';
import { mapLimited } from '../parallel.js';
import { PictureSet } from '../pictures.js';
import { filesAtOnce, type Pictures, type Shard, ShardPictures } from './shardDataset.js';
import {
  firstDamaged,
  parseIndex,
  parseRecord,
  type ShardIndex,
  type ShardRecord,
  type SplitIndex,
  type SplitName,
  sha256,
  shardFiles,
} from './shardFormat.js';

/** A folder of shards, opened. */
interface OpenedShards {
  readonly index: ShardIndex;
  readonly train: PictureSet;
  readonly validation: PictureSet | undefined;
  /** Of the training pictures. */
  readonly mean: Mean;
}

/** What to do about a damaged folder of shards. */
export const wayOut = 'run prepare again into the same folder: it makes only what is missing or damaged';

/**
 * Opens a folder of shards.
 * @throws {DataError} when index, records and files disagree, naming where.
 */
export async function openShards(folder: string): Promise<OpenedShards> {
  const indexPath = join(folder, shardFiles.index);
  const index = parseIndex(indexPath, await readText(indexPath));
  const splitOf = async (part: SplitName, split: SplitIndex): Promise<PictureSet> => {
    const classes = index.classes.map(({ id }) => id);
    const pictures = await readPictures(folder, index, split);
    const source = new ShardPictures(index.size, pictures);
    return new PictureSet(`${folder} (${part})`, classes, source, pictures.labels);
  };
  return {
    index,
    train: await splitOf('train', index.train),
    validation: index.validation ? await splitOf('validation', index.validation) : undefined,
    mean: await readMean(folder, index),
  };
}

async function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(throwNaming(path, "can't be read", wayOut));
}

async function readPictures(folder: string, index: ShardIndex, split: SplitIndex): Promise<Pictures> {
  const imageBytes = 3 * index.size * index.size;
  const records = await mapLimited(split.shards, filesAtOnce, async ({ name, images, sha256: expected }) => {
    const path = join(folder, `${name}.json`);
    const text = await readText(path);
    if (sha256(text) !== expected) {
      throw new DataError(`${path}: isn't the record that ${shardFiles.index} names; ${wayOut}`);
    }
    const record = parseRecord(path, text);
    if (record.size !== index.size || record.images.length !== images) {
      throw new DataError(
        `${path}: ${record.images.length} pictures of side ${record.size}, ` +
          `${shardFiles.index} says ${images} of ${index.size}; ${wayOut}`,
      );
    }
    const file = join(folder, `${name}.bin`);
    const found = await stat(file).catch(() => undefined);
    if (found?.size !== images * imageBytes) {
      const state = found ? `has ${found.size} bytes` : 'is missing';
      throw new DataError(`${file}: ${state}, ${images} pictures take ${images * imageBytes}; ${wayOut}`);
    }
    return record;
  });
  return joinRecords(folder, index, split, records);
}

function joinRecords(
  folder: string,
  index: ShardIndex,
  split: SplitIndex,
  records: readonly ShardRecord[],
): Pictures {
  const numbers = new Map(index.classes.map(({ id }, number) => [id, number]));
  const count = records.reduce((sum, { images }) => sum + images.length, 0);
  const shards: Shard[] = [];
  const names: string[] = [];
  const labels = new Int32Array(count);
  const checksums = new Uint32Array(count);
  const perClass = index.classes.map(() => 0);
  for (const [i, { images }] of records.entries()) {
    const { name: shard } = split.shards[i]!;
    shards.push({ path: join(folder, `${shard}.bin`), start: names.length });
    for (const [name, id, sum] of images) {
      const label = numbers.get(id);
      if (label === undefined) {
        throw new DataError(
          `${join(folder, `${shard}.json`)}: ${name} is of class ${id}, which ${shardFiles.index} doesn't have; ${wayOut}`,
        );
      }
      labels[names.length] = label;
      checksums[names.length] = sum;
      perClass[label]! += 1;
      names.push(name);
    }
  }
  const differing = perClass.findIndex((images, label) => images !== split.perClass[label]);
  if (count !== split.images || perClass.length !== split.perClass.length || differing >= 0) {
    const where = differing < 0 ? '' : ` (${perClass[differing]} of class ${index.classes[differing]!.id})`;
    throw new DataError(
      `${join(folder, shardFiles.index)}: disagrees with its shards, which hold ${count} pictures${where}; ${wayOut}`,
    );
  }
  return { shards, names, labels, checksums };
}

async function readMean(folder: string, index: ShardIndex): Promise<Mean> {
  const path = join(folder, shardFiles.mean);
  const bytes = await readFile(path).catch(throwNaming(path, "can't be read", wayOut));
  const { shape = [], data: image } = decodeSafetensors(bytes, path).tensors.get('mean') ?? {};
  const { size, colours } = index;
  const isMean = image instanceof Float32Array && sameShape(shape, [3, size, size]);
  if (sha256(bytes) !== index.mean || !isMean) {
    throw new DataError(`${path}: isn't the mean that ${shardFiles.index} names; ${wayOut}`);
  }
  const pca = pcaOf(colours.covariance);
  // Two statements of one thing, of which a damaged file would change one; rounding may differ by version.
  const limit = 1e-6 * (1 + pca.values[0]);
  if (!pca.values.every((value, k) => Math.abs(value - colours.values[k]!) <= limit)) {
    throw new DataError(
      `${join(folder, shardFiles.index)}: the components of its colours aren't those of their covariance; ${wayOut}`,
    );
  }
  return { image, channels: colours.mean, count: index.train.images, pca };
}

/**
 * Reads every picture of every shard and compares its checksum.
 * @returns the damaged ones: shard file, and the first picture in it that is damaged.
 * @throws {DataError} when the folder can't even be opened.
 */
export async function verifyShards(
  folder: string,
  onProgress: (done: number, total: number) => void = () => {},
): Promise<{ file: string; picture: string }[]> {
  const { index } = await openShards(folder);
  const shards = [index.train, ...(index.validation ? [index.validation] : [])].flatMap((s) => s.shards);
  const total = shards.reduce((sum, { images }) => sum + images, 0);
  let done = 0;
  const checked = await mapLimited(shards, 2, async ({ name, images }) => {
    const [path, file] = [join(folder, `${name}.json`), join(folder, `${name}.bin`)];
    const record = parseRecord(path, await readText(path));
    const at = firstDamaged(await readFile(file).catch(throwNaming(file, "can't be read")), record);
    done += images;
    onProgress(done, total);
    return at < 0 ? [] : [{ file, picture: record.images[at]![0] }];
  });
  return checked.flat();
}
