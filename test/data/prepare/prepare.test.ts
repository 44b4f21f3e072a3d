/** Preparing: every layout people have, odd and broken files, interruption, and the same bytes whatever the threads. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { encode } from 'fast-png';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ArgumentError, DataError } from '../../../src/core/errors.js';
import { LockedError } from '../../../src/data/lock.js';
import { type Prepared, type PrepareOptions, prepare } from '../../../src/data/prepare/prepare.js';
import { openShards } from '../../../src/data/shards/shards.js';
import { program } from '../../cli/commands.js';
import { rejection } from '../../support/errors.js';
import { blockJpeg, jpegOf, plainPng, tarOf, withFolder, withOrientation } from '../files.js';

type Files = Record<string, Uint8Array | string>;
type Colour = readonly [number, number, number];

const [tench, kitFox, setter] = ['n01440764', 'n02119789', 'n02100735'];
const colours: Record<string, Colour> = {
  [tench]: [200, 0, 0],
  [setter]: [0, 200, 0],
  [kitFox]: [0, 0, 200],
};
const plain = (wnid: string, side = 24): Uint8Array => plainPng(side, side, colours[wnid]!);

/** Two training images of each class, as `prefix` + WNID/ + name. */
function training(prefix = '', classes = Object.keys(colours)): Files {
  const files: Files = {};
  for (const wnid of classes) {
    for (const i of [1, 2]) files[`${prefix}${wnid}/${wnid}_${i}.PNG`] = plain(wnid);
  }
  return files;
}

/** Validation images in one folder, of the setter, the tench, the fox, the tench. */
const validationClasses = [setter, tench, kitFox, tench];
const flat = (prefix: string): Files =>
  Object.fromEntries(
    validationClasses.map((wnid, i) => [`${prefix}ILSVRC2012_val_0000000${i + 1}.JPEG`, plain(wnid)]),
  );
const groundTruth = '2\n3\n1\n3\n';
const synsets = `1 ${kitFox} kit_fox\n2 ${setter} English_setter\n3 ${tench} tench\n`;
const solution = `ImageId,PredictionString\n${validationClasses
  .map((wnid, i) => `ILSVRC2012_val_0000000${i + 1},${wnid} 1 2 3 4 `)
  .join('\n')}\n`;

/** Prepares `files` (paths under data/) at side 16 and hands over what came of it. */
async function prepared(
  files: Files,
  options: Partial<PrepareOptions>,
  body: (result: Prepared, folder: string) => Promise<void>,
): Promise<void> {
  await withFolder(files, async (folder) => {
    const inFolder = (path: string | undefined): string | undefined => path && join(folder, path);
    const { data = 'data', validation, groundTruth: labels, synsets: table, ...rest } = options;
    const result = await prepare({
      size: 16,
      workers: 1,
      ...rest,
      data: join(folder, data),
      out: join(folder, 'out'),
      validation: inFolder(validation),
      groundTruth: inFolder(labels),
      synsets: inFolder(table),
    });
    await body(result, folder);
  });
}

async function refused(
  files: Files,
  options: Partial<PrepareOptions>,
  message: RegExp,
  kind: typeof DataError | typeof ArgumentError = DataError,
): Promise<void> {
  try {
    await prepared(files, options, async () => {});
  } catch (error) {
    assert.instance(error, kind);
    assert.match(String(error), message);
    return;
  }
  assert.unreachable(String(message));
}

/** Every image's class, by its stored label, must be that of its colour. */
async function checkLabels(
  folder: string,
  counts: readonly [train: number, validation: number],
): Promise<void> {
  const { index, train, validation } = await openShards(join(folder, 'out'));
  assert.equal([train.length, validation?.length ?? 0], counts);
  assert.equal(train.classes, index.classes.map(({ id }) => id).sort());
  for (const set of validation ? [train, validation] : [train]) {
    const { images, labels } = await set.load(Uint32Array.from({ length: set.length }, (_, i) => i));
    const area = images.length / labels.length / 3;
    for (const [i, label] of labels.entries()) {
      const colour = [0, 1, 2].map((c) => images[(3 * i + c) * area]);
      assert.equal(colour, [...colours[set.classes[label]!]!], `${set.nameOf(i)} of ${set.classes[label]}`);
    }
  }
}

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

/** A JPEG whose data ends in the middle. */
const photo = jpegOf(64, 48, (x, y) => [4 * x, 5 * y, 90]);

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
