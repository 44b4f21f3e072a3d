/**
 * `tandem retrieve`: the images nearest to a query by L2 distance in the last hidden layer.
 */
import { Command } from 'commander';
import { openCheckpoint } from '../alexnet/checkpoint.js';
import { nearest, readFeatures } from '../alexnet/features.js';
import { ArgumentError } from '../core/errors.js';
import { checkWritable } from '../data/files.js';
import { addExamples, settled } from './command.js';
import { addDeviceOptions, type DeviceOptions, whole } from './options.js';
import { drawFound, queryVector } from './queries.js';

interface Options extends DeviceOptions {
  run: string;
  features: string;
  query: string;
  count: number;
  images?: string;
  out?: string;
}

export const command = settled(new Command())
  .requiredOption('--run <path>', 'the network that made the features: a run or a checkpoint file')
  .requiredOption('--features <file>', 'what features wrote')
  .requiredOption('--query <image>', 'a JPEG or PNG file')
  .option('--count <n>', 'images to list', whole(1), 6)
  .option('--images <path>', 'the images that the features are of, to draw what was found')
  .option('--out <file.svg>', 'the picture of it');
addDeviceOptions(command);

async function main(options: Options): Promise<void> {
  const { features, query, images, out } = options;
  if ((images === undefined) !== (out === undefined)) {
    throw new ArgumentError('--images and --out go together: the picture needs both');
  }
  if (out !== undefined) await checkWritable(out);
  const table = await readFeatures(features);
  const { checkpoint } = await openCheckpoint(options.run, 'best');
  const vector = await queryVector(checkpoint, query, options);
  const found = nearest(table, vector, options.count).map(({ row, distance }) => ({
    name: table.names[row]!,
    distance: distance.toPrecision(4),
  }));
  const width = Math.max(8, ...found.map(({ distance }) => distance.length));
  for (const { name, distance } of found) console.log(`${distance.padStart(width)}  ${name}`);
  if (images !== undefined && out !== undefined) {
    await drawFound(out, query, images, found);
    console.log(`picture: ${out}`);
  }
}

addExamples(command, '--run runs/DATE-alexnet --features f.npy --query cat.jpg').action(main);
