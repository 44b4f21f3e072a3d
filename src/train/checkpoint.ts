/**
 * Checkpoints: one sealed safetensors file that holds all a training needs to go on bit for bit.
 *
 * A checkpoint is made of named parts. Tensors go by their part's name and their own: `model.conv1.weight`,
 * `optimizer.velocity.conv1.weight`. Text: `format`; `about`, what the program says of the run, as JSON; and `parts`,
 * the parts' names with their JSON. The seal (data/sealed.ts) covers all of it, and no number is NaN or infinite.
 */
import { readFile } from 'node:fs/promises';
import { ArgumentError, DataError } from '../core/errors.js';
import type { HostTensor, PartState } from '../core/state.js';
import { throwNaming, writeWhole } from '../data/files.js';
import { encodeSealed, unseal } from '../data/sealed.js';
import { anything, parseJson, record, shown } from '../formats/json.js';
import { decodeSafetensors, type SafetensorsFile } from '../formats/safetensors.js';
import { DivergedError, firstNotFinite } from './diverged.js';

const format = 'tandem-checkpoint-2';

/** A checkpoint, read or to be written. */
export interface Checkpoint {
  /** What the program says of the run: a value that JSON can hold. */
  readonly about: unknown;
  readonly parts: ReadonlyMap<string, PartState>;
}

/** Reads a checkpoint of another format. @param path for messages */
export type CheckpointReader = (file: SafetensorsFile, path: string) => Checkpoint | Promise<Checkpoint>;

/**
 * Writes a checkpoint whole; the old one is untouched if that fails.
 * @throws {DivergedError} when a tensor holds NaN or infinity: nobody could go on from there.
 * @throws {DataError} when the file can't be written.
 */
export async function writeCheckpoint(path: string, checkpoint: Checkpoint): Promise<void> {
  await writeWhole(path, encodeCheckpoint(checkpoint));
}

/** The pieces of a checkpoint's file. @throws {DivergedError} when a tensor holds NaN or infinity */
export function encodeCheckpoint({ about, parts }: Checkpoint): Uint8Array[] {
  const tensors = new Map<string, HostTensor>();
  const json: [string, unknown][] = [];
  for (const [part, state] of parts) {
    for (const [name, tensor] of state.tensors ?? []) tensors.set(`${part}.${name}`, tensor);
    json.push([part, state.json ?? null]);
  }
  const bad = firstNotFinite(tensors);
  if (bad !== undefined) throw new DivergedError(`training diverged: ${bad} holds NaN or infinity`);
  const metadata = {
    format,
    about: toJson('about', about ?? null),
    parts: toJson('parts', Object.fromEntries(json)),
  };
  return encodeSealed({ tensors, metadata });
}

/**
 * Reads a checkpoint.
 * @param earlier readers of other formats that are taken too, by name
 * @throws {DataError} when the file is missing, damaged, or not a checkpoint.
 */
export async function readCheckpoint(
  path: string,
  earlier: Readonly<Record<string, CheckpointReader>> = {},
): Promise<Checkpoint> {
  const bytes = await readFile(path).catch(throwNaming(path, "can't be read"));
  const file = decodeSafetensors(bytes, path);
  const found = file.metadata.format ?? '';
  return Object.hasOwn(earlier, found) ? earlier[found]!(file, path) : checkpointIn(file, path);
}

/** A checkpoint from its file's bytes. @param path for messages @throws {DataError} when it's damaged, or something else */
export function decodeCheckpoint(bytes: Uint8Array, path: string): Checkpoint {
  return checkpointIn(decodeSafetensors(bytes, path), path);
}

function checkpointIn(file: SafetensorsFile, path: string): Checkpoint {
  const found = file.metadata.format ?? '';
  if (found !== format) {
    const named = found === '' ? 'it names no format' : `its format is ${shown(found)}`;
    throw new DataError(`${path}: not a checkpoint of a training: ${named}, expected ${format}`);
  }
  const { tensors, metadata } = unseal(file, path);
  const json = parseJson(metadata.parts ?? 'null', `${path}: parts`, record(anything));
  const held = new Map(Object.keys(json).map((part) => [part, new Map<string, HostTensor>()]));
  for (const [path_, tensor] of tensors) {
    const dot = path_.indexOf('.');
    const part = held.get(path_.slice(0, dot));
    if (dot < 0 || !part) throw new DataError(`${path}: its tensor ${shown(path_)} belongs to no part`);
    part.set(path_.slice(dot + 1), tensor);
  }
  return {
    about: parseJson(metadata.about ?? 'null', `${path}: about`, anything),
    parts: new Map([...held].map(([part, own]) => [part, { tensors: own, json: json[part] }])),
  };
}

/** JSON without silent losses. @throws {ArgumentError} for a number that JSON can't hold */
function toJson(what: string, value: unknown): string {
  return JSON.stringify(value, (key, item: unknown) => {
    if (typeof item !== 'number' || Number.isFinite(item)) return item;
    throw new ArgumentError(`checkpoint: ${what} holds ${item} at ${shown(key)}, which JSON can't`);
  });
}
