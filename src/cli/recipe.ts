/**
 * Which network is trained how, from the command line: a network of the catalogue, a preset, variants of its tables,
 * and changes to its recipe.
 */
import { type Command, Option } from 'commander';
import { isPresetName, presets, withPreset } from '../alexnet/presets.js';
import { isNetName, type Net, type NetName, nets, type Recipe } from '../alexnet/recipes.js';
import type { Variant } from '../alexnet/variants.js';
import { ArgumentError } from '../core/errors.js';
import { helpList } from './command.js';
import { onOff, positive } from './options.js';
import { changedRecipe, recipeSentence } from './recipeFields.js';

/** What the command line says of network and recipe. */
export interface RecipeOptions {
  readonly net?: string;
  readonly preset?: string;
  readonly activation?: 'relu' | 'tanh' | 'abs-tanh';
  readonly lrn?: 'tower' | 'all' | 'off';
  readonly lrnAlpha?: number;
  readonly pooling?: 'overlapping' | 'plain';
  readonly towers?: '1' | '2';
  readonly communication?: boolean;
  readonly conv1Order?: 'relu-norm-pool' | 'norm-pool-relu';
  readonly spatialNorm?: boolean;
  readonly middleStd?: number;
  readonly dropout?: boolean;
  readonly without?: 'conv4';
}

/** The options that choose a network and its variant. */
export const netKeys: readonly string[] = [
  'net',
  'preset',
  'activation',
  'lrn',
  'lrnAlpha',
  'pooling',
  'towers',
  'communication',
  'conv1Order',
  'spatialNorm',
  'middleStd',
  'dropout',
  'without',
] satisfies (keyof RecipeOptions)[];

const choice = (flags: string, about: string, names: readonly string[]): Option =>
  new Option(flags, about).choices(names);

/** Adds the options that choose the network and its variant. */
export function addNetOptions(command: Command): Command {
  return command
    .optionsGroup('Network:')
    .option('--net <name>', `one of ${Object.keys(nets).join(', ')} (default: small)`)
    .addOption(choice('--preset <name>', 'one of the two recipes of 2012', Object.keys(presets)))
    .addOption(choice('--activation <name>', 'non-linearity', ['relu', 'tanh', 'abs-tanh']))
    .addOption(
      choice('--lrn <where>', 'normalize across the maps of a tower, of all, or not', [
        'tower',
        'all',
        'off',
      ]),
    )
    .option('--lrn-alpha <x>', "factor on the sum of squares (the paper's text: 1e-4)", positive)
    .addOption(choice('--pooling <kind>', 'windows of 3 or of 2 pixels, 2 apart', ['overlapping', 'plain']))
    .addOption(choice('--towers <n>', '1: the half-size net of a single device', ['1', '2']))
    .option('--communication <on|off>', 'off: towers meet at the last layer alone', onOff)
    .addOption(
      choice('--conv1-order <order>', 'what follows the first convolution', [
        'relu-norm-pool',
        'norm-pool-relu',
      ]),
    )
    .option('--spatial-norm <on|off>', 'normalize conv2 over 5x5 pixels as well', onOff)
    .option('--middle-std <x>', 'standard deviation of the initial weights of conv3 to conv5', positive)
    .option('--dropout <on|off>', 'off: no dropout anywhere', onOff)
    .addOption(choice('--without <layer>', 'a network without this middle layer', ['conv4']));
}

/** Networks and presets, for `--help`. */
export function catalogue(): string {
  const lines = (table: Readonly<Record<string, { readonly about: string }>>): string =>
    helpList(Object.entries(table).map(([name, { about }]) => [name, about]));
  return `Networks:\n${lines(nets)}\n\nPresets:\n${lines(presets)}`;
}

/** The network, its variant, and the recipe in effect. @throws {ArgumentError} for what doesn't go together. */
export function chosenTraining(options: RecipeOptions): {
  readonly name: NetName;
  readonly variant: Variant;
  readonly recipe: Recipe;
} {
  const name = options.net ?? (options.preset ? 'alexnet' : 'small');
  if (!isNetName(name)) {
    throw new ArgumentError(`--net ${name}: there is no such network, only ${Object.keys(nets).join(', ')}`);
  }
  const { preset } = options;
  const base =
    preset !== undefined && isPresetName(preset)
      ? withPreset(nets[name], preset)
      : { net: nets[name], variant: {} };
  return {
    name,
    variant: { ...base.variant, ...variantOf(options, nets[name]) },
    recipe: recipeOf(base.net, options),
  };
}

/** What the options change of the tables. */
function variantOf(options: RecipeOptions, net: Net): Variant {
  const { activation, lrn, lrnAlpha, pooling, towers, communication, conv1Order, spatialNorm } = options;
  const { middleStd, dropout, without } = options;
  if (towers === '2' && net.towers !== 2)
    throw new ArgumentError(`--towers 2: ${net.architecture.name} has ${net.towers}`);
  return {
    ...(activation && { activation }),
    ...(lrn && { lrn }),
    ...(lrnAlpha !== undefined && { lrnAlpha }),
    ...(pooling && { pooling }),
    ...(towers === '1' && { towers: 1 }),
    ...(communication === false && { communication: 'none' }),
    ...(conv1Order && { conv1Order }),
    ...(spatialNorm !== undefined && { spatialNorm }),
    ...(middleStd !== undefined && { middleStd }),
    ...(dropout === false && { dropout: 'off' }),
    ...(without && { without }),
  };
}

/** The recipe of a net with what the command line changes. */
function recipeOf({ recipe: base, architecture }: Net, options: RecipeOptions): Recipe {
  const recipe = changedRecipe(base, options);
  const stray = recipe.slowed.find(({ layer }) => !architecture.layers.some(({ name }) => name === layer));
  if (stray) throw new ArgumentError(`--slowed: ${architecture.name} has no layer ${stray.layer}`);
  return recipe;
}

/** A recipe and a variant in a few lines, for people. */
export function describeRecipe(recipe: Recipe, variant: Variant): string[] {
  const changes = Object.entries(variant).map(([key, value]) => `${key} ${value}`);
  return [recipeSentence(recipe), ...(changes.length > 0 ? [`variant: ${changes.join(', ')}`] : [])];
}
