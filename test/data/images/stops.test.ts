/** What stops the reading of images instead of counting as a damaged one. */
import { spawnSync } from 'node:child_process';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError } from '../../../src/core/errors.js';
import { openData } from '../../../src/data/sources/open.js';
import { plainPng, tarOf, withFolder } from '../files.js';

const png = plainPng(8, 8, [1, 2, 3]);

test('too many open files: the file is named, and none is called damaged', async () => {
  await withFolder({ 'a.png': png, 'b.png': png }, async (folder) => {
    const worker = new URL('../../../src/data/images/decodeWorker.js', import.meta.url).href;
    const code = `
      import { openSync } from 'node:fs';
      const { default: decodeJob } = await import(${JSON.stringify(worker)});
      const sources = ['a', 'b'].map((name) => ({ path: ${JSON.stringify(folder)} + '/' + name + '.png' }));
      const memory = { limit: 1e9, cell: new SharedArrayBuffer(4) };
      const job = { sources, height: 8, width: 8, target: new SharedArrayBuffer(384), offset: 0, memory };
      const before = await decodeJob(job);
      try { for (;;) openSync('/dev/null'); } catch {}
      process.stdout.write(JSON.stringify([before.length, ...await decodeJob(job)]));`;
    const command = 'ulimit -n 200; exec "$0" --input-type=module -e "$1"';
    const { stdout, stderr } = spawnSync('sh', ['-c', command, process.execPath, code], { encoding: 'utf8' });
    const stop = `${folder}/a.png: can't be read: too many files are open`;
    assert.is(stdout, JSON.stringify([2, { stop }]), stderr);
  });
});

test('an archive that is gone stops a training; an image file that is gone is left out', async () => {
  const files = Object.fromEntries(
    ['a', 'b'].flatMap((name) => [1, 2, 3].map((i) => [`${name}/${i}.png`, png])),
  );
  await withFolder({ 'set.tar': await tarOf(files), ...files }, async (folder) => {
    const options = { memory: 0, workers: 1 };
    const archive = await openData(join(folder, 'set.tar'), options);
    assert.is((await archive.train.load([0, 1])).labels.length, 2);
    await rename(join(folder, 'set.tar'), join(folder, 'elsewhere.tar'));
    await archive.train.load([0, 1]).then(
      () => assert.unreachable(),
      (error) => {
        assert.instance(error, DataError);
        assert.match(String(error), /set\.tar: can't be read: no such file/);
      },
    );
    assert.is(archive.train.unreadable.length, 0);
    await archive.close();
    const opened = await openData(folder, options);
    await rename(join(folder, 'a'), join(folder, 'c'));
    const { labels } = await opened.train.load(Array.from({ length: opened.train.length }, (_, i) => i));
    assert.equal([...new Set(labels)], [1]);
    assert.match(opened.train.unreadable[0]?.reason ?? '', /no such file/);
    await opened.close();
  });
});

test.run();
