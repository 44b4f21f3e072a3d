/** Files written whole: what failures, killed processes and devices in a file's place leave behind, and what is said. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkFeaturesFile } from '../../src/alexnet/features.js';
import { ArgumentError, DataError } from '../../src/core/errors.js';
import {
  checkWritable,
  makeFolder,
  reasonOf,
  refusalOf,
  removeLeftovers,
  throwNaming,
  writeTogether,
  writeWhole,
} from '../../src/data/files.js';
import { rejection } from '../support/errors.js';
import { withFolder } from './files.js';

async function refused(work: Promise<unknown>, message: RegExp): Promise<void> {
  const error = await rejection(work);
  assert.instance(error, DataError);
  assert.match(error.message, message);
}

test('a file is replaced whole, and a failure says which and leaves nothing behind', () =>
  withFolder({ 'a.txt': 'old' }, async (folder) => {
    await writeWhole(join(folder, 'a.txt'), ['new', Uint8Array.of(33)]);
    assert.is(await readFile(join(folder, 'a.txt'), 'utf8'), 'new!');
    await mkdir(join(folder, 'b'));
    await refused(writeWhole(join(folder, 'b'), ['x']), /b: can't be written/);
    await refused(
      writeWhole(join(folder, 'c', 'd'), ['x']),
      /c\/d: can't be written: no such file or folder/,
    );
    await refused(writeWhole(join(folder, 'a.txt', 'd'), ['x']), /a file is in the way/);
    assert.equal((await readdir(folder)).sort(), ['a.txt', 'b']);
  }));

test('files that belong together are replaced together, or none is', () =>
  withFolder({ 'a.npy': 'old', 'a.txt': 'old names' }, async (folder) => {
    const [a, b] = [join(folder, 'a.npy'), join(folder, 'a.txt')];
    const content = (): Promise<string[]> => Promise.all([a, b].map((path) => readFile(path, 'utf8')));
    await refused(
      writeTogether([
        [a, ['new']],
        [join(folder, 'none', 'a.txt'), ['new names']],
      ]),
      /none\/a\.txt: can't be written: no such file/,
    );
    assert.equal(await content(), ['old', 'old names']);
    assert.equal((await readdir(folder)).sort(), ['a.npy', 'a.txt']);
    await writeTogether([
      [a, ['new']],
      [b, ['new names']],
    ]);
    assert.equal(await content(), ['new', 'new names']);
  }));

test('where a file can be written is known beforehand, without touching it', () =>
  withFolder({ 'a.npy': 'old' }, async (folder) => {
    await checkWritable(join(folder, 'a.npy'));
    await checkFeaturesFile(join(folder, 'b.npy'));
    assert.equal(await readdir(folder), ['a.npy']);
    assert.is(await readFile(join(folder, 'a.npy'), 'utf8'), 'old');
    await refused(checkWritable(join(folder, 'none', 'a.npy')), /none\/a\.npy: can't be written: no such/);
    await refused(checkWritable(folder), /can't be written: it is a folder/);
    assert.instance(await rejection(checkFeaturesFile(join(folder, 'a.txt'))), ArgumentError);
  }));

test('a device or pipe is written to, not replaced', async () => {
  if (!existsSync('/dev/full')) return;
  await withFolder({}, async (folder) => {
    const link = join(folder, 'link');
    await symlink('/dev/full', link);
    await checkWritable(link);
    await refused(writeWhole(link, ['x']), /link: can't be written: the disk is full; free some space/);
    assert.ok((await stat(link)).isCharacterDevice());
    assert.equal(await readdir(folder), ['link']);
  });
});

test('what killed processes left of a file goes, what living ones write stays', () =>
  withFolder({}, async (folder) => {
    const { pid: dead } = spawnSync(process.execPath, ['--version']);
    const names = [
      `a.bin.${dead}.tmp`,
      `a.bin.${process.pid}.tmp`,
      `ba.bin.${dead}.tmp`,
      'a.bin',
      'a.bin.tmp',
    ];
    for (const name of names) await writeFile(join(folder, name), name);
    await removeLeftovers(join(folder, 'a.bin'));
    assert.equal((await readdir(folder)).sort(), names.slice(1).sort());
    await removeLeftovers(join(folder, 'none', 'a.bin'));
    const other = join(folder, 'ba.bin');
    for (const write of [() => writeWhole(other, ['x']), () => checkWritable(other)]) {
      await write();
      assert.equal((await readdir(folder)).sort(), ['a.bin', names[1], 'a.bin.tmp', 'ba.bin'].sort());
      await writeFile(`${other}.${dead}.tmp`, 'left again');
    }
  }));

test('folders are made with those above them; whoever made one knows', () =>
  withFolder({ file: '' }, async (folder) => {
    const deep = join(folder, 'a', 'b', 'c');
    assert.equal((await Promise.all([makeFolder(deep), makeFolder(deep)])).sort(), [false, true]);
    assert.ok((await stat(deep)).isDirectory());
    assert.is(await makeFolder(deep), false);
    assert.is(await makeFolder('/'), false);
    await refused(
      makeFolder(join(folder, 'file', 'x')),
      /file\/x: the folder can't be made: a file is in the way/,
    );
    await refused(makeFolder(join(folder, 'file')), /a file is in the way/);
    await symlink(join(folder, 'nowhere'), join(folder, 'dangling'));
    await refused(makeFolder(join(folder, 'dangling')), /a file is in the way/);
    await refused(makeFolder(join(folder, 'x'.repeat(300))), /the name is too long/);
    // Node's own recursive mkdir never comes back from there.
    if (existsSync('/proc/self')) {
      await refused(
        makeFolder('/proc/foo/bar'),
        /^\/proc\/foo\/bar: the folder can't be made: no folder can be made there$/,
      );
    }
  }));

test('what the system refuses is told in words, by file; errors of ours pass, others stay what they are', async () => {
  const missing = await rejection(readFile('/nowhere/a'));
  assert.is(refusalOf(missing), '/nowhere/a: no such file or folder');
  assert.is(refusalOf(new TypeError('a mistake of the program')), null);
  assert.throws(
    () => throwNaming('a.bin', "can't be read", 'run prepare')(missing),
    (error: unknown) => {
      assert.instance(error, DataError);
      assert.is(String(error), "DataError: a.bin: can't be read: no such file or folder; run prepare");
      return true;
    },
  );
  const own = new ArgumentError('ours');
  assert.throws(
    () => throwNaming('a.bin', "can't be read")(own),
    (error: unknown) => error === own,
  );
});

test('errors that Node has no name for are told in words as well', () => {
  const { errno } = constants;
  const unnamed = Object.assign(new Error('Unknown system error -122: write'), {
    errno: -errno.EDQUOT,
    code: `Unknown system error -${errno.EDQUOT}`,
    syscall: 'write',
  });
  assert.match(reasonOf(unnamed), /^the quota of disk space is used up/);
  const named = Object.assign(new Error('EROFS: read-only'), { errno: -errno.EROFS, code: 'EROFS' });
  assert.is(reasonOf(named), 'the disk is read-only');
  assert.is(
    reasonOf(Object.assign(new Error('odd'), { errno: -9999, code: 'Unknown system error -9999' })),
    'odd',
  );
});

test.run();
