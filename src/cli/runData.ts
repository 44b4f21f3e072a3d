/**
 * The images of a finished run: those it was validated with, or others given in their place.
 */

import type { RunDescription } from '../alexnet/description.js';
import { DataError } from '../core/errors.js';
import { checkValidation, type OpenedData, openData } from '../data/sources/open.js';

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
