/**
 * What defines a run, and the schemas of what a checkpoint says of it: the network's tables, and how it is trained.
 */

import { DataError } from '../core/errors.js';
import type { PaddingLike } from '../core/ops/conv.js';
import type { ResponseNormOptions } from '../core/ops/normalize.js';
import {
  anyOf,
  flag,
  fraction,
  list,
  nullable,
  number,
  object,
  oneOf,
  optional,
  record,
  type Schema,
  tagged,
  text,
  tuple,
  whole,
} from '../formats/json.js';
import type { Architecture, LayerPlacement, LayerSpec, Placement, Stage } from './architecture.js';
import { isNetName, type Net, nets, type Recipe, type ScheduleRecipe } from './recipes.js';
import { applyVariant, type Variant } from './variants.js';

/** A network as tables, variant and all. */
export interface NetTables {
  readonly architecture: Architecture;
  readonly placement: Readonly<Record<string, LayerPlacement>>;
}

/** What defines a run, besides the numbers. */
export interface RunDescription {
  /** Name of the network: in the catalogue, or one's own. */
  readonly net: string;
  /** What its tables have differently. */
  readonly variant: Variant;
  readonly recipe: Recipe;
  readonly seed: number;
  readonly classes: readonly string[];
  /** What the classes are called where `classes` are their ids; checkpoints have it. */
  readonly classNames?: readonly string[] | undefined;
  /** Path of the data, null for the synthetic images; path of separate validation data; how many images at most. */
  readonly data: string | null;
  readonly validation: string | null;
  readonly limit: number | null;
  /** Number of training images, to notice when the data changed. */
  readonly trainingImages: number;
  /** The network itself; checkpoints have it, but for the earliest, whose networks are in the catalogue. */
  readonly tables?: NetTables | undefined;
}

/** The tables of a network for so many classes. */
export function tablesOf({ architecture, placement }: Net, classes: number): NetTables {
  return { architecture, placement: placement(classes) };
}

/**
 * The network of a run, from its tables or else from the catalogue.
 * @throws {DataError} when it has none and the catalogue has none of its name.
 */
export function netOf({ net, variant, tables, recipe }: RunNet): Net {
  const known = isNetName(net) ? nets[net] : null;
  if (tables) {
    const { architecture, placement } = tables;
    const towers = Math.max(...Object.values(placement).map(({ kernels }) => kernels.length));
    const about = known?.about ?? "a network of one's own";
    const placed = (classes: number): Placement => withClasses({ architecture, placement }, classes);
    return { about, architecture, placement: placed, towers, recipe };
  }
  if (known) return applyVariant(known, variant);
  throw new DataError(
    `the checkpoint is of a network '${net}' that isn't in the catalogue, and lacks its tables`,
  );
}

/** The placement for so many classes: the table's own, or with a last layer that sits on the first tower. */
function withClasses({ architecture, placement }: NetTables, classes: number): Placement {
  const last = architecture.layers.at(-1)?.name ?? '';
  const place = placement[last];
  if (!place || place.kernels.reduce((a, b) => a + b, 0) === classes) return placement;
  return {
    ...placement,
    [last]: { ...place, kernels: place.kernels.map((_, i) => (i === 0 ? classes : 0)) },
  };
}

/** What says which network a run is of. */
type RunNet = Pick<RunDescription, 'net' | 'variant' | 'tables' | 'recipe'>;

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
  inputScale: anyOf<Recipe['inputScale']>(number(), list(number())),
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
  dropout: optional(oneOf('off')),
  without: optional(oneOf('conv4')),
});

type StageOf<K extends Stage['kind']> = Extract<Stage, { readonly kind: K }>;

const stageSchema: Schema<Stage> = tagged<'kind', Stage>('kind', {
  relu: object<StageOf<'relu'>>({ kind: oneOf('relu') }),
  tanh: object<StageOf<'tanh'>>({ kind: oneOf('tanh') }),
  absTanh: object<StageOf<'absTanh'>>({ kind: oneOf('absTanh') }),
  dropout: object<StageOf<'dropout'>>({ kind: oneOf('dropout'), p: fraction }),
  pool: object<StageOf<'pool'>>({
    kind: oneOf('pool'),
    mode: oneOf('max', 'avg'),
    kernel: whole(1),
    stride: whole(1),
    ceilMode: flag,
  }),
  norm: object<StageOf<'norm'>>({
    kind: oneOf('norm'),
    across: oneOf('tower', 'all', 'pixels'),
    options: object<ResponseNormOptions>({
      size: optional(whole(1)),
      alpha: optional(number()),
      beta: optional(number()),
      k: optional(number()),
      scaling: optional(oneOf('sum', 'mean')),
    }),
  }),
});

const layerSchema = object<LayerSpec>({
  name: text,
  conv: optional(
    object<NonNullable<LayerSpec['conv']>>({
      kernel: whole(1),
      stride: optional(whole(1)),
      padding: optional(
        anyOf<PaddingLike>(whole(), tuple(whole(), whole()), tuple(whole(), whole(), whole(), whole())),
      ),
      local: optional(flag),
    }),
  ),
  stages: list(stageSchema),
  std: number(0),
  bias: number(),
  weightDecay: optional(number(0)),
});

/** A network as tables. */
export const tablesSchema: Schema<NetTables> = object<NetTables>({
  architecture: object<Architecture>({
    name: text,
    channels: whole(1),
    size: whole(1),
    layers: list(layerSchema),
  }),
  placement: record(object<LayerPlacement>({ kernels: list(whole()), reads: oneOf('image', 'own', 'all') })),
});

/** What was trained how. */
export const runSchema: Schema<RunDescription> = object<RunDescription>({
  net: text,
  variant: variantSchema,
  recipe: recipeSchema,
  seed: whole(),
  classes: list(text),
  classNames: optional(list(text)),
  data: nullable(text),
  validation: nullable(text),
  limit: nullable(whole(1)),
  trainingImages: whole(1),
  tables: optional(tablesSchema),
});
