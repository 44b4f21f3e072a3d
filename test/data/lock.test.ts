/**
 * Locks on folders: one at a time, whoever asks and however many at once; locks of killed processes are nobody's, also
 * when their numbers were given to others since.
 */
import { spawn } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError } from '../../src/core/errors.js';
import { LockedError, lockFolder } from '../../src/data/lock.js';
import { rejection } from '../support/errors.js';
import { withFolder } from './files.js';

const test = suite('lock');
const lockModule = new URL('../../src/data/lock.js', import.meta.url).href;

/** A program that takes a lock, says so, and holds it until it's killed. */
const holding = `const { lockFolder } = await import(${JSON.stringify(lockModule)});
await lockFolder(process.argv[1]).then(() => console.log('held'), (error) => console.log(error.message));
setTimeout(() => {}, 60_000);`;

/** Starts a program on a folder; gives it with its first line of output. */
async function started(folder: string): Promise<{ kill: () => Promise<void>; pid: number; line: string }> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', holding, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const line = await new Promise<string>((resolve) =>
    child.stdout.once('data', (data) => resolve(`${data}`)),
  );
  const kill = (): Promise<void> =>
    new Promise((resolve) => {
      child.once('close', () => resolve());
      child.kill('SIGKILL');
    });
  return { kill, pid: child.pid ?? 0, line };
}

test('one at a time, in this process and in others; released, it leaves nothing behind', () =>
  withFolder({}, async (folder) => {
    const lock = await lockFolder(folder);
    const second = await rejection(lockFolder(folder));
    assert.instance(second, LockedError);
    assert.match(second.message, /: in use by this process already$/);
    const other = await started(folder);
    assert.match(other.line, new RegExp(`: in use by process ${process.pid}$`, 'm'));
    await other.kill();
    await lock.release();
    await lock.release();
    assert.equal(await readdir(folder), []);
    await (await lockFolder(folder)).release();
  }));

test('of many who ask at once at most one gets it', () =>
  withFolder({}, async (folder) => {
    for (let round = 0; round < 5; round++) {
      const asked = await Promise.allSettled(Array.from({ length: 8 }, () => lockFolder(folder)));
      const locks = asked.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
      assert.ok(locks.length <= 1, `${locks.length} have it`);
      for (const lock of locks) await lock.release();
      assert.equal(await readdir(folder), []);
    }
  }));

test('a lock of a killed process is nobody’s; one of a running process that got its number is stale as well', () =>
  withFolder({}, async (folder) => {
    const killed = await started(folder);
    assert.is(killed.line, 'held\n');
    assert.match(String(await rejection(lockFolder(folder))), new RegExp(`in use by process ${killed.pid}`));
    const [name = ''] = await readdir(folder);
    const text = await readFile(join(folder, name), 'utf8');
    await killed.kill();
    const lock = await lockFolder(folder);
    assert.not.ok((await readdir(folder)).includes(name), 'the old lock is gone');
    await lock.release();
    if (process.platform === 'linux') {
      const reborn = JSON.stringify({ ...JSON.parse(text), pid: process.pid });
      await writeFile(join(folder, 'lock-0'), reborn);
      await (await lockFolder(folder)).release();
    }
    // Nor does a file in its place that says nothing.
    await writeFile(join(folder, 'lock-0'), '{"pid":');
    await (await lockFolder(folder)).release();
    assert.equal(await readdir(folder), []);
  }));

test('a lock made on another machine holds, and the way out is told', () =>
  withFolder({ 'lock-7': '{"host":"elsewhere","pid":1,"began":null}' }, async (folder) => {
    const error = await rejection(lockFolder(folder));
    assert.match(error.message, /in use by process 1 on elsewhere; if that has ended, remove .*lock-7/);
    assert.equal(await readdir(folder), ['lock-7']);
  }));

test('a folder that is not there is an error with its name', async () => {
  const error = await rejection(lockFolder('/nowhere/at/all'));
  assert.instance(error, DataError);
  assert.match(error.message, /\/nowhere\/at\/all: can't be locked: no such file or folder/);
});

test('a process that has ended holds nothing, even if its parent never asks about it', async () => {
  if (process.platform !== 'linux') return;
  await withFolder({}, async (folder) => {
    // The shell becomes a program that knows nothing of the process it started.
    const script = 'node --input-type=module -e "$0" "$1" & echo $!; exec sleep 60';
    const parent = spawn('sh', ['-c', script, holding, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      let output = '';
      for await (const chunk of parent.stdout) {
        output += chunk;
        if (output.includes('held')) break;
      }
      const pid = Number.parseInt(output, 10);
      assert.instance(await rejection(lockFolder(folder)), LockedError);
      process.kill(pid, 'SIGKILL');
      while (!/\) Z /.test(await readFile(`/proc/${pid}/stat`, 'latin1'))) await setTimeout(10);
      await (await lockFolder(folder)).release();
    } finally {
      parent.kill('SIGKILL');
    }
  });
});

test.run();
