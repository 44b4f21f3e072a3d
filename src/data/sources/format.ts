/**
 * What a data format is: a way in which labelled pictures lie in a folder or archive. Each has a file of its own that
 * recognises it, opens it and says in a line how the files lie; formats.ts lists them.
 */
import type { Budget } from '../budget.js';
import type { DecodePool } from '../images/decodePool.js';
import type { Mean } from '../images/mean.js';
import type { PictureSet } from '../pictures.js';
import type { ClassName } from './classes.js';
import type { Entry } from './entries.js';

/** A folder or archive, listed. */
export interface Place {
  /** As it was given. */
  readonly path: string;
  /** Sorted by name. */
  readonly entries: readonly Entry[];
  /** What the user should know, a sentence each. */
  readonly notes: readonly string[];
}

/** What is needed to open a place. */
export interface Opening {
  /** Height and width of pictures that are decoded. */
  readonly side: number;
  /** Threads that decode; started by the first call. */
  readonly pool: () => DecodePool;
  /** Memory for what is read or unpacked as a whole. */
  readonly budget: Budget;
  /** Names of the trained classes, where the place is only validated with: it need not hold a training set then. */
  readonly trained?: readonly string[] | undefined;
  /** Entries of the training set's place, where labels may lie too. */
  readonly others?: readonly Entry[] | undefined;
  /** A file of the labels of validation images that lie in one folder; default: found by its name. */
  readonly groundTruth?: string | undefined;
  /** A file of the classes' ids and names; default: found by its name. */
  readonly synsets?: string | undefined;
}

/** What a format made of a place. */
export interface Found {
  /** In the order of their numbers. */
  readonly classes: readonly ClassName[];
  /** Undefined only where the place is validated with. */
  readonly train: PictureSet | undefined;
  readonly validation: PictureSet | undefined;
  /** Of the training pictures, where it is stored with them: as they lie in files of the size that `mean` has. */
  readonly mean?: Mean;
  readonly notes: readonly string[];
}

/** A data format. */
export interface Format {
  /** Its name. */
  readonly kind: string;
  /** How its files lie, for people. */
  readonly help: string;
  /** Whether a place holds files of this format, mostly by their names. */
  recognises(place: Place, opening: Opening): boolean | Promise<boolean>;
  /**
   * Finds the pictures, their labels and their parts.
   * @throws {DataError} when files are damaged or missing, or labels can't be.
   */
  open(place: Place, opening: Opening): Promise<Found>;
}
