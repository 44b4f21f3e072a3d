/**
 * Checkpoints: one safetensors file that holds all a run needs to go on bit for bit.
 *
 * Tensors: each parameter under its name (`conv1.weight`, towers joined, so that any placement can load it), its
 * velocity under `velocity.` + name, and `mean`, the mean training image. Metadata: everything else, as JSON, and the
 * checksum of it all.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { DataError } from '../core/errors.js';
import { throwNaming, writeWhole } from '../data/files.js';
import type { Pca } from '../data/images/pca.js';
import { decodeSafetensors, encodeSafetensors } from '../formats/safetensors.js';
import { type HostTensor, readBelonging, type StateDict, writeBelonging } from '../nn/module.js';
import type { Recipe } from './recipes.js';
import { firstNotFinite, type Trainer, type TrainerState } from './trainer.js';
import type { Variant } from './variants.js';

const format = 'tandem-checkpoint-1';
const velocityPrefix = 'velocity.';

/** What defines a run, besides the numbers. */
export interface RunDescription {
  /** Name of the network in the catalogue. */
  readonly net: string;
  /** What its tables have differently. */
  readonly variant: Variant;
  readonly recipe: Recipe;
  readonly seed: number;
  readonly classes: readonly string[];
  /** Path of the data, null for the synthetic images; path of separate validation data; and `--limit`. */
  readonly data: string | null;
  readonly validation: string | null;
  readonly limit: number | null;
  /** Number of training images, to notice when the data changed. */
  readonly trainingImages: number;
}

/** What training needs to know of its images. */
export interface ImageStatistics {
  /** The mean image `[3, imageSize, imageSize]`, 0-255. */
  readonly mean: Float32Array;
  /** Principal components of the colours. */
  readonly pca: Pca;
}

/** A checkpoint, read. */
export interface Checkpoint extends ImageStatistics {
  readonly run: RunDescription;
  readonly state: TrainerState;
  readonly parameters: StateDict;
  readonly velocities: StateDict;
}

/**
 * Writes a checkpoint whole; the old one is untouched if that fails.
 * @throws {DivergedError} when a parameter holds NaN or infinity: nobody could go on from there.
 * @throws {DataError} when the file can't be written.
 */
export async function saveCheckpoint(
  path: string,
  trainer: Trainer,
  run: RunDescription,
  { mean, pca }: ImageStatistics,
): Promise<void> {
  const { network, optimizer } = trainer;
  const state = trainer.state();
  const tensors = new Map<string, HostTensor>(await network.stateDict());
  if (firstNotFinite(tensors) !== undefined) throw await trainer.diverged('nothing was saved');
  const velocities = await readBelonging(network, (x) => optimizer.velocityOf(x));
  for (const [name, velocity] of velocities) tensors.set(velocityPrefix + name, velocity);
  const side = run.recipe.imageSize;
  tensors.set('mean', { shape: [mean.length / side / side, side, side], data: mean });
  const metadata = {
    format,
    run: JSON.stringify(run),
    state: JSON.stringify(state),
    pca: JSON.stringify(pca),
  };
  const checksum = checksumOf(tensors, metadata);
  await writeWhole(path, encodeSafetensors({ tensors, metadata: { ...metadata, checksum } }));
}

/** Sets a trainer to a checkpoint. @throws {ArgumentError} when the parameters don't fit; then nothing changed. */
export function restoreCheckpoint(trainer: Trainer, { parameters, velocities, state }: Checkpoint): void {
  trainer.network.loadStateDict(parameters);
  writeBelonging('restoreCheckpoint', trainer.network, velocities, (x) => trainer.optimizer.velocityOf(x));
  trainer.restore(state);
}

/**
 * Reads a checkpoint.
 * @throws {DataError} when the file is missing, cut short, or not a checkpoint of ours.
 */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  const bytes = await readFile(path).catch(throwNaming(path, "can't be read"));
  const { tensors, metadata } = decodeSafetensors(bytes, path);
  const { checksum, ...text } = metadata;
  if (metadata.format !== format) {
    const found = metadata.format ? `its format is ${metadata.format}` : 'it names no format';
    throw new DataError(`${path}: not a checkpoint of a training run: ${found}, expected ${format}`);
  }
  if (checksum !== undefined && checksum !== checksumOf(tensors, text)) {
    throw new DataError(`${path}: damaged: its contents don't match their checksum; take another checkpoint`);
  }
  const run = parse<RunDescription>(path, 'run', metadata.run, [
    'net',
    'variant',
    'recipe',
    'seed',
    'classes',
    'trainingImages',
  ]);
  const state = parse<TrainerState>(path, 'state', metadata.state, [
    'epoch',
    'batch',
    'totals',
    'stream',
    'schedule',
  ]);
  const pca = parse<Pca>(path, 'pca', metadata.pca, ['covariance', 'values', 'vectors']);
  const parameters = new Map<string, HostTensor>();
  const velocities = new Map<string, HostTensor>();
  for (const [name, tensor] of tensors) {
    if (name.startsWith(velocityPrefix)) velocities.set(name.slice(velocityPrefix.length), tensor);
    else if (name !== 'mean') parameters.set(name, tensor);
  }
  const mean = tensors.get('mean')?.data;
  if (!(mean instanceof Float32Array)) throw new DataError(`${path}: the checkpoint lacks the mean image`);
  return { run, state, parameters, velocities, mean, pca };
}

/** SHA-256 of all tensors and texts with their names, in the order of the names. */
function checksumOf(tensors: StateDict, metadata: Readonly<Record<string, string>>): string {
  const hash = createHash('sha256');
  for (const name of Object.keys(metadata).sort()) hash.update(`${name}=${metadata[name]}\n`);
  for (const name of [...tensors.keys()].sort()) {
    const { data } = tensors.get(name)!;
    hash.update(`${name}\n`).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex');
}

/** JSON of our own making: checked for the fields we can't do without. */
function parse<T>(
  path: string,
  what: string,
  text: string | undefined,
  fields: readonly (keyof T & string)[],
): T {
  let value: T | null = null;
  try {
    value = JSON.parse(text ?? 'null');
  } catch {
    // Reported below, like an absent one.
  }
  const missing = fields.filter((field) => value === null || typeof value !== 'object' || !(field in value));
  if (value === null || missing.length > 0) {
    throw new DataError(`${path}: the checkpoint's ${what} lacks ${missing.join(', ')}`);
  }
  return value;
}
