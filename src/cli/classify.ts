/**
 * `tandem classify`: the classes that a trained network finds likeliest for images of one's own, printed and drawn.
 */
import { Command, Option } from 'commander';
import { answersOf, likeliest } from '../alexnet/evaluation.js';
import { openImages } from '../alexnet/features.js';
import { type Answered, drawAnswers } from '../alexnet/figures/answers.js';
import { pictureAt } from '../alexnet/figures/picture.js';
import { ArgumentError, DataError } from '../core/errors.js';
import { describeUnreadable } from '../data/dataset.js';
import { checkWritable, writeWhole } from '../data/files.js';
import { briefNames } from '../data/sources/open.js';
import { addExamples, settled } from './command.js';
import { addDeviceOptions, addWorkers, type DeviceOptions } from './options.js';
import { captionOf } from './queries.js';
import { withClassifier } from './runData.js';
import { addTrainedOptions, openTrained, type TrainedOptions } from './trained.js';

interface Options extends DeviceOptions, TrainedOptions {
  crops: '1' | '10';
  out?: string;
  workers?: number;
}

/** Classes that are named for each image. */
const named = 5;

export const command = settled(new Command()).argument(
  '<images...>',
  'JPEG and PNG files, or folders and tar archives of them',
);
addTrainedOptions(command)
  .addOption(
    new Option('--crops <n>', 'the centre, or the average of ten crops').choices(['1', '10']).default('1'),
  )
  .option('--out <file.svg>', 'a picture of the images with their answers');
addDeviceOptions(addWorkers(command));

async function main(paths: readonly string[], options: Options): Promise<void> {
  const { out } = options;
  if (out !== undefined) {
    if (!out.endsWith('.svg')) throw new ArgumentError(`--out ${out}: the picture is an .svg file`);
    await checkWritable(out);
  }
  const trained = await openTrained(options);
  const { run } = trained;
  const names = briefNames(run);
  const answered = await withClassifier(options, trained, async (classifier) => {
    const all: Answered[] = [];
    for (const path of paths) {
      const images = await openImages(path, run.recipe.imageSize, options.workers);
      const { dataset } = images;
      try {
        const answers = await answersOf(classifier, dataset, options.crops === '10' ? 10 : 1);
        for (const [i, index] of answers.indices.entries()) {
          const row = answers.probabilities.subarray(i * names.length, (i + 1) * names.length);
          const found = likeliest(row, Math.min(named, names.length)).map((c) => ({
            name: names[c]!,
            probability: row[c]!,
            isTrue: false,
          }));
          const name = images.names[index]!;
          print(name, found);
          if (out === undefined) continue;
          const { images: pixels } = await dataset.load([index]);
          const picture = pictureAt(pixels, run.recipe.imageSize, 0);
          all.push({ picture, caption: captionOf(name).at(-1) ?? name, likeliest: found });
        }
        const { unreadable } = dataset;
        if (answers.indices.length === 0) throw new DataError(`${path}: ${describeUnreadable(unreadable)}`);
        if (unreadable.length > 0) console.error(`left out: ${describeUnreadable(unreadable)}`);
      } finally {
        await images.close();
      }
    }
    return all;
  });
  if (out !== undefined) {
    await writeWhole(out, [drawAnswers(answered)]);
    console.log(`picture: ${out}`);
  }
}

function print(name: string, found: Answered['likeliest']): void {
  console.log(name);
  for (const { name: label, probability } of found) {
    console.log(`  ${(100 * probability).toFixed(1).padStart(5)} %  ${label}`);
  }
}

addExamples(
  command,
  'cat.jpg --run runs/DATE-alexnet',
  'cat.jpg dog.png --run runs/DATE-alexnet --out answers.svg',
  'FOLDER --run last.safetensors --crops 10',
  'cat.jpg --weights alexnet.pth --labels names.txt',
).action(main);
