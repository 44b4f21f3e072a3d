/**
/**
 * What commands take of a trained network: the network at work, and the images that it is evaluated on: those a run was
 * validated with, or others given in their place.
 */

import type { Classifier } from '../alexnet/classifier.js';
import { netOf, type RunDescription } from '../alexnet/description.js';
import { loadClassifier, type TrainedNetwork } from '../alexnet/evaluation.js';
import type { Net } from '../alexnet/recipes.js';
import type { Device } from '../core/device.js';
import { ArgumentError, DataError } from '../core/errors.js';
import { resized } from '../data/dataset.js';
import { matched } from '../data/sources/classes.js';
import { checkValidation, type OpenedData, openData } from '../data/sources/open.js';
import { openSets } from '../data/sources/sets.js';
import type { Ranks } from '../train/ranks/index.js';
import { type DeviceOptions, withChosenDevices } from './options.js';
import type { Trained } from './trained.js';

/** Where other images lie, and how many threads decode them. */
interface ImageOptions {
  readonly data?: string;
  readonly workers?: number;
}

/**
 * Opens a run's data with its validation images, or with those of `data`.
 * @throws {DataError} when the classes aren't those the run was trained on, or there is nothing to validate with.
 */
export async function openValidation(
  run: RunDescription,
  { data, workers }: ImageOptions,
): Promise<OpenedData> {
  const opened = await openData(run.data ?? undefined, {
    imageSize: run.recipe.imageSize,
    limit: run.limit ?? undefined,
    seed: run.seed,
    validation: data ?? run.validation ?? undefined,
    workers,
    // Each image is looked at once, if at all.
    memory: 0,
  });
  try {
    if (opened.classes.join('\n') !== run.classes.join('\n')) {
      throw new DataError(
        `${run.data}: holds the classes ${opened.classes.slice(0, 5).join(', ')}, .., the run was trained on ${run.classes.slice(0, 5).join(', ')}, ..`,
      );
    }
    checkValidation(opened);
    return opened;
  } catch (error) {
    await opened.close();
    throw error;
  }
}

/** How many devices a network has by default: one for each tower, but one for all where it normalizes across them. */
export function devicesFor({ architecture, towers }: Net): number {
  const stages = architecture.layers.flatMap((layer) => layer.stages);
  return stages.some((stage) => stage.kind === 'norm' && stage.across === 'all') ? 1 : towers;
}

/** Opens the devices chosen, builds a trained network on them, and closes all of it after `use`. */
export function withClassifier<T>(
  options: DeviceOptions,
  trained: TrainedNetwork,
  use: (classifier: Classifier, devices: readonly Device[], ranks: Ranks) => Promise<T>,
): Promise<T> {
  return withChosenDevices(options, devicesFor(netOf(trained.run)), async (devices, ranks) => {
    const classifier = loadClassifier(trained, devices);
    return use(classifier, devices, ranks).finally(() => classifier.dispose());
  });
}

/**
 * Opens labelled images for weights from elsewhere: the validation images of a data set that has some, else all of its
 * images. Where the weights' classes have no names, they are those of the data, in its order.
 * @throws {DataError} for images of classes that the network doesn't know
 */
export async function openLabelled(
  { run, named, file }: Trained,
  { data, workers }: ImageOptions,
): Promise<Pick<OpenedData, 'validation' | 'classes' | 'classNames' | 'close'>> {
  if (data === undefined) throw new ArgumentError('--weights: give --data FOLDER of images to evaluate on');
  const side = run.recipe.imageSize;
  const { classes, train, validation, close } = await openSets(data, { side, workers });
  try {
    const count = run.classes.length;
    const known = named
      ? run
      : { classes: classes.map(({ id }) => id), classNames: classes.map(({ name }) => name) };
    if (known.classes.length !== count) {
      throw new DataError(
        `${data}: ${classes.length} classes, and ${file} tells ${count} by number: give it a file of labels`,
      );
    }
    const pictures = matched(data, validation ?? train, known.classes);
    return {
      validation: resized(pictures, side, side),
      classes: known.classes,
      classNames: known.classNames,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
