/**
 * What the commands that search images share: the vector of a query, and a picture of what was found for it.
 */
import { basename, extname, join } from 'node:path';
import type { Command } from 'commander';
import { openCheckpoint, type RunCheckpoint } from '../alexnet/checkpoint.js';
import { netOf } from '../alexnet/description.js';
import { type ImageFolder, openImages, vectorsOf } from '../alexnet/features.js';
import { type Captioned, drawGallery } from '../alexnet/figures/gallery.js';
import { pictureAt } from '../alexnet/figures/picture.js';
import { ArgumentError, DataError } from '../core/errors.js';
import { checkWritable, writeWhole } from '../data/files.js';
import { type DeviceOptions, whole } from './options.js';
import { withClassifier } from './runData.js';

/** The last hidden layer's vector of one image file. @throws {DataError} when it can't be read */
async function queryVector(
  checkpoint: RunCheckpoint,
  path: string,
  options: DeviceOptions,
): Promise<Float32Array> {
  const images = await openImages(path, checkpoint.run.recipe.imageSize, 1);
  if (images.names.length !== 1) {
    await images.close();
    throw new ArgumentError(`--query ${path}: holds ${images.names.length} files, expected one image`);
  }
  try {
    const batching = { batchSize: 1, crop: netOf(checkpoint.run).architecture.size };
    const { vectors } = await withClassifier(options, checkpoint, (classifier) =>
      vectorsOf(classifier, images.dataset, batching),
    );
    if (vectors.length === 0) throw new DataError(`${path}: ${images.dataset.unreadable[0]?.reason}`);
    return vectors;
  } finally {
    await images.close();
  }
}

/** Options of the commands that search. */
export interface SearchOptions extends DeviceOptions {
  readonly run: string;
  readonly query: string;
  readonly count: number;
  readonly images?: string;
  readonly out?: string;
}

/** Adds the options of a search. @param what what the images to draw are of */
export function addSearchOptions(command: Command, what: string): Command {
  return command
    .requiredOption('--run <path>', 'the network that made the features: a run or a checkpoint file')
    .requiredOption('--query <image>', 'a JPEG or PNG file')
    .option('--count <n>', 'images to list', whole(1), 6)
    .option('--images <path>', `the images that ${what}, to draw what was found`)
    .option('--out <file.svg>', 'the picture of it');
}

/** Searches for what is nearest to the query, prints it, and draws it where that is asked for. */
export async function search(
  { run, query, images, out, ...devices }: SearchOptions,
  nearest: (vector: Float32Array) => Promise<readonly Found[]>,
): Promise<void> {
  if ((images === undefined) !== (out === undefined)) {
    throw new ArgumentError('--images and --out go together: the picture needs both');
  }
  if (out !== undefined) await checkWritable(out);
  const { checkpoint } = await openCheckpoint(run, 'best');
  const found = await nearest(await queryVector(checkpoint, query, devices));
  const width = Math.max(8, ...found.map(({ distance }) => distance.length));
  for (const { name, distance } of found) console.log(`${distance.padStart(width)}  ${name}`);
  if (images === undefined || out === undefined) return;
  await drawFound(out, query, images, found);
  console.log(`picture: ${out}`);
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
async function drawFound(out: string, query: string, images: string, found: readonly Found[]): Promise<void> {
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
