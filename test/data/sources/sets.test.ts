/** What trains is prepared and what is prepared trains, and any format validates any other. */
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError } from '../../../src/core/errors.js';
import { prepare } from '../../../src/data/prepare/prepare.js';
import { openShards } from '../../../src/data/shards/shards.js';
import { formatLines, formats } from '../../../src/data/sources/formats.js';
import { type OpenedData, type OpenOptions, openData } from '../../../src/data/sources/open.js';
import { plainPng, tarOf, withFolder } from '../files.js';

type Files = Record<string, Uint8Array | string>;

const side = 16;
const png = (value: number): Uint8Array => plainPng(side, side, [value, value, value]);

/** A class's pictures have its number times ten as their values. */
function folders(prefix: string, classes: readonly string[], count: number): Files {
  const files: Files = {};
  for (const [label, name] of classes.entries()) {
    for (let i = 0; i < count; i++) files[`${prefix}${name}/${i}.png`] = png(10 * label);
  }
  return files;
}

async function opened(
  path: string,
  options: OpenOptions,
  use: (data: OpenedData) => void | Promise<void>,
): Promise<void> {
  const data = await openData(path, { imageSize: side, workers: 1, ...options });
  try {
    await use(data);
  } finally {
    await data.close();
  }
}

/** Every picture's values must be its class's. */
async function checkValues(data: OpenedData, expected: (className: string) => number): Promise<void> {
  for (const set of [data.train, data.validation]) {
    const { images, labels } = await set.load(Array.from({ length: set.length }, (_, i) => i));
    const size = images.length / labels.length;
    for (const [i, label] of labels.entries()) {
      assert.is(images[i * size + size / 6], expected(set.classes[label]!), `${set.name} ${i}`);
    }
  }
}

const cifarNames = 'airplane automobile bird cat deer dog frog horse ship truck'.split(' ');

/** CIFAR-10 records, label i mod 10 and ten times that in every pixel. */
function cifar(count: number): Uint8Array {
  return Uint8Array.from({ length: count * 3073 }, (_, at) => {
    const label = Math.floor(at / 3073) % 10;
    return at % 3073 === 0 ? label : 10 * label;
  });
}

const wnids = ['n01440764', 'n02100735', 'n02119789'];

/** ImageNet's archives: a tar of tars, a flat one, and the development kit. */
async function imagenet(): Promise<Files> {
  const inner = wnids.map(
    async (wnid, label): Promise<[string, Uint8Array]> => [
      `${wnid}.tar`,
      await tarOf({ [`${wnid}_1.JPEG`]: png(10 * label), [`${wnid}_2.JPEG`]: png(10 * label) }),
    ],
  );
  const shown = [1, 0, 2, 0];
  const flat = Object.fromEntries(
    shown.map((label, i) => [`ILSVRC2012_val_0000000${i + 1}.JPEG`, png(10 * label)]),
  );
  const kit = {
    // The ids aren't in the order of the WNIDs.
    'kit/data/ILSVRC2012_validation_ground_truth.txt': '2\n3\n1\n3\n',
    'kit/data/map_clsloc.txt': `${wnids[2]} 1 fox\n${wnids[1]} 2 setter\n${wnids[0]} 3 tench\n`,
  };
  return {
    'imagenet/ILSVRC2012_img_train.tar': await tarOf(Object.fromEntries(await Promise.all(inner))),
    'imagenet/ILSVRC2012_img_val.tar': await tarOf(flat),
    'imagenet/ILSVRC2012_devkit_t12.tar.gz': gzipSync(await tarOf(kit)),
  };
}

test("ImageNet's archives train without being prepared, with labels by the table and names", async () => {
  await withFolder(await imagenet(), (folder) =>
    opened(join(folder, 'imagenet'), {}, async (data) => {
      assert.equal([data.kind, data.train.length, data.validation.length], ['imagenet', 6, 4]);
      assert.equal(data.classNames, ['tench', 'setter', 'fox']);
      await checkValues(data, (name) => 10 * wnids.indexOf(name));
    }),
  );
});

test('a ground truth of a line too many trains nothing and prepares nothing', async () => {
  const files = {
    ...folders('data/train/', wnids, 2),
    'data/val/ILSVRC2012_val_00000001.JPEG': png(0),
    'data/val/ILSVRC2012_val_00000002.JPEG': png(10),
    'data/ILSVRC2012_validation_ground_truth.txt': `${wnids[0]}\n${wnids[2]}\n${wnids[1]}\n`,
  };
  await withFolder(files, async (folder) => {
    const data = join(folder, 'data');
    for (const open of [
      () => openData(data),
      () => prepare({ data, out: join(folder, 'out'), size: side }),
    ]) {
      await open().then(
        () => assert.unreachable(),
        (error) => {
          assert.instance(error, DataError);
          assert.match(String(error), /ground_truth\.txt: has 3 lines, which fit neither.*up to number 2/);
        },
      );
    }
  });
});

test("CIFAR-10's and MNIST's files and shards are prepared, and prepared again at another size", async () => {
  const idx = (sizes: readonly number[], data: readonly number[]): Uint8Array =>
    Uint8Array.from([0, 0, 8, sizes.length, ...sizes.flatMap((n) => [0, 0, n >> 8, n & 255]), ...data]);
  const digits = [3, 1, 3, 1, 3];
  const files = {
    'cifar/data_batch_1.bin': cifar(40),
    'cifar/test_batch.bin': cifar(10),
    'mnist/train-images-idx3-ubyte': idx(
      [5, 40, 40],
      digits.flatMap((d) => new Array<number>(1600).fill(10 * d)),
    ),
    'mnist/train-labels-idx1-ubyte': idx([5], digits),
  };
  await withFolder(files, async (folder) => {
    const shards = join(folder, 'shards');
    const made = await prepare({
      data: join(folder, 'cifar'),
      out: shards,
      size: 24,
      shardImages: 7,
      workers: 1,
    });
    assert.equal([made.index.train.images, made.index.validation?.images], [40, 10]);
    assert.match((await openShards(shards)).train.nameOf(0), /^train\/airplane\/cifar10 \d+$/);
    const again = join(folder, 'again');
    await prepare({ data: shards, out: again, size: 8, workers: 1 });
    for (const [path, imageSize] of [
      [shards, 24],
      [again, 8],
    ] as const) {
      await opened(path, { imageSize }, async (data) => {
        assert.equal(data.classes, cifarNames);
        assert.equal([data.train.length, data.validation.length], [40, 10]);
        await checkValues(data, (name) => 10 * cifarNames.indexOf(name));
      });
    }
    // What was made is known again: nothing is converted a second time.
    let converted = 0;
    const done = (count: number, kept: boolean): void => {
      if (!kept) converted += count;
    };
    await prepare({ data: shards, out: again, size: 8, workers: 1, listener: { found: () => {}, done } });
    assert.is(converted, 0);
    const numbers = join(folder, 'numbers');
    await prepare({ data: join(folder, 'mnist'), out: numbers, size: 40, workers: 1 });
    await opened(numbers, { imageSize: 40, holdout: 0.3 }, (data) =>
      checkValues(data, (name) => 10 * Number(name)),
    );
  });
});

test('classes whose numbers are not in the order of their names keep their pictures when prepared', async () => {
  const count = 120;
  const bytes = new Uint8Array(count * 3074);
  for (let i = 0; i < count; i++) {
    bytes.fill(2 * (i % 100), i * 3074, (i + 1) * 3074);
    bytes.set([0, i % 100], i * 3074);
  }
  await withFolder({ 'cifar/train.bin': bytes, 'cifar/test.bin': bytes }, async (folder) => {
    const out = join(folder, 'out');
    await prepare({ data: join(folder, 'cifar'), out, size: side, workers: 1 });
    await opened(out, {}, async (data) => {
      assert.equal([data.classes.length, data.train.length, data.validation.length], [100, 120, 120]);
      await checkValues(data, (name) => 2 * Number(name));
    });
    // Their shards validate the files they were made of.
    await opened(join(folder, 'cifar'), { validation: out }, (data) =>
      checkValues(data, (name) => 2 * Number(name)),
    );
  });
});

test('anything validates anything that has its classes', async () => {
  const files = {
    ...folders('images/train/', cifarNames, 2),
    ...folders('images/val/', cifarNames, 1),
    ...folders('other/', cifarNames.slice(0, 3), 2),
    'cifar/data_batch_1.bin': cifar(20),
    'cifar/test_batch.bin': cifar(30),
    'tested/test_batch.bin': cifar(40),
    'images.tar': await tarOf(folders('set/test/', cifarNames, 4)),
    ...(await imagenet()),
    ...folders('wnids/', wnids, 3),
  };
  await withFolder(files, async (folder) => {
    const at = (name: string): string => join(folder, name);
    await prepare({ data: at('images'), out: at('shards'), size: side, workers: 1 });
    const [train, images] = [
      ['images', 'cifar', 'shards'],
      ['other', 'cifar', 'tested', 'shards', 'images.tar', 'images'],
    ];
    const counts: Readonly<Record<string, number>> = {
      ...{ other: 6, cifar: 30, tested: 40, shards: 10, 'images.tar': 40, images: 10 },
    };
    for (const path of train) {
      for (const validation of images) {
        await opened(at(path), { validation: at(validation) }, async (data) => {
          assert.is(data.validation.length, counts[validation], `${path}, ${validation}`);
          await checkValues(data, (name) => 10 * cifarNames.indexOf(name));
        });
      }
    }
    // Labels may lie with the images that are trained, or with those that validate.
    await opened(at('wnids'), { validation: at('imagenet') }, async (data) => {
      assert.equal([data.train.length, data.validation.length], [9, 4]);
      assert.equal(data.classNames, ['tench', 'setter', 'fox']);
      await checkValues(data, (name) => 10 * wnids.indexOf(name));
    });
    await opened(at('imagenet'), { validation: at('imagenet/ILSVRC2012_img_val.tar') }, (data) =>
      checkValues(data, (name) => 10 * wnids.indexOf(name)),
    );
    await openData(at('cifar'), { validation: at('wnids') }).then(
      () => assert.unreachable(),
      (error) =>
        assert.match(String(error), /wnids: validation images of 3 classes that aren't trained \(n01440764/),
    );
  });
});

test('every format has a line for people, and the folder of classes comes first', () => {
  assert.is(formatLines.length, formats.length);
  assert.match(formatLines[0]!, /^train\/CLASS/);
  assert.is(new Set(formats.map(({ kind }) => kind)).size, formats.length);
});

test.run();
