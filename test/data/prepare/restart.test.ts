/** Preparing that is interrupted, repeated or begun twice, and the same bytes whatever the threads. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LockedError } from '../../../src/data/lock.js';
import { prepare } from '../../../src/data/prepare/prepare.js';
import { program } from '../../cli/commands.js';
import { rejection } from '../../support/errors.js';
import { jpegOf, withFolder } from '../files.js';
import { type Files, photo, training } from './prepared.js';

/** A folder's files: names and contents. */
async function contents(folder: string): Promise<Map<string, string>> {
  const names = (await readdir(folder)).sort();
  const texts = names.map(
    async (name): Promise<[string, string]> => [
      name,
      (await readFile(join(folder, name))).toString('base64'),
    ],
  );
  return new Map(await Promise.all(texts));
}

/** Photographs of noise, slow enough to decode that work on them can be interrupted. */
function noisy(count: number, side: number): Files {
  const files: Files = {};
  for (let i = 0; i < count; i++) {
    const bytes = jpegOf(side, side, (x, y) => [
      (x * y * (i + 1)) % 256,
      (x * 7 + y * i) % 256,
      (x ^ y) % 256,
    ]);
    files[`data/${'abc'[i % 3]}/${i}.JPEG`] = bytes;
  }
  return files;
}

test('an empty class folder is told of, and makes no class', async () => {
  await withFolder(training('data/'), async (folder) => {
    await mkdir(join(folder, 'data', 'n00000001'));
    const data = join(folder, 'data');
    const { index, notes } = await prepare({ data, out: join(folder, 'out'), size: 16, workers: 1 });
    assert.is(index.classes.length, 3);
    assert.match(notes.join(), 'no class was made of 1 empty folders (n00000001)');
  });
});

test('the number of threads changes no byte of any file', async () => {
  await withFolder({ ...noisy(30, 40), 'data/a/bad.JPEG': 'x' }, async (folder) => {
    const made: Map<string, string>[] = [];
    for (const workers of [1, 3]) {
      const out = join(folder, `out${workers}`);
      await prepare({ data: join(folder, 'data'), out, size: 24, shardImages: 7, workers });
      made.push(await contents(out));
    }
    assert.is(made[0]!.size, 2 * 5 + 3);
    assert.equal([...made[0]!], [...made[1]!]);
  });
});

test('killed at any moment and started again, it ends with the same files and keeps finished shards', async () => {
  await withFolder(noisy(48, 128), async (folder) => {
    const data = join(folder, 'data');
    const options = { data, size: 32, shardImages: 4, workers: 1 };
    await prepare({ ...options, out: join(folder, 'whole') });
    const expected = await contents(join(folder, 'whole'));
    const out = join(folder, 'out');
    const command = [
      'prepare',
      '--data',
      data,
      '--out',
      out,
      '--size',
      '32',
      '--shard-images',
      '4',
      '--workers',
      '1',
    ];
    let killed = 0;
    for (const shards of [1, 4, 8]) {
      const child = spawn(process.execPath, [program, ...command], { stdio: 'ignore' });
      const gone = once(child, 'exit');
      while (child.exitCode === null && (await shardsIn(out)) < shards) await setTimeout(2);
      child.kill('SIGKILL');
      await gone;
      if (child.signalCode === 'SIGKILL') killed++;
    }
    assert.ok(killed > 0, 'it was done before it could be killed');
    const before = await stat(join(out, 'train-00000.bin'));
    let kept = 0;
    await prepare({
      ...options,
      out,
      listener: {
        found: () => {},
        done: (count, old) => {
          if (old) kept += count;
        },
      },
    });
    assert.ok(kept >= 4, `${kept} files were kept`);
    assert.is((await stat(join(out, 'train-00000.bin'))).mtimeMs, before.mtimeMs);
    assert.equal([...(await contents(out))], [...expected]);
  });
});

async function shardsIn(folder: string): Promise<number> {
  const names = await readdir(folder).catch(() => []);
  return names.filter((name) => name.endsWith('.json')).length;
}

test('two at once into one folder: the second is told, the first is whole; a lock left behind is no obstacle', () =>
  withFolder(training('data/'), async (folder) => {
    const out = join(folder, 'out');
    const options = { data: join(folder, 'data'), out, size: 16, workers: 1 };
    let second: Promise<Error> | null = null;
    const found = (): void => {
      second ??= rejection(prepare(options));
    };
    const { index } = await prepare({ ...options, listener: { found, done: () => {} } });
    const error = await second;
    assert.instance(error, LockedError);
    assert.match(String(error), /out: in use by this process already/);
    assert.not.ok((await readdir(out)).some((name) => name.startsWith('lock')));
    await writeFile(join(out, 'lock-0123456789abcdef'), '{"host":"nowhere');
    assert.equal((await prepare(options)).index, index);
  }));

test('a second run makes anew what was damaged, removed or changed, and nothing else', async () => {
  await withFolder(noisy(12, 24), async (folder) => {
    const [data, out] = [join(folder, 'data'), join(folder, 'out')];
    const run = async (): Promise<number> => {
      let converted = 0;
      const done = (count: number, old: boolean): void => {
        if (!old) converted += count;
      };
      await prepare({ data, out, size: 16, shardImages: 3, workers: 1, listener: { found: () => {}, done } });
      return converted;
    };
    assert.is(await run(), 12);
    const expected = await contents(out);
    assert.is(await run(), 0);
    const bytes = await readFile(join(out, 'train-00001.bin'));
    bytes[100]! ^= 1;
    await writeFile(join(out, 'train-00001.bin'), bytes);
    await rm(join(out, 'train-00002.json'));
    await writeFile(join(out, 'train-00003.json'), '{"format":');
    await writeFile(join(out, 'train-00000.bin.123.tmp'), 'half');
    await writeFile(join(out, 'train-00009.bin'), 'of an earlier set');
    assert.is(await run(), 9);
    assert.equal([...(await contents(out))], [...expected]);
    await writeFile(join(data, 'a/0.JPEG'), photo);
    assert.is(await run(), 3);
    assert.not.equal([...(await contents(out))], [...expected]);
  });
});

test.run();
