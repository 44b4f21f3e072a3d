/**
 * `tandem race`: ReLU against tanh on the four-layer net, to 25 % training error, and the plot of it.
 */
import { join } from 'node:path';
import { Command } from 'commander';
import { openPlotter } from '../alexnet/figures/plot.js';
import { plotRace } from '../alexnet/figures/race.js';
import { formatEpochs, type Racer, runRace, summarize } from '../alexnet/race.js';
import { nets } from '../alexnet/recipes.js';
import { makeFolder, writeWhole } from '../data/files.js';
import { openData } from '../data/sources/open.js';
import { addExamples, settled } from './command.js';
import { addDeviceOptions, type DeviceOptions, positive, whole, withChosenDevices } from './options.js';
import { percent } from './progress.js';

interface Options extends DeviceOptions {
  data?: string;
  limit?: number;
  reluRate: number;
  tanhRate: number;
  seeds: number;
  target: number;
  epochs: number;
  out: string;
}

export const command = settled(new Command())
  .option('--data <path>', 'CIFAR-10, as train takes it; default: synthetic images')
  .option('--limit <n>', 'train on n images, as many of each class', whole(1))
  .option('--relu-rate <x>', 'learning rate with ReLU', positive, nets['four-layers'].recipe.learningRate)
  .option('--tanh-rate <x>', 'learning rate with tanh', positive, 0.02)
  .option('--seeds <n>', 'races of each', whole(1), 3)
  .option('--target <x>', 'training error that ends a race', positive, 0.25)
  .option(
    '--epochs <n>',
    'epochs after which a race is given up',
    whole(1),
    nets['four-layers'].recipe.epochs,
  )
  .option('--out <dir>', 'folder of figure1.jsonl and figure1.svg', 'runs/figure1');
addDeviceOptions(command);

async function main(options: Options): Promise<void> {
  const { out, target, seeds, epochs } = options;
  const plotter = await openPlotter();
  await makeFolder(out);
  const data = await openData(options.data, { imageSize: 32, limit: options.limit });
  console.log(`data      ${data.train.name}: ${data.train.length} images`);
  try {
    const lines = await withChosenDevices(options, 1, (devices) =>
      runRace({
        data,
        devices,
        rates: new Map<Racer, number>([
          ['relu', options.reluRate],
          ['tanh', options.tanhRate],
        ]),
        seeds,
        target,
        epochs,
        file: join(out, 'figure1.jsonl'),
        onLine: ({ activation, seed, epoch, trainError, seconds }) =>
          console.log(
            `${activation.padEnd(4)}  seed ${seed}  epoch ${String(epoch).padStart(2)}  training error ${percent(trainError)}  ${seconds.toFixed(0)} s`,
          ),
      }),
    );
    await writeWhole(join(out, 'figure1.svg'), [plotRace(plotter, lines, target)]);
    console.log(
      `\nepochs to ${percent(target)} training error (the paper: tanh takes six times as many as ReLU)`,
    );
    for (const { activation, epochs: each, mean, ratio } of summarize(lines, target)) {
      const seedsText = each.map(formatEpochs).join(', ');
      const times = ratio === null ? '' : `  ${ratio.toFixed(1)} x ReLU`;
      console.log(`${activation.padEnd(4)}  mean ${formatEpochs(mean)}  (${seedsText})${times}`);
    }
    console.log(`plot and log in ${out}`);
  } finally {
    await data.close();
  }
}

addExamples(command, '--data cifar-10-binary.tar.gz', '--limit 500 --seeds 1 --epochs 5').action(main);
