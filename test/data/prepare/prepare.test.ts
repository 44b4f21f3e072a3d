import { readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { encode } from 'fast-png';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ArgumentError } from '../../../src/core/errors.js';
import { prepare } from '../../../src/data/prepare/prepare.js';
import { openShards } from '../../../src/data/shards/shards.js';
import { blockJpeg, plainPng, tarOf, withFolder, withOrientation } from '../files.js';
import {
  checkLabels,
  colours,
  type Files,
  flat,
  groundTruth,
  kitFox,
  photo,
  plain,
  prepared,
  refused,
  setter,
  solution,
  synsets,
  tench,
  training,
} from './prepared.js';

test("ImageNet's own archives: tar of tars, flat validation tar, development kit", async () => {
  const outer = await tarOf(
    Object.fromEntries(
      await Promise.all(
        Object.keys(colours).map(async (wnid) => [
          `${wnid}.tar`,
          await tarOf({ [`${wnid}_1.JPEG`]: plain(wnid), [`${wnid}_2.JPEG`]: plain(wnid) }),
        ]),
      ),
    ),
  );
  const kit = await tarOf({
    'ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt': groundTruth,
    'ILSVRC2012_devkit_t12/data/map_clsloc.txt': synsets,
    'ILSVRC2012_devkit_t12/readme.txt': 'about it',
  });
  const files = {
    'data/ILSVRC2012_img_train.tar': outer,
    'data/ILSVRC2012_img_val.tar': await tarOf(flat('')),
    'data/ILSVRC2012_devkit_t12.tar.gz': gzipSync(kit),
  };
  await prepared(files, {}, async ({ index, summaries }, folder) => {
    await checkLabels(folder, [6, 4]);
    assert.equal(
      index.classes.map(({ name }) => name),
      ['tench', 'English setter', 'kit fox'],
    );
    assert.match(summaries[0]!.odd[0]![1], 'PNG named .JPEG');
  });
  await prepared(files, { data: 'data/ILSVRC2012_img_train.tar' }, async ({ notes }, folder) => {
    await checkLabels(folder, [6, 0]);
    assert.match(notes.join(), 'no validation images');
  });
});

test("Kaggle's folders, with test images and annotations lying by", async () => {
  const files = {
    ...training('data/ILSVRC/Data/CLS-LOC/train/'),
    ...flat('data/ILSVRC/Data/CLS-LOC/val/'),
    'data/ILSVRC/Data/CLS-LOC/test/ILSVRC2012_test_00000001.JPEG': plain(tench),
    [`data/ILSVRC/Annotations/CLS-LOC/train/${tench}/${tench}_1.xml`]: '<annotation>',
    'data/ILSVRC/ImageSets/CLS-LOC/train_cls.txt': 'x 1',
    'data/LOC_val_solution.csv': solution,
    'data/LOC_synset_mapping.txt': `${tench} crane\n${setter} crane\n${kitFox} kit fox, Vulpes macrotis\n`,
  };
  await prepared(files, {}, async ({ index, notes }, folder) => {
    await checkLabels(folder, [6, 4]);
    // Two classes that are called the same stay two, and can be told apart.
    assert.equal(
      index.classes.map(({ name }) => name),
      [`crane (${tench})`, `crane (${setter})`, 'kit fox, Vulpes macrotis'],
    );
    assert.match(notes.join('\n'), '1 test images without labels');
    assert.match(notes.join('\n'), /passed over 4 files.*\.xml/);
  });
});

test('class folders with validation elsewhere, labels by option', async () => {
  const files = {
    ...training('data/'),
    ...flat('val/'),
    'gt.txt': groundTruth,
    'ids.txt': synsets,
  };
  const options = { validation: 'val', groundTruth: 'gt.txt', synsets: 'ids.txt' };
  await prepared(files, options, (_, folder) => checkLabels(folder, [6, 4]));
  // Images of classes that aren't trained are left out, and counted.
  const two = Object.fromEntries(
    Object.entries(files).filter(([name]) => !name.startsWith(`data/${kitFox}`)),
  );
  await prepared(two, options, async ({ notes }, folder) => {
    await checkLabels(folder, [4, 3]);
    assert.match(notes.join(), 'left out: 1 validation images');
  });
});

test('train and test folders of any classes', async () => {
  const files = {
    ...training('data/train/'),
    ...training('data/test/', [tench, setter]),
    'data/readme.md': 'about',
  };
  await prepared(files, {}, (_, folder) => checkLabels(folder, [6, 4]));
});

test('without labels nothing is guessed', async () => {
  const files = { ...training('data/train/'), ...flat('data/val/') };
  await refused(files, {}, /4 validation images lie in one folder.*LOC_val_solution\.csv.*ground_truth\.txt/);
  const named = { ...files, 'data/ILSVRC2012_validation_ground_truth.txt': groundTruth };
  await refused(named, {}, /nothing says which class.*meta\.mat/);
  await refused(named, { groundTruth: 'nowhere.txt' }, /nowhere\.txt: can't be read/);
  await refused(
    { ...named, 'data/map_clsloc.txt': `1 ${kitFox} fox\n` },
    {},
    /line 1 has the ILSVRC2012_ID 2/,
  );
});

test('two classes with one name are refused', async () => {
  const accents: Files = {};
  for (const name of ['caf\u00e9', 'cafe\u0301', 'tea']) accents[`data/${name}/1.png`] = plain(tench);
  await refused(accents, {}, /two classes have one name/);
  const outer = await tarOf({
    [`${tench}.tar`]: await tarOf({ a: 'x' }),
    [`${setter}.tar`]: await tarOf({ b: 'x' }),
  });
  const twice = new Uint8Array([...outer.subarray(0, -1024), ...outer]);
  await refused({ data: twice }, {}, /holds n01440764\/a twice/);
  const capitals = { 'data/Cat/1.png': plain(tench), 'data/cat/1.png': plain(tench) };
  await prepared(capitals, {}, async ({ notes, index }) => {
    assert.is(index.classes.length, 2);
    assert.match(notes.join(), 'differ in capitals alone: Cat and cat');
  });
});

test('images found twice are refused, archives that hold some once more are not used', async () => {
  const twice = { ...training('data/old/train/'), ...training('data/new/train/') };
  await refused(twice, {}, /train\/n01440764\/n01440764_1\.PNG is found twice/);
  const dogs = { ...training('data/train/'), 'data/ILSVRC2012_img_train_t3.tar': await tarOf(training()) };
  await prepared(dogs, {}, async ({ notes }, folder) => {
    await checkLabels(folder, [6, 0]);
    assert.match(notes.join(), 'not used: the archive ILSVRC2012_img_train_t3.tar');
  });
});

test('a tar cut short is refused before anything is made of it', async () => {
  const whole = await tarOf(training('train/'));
  await refused({ data: whole.subarray(0, whole.length - 1500) }, {}, /cut short/);
  const outer = await tarOf({ [`${tench}.tar`]: whole.subarray(0, 2000) });
  await refused({ data: outer }, {}, /n01440764\.tar: damaged tar archive or cut short/);
});

test('odd files are converted and told of, broken ones refused by name, the others unharmed', async () => {
  const png16 = encode({
    width: 20,
    height: 20,
    depth: 16,
    channels: 1,
    data: new Uint16Array(400).fill(0x8000),
  });
  const wide = encode({
    width: 20_000,
    height: 30,
    depth: 8,
    channels: 1,
    data: new Uint8Array(600_000).fill(77),
  });
  const files = {
    'data/a/cut.JPEG': photo.subarray(0, photo.length / 2),
    'data/a/header.JPEG': photo.subarray(0, 20),
    'data/a/empty.JPEG': '',
    'data/a/text.JPEG': 'these are no pixels',
    'data/a/one.png': plainPng(1, 1, [7, 8, 9]),
    'data/a/wide.png': wide,
    'data/a/huge.png': hugePng(),
    'data/b/png.JPEG': plainPng(16, 16, [1, 2, 3]),
    'data/b/cmyk.JPEG': blockJpeg([255, 204, 102, 153], 0),
    'data/b/grey.JPEG': blockJpeg([77]),
    'data/b/turned.JPEG': withOrientation(photo, 6),
    'data/b/sixteen.png': png16,
    'data/b/good.JPEG': photo,
  };
  await prepared(files, {}, async ({ summaries, index }, folder) => {
    const { odd, refused: broken, images } = summaries[0]!;
    assert.is(images, 8);
    assert.equal(index.train.perClass, [2, 6]);
    const reasons = Object.fromEntries(broken);
    assert.equal(Object.keys(reasons).sort(), [
      'train/a/cut.JPEG',
      'train/a/empty.JPEG',
      'train/a/header.JPEG',
      'train/a/huge.png',
      'train/a/text.JPEG',
    ]);
    assert.match(reasons['train/a/cut.JPEG']!, /damaged JPEG/);
    assert.match(reasons['train/a/empty.JPEG']!, /empty file/);
    assert.match(reasons['train/a/header.JPEG']!, /broken off/);
    assert.match(reasons['train/a/huge.png']!, /20000x20000 pixels, more than/);
    assert.match(reasons['train/a/text.JPEG']!, /neither a JPEG nor a PNG \(starts with "these ar"\)/);
    assert.equal(Object.fromEntries(odd), {
      'train/a/one.png': 'enlarged from 1x1',
      'train/a/wide.png': 'grey made RGB; 20000x30: only the middle 0.15 % is kept',
      'train/b/cmyk.JPEG': 'CMYK made RGB; enlarged from 8x8',
      'train/b/grey.JPEG': 'grey made RGB; enlarged from 8x8',
      'train/b/png.JPEG': 'PNG named .JPEG',
      'train/b/sixteen.png': 'grey made RGB; 16 bits cut to 8',
      'train/b/turned.JPEG': 'turned upright (EXIF orientation 6)',
    });
    const report = await readFile(join(folder, 'out/report.txt'), 'utf8');
    for (const name of [...Object.keys(reasons), ...odd.map(([odd]) => odd)]) assert.match(report, name);
    const { train } = await openShards(join(folder, 'out'));
    const { images: pixels } = await train.load([[0, 1].find((i) => train.nameOf(i) === 'train/a/one.png')!]);
    assert.equal([pixels[0], pixels[256], pixels[512], pixels[767]], [7, 8, 9, 9]);
  });
});

/** A PNG that claims 400 million pixels. */
function hugePng(): Uint8Array {
  const bytes = plainPng(1, 1, [0, 0, 0]);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  view.setUint32(16, 20_000);
  view.setUint32(20, 20_000);
  return bytes;
}

test('a broken link is refused, nothing else is', async () => {
  await withFolder(training('data/'), async (folder) => {
    await symlink('/no/such/image', join(folder, `data/${tench}/link.JPEG`));
    const { summaries } = await prepare({
      data: join(folder, 'data'),
      out: join(folder, 'out'),
      size: 16,
      workers: 1,
    });
    assert.is(summaries[0]!.images, 6);
    assert.match(summaries[0]!.refused[0]!.join(), /link\.JPEG.*no such file/);
  });
});

test('when nothing can be read that is an error, and so is a folder of other things', async () => {
  await refused(
    { 'data/a/1.png': 'x', 'data/b/1.png': '' },
    {},
    /data: none of the training images can be read: 2 unreadable images \(train\/a\/1\.png: neither .*; train\/b\/1\.png: empty file/,
  );
  await refused(
    { ...training('data/train/'), [`data/val/${tench}/1.png`]: 'x' },
    {},
    /data: none of the validation images can be read: 1 unreadable image/,
  );
  await refused(
    { ...training('data/'), 'out/thesis.tex': 'x' },
    {},
    /holds other files \(thesis\.tex\)/,
    ArgumentError,
  );
  await refused(training('data/'), { size: 0 }, /size 0 isn't a positive integer/, ArgumentError);
  await refused(
    training('data/'),
    { size: 256, shardImages: 1e6 },
    /put fewer images into a shard/,
    ArgumentError,
  );
});

test.run();
