/** Opening data: class folders, archives, CIFAR-10 and MNIST files, with all that can be wrong with them. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError } from '../../../src/core/errors.js';
import { balancedSubset, type Dataset } from '../../../src/data/dataset.js';
import { DecodePool } from '../../../src/data/images/decodePool.js';
import { type OpenedData, type OpenOptions, openData } from '../../../src/data/sources/open.js';
import { holdOut } from '../../../src/data/sources/splits.js';
import { blockJpeg, jpegOf, plainPng, tarOf, withFolder } from '../files.js';

type Files = Record<string, Uint8Array | string>;

/** Class folders under `prefix`: `count` plain PNGs for each class, all of its colour. */
function plain(prefix: string, count: number): Files {
  const colours = { blue: [0, 0, 200], red: [200, 0, 0] } as const;
  const files: Files = {};
  for (const [name, colour] of Object.entries(colours)) {
    for (let i = 0; i < count; i++) files[`${prefix}${name}/${i}.png`] = plainPng(40, 36, colour);
  }
  return files;
}

async function opened(
  path: string,
  options: OpenOptions,
  body: (data: OpenedData) => Promise<void>,
): Promise<void> {
  const data = await openData(path, options);
  try {
    await body(data);
  } finally {
    await data.close();
  }
}

async function refused(path: string | undefined, message: RegExp, options: OpenOptions = {}): Promise<void> {
  try {
    await (await openData(path, options)).close();
  } catch (error) {
    assert.instance(error, DataError);
    assert.match(String(error), message);
    return;
  }
  assert.unreachable(`expected ${message}`);
}

/** Names of the classes as the pictures' own colours say: red or blue. */
async function colours(dataset: Dataset): Promise<string[]> {
  const { images, labels } = await dataset.load(dataset.labels.map((_, i) => i));
  const size = images.length / labels.length;
  return Array.from(labels, (_, i) => (images[i * size]! > 100 ? 'red' : 'blue'));
}

test('train and val folders are the two splits, whatever lies deeper belongs to its class', async () => {
  const files = {
    ...plain('train/', 3),
    ...plain('val/', 2),
    'train/red/more/x': plainPng(9, 9, [200, 0, 0]),
  };
  await withFolder(files, (folder) =>
    opened(folder, {}, async ({ kind, classes, train, validation, notes }) => {
      assert.is(kind, 'folder');
      assert.equal(classes, ['blue', 'red']);
      assert.equal([train.length, validation.length], [7, 4]);
      assert.equal(
        await colours(train),
        [...train.labels].map((label) => classes[label]),
      );
      assert.equal(await colours(validation), ['blue', 'blue', 'red', 'red']);
      assert.match(notes.join(), 'the folder val');
    }),
  );
});

test('class folders alone: a share of each class is held out by file name, and said so', async () => {
  await withFolder(plain('', 10), (folder) =>
    opened(folder, { holdout: 0.2 }, async ({ train, validation, notes }) => {
      assert.equal([train.length, validation.length], [16, 4]);
      assert.equal(await colours(validation), ['blue', 'blue', 'red', 'red']);
      assert.match(notes.join(), /4 of 20 are held out, 20 %/);
    }),
  );
});

test('what is held out depends on names alone', () => {
  const names = Array.from({ length: 200 }, (_, i) => `class/${i}.jpg`);
  const labels = names.map((_, i) => i % 3);
  const { train, validation } = holdOut(names, labels, 0.1);
  assert.is(train.length + validation.length, 200);
  assert.is(validation.length, 21);
  const held = new Set(Array.from(validation, (i) => names[i]));
  const turned = holdOut(names.toReversed(), labels.toReversed(), 0.1);
  assert.equal(new Set(Array.from(turned.validation, (i) => names.toReversed()[i])), held);
});

test('unreadable files are named with their reason and left out, in memory and batch by batch', async () => {
  const photo = jpegOf(48, 48, (x) => [x, x, x]);
  const files = {
    ...plain('train/', 3),
    ...plain('val/', 1),
    'train/red/cut.jpg': photo.subarray(0, 400),
    'train/red/empty.png': '',
    'train/blue/text.jpg': 'these are no pixels',
    'train/blue/.hidden': 'passed over',
  };
  await withFolder(files, async (folder) => {
    for (const memory of [1e9, 0]) {
      await opened(folder, { memory }, async ({ train }) => {
        const asked = train.labels.map((_, i) => i);
        const loaded = await train.load(asked);
        await train.load(asked);
        assert.is(loaded.labels.length, 6);
        assert.equal([...loaded.labels], [0, 0, 0, 1, 1, 1]);
        assert.is(loaded.images.length, 6 * 3072);
        const found = train.unreadable.map(({ name, reason }) => `${name}: ${reason}`).sort();
        assert.is(found.length, 3);
        assert.match(found[0] ?? '', /^train\/blue\/text.jpg: neither a JPEG nor a PNG/);
        assert.match(found[1] ?? '', /^train\/red\/cut.jpg: damaged JPEG/);
        assert.match(found[2] ?? '', /^train\/red\/empty.png: empty file/);
      });
    }
  });
});

test('a JPEG called .png and a PNG called .txt are what their bytes say', async () => {
  const files = {
    'a/1.png': blockJpeg([50]),
    'a/2.png': blockJpeg([50]),
    'b/1.txt': plainPng(8, 8, [9, 9, 9]),
    'b/2.txt': plainPng(8, 8, [9, 9, 9]),
  };
  await withFolder(files, (folder) =>
    opened(folder, {}, async ({ train }) => {
      const { images } = await train.load([0, 1]);
      assert.equal([images[0], images[3072], train.unreadable.length], [50, 9, 0]);
    }),
  );
});

test('the number of decoding threads changes no byte', async () => {
  const sources = Array.from({ length: 40 }, (_, i) => ({
    bytes: jpegOf(20 + i, 50 - i, (x, y) => [(x * i) % 256, y * 5, i]),
  }));
  const decodedBy = async (workers: number): Promise<Uint8Array> => {
    const pool = new DecodePool(workers);
    try {
      return (await pool.decode(sources, 32, 32)).planes;
    } finally {
      await pool.close();
    }
  };
  assert.equal(await decodedBy(3), await decodedBy(1));
});

test('tar archives, gzipped or not, hold the same as folders, with another for validation', async () => {
  const train = await tarOf(plain('set/train/', 4));
  const test = await tarOf(plain('test/', 2));
  await withFolder(
    { 'train.tar': train, 'test.tgz': gzipSync(test), 'cut.tgz': gzipSync(train).subarray(0, 90) },
    async (folder) => {
      const validation = join(folder, 'test.tgz');
      await opened(join(folder, 'train.tar'), { validation }, async (data) => {
        assert.equal([data.train.length, data.validation.length], [8, 4]);
        assert.equal(await colours(data.validation), ['blue', 'blue', 'red', 'red']);
      });
      await refused(join(folder, 'cut.tgz'), /cut.tgz: damaged gzip/);
      await refused(validation, /has test\/ but no train\//);
    },
  );
  await withFolder({ 'cut.tar': train.subarray(0, 3000), 'x.txt': 'no archive' }, async (folder) => {
    await refused(join(folder, 'cut.tar'), /cut.tar: damaged tar/);
    await refused(join(folder, 'x.txt'), /neither a folder nor a tar archive/);
  });
});

test('wrong folders are refused, saying what was found and what was expected', async () => {
  await refused('/no/such/place', /can't be opened/);
  await withFolder({}, (folder) => refused(folder, /holds no files/));
  await withFolder({ 'a.png': plainPng(4, 4, [0, 0, 0]) }, (folder) =>
    refused(folder, /no class folders, found 0 folders and 1 loose file \(a.png\); expected train\/CLASS/),
  );
  await withFolder({ 'cat/1.png': plainPng(4, 4, [0, 0, 0]) }, (folder) =>
    refused(folder, /only one class \(cat\)/),
  );
  await withFolder({ 'a/1': 'x', 'a/2': 'x', 'b/1': 'x', 'b/2': 'x' }, (folder) =>
    refused(folder, /2 unreadable images \(a\/.: neither a JPEG nor a PNG.*none is left/),
  );
  await withFolder({ ...plain('train/', 1), ...plain('val/x', 1) }, (folder) =>
    refused(folder, /2 classes that aren't trained \(xblue, xred\)/),
  );
});

test('where no class has a second image, none is held out, and said so', async () => {
  await withFolder(plain('', 1), (folder) =>
    opened(folder, {}, async ({ train, validation, notes }) => {
      assert.equal([train.length, validation.length], [2, 0]);
      assert.match(notes.join(), /no class has more than one image \(2 in all\), so none is held out/);
    }),
  );
});

test('a limit takes as many of each class, by the seed', async () => {
  const labels = Array.from({ length: 1000 }, (_, i) => (i < 900 ? i % 3 : 3));
  const chosen = balancedSubset(labels, 41, 7);
  const counts = [0, 0, 0, 0];
  for (const index of chosen) counts[labels[index]!]! += 1;
  assert.equal(counts, [11, 10, 10, 10]);
  assert.equal(balancedSubset(labels, 41, 7), chosen);
  assert.not.equal(balancedSubset(labels, 41, 8), chosen);
  assert.is(balancedSubset(labels, 5000, 0).length, 1000);
  // More than the smallest class has: the others fill up.
  assert.is(balancedSubset([0, 0, 0, 0, 1], 4, 0).length, 4);
  await withFolder(plain('', 10), (folder) =>
    opened(folder, { limit: 6 }, async ({ train }) => {
      assert.equal([...train.labels], [0, 0, 0, 1, 1, 1]);
    }),
  );
});

/** CIFAR-10 records: record i has label i mod 10 and byte value 10 i in every pixel. */
function cifarRecords(count: number): Uint8Array {
  return Uint8Array.from({ length: count * 3073 }, (_, at) => {
    const i = Math.floor(at / 3073);
    return at % 3073 === 0 ? i % 10 : (10 * i) % 256;
  });
}

test("CIFAR-10's binary files", async () => {
  const names = Array.from({ length: 10 }, (_, i) => `class-${i}`);
  const files = {
    'cifar-10-batches-bin/data_batch_1.bin': cifarRecords(20),
    'cifar-10-batches-bin/data_batch_2.bin': cifarRecords(10),
    'cifar-10-batches-bin/test_batch.bin': cifarRecords(10),
    'cifar-10-batches-bin/batches.meta.txt': `${names.join('\n')}\n\n`,
    'cifar-10-batches-bin/readme.html': '<html>',
  };
  await withFolder(files, async (folder) => {
    await opened(folder, {}, async ({ kind, classes, train, validation }) => {
      assert.is(kind, 'cifar10');
      assert.equal(classes, names);
      assert.equal([train.length, validation.length], [30, 10]);
      const { images, labels } = await train.load([13, 21]);
      assert.equal([...labels], [3, 1]);
      assert.equal([images[0], images[3071], images[3072], images.at(-1)], [130, 130, 10, 10]);
    });
    await opened(folder, { imageSize: 48, limit: 10 }, async ({ train }) => {
      assert.equal(train.imageShape, [3, 48, 48]);
      assert.is((await train.load([0, 1])).images.length, 2 * 3 * 48 * 48);
    });
  });
  await withFolder({ 'data_batch_1.bin': cifarRecords(2).subarray(0, 5000) }, (folder) =>
    refused(folder, /5000 bytes aren't whole CIFAR-10 records/),
  );
  const wrong = cifarRecords(2);
  wrong[3073] = 77;
  await withFolder({ 'data_batch_1.bin': wrong }, (folder) => refused(folder, /record 1 has label 77/));
  await withFolder({ 'data_batch_1.bin': cifarRecords(40) }, (folder) =>
    opened(folder, {}, async ({ train, validation, notes }) => {
      assert.equal([train.length, validation.length], [30, 10]);
      assert.match(notes.join(), 'held out');
    }),
  );
});

/** An IDX file of bytes. */
function idx(sizes: readonly number[], data: readonly number[]): Uint8Array {
  const header = [0, 0, 8, sizes.length, ...sizes.flatMap((n) => [0, 0, n >> 8, n & 255])];
  return Uint8Array.from([...header, ...data]);
}

test("MNIST's IDX files, plain and gzipped, padded to 32x32 in three equal planes", async () => {
  const pixels = (count: number): number[] =>
    Array.from({ length: count * 784 }, (_, i) => (i % 784 === 0 ? 99 : 7));
  const files = {
    'train-images-idx3-ubyte': idx([20, 28, 28], pixels(20)),
    'train-labels-idx1-ubyte': idx(
      [20],
      Array.from({ length: 20 }, (_, i) => i % 10),
    ),
    't10k-images-idx3-ubyte.gz': gzipSync(idx([3, 28, 28], pixels(3))),
    't10k-labels-idx1-ubyte.gz': gzipSync(idx([3], [9, 8, 7])),
  };
  await withFolder(files, (folder) =>
    opened(folder, {}, async ({ kind, classes, train, validation }) => {
      assert.is(kind, 'mnist');
      assert.is(classes.length, 10);
      assert.equal([train.length, validation.length, ...validation.labels], [20, 3, 9, 8, 7]);
      const { images } = await validation.load([2]);
      for (let c = 0; c < 3; c++) {
        const plane = images.subarray(c * 1024, (c + 1) * 1024);
        assert.equal([plane[0], plane[65], plane[66], plane[67], plane[1023]], [0, 0, 99, 7, 0]);
        assert.is(
          plane.reduce((a, b) => a + b),
          99 + 783 * 7,
        );
      }
    }),
  );
  const short = { ...files, 'train-images-idx3-ubyte': files['train-images-idx3-ubyte'].subarray(0, 9000) };
  await withFolder(short, (folder) => refused(folder, /IDX file of 20x28x28 has 9000 bytes, expected 15696/));
  const unlike = { ...files, 'train-labels-idx1-ubyte': idx([2], [0, 1]) };
  await withFolder(unlike, (folder) => refused(folder, /is 20x28x28 but .* has 2 labels/));
  const beyond = { ...files, 't10k-labels-idx1-ubyte.gz': gzipSync(idx([3], [9, 10, 7])) };
  await withFolder(beyond, (folder) => refused(folder, /image 1 has label 10, trained are 0 to 9/));
  const { 'train-labels-idx1-ubyte': _, ...unlabelled } = files;
  await withFolder(unlabelled, (folder) => refused(folder, /images and labels are needed/));
});

test('an empty class folder is told of', async () => {
  await withFolder(plain('', 2), async (folder) => {
    await mkdir(join(folder, 'white', 'deeper'), { recursive: true });
    await opened(folder, {}, async ({ classes, notes }) => {
      assert.equal(classes, ['blue', 'red']);
      assert.match(notes.join(), /no class was made of 1 empty folders \(white\/deeper\)/);
    });
  });
});

test('no path is the synthetic set', async () => {
  const { kind, train, validation, notes } = await openData(undefined, { limit: 30, seed: 2 });
  assert.is(kind, 'synthetic');
  assert.equal([train.length, validation.length], [30, 2000]);
  assert.match(notes.join(), 'synthetic');
});

test('real archives: CIFAR-10 as JPEGs, ImageNet photographs', async () => {
  const shared = fileURLToPath(new URL('../../../../../shared/data/', import.meta.url));
  const [cifar, photos] = [join(shared, 'cifar10-test.tar.gz'), join(shared, 'imagenet-sample.tar')];
  if (!existsSync(cifar) || !existsSync(photos)) {
    console.log(`skipped: no archives under ${shared}`);
    return;
  }
  const { listEntries } = await import('../../../src/data/sources/entries.js');
  const { entries } = await listEntries(cifar);
  const pool = new DecodePool();
  try {
    const every = entries.filter((_, i) => i % 25 === 0);
    assert.is(every.length, 200);
    const small = await pool.decode(
      every.map(({ source }) => source),
      32,
      32,
    );
    assert.is(small.failures.size, 0);
    const large = (await listEntries(photos)).entries.filter((_, i) => i % 10 === 0);
    const decoded = await pool.decode(
      large.map(({ source }) => source),
      256,
      256,
    );
    assert.is(decoded.failures.size, 0);
    // Photographs: no picture is of one colour.
    for (let at = 0; at < decoded.planes.length; at += 3 * 65536) {
      assert.ok(new Set(decoded.planes.subarray(at, at + 65536)).size > 50);
    }
  } finally {
    await pool.close();
  }
});

test.run();
