/**
 * What commands take of a finished run: its network, and the images it was validated with or others given in their
 * place.
 */

import type { RunCheckpoint } from '../alexnet/checkpoint.js';
import type { Classifier } from '../alexnet/classifier.js';
import { netOf, type RunDescription } from '../alexnet/description.js';
import { loadClassifier } from '../alexnet/evaluation.js';
import type { Device } from '../core/device.js';
import { DataError } from '../core/errors.js';
import { checkValidation, type OpenedData, openData } from '../data/sources/open.js';
import { type DeviceOptions, withChosenDevices } from './options.js';

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

/** Opens the devices chosen, builds a checkpoint's network on them, and closes all of it after `use`. */
export function withClassifier<T>(
  options: DeviceOptions,
  checkpoint: RunCheckpoint,
  use: (classifier: Classifier, devices: readonly Device[]) => Promise<T>,
): Promise<T> {
  return withChosenDevices(options, netOf(checkpoint.run).towers, async (devices) => {
    const classifier = loadClassifier(checkpoint, devices);
    return use(classifier, devices).finally(() => classifier.dispose());
  });
}
