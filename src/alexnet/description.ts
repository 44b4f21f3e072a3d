/**
 * What defines a run, and the schemas of what a checkpoint says of it: how the network is trained, and where training
 * stands.
 */

import {
  flag,
  fraction,
  list,
  nullable,
  number,
  object,
  oneOf,
  optional,
  type Schema,
  tagged,
  text,
  whole,
} from '../formats/json.js';
import type { ScheduleState } from '../nn/schedule.js';
import type { Recipe, ScheduleRecipe } from './recipes.js';
import type { TrainerState } from './trainer.js';
import type { Variant } from './variants.js';

/** What defines a run, besides the numbers. */
export interface RunDescription {
  /** Name of the network in the catalogue. */
  readonly net: string;
  /** What its tables have differently. */
  readonly variant: Variant;
  readonly recipe: Recipe;
  readonly seed: number;
  readonly classes: readonly string[];
  /** Path of the data, null for the synthetic images; path of separate validation data; and `--limit`. */
  readonly data: string | null;
  readonly validation: string | null;
  readonly limit: number | null;
  /** Number of training images, to notice when the data changed. */
  readonly trainingImages: number;
}

const scheduleSchema = tagged<'kind', ScheduleRecipe>('kind', {
  step: object({ kind: oneOf('step'), milestones: list(whole()), factor: fraction }),
  plateau: object({ kind: oneOf('plateau'), patience: whole(1), maxDrops: whole(), factor: fraction }),
});

const recipeSchema = object<Recipe>({
  batchSize: whole(1),
  epochs: whole(1),
  learningRate: number(0),
  biasRate: number(0),
  momentum: fraction,
  weightDecay: number(0),
  biasDecay: number(0),
  schedule: scheduleSchema,
  lowered: oneOf('all', 'weights'),
  slowed: list(object({ layer: text, epoch: whole(), factor: number(0) })),
  imageSize: whole(1),
  augment: flag,
  cropPlaces: oneOf('all', 'below-margin'),
  cropSharedBy: whole(1),
  colourNoise: nullable(
    object({
      form: oneOf('lambda', 'sqrt'),
      deviation: number(0),
      divisor: number(),
      until: nullable(whole()),
    }),
  ),
  mean: oneOf('crop', 'centre'),
  testCrops: oneOf(1, 10),
  inputScale: number(),
  dropoutForm: oneOf('paper', 'inverted'),
});

const variantSchema = object<Variant>({
  activation: optional(oneOf('relu', 'tanh', 'abs-tanh')),
  lrn: optional(oneOf('tower', 'all', 'off')),
  lrnAlpha: optional(number()),
  pooling: optional(oneOf('overlapping', 'plain')),
  towers: optional(oneOf(1)),
  communication: optional(oneOf('none')),
  conv1Order: optional(oneOf('relu-norm-pool', 'norm-pool-relu')),
  spatialNorm: optional(flag),
  middleStd: optional(number(0)),
});

/** What was trained how. */
export const runSchema: Schema<RunDescription> = object<RunDescription>({
  net: text,
  variant: variantSchema,
  recipe: recipeSchema,
  seed: whole(),
  classes: list(text),
  data: nullable(text),
  validation: nullable(text),
  limit: nullable(whole(1)),
  trainingImages: whole(1),
});

/** Where training stood. */
export const stateSchema: Schema<TrainerState> = object<TrainerState>({
  epoch: whole(),
  batch: whole(),
  totals: object({ images: whole(), loss: number(), wrong: number(0) }),
  stream: whole(),
  schedule: object<ScheduleState>({
    factor: number(0),
    drops: whole(),
    best: nullable(number()),
    stalled: whole(),
  }),
});
