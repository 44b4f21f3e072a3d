/**
 * What stands beside weights that were exported for other programs: `weights.json` beside `weights.safetensors`, with
 * the network's tables, what it reads and the classes it names, and the mean image in a file of its own. Weights that
 * come back under the same names, trained further elsewhere or not, are read by it.
 *
 * Exported weights drop the way most libraries do (`inverted`: outputs are kept as they are when evaluating). The paper's
 * form multiplies the outputs by 1 - p then, so that weights W of a layer that reads dropped outputs become (1 - p) W.
 * For p = 1/2 nothing is rounded, there and back.
 */
import { DataError } from '../../core/errors.js';
import type { StateDict } from '../../core/state.js';
import { scaled } from '../../formats/conventions.js';
import {
  anyOf,
  list,
  number,
  object,
  oneOf,
  optional,
  type Schema,
  text,
  whole,
} from '../../formats/json.js';
import type { Architecture, Stage } from '../architecture.js';
import { type NetTables, type RunDescription, tablesSchema } from '../description.js';
import { nets, type Recipe } from '../recipes.js';

/** The file of what goes in and out. */
export interface ExportedDescription {
  readonly network: string;
  /** Whence it came, for people. */
  readonly checkpoint: string;
  readonly epochs: number;
  readonly dropout: Recipe['dropoutForm'];
  readonly input: {
    readonly shape: readonly (string | number)[];
    readonly pixels: string;
    readonly scale: Recipe['inputScale'];
    /** The mean image's file, in the same folder. */
    readonly mean: string;
    readonly imageSize: number;
  };
  readonly classes: readonly string[];
  readonly classNames?: readonly string[] | undefined;
  readonly tables: NetTables;
}

/** The file's schema. */
export const exportedSchema: Schema<ExportedDescription> = object<ExportedDescription>({
  network: text,
  checkpoint: text,
  epochs: whole(),
  dropout: oneOf('paper', 'inverted'),
  input: object<ExportedDescription['input']>({
    shape: list(anyOf<string | number>(text, whole())),
    pixels: text,
    scale: anyOf<Recipe['inputScale']>(number(), list(number())),
    mean: text,
    imageSize: whole(1),
  }),
  classes: list(text),
  classNames: optional(list(text)),
  tables: tablesSchema,
});

/** A run as far as a description tells it: enough to evaluate, or to train on by the paper's recipe. */
export function runOf({
  network,
  dropout,
  input,
  classes,
  classNames,
  tables,
}: ExportedDescription): RunDescription {
  const { imageSize, scale } = input;
  return {
    net: network,
    variant: {},
    recipe: { ...nets.alexnet.recipe, imageSize, inputScale: scale, dropoutForm: dropout },
    seed: 0,
    classes,
    classNames,
    data: null,
    validation: null,
    limit: null,
    trainingImages: 1,
    tables,
  };
}

const dropoutOf = (stage: Stage | undefined): number | null => (stage?.kind === 'dropout' ? stage.p : null);

/**
 * Weights for the other form of dropout. Biases, and layers that read nothing dropped, stay.
 * @throws {DataError} where something other than the last of a layer's stages drops, or it drops everything
 */
export function withDropoutForm(
  { name, layers }: Architecture,
  state: StateDict,
  from: Recipe['dropoutForm'],
  to: Recipe['dropoutForm'],
): StateDict {
  if (from === to) return state;
  let converted = state;
  for (const [i, layer] of layers.entries()) {
    const p = dropoutOf(layer.stages.at(-1));
    if (p === 1 || layer.stages.slice(0, -1).some((stage) => stage.kind === 'dropout'))
      throw new DataError(`${name}: what ${layer.name} drops can't be told in the ${to} form`);
    const next = layers[i + 1];
    if (p === null || !next) continue;
    const isNext = (given: string): boolean => given.startsWith(`${next.name}.`) && given.endsWith('.weight');
    converted = scaled(isNext, to === 'inverted' ? 1 - p : 1 / (1 - p))(converted);
  }
  return converted;
}
