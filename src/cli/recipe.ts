/**
 * Which network is trained how, from the command line: a network of the catalogue, a preset, variants of its tables,
 * and changes to its recipe.
 */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { isPresetName, presets, withPreset } from '../alexnet/presets.js';
import { isNetName, type Net, type NetName, nets, type Recipe } from '../alexnet/recipes.js';
import type { Variant } from '../alexnet/variants.js';
import { ArgumentError } from '../core/errors.js';
import type { ColourForm } from '../data/images/pca.js';
import { helpList } from './command.js';
import { onOff, positive, share, whole, wholes } from './options.js';

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
  readonly epochs?: number;
  readonly batch?: number;
  readonly learningRate?: number;
  readonly biasRate?: number;
  readonly momentum?: number;
  readonly weightDecay?: number;
  readonly biasDecay?: number;
  readonly schedule?: 'step' | 'plateau';
  readonly milestones?: number[];
  readonly patience?: number;
  readonly drop?: number;
  readonly lowered?: 'all' | 'weights';
  readonly slowed?: Recipe['slowed'];
  readonly augment?: boolean;
  readonly cropPlaces?: 'all' | 'below-margin';
  readonly cropSharedBy?: number;
  readonly colourNoise?: 'off' | ColourForm;
  readonly colourUntil?: number;
  readonly colourDivisor?: number;
  readonly mean?: 'crop' | 'centre';
  readonly testCrops?: '1' | '10';
}

/** `conv1:68:0.1,conv1:72:0`: layer, epoch, factor. */
function slowedList(text: string): Recipe['slowed'] {
  return text.split(',').map((event) => {
    const [layer, epoch, factor, ...rest] = event.split(':');
    if (!layer || epoch === undefined || factor === undefined || rest.length > 0) {
      throw new InvalidArgumentError('expected layer:epoch:factor, as in conv1:68:0.1,conv1:72:0.');
    }
    return { layer, epoch: whole(0)(epoch), factor: positive(factor) };
  });
}

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
    .option('--middle-std <x>', 'standard deviation of the initial weights of conv3 to conv5', positive);
}

/** Adds the options that change the recipe. */
export function addRecipeOptions(command: Command): Command {
  return command
    .optionsGroup('Recipe:')
    .option('--epochs <n>', 'passes over the training images', whole(1))
    .option('--batch <n>', 'images in a step', whole(1))
    .option('--learning-rate <x>', 'rate of the weights', positive)
    .option('--bias-rate <x>', 'rate of the biases (default: keeps its ratio to the weights)', positive)
    .option('--momentum <x>', 'share of the velocity kept in each step', share)
    .option('--weight-decay <x>', 'decay of weights that have none of their own', positive)
    .option('--bias-decay <x>', 'decay of the biases', positive)
    .addOption(
      choice('--schedule <kind>', 'drop the rate at given epochs, or when the validation error stalls', [
        'step',
        'plateau',
      ]),
    )
    .option('--milestones <list>', 'step: epochs after which the rate drops, as in 8,11', wholes(1))
    .option('--patience <n>', 'plateau: epochs without a better error before a drop', whole(1))
    .option('--drop <x>', 'what a drop multiplies the rate by', positive)
    .addOption(choice('--lowered <which>', 'rates that the schedule lowers', ['all', 'weights']))
    .option('--slowed <list>', 'layer:epoch:factor, as in conv1:68:0.1,conv1:72:0 (0 freezes)', slowedList)
    .option('--no-augment', 'no random crops, no mirroring')
    .addOption(
      choice('--crop-places <which>', 'random crops at 0 to m of a margin of m pixels, or 0 to m - 1', [
        'all',
        'below-margin',
      ]),
    )
    .option('--crop-shared-by <n>', 'images in a row with the same random crop', whole(1))
    .addOption(
      choice('--colour-noise <form>', "by the roots of the colours' eigenvalues, by eigenvalues, or none", [
        'off',
        'sqrt',
        'lambda',
      ]),
    )
    .option('--colour-until <epoch>', 'first epoch without colour noise', whole(0))
    .option('--colour-divisor <x>', 'what noisy pixels are divided by', positive)
    .addOption(
      choice('--mean <part>', 'subtract the part of the mean image under the crop, or its centre', [
        'crop',
        'centre',
      ]),
    )
    .addOption(choice('--test-crops <n>', 'crops that are averaged to validate', ['1', '10']));
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
  const { activation, lrn, lrnAlpha, pooling, towers, communication, conv1Order, spatialNorm, middleStd } =
    options;
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
  };
}

/** A recipe's rates with what the command line changes; where it changes the weights' alone, the biases' keeps its ratio. */
export function ratesOf(
  base: Recipe,
  options: Pick<RecipeOptions, 'learningRate' | 'biasRate'>,
): Pick<Recipe, 'learningRate' | 'biasRate'> {
  const { learningRate = base.learningRate } = options;
  const ratio = base.learningRate > 0 ? base.biasRate / base.learningRate : 1;
  const scaled = learningRate === base.learningRate ? base.biasRate : learningRate * ratio;
  return { learningRate, biasRate: options.biasRate ?? scaled };
}

/** The recipe of a net with what the command line changes. */
function recipeOf({ recipe: base, architecture }: Net, options: RecipeOptions): Recipe {
  const slowed = options.slowed ?? base.slowed;
  const stray = slowed.find(({ layer }) => !architecture.layers.some(({ name }) => name === layer));
  if (stray) throw new ArgumentError(`--slowed: ${architecture.name} has no layer ${stray.layer}`);
  return {
    ...base,
    ...ratesOf(base, options),
    epochs: options.epochs ?? base.epochs,
    batchSize: options.batch ?? base.batchSize,
    momentum: options.momentum ?? base.momentum,
    weightDecay: options.weightDecay ?? base.weightDecay,
    biasDecay: options.biasDecay ?? base.biasDecay,
    augment: base.augment && options.augment !== false,
    lowered: options.lowered ?? base.lowered,
    slowed,
    schedule: scheduleOf(base.schedule, options, options.epochs ?? base.epochs),
    cropPlaces: options.cropPlaces ?? base.cropPlaces,
    cropSharedBy: options.cropSharedBy ?? base.cropSharedBy,
    colourNoise: colourOf(base.colourNoise, options),
    mean: options.mean ?? base.mean,
    testCrops: options.testCrops ? (options.testCrops === '10' ? 10 : 1) : base.testCrops,
  };
}

function colourOf(
  before: Recipe['colourNoise'],
  { colourNoise: form, colourUntil, colourDivisor }: RecipeOptions,
): Recipe['colourNoise'] {
  const chosen =
    form === undefined
      ? before
      : form === 'off'
        ? null
        : { ...(before ?? { deviation: 0.1, divisor: 1, until: null }), form };
  if (!chosen) {
    if (colourUntil !== undefined || colourDivisor !== undefined)
      throw new ArgumentError('--colour-until and --colour-divisor go with --colour-noise sqrt or lambda');
    return null;
  }
  return { ...chosen, until: colourUntil ?? chosen.until, divisor: colourDivisor ?? chosen.divisor };
}

function scheduleOf(before: Recipe['schedule'], options: RecipeOptions, epochs: number): Recipe['schedule'] {
  const kind = options.schedule ?? (options.milestones ? 'step' : options.patience ? 'plateau' : before.kind);
  const factor = options.drop ?? before.factor;
  if (!(factor > 0 && factor < 1))
    throw new ArgumentError(`--drop ${factor}: expected a number between 0 and 1`);
  if (options.milestones && kind !== 'step')
    throw new ArgumentError('--milestones goes with --schedule step');
  const late = options.milestones?.find((milestone) => milestone >= epochs);
  if (late !== undefined) {
    throw new ArgumentError(
      `--milestones ${late}: no epoch comes after ${late} in a run of ${epochs}; lower it, or ask for more --epochs`,
    );
  }
  if (options.patience && kind !== 'plateau')
    throw new ArgumentError('--patience goes with --schedule plateau');
  if (kind === 'step') {
    return {
      kind,
      factor,
      milestones: options.milestones ?? (before.kind === 'step' ? before.milestones : []),
    };
  }
  const stored = before.kind === 'plateau' ? before : { patience: 5, maxDrops: 3 };
  return { kind, factor, patience: options.patience ?? stored.patience, maxDrops: stored.maxDrops };
}

/** A recipe in a few lines, for people. */
export function describeRecipe(recipe: Recipe, variant: Variant): string[] {
  const { epochs, batchSize, learningRate, biasRate, momentum, weightDecay, biasDecay } = recipe;
  const changes = Object.entries(variant).map(([key, value]) => `${key} ${value}`);
  const slowed = recipe.slowed.map(({ layer, epoch, factor }) =>
    factor === 0 ? `${layer} frozen from epoch ${epoch}` : `${layer} x ${factor} from epoch ${epoch}`,
  );
  return [
    `${epochs} epochs of batches of ${batchSize}, rate ${learningRate} (biases ${biasRate}), ` +
      `momentum ${momentum}, decay ${weightDecay} (biases ${biasDecay})`,
    [
      `${describeSchedule(recipe)}${recipe.lowered === 'weights' ? " of the weights' rate" : ''}`,
      ...slowed,
    ].join('; '),
    describeImages(recipe),
    ...(changes.length > 0 ? [`variant: ${changes.join(', ')}`] : []),
  ];
}

function describeImages({ augment, cropPlaces, cropSharedBy, colourNoise, mean, testCrops }: Recipe): string {
  const shared = cropSharedBy > 1 ? ` shared by ${cropSharedBy} images` : '';
  const crops = augment ? `random crops (${cropPlaces}) and mirroring${shared}` : 'no augmentation';
  const until = colourNoise?.until === null ? '' : ` until epoch ${colourNoise?.until}`;
  const colour = colourNoise
    ? `colour noise ${colourNoise.deviation} ${colourNoise.form}${until}`
    : 'no colour noise';
  const tests = testCrops === 10 ? 'ten crops' : 'the centre';
  return `${crops}, ${colour}, mean of the ${mean}, validation by ${tests}`;
}

function describeSchedule({ schedule, epochs }: Recipe): string {
  if (schedule.kind === 'plateau')
    return `rate x ${schedule.factor} after ${schedule.patience} epochs without gain, ${schedule.maxDrops} times`;
  const late = schedule.milestones.filter((milestone) => milestone >= epochs);
  const reached = schedule.milestones.filter((milestone) => milestone < epochs);
  const never = late.length > 0 ? ` (milestones ${late.join(', ')} come too late)` : '';
  return reached.length > 0
    ? `rate x ${schedule.factor} after epochs ${reached.join(', ')}${never}`
    : `constant rate${never}`;
}
