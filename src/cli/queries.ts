/**
 * What the commands that search images share: the vector of a query, and a picture of what was found for it.
 */
import { basename, extname, join } from 'node:path';
import type { RunCheckpoint } from '../alexnet/checkpoint.js';
import { netOf } from '../alexnet/description.js';
import { loadClassifier } from '../alexnet/evaluation.js';
import { type ImageFolder, openImages, vectorsOf } from '../alexnet/features.js';
import { type Captioned, drawGallery } from '../alexnet/figures/gallery.js';
import { pictureAt } from '../alexnet/figures/picture.js';
import { ArgumentError, DataError } from '../core/errors.js';
import { writeWhole } from '../data/files.js';
import { type DeviceOptions, withChosenDevices } from './options.js';

/** The last hidden layer's vector of one image file. @throws {DataError} when it can't be read */
export async function queryVector(
  checkpoint: RunCheckpoint,
  path: string,
  options: DeviceOptions,
): Promise<Float32Array> {
  const { recipe } = checkpoint.run;
  const net = netOf(checkpoint.run);
  const images = await openImages(path, recipe.imageSize, 1);
  if (images.names.length !== 1) {
    await images.close();
    throw new ArgumentError(`--query ${path}: holds ${images.names.length} files, expected one image`);
  }
  try {
    return await withChosenDevices(options, net.towers, async (devices) => {
      const classifier = loadClassifier(checkpoint, devices);
      const batching = { batchSize: 1, crop: net.architecture.size };
      const { vectors } = await vectorsOf(classifier, images.dataset, batching).finally(() =>
        classifier.dispose(),
      );
      if (vectors.length === 0) throw new DataError(`${path}: ${images.dataset.unreadable[0]?.reason}`);
      return vectors;
    });
  } finally {
    await images.close();
  }
}

/** What a search found. */
interface Found {
  /** As in the table of features. */
  readonly name: string;
  /** Said below its picture. */
  readonly distance: string;
}

/** What is said of an image below its picture: its folder, which is its class, and its own name. */
export function captionOf(name: string): string[] {
  const [file = name, folder] = name.split(/[/\\]/).reverse();
  const own = basename(file, extname(file));
  return folder ? [folder, own] : [own];
}

/** Writes the picture of a search. @param images folder or archive of the images found */
export async function drawFound(
  out: string,
  query: string,
  images: string,
  found: readonly Found[],
): Promise<void> {
  const side = 224;
  const folder = await openImages(images, side);
  const asked = await openImages(query, side, 1);
  try {
    const captioned = async (set: ImageFolder, name: string, caption: string[]): Promise<Captioned> => {
      const index = set.names.indexOf(name);
      if (index < 0)
        throw new DataError(`${join(images, name)}: isn't there; were the features made of other images?`);
      const { images: pixels } = await set.dataset.load([index]);
      return { picture: pictureAt(pixels, side, 0), caption };
    };
    const row = {
      query: await captioned(asked, asked.names[0] ?? query, ['(query)', ...captionOf(query)]),
      found: await Promise.all(
        found.map(({ name, distance }) => captioned(folder, name, [...captionOf(name), distance])),
      ),
    };
    await writeWhole(out, [drawGallery([row])]);
  } finally {
    await asked.close();
    await folder.close();
  }
}
