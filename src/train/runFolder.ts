/**
 * A run's folder: `last.safetensors` and `best.safetensors` (checkpoints), `log.jsonl` (a line for each epoch) and
 * `run.json` (what the program says of the run). Every file is written whole, so that a run killed at any moment goes on
 * from its last checkpoint. Whoever writes in it holds its lock.
 */
import { existsSync } from 'node:fs';
import { readdir, readFile, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ArgumentError, DataError } from '../core/errors.js';
import { makeFolder, removeLeftovers, throwNaming, writeWhole } from '../data/files.js';
import { type Lock, lockFolder } from '../data/lock.js';
import { type Checkpoint, writeCheckpoint } from './checkpoint.js';

/** Names of a run's files. */
export const runFiles = {
  log: 'log.jsonl',
  run: 'run.json',
  last: 'last.safetensors',
  best: 'best.safetensors',
} as const;

/** A new run was to be made where there is one. */
export class RunExistsError extends ArgumentError {}

/** A run's folder, locked for whoever opened it until `close()`. */
export class RunFolder {
  private constructor(
    readonly path: string,
    private readonly lock: Lock,
    private readonly made: boolean,
  ) {}

  /**
   * Opens a folder, made if absent, to go on with the run in it or to begin one.
   * @throws {LockedError} while another process works in it. @throws {DataError} when it can't be made or written to.
   */
  static async open(path: string): Promise<RunFolder> {
    const made = await makeFolder(path);
    const lock = await lockFolder(path);
    for (const name of Object.values(runFiles)) await removeLeftovers(join(path, name));
    return new RunFolder(path, lock, made);
  }

  /** Opens a folder to begin a run in. @throws {RunExistsError} when it holds one already; otherwise as `open` does. */
  static async begin(path: string): Promise<RunFolder> {
    const folder = await RunFolder.open(path);
    if (folder.newest === null) return folder;
    await folder.close();
    throw new RunExistsError(`${path}: holds a run already`);
  }

  /**
   * Makes a folder that nobody else has, of this name or, where that is taken, of the name with -2, -3, .. behind it.
   * @throws {DataError} when it can't be made.
   */
  static async make(path: string): Promise<RunFolder> {
    await makeFolder(dirname(path));
    for (let n = 1; ; n++) {
      const own = n === 1 ? path : `${path}-${n}`;
      if (await makeFolder(own)) return new RunFolder(own, await lockFolder(own), true);
    }
  }

  /** The path of one of its files. */
  file(name: keyof typeof runFiles): string {
    return join(this.path, runFiles[name]);
  }

  /** Whether one of its files is there. */
  has(name: keyof typeof runFiles): boolean {
    return existsSync(this.file(name));
  }

  /** The checkpoint to go on from: the last, or, of a run killed before there was one, the best. Null without either. */
  get newest(): string | null {
    const name = (['last', 'best'] as const).find((held) => this.has(held));
    return name === undefined ? null : this.file(name);
  }

  /** Writes one of its text files whole. @throws {DataError} when it can't be written */
  async write(name: 'log' | 'run', text: string): Promise<void> {
    await writeWhole(this.file(name), [text]);
  }

  /** Writes a checkpoint whole. @throws as `writeCheckpoint` does */
  async save(name: 'last' | 'best', checkpoint: Checkpoint): Promise<void> {
    await writeCheckpoint(this.file(name), checkpoint);
  }

  /** The lines of its log, as they are; none without one. @throws {DataError} when it can't be read */
  async logLines(): Promise<string[]> {
    return readLogLines(this.path);
  }

  /** Unlocks it, and removes it if this call's `open` made it and nothing was written since. */
  async close(): Promise<void> {
    await this.lock.release();
    if (this.made) await rmdir(this.path).catch(() => {});
  }
}

/** The lines of a run's log, as they are; none without one. @throws {DataError} when it can't be read */
export async function readLogLines(folder: string): Promise<string[]> {
  const path = join(folder, runFiles.log);
  if (!existsSync(path)) return [];
  const text = await readFile(path, 'utf8').catch(throwNaming(path, "can't be read"));
  return text.split('\n').filter((line) => line.trim() !== '');
}

/**
 * Where a run's checkpoint is: a file, or in a run's folder, of which the `preferred` one is taken, or the other where
 * that is missing.
 * @throws {DataError} when there is no such file, or the folder holds none.
 */
export async function findCheckpoint(
  path: string,
  preferred: 'last' | 'best' = 'last',
): Promise<{ readonly file: string; readonly folder: string }> {
  const found = await stat(path).catch(throwNaming(path, "can't be read"));
  if (!found.isDirectory()) return { file: path, folder: dirname(path) };
  const held = await readdir(path).catch(throwNaming(path, "can't be read"));
  const name = [runFiles[preferred], runFiles.last, runFiles.best].find((wanted) => held.includes(wanted));
  if (name !== undefined) return { file: join(path, name), folder: path };
  throw new DataError(`${path}: no checkpoint (${runFiles.last}) in this folder: nothing to go on from yet`);
}
