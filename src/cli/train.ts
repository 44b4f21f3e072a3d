#!/usr/bin/env node
/**
 * `npm run train`: trains a network of the catalogue on the images at hand.
 */
import { rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { parameterCount, placeLayers } from '../alexnet/architecture.js';
import type { Checkpoint } from '../alexnet/checkpoint.js';
import type { RunDescription } from '../alexnet/description.js';
import { dryRun } from '../alexnet/dryRun.js';
import type { Net } from '../alexnet/recipes.js';
import {
  netOf,
  openCheckpoint,
  profileRun,
  refuseToOverwrite,
  runFiles,
  runTraining,
} from '../alexnet/run.js';
import { ArgumentError } from '../core/errors.js';
import { makeFolder, writeWhole } from '../data/files.js';
import { type OpenedData, openData } from '../data/sources/open.js';
import { needsLines, profileJson, profileLines } from './inspect.js';
import {
  addDeviceOptions,
  addTrainingData,
  chosenNames,
  type DeviceOptions,
  runCommand,
  settled,
  type TrainingDataOptions,
  whole,
  withChosenDevices,
} from './options.js';
import { say } from './output.js';
import { formatDuration, percent, TerminalProgress } from './progress.js';
import {
  addNetOptions,
  addRecipeOptions,
  catalogue,
  chosenTraining,
  describeRecipe,
  type RecipeOptions,
  ratesOf,
} from './recipe.js';
import { watchSignals } from './signals.js';

interface Options extends RecipeOptions, TrainingDataOptions, DeviceOptions {
  seed?: number;
  out?: string;
  resume?: string;
  profile?: number;
  dryRun: boolean;
}

const program = settled(
  new Command('train').description('Train a network on images: drawn ones by default, or your own.'),
);
addRecipeOptions(addNetOptions(addTrainingData(program)));
addDeviceOptions(program.optionsGroup('Devices:'));
program
  .optionsGroup('Run:')
  .option('--seed <n>', 'seed of weights, order, augmentation and dropout (default: 0)', whole(0))
  .option('--out <dir>', 'folder for the log and the checkpoints (default: a dated one under runs/)')
  .option('--resume <path>', 'go on with a run: its folder, or a checkpoint file')
  .option(
    '--profile <n>',
    'run n steps and print where their time goes; also as profile.json in the folder',
    whole(1),
  )
  .option('--dry-run', "count a step's memory, multiply-adds and crossings without running it", false)
  .addHelpText(
    'after',
    `\n${catalogue()}\n\nCtrl-C saves a checkpoint and stops; a second one stops at once.`,
  );

/** A run as it is known before its data is opened. */
type Run = Omit<RunDescription, 'classes' | 'trainingImages'>;

/** Options that may change when a run is resumed. */
const changeable: readonly string[] = [
  'epochs',
  'learningRate',
  'biasRate',
  'data',
  'validation',
  'device',
  'threads',
  'deterministic',
  'adapter',
  'power',
  'driver',
  'memoryLimit',
  'workers',
  'out',
  'resume',
  'profile',
  'dryRun',
];

/** What a resumed run trains: as the checkpoint says, but for the number of epochs, the rates, and where the data lies. */
function resumedRun(checkpoint: Checkpoint, options: Options): Run {
  const { run } = checkpoint;
  const given = program.options.find((option) => {
    const key = option.attributeName();
    return program.getOptionValueSource(key) === 'cli' && !changeable.includes(key);
  });
  if (given) {
    const allowed = changeable
      .filter((key) => !['resume', 'profile', 'dryRun'].includes(key))
      .map((key) => `--${key.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`);
    throw new ArgumentError(
      `${given.long} can't be changed in a resumed run; only ${allowed.join(', ')} can`,
    );
  }
  return {
    ...run,
    recipe: { ...run.recipe, epochs: options.epochs ?? run.recipe.epochs, ...ratesOf(run.recipe, options) },
    data: options.data ?? run.data,
    validation: options.validation ?? run.validation,
  };
}

function newRun(options: Options): Run {
  const { name, variant, recipe } = chosenTraining(options);
  return {
    net: name,
    variant,
    recipe,
    seed: options.seed ?? 0,
    data: options.data ?? null,
    validation: options.validation ?? null,
    limit: options.limit ?? null,
  };
}

function datedFolder(net: string): string {
  const stamp = new Date().toISOString().slice(0, 19).replace(/[:]/g, '').replace('T', '-');
  return join('runs', `${stamp}-${net}`);
}

async function open(run: Run, workers: number | undefined): Promise<OpenedData> {
  const where = run.data ?? 'synthetic images';
  if (run.data) console.log(`reading ${where}`);
  return openData(run.data ?? undefined, {
    imageSize: run.recipe.imageSize,
    limit: run.limit ?? undefined,
    seed: run.seed,
    validation: run.validation ?? undefined,
    workers,
  });
}

async function main(options: Options): Promise<void> {
  const resumed = options.resume === undefined ? null : await openCheckpoint(options.resume);
  const checkpoint = resumed?.checkpoint ?? null;
  const run = checkpoint ? resumedRun(checkpoint, options) : newRun(options);
  const net = netOf(run);
  const out = options.out ?? resumed?.folder ?? datedFolder(run.net);
  if (options.dryRun) return count(run, net, options);
  if (options.profile === undefined && (!resumed || out !== resumed.folder)) refuseToOverwrite(out);

  // Before images are read, which may take long. What comes to nothing leaves no empty folder.
  const made = await makeFolder(out);
  try {
    await trainIn(out, run, net, checkpoint, options);
  } finally {
    if (made) await rmdir(out).catch(() => {});
  }
}

/** Opens data and devices, and trains or profiles. */
async function trainIn(
  out: string,
  run: Run,
  net: Net,
  checkpoint: Checkpoint | null,
  options: Options,
): Promise<void> {
  const data = await open(run, options.workers);
  const watch = watchSignals('stopping after this step; once more to stop at once');
  try {
    await withChosenDevices(options, net.towers, async (devices) => {
      const description = { ...run, classes: data.classes, trainingImages: data.train.length };
      introduce(
        description,
        net,
        data,
        devices.map((d) => `${d.name} (${d.description})`),
        out,
      );
      const done = checkpoint?.state.epoch ?? 0;
      const { profile: steps } = options;
      if (steps !== undefined) {
        const profiled = await profileRun(
          { description, net, devices, data, out, resume: checkpoint },
          steps,
        );
        console.log(['', ...profileLines(profiled)].join('\n'));
        await writeWhole(join(out, runFiles.profile), [profileJson(profiled), '\n']);
        console.log(`\nall of it in ${join(out, runFiles.profile)}`);
        return;
      }
      if (checkpoint) console.log(`resuming after epoch ${done}, batch ${checkpoint.state.batch}`);
      const listener = new TerminalProgress(run.recipe.epochs, done + 1);
      const started = performance.now();
      const outcome = await runTraining({
        description,
        net,
        devices,
        data,
        out,
        resume: checkpoint,
        listener,
        signal: watch.signal,
      });
      const took = formatDuration((performance.now() - started) / 1000);
      if (outcome.interrupted) {
        say(
          `interrupted after ${took}; saved ${join(out, runFiles.last)}\ngo on with: npm run train -- --resume ${out}`,
        );
        watch.endBySignal();
        return;
      }
      const last = outcome.lines.at(-1);
      const best = Math.min(...outcome.lines.map((line) => line.valError));
      if (last)
        console.log(
          `done in ${took}: validation error ${percent(last.valError)} (best ${percent(best)}); log and checkpoints in ${out}`,
        );
      else console.log(`nothing to do: ${done} epochs are done; ask for more with --epochs`);
    });
  } finally {
    await data.close();
  }
}

/** Classes of the sets that the published networks were trained on, for a dry run without data. */
const publishedClasses = ({ architecture }: Net): number => (architecture.size < 224 ? 10 : 1000);

/** Counts what a step needs on the devices named; they aren't opened, and needn't exist. */
async function count(run: Run, net: Net, options: Options): Promise<void> {
  let classes = publishedClasses(net);
  if (run.data) {
    const data = await open(run, options.workers);
    classes = data.classes.length;
    await data.close();
  }
  const { memoryLimit, threads } = options;
  const settings = { ...(memoryLimit !== undefined && { memoryLimit }), ...(threads && { threads }) };
  const devices = await chosenNames(options, net.towers);
  const needs = await dryRun({ net, recipe: run.recipe, classes, devices, settings });
  console.log([`network   ${run.net}: ${net.about}; ${classes} classes`, ...needsLines(needs)].join('\n'));
}

function introduce(
  run: RunDescription,
  net: Net,
  data: OpenedData,
  devices: readonly string[],
  out: string,
): void {
  const layers = placeLayers(net.architecture, net.placement(run.classes.length));
  const { recipe } = run;
  console.log(
    `network   ${run.net}: ${net.about}; ${parameterCount(layers).toLocaleString('en')} parameters`,
  );
  console.log(
    `data      ${data.train.name}: ${data.train.length} training and ${data.validation.length} validation images, ${run.classes.length} classes`,
  );
  for (const note of data.notes) console.log(`          ${note}`);
  console.log(`devices   ${devices.join(', ')}`);
  const [first, ...more] = describeRecipe(recipe, run.variant);
  console.log(`recipe    ${first}`);
  for (const line of more) console.log(`          ${line}`);
  console.log(`seed      ${run.seed}`);
  console.log(`output    ${out}`);
}

await runCommand(() => main(program.parse().opts<Options>()));
