/**
 * Images as vectors: what the last hidden layer makes of each (AlexNet's 4096 numbers), files of them, and the search
 * for the nearest by L2 distance (the paper's Figure 4, right).
 *
 * A table of features is a .safetensors file, its names within; or a .npy file with the names, one a line, in a text
 * file beside it.
 */
import { readFile } from 'node:fs/promises';
import { ArgumentError, DataError } from '../core/errors.js';
import type { Dataset } from '../data/dataset.js';
import { checkWritable, throwNaming, writeTogether, writeWhole } from '../data/files.js';
import { DecodePool } from '../data/images/decodePool.js';
import { fileDataset } from '../data/images/fileDataset.js';
import { placedBatches } from '../data/loader.js';
import { listImages } from '../data/sources/parts.js';
import { list, parseJson, text } from '../formats/json.js';
import { decodeNpy, encodeNpy } from '../formats/npy.js';
import { printable } from '../formats/printable.js';
import { decodeSafetensors, encodeSafetensors } from '../formats/safetensors.js';
import { inferences } from '../train/inference.js';
import { gatherRows } from '../train/ranks/gathering.js';
import { Ranks } from '../train/ranks/ranks.js';
import type { Classifier } from './classifier.js';

/** Vectors of named images. */
export interface FeatureTable {
  /** `[N]`, paths within the folder. */
  readonly names: readonly string[];
  readonly width: number;
  /** `[N, width]`. */
  readonly vectors: Float32Array;
}

/** Images of a folder or archive, whatever its subfolders are. */
export interface ImageFolder {
  readonly dataset: Dataset;
  /** `[length]`, paths within the folder. */
  readonly names: readonly string[];
  /** Ends the threads that decode. */
  close(): Promise<void>;
}

/**
 * Opens the images of a folder, of an archive, or a single image file.
 * @param side pixels a side that they're resized and cropped to
 * @throws {DataError} when it holds no files.
 */
export async function openImages(path: string, side: number, workers?: number): Promise<ImageFolder> {
  const single = /\.(jpe?g|png)$/i.test(path);
  const entries = single ? [{ name: printable(path), source: { path } }] : await listImages(path);
  const files = entries.map(({ name, source }) => ({ name, inClass: name, source, label: 0 }));
  const pool = new DecodePool(workers);
  return {
    dataset: fileDataset(path, ['image'], files, side, () => pool),
    names: files.map(({ name }) => name),
    close: () => pool.close(),
  };
}

/**
 * The vectors of a data set's readable images, by their centre crops. Of several ranks each looks at its share of the
 * images, and all get the vectors of all.
 * @returns vectors, and the images' places in the data set, rising
 */
export async function vectorsOf(
  classifier: Classifier,
  dataset: Dataset,
  options: { batchSize: number; crop: number },
  onImages: (done: number, of: number) => void = () => {},
  ranks = Ranks.alone(),
): Promise<{ vectors: Float32Array; width: number; indices: number[] }> {
  const { replicas } = ranks;
  const found: Float32Array[] = [];
  const numbers: number[] = [];
  const { network } = classifier;
  const results = inferences(network, placedBatches(dataset, { ...options, share: replicas }), ([, batch]) =>
    network.features(classifier.upload(batch)),
  );
  for await (const { batch, numbers: outputs } of results) {
    const [, { indices }, counts = true] = batch;
    if (!counts) continue;
    const width = outputs.length / indices.length;
    for (const [i, index] of indices.entries()) {
      numbers.push(index);
      found.push(Float32Array.from(outputs.subarray(i * width, (i + 1) * width)));
    }
    onImages(Math.min(numbers.length * replicas.size, dataset.length), dataset.length);
  }
  const { numbers: indices, rows } = await gatherRows(replicas, { numbers, rows: found });
  const width = rows[0]?.length ?? 0;
  const vectors = new Float32Array(rows.length * width);
  for (const [i, row] of rows.entries()) vectors.set(row, i * width);
  return { vectors, width, indices: [...indices] };
}

/** An image among others. */
export interface Neighbour {
  /** Row of the table. */
  readonly row: number;
  readonly distance: number;
}

/**
 * The rows nearest to a vector by L2 distance, nearest first; of equals the earlier row.
 * @throws {ArgumentError} when the vector isn't as wide as the table's.
 */
export function nearest(
  { vectors, width, names }: FeatureTable,
  query: Float32Array,
  count: number,
): Neighbour[] {
  if (query.length !== width) {
    throw new ArgumentError(
      `the query has ${query.length} features, the table ${width}: were they made by another network?`,
    );
  }
  const distances = names.map((_, row) => {
    let sum = 0;
    for (let i = 0, at = row * width; i < width; i++, at++) {
      const difference = vectors[at]! - query[i]!;
      sum += difference * difference;
    }
    return { row, distance: Math.sqrt(sum) };
  });
  return distances.sort((a, b) => a.distance - b.distance || a.row - b.row).slice(0, count);
}

/** Some rows of a table. */
export function pickRows({ names, width, vectors }: FeatureTable, rows: readonly number[]): FeatureTable {
  const picked = new Float32Array(rows.length * width);
  for (const [i, row] of rows.entries()) {
    picked.set(vectors.subarray(row * width, (row + 1) * width), i * width);
  }
  return { names: rows.map((row) => names[row]!), width, vectors: picked };
}

/** The text file of names beside a .npy file. */
export function namesFile(path: string): string {
  return path.replace(/\.npy$/, '.names.txt');
}

/**
 * Finds out whether a table can be written there, before hours are spent on it.
 * @throws {ArgumentError} when the file's name ends neither in .npy nor in .safetensors.
 * @throws {DataError} when the file can't be written.
 */
export async function checkFeaturesFile(path: string): Promise<void> {
  if (!/\.(npy|safetensors)$/.test(path)) {
    throw new ArgumentError(`${path}: features are written as .npy or .safetensors`);
  }
  await checkWritable(path);
}

/** @throws {ArgumentError} for a name that would be two lines of the text file beside a .npy file. */
export function checkNames(path: string, names: readonly string[]): void {
  const broken = names.find((name) => path.endsWith('.npy') && (name.includes('\n') || name.includes('\r')));
  if (broken === undefined) return;
  throw new ArgumentError(
    `${path}: the text file of names can't hold ${printable(broken)}: write the features as .safetensors`,
  );
}

/** Writes a table. @throws as `checkFeaturesFile` and `checkNames` do */
export async function writeFeatures(path: string, { names, width, vectors }: FeatureTable): Promise<void> {
  const tensor = { shape: [names.length, width], data: vectors };
  await checkFeaturesFile(path);
  checkNames(path, names);
  if (path.endsWith('.npy')) {
    const lines = names.map((name) => `${name}\n`).join('');
    await writeTogether([
      [path, encodeNpy(tensor)],
      [namesFile(path), [lines]],
    ]);
  } else {
    const metadata = { names: JSON.stringify(names) };
    await writeWhole(path, encodeSafetensors({ tensors: new Map([['features', tensor]]), metadata }));
  }
}

/** Reads a table. @throws {DataError} when it's damaged or its names are missing. */
export async function readFeatures(path: string): Promise<FeatureTable> {
  const read = (file: string): Promise<Buffer> => readFile(file).catch(throwNaming(file, "can't be read"));
  const bytes = await read(path);
  const isNpy = path.endsWith('.npy');
  const file = isNpy ? null : decodeSafetensors(bytes, path);
  const tensor = file ? file.tensors.get('features') : decodeNpy(bytes, path);
  if (tensor?.shape.length !== 2 || !(tensor.data instanceof Float32Array)) {
    throw new DataError(`${path}: holds no table of features ([images, width] of float32)`);
  }
  const names = file
    ? parseJson(file.metadata.names ?? '[]', `${path}: names`, list(text))
    : (await read(namesFile(path))).toString().split('\n').filter(Boolean);
  const [rows = 0, width = 0] = tensor.shape;
  if (names.length !== rows) {
    throw new DataError(`${path}: ${rows} vectors but ${names.length} names`);
  }
  return { names, width, vectors: tensor.data };
}
