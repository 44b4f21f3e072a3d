/**
 * What commands share that train many networks, a folder each: one that is trained isn't trained again, one that was
 * stopped goes on, and a folder with another run than the one wanted is refused.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { openCheckpoint, type RunCheckpoint } from '../alexnet/checkpoint.js';
import { type RunDescription, tablesOf } from '../alexnet/description.js';
import type { Net } from '../alexnet/recipes.js';
import { type Outcome, type RunOptions, runFiles, runTraining } from '../alexnet/run.js';
import { ArgumentError } from '../core/errors.js';
import { TerminalProgress } from './progress.js';

/** A network to train in a folder. */
interface Wanted extends Pick<RunOptions, 'description' | 'net' | 'devices' | 'data' | 'signal'> {
  readonly out: string;
}

/** What tells runs apart. */
type Sought = Omit<RunDescription, 'classes' | 'trainingImages'>;

/**
 * The checkpoint of a folder, or null of one without a run.
 * @param net whose tables it must have, where they don't follow from the description
 * @throws {ArgumentError} when that is another run
 */
export async function checkpointIn(out: string, wanted: Sought, net?: Net): Promise<RunCheckpoint | null> {
  if (!existsSync(join(out, runFiles.last))) return null;
  const { checkpoint } = await openCheckpoint(out);
  const { run } = checkpoint;
  checkSame(out, run, net ? { ...wanted, tables: tablesOf(net, run.classes.length) } : wanted);
  return checkpoint;
}

/** Whether a checkpoint has all epochs of its run, as it is wanted now. */
export function isDone(found: RunCheckpoint | null, { recipe }: Pick<RunDescription, 'recipe'>): boolean {
  return (found?.state.epoch ?? 0) >= recipe.epochs;
}

/** Trains from where the folder's checkpoint stands. */
export function trainOn(wanted: Wanted, resume: RunCheckpoint | null): Promise<Outcome> {
  const listener = new TerminalProgress(wanted.description.recipe.epochs, (resume?.state.epoch ?? 0) + 1);
  return runTraining({ ...wanted, resume, listener });
}

/** @throws {ArgumentError} when a folder holds a run of something else. */
function checkSame(out: string, found: RunDescription, wanted: Sought): void {
  const keys = ['net', 'variant', 'recipe', 'seed', 'data', 'validation', 'limit'] as const;
  // A checkpoint always has its tables; of a network of the catalogue they follow from name and variant.
  const compared = wanted.tables ? ([...keys, 'tables'] as const) : keys;
  const odd = compared.find((key) => !isDeepStrictEqual(asJson(found[key]), asJson(wanted[key])));
  if (odd) throw new ArgumentError(`${out}: holds a run with another ${odd}; choose another --out`);
}

/** A value as a file would give it back. */
function asJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value ?? null));
}
