/** Files of plain bytes: CIFAR-100, the sets of EMNIST, and IDX files that claim more than there is. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError } from '../../../src/core/errors.js';
import { openData } from '../../../src/data/sources/open.js';
import { tarOf, withFolder } from '../files.js';

type Files = Record<string, Uint8Array | string>;

async function refused(files: Files, message: RegExp, path = ''): Promise<void> {
  await withFolder(files, async (folder) => {
    try {
      await (await openData(join(folder, path))).close();
    } catch (error) {
      assert.instance(error, DataError);
      assert.match(String(error), message);
      return;
    }
    assert.unreachable(String(message));
  });
}

/** CIFAR-100 records: record i has the coarse label i mod 20, the fine one i mod 100, and i mod 256 in all pixels. */
function records(count: number): Uint8Array {
  const bytes = new Uint8Array(count * 3074);
  for (let i = 0; i < count; i++) {
    bytes.fill(i, i * 3074, (i + 1) * 3074);
    bytes.set([i % 20, i % 100], i * 3074);
  }
  return bytes;
}

test("CIFAR-100's records: the fine label, the names of the fine classes", async () => {
  const names = Array.from({ length: 100 }, (_, i) => `fine ${String(i).padStart(2, '0')}`);
  const files = {
    'cifar-100-binary/train.bin': records(300),
    'cifar-100-binary/test.bin': records(130),
    'cifar-100-binary/fine_label_names.txt': `${names.join('\n')}\n`,
    'cifar-100-binary/coarse_label_names.txt': 'x\n',
  };
  const check = async (path: string, classes: readonly string[]): Promise<void> => {
    const data = await openData(path);
    assert.is(data.kind, 'cifar100');
    assert.equal(data.classes, classes);
    assert.equal([data.train.length, data.validation.length], [300, 130]);
    const { images, labels } = await data.train.load([0, 123, 299]);
    assert.equal([...labels], [0, 23, 99]);
    assert.equal([images[0], images[3072], images[2 * 3072 - 1], images[2 * 3072]], [0, 123, 123, 299 % 256]);
  };
  await withFolder({ ...files, 'set.tgz': gzipSync(await tarOf(files)) }, async (folder) => {
    await check(join(folder, 'cifar-100-binary'), names);
    await check(join(folder, 'set.tgz'), names);
  });
  const numbers = names.map((_, i) => String(i));
  await withFolder({ 'train.bin': records(300), 'test.bin': records(130) }, (folder) =>
    check(folder, numbers),
  );
  const { 'cifar-100-binary/train.bin': _, ...untrained } = files;
  await refused(untrained, /has CIFAR-100's test\.bin but no file to train on/);
  const cut = { ...files, 'cifar-100-binary/train.bin': records(3).subarray(0, 9000) };
  await refused(cut, /train\.bin: 9000 bytes aren't whole CIFAR-100 records of 3074/);
  const ten = { 'data_batch_1.bin': records(3073), 'test_batch.bin': records(3073) };
  await refused(ten, /record 11 has label 10, expected 0 to 9; its length is that of CIFAR-100/);
});

test('the Python versions are refused by name', async () => {
  const pickle = Uint8Array.of(0x80, 2, 0x7d);
  await refused(
    { data_batch_1: pickle, data_batch_2: pickle, test_batch: pickle, 'batches.meta': 'x' },
    /the Python version of CIFAR-10: the binary version is read/,
  );
  await refused({ train: pickle, test: pickle, meta: pickle }, /the Python version of CIFAR-100/);
});

/** An IDX file; type 8 is unsigned bytes. */
function idx(sizes: readonly number[], data: Uint8Array, type = 8): Uint8Array {
  const header = Buffer.alloc(4 + 4 * sizes.length);
  header.set([0, 0, type, sizes.length]);
  for (const [i, size] of sizes.entries()) header.writeUInt32BE(size, 4 + 4 * i);
  return Buffer.concat([header, data]);
}

/** One part of a set: pictures of 28x28 whose row 3, column 5 has the picture's number. */
function part(name: string, labels: readonly number[]): Files {
  const pixels = new Uint8Array(labels.length * 784);
  for (let i = 0; i < labels.length; i++) pixels[i * 784 + 3 * 28 + 5] = i + 1;
  return {
    [`${name}-images-idx3-ubyte.gz`]: gzipSync(idx([labels.length, 28, 28], pixels)),
    [`${name}-labels-idx1-ubyte.gz`]: gzipSync(idx([labels.length], Uint8Array.from(labels))),
  };
}

const emnistSets: readonly (readonly [
  name: string,
  labels: readonly number[],
  classes: number,
  seen: string,
])[] = [
  ['balanced', [0, 9, 10, 46], 47, '09At'],
  ['byclass', [0, 9, 10, 61], 62, '09Az'],
  ['bymerge', [0, 9, 36, 46], 47, '09at'],
  ['digits', [0, 1, 8, 9], 10, '0189'],
  ['letters', [1, 2, 25, 26], 26, 'ABYZ'],
  ['mnist', [0, 1, 8, 9], 10, '0189'],
];

test("EMNIST's six sets are chosen by how their files' names begin, and turned upright", async () => {
  const files: Files = { 'emnist-letters-mapping.txt': '1 65 97\n' };
  for (const [name, labels] of emnistSets) {
    Object.assign(files, part(`emnist-${name}-train`, labels), part(`emnist-${name}-test`, labels.slice(1)));
  }
  const choice = /holds 6 data sets \(emnist-balanced, emnist-byclass, .*emnist-mnist\): give one of them/;
  await refused(files, choice);
  await refused({ 'gzip.tar': await tarOf(files) }, choice, 'gzip.tar');
  await withFolder({ ...files, 'gzip.tar': await tarOf(files) }, async (folder) => {
    for (const [name, labels, classes, seen] of emnistSets) {
      for (const place of [folder, join(folder, 'gzip.tar')]) {
        const data = await openData(join(place, `emnist-${name}`));
        assert.is(data.classes.length, classes, name);
        assert.equal([data.train.length, data.validation.length], [4, 3]);
        assert.is([...data.train.labels].map((label) => data.classes[label]).join(''), seen);
        assert.is(data.validation.labels[0], labels[1]! - (name === 'letters' ? 1 : 0));
        // Turned over its diagonal, and centred in 32x32.
        const { images } = await data.train.load([2]);
        assert.is(images[(5 + 2) * 32 + 3 + 2], 3);
        assert.match(data.notes.join(), /turned upright/);
      }
    }
  });
  await refused({ ...part('emnist-letters-train', [1, 2, 0]) }, /image 2 has label 0, expected 1 to 26/);
});

test('one set of several folders, or packed and not', async () => {
  const plain: Files = {};
  const set = { ...part('train', [0, 1, 1, 0]), ...part('t10k', [1]) };
  for (const [name, bytes] of Object.entries(set)) {
    const unpacked = name.replace('.gz', '');
    // Some unpackers make a folder of each file's name.
    plain[`raw/${unpacked}/${unpacked}`] = await gunzip(bytes);
  }
  for (const files of [
    set,
    { ...set, ...Object.fromEntries(Object.entries(plain).map(([n, b]) => [n.split('/')[2]!, b])) },
    plain,
  ]) {
    await withFolder(files, async (folder) => {
      const data = await openData(folder);
      assert.equal(
        [data.kind, data.train.length, data.validation.length, data.classes.length],
        ['mnist', 4, 1, 10],
      );
    });
  }
  const other = Object.fromEntries(Object.entries(set).map(([name, bytes]) => [`fashion/${name}`, bytes]));
  await refused(
    { ...other, ...Object.fromEntries(Object.entries(set).map(([n, b]) => [`mnist/${n}`, b])) },
    /holds 2 data sets \(fashion\/, mnist\/\)/,
  );
  // A beginning of names that nothing has, in a folder that holds much.
  await withFolder(set, async (folder) => {
    await mkdir(join(folder, 'a'));
    await refused(set, /emnist-digits: can't be opened: no such file/, 'emnist-digits');
  });
});

async function gunzip(bytes: Uint8Array | string): Promise<Uint8Array> {
  const { gunzipSync } = await import('node:zlib');
  return gunzipSync(bytes);
}

test('IDX files that claim more than there is, or numbers of another type', async () => {
  const labels = { 'train-labels-idx1-ubyte': idx([2], Uint8Array.of(0, 1)) };
  const images = (file: Uint8Array): Files => ({ 'train-images-idx3-ubyte': file, ...labels });
  await refused(
    images(idx([2, 2, 2], Buffer.alloc(32), 13)),
    /train-images.*IDX file of float32 numbers, only unsigned/,
  );
  await refused(images(idx([2, 2, 2, 3], Buffer.alloc(24))), /is 2x2x2x3 but/);
  await refused(images(idx([2, 2, 2], Buffer.alloc(7))), /IDX file of 2x2x2 has 23 bytes, expected 24/);
  await refused(images(idx([2, 2 ** 31, 2 ** 31], Buffer.alloc(7))), /expected 9\d+/);
  const many = 30_000_000;
  const packed = {
    'train-images-idx3-ubyte.gz': gzipSync(idx([many, 1, 1], new Uint8Array(many))),
    'train-labels-idx1-ubyte.gz': gzipSync(idx([many], new Uint8Array(many))),
  };
  await refused(packed, /30000000 images, at most 16777216 are read of a file/);
  const zeros = { 'train-images-idx3-ubyte.gz': gzipSync(idx([2, 1, 1], new Uint8Array(50e6))), ...labels };
  await refused(zeros, /train-images-idx3-ubyte: unpacks to more than the 18 B allowed/);
  const huge = {
    'train-images-idx3-ubyte.gz': gzipSync(idx([2, 60_000, 60_000], new Uint8Array(9))),
    ...labels,
  };
  await refused(huge, /train-images-idx3-ubyte: .*expected 7200000016|7\.2 GB|damaged gzip|has 25 bytes/);
});

test.run();
