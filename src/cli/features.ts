/**
 * `tandem features`: the last hidden layer's vectors of a folder of images, as a file.
 */
import { Command } from 'commander';
import { openCheckpoint } from '../alexnet/checkpoint.js';
import { netOf } from '../alexnet/description.js';
import { checkFeaturesFile, checkNames, openImages, vectorsOf, writeFeatures } from '../alexnet/features.js';
import { DataError } from '../core/errors.js';
import { describeUnreadable } from '../data/dataset.js';
import { gatherUnreadable } from '../train/ranks/gathering.js';
import { openRanks } from '../train/ranks/index.js';
import { addExamples, settled } from './command.js';
import { addDeviceOptions, addTowerPerRank, addWorkers, type DeviceOptions } from './options.js';
import { Countdown } from './progress.js';
import { withClassifier } from './runData.js';

interface Options extends DeviceOptions {
  run: string;
  images: string;
  out: string;
  workers?: number;
}

export const command = settled(new Command())
  .requiredOption('--run <path>', "a run's folder (its best checkpoint is taken), or a checkpoint file")
  .requiredOption('--images <path>', 'folder or tar archive of JPEG and PNG files, in subfolders or not')
  .requiredOption('--out <file>', '.safetensors (names within), or .npy (names in a text file beside it)');
addTowerPerRank(addDeviceOptions(addWorkers(command)));

async function main(options: Options): Promise<void> {
  const isFirst = (await openRanks()).rank === 0;
  if (isFirst) await checkFeaturesFile(options.out);
  const { checkpoint } = await openCheckpoint(options.run, 'best');
  const { recipe } = checkpoint.run;
  const images = await openImages(options.images, recipe.imageSize, options.workers);
  try {
    checkNames(options.out, images.names);
    const countdown = new Countdown('computing');
    const batching = { batchSize: recipe.batchSize, crop: netOf(checkpoint.run).architecture.size };
    const { dataset } = images;
    const { vectors, width, indices, unreadable } = await withClassifier(
      options,
      checkpoint,
      async (classifier, _devices, ranks) => ({
        ...(await vectorsOf(classifier, dataset, batching, countdown.show, ranks)),
        unreadable: await gatherUnreadable(ranks, dataset.unreadable),
      }),
    ).finally(countdown.stop);
    if (unreadable.length > 0) console.log(`left out: ${describeUnreadable(unreadable)}`);
    if (indices.length === 0) throw new DataError(`${options.images}: no image could be read`);
    if (!isFirst) return;
    const names = indices.map((index) => images.names[index]!);
    await writeFeatures(options.out, { names, width, vectors });
    console.log(`${names.length} images, ${width} numbers each: ${options.out}`);
  } finally {
    await images.close();
  }
}

addExamples(command, '--run runs/DATE-alexnet --images FOLDER --out f.npy').action(main);
