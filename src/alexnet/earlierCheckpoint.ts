/**
 * Checkpoints of the format before training had parts: the same numbers under other names.
 *
 * Tensors: each parameter under its name, its velocity under `velocity.` + name, and `mean`. Text: `run`, `state`, `pca`
 * as JSON; a seal (data/sealed.ts), or in the oldest files a checksum of names, texts and bytes alone. What the epochs
 * came to was in the log beside the file only.
 */
import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import { DataError } from '../core/errors.js';
import type { HostTensor, PartState, StateDict } from '../core/state.js';
import { pcaSchema } from '../data/images/pca.js';
import { unseal } from '../data/sealed.js';
import { nullable, number, object, parseJson, type Schema, whole } from '../formats/json.js';
import type { SafetensorsFile } from '../formats/safetensors.js';
import type { Checkpoint } from '../train/checkpoint.js';
import { readLogLines } from '../train/runFolder.js';
import { runSchema } from './description.js';
import { logLineSchema, recordOf } from './log.js';

/** The format's name. */
export const earlierFormat = 'tandem-checkpoint-1';

const velocityPrefix = 'velocity.';

/** Where training stood; `stream` counts the masks of dropout that were drawn. */
const stateSchema = object({
  epoch: whole(),
  batch: whole(),
  totals: object({ images: whole(), loss: number(), wrong: number(0) }),
  stream: whole(),
  schedule: object({ factor: number(0), drops: whole(), best: nullable(number()), stalled: whole() }),
});

/** Reads one as parts. @param path of the file, for messages and for its log @throws {DataError} when it's damaged */
export async function readEarlier(file: SafetensorsFile, path: string): Promise<Checkpoint> {
  const { tensors, metadata } = verified(file, path);
  const read = <T>(what: 'run' | 'state' | 'pca', schema: Schema<T>): T =>
    parseJson(metadata[what] ?? 'null', `${path}: ${what}`, schema);
  const run = read('run', runSchema);
  const { epoch, batch, totals, stream, schedule } = read('state', stateSchema);
  const pca = read('pca', pcaSchema);
  const parameters = new Map<string, HostTensor>();
  const velocities = new Map<string, HostTensor>();
  const images = new Map<string, HostTensor>();
  for (const [name, tensor] of tensors) {
    const part = name.startsWith(velocityPrefix) ? velocities : name === 'mean' ? images : parameters;
    part.set(name, tensor);
  }
  const { images: count, loss, wrong } = totals;
  const batches = Math.ceil(run.trainingImages / run.recipe.batchSize);
  const sums = count > 0 ? { loss, error: wrong } : {};
  const history = await historyOf(path, epoch);
  const parts: [string, PartState][] = [
    ['model', { tensors: parameters }],
    ['optimizer', { tensors: velocities, json: { steps: epoch * batches + batch } }],
    ['schedule', { json: schedule }],
    ['random', { json: { seed: run.seed, stream } }],
    ['data', { tensors: images, json: pca }],
    [
      'fit',
      { json: { epoch, batch, batches: batch > 0 ? batches : null, count, sums, stopped: false, history } },
    ],
  ];
  return { about: run, parts: new Map(parts) };
}

/** What the epochs came to, by the lines of the log beside the file that are whole. */
async function historyOf(path: string, epochs: number): Promise<unknown[]> {
  const records = new Map<number, unknown>();
  for (const line of await readLogLines(dirname(path)).catch((): string[] => [])) {
    try {
      const parsed = parseJson(line, 'log', logLineSchema);
      if (parsed.epoch <= epochs) records.set(parsed.epoch, recordOf(parsed));
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
    }
  }
  return [...records.values()];
}

/** A file once its checksum is right. @throws {DataError} when it isn't. */
function verified(file: SafetensorsFile, path: string): SafetensorsFile {
  const { tensors, metadata } = file;
  const { checksum, ...text } = metadata;
  if (checksum === undefined) return unseal(file, path);
  if (checksum === oldestChecksum(tensors, text)) return { tensors, metadata: text };
  throw new DataError(`${path}: damaged: its contents don't match their checksum`);
}

/** The checksum of files from before they were sealed: shapes and types of numbers aren't in it. */
function oldestChecksum(tensors: StateDict, metadata: Readonly<Record<string, string>>): string {
  const hash = createHash('sha256');
  for (const name of Object.keys(metadata).sort()) hash.update(`${name}=${metadata[name]}\n`);
  for (const name of [...tensors.keys()].sort()) {
    const { data } = tensors.get(name)!;
    hash.update(`${name}\n`).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex');
}
