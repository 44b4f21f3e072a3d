/** Shards: read back as they were made; damage and disagreement are named, and never become a wrong label. */
import { cp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError } from '../../src/core/errors.js';
import { meanOf } from '../../src/data/images/mean.js';
import { batches } from '../../src/data/loader.js';
import { prepare } from '../../src/data/prepare/prepare.js';
import { openShards, verifyShards } from '../../src/data/shards/shards.js';
import { openData } from '../../src/data/sources/open.js';
import { plainPng, withFolder } from './files.js';

/** Image i of 14 is of colour [10 i, 255 - i, label], of class a, b or c by its number. */
const files: Record<string, Uint8Array> = {};
for (let i = 0; i < 14; i++) {
  const label = i % 3;
  files[`data/train/${'abc'[label]}/${String(i).padStart(2, '0')}.png`] = plainPng(20, 20, [
    10 * i,
    255 - i,
    label,
  ]);
}
for (let i = 0; i < 3; i++) files[`data/val/${'abc'[i]}/v.png`] = plainPng(20, 20, [i, i, i]);

/** Hands over a folder of shards of three images each, side 16, made anew for each test. */
async function withShards(body: (shards: string, folder: string) => Promise<void>): Promise<void> {
  await withFolder(files, async (folder) => {
    const out = join(folder, 'shards');
    await prepare({ data: join(folder, 'data'), out, size: 16, shardImages: 3, workers: 1 });
    await body(out, folder);
  });
}

async function refused(run: () => Promise<unknown>, message: RegExp): Promise<void> {
  try {
    await run();
  } catch (error) {
    assert.instance(error, DataError);
    assert.match(String(error), message);
    return;
  }
  assert.unreachable(String(message));
}

test('pictures come back with their labels and names, in any order, across shards', async () => {
  await withShards(async (shards) => {
    const { train, validation, index, mean } = await openShards(shards);
    assert.equal(train.classes, ['a', 'b', 'c']);
    assert.equal([train.length, validation?.length], [14, 3]);
    assert.equal(index.train.shards.length, 5);
    const asked = [13, 0, 7, 5, 6, 0];
    const { images, labels, indices } = await train.load(asked);
    assert.equal([...indices], asked);
    for (const [at, index] of asked.entries()) {
      const number = Number(/(\d+)\.png$/.exec(train.nameOf(index))?.[1]);
      const start = at * 3 * 256;
      assert.equal(
        [images[start], images[start + 256], images[start + 512]],
        [10 * number, 255 - number, labels[at]],
      );
      assert.is(labels[at], number % 3);
      assert.is(labels[at], train.labels[index]);
    }
    assert.equal(mean, await meanOf(train));
  });
});

test('some of the pictures keep their own indices', async () => {
  await withShards(async (shards) => {
    const { train } = await openShards(shards);
    const some = train.pick(Uint32Array.of(12, 3, 8)).pick(Uint32Array.of(2, 0));
    assert.equal([some.nameOf(0), some.nameOf(1)], [train.nameOf(8), train.nameOf(12)]);
    assert.equal([...(await some.load([1])).images], [...(await train.load([12])).images]);
    assert.equal([...some.labels], [train.labels[8], train.labels[12]]);
  });
});

test('a folder of shards is recognised, with its mean; resized, limited, or without validation set', async () => {
  await withShards(async (shards, folder) => {
    const data = await openData(shards, { imageSize: 16 });
    assert.equal(
      [data.kind, data.train.length, data.validation.length, data.mean?.count],
      ['shards', 14, 3, 14],
    );
    assert.equal(data.classNames, ['a', 'b', 'c']);
    const small = await openData(shards, { imageSize: 8, limit: 6 });
    assert.equal([small.train.length, small.train.imageShape[1], small.mean], [6, 8, undefined]);
    await cp(join(folder, 'data/train'), join(folder, 'alone'), { recursive: true });
    const out = join(folder, 'more');
    await prepare({ data: join(folder, 'alone'), out, size: 16, workers: 1 });
    const held = await openData(out, { imageSize: 16 });
    assert.equal([held.train.length, held.validation.length, held.mean], [11, 3, undefined]);
    assert.match(held.notes.join(), '3 of 14 are held out');
    const other = await openData(out, { imageSize: 16, validation: join(folder, 'data'), workers: 1 });
    assert.equal([other.train.length, other.validation.length], [14, 3]);
    assert.equal((await other.validation.load([1])).images[0], 1);
    await other.close();
  });
});

test('a damaged picture is left out and named, the others and their labels stay', async () => {
  await withShards(async (shards) => {
    const path = join(shards, 'train-00002.bin');
    const bytes = await readFile(path);
    bytes[768 + 5]! ^= 4;
    await writeFile(path, bytes);
    const { train } = await openShards(shards);
    const { indices, labels } = await train.load([6, 7, 8]);
    assert.equal([...indices], [6, 8]);
    assert.equal([...labels], [train.labels[6], train.labels[8]]);
    assert.is(train.unreadable.length, 1);
    assert.is(train.unreadable[0]!.name, train.nameOf(7));
    assert.match(train.unreadable[0]!.reason, /train-00002\.bin: picture 1 is damaged/);
    let count = 0;
    for await (const batch of batches(train, { batchSize: 4, shuffle: true })) count += batch.labels.length;
    assert.is(count, 13);
    assert.equal(await verifyShards(shards), [{ file: path, picture: train.nameOf(7) }]);
  });
});

test('shards exchanged for each other do not pass for themselves', async () => {
  await withShards(async (shards) => {
    await cp(join(shards, 'train-00000.bin'), join(shards, 'train-00001.bin'));
    const { train } = await openShards(shards);
    assert.is((await train.load([3, 4, 5])).labels.length, 0);
    assert.is(train.unreadable.length, 3);
    await cp(join(shards, 'train-00000.json'), join(shards, 'train-00001.json'));
    await refused(
      () => openShards(shards),
      /train-00001\.json: isn't the record that index\.json names; run prepare again/,
    );
  });
});

test('files missing or cut short, and an index that disagrees, are refused by name', async () => {
  const change = async (path: string, from: string, to: string): Promise<void> => {
    const text = await readFile(path, 'utf8');
    assert.ok(text.includes(from), `${path} has ${from}`);
    await writeFile(path, text.replace(from, to));
  };
  type Damage = [damage: (file: (name: string) => string) => Promise<void>, message: RegExp];
  const damages: Damage[] = [
    [
      (file) => truncate(file('train-00003.bin'), 1000),
      /train-00003\.bin: has 1000 bytes, 3 pictures take 2304/,
    ],
    [(file) => rm(file('validation-00000.bin')), /validation-00000\.bin: is missing/],
    [(file) => rm(file('train-00001.json')), /train-00001\.json: can't be read.*run prepare again/],
    [(file) => change(file('train-00001.json'), '"a"', '"b"'), /train-00001\.json: isn't the record/],
    [(file) => rm(file('mean.safetensors')), /mean\.safetensors: can't be read/],
    [(file) => truncate(file('mean.safetensors'), 100), /mean\.safetensors: not a whole safetensors file/],
    [
      (file) => change(file('index.json'), '"images": 14', '"images": 15'),
      /index\.json: disagrees.*14 pictures/,
    ],
    [
      (file) => change(file('index.json'), '"images": 3,', '"images": 2,'),
      /3 pictures of side 16.*says 2 of 16/,
    ],
    [(file) => change(file('index.json'), '   5,', '   6,'), /disagrees with its shards.*5 of class a/],
    [
      (file) => change(file('index.json'), '"id": "b"', '"id": "bb"'),
      /is of class b, which index\.json doesn't have/,
    ],
    [(file) => change(file('index.json'), '"id": "b"', '"id": "a"'), /two classes are called a/],
    [(file) => change(file('index.json'), '"id": "a"', '"id": "z"'), /aren't in sorted order/],
    [(file) => change(file('index.json'), 'shards-1', 'shards-9'), /format is "tandem-shards-9", expected/],
    [(file) => change(file('index.json'), '"mean": "', '"men": "'), /mean is missing, expected text/],
    [(file) => truncate(file('index.json'), 300), /index\.json: not JSON: damaged/],
    [
      (file) => change(file('index.json'), '"train-00001"', '"../../other"'),
      /index\.json: train\.shards is a list of 5, expected shards called train-00000/,
    ],
    [
      (file) => change(file('index.json'), '"size": 16', '"size": 1e300'),
      /size is 1e\+300, expected a whole/,
    ],
    [
      (file) => change(file('index.json'), '"covariance": [\n   [\n    ', '"covariance": [\n   [\n    9'),
      /the components of its colours aren't those of their covariance/,
    ],
    [(file) => rm(file('index.json')), /holds 6 shards but no index yet: run prepare again/],
  ];
  await withShards(async (shards, folder) => {
    for (const [damage, message] of damages) {
      const copy = join(folder, 'copy');
      await cp(shards, copy, { recursive: true });
      await damage((name) => join(copy, name));
      await refused(() => openData(copy, { imageSize: 16 }), message);
      await rm(copy, { recursive: true });
    }
  });
});

test('a shard that vanishes while training is an error, not a smaller set', async () => {
  await withShards(async (shards) => {
    const { train } = await openShards(shards);
    await rm(join(shards, 'train-00002.bin'));
    await refused(() => train.load([1, 6]), /train-00002\.bin: can't be opened any more/);
  });
});

test.run();
