/** Folders and archives as data sets come: which files are trained on, which validate, of which class. */
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError } from '../../../src/core/errors.js';
import { type OpenOptions, openData } from '../../../src/data/sources/open.js';
import { plainPng, tarOf, withFolder } from '../files.js';

type Files = Record<string, Uint8Array | string>;

const [red, blue] = [plainPng(8, 8, [200, 0, 0]), plainPng(8, 8, [0, 0, 200])];

/** Images of two classes, `count` of each, blue ones in the first. */
function two(prefix = '', count = 4, [a, b]: readonly [string, string] = ['cat', 'dog']): Files {
  const files: Files = {};
  for (let i = 0; i < count; i++) {
    files[`${prefix}${a}/${i}.png`] = blue;
    files[`${prefix}${b}/${i}.png`] = red;
  }
  return files;
}

interface Wanted {
  readonly classes?: readonly string[];
  /** Images in training and validation. */
  readonly images: readonly [train: number, validation: number];
  readonly notes?: RegExp;
  readonly kind?: string;
  readonly names?: readonly string[];
}

async function check(path: string, wanted: Wanted, options: OpenOptions = {}): Promise<void> {
  const data = await openData(path, { workers: 1, ...options });
  try {
    assert.equal(data.classes, wanted.classes ?? ['cat', 'dog']);
    assert.equal([data.train.length, data.validation.length], wanted.images, data.notes.join('\n'));
    if (wanted.notes) assert.match(data.notes.join('\n'), wanted.notes);
    if (wanted.kind) assert.is(data.kind, wanted.kind);
    if (wanted.names) assert.equal(data.classNames, wanted.names);
    for (const set of [data.train, data.validation]) {
      const { images, labels } = await set.load(Array.from({ length: set.length }, (_, i) => i));
      assert.is(labels.length, set.length, JSON.stringify(set.unreadable));
      const size = images.length / labels.length;
      for (const [i, label] of labels.entries()) assert.is(images[i * size]! > 100 ? 1 : 0, label);
    }
  } finally {
    await data.close();
  }
}

/** The same files in a folder, a tar and a gzipped one. */
async function everywhere(files: Files, wanted: Wanted): Promise<void> {
  await withFolder(files, (folder) => check(folder, wanted));
  const tar = await tarOf(files);
  await withFolder({ 'set.tar': tar, 'set.tgz': gzipSync(tar) }, async (folder) => {
    for (const name of ['set.tar', 'set.tgz']) await check(join(folder, name), wanted);
  });
}

async function refused(files: Files, message: RegExp, options: OpenOptions = {}): Promise<void> {
  await withFolder(files, async (folder) => {
    try {
      await (await openData(folder, options)).close();
    } catch (error) {
      assert.instance(error, DataError);
      assert.match(String(error), message);
      return;
    }
    assert.unreachable(String(message));
  });
}

test('flower_photos and imagenette: a file that is no image beside the classes', async () => {
  await everywhere({ 'flower_photos/LICENSE.txt': 'x', ...two('flower_photos/') }, { images: [6, 2] });
  await everywhere({ LICENSE: 'x', README: 'x', ...two() }, { images: [6, 2] });
  const imagenette = {
    'imagenette2/noisy_imagenette.csv': 'x',
    ...two('imagenette2/train/'),
    ...two('imagenette2/val/', 2),
  };
  await everywhere(imagenette, { images: [8, 4], notes: /validation images: the folder val/ });
  await everywhere({ 'README.md': 'x', ...two('set/train/'), ...two('set/val/', 2) }, { images: [8, 4] });
});

test('folders that hold everything are passed; parts within them and within classes are found', async () => {
  await everywhere({ ...two('a/b/c/'), 'a/read.me': 'x' }, { images: [6, 2] });
  await everywhere({ ...two('data/train/train/'), ...two('data/test/test/', 1) }, { images: [8, 2] });
  const within: Files = {};
  for (const [name, body] of Object.entries(two('', 4))) {
    const [folder, file] = name.split('/');
    within[`${folder}/train/${file}`] = body;
    within[`${folder}/test/${file}`] = body;
  }
  await everywhere(within, { images: [8, 8], notes: /validation images: the folder test/ });
  // Below a folder of images, folders are of its class whatever they're called.
  await everywhere({ ...two(), 'cat/test/x.png': blue, 'dog/train/y.png': red }, { images: [8, 2] });
});

test('what lies in no class folder is told of and not used', async () => {
  await everywhere(
    { ...two(), 'loose.png': red },
    { images: [6, 2], notes: /not used: 1 image outside.*loose\.png/ },
  );
  const tested = { ...two('train/'), 'test/1.png': red, 'more/cat/2.png': red };
  await everywhere(tested, {
    images: [6, 2],
    notes: /not used: 1 images in neither.*not used: 1 test images without labels/s,
  });
  await everywhere(
    { ...two('train/'), ...two('val/', 1), ...two('test/', 3) },
    {
      images: [8, 2],
      notes: /the folder val.*not used: 6 test images/s,
    },
  );
});

test('a folder without images is no class', async () => {
  const tables = { 'boxes/cat.xml': 'x', 'boxes/dog.xml': 'x', 'notes/a/b.txt': 'x' };
  await everywhere(
    { ...two(), ...tables },
    { images: [6, 2], notes: /passed over 3 files.*\(\.xml, \.txt\)/ },
  );
});

test('images/ beside folders of tables, as Food-101, DTD and CUB have it', async () => {
  const tables = { 'meta/classes.txt': 'cat\ndog\n', 'labels/train1.txt': 'x', 'imdb/imdb.mat': 'x' };
  await everywhere({ ...two('images/'), ...tables }, { images: [6, 2], notes: /passed over 3 files/ });
  const food = {
    ...two('food-101/images/', 5),
    'food-101/meta/train.txt': 'cat/0\ncat/1\ndog/0\ndog/1\ndog/2\n',
    'food-101/meta/test.txt': 'cat/2\r\ndog/3\r\ndog/9\r\n',
    'food-101/meta/classes.txt': 'cat\ndog\n',
    'food-101/meta/labels.txt': 'The cat\nThe dog\n',
    'food-101/README.txt': 'x',
  };
  await everywhere(food, {
    kind: 'food-101',
    images: [5, 2],
    names: ['The cat', 'The dog'],
    notes: /not used: 3 images in neither.*missing: 1 image that meta\/ lists \(dog\/9\)/s,
  });
  await refused(
    { ...food, 'food-101/meta/test.txt': 'cat/0\n' },
    /cat\/0 is in both meta\/train\.txt and meta\/test/,
  );
});

/** Tiny ImageNet with two classes; the second is red. */
function tiny(annotations: string): Files {
  const files: Files = {
    'wnids.txt': 'n1\nn2\n',
    'words.txt': 'n1\tcat, house cat\nn2\tdog\nn3\tno class\n',
  };
  for (const [i, wnid] of ['n1', 'n2'].entries()) {
    for (let n = 0; n < 3; n++) files[`train/${wnid}/images/${wnid}_${n}.JPEG`] = [blue, red][i]!;
    files[`train/${wnid}/${wnid}_boxes.txt`] = 'x';
  }
  const flat = { 'val/images/val_0.JPEG': red, 'val/images/val_1.JPEG': blue, 'val/images/val_2.JPEG': red };
  return { ...files, ...flat, 'val/val_annotations.txt': annotations, 'test/images/test_0.JPEG': red };
}

test('Tiny ImageNet: validation labels by val_annotations.txt, names by words.txt', async () => {
  const annotations = 'val_0.JPEG\tn2\t0\t0\t9\t9\nval_1.JPEG\tn1\t0\t0\t9\t9\nval_2.JPEG\tn2\t1\t1\t2\t2\n';
  const wanted = {
    kind: 'tiny-imagenet',
    classes: ['n1', 'n2'],
    images: [6, 3],
    names: ['cat, house cat', 'dog'],
  } as const;
  await everywhere(tiny(annotations), wanted);
  const nested = Object.fromEntries(
    Object.entries(tiny(annotations)).map(([name, body]) => [`tiny-imagenet-200/${name}`, body]),
  );
  await everywhere(nested, wanted);
  await refused(tiny(annotations.slice(0, -30)), /val_annotations\.txt: has no line for val_2\.JPEG/);
  await refused(tiny(`${annotations}val_0.JPEG\tn1\n`), /line 4: val_0\.JPEG has a line before: which holds/);
  await refused(tiny('val_0.JPEG n2\n'), /line 1 is "val_0\.JPEG n2", expected FILE, WNID/);
});

test('classes that look the same are refused in every format; validation may write accents otherwise', async () => {
  const [composed, decomposed] = ['caf\u00e9', 'cafe\u0301'];
  const alike = /two classes have one name: "cafe?\\u0(301|0e9)" and "cafe?\\u0(301|0e9)" differ only/;
  await refused({ ...two('', 2, [composed, 'dog']), ...two('', 2, [decomposed, 'dog']) }, alike);
  for (const other of ['dog ', 'dog\u00a0', 'do\u200bg']) {
    await refused(
      { ...two(), ...two('', 2, ['cat', other]) },
      /two classes have one name: "dog.*" and "do.*g.*"/,
    );
  }
  await refused(
    {
      'data_batch_1.bin': new Uint8Array(3073 * 20),
      'batches.meta.txt': [composed, decomposed, ...'abcdefgh'].join('\n'),
    },
    alike,
  );
  const files = { ...two('train/', 3, [composed, 'dog']), ...two('val/', 2, [decomposed, 'dog']) };
  await withFolder(files, (folder) => check(folder, { classes: [composed, 'dog'], images: [6, 4] }));
  const capitals = { ...two('', 2, ['Cat', 'dog']), 'cat/x.png': red };
  await withFolder(capitals, async (folder) => {
    const { notes, close } = await openData(folder, { workers: 1 });
    assert.match(notes.join('\n'), /classes that differ in capitals alone: Cat and cat/);
    await close();
  });
});

test('names of any letters, none of which a terminal obeys', async () => {
  const files = {
    'c at/1 %20.png': blue,
    'c at/"2".png': blue,
    'c at/\u{1f431}.png': blue,
    'c at/new\nline.png': blue,
    'c at/\u001b[31m.png': 'no image',
    "d'og\u0007/#1?.png": red,
    "d'og\u0007/$HOME.png": red,
    "d'og\u0007/a\\b.png": red,
    "d'og\u0007/*.png": red,
  };
  await withFolder(files, async (folder) => {
    const data = await openData(folder, { workers: 1 });
    assert.equal(data.classes, ['c at', "d'og\\u0007"]);
    const { train, validation } = data;
    assert.is(train.length + validation.length, 8);
    assert.equal(
      [...train.unreadable, ...validation.unreadable].map(({ name }) => name),
      ['c at/\\u001b[31m.png'],
    );
    for (const note of data.notes) assert.not.match(note, /\p{Cc}/u);
    await data.close();
  });
});

test('images without class folders, a lone archive, and no images at all', async () => {
  const kaggle = { 'train/cat.0.jpg': red, 'train/dog.0.jpg': blue, 'test1/1.jpg': red };
  await refused(
    kaggle,
    /no class folders in train\/, which holds 2 images \(train\/cat\.0\.jpg, train\/dog\.0\.jpg\)/,
  );
  await refused(
    { 'a/x.txt': 'x', 'b/y.txt': 'x' },
    /no class folders, found 2 folders \(a, b\).*expected train\/CLASS/,
  );
  await withFolder({ 'download/set.tar.gz': gzipSync(await tarOf(two())) }, (folder) =>
    check(join(folder, 'download'), { images: [6, 2] }),
  );
  await withFolder(
    { 'train.tar': await tarOf(two()), 'val.tgz': gzipSync(await tarOf(two('', 1))) },
    (folder) => check(folder, { images: [8, 2] }),
  );
});

test.run();
