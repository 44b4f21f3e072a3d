/**
 * Checkpoints of runs, read for what the commands need of them: what was trained how, the parameters, and what training
 * knows of its images. The file is that of any training (train/checkpoint.ts); its parts are `model`, `optimizer`,
 * `schedule`, `random`, `fit`, and `data`: the mean image and the colours' principal components.
 */
import { DataError } from '../core/errors.js';
import type { PartState } from '../core/state.js';
import { type Pca, pcaSchema } from '../data/images/pca.js';
import { checkJson, nullable, object, whole } from '../formats/json.js';
import type { StateDict } from '../nn/module.js';
import { type Checkpoint, readCheckpoint } from '../train/checkpoint.js';
import { findCheckpoint } from '../train/runFolder.js';
import { type RunDescription, runSchema } from './description.js';
import { earlierFormat, readEarlier } from './earlierCheckpoint.js';

/** What training needs to know of its images. */
export interface ImageStatistics {
  /** The mean image `[3, imageSize, imageSize]`, 0-255. */
  readonly mean: Float32Array;
  /** Principal components of the colours. */
  readonly pca: Pca;
}

/** A checkpoint, read. */
export interface RunCheckpoint extends ImageStatistics {
  readonly run: RunDescription;
  /** Epochs finished, and batches done of the next one. */
  readonly state: { readonly epoch: number; readonly batch: number };
  /** Towers joined, by name. */
  readonly parameters: StateDict;
  /** Everything, to go on from. */
  readonly parts: ReadonlyMap<string, PartState>;
}

const placeSchema = object<RunCheckpoint['state']>({ epoch: whole(), batch: whole() });

/**
 * Reads a checkpoint, of earlier formats as well.
 * @throws {DataError} when the file is missing, cut short, or not a checkpoint of a run.
 */
export async function readRunCheckpoint(path: string): Promise<RunCheckpoint> {
  return describe(await readCheckpoint(path, { [earlierFormat]: readEarlier }), path);
}

/**
 * A run's checkpoint: a file, or a run's folder, whose `preferred` one is taken (the last where there is no best one).
 * @throws {DataError} when there is none, or it is damaged.
 */
export async function openCheckpoint(
  path: string,
  preferred: 'last' | 'best' = 'last',
): Promise<{ checkpoint: RunCheckpoint; folder: string; file: string }> {
  const { file, folder } = await findCheckpoint(path, preferred);
  return { checkpoint: await readRunCheckpoint(file), folder, file };
}

function describe({ about, parts }: Checkpoint, path: string): RunCheckpoint {
  const run = checkJson(about, `${path}: run`, runSchema);
  const part = (name: string): PartState => {
    const found = parts.get(name);
    if (!found) throw new DataError(`${path}: the checkpoint has no part '${name}'`);
    return found;
  };
  const images = part('data');
  const { shape: [, height, width] = [], data: mean } = images.tensors?.get('mean') ?? {};
  const { imageSize } = run.recipe;
  if (!(mean instanceof Float32Array) || height !== imageSize || width !== imageSize) {
    throw new DataError(`${path}: the checkpoint lacks a mean image of side ${imageSize}`);
  }
  const pca = checkJson(images.json, `${path}: colours`, nullable(pcaSchema));
  if (!pca) throw new DataError(`${path}: the checkpoint lacks the colours' components`);
  const { epoch, batch } = checkJson(part('fit').json, `${path}: where training stands`, placeSchema);
  return { run, state: { epoch, batch }, parameters: part('model').tensors ?? new Map(), mean, pca, parts };
}
