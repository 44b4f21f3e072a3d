/**
 * Opening a data set with what validates it, whatever formats they have: for training (open.ts) and for preparing.
 */
import { DataError } from '../../core/errors.js';
import { Budget } from '../budget.js';
import { DecodePool } from '../images/decodePool.js';
import type { JpegDecoderName } from '../images/jpeg/turbo.js';
import type { Mean } from '../images/mean.js';
import type { PictureSet } from '../pictures.js';
import { type ClassName, checkClasses, matched } from './classes.js';
import { openPlace, sayFormats } from './formats.js';
import { listPlace } from './place.js';
import type { ScanProgress } from './tar.js';

/** Where pictures and what is known of them lie. */
export interface SetOptions {
  /** Height and width of pictures that are decoded. */
  readonly side: number;
  /** Another place to validate with; default: what the data holds for it. */
  readonly validation?: string | undefined;
  /** Labels of validation images that lie in one folder; default: found among the data by its name. */
  readonly groundTruth?: string | undefined;
  /** Table of classes: ids, WNIDs and names; default: found among the data by its name. */
  readonly synsets?: string | undefined;
  /** Decoding threads; default: one for each core, at most 8. */
  readonly workers?: number | undefined;
  /** Decoder of ordinary JPEGs, default jpeg-js. */
  readonly jpegDecoder?: JpegDecoderName;
  /** Called while a large archive's headers are read. */
  readonly onProgress?: ScanProgress | undefined;
}

/** Labelled pictures. */
export interface Sets {
  /** The name of the format. */
  readonly kind: string;
  /** In the order of their numbers. */
  readonly classes: readonly ClassName[];
  readonly train: PictureSet;
  /** Undefined where there are none. */
  readonly validation: PictureSet | undefined;
  /** Of the training pictures, where it is stored with them. */
  readonly mean?: Mean;
  /** What was decided or noticed that the user should know, a sentence each. */
  readonly notes: readonly string[];
  /** Ends the threads that decode, if any were started. */
  close(): Promise<void>;
}

/**
 * Opens the sets.
 * @param path a folder or archive, or the beginning of files' names
 * @throws {DataError} when there is nothing to train on, labels are missing, or two classes can't be told apart.
 */
export async function openSets(path: string, options: SetOptions): Promise<Sets> {
  const { side, validation: other, groundTruth, synsets, workers, onProgress } = options;
  let started: DecodePool | undefined;
  const pool = (): DecodePool => {
    started ??= new DecodePool(workers, undefined, options.jpegDecoder);
    return started;
  };
  const budget = new Budget();
  const place = await listPlace(path, budget, onProgress).catch(sayFormats);
  const otherPlace =
    other === undefined ? undefined : await listPlace(other, budget, onProgress).catch(sayFormats);
  const opening = { side, pool, budget, groundTruth, synsets };
  const found = await openPlace(place, { ...opening, others: otherPlace?.entries }).catch(sayFormats);
  const { kind, classes, train, mean } = found;
  if (!train) throw new DataError(`${path}: holds nothing to train on`);
  const ids = classes.map(({ id }) => id);
  const notes = [...found.notes, ...checkClasses(path, ids)];
  let { validation } = found;
  if (otherPlace) {
    const given = await openPlace(otherPlace, { ...opening, others: place.entries, trained: ids }).catch(
      sayFormats,
    );
    validation = given.validation ?? given.train;
    notes.push(`validation images: ${otherPlace.path}`, ...given.notes);
  }
  return {
    kind,
    classes,
    train,
    validation: validation && matched(otherPlace?.path ?? path, validation, ids),
    ...(mean ? { mean } : {}),
    notes,
    close: async () => started?.close(),
  };
}
