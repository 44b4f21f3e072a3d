/**
 * Images that the visitor gives: a folder with a folder of pictures for each class, or CIFAR-10's own file
 * (`cifar-10-binary.tar.gz`, or the `.bin` files in it).
 */

import { imageSide, type PlainImages, type PlainRunImages } from './images.js';
import { squareOf } from './picture.js';
import { filesOfTar } from './tar.js';

/** A file with its path within what was given. */
export interface GivenFile {
  readonly path: string;
  readonly file: File;
}

type OnProgress = (done: number, of: number) => void;

const pixels = 3 * imageSide * imageSide;
/** One in so many images of a class measures, the others train. */
const measured = 8;

/** Reads what was given. @throws {Error} when it is neither, naming what was expected */
export async function readGiven(
  files: readonly GivenFile[],
  onProgress: OnProgress,
): Promise<PlainRunImages> {
  const archive = files.find(({ path }) => /\.(tar\.gz|tgz|tar)$/i.test(path));
  if (archive) return fromCifar(await filesOfTar(archive.file, /\.(bin|txt)$/));
  const bins = files.filter(({ path }) => /\.(bin|txt)$/i.test(path));
  if (bins.some(({ path }) => path.endsWith('.bin'))) {
    const parts = bins.map(
      async ({ path, file }) => [path, new Uint8Array(await file.arrayBuffer())] as const,
    );
    return fromCifar(new Map(await Promise.all(parts)));
  }
  return fromFolders(files, onProgress);
}

/** CIFAR-10's records: a label, then the red, green and blue planes of 32x32 pixels. */
function fromCifar(files: ReadonlyMap<string, Uint8Array>): PlainRunImages {
  const named = (pattern: RegExp): Uint8Array[] =>
    [...files]
      .filter(([path]) => pattern.test(path))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, bytes]) => bytes);
  const train = named(/data_batch_\d\.bin$/);
  const test = named(/test_batch\.bin$/);
  const [meta] = named(/batches\.meta\.txt$/);
  if (train.length === 0)
    throw new Error('expected data_batch_1.bin and so on, as in cifar-10-binary.tar.gz');
  const classes = meta
    ? new TextDecoder().decode(meta).split('\n').filter(Boolean)
    : Array.from({ length: 10 }, (_, i) => String(i));
  const set = (name: string, parts: readonly Uint8Array[], most: number): PlainImages => {
    const size = 1 + pixels;
    const count = Math.min(
      most,
      parts.reduce((sum, part) => sum + Math.floor(part.length / size), 0),
    );
    const [images, labels] = [new Uint8Array(count * pixels), new Int32Array(count)];
    let at = 0;
    for (const part of parts) {
      for (let i = 0; i + size <= part.length && at < count; i += size, at++) {
        labels[at] = part[i] ?? 0;
        images.set(part.subarray(i + 1, i + size), at * pixels);
      }
    }
    return { name, classes, images, labels };
  };
  const [measuring, training] = test.length > 0 ? [test, train] : [train.slice(-1), train.slice(0, -1)];
  if (training.length === 0)
    throw new Error('expected more than one of the files data_batch_1.bin to data_batch_5.bin');
  return { train: set('CIFAR-10', training, 50_000), validation: set('CIFAR-10 test', measuring, 1000) };
}

/** Pictures by the folder they lie in, their middles scaled to 32x32; every eighth of a class measures. */
async function fromFolders(files: readonly GivenFile[], onProgress: OnProgress): Promise<PlainRunImages> {
  const pictures = files
    .filter(({ file, path }) => file.type.startsWith('image/') && path.split('/').length > 1)
    .map(({ file, path }) => ({ file, label: path.split('/').at(-2) ?? '' }));
  const classes = [...new Set(pictures.map(({ label }) => label))].sort();
  if (classes.length < 2)
    throw new Error('expected a folder in which each class has a folder of pictures, two classes or more');
  const all: { readonly train: Sample[]; readonly validation: Sample[] } = { train: [], validation: [] };
  const counts = new Map<string, number>();
  for (const [i, { file, label }] of pictures.entries()) {
    onProgress(i, pictures.length);
    const planes = await squareOf(file, imageSide).catch(() => null);
    if (!planes) continue; // no picture after all
    const nth = counts.get(label) ?? 0;
    counts.set(label, nth + 1);
    (nth % measured === measured - 1 ? all.validation : all.train).push({
      planes,
      label: classes.indexOf(label),
    });
  }
  if (all.validation.length === 0) throw new Error(`expected ${measured} pictures or more in a class`);
  const name = files[0]?.path.split('/')[0] ?? 'images';
  return { train: joined(name, classes, all.train), validation: joined(name, classes, all.validation) };
}

interface Sample {
  readonly planes: Uint8Array;
  readonly label: number;
}

function joined(name: string, classes: readonly string[], samples: readonly Sample[]): PlainImages {
  const images = new Uint8Array(samples.length * pixels);
  for (const [i, { planes }] of samples.entries()) images.set(planes, i * pixels);
  return { name, classes, images, labels: Int32Array.from(samples, ({ label }) => label) };
}
