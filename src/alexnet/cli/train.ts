#!/usr/bin/env node
/**
 * `npm run train`: trains a network of the catalogue on the images at hand.
 */
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { DeviceName } from '../../backends/open.js';
import { ArgumentError, TandemError } from '../../core/errors.js';
import { parameterCount, placeLayers } from '../architecture.js';
import type { Checkpoint, RunDescription } from '../checkpoint.js';
import { type OpenedData, openData } from '../data/open.js';
import { isNetName, type Net, nets, type Recipe } from '../recipes.js';
import { openCheckpoint, refuseToOverwrite, runFiles, runTraining } from '../run.js';
import { closeDevices, openDevices, parseDevices } from './devices.js';
import { formatDuration, percent, TerminalProgress } from './progress.js';

interface Options {
  data?: string;
  validation?: string;
  net?: string;
  device?: DeviceName[];
  threads?: number;
  deterministic: boolean;
  epochs?: number;
  batch?: number;
  learningRate?: number;
  biasRate?: number;
  momentum?: number;
  weightDecay?: number;
  schedule?: 'step' | 'plateau';
  milestones?: number[];
  patience?: number;
  drop?: number;
  augment?: boolean;
  limit?: number;
  seed?: number;
  workers?: number;
  out?: string;
  resume?: string;
}

const whole =
  (least: number) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isSafeInteger(value) && value >= least) return value;
    throw new InvalidArgumentError(`expected a whole number from ${least}.`);
  };

const positive = (text: string): number => {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value >= 0) return value;
  throw new InvalidArgumentError('expected a number from 0.');
};

const epochList = (text: string): number[] => text.split(',').map(whole(1));

const deviceList = (text: string): DeviceName[] => {
  try {
    return parseDevices(text);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
};

const catalogue = Object.entries(nets)
  .map(([name, { about }]) => `  ${name.padEnd(13)} ${about}`)
  .join('\n');

const program = new Command('train')
  .description('Train a network on images: drawn ones by default, or your own.')
  .option(
    '--data <path>',
    'folder (or .tar, .tar.gz) of class folders of JPEG/PNG files, CIFAR-10 binary files, or MNIST IDX files; default: ten classes of synthetic images',
  )
  .option('--validation <path>', 'a second such folder or archive to validate with')
  .option('--net <name>', `one of ${Object.keys(nets).join(', ')} (default: small)`)
  .option(
    '--device <list>',
    'one device, or one for each tower: cpu:0,cpu:1 (default: a cpu device for each tower)',
    deviceList,
  )
  .option('--threads <n>', "threads of each cpu device (default: the machine's, shared out)", whole(1))
  .option('--deterministic', 'the same bits on every machine: no relaxed SIMD', false)
  .option('--epochs <n>', 'passes over the training images', whole(1))
  .option('--batch <n>', 'images in a step', whole(1))
  .option('--learning-rate <x>', 'rate of the weights', positive)
  .option(
    '--bias-rate <x>',
    "rate of the biases (default: the weights' where the network has one rate)",
    positive,
  )
  .option('--momentum <x>', 'share of the velocity kept in each step', positive)
  .option('--weight-decay <x>', 'decay of weights that have none of their own', positive)
  .addOption(
    new Option(
      '--schedule <kind>',
      'drop the rate at given epochs, or when the validation error stalls',
    ).choices(['step', 'plateau']),
  )
  .option('--milestones <list>', 'step: epochs after which the rate drops, as in 8,11', epochList)
  .option('--patience <n>', 'plateau: epochs without a better error before a drop', whole(1))
  .option('--drop <x>', 'what a drop multiplies the rate by', positive)
  .option('--no-augment', 'no random crops, no mirroring')
  .option('--limit <n>', 'train on n images, as many of each class', whole(1))
  .option('--seed <n>', 'seed of weights, order, augmentation and dropout (default: 0)', whole(0))
  .option('--workers <n>', 'threads that decode image files', whole(1))
  .option('--out <dir>', 'folder for the log and the checkpoints (default: a dated one under runs/)')
  .option('--resume <path>', 'go on with a run: its folder, or a checkpoint file')
  .addHelpText(
    'after',
    `\nNetworks:\n${catalogue}\n\nCtrl-C saves a checkpoint and stops; a second one stops at once.`,
  )
  .allowExcessArguments(false)
  .showHelpAfterError('(--help lists the options)');

/** The recipe of a net with what the command line changes. */
function recipeOf(net: Net, options: Options): Recipe {
  const base = net.recipe;
  const kind =
    options.schedule ?? (options.milestones ? 'step' : options.patience ? 'plateau' : base.schedule.kind);
  const factor = options.drop ?? base.schedule.factor;
  if (!(factor > 0 && factor < 1))
    throw new ArgumentError(`--drop ${factor}: expected a number between 0 and 1`);
  const before = base.schedule;
  const schedule: Recipe['schedule'] =
    kind === 'step'
      ? { kind, factor, milestones: options.milestones ?? (before.kind === 'step' ? before.milestones : []) }
      : {
          kind,
          factor,
          patience: options.patience ?? (before.kind === 'plateau' ? before.patience : 5),
          maxDrops: before.kind === 'plateau' ? before.maxDrops : 3,
        };
  if (options.milestones && kind !== 'step')
    throw new ArgumentError('--milestones goes with --schedule step');
  if (options.patience && kind !== 'plateau')
    throw new ArgumentError('--patience goes with --schedule plateau');
  const learningRate = options.learningRate ?? base.learningRate;
  return {
    ...base,
    learningRate,
    // A changed rate keeps the recipe's ratio between biases and weights.
    biasRate: options.biasRate ?? learningRate * (base.biasRate / base.learningRate),
    epochs: options.epochs ?? base.epochs,
    batchSize: options.batch ?? base.batchSize,
    momentum: options.momentum ?? base.momentum,
    weightDecay: options.weightDecay ?? base.weightDecay,
    augment: base.augment && options.augment !== false,
    schedule,
  };
}

/** Options that a checkpoint has settled. */
const settled = [
  'net',
  'batch',
  'learningRate',
  'biasRate',
  'momentum',
  'weightDecay',
  'schedule',
  'milestones',
  'patience',
  'drop',
  'limit',
  'seed',
] as const satisfies readonly (keyof Options)[];

/** What a resumed run trains: as the checkpoint says, but for the number of epochs and where the data lies. */
function resumedRun(
  checkpoint: Checkpoint,
  options: Options,
): Omit<RunDescription, 'classes' | 'trainingImages'> {
  const { run } = checkpoint;
  const given =
    settled.find((key) => options[key] !== undefined) ??
    (options.augment === false ? 'no-augment' : undefined);
  if (given) {
    const name = given.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw new ArgumentError(
      `--${name} can't be changed in a resumed run; only --epochs, --data, --validation, --device, --threads, --workers, --out can`,
    );
  }
  return {
    ...run,
    recipe: { ...run.recipe, epochs: options.epochs ?? run.recipe.epochs },
    data: options.data ?? run.data,
    validation: options.validation ?? run.validation,
  };
}

function newRun(options: Options): Omit<RunDescription, 'classes' | 'trainingImages'> {
  const name = options.net ?? 'small';
  if (!isNetName(name))
    throw new ArgumentError(`--net ${name}: there is no such network, only ${Object.keys(nets).join(', ')}`);
  return {
    net: name,
    recipe: recipeOf(nets[name], options),
    seed: options.seed ?? 0,
    data: options.data ?? null,
    validation: options.validation ?? null,
    limit: options.limit ?? null,
  };
}

function netOf(name: string): Net {
  if (!isNetName(name))
    throw new ArgumentError(`the checkpoint is of a network '${name}' that isn't in the catalogue`);
  return nets[name];
}

function datedFolder(net: string): string {
  const stamp = new Date().toISOString().slice(0, 19).replace(/[:]/g, '').replace('T', '-');
  return join('runs', `${stamp}-${net}`);
}

async function open(
  run: Omit<RunDescription, 'classes' | 'trainingImages'>,
  workers: number | undefined,
): Promise<OpenedData> {
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
  const net = netOf(run.net);
  const out = options.out ?? resumed?.folder ?? datedFolder(run.net);
  if (!resumed || out !== resumed.folder) refuseToOverwrite(out);

  const data = await open(run, options.workers);
  const names = options.device ?? Array.from({ length: net.towers }, (_, i): DeviceName => `cpu:${i}`);
  const interrupt = new AbortController();
  const stop = watchSignals(interrupt);
  try {
    const devices = await openDevices({
      names,
      threads: options.threads,
      deterministic: options.deterministic,
    });
    try {
      const description = { ...run, classes: data.classes, trainingImages: data.train.length };
      introduce(
        description,
        net,
        data,
        devices.map((d) => `${d.name} (${d.description})`),
        out,
      );
      const done = checkpoint?.state.epoch ?? 0;
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
        signal: interrupt.signal,
      });
      const took = formatDuration((performance.now() - started) / 1000);
      if (outcome.interrupted) {
        console.log(
          `interrupted after ${took}; saved ${join(out, runFiles.last)}\ngo on with: npm run train -- --resume ${out}`,
        );
        process.exitCode = 130;
        return;
      }
      const last = outcome.lines.at(-1);
      const best = Math.min(...outcome.lines.map((line) => line.valError));
      if (last)
        console.log(
          `done in ${took}: validation error ${percent(last.valError)} (best ${percent(best)}); log and checkpoints in ${out}`,
        );
      else console.log(`nothing to do: ${done} epochs are done; ask for more with --epochs`);
    } finally {
      await closeDevices(devices);
    }
  } finally {
    stop();
    await data.close();
  }
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
  console.log(
    `recipe    ${recipe.epochs} epochs of batches of ${recipe.batchSize}, rate ${recipe.learningRate} (biases ${recipe.biasRate}), ` +
      `momentum ${recipe.momentum}, decay ${recipe.weightDecay}, ${describeSchedule(recipe)}, seed ${run.seed}`,
  );
  console.log(`output    ${out}`);
}

function describeSchedule({ schedule }: Recipe): string {
  if (schedule.kind === 'plateau')
    return `rate x ${schedule.factor} after ${schedule.patience} epochs without gain, ${schedule.maxDrops} times`;
  return schedule.milestones.length > 0
    ? `rate x ${schedule.factor} after epochs ${schedule.milestones.join(', ')}`
    : 'constant rate';
}

/** The first signal asks for a checkpoint, the second ends the process. */
function watchSignals(interrupt: AbortController): () => void {
  const onSignal = (): void => {
    if (interrupt.signal.aborted) process.exit(130);
    console.log('\nstopping after this step; once more to stop at once');
    interrupt.abort();
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  return () => process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
}

try {
  await main(program.parse().opts<Options>());
} catch (error) {
  if (!(error instanceof TandemError)) throw error;
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
}
