/**
 * The paper's ablations by name: what each changes of a network or its recipe, and how much worse the paper and the
 * log of 2012 (`published.ts`) say the network is for it.
 */
import { ArgumentError } from '../core/errors.js';
import type { LogName } from './published.js';
import type { Recipe, TestCrops } from './recipes.js';
import type { Variant } from './variants.js';

/** One ablation. */
export interface Ablation {
  readonly about: string;
  readonly variant?: Variant;
  readonly recipe?: (recipe: Recipe) => Recipe;
  /** Crops of the test; ten by default. */
  readonly crops?: TestCrops;
  /** What the paper says. */
  readonly paper?: Paper;
  /** The net of the log of 2012 that is without the same. */
  readonly log?: LogName;
}

/** The paper's increase of error, in percentage points, and where it stands. */
interface Paper {
  readonly top1: number;
  readonly top5: number | null;
  /** 'over' or 'about' where the paper says so. */
  readonly vague?: 'over' | 'about';
  readonly section: string;
}

/** The ablations by name; `base` is what the others are compared with. */
export const ablations = {
  base: { about: 'the network as it is, ten crops' },
  'one-crop': {
    about: 'the base, tested by the centre alone',
    crops: 1,
    paper: { top1: 1.5, top5: 1.3, section: '4.1' },
    log: '145-2010, one crop',
  },
  'one-tower': {
    about: 'half the kernels on one device',
    variant: { towers: 1 },
    paper: { top1: 1.7, top5: 1.2, section: '3.2' },
    log: '145-half',
  },
  'no-communication': {
    about: 'towers that meet at the last layer alone',
    variant: { communication: 'none' },
    log: '150',
  },
  'no-lrn': {
    about: 'no response normalization',
    variant: { lrn: 'off' },
    paper: { top1: 1.4, top5: 1.2, section: '3.3' },
    log: '148',
  },
  'plain-pooling': {
    about: 'pooling windows that do not overlap',
    variant: { pooling: 'plain' },
    paper: { top1: 0.4, top5: 0.3, section: '3.4' },
    log: '147',
  },
  'no-colour': {
    about: 'no colour noise',
    recipe: (recipe: Recipe): Recipe => {
      if (recipe.colourNoise) return { ...recipe, colourNoise: null };
      throw new ArgumentError(
        'no-colour: the base has no colour noise: give its recipe some (colourNoise), or leave this ablation out',
      );
    },
    paper: { top1: 1, top5: null, vague: 'over', section: '4.1' },
  },
  'no-dropout': { about: 'no dropout', variant: { dropout: 'off' } },
  'no-middle': {
    about: 'without conv4',
    variant: { without: 'conv4' },
    paper: { top1: 2, top5: null, vague: 'about', section: '7' },
  },
  'no-augmentation': {
    about: 'no random crops, mirroring or colour noise',
    recipe: (recipe: Recipe): Recipe => ({ ...recipe, augment: false, colourNoise: null }),
  },
  tanh: { about: 'tanh for ReLU', variant: { activation: 'tanh' } },
  'abs-tanh': { about: '|tanh| for ReLU', variant: { activation: 'abs-tanh' } },
} as const satisfies Record<string, Ablation>;

/** A name of an ablation. */
export type AblationName = keyof typeof ablations;

/** Whether a text names an ablation. */
export function isAblationName(text: string): text is AblationName {
  return Object.hasOwn(ablations, text);
}
