/**
 * Checkpoints: one safetensors file that holds all a run needs to go on bit for bit.
 *
 * Tensors: each parameter under its name (`conv1.weight`, towers joined, so that any placement can load it), its
 * velocity under `velocity.` + name, and `mean`, the mean training image. Metadata: everything else, as JSON, and the
 * seal of it all (data/sealed.ts).
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { DataError } from '../core/errors.js';
import { throwNaming, writeWhole } from '../data/files.js';
import { type Pca, pcaSchema } from '../data/images/pca.js';
import { encodeSealed, unseal } from '../data/sealed.js';
import { parseJson, type Schema, shown } from '../formats/json.js';
import { decodeSafetensors, type SafetensorsFile } from '../formats/safetensors.js';
import { type HostTensor, readBelonging, type StateDict, writeBelonging } from '../nn/module.js';
import { type RunDescription, runSchema, stateSchema } from './description.js';
import { firstNotFinite, type Trainer, type TrainerState } from './trainer.js';

const format = 'tandem-checkpoint-1';
const velocityPrefix = 'velocity.';

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
  await writeWhole(path, encodeSealed({ tensors, metadata }));
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
  const { tensors, metadata } = verified(decodeSafetensors(bytes, path), path);
  const read = <T>(what: 'run' | 'state' | 'pca', schema: Schema<T>): T =>
    parseJson(metadata[what] ?? 'null', `${path}: ${what}`, schema);
  const run = read('run', runSchema);
  const state = read('state', stateSchema);
  const pca = read('pca', pcaSchema);
  const parameters = new Map<string, HostTensor>();
  const velocities = new Map<string, HostTensor>();
  for (const [name, tensor] of tensors) {
    if (name.startsWith(velocityPrefix)) velocities.set(name.slice(velocityPrefix.length), tensor);
    else if (name !== 'mean') parameters.set(name, tensor);
  }
  const { shape: [, height, width] = [], data: mean } = tensors.get('mean') ?? {};
  const { imageSize } = run.recipe;
  if (!(mean instanceof Float32Array) || height !== imageSize || width !== imageSize) {
    throw new DataError(`${path}: the checkpoint lacks a mean image of side ${imageSize}`);
  }
  return { run, state, parameters, velocities, mean, pca };
}

/** A checkpoint's file, once its checksum is right. @throws {DataError} when it isn't, or it's another kind of file. */
function verified(file: SafetensorsFile, path: string): SafetensorsFile {
  const { tensors, metadata } = file;
  if (metadata.format !== format) {
    const found = metadata.format ? `its format is ${shown(metadata.format)}` : 'it names no format';
    throw new DataError(`${path}: not a checkpoint of a training run: ${found}, expected ${format}`);
  }
  const { checksum, ...text } = metadata;
  if (checksum === undefined) return unseal(file, path);
  if (checksum === earlierChecksum(tensors, text)) return { tensors, metadata: text };
  throw new DataError(`${path}: damaged: its contents don't match their checksum`);
}

/** The checksum of checkpoints from before they were sealed: shapes and types of numbers aren't in it. */
function earlierChecksum(tensors: StateDict, metadata: Readonly<Record<string, string>>): string {
  const hash = createHash('sha256');
  for (const name of Object.keys(metadata).sort()) hash.update(`${name}=${metadata[name]}\n`);
  for (const name of [...tensors.keys()].sort()) {
    const { data } = tensors.get(name)!;
    hash.update(`${name}\n`).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex');
}
