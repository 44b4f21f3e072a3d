/** The command: what it prints and its exit codes. */
import { spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { program } from '../../cli/commands.js';
import { plainPng, withFolder } from '../files.js';

function run(args: readonly string[]) {
  return spawnSync(process.execPath, [program, 'prepare', ...args], { encoding: 'utf8' });
}

test('prepares, verifies, and finds damage', async () => {
  const files = {
    'data/a/1.png': plainPng(20, 20, [200, 0, 0]),
    'data/b/2.png': plainPng(20, 20, [0, 200, 0]),
    'data/b/3.png': 'no image',
  };
  await withFolder(files, async (folder) => {
    const out = join(folder, 'out');
    const made = run(['--data', join(folder, 'data'), '--out', out, '--size', '16', '--workers', '1']);
    assert.is(made.status, 0, made.stderr);
    assert.match(made.stdout, '3 training and 0 validation images, 2 classes');
    assert.match(made.stdout, 'train: 2 images converted, 0 of them oddly; 1 files refused');
    assert.match(made.stdout, 'mean colour 100.00 100.00 0.00');
    assert.match(run(['--out', out, '--verify']).stdout, '2 images, all as their checksums say');
    const shard = join(out, 'train-00000.bin');
    const bytes = await readFile(shard);
    bytes[0]! ^= 1;
    await writeFile(shard, bytes);
    const damaged = run(['--out', out, '--verify']);
    assert.is(damaged.status, 1);
    assert.match(damaged.stdout, 'train-00000.bin: damaged, first at train/a/1.png');
    assert.match(damaged.stderr, '1 shards are damaged: run prepare again');
  });
});

test('mistakes are told in a line', async () => {
  await withFolder({ 'data/a/1.png': 'x' }, async (folder) => {
    const out = join(folder, 'out');
    for (const [args, message] of [
      [['--out', out], /^error: --data: the folder or archive of the images is needed\n$/],
      [['--out', out, '--data', join(folder, 'nowhere')], /^error: .*nowhere: can't be opened.*\n$/],
      [['--out', out, '--data', join(folder, 'data')], /^error: .*only one class \(a\).*\n$/],
      [
        ['--out', join(folder, 'data/a/1.png'), '--data', join(folder, 'data')],
        /^error: .*can't be made.*\n$/,
      ],
      // What a terminal would obey is spelt out.
      [
        ['--out', out, '--data', join(folder, 'no\u001b[31mwhere')],
        /^error: .*no\\u001b\[31mwhere: can't be opened.*\n$/,
      ],
      [['--data', 'x'], /required option '--out <dir>'/],
      [['--out', out, '--size', 'large'], /expected a whole number from 1/],
    ] as const) {
      const { status, stderr } = run(args);
      assert.is(status, 1, message.source);
      assert.match(stderr, message);
    }
  });
});

test.run();
