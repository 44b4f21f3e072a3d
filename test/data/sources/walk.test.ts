/** Walking folders: links of every kind, files that are none, names of any bytes, what systems leave behind. */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError } from '../../../src/core/errors.js';
import { openData } from '../../../src/data/sources/open.js';
import { walk } from '../../../src/data/sources/walk.js';
import { plainPng, withFolder } from '../files.js';

const [red, blue] = [plainPng(8, 8, [200, 0, 0]), plainPng(8, 8, [0, 0, 200])];

/** Four images of each class; blue is the first. */
function two(prefix = '', classes: readonly [string, string] = ['cat', 'dog']): Record<string, Uint8Array> {
  const files: Record<string, Uint8Array> = {};
  for (let i = 0; i < 4; i++) {
    files[`${prefix}${classes[0]}/${i}.png`] = blue;
    files[`${prefix}${classes[1]}/${i}.png`] = red;
  }
  return files;
}

const namesIn = async (folder: string): Promise<string[]> =>
  (await walk(folder)).files.map(({ name }) => name).sort();

/** Opens the images of two classes; each must have its own colour. */
async function checked(path: string, images: number, notes = /./): Promise<void> {
  const data = await openData(path, { workers: 1 });
  try {
    assert.equal(data.classes, ['cat', 'dog']);
    assert.is(data.train.length + data.validation.length - data.train.unreadable.length, images);
    assert.match(data.notes.join('\n'), notes);
    for (const set of [data.train, data.validation]) {
      const loaded = await set.load(Array.from({ length: set.length }, (_, i) => i));
      const size = loaded.images.length / loaded.labels.length;
      for (const [i, label] of loaded.labels.entries())
        assert.is(loaded.images[i * size]! > 100 ? 1 : 0, label);
    }
  } finally {
    await data.close();
  }
}

test('links that lead back up are not followed, and told of', async () => {
  await withFolder(two(), async (folder) => {
    await symlink('..', join(folder, 'dog/up'));
    await symlink('.', join(folder, 'all'));
    await symlink('../..', join(folder, 'cat/above'));
    await symlink('/', join(folder, 'cat/root'));
    assert.equal(await namesIn(folder), Object.keys(two()).sort());
    await checked(folder, 8, /not followed: 4 links that lead back \(all, cat\/above, cat\/root, dog\/up\)/);
  });
});

test('folders that link to each other end, however many there are', async () => {
  const names = Array.from({ length: 9 }, (_, i) => `f${i}`);
  const files = Object.fromEntries(names.map((name) => [`${name}/x.png`, red]));
  await withFolder(files, async (folder) => {
    for (const from of names) {
      for (const to of names)
        if (from !== to) await symlink(join(folder, to), join(folder, from, `to-${to}`));
    }
    // Each folder, and from each one link to each other folder.
    assert.is((await walk(folder)).files.length, 9 + 9 * 8);
  });
});

test('a link to another class makes no wrong labels; links into a pool of images serve', async () => {
  await withFolder(two(), async (folder) => {
    await symlink('../cat', join(folder, 'dog/also'));
    await symlink('../cat', join(folder, 'dog/cat-again'));
    await checked(folder, 8, /left out 8 images that links lead to once more/);
  });
  await withFolder(two(), async (folder) => {
    // A class that is nothing but another one by a second name.
    await symlink('cat', join(folder, 'alias'));
    await checked(folder, 8, /left out 4 images that links lead to once more/);
  });
  await withFolder(two('pool/'), async (folder) => {
    for (const part of ['train', 'val']) {
      await mkdir(join(folder, part));
      for (const name of ['cat', 'dog']) await symlink(`../pool/${name}`, join(folder, part, name));
    }
    await checked(folder, 16, /validation images: the folder val/);
  });
  await withFolder(two('store/'), async (folder) => {
    await mkdir(join(folder, 'set'));
    for (const name of ['cat', 'dog']) await symlink(`../store/${name}`, join(folder, 'set', name));
    await checked(join(folder, 'set'), 8);
  });
});

test('pipes and devices are unreadable files, nothing waits for them', async () => {
  await withFolder(two(), async (folder) => {
    execFileSync('mkfifo', [join(folder, 'cat/pipe.png')]);
    await symlink('/dev/zero', join(folder, 'cat/zero.png'));
    await symlink('/no/such', join(folder, 'dog/gone.png'));
    await symlink('self.png', join(folder, 'dog/self.png'));
    const data = await openData(folder, { workers: 1 });
    const unreadable = [...data.train.unreadable, ...data.validation.unreadable];
    assert.equal(unreadable.map(({ name, reason }) => `${name}: ${reason}`).sort(), [
      'cat/pipe.png: it is a named pipe, not a file',
      'cat/zero.png: it is a device or socket, not a file',
      'dog/gone.png: no such file or folder',
      'dog/self.png: its links lead round in a circle',
    ]);
    await data.close();
  });
});

test('names that are not UTF-8, or printed alike', async () => {
  await withFolder(two(), async (folder) => {
    const odd = Buffer.concat([Buffer.from(`${folder}/cat/`), Uint8Array.of(0xe4), Buffer.from('.png')]);
    try {
      await writeFile(odd, blue);
    } catch {
      console.log('skipped: this disk has no such names');
      return;
    }
    await checked(folder, 9);
    const inside = Buffer.concat([Buffer.from(`${folder}/dog/`), Uint8Array.of(0xff, 0xfe)]);
    await mkdir(inside);
    await writeFile(Buffer.concat([inside, Buffer.from('/1.png')]), red);
    await checked(folder, 10);
    assert.ok((await namesIn(folder)).includes('dog/ÿþ/1.png'));
    await writeFile(join(folder, 'cat/ä.png'), blue);
    await walk(folder).then(
      () => assert.unreachable(),
      (error) => assert.match(String(error), /cat: two of its entries are printed as ä\.png: rename one/),
    );
  });
});

test('however deep; hidden folders and what systems leave behind are passed over', async () => {
  const deep = `cat/${'a/'.repeat(30)}x.png`;
  const left = [
    'cat/@eaDir/0.png',
    '@eaDir/1.png',
    'lost+found/2.png',
    '__MACOSX/cat/3.png',
    'cat/.thumbnails/4.png',
  ];
  const files = { ...two(), [deep]: blue };
  const clutter = {
    'cat/Thumbs.db': 'x',
    '.DS_Store': 'x',
    '#recycle/x.png': red,
    '$RECYCLE.BIN/x.png': red,
  };
  await withFolder(
    { ...files, ...clutter, ...Object.fromEntries(left.map((name) => [name, red])) },
    async (folder) => {
      assert.equal(await namesIn(folder), Object.keys(files).sort());
      await checked(folder, 9);
    },
  );
});

test('a folder that may not be read is an error that names it, also beside links', async () => {
  await withFolder(two(), async (folder) => {
    for (let i = 0; i < 30; i++) await symlink('../dog/0.png', join(folder, `cat/z${i}.png`));
    await mkdir(join(folder, 'cat/closed'));
    await chmod(join(folder, 'cat/closed'), 0);
    await chmod(folder, 0o755);
    const module = new URL('../../../src/data/sources/walk.js', import.meta.url).href;
    const code = `import(${JSON.stringify(module)}).then(({ walk }) => walk(${JSON.stringify(folder)})).then(
      () => console.log('read'), (error) => console.log(error.constructor.name, error.message))`;
    // Root may read all, so somebody else tries.
    const user = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
    const { stdout, status } = spawnSync(process.execPath, ['-e', code], { encoding: 'utf8', ...user });
    await chmod(join(folder, 'cat/closed'), 0o755);
    assert.is(status, 0);
    if (stdout === 'read\n') console.log('skipped: this system lets everybody read');
    else assert.match(stdout, /^DataError .*cat\/closed: can't be read: no permission\n$/);
  });
});

test('an error names the folder that was given', async () => {
  await walk('/no/such').then(
    () => assert.unreachable(),
    (error) => {
      assert.instance(error, DataError);
      assert.match(String(error), /\/no\/such: can't be read: no such file/);
    },
  );
});

test('runs and shards that lie among the classes are no classes', () =>
  withFolder(
    {
      ...two(),
      'runs/first/run.json': '{}',
      'runs/first/log.jsonl': '',
      'runs/first/figures/kernels.png': red,
      'begun/lock-0123456789abcdef': '{}',
      'shards/index.json': '{}',
      'shards/train-00000.json': '{}',
      'shards/train-00000.bin': 'x',
      // No run: a class may hold whatever it likes.
      'cat/run.json': '{}',
    },
    async (folder) => {
      const data = await openData(folder, { workers: 1 });
      assert.equal(data.classes, ['cat', 'dog']);
      assert.match(
        data.notes.join('\n'),
        /not looked into: 3 folders of runs or shards \(begun, runs\/first, shards\)/,
      );
      await data.close();
    },
  ));

test.run();
