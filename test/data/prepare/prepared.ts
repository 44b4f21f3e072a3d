import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { type ArgumentError, DataError } from '../../../src/core/errors.js';
import { type Prepared, type PrepareOptions, prepare } from '../../../src/data/prepare/prepare.js';
import { openShards } from '../../../src/data/shards/shards.js';
import { jpegOf, plainPng, withFolder } from '../files.js';

export type Files = Record<string, Uint8Array | string>;
export type Colour = readonly [number, number, number];

export const [tench, kitFox, setter] = ['n01440764', 'n02119789', 'n02100735'];
export const colours: Record<string, Colour> = {
  [tench]: [200, 0, 0],
  [setter]: [0, 200, 0],
  [kitFox]: [0, 0, 200],
};
export const plain = (wnid: string, side = 24): Uint8Array => plainPng(side, side, colours[wnid]!);

/** Two training images of each class, as `prefix` + WNID/ + name. */
export function training(prefix = '', classes = Object.keys(colours)): Files {
  const files: Files = {};
  for (const wnid of classes) {
    for (const i of [1, 2]) files[`${prefix}${wnid}/${wnid}_${i}.PNG`] = plain(wnid);
  }
  return files;
}

/** Validation images in one folder, of the setter, the tench, the fox, the tench. */
export const validationClasses = [setter, tench, kitFox, tench];
export const flat = (prefix: string): Files =>
  Object.fromEntries(
    validationClasses.map((wnid, i) => [`${prefix}ILSVRC2012_val_0000000${i + 1}.JPEG`, plain(wnid)]),
  );
export const groundTruth = '2\n3\n1\n3\n';
export const synsets = `1 ${kitFox} kit_fox\n2 ${setter} English_setter\n3 ${tench} tench\n`;
export const solution = `ImageId,PredictionString\n${validationClasses
  .map((wnid, i) => `ILSVRC2012_val_0000000${i + 1},${wnid} 1 2 3 4 `)
  .join('\n')}\n`;

/** Prepares `files` (paths under data/) at side 16 and hands over what came of it. */
export async function prepared(
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

export async function refused(
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
export async function checkLabels(
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

/** A JPEG whose data ends in the middle. */
export const photo = jpegOf(64, 48, (x, y) => [4 * x, 5 * y, 90]);
