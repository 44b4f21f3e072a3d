/**
 * `tandem retrieve`: the images nearest to a query by L2 distance in the last hidden layer.
 */
import { Command } from 'commander';
import { nearest, readFeatures } from '../alexnet/features.js';
import { addExamples, settled } from './command.js';
import { addDeviceOptions } from './options.js';
import { addSearchOptions, type SearchOptions, search } from './queries.js';

export const command = settled(new Command()).requiredOption('--features <file>', 'what features wrote');
addDeviceOptions(addSearchOptions(command, 'the features are of'));

async function main({ features, ...options }: SearchOptions & { features: string }): Promise<void> {
  const table = await readFeatures(features);
  await search(options, async (vector) =>
    nearest(table, vector, options.count).map(({ row, distance }) => ({
      name: table.names[row]!,
      distance: distance.toPrecision(4),
    })),
  );
}

addExamples(command, '--run runs/DATE-alexnet --features f.npy --query cat.jpg').action(main);
