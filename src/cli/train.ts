/**
 * `tandem train`: trains a network of the catalogue on the images at hand.
 */
import { join, resolve } from 'node:path';
import { Command, Option } from 'commander';
import { parameterCount, placeLayers } from '../alexnet/architecture.js';
import { type RunCheckpoint, readRunCheckpoint } from '../alexnet/checkpoint.js';
import { netOf, type RunDescription } from '../alexnet/description.js';
import { dryRunNet } from '../alexnet/dryRun.js';
import type { Net } from '../alexnet/recipes.js';
import { profileRun, runFiles, runTraining } from '../alexnet/run.js';
import { type WeightKindName, weightKinds } from '../alexnet/weights/kinds.js';
import { type OpenedWeights, openWeights } from '../alexnet/weights/open.js';
import { ArgumentError } from '../core/errors.js';
import { writeWhole } from '../data/files.js';
import { type OpenedData, openData } from '../data/sources/open.js';
import { DivergedError } from '../train/diverged.js';
import { openRanks, type Ranks } from '../train/ranks/index.js';
import { findCheckpoint, RunExistsError, RunFolder } from '../train/runFolder.js';
import { addExamples, printAbout, settled, typed } from './command.js';
import { needsLines, profileJson, profileLines } from './inspect.js';
import {
  addDeviceOptions,
  addTowerPerRank,
  addTrainingData,
  countedDevices,
  type DeviceOptions,
  type TrainingDataOptions,
  whole,
  withChosenDevices,
} from './options.js';
import { say } from './output.js';
import { formatDuration, percent, TerminalProgress } from './progress.js';
import {
  addNetOptions,
  catalogue,
  chosenTraining,
  describeRecipe,
  netKeys,
  type RecipeOptions,
} from './recipe.js';
import { addRecipeOptions, changedRecipe, mayResume } from './recipeFields.js';
import { devicesFor } from './runData.js';
import { watchSignals } from './signals.js';

interface Options extends RecipeOptions, TrainingDataOptions, DeviceOptions {
  weights?: string;
  as?: WeightKindName;
  seed?: number;
  out?: string;
  resume?: string;
  microBatches?: number;
  profile?: number;
  dryRun: boolean;
}

export const command = settled(new Command());
addRecipeOptions(addNetOptions(addTrainingData(command)));
addTowerPerRank(addDeviceOptions(command.optionsGroup('Devices:')));
command
  .optionsGroup('Run:')
  .option('--weights <file>', 'begin with weights from elsewhere, those that fit, in their network')
  .addOption(new Option('--as <kind>', 'the kind of those weights').choices(Object.keys(weightKinds)))
  .option('--seed <n>', 'seed of weights, order, augmentation and dropout (default: 0)', whole(0))
  .option('--out <dir>', 'folder for the log and the checkpoints (default: a dated one under runs/)')
  .option('--resume <path>', 'go on with a run: its folder, or a checkpoint file')
  .option(
    '--micro-batches <n>',
    'cut batches into n parts, a power of two: the same weights for 1, 2, 4, .. n ranks, to the bit',
    whole(1),
  )
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

/** Options that may change when a run is resumed, besides fields of its recipe. */
const changeable: readonly string[] = [
  'data',
  'validation',
  'device',
  'towerPerRank',
  'microBatches',
  'threads',
  'deterministic',
  'adapter',
  'power',
  'driver',
  'memoryLimit',
  'workers',
  'out',
];

/** Options that say what is done with a run. */
const modes: readonly string[] = ['resume', 'profile', 'dryRun'];

/** What a resumed run trains: as the checkpoint says, but for the number of epochs, the rates, and where the data lies. */
function resumedRun(checkpoint: RunCheckpoint, options: Options): Run {
  const { run } = checkpoint;
  const may = (key: string): boolean => mayResume(key) || changeable.includes(key);
  const given = command.options.find((option) => {
    const key = option.attributeName();
    return command.getOptionValueSource(key) === 'cli' && !may(key) && !modes.includes(key);
  });
  if (given) {
    const allowed = command.options.filter((option) => may(option.attributeName())).map(({ long }) => long);
    throw new ArgumentError(
      `${given.long} can't be changed in a resumed run; only ${allowed.join(', ')} can`,
    );
  }
  return {
    ...run,
    recipe: changedRecipe(run.recipe, options),
    data: absolute(options.data) ?? run.data,
    validation: absolute(options.validation) ?? run.validation,
  };
}

/** A path as it is found from anywhere; null for none. */
function absolute(path: string | undefined): string | null {
  return path === undefined ? null : resolve(path);
}

/** What a new run trains: a network of the catalogue, or that of weights to begin with, at a tenth of its rates. */
function newRun(options: Options, start: OpenedWeights | null): Run {
  const chosen = start ? fineTuning(start, options) : chosenTraining(options);
  return {
    net: chosen.name,
    variant: chosen.variant,
    recipe: chosen.recipe,
    tables: start?.run.tables,
    seed: options.seed ?? 0,
    data: absolute(options.data),
    validation: absolute(options.validation),
    limit: options.limit ?? null,
  };
}

/** @throws {ArgumentError} for options that choose another network */
function fineTuning(
  { run }: OpenedWeights,
  options: Options,
): Pick<Run, 'variant' | 'recipe'> & { readonly name: string } {
  const stray = command.options.find(
    (option) =>
      netKeys.includes(option.attributeName()) &&
      command.getOptionValueSource(option.attributeName()) === 'cli',
  );
  if (stray) throw new ArgumentError(`${stray.long} and --weights: the weights have a network of their own`);
  const { learningRate, biasRate } = run.recipe;
  const slower = { ...run.recipe, learningRate: learningRate / 10, biasRate: biasRate / 10 };
  const recipe = changedRecipe(slower, options);
  return { name: run.net, variant: {}, recipe };
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
  const found = options.resume === undefined ? null : await findCheckpoint(options.resume);
  const read = async (): Promise<RunCheckpoint | null> => found && readRunCheckpoint(found.file);
  const start =
    options.weights === undefined ? null : await openWeights(options.weights, { kind: options.as });
  const runOf = (checkpoint: RunCheckpoint | null): Run =>
    checkpoint ? resumedRun(checkpoint, options) : newRun(options, start);
  if (options.dryRun) return count(runOf(await read()), options);
  const ranks = await openRanks();
  if (ranks.size > 1 && options.profile !== undefined) {
    throw new ArgumentError(
      '--profile: the steps of one process are profiled; start it without the launcher',
    );
  }
  if (ranks.rank > 0) {
    const checkpoint = await read();
    return trainIn(null, runOf(checkpoint), checkpoint, start, options);
  }
  const goesOn = found !== null && resolve(options.out ?? found.folder) === resolve(found.folder);
  // A run that goes on in its folder is locked before it's read: another process may be about to write there.
  const elsewhere = goesOn ? null : await read();
  const folder = goesOn ? await RunFolder.open(found.folder) : await newFolder(options, runOf(elsewhere));
  // It is made before images are read, which may take long. What comes to nothing leaves no empty folder.
  try {
    const checkpoint = goesOn ? await read() : elsewhere;
    await trainIn(folder, runOf(checkpoint), checkpoint, start, options);
  } catch (error) {
    throw error instanceof DivergedError ? withWayOut(error, folder.path) : error;
  } finally {
    await folder.close();
  }
}

/** The folder of a run that doesn't go on where it was. @throws {ArgumentError} when it holds a run already */
async function newFolder({ out, profile }: Options, run: Run): Promise<RunFolder> {
  if (out === undefined) return RunFolder.make(datedFolder(run.net));
  if (profile !== undefined) return RunFolder.open(out);
  return RunFolder.begin(out).catch((error: unknown) => {
    if (!(error instanceof RunExistsError)) throw error;
    throw new ArgumentError(`${error.message}; go on with --resume ${out}, or choose another --out`);
  });
}

/** Says what to do about a run that diverged. */
function withWayOut({ message, checkpoint }: DivergedError, out: string): DivergedError {
  return new DivergedError(
    checkpoint === null
      ? `${message}: start again with a lower --learning-rate`
      : `${message}: go on with --resume ${out} and a lower --learning-rate`,
    checkpoint,
  );
}

/** Opens data and devices, and trains or profiles. @param folder null for ranks that write no files */
async function trainIn(
  folder: RunFolder | null,
  run: Run,
  checkpoint: RunCheckpoint | null,
  weights: OpenedWeights | null,
  options: Options,
): Promise<void> {
  const start = weights ? { ...weights, file: options.weights ?? '' } : undefined;
  const net = netOf(run);
  const out = folder?.path ?? '';
  const data = await open(run, options.workers);
  const watch = watchSignals('stopping after this step; once more to stop at once');
  try {
    await withChosenDevices(options, devicesFor(net), async (devices, ranks) => {
      const description = { ...run, classes: data.classes, trainingImages: data.train.length };
      introduce(
        description,
        net,
        data,
        devices.map((d) => `${d.name} (${d.description})`),
        ranks,
        out,
      );
      const done = checkpoint?.state.epoch ?? 0;
      const { profile: steps } = options;
      if (steps !== undefined) {
        const profiled = await profileRun(
          { description, net, devices, data, resume: checkpoint, start },
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
        out: folder,
        resume: checkpoint,
        start,
        listener,
        ranks,
        microBatches: options.microBatches,
        signal: watch.signal,
      });
      const took = formatDuration((performance.now() - started) / 1000);
      if (outcome.interrupted) {
        say(
          `interrupted after ${took}; saved ${join(out, runFiles.last)}\ngo on with: ${typed('train')} --resume ${out}`,
        );
        watch.endBySignal();
        return;
      }
      const last = outcome.lines.at(-1);
      const best = Math.min(...outcome.lines.map((line) => line.valError));
      if (last && last.epoch > done) {
        console.log(`done in ${took}: validation error ${percent(last.valError)} (best ${percent(best)})`);
        console.log(`log and checkpoints in ${out}`);
      } else {
        const more = outcome.stopped ? 'the schedule saw no more to gain' : 'ask for more with --epochs';
        console.log(`nothing to do: ${done === 1 ? '1 epoch is' : `${done} epochs are`} done; ${more}`);
      }
    });
  } finally {
    await data.close();
  }
}

/** Classes of the sets that the published networks were trained on, for a dry run without data. */
const publishedClasses = ({ architecture }: Net): number => (architecture.size < 224 ? 10 : 1000);

/** Counts what a step of these ranks needs on the devices named; they aren't opened, and needn't exist. */
async function count(run: Run, options: Options): Promise<void> {
  const net = netOf(run);
  let classes = publishedClasses(net);
  if (run.data) {
    const data = await open(run, options.workers);
    classes = data.classes.length;
    await data.close();
  }
  const { memoryLimit, threads, microBatches } = options;
  const settings = { ...(memoryLimit !== undefined && { memoryLimit }), ...(threads && { threads }) };
  const { devices, ranks } = await countedDevices(options, devicesFor(net));
  const needs = await dryRunNet({ net, recipe: run.recipe, classes, devices, settings, ranks, microBatches });
  console.log([`network   ${run.net}: ${net.about}; ${classes} classes`, ...needsLines(needs)].join('\n'));
}

function introduce(
  run: RunDescription,
  net: Net,
  data: OpenedData,
  devices: readonly string[],
  ranks: Ranks,
  out: string,
): void {
  const layers = placeLayers(net.architecture, net.placement(run.classes.length));
  const { recipe } = run;
  const { train, validation, notes } = data;
  const parameters = parameterCount(layers).toLocaleString('en');
  const counts = `${train.length} training and ${validation.length} validation images`;
  printAbout('network', `${run.net}: ${net.about}; ${parameters} parameters`);
  printAbout('data', `${train.name}: ${counts}, ${run.classes.length} classes`, ...notes);
  printAbout('devices', ...devices);
  if (ranks.size > 1) {
    const hosts = [...new Set(ranks.hosts)];
    const places = hosts.map((host) => `${ranks.hosts.filter((other) => other === host).length} on ${host}`);
    const { size } = ranks.replicas;
    const towers = size === 1 ? 'a tower each' : `${size} replicas of a tower each`;
    const each = ranks.replicas === ranks ? 'each as above' : towers;
    printAbout('ranks', `${ranks.size} by ${ranks.library}: ${places.join(', ')}; ${each}`);
  }
  printAbout('recipe', ...describeRecipe(recipe, run.variant));
  printAbout('seed', String(run.seed));
  printAbout('output', out);
}

addExamples(
  command,
  '',
  '--epochs 1 --limit 500',
  '--data FOLDER --net alexnet --preset as-run',
  '--resume runs/DATE-small --epochs 20',
  '--device webgpu:0,webgpu:1',
).action(main);
