/**
 * The paper's ablations by name: what each changes of a network or its recipe, and how much worse the paper (or the
 * experiment logs published with its code) says the network is for it.
 */
import { ArgumentError } from '../core/errors.js';
import type { Recipe, TestCrops } from './recipes.js';
import type { Variant } from './variants.js';

/** One ablation. */
export interface Ablation {
  readonly about: string;
  readonly variant?: Variant;
  readonly recipe?: (recipe: Recipe) => Recipe;
  /** Crops of the test; ten by default. */
  readonly crops?: TestCrops;
  /** Published increase of top-1 and top-5 error, in percentage points, and where; null where none was. */
  readonly published: { readonly top1: string; readonly top5: string; readonly source: string } | null;
}

const gain = (top1: string, top5: string, source: string): Ablation['published'] => ({ top1, top5, source });

/** The ablations by name; `base` is what the others are compared with. */
export const ablations = {
  base: { about: 'the network as it is, ten crops', published: null },
  'one-crop': {
    about: 'the base, tested by the centre alone',
    crops: 1,
    published: gain('1.5', '1.3', 'section 4.1, ILSVRC-2010'),
  },
  'one-tower': {
    about: 'half the kernels on one device',
    variant: { towers: 1 },
    published: gain('1.7', '1.2', 'section 3.2, ILSVRC-2010'),
  },
  'no-communication': {
    about: 'towers that meet at the last layer alone',
    variant: { communication: 'none' },
    published: gain('1.17', '1.12', 'experiment log 150, ILSVRC-2012'),
  },
  'no-lrn': {
    about: 'no response normalization',
    variant: { lrn: 'off' },
    published: gain('1.4', '1.2', 'section 3.3, ILSVRC-2010'),
  },
  'plain-pooling': {
    about: 'pooling windows that do not overlap',
    variant: { pooling: 'plain' },
    published: gain('0.4', '0.3', 'section 3.4, ILSVRC-2010'),
  },
  'no-colour': {
    about: 'no colour noise',
    recipe: (recipe: Recipe): Recipe => {
      if (recipe.colourNoise) return { ...recipe, colourNoise: null };
      throw new ArgumentError(
        'no-colour: the base has no colour noise: give its recipe some (colourNoise), or leave this ablation out',
      );
    },
    published: gain('over 1', '-', 'section 4.1, ILSVRC-2010'),
  },
  'no-augmentation': {
    about: 'no random crops, mirroring or colour noise',
    recipe: (recipe: Recipe): Recipe => ({ ...recipe, augment: false, colourNoise: null }),
    published: null,
  },
  tanh: { about: 'tanh for ReLU', variant: { activation: 'tanh' }, published: null },
  'abs-tanh': { about: '|tanh| for ReLU', variant: { activation: 'abs-tanh' }, published: null },
} as const satisfies Record<string, Ablation>;

/** A name of an ablation. */
export type AblationName = keyof typeof ablations;

/** Whether a text names an ablation. */
export function isAblationName(text: string): text is AblationName {
  return Object.hasOwn(ablations, text);
}
