/**
 * `tandem ablations`: trains a network with and without its parts, from one seed or several, and prints what each is
 * worth beside what the paper says, and whether that is more than chance. Networks that are trained already aren't trained again.
 */
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { type Ablation, type AblationName, ablations, isAblationName } from '../alexnet/ablations.js';
import { changeBetween, type Estimate, estimateOf } from '../alexnet/chance.js';
import { openCheckpoint } from '../alexnet/checkpoint.js';
import { netOf, type RunDescription } from '../alexnet/description.js';
import { answersOf, loadClassifier, reportOf } from '../alexnet/evaluation.js';
import { plotAblations } from '../alexnet/figures/ablations.js';
import { openPlotter, type Plotter } from '../alexnet/figures/plot.js';
import { logIncrease } from '../alexnet/published.js';
import { nets, type Recipe } from '../alexnet/recipes.js';
import { applyVariant } from '../alexnet/variants.js';
import { ArgumentError } from '../core/errors.js';
import { writeWhole } from '../data/files.js';
import { type OpenedData, openData } from '../data/sources/open.js';
import type { Report } from '../train/classification.js';
import { addExamples, helpList, printAbout, settled } from './command.js';
import {
  addDeviceOptions,
  addTrainingData,
  type DeviceOptions,
  list,
  type TrainingDataOptions,
  whole,
  wholes,
  withChosenDevices,
} from './options.js';
import { percent } from './progress.js';
import { addNetOptions, chosenTraining, describeRecipe, type RecipeOptions } from './recipe.js';
import { addRecipeOptions } from './recipeFields.js';
import { checkpointIn, isDone, trainOn } from './trainOnce.js';

interface Options extends RecipeOptions, TrainingDataOptions, DeviceOptions {
  set?: string[];
  seed: number;
  seeds?: number[];
  out: string;
}

const about = helpList(Object.entries(ablations).map(([name, ablation]) => [name, ablation.about]));

/** The ablations that are run when none is named. */
const standard: readonly AblationName[] = [
  'base',
  'one-crop',
  'one-tower',
  'no-communication',
  'no-lrn',
  'plain-pooling',
  'no-colour',
  'no-dropout',
  'no-middle',
];

export const command = addTrainingData(settled(new Command()))
  .optionsGroup('Ablations:')
  .option(
    '--set <list>',
    `which, by name (default: ${standard.join(', ')}; no-colour if the base has colour noise)`,
    list,
  )
  .option('--seed <n>', 'seed of all', whole(0), 0)
  .option('--seeds <list>', 'train with each of these seeds, for error bars', wholes(0))
  .option('--out <dir>', 'folder for a run each, table.json and ablations.svg', 'runs/ablations');
addRecipeOptions(addNetOptions(command));
addDeviceOptions(command.optionsGroup('Devices:')).addHelpText(
  'after',
  `\nAblations:\n${about}\n\nNetwork and recipe are those of the base.`,
);

/** A row of the table. */
interface Row {
  readonly name: AblationName;
  /** One for each seed. */
  readonly reports: readonly Report[];
}

async function main(options: Options): Promise<void> {
  // A seed that counted twice would make changes look surer than they are.
  const again = options.seeds?.find((seed, i, all) => all.indexOf(seed) !== i);
  if (again !== undefined)
    throw new ArgumentError(`--seeds ${options.seeds?.join()}: ${again} is there twice`);
  const plotter = await openPlotter();
  const chosen = chosenTraining(options);
  const names = namesOf(options, chosen.recipe);
  // What doesn't go with the base is refused before anything is trained.
  for (const name of names) {
    const { variant }: Ablation = ablations[name];
    recipeOf(name, chosen.recipe);
    applyVariant(nets[chosen.name], { ...chosen.variant, ...variant });
  }
  printAbout('recipe', ...describeRecipe(chosen.recipe, chosen.variant));
  const rows = names.map((name) => ({ name, reports: [] as Report[] }));
  let about = '';
  for (const own of ofSeeds(options)) {
    // Each seed divides the data its own way, as `train` and `evaluate` of such a run do.
    const data = await openData(options.data, {
      imageSize: chosen.recipe.imageSize,
      limit: options.limit,
      seed: own.seed,
      validation: options.validation,
      workers: options.workers,
    });
    try {
      const { train, validation } = data;
      about = train.name;
      printAbout('data', `${about}: ${train.length} training and ${validation.length} validation images`);
      for (const { name, reports } of rows) reports.push(await runOne(name, chosen, own, data));
    } finally {
      await data.close();
    }
  }
  await printTable(rows, options, about, plotter);
}

/** The ablations asked for. @throws {ArgumentError} for a name that is none */
function namesOf({ set }: Options, { colourNoise }: Recipe): AblationName[] {
  if (!set) return standard.filter((name) => name !== 'no-colour' || colourNoise);
  return set.map((name) => {
    if (isAblationName(name)) return name;
    throw new ArgumentError(
      `--set ${name}: there is no such ablation, only ${Object.keys(ablations).join(', ')}`,
    );
  });
}

/** The options with each seed, which has a folder of its own if there are several. */
function ofSeeds(options: Options): Options[] {
  const { seeds, out } = options;
  return seeds?.map((seed) => ({ ...options, seed, out: join(out, `seed-${seed}`) })) ?? [options];
}

/** The recipe of an ablation. @throws {ArgumentError} when the base has nothing to leave out */
function recipeOf(name: AblationName, base: Recipe): Recipe {
  const { recipe }: Ablation = ablations[name];
  try {
    return recipe?.(base) ?? base;
  } catch (error) {
    if (name !== 'no-colour' || !(error instanceof ArgumentError)) throw error;
    throw new ArgumentError(`${error.message} (--colour-noise sqrt)`);
  }
}

/** Trains one network, unless that is done, and evaluates it. */
async function runOne(
  name: AblationName,
  { name: net, variant, recipe }: ReturnType<typeof chosenTraining>,
  options: Options,
  data: OpenedData,
): Promise<Report> {
  const ablation: Ablation = ablations[name];
  const description: RunDescription = {
    net,
    variant: { ...variant, ...ablation.variant },
    recipe: recipeOf(name, recipe),
    seed: options.seed,
    classes: data.classes,
    data: options.data === undefined ? null : resolve(options.data),
    validation: options.validation === undefined ? null : resolve(options.validation),
    limit: options.limit ?? null,
    trainingImages: data.train.length,
  };
  // One that is only tested differently shares the base's run.
  const trains = ablation.variant !== undefined || ablation.recipe !== undefined;
  const out = join(options.out, trains ? name : 'base');
  const varied = netOf(description);
  return withChosenDevices(devicesFor(options, varied.towers), varied.towers, async (devices) => {
    const found = await checkpointIn(out, description);
    if (!isDone(found, description)) {
      console.log(`\n${name}, seed ${options.seed}: ${ablation.about}`);
      const { signal } = new AbortController();
      await trainOn({ description, net: varied, devices, data, out, signal }, found);
    }
    const classifier = loadClassifier((await openCheckpoint(out)).checkpoint, devices);
    const { crops = 10 } = ablation;
    const answers = await answersOf(classifier, data.validation, crops).finally(() => classifier.dispose());
    const report = reportOf(answers, data.classes);
    const by = crops === 1 ? 'the centre' : `${crops} crops`;
    console.log(`${name}, seed ${options.seed}: ${percent(report.top1Error)} of the images wrong by ${by}`);
    return report;
  });
}

/** A network of one tower takes the first of the devices given. */
function devicesFor(options: Options, towers: number): DeviceOptions {
  const { device } = options;
  return device && device !== 'auto' && device.length > towers
    ? { ...options, device: device.slice(0, towers) }
    : options;
}

const points = (change: number): string => `${change >= 0 ? '+' : ''}${(100 * change).toFixed(1)}`;

/** An error, with its standard error where there are several seeds: '32.1 % +-0.4'. */
function errorText({ mean, error }: Estimate): string {
  if (Number.isNaN(mean)) return '-';
  return Number.isNaN(error) ? percent(mean) : `${percent(mean)} +-${(100 * error).toFixed(1)}`;
}

/** A change from the base, with its interval where there are several seeds, and a star where it is more than chance. */
function changeText({ mean, halfWidth, beyondChance }: ReturnType<typeof changeBetween>): string {
  if (Number.isNaN(mean)) return '-';
  if (beyondChance === null) return points(mean);
  return `${points(mean)} +-${(100 * halfWidth).toFixed(1)}${beyondChance ? '*' : ''}`;
}

/** What the paper and the log of 2012 say: '+1.4 (section 3.3)', '+1.4 / +1.2 (log 148)'. */
function publishedText({ paper, log }: Ablation): string {
  const both = (top1: string, top5: number | null): string =>
    `${top1} / ${top5 === null ? '-' : points(top5 / 100)}`;
  const texts: string[] = [];
  if (paper) {
    const { top1, top5, vague, section } = paper;
    texts.push(`${both(`${vague ? `${vague} ` : ''}${points(top1 / 100)}`, top5)} (section ${section})`);
  }
  if (log) {
    const { top1, top5 } = logIncrease(log);
    texts.push(`${both(points(top1 / 100), top5)} (log ${log})`);
  }
  return texts.join(', ') || '-';
}

async function printTable(
  rows: readonly Row[],
  options: Options,
  data: string,
  plotter: Plotter,
): Promise<void> {
  const seeds = options.seeds ?? [options.seed];
  const base = rows.find(({ name }) => name === 'base');
  const table = rows.map(({ name, reports }) => {
    const compared = (key: 'top1Error' | 'top5Error') => {
      const own = reports.map((report) => report[key]);
      const bases = base?.reports.map((report) => report[key]);
      return { error: estimateOf(own), change: bases ? changeBetween(bases, own) : null };
    };
    return {
      name,
      top1: compared('top1Error'),
      top5: compared('top5Error'),
      published: publishedText(ablations[name]),
    };
  });
  const { images = 0 } = rows[0]?.reports[0] ?? {};
  const several = seeds.length > 1;
  const width = several ? 14 : 7;
  console.log(
    `\n${images} validation images, ${several ? 'seeds' : 'seed'} ${seeds.join(', ')}; changes in percentage points`,
  );
  if (several)
    console.log('errors +- standard error, changes +- 95 % interval (seed by seed); *: more than chance');
  const heads = ['top-1', 'top-5', 'change', 'change'].map((text) => text.padStart(width));
  console.log(`${'ablation'.padEnd(17)} ${heads.join('  ')}  in the paper, in the log of 2012`);
  for (const { name, top1, top5, published } of table) {
    const changes = [top1, top5].map(({ change }) => (change ? changeText(change) : '-'));
    const numbers = [errorText(top1.error), errorText(top5.error), ...changes].map((text) =>
      text.padStart(width),
    );
    console.log(`${name.padEnd(17)} ${numbers.join('  ')}  ${published}`);
  }
  const json = { data, images, seeds, rows, table };
  await writeWhole(join(options.out, 'table.json'), [`${JSON.stringify(json, null, 2)}\n`]);
  const changed = table.flatMap(({ name, top1: { change } }) => {
    const { paper, log }: Ablation = ablations[name];
    return change && name !== 'base'
      ? [{ name, change, paper: paper?.top1, log: log && logIncrease(log).top1 }]
      : [];
  });
  if (changed.length > 0) {
    await writeWhole(join(options.out, 'ablations.svg'), [plotAblations(plotter, changed)]);
  }
}

addExamples(command, '--data FOLDER --net alexnet', '--set base,no-lrn --limit 500 --epochs 2').action(main);
