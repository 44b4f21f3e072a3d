/**
 * `tandem specialize`: the paper's Figure 3. Trains two towers from several seeds, with and without what might part them,
 * and tells of each run whether one tower's first kernels came out without colour and the other's with it, by a rule.
 * Networks that are trained already aren't trained again.
 */
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { type Ablation, type AblationName, ablations } from '../alexnet/ablations.js';
import { placeLayers } from '../alexnet/architecture.js';
import { openCheckpoint, type RunCheckpoint } from '../alexnet/checkpoint.js';
import { type RunDescription, tablesOf } from '../alexnet/description.js';
import { drawSpecialization } from '../alexnet/figures/specialization.js';
import { type FirstLayer, withFirstLayer } from '../alexnet/firstLayer.js';
import { readLog } from '../alexnet/log.js';
import { type Net, nets } from '../alexnet/recipes.js';
import type { Outcome } from '../alexnet/run.js';
import {
  combinedChance,
  randomColourfulness,
  type Specialization,
  specializationOf,
  specializedRule,
} from '../alexnet/specialization.js';
import { applyVariant } from '../alexnet/variants.js';
import { ArgumentError, DataError } from '../core/errors.js';
import type { HostTensor } from '../core/state.js';
import { writeWhole } from '../data/files.js';
import { counted } from '../data/sources/names.js';
import { type OpenedData, openData } from '../data/sources/open.js';
import { addExamples, helpList, printAbout, settled, wrapped } from './command.js';
import {
  addDeviceOptions,
  addTrainingData,
  type DeviceOptions,
  list,
  positive,
  type TrainingDataOptions,
  whole,
  wholes,
  withChosenDevices,
} from './options.js';
import { say } from './output.js';
import { formatDuration, percent } from './progress.js';
import { addNetOptions, chosenTraining, describeRecipe, type RecipeOptions } from './recipe.js';
import { addRecipeOptions } from './recipeFields.js';
import { devicesFor } from './runData.js';
import { watchSignals } from './signals.js';
import { checkpointIn, isDone, trainOn } from './trainOnce.js';

interface Options extends RecipeOptions, TrainingDataOptions, DeviceOptions {
  set: string[];
  seeds: number[];
  kernel?: number;
  stride?: number;
  kernels?: number;
  deviation?: number;
  decay?: number;
  out: string;
}

/** What may part the towers, or keep them from it: each is a row of runs. */
const conditions = ['base', 'no-lrn', 'no-communication'] as const satisfies readonly AblationName[];
type Condition = (typeof conditions)[number];

const aboutOf = (name: Condition): string =>
  name === 'base' ? 'the two towers as they are' : ablations[name].about;

const isCondition = (text: string): text is Condition => conditions.some((name) => name === text);

/** The first layer of `small` that shows what kernels look for; other networks keep theirs. */
const ofSmall = { kernel: 7, kernels: 24, std: 0.06, weightDecay: 0.01 };

export const command = addTrainingData(settled(new Command()))
  .optionsGroup('Towers:')
  .option('--set <list>', 'conditions, by name', list, [...conditions])
  .option('--seeds <list>', 'train with each of these seeds', wholes(0), [0, 1, 2])
  .option('--kernel <n>', `pixels of a side of conv1's kernels, odd (small: ${ofSmall.kernel})`, whole(1))
  .option('--stride <n>', 'pixels from one place of a kernel to the next', whole(1))
  .option('--kernels <n>', `conv1's kernels of each tower (small: ${ofSmall.kernels})`, whole(1))
  .option('--deviation <x>', `of conv1's initial weights (small: ${ofSmall.std})`, positive)
  .option('--decay <x>', `of conv1's weights (small: ${ofSmall.weightDecay})`, positive)
  .option('--out <dir>', 'folder for a run each, table.json and figure3.svg', 'runs/specialization');
addRecipeOptions(addNetOptions(command));
addDeviceOptions(command.optionsGroup('Devices:')).addHelpText(
  'after',
  `\nConditions:\n${helpList(conditions.map((name) => [name, aboutOf(name)]))}\n\n` +
    wrapped(
      'The chance of a difference is that of handing the same kernels out to the towers by chance. A run is specialized ' +
        `with a chance of at most ${specializedRule.chance} and a difference of at least ${percent(specializedRule.separation)} of the largest that its kernels allow.`,
    ),
);

/** A network trained from a seed, and what became of its towers. */
interface Row {
  readonly condition: Condition;
  readonly seed: number;
  readonly epochs: number;
  readonly valError: number;
  readonly weights: HostTensor;
  readonly found: Specialization;
}

/** What is known of a run before its data is opened. */
type Wanted = Omit<RunDescription, 'classes' | 'trainingImages'>;

/** A network to train. */
interface Planned {
  readonly condition: Condition;
  readonly seed: number;
  readonly net: Net;
  readonly description: Wanted;
  readonly out: string;
}

async function main(options: Options): Promise<void> {
  const chosen = chosenTraining(options);
  const planned = planOf(options, chosen);
  printAbout('recipe', ...describeRecipe(chosen.recipe, chosen.variant));
  const watch = watchSignals('stopping after this step; once more to stop at once');
  const clock = new Clock(planned.length);
  const rows: Row[] = [];
  for (const seed of options.seeds) {
    // Only what has yet to be trained needs images; each seed draws or divides them its own way.
    let data: OpenedData | null = null;
    try {
      for (const own of planned.filter((each) => each.seed === seed)) {
        let found = await checkpointIn(own.out, own.description, own.net);
        if (!isDone(found, own.description)) {
          data ??= await openFor(own.description, options.workers);
          say(clock.title(own));
          const ended = await train(own, data, found, options, watch.signal);
          if (ended.interrupted) {
            say(`interrupted; the same command goes on with what is in ${options.out}`);
            watch.endBySignal();
            return;
          }
          found = (await openCheckpoint(own.out)).checkpoint;
        }
        clock.done();
        rows.push(await rowOf(own, found));
      }
    } finally {
      await data?.close();
    }
  }
  await report(rows, options);
}

/**
 * Every network asked for; what can't be trained is refused before anything is.
 * @throws {ArgumentError} for a network without two towers, or what the condition can't change
 */
function planOf(options: Options, { name, variant, recipe }: ReturnType<typeof chosenTraining>): Planned[] {
  const { seeds, kernel, stride, kernels, deviation, decay } = options;
  const again = seeds.find((seed, i) => seeds.indexOf(seed) !== i);
  if (again !== undefined) throw new ArgumentError(`--seeds ${seeds.join()}: ${again} is there twice`);
  const asked: FirstLayer = { kernel, stride, kernels, std: deviation, weightDecay: decay };
  const given = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined));
  const first: FirstLayer = { ...(name === 'small' && ofSmall), ...given };
  const varieties = options.set.map((condition) => {
    if (!isCondition(condition))
      throw new ArgumentError(
        `--set ${condition}: there is no such condition, only ${conditions.join(', ')}`,
      );
    const { variant: change }: Ablation = ablations[condition];
    const varied = { ...variant, ...change };
    const net = { ...applyVariant(withFirstLayer(nets[name], first), varied), recipe };
    if (net.towers !== 2) throw new ArgumentError(`${name}: has one tower; specialization is of two`);
    placeLayers(net.architecture, net.placement(10));
    return { condition, variant: varied, net };
  });
  return seeds.flatMap((seed) =>
    varieties.map(({ condition, net, variant: varied }) => ({
      condition,
      seed,
      net,
      out: join(options.out, condition, `seed-${seed}`),
      description: {
        net: name,
        variant: varied,
        recipe,
        seed,
        data: options.data === undefined ? null : resolve(options.data),
        validation: options.validation === undefined ? null : resolve(options.validation),
        limit: options.limit ?? null,
      },
    })),
  );
}

function openFor({ data, validation, recipe, limit, seed }: Wanted, workers?: number): Promise<OpenedData> {
  if (data !== null) console.log(`reading ${data}`);
  return openData(data ?? undefined, {
    imageSize: recipe.imageSize,
    limit: limit ?? undefined,
    seed,
    validation: validation ?? undefined,
    workers,
  });
}

function train(
  { net, description, out }: Planned,
  data: OpenedData,
  resume: RunCheckpoint | null,
  options: Options,
  signal: AbortSignal,
): Promise<Outcome> {
  const { classes, train: images } = data;
  const whole: RunDescription = {
    ...description,
    classes,
    trainingImages: images.length,
    tables: tablesOf(net, classes.length),
  };
  return withChosenDevices(options, devicesFor(net), (devices) =>
    trainOn({ description: whole, net, devices, data, out, signal }, resume),
  );
}

/** What became of a network. */
async function rowOf({ condition, seed, net, out }: Planned, found: RunCheckpoint | null): Promise<Row> {
  const [layer] = net.architecture.layers;
  const weights = found?.parameters.get(`${layer?.name}.weight`);
  if (!layer || !weights) throw new DataError(`${out}: holds no weights of a first layer`);
  const { kernels = [] } = net.placement(10)[layer.name] ?? {};
  const { epoch = 0, valError = Number.NaN } = (await readLog(out)).at(-1) ?? {};
  return { condition, seed, epochs: epoch, valError, weights, found: specializationOf(weights, kernels) };
}

/** How long what is left will take, from the runs that were trained. */
class Clock {
  private readonly started = performance.now();
  private number = 0;
  private trained = 0;

  /** @param runs in all */
  constructor(private readonly runs: number) {}

  /** What is said before a network is trained. */
  title({ condition, seed }: Planned): string {
    const each = (performance.now() - this.started) / 1000 / this.trained;
    const left = this.trained === 0 ? '' : `, about ${formatDuration(each * (this.runs - this.number))} left`;
    this.trained++;
    return `\n${condition}, seed ${seed}: ${aboutOf(condition)} (run ${this.number + 1} of ${this.runs}${left})`;
  }

  /** A run is done, trained now or before. */
  done(): void {
    this.number++;
  }
}

const signed = (x: number): string => `${x < 0 ? '-' : '+'}${Math.abs(x).toFixed(3)}`;
const chanceText = (chance: number): string => (chance < 0.0001 ? '<0.0001' : chance.toFixed(4));

/** Prints the table, writes it and the picture. */
async function report(rows: readonly Row[], { set, seeds, out }: Options): Promise<void> {
  const [some] = rows;
  const side = some?.weights.shape[2] ?? 1;
  const counts = some?.found.towers.map(({ kernels }) => kernels.length) ?? [];
  const random = randomColourfulness(side);
  const spread = random.deviation * Math.sqrt(counts.reduce((sum, n) => sum + 1 / n, 0));
  console.log(
    `\nshare of colour of conv1's kernels, ${counts.join(' and ')} of ${side}x${side}, after ${counted(some?.epochs ?? 0, 'epoch')}; random weights:\n` +
      `${random.mean.toFixed(3)}, give or take ${random.deviation.toFixed(3)} from kernel to kernel and ${spread.toFixed(3)} in the difference`,
  );
  console.log('condition         seed   error  tower 0  tower 1  difference  of most   chance  dead');
  for (const { condition, seed, valError, found } of rows) {
    const { towers, difference, separation, chance, specialized } = found;
    const cells = [
      condition.padEnd(17),
      String(seed).padStart(4),
      percent(valError).padStart(7),
      ...towers.map(({ mean }) => mean.toFixed(3).padStart(8)),
      signed(difference).padStart(11),
      percent(separation).padStart(8),
      chanceText(chance).padStart(8),
      String(towers[0].dead + towers[1].dead).padStart(5),
    ];
    console.log(`${cells.join(' ')}${specialized ? '  specialized' : ''}`);
  }
  const together = set.map((condition) => {
    const own = rows.filter((row) => row.condition === condition).map(({ found }) => found);
    const specialized = own.filter((found) => found.specialized).length;
    return {
      condition,
      runs: own.length,
      specialized,
      chance: combinedChance(own.map(({ chance }) => chance)),
    };
  });
  for (const { condition, runs, specialized, chance } of together)
    console.log(
      `${condition}: ${specialized} of ${runs} specialized, chance of all together ${chanceText(chance)}`,
    );
  const json = { seeds, random, rows: rows.map(({ weights: _, ...row }) => row), together };
  await writeWhole(join(out, 'table.json'), [`${JSON.stringify(json, null, 2)}\n`]);
  const drawn = rows.map(({ condition, seed, weights, found }) => {
    const [a, b] = found.towers.map(({ mean }) => mean.toFixed(2));
    const title = `${condition}, seed ${seed}: ${a} and ${b} colour, chance ${chanceText(found.chance)}`;
    return { title, weights, found };
  });
  await writeWhole(join(out, 'figure3.svg'), [drawSpecialization(drawn)]);
  console.log(`table.json and figure3.svg in ${out}`);
}

addExamples(
  command,
  '',
  '--data cifar10-train.tar.gz --deviation 0.01 --epochs 8',
  '--set base --seeds 0 --limit 500 --epochs 1',
).action(main);
