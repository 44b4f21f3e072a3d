/**
 * The fields of a recipe as options: a table with a row for each option, which has its help, its parser, what it changes,
 * whether it may change when a run is resumed, and its part of the sentence that describes a recipe.
 */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Recipe } from '../alexnet/recipes.js';
import { ArgumentError } from '../core/errors.js';
import { counted } from '../data/sources/names.js';
import { positive, share, whole, wholes } from './options.js';

/** Changes a recipe. @param given the options that the command line has, by attribute name */
type Change = (recipe: Recipe, given: ReadonlySet<string>) => Partial<Recipe>;

/** What a parsed option holds. */
class Changed {
  constructor(readonly change: Change) {}
}

/** A row of the table. */
interface Field {
  readonly option: Option;
  /** Whether it may change when a run is resumed. */
  readonly resumes: boolean;
  /** What a recipe is in this field, for people; null says nothing. */
  readonly sentence: (recipe: Recipe) => string | null;
  /** For an option without a value. */
  readonly whenGiven?: Change;
}

interface About<V> {
  readonly parse: (text: string) => V;
  readonly change: (value: V, recipe: Recipe, given: ReadonlySet<string>) => Partial<Recipe>;
  readonly choices?: readonly string[];
  readonly resumes?: true;
  readonly sentence?: Field['sentence'];
}

/** An option with a value. */
function field<V>(flags: string, help: string, about: About<V>): Field {
  const option = new Option(flags, help);
  if (about.choices) option.choices(about.choices);
  option.argParser((text) => {
    const value = about.parse(text);
    return new Changed((recipe, given) => about.change(value, recipe, given));
  });
  return { option, resumes: about.resumes ?? false, sentence: about.sentence ?? (() => null) };
}

/** The parser and the help of one of several words. */
function word<const T extends string>(
  ...choices: readonly T[]
): { parse: (text: string) => T; choices: readonly T[] } {
  const parse = (text: string): T => {
    const found = choices.find((choice) => choice === text);
    if (found !== undefined) return found;
    throw new InvalidArgumentError(`Allowed choices are ${choices.join(', ')}.`);
  };
  return { parse, choices };
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

/** The table; changes are made in its order. */
const fields: readonly Field[] = [
  field('--epochs <n>', 'passes over the training images', {
    parse: whole(1),
    change: (epochs) => ({ epochs }),
    resumes: true,
    sentence: ({ epochs }) => counted(epochs, 'epoch'),
  }),
  field('--batch <n>', 'images in a step', {
    parse: whole(1),
    change: (batchSize) => ({ batchSize }),
    sentence: ({ batchSize }) => `batches of ${batchSize}`,
  }),
  field('--learning-rate <x>', 'rate of the weights', {
    parse: positive,
    // The biases' rate keeps its ratio.
    change: (learningRate, before) => {
      if (learningRate === before.learningRate) return {};
      const ratio = before.learningRate > 0 ? before.biasRate / before.learningRate : 1;
      return { learningRate, biasRate: learningRate * ratio };
    },
    resumes: true,
    sentence: ({ learningRate, biasRate }) => `rate ${learningRate} (biases ${biasRate})`,
  }),
  field('--bias-rate <x>', 'rate of the biases (default: keeps its ratio to the weights)', {
    parse: positive,
    change: (biasRate) => ({ biasRate }),
    resumes: true,
  }),
  field('--momentum <x>', 'share of the velocity kept in each step', {
    parse: share,
    change: (momentum) => ({ momentum }),
    sentence: ({ momentum }) => `momentum ${momentum}`,
  }),
  field('--weight-decay <x>', 'decay of weights that have none of their own', {
    parse: positive,
    change: (weightDecay) => ({ weightDecay }),
    sentence: ({ weightDecay, biasDecay }) => `decay ${weightDecay} (biases ${biasDecay})`,
  }),
  field('--bias-decay <x>', 'decay of the biases', {
    parse: positive,
    change: (biasDecay) => ({ biasDecay }),
  }),
  field('--schedule <kind>', 'drop the rate at given epochs, or when the validation error stalls', {
    ...word('step', 'plateau'),
    change: (kind, { schedule }) => ({ schedule: scheduleOf(kind, schedule) }),
    sentence: scheduleSentence,
  }),
  field('--milestones <list>', 'step: epochs after which the rate drops, as in 8,11', {
    parse: wholes(1),
    change: (milestones, { schedule, epochs }, given) => {
      if (schedule.kind !== 'step' && given.has('schedule'))
        throw new ArgumentError('--milestones goes with --schedule step');
      const late = milestones.find((milestone) => milestone >= epochs);
      if (late !== undefined) {
        throw new ArgumentError(
          `--milestones ${late}: no epoch comes after ${late} in a run of ${epochs}; lower it, or ask for more --epochs`,
        );
      }
      return { schedule: { kind: 'step', factor: schedule.factor, milestones } };
    },
  }),
  field('--patience <n>', 'plateau: epochs without a better error before a drop', {
    parse: whole(1),
    change: (patience, { schedule }, given) => {
      if (schedule.kind !== 'plateau' && (given.has('schedule') || given.has('milestones')))
        throw new ArgumentError('--patience goes with --schedule plateau');
      return { schedule: { ...scheduleOf('plateau', schedule), patience } };
    },
  }),
  field('--drop <x>', 'what a drop multiplies the rate by', {
    parse: positive,
    change: (factor, { schedule }) => {
      if (factor > 0 && factor < 1) return { schedule: { ...schedule, factor } };
      throw new ArgumentError(`--drop ${factor}: expected a number between 0 and 1`);
    },
  }),
  field('--lowered <which>', 'rates that the schedule lowers', {
    ...word('all', 'weights'),
    change: (lowered) => ({ lowered }),
    sentence: ({ lowered }) => (lowered === 'weights' ? "drops are of the weights' rate alone" : null),
  }),
  field('--slowed <list>', 'layer:epoch:factor, as in conv1:68:0.1,conv1:72:0 (0 freezes)', {
    parse: slowedList,
    change: (slowed) => ({ slowed }),
    sentence: ({ slowed }) =>
      slowed
        .map(({ layer, epoch, factor }) =>
          factor === 0 ? `${layer} frozen from epoch ${epoch}` : `${layer} x ${factor} from epoch ${epoch}`,
        )
        .join(', ') || null,
  }),
  {
    option: new Option('--no-augment', 'no random crops, no mirroring'),
    resumes: false,
    whenGiven: () => ({ augment: false }),
    sentence: ({ augment, cropPlaces }) =>
      augment ? `random crops (${cropPlaces}) and mirroring` : 'no augmentation',
  },
  field('--crop-places <which>', 'random crops at 0 to m of a margin of m pixels, or 0 to m - 1', {
    ...word('all', 'below-margin'),
    change: (cropPlaces) => ({ cropPlaces }),
  }),
  field('--crop-shared-by <n>', 'images in a row with the same random crop', {
    parse: whole(1),
    change: (cropSharedBy) => ({ cropSharedBy }),
    sentence: ({ augment, cropSharedBy }) =>
      augment && cropSharedBy > 1 ? `crops shared by ${cropSharedBy} images` : null,
  }),
  field('--colour-noise <form>', "by the roots of the colours' eigenvalues, by eigenvalues, or none", {
    ...word('off', 'sqrt', 'lambda'),
    change: (form, { colourNoise }) => {
      const before = colourNoise ?? { deviation: 0.1, divisor: 1, until: null };
      return { colourNoise: form === 'off' ? null : { ...before, form } };
    },
    sentence: ({ colourNoise: noise }) =>
      noise
        ? `colour noise ${noise.deviation} ${noise.form}${noise.until === null ? '' : ` until epoch ${noise.until}`}`
        : 'no colour noise',
  }),
  field('--colour-until <epoch>', 'first epoch without colour noise', {
    parse: whole(0),
    change: (until, { colourNoise }) => ({ colourNoise: { ...noisy(colourNoise), until } }),
  }),
  field('--colour-divisor <x>', 'what noisy pixels are divided by', {
    parse: positive,
    change: (divisor, { colourNoise }) => ({ colourNoise: { ...noisy(colourNoise), divisor } }),
  }),
  field('--mean <part>', 'subtract the part of the mean image under the crop, or its centre', {
    ...word('crop', 'centre'),
    change: (mean) => ({ mean }),
    sentence: ({ mean }) => `mean of the ${mean}`,
  }),
  field('--test-crops <n>', 'crops that are averaged to validate', {
    ...word('1', '10'),
    change: (crops) => ({ testCrops: crops === '10' ? 10 : 1 }),
    sentence: ({ testCrops }) => `validation by ${testCrops === 10 ? 'ten crops' : 'the centre'}`,
  }),
];

type ScheduleOf<K> = Extract<Recipe['schedule'], { readonly kind: K }>;

/** A schedule of a kind, with what the one before has of it. */
function scheduleOf<K extends Recipe['schedule']['kind']>(kind: K, before: Recipe['schedule']): ScheduleOf<K>;
function scheduleOf(kind: Recipe['schedule']['kind'], before: Recipe['schedule']): Recipe['schedule'] {
  if (before.kind === kind) return before;
  const { factor } = before;
  return kind === 'step' ? { kind, factor, milestones: [] } : { kind, factor, patience: 5, maxDrops: 3 };
}

/** @throws {ArgumentError} when there is no noise to change */
function noisy(noise: Recipe['colourNoise']): NonNullable<Recipe['colourNoise']> {
  if (noise) return noise;
  throw new ArgumentError('--colour-until and --colour-divisor go with --colour-noise sqrt or lambda');
}

function scheduleSentence({ schedule, epochs }: Recipe): string {
  if (schedule.kind === 'plateau')
    return `rate x ${schedule.factor} after ${schedule.patience} epochs without gain, ${schedule.maxDrops} times`;
  const late = schedule.milestones.filter((milestone) => milestone >= epochs);
  const reached = schedule.milestones.filter((milestone) => milestone < epochs);
  const never = late.length > 0 ? ` (milestones ${late.join(', ')} come too late)` : '';
  return reached.length > 0
    ? `rate x ${schedule.factor} after epochs ${reached.join(', ')}${never}`
    : `constant rate${never}`;
}

/** Adds the options that change the recipe. */
export function addRecipeOptions(command: Command): Command {
  command.optionsGroup('Recipe:');
  for (const { option } of fields) command.addOption(option);
  return command;
}

/** Whether an option of the recipe may be given to a run that is resumed. */
export function mayResume(attribute: string): boolean {
  return fields.some(({ option, resumes }) => resumes && option.attributeName() === attribute);
}

/** A recipe with what the command line changes. @throws {ArgumentError} for what doesn't go together */
export function changedRecipe(recipe: Recipe, options: object): Recipe {
  const values = new Map<string, unknown>(Object.entries(options));
  const given = new Set(values.keys());
  let changed = recipe;
  for (const { option, whenGiven } of fields) {
    const value = values.get(option.attributeName());
    const change = value instanceof Changed ? value.change : value === false ? whenGiven : undefined;
    if (change) changed = { ...changed, ...change(changed, given) };
  }
  return changed;
}

/** A recipe in a sentence. */
export function recipeSentence(recipe: Recipe): string {
  return fields.flatMap(({ sentence }) => sentence(recipe) ?? []).join(', ');
}
