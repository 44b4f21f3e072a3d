/**
 * Locks on folders: one process at a time works in it, and a lock left by one that was killed is nobody's.
 *
 * A lock is a file `lock-XXXX` of its own that names its process: the machine, the process's number and when it began
 * (numbers are given out again). Whoever wants the folder makes its file first and looks for others then: of two, however
 * they are timed, one at least sees the other and steps back. Files of processes that are gone are removed.
 */
import { randomBytes } from 'node:crypto';
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { TandemError } from '../core/errors.js';
import { isAlive, throwNaming } from './files.js';

/** A folder is in use. */
export class LockedError extends TandemError {
  override readonly name = 'LockedError';
}

/** A lock that is held. */
export interface Lock {
  /** Gives the folder free. Calling it again does nothing. */
  release(): Promise<void>;
}

/** Whoever made a lock. */
interface Holder {
  readonly host: string;
  readonly pid: number;
  /** When the process began, by the system's clock; null where the system doesn't tell. */
  readonly began: string | null;
}

const prefix = 'lock-';

/** Whether a file of this name is a lock. */
export function isLockName(name: string): boolean {
  return /^lock-[0-9a-f]{16}$/.test(name);
}

/** How often one that stepped back looks again whether the other, having done the same, is gone. */
const attempts = 5;

/**
 * Takes a folder for whoever calls.
 * @param folder must exist
 * @throws {LockedError} while a process has it, this one included: names the process.
 * @throws {DataError} when the folder can't be written to.
 */
export async function lockFolder(folder: string): Promise<Lock> {
  const fail = throwNaming(folder, "can't be locked");
  const own: Holder = { host: hostname(), pid: process.pid, began: await beganAt(process.pid) };
  for (let attempt = 1; ; attempt++) {
    await throwIfHeld(folder, '').catch(fail);
    const name = prefix + randomBytes(8).toString('hex');
    const path = join(folder, name);
    const temporary = `${path}.${process.pid}.tmp`;
    try {
      await writeFile(temporary, JSON.stringify(own), { flag: 'wx' });
      await rename(temporary, path);
      await throwIfHeld(folder, name);
      return { release: () => rm(path, { force: true }) };
    } catch (error) {
      for (const file of [temporary, path]) await rm(file, { force: true }).catch(() => {});
      if (!(error instanceof LockedError) || attempt === attempts) return fail(error);
      await new Promise((resolve) => setTimeout(resolve, 10 + 90 * Math.random()));
    }
  }
}

/** @throws {LockedError} when there's a lock beside `own` whose process runs; others are removed. */
async function throwIfHeld(folder: string, own: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.startsWith(prefix) || name.endsWith('.tmp') || name === own) continue;
    const holder = parseHolder(await readFile(join(folder, name), 'utf8').catch(() => ''));
    if (holder && (await isAtWork(holder))) throw inUse(folder, holder, name);
    await rm(join(folder, name), { force: true }).catch(() => {});
  }
}

/** What a lock says, or null for what isn't one. */
function parseHolder(text: string): Holder | null {
  try {
    const { host, pid, began }: Record<string, unknown> = Object(JSON.parse(text));
    if (typeof host !== 'string' || typeof pid !== 'number' || !Number.isSafeInteger(pid)) return null;
    return { host, pid, began: typeof began === 'string' ? began : null };
  } catch {
    return null;
  }
}

/** Whether the process that made a lock still runs. One on another machine is taken to. */
async function isAtWork({ host, pid, began }: Holder): Promise<boolean> {
  if (host !== hostname()) return true;
  if (!isAlive(pid)) return false;
  const now = await beganAt(pid);
  return began === null || now === null || began === now;
}

/**
 * When a process began, as Linux tells it: the boot, and clock ticks since. '' for one that has ended, and that its parent
 * hasn't asked about yet.
 */
async function beganAt(pid: number): Promise<string | null> {
  try {
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
    // The name in parentheses may hold anything; behind it are the state, Z of one that has ended, and, as the 20th, the start.
    const fields = (await readFile(`/proc/${pid}/stat`, 'latin1')).split(') ').at(-1)?.split(' ') ?? [];
    if (fields[0] === 'Z') return '';
    return fields[19] === undefined ? null : `${boot.trim()} ${fields[19]}`;
  } catch {
    return null;
  }
}

function inUse(folder: string, { host, pid }: Holder, name: string): LockedError {
  const elsewhere = host !== hostname();
  const who = !elsewhere && pid === process.pid ? 'this process already' : `process ${pid}`;
  const where = elsewhere ? ` on ${host}; if that has ended, remove ${join(folder, name)}` : '';
  return new LockedError(`${folder}: in use by ${who}${where}`);
}
