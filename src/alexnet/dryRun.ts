/**
 * What training a network of the tables needs, found out without training it.
 */
import { type DryOptions, dryArray } from '../backends/dry.js';
import type { DeviceName } from '../backends/open.js';
import { type DryRanks, dryRun, type StepNeeds } from '../train/dryRun.js';
import { microBatchesOfEach } from '../train/microBatches.js';
import type { Net, Recipe } from './recipes.js';
import { Trainer } from './trainer.js';

/** What is to be trained, and on what. */
export interface DryRunOptions {
  readonly net: Net;
  readonly recipe: Recipe;
  readonly classes: number;
  /** Names of the devices, in the order of the towers. */
  readonly devices: readonly DeviceName[];
  /** Memory limit and threads of each device. */
  readonly settings?: DryOptions;
  /** Ranks that share each batch, of which the first one's share is counted. Default: this process alone. */
  readonly ranks?: Omit<DryRanks, 'parts'>;
  /** Parts that each batch of all ranks is cut into, as `FitOptions.microBatches`. Default: a part for each that shares. */
  readonly microBatches?: number | undefined;
}

/**
 * A dry run of full batches.
 * @throws as `dryRun` does, and {ArgumentError} for micro-batches that these ranks can't share
 */
export async function dryRunNet({
  net,
  recipe,
  classes,
  devices: names,
  settings,
  ranks = { replicas: 1, spread: false },
  microBatches,
}: DryRunOptions): Promise<StepNeeds> {
  const { replicas, spread } = ranks;
  const inAll = replicas * (spread ? names.length : 1);
  const parts =
    microBatches === undefined ? 1 : microBatchesOfEach('dryRunNet', microBatches, inAll, replicas);
  const { channels, size } = net.architecture;
  const { imageSize } = recipe;
  const batchSize = Math.ceil(recipe.batchSize / (replicas * parts));
  const mean = new Float32Array(channels * imageSize ** 2);
  const batch = {
    images: dryArray('uint8', batchSize * channels * size ** 2),
    labels: new Int32Array(batchSize),
    // Every image has a crop and a colour of its own, if the recipe wants them.
    ...(recipe.augment && {
      offsets: new Int32Array(2 * batchSize),
      mirrored: Uint8Array.from({ length: batchSize }, (_, i) => i % 2),
    }),
    ...(recipe.colourNoise && { colour: new Float32Array(batchSize * channels) }),
  };
  const build = (devices: ConstructorParameters<typeof Trainer>[0]['devices']) => {
    const trainer = new Trainer({ net, recipe, classes, devices, seed: 0, mean });
    return { learner: trainer, batch, samples: batchSize, dispose: () => trainer.dispose() };
  };
  return dryRun(names, build, settings, { ...ranks, parts });
}
