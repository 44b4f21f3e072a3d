/**
 * Names of files and folders in data sets, and the lines of the text files beside them.
 */
import { isUtf8 } from 'node:buffer';
import { printable } from '../../formats/printable.js';
import { isLockName } from '../lock.js';

/** What systems leave in folders, in lower case: no name of a class, and nothing in them is looked at. */
const clutter = new Set([
  '__macosx',
  '@eadir',
  '@tmp',
  '@recycle',
  '@recently-snapshot',
  '#recycle',
  '#snapshot',
  '$recycle.bin',
  'lost+found',
  'system volume information',
  'thumbs.db',
  'desktop.ini',
]);

/** Whether one part of a path is hidden or left behind by a system: `.DS_Store`, `.thumbnails`, `@eaDir`, `lost+found`. */
export function isClutter(part: string): boolean {
  return part.startsWith('.') || clutter.has(part.toLowerCase());
}

/**
 * Whether a folder, by the names in it, is what this library wrote or is writing: a run, shards, or a folder that is
 * locked. Beside the classes of a data set it is no class.
 */
export function isOwnOutput(names: readonly string[]): boolean {
  const has = (...wanted: readonly string[]): boolean => wanted.some((name) => names.includes(name));
  return (
    names.some(isLockName) ||
    (has('run.json') && has('log.jsonl', 'last.safetensors', 'best.safetensors')) ||
    (has('index.json', 'mean.safetensors') && has('train-00000.json'))
  );
}

/** The last part of a path. */
export function baseName(name: string): string {
  return name.slice(name.lastIndexOf('/') + 1);
}

/** The first names of a list, in brackets. */
export function listed(names: readonly string[]): string {
  return `(${names.slice(0, 5).join(', ')}${names.length > 5 ? ', ...' : ''})`;
}

/** `1 file`, `2 files`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** The lines of a text file that came with a data set, without blanks around them or anything but tabs that can't be printed. */
export function textLines(bytes: Uint8Array): string[] {
  const text = new TextDecoder(isUtf8(bytes) ? 'utf-8' : 'latin1').decode(bytes).trimEnd();
  const lines = text === '' ? [] : text.split(/\r?\n/);
  return lines.map((line) =>
    line
      .trim()
      .split('\t')
      .map((cell) => printable(cell))
      .join('\t'),
  );
}
