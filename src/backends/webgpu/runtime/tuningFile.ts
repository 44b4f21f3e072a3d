/**
 * Measured tunings in files, one for each adapter and driver, in the user's cache folder: `$XDG_CACHE_HOME/tandem/webgpu`,
 * by default `~/.cache/tandem/webgpu`. A file that can't be read, or is of another adapter, driver or version, counts as none.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Tuning, TuningKey } from './tuning.js';

/** Where the tuning of a key is kept. */
export function tuningPath({ adapter, driver }: TuningKey): string {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  const word = adapter.replaceAll(/[^\w]+/g, '-').slice(0, 60);
  const digest = createHash('sha256').update(`${adapter}\n${driver}`).digest('hex').slice(0, 8);
  return join(cache, 'tandem', 'webgpu', `${word}-${digest}.json`);
}

/** The tuning measured for a key, or null. */
export function readTuning(key: TuningKey): Tuning | null {
  try {
    const {
      key: of,
      tiles,
      times,
      perByte,
    }: Record<string, unknown> = JSON.parse(readFileSync(tuningPath(key), 'utf8'));
    if (JSON.stringify(of) !== JSON.stringify(key)) return null;
    if ((tiles !== 'direct' && tiles !== 'shared') || typeof times !== 'object' || times === null)
      return null;
    if (typeof perByte !== 'number' || !(perByte > 0)) return null;
    const numbers = Object.entries(times).filter(
      (entry): entry is [string, number] => typeof entry[1] === 'number' && entry[1] > 0,
    );
    return { tiles, times: Object.fromEntries(numbers), perByte };
  } catch {
    return null;
  }
}

/** Keeps a tuning; the file is written whole. Returns its path. */
export function writeTuning(key: TuningKey, tuning: Tuning): string {
  const path = tuningPath(key);
  mkdirSync(dirname(path), { recursive: true });
  const apart = `${path}.${process.pid}`;
  writeFileSync(apart, `${JSON.stringify({ key, ...tuning }, null, 1)}\n`);
  renameSync(apart, path);
  return path;
}
