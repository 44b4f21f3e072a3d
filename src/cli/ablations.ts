/**
 * `tandem ablations`: trains a network with and without its parts, from one seed, and prints what each is worth
 * beside what the paper says. Networks that are trained already aren't trained again.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Command, Option } from 'commander';
import { type Ablation, type AblationName, ablations, isAblationName } from '../alexnet/ablations.js';
import { openCheckpoint } from '../alexnet/checkpoint.js';
import { netOf, type RunDescription } from '../alexnet/description.js';
import { answersOf, loadClassifier, reportOf } from '../alexnet/evaluation.js';
import type { Recipe } from '../alexnet/recipes.js';
import { runFiles, runTraining } from '../alexnet/run.js';
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
  withChosenDevices,
} from './options.js';
import { percent, TerminalProgress } from './progress.js';
import { addNetOptions, chosenTraining, describeRecipe, type RecipeOptions } from './recipe.js';
import { addRecipeOptions } from './recipeFields.js';

interface Options extends RecipeOptions, TrainingDataOptions, DeviceOptions {
  set: string[];
  seed: number;
  out: string;
}

const about = helpList(Object.entries(ablations).map(([name, ablation]) => [name, ablation.about]));

/** The ablations that are run when none is named. */
const standard = ['base', 'one-crop', 'one-tower', 'no-communication', 'no-lrn', 'plain-pooling'];

export const command = addTrainingData(settled(new Command()))
  .optionsGroup('Ablations:')
  .addOption(
    new Option('--set <list>', 'which, by name').argParser(list).default(standard, standard.join(', ')),
  )
  .option('--seed <n>', 'seed of all', whole(0), 0)
  .option('--out <dir>', 'folder for a run each, and table.json', 'runs/ablations');
addRecipeOptions(addNetOptions(command));
addDeviceOptions(command.optionsGroup('Devices:')).addHelpText(
  'after',
  `\nAblations:\n${about}\n\nNetwork and recipe are those of the base.`,
);

/** A row of the table. */
interface Row {
  readonly name: AblationName;
  readonly report: Report;
}

async function main(options: Options): Promise<void> {
  const names = options.set.map((name) => {
    if (isAblationName(name)) return name;
    throw new ArgumentError(
      `--set ${name}: there is no such ablation, only ${Object.keys(ablations).join(', ')}`,
    );
  });
  const chosen = chosenTraining(options);
  // What doesn't go with the base is refused before anything is trained.
  for (const name of names) recipeOf(name, chosen.recipe);
  const data = await openData(options.data, {
    imageSize: chosen.recipe.imageSize,
    limit: options.limit,
    seed: options.seed,
    validation: options.validation,
    workers: options.workers,
  });
  try {
    const { train, validation } = data;
    printAbout('data', `${train.name}: ${train.length} training and ${validation.length} validation images`);
    printAbout('recipe', ...describeRecipe(chosen.recipe, chosen.variant));
    const rows: Row[] = [];
    for (const name of names) rows.push({ name, report: await runOne(name, chosen, options, data) });
    await printTable(rows, options, data);
  } finally {
    await data.close();
  }
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
    const resume = existsSync(join(out, runFiles.last)) ? (await openCheckpoint(out)).checkpoint : null;
    if (resume) checkSame(out, resume.run, description);
    const done = resume?.state.epoch ?? 0;
    if (done < description.recipe.epochs) {
      console.log(`\n${name}: ${ablation.about}`);
      const listener = new TerminalProgress(description.recipe.epochs, done + 1);
      const signal = new AbortController().signal;
      await runTraining({ description, net: varied, devices, data, out, resume, listener, signal });
    }
    const classifier = loadClassifier((await openCheckpoint(out)).checkpoint, devices);
    const answers = await answersOf(classifier, data.validation, ablation.crops ?? 10).finally(() =>
      classifier.dispose(),
    );
    return reportOf(answers, data.classes);
  });
}

/** A network of one tower takes the first of the devices given. */
function devicesFor(options: Options, towers: number): DeviceOptions {
  const { device } = options;
  return device && device !== 'auto' && device.length > towers
    ? { ...options, device: device.slice(0, towers) }
    : options;
}

/** @throws {ArgumentError} when a folder holds a run of something else. */
function checkSame(out: string, found: RunDescription, wanted: RunDescription): void {
  const keys = ['net', 'variant', 'recipe', 'seed', 'data', 'validation', 'limit'] as const;
  const odd = keys.find((key) => JSON.stringify(found[key]) !== JSON.stringify(wanted[key]));
  if (odd) throw new ArgumentError(`${out}: holds a run with another ${odd}; choose another --out`);
}

async function printTable(rows: readonly Row[], options: Options, data: OpenedData): Promise<void> {
  const base = rows.find(({ name }) => name === 'base')?.report;
  const points = (error: number, reference: number | undefined): string => {
    const change = 100 * (error - (reference ?? Number.NaN));
    return Number.isFinite(change) ? `${change >= 0 ? '+' : ''}${change.toFixed(1)}` : '-';
  };
  const table = rows.map(({ name, report }) => {
    const { published }: Ablation = ablations[name];
    const { top1Error, top5Error } = report;
    return {
      name,
      top1: percent(top1Error),
      top5: Number.isNaN(top5Error) ? '-' : percent(top5Error),
      change1: points(top1Error, base?.top1Error),
      change5: points(top5Error, base?.top5Error),
      paper: published ? `+${published.top1} / +${published.top5} (${published.source})` : '-',
    };
  });
  const { images = 0 } = rows[0]?.report ?? {};
  console.log(`\n${images} validation images, seed ${options.seed}; changes in percentage points`);
  console.log(`${'ablation'.padEnd(17)}   top-1    top-5   change   change  in the paper`);
  for (const row of table) {
    const numbers = [row.top1, row.top5, row.change1, row.change5].map((text) => text.padStart(7));
    // The set is left to the file: lines are short.
    console.log(`${row.name.padEnd(17)} ${numbers.join('  ')}  ${row.paper.replace(/, [^)]*/, '')}`);
  }
  const json = {
    data: data.train.name,
    images,
    seed: options.seed,
    rows: rows.map(({ name, report }) => ({ name, ...report })),
  };
  await writeWhole(join(options.out, 'table.json'), [`${JSON.stringify({ ...json, table }, null, 2)}\n`]);
}

addExamples(command, '--data FOLDER --net alexnet', '--set base,no-lrn --limit 500 --epochs 2').action(main);
