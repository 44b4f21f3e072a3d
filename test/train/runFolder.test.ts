/**
 * Folders of runs: made for one training alone, however many begin in the same second; locked while somebody writes in
 * them.
 */
import { spawn } from 'node:child_process';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError } from '../../src/core/errors.js';
import { LockedError } from '../../src/data/lock.js';
import { findCheckpoint, RunExistsError, RunFolder } from '../../src/train/runFolder.js';
import { withFolder } from '../data/files.js';
import { rejection } from '../support/errors.js';

const test = suite('run folder');
const checkpoint = { about: null, parts: new Map() };

test('trainings that begin at once have a folder each', () =>
  withFolder({}, async (folder) => {
    const path = join(folder, 'runs', '2012-09-30');
    const folders = await Promise.all(Array.from({ length: 5 }, () => RunFolder.make(path)));
    const names = folders.map((each) => basename(each.path)).sort();
    assert.equal(names, ['2012-09-30', ...[2, 3, 4, 5].map((n) => `2012-09-30-${n}`)]);
    for (const each of folders) await each.close();
    assert.equal(await readdir(join(folder, 'runs')), [], 'what came to nothing leaves nothing');
  }));

test('so do processes', () =>
  withFolder({}, async (folder) => {
    const url = new URL('../../src/train/runFolder.js', import.meta.url).href;
    const program = `const { RunFolder } = await import(${JSON.stringify(url)});
      console.log((await RunFolder.make(process.argv[1])).path);`;
    const paths = await Promise.all(
      [1, 2, 3].map(
        () =>
          new Promise<string>((resolve) => {
            const args = ['--input-type=module', '-e', program, join(folder, 'run')];
            const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
            child.stdout.once('data', (data) => resolve(`${data}`.trim()));
          }),
      ),
    );
    assert.is(new Set(paths).size, 3, paths.join());
  }));

test('one at a time: the second is told who has it', () =>
  withFolder({}, async (folder) => {
    const path = join(folder, 'run');
    const first = await RunFolder.open(path);
    for (const open of [RunFolder.open, RunFolder.begin]) {
      const error = await rejection(open(path));
      assert.instance(error, LockedError);
      assert.match(error.message, /run: in use by this process already/);
    }
    await first.save('last', checkpoint);
    await first.close();
    const again = await RunFolder.open(path);
    await again.close();
    assert.equal(await readdir(path), ['last.safetensors']);
  }));

test('a run is begun where there is none, in a folder that is there or is not', () =>
  withFolder({}, async (folder) => {
    const path = join(folder, 'there');
    await mkdir(path);
    await writeFile(join(path, 'notes.txt'), 'mine');
    const run = await RunFolder.begin(path);
    await run.save('best', checkpoint);
    await run.close();
    const error = await rejection(RunFolder.begin(path));
    assert.instance(error, RunExistsError);
    assert.match(error.message, /there: holds a run already$/);
    assert.equal((await readdir(path)).sort(), ['best.safetensors', 'notes.txt']);
    await writeFile(join(folder, 'file'), '');
    const inTheWay = await rejection(RunFolder.begin(join(folder, 'file', 'run')));
    assert.instance(inTheWay, DataError);
    assert.match(inTheWay.message, /file\/run: the folder can't be made: a file is in the way/);
  }));

test('the checkpoint of a folder: the one preferred, else the last; a file is taken as it is', () =>
  withFolder({}, async (folder) => {
    const run = await RunFolder.open(join(folder, 'run'));
    const none = await rejection(findCheckpoint(run.path));
    assert.match(none.message, /run: no checkpoint \(last\.safetensors\) in this folder/);
    await run.save('best', checkpoint);
    assert.is((await findCheckpoint(run.path)).file, run.file('best'));
    await rm(run.file('best'));
    await run.save('last', checkpoint);
    assert.is((await findCheckpoint(run.path, 'best')).file, run.file('last'));
    await run.save('best', checkpoint);
    const { file, folder: held } = await findCheckpoint(run.path, 'best');
    assert.equal([file, held], [run.file('best'), run.path]);
    assert.equal(await findCheckpoint(file), { file, folder: run.path });
    const absent = await rejection(findCheckpoint(join(folder, 'nowhere')));
    assert.match(absent.message, /nowhere: can't be read: no such file or folder/);
    await run.close();
  }));

test.run();
