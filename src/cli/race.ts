/**
 * `tandem race`: ReLU, tanh and |tanh| on the four-layer net, to 25 % training error, and the plot of it. A search looks
 * for the rates of each first, from every start of a grid; the races of all seeds are run from the start that parts tanh
 * from ReLU the most. Races that are in the log aren't run again.
 */
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { openPlotter } from '../alexnet/figures/plot.js';
import { plotRace } from '../alexnet/figures/race.js';
import {
  formatEpochs,
  type RaceLine,
  RaceLog,
  type Racer,
  RaceTrack,
  racers,
  runRaces,
  summarize,
  timesText,
} from '../alexnet/race.js';
import {
  bestRates,
  type Corner,
  leastTries,
  searchCorner,
  summarizeCorner,
  widest,
} from '../alexnet/raceSearch.js';
import { firstRate, type Start, startsOf, startText, tableStart } from '../alexnet/raceStart.js';
import { nets } from '../alexnet/recipes.js';
import { ArgumentError } from '../core/errors.js';
import { makeFolder, writeWhole } from '../data/files.js';
import { lockFolder } from '../data/lock.js';
import { counted } from '../data/sources/names.js';
import { openData } from '../data/sources/open.js';
import { addExamples, printAbout, settled } from './command.js';
import {
  addDeviceOptions,
  type DeviceOptions,
  list,
  positive,
  whole,
  wholes,
  withChosenDevices,
} from './options.js';
import { formatDuration, percent } from './progress.js';
import { endOnSignals } from './signals.js';

interface Options extends DeviceOptions {
  data?: string;
  limit?: number;
  activations: Racer[];
  reluRate?: number;
  tanhRate?: number;
  absTanhRate?: number;
  std: Start['std'][];
  bias: number[];
  inputScale: number[];
  search?: number;
  searchLimit?: number;
  seeds: number[];
  target: number;
  epochs: number;
  batch: number;
  dryRun: boolean;
  out: string;
}

const { recipe } = nets['four-layers'];

/** A parser of items separated by commas. */
const each =
  <T>(parse: (item: string) => T) =>
  (text: string): T[] =>
    list(text).map(parse);

function activation(text: string): Racer {
  const found = racers.find((name) => name === text);
  if (found !== undefined) return found;
  throw new InvalidArgumentError(`expected some of ${racers.join(', ')}.`);
}

function deviation(text: string): Start['std'] {
  if (text === 'fan-in') return text;
  const [conv1 = '', others = conv1, ...rest] = text.split('/');
  if (rest.length > 0) throw new InvalidArgumentError("expected fan-in, a number, or conv1's/the others'.");
  return [positive(conv1), positive(others)];
}

/** A number above 0, or a fraction as `1/64`. */
function scale(text: string): number {
  const [above = '', below = '1', ...rest] = text.split('/');
  const value = positive(above) / positive(below);
  if (rest.length === 0 && Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError('expected a number above 0, or a fraction such as 1/64.');
}

export const command = settled(new Command())
  .option('--data <path>', 'CIFAR-10, as train takes it; default: synthetic images')
  .option('--limit <n>', 'train on n images, as many of each class', whole(1))
  .option('--activations <list>', `who races, of ${racers.join(', ')}`, each(activation), [...racers])
  .option('--relu-rate <x>', 'learning rate with ReLU; with --search the first one tried', positive)
  .option('--tanh-rate <x>', 'the same with tanh', positive)
  .option('--abs-tanh-rate <x>', 'the same with |tanh|', positive)
  .option('--seeds <list>', 'a race of each with each of these seeds', wholes(0), [0, 1, 2])
  .option('--target <x>', 'training error that ends a race', positive, 0.25)
  .option('--epochs <n>', 'epochs after which a race is given up', whole(1), recipe.epochs)
  .option('--batch <n>', 'images in a step', whole(1), recipe.batchSize)
  .option('--out <dir>', 'folder of figure1.jsonl, figure1.svg and table.json', 'runs/figure1')
  .option('--dry-run', 'list what would be run and how long it may take', false)
  .optionsGroup('Start (lists, separated by commas, are a grid for --search):')
  .option(
    '--std <list>',
    "deviation of the initial weights: fan-in (sqrt(2 / inputs)), a number, or conv1's/the others': 0.0001/0.01",
    each(deviation),
    [tableStart.std],
  )
  .option('--bias <list>', 'initial biases of conv2 and conv3', each(positive), [tableStart.bias])
  .option(
    '--input-scale <list>',
    'what pixels 0-255 less their mean are multiplied by: 1, 1/64',
    each(scale),
    [tableStart.inputScale],
  )
  .optionsGroup('Search:')
  .option(
    '--search <n>',
    `look for each one's rate first, among up to n (from ${leastTries} on) by fours and twos, with the first seed`,
    whole(leastTries),
  )
  .option('--search-limit <n>', 'search on n of the images (default: all)', whole(1));
addDeviceOptions(command.optionsGroup('Devices:'));

/** The rate of each non-linearity from a start: as given, or a guess. */
function ratesOf(options: Options, start: Start): Map<Racer, number> {
  const { reluRate, tanhRate, absTanhRate } = options;
  const given = { relu: reluRate, tanh: tanhRate, 'abs-tanh': absTanhRate };
  return new Map(options.activations.map((name) => [name, given[name] ?? firstRate(start)]));
}

/** The starts of the grid, after a look whether the options go together. */
function checked({ std, bias, inputScale, search, searchLimit, seeds, activations }: Options): Start[] {
  const twice = <T>(option: string, values: readonly T[]): void => {
    const again = values.find((value, i) => values.indexOf(value) !== i);
    if (again !== undefined) throw new ArgumentError(`${option} ${values.join()}: ${again} is there twice`);
  };
  twice('--seeds', seeds);
  twice('--activations', activations);
  const starts = startsOf(std, bias, inputScale);
  if (search === undefined && searchLimit !== undefined)
    throw new ArgumentError('--search-limit goes with --search');
  if (search === undefined && starts.length > 1) {
    throw new ArgumentError(
      `${starts.length} starts: a grid goes with --search ${leastTries + 3}; or give one start`,
    );
  }
  return starts;
}

function printLine({ activation, rate, seed, epoch, trainError, seconds, ended }: RaceLine): void {
  const end = ended ? `  ${ended}` : '';
  console.log(
    `${activation.padEnd(8)}  rate ${rate}  seed ${seed}  epoch ${String(epoch).padStart(2)}  training error ${percent(trainError)}  ${seconds.toFixed(0)} s${end}`,
  );
}

/** What the search found, for people: a line for each start. */
function printCorners(corners: readonly Corner[], target: number): void {
  console.log(
    `\nepochs to ${percent(target)} training error at the best rate tried, and how many times ReLU's`,
  );
  for (const corner of corners) {
    const cells = summarizeCorner(corner, target).map((row) => {
      const about = [`rate ${row.rate}`, timesText(row) ?? []].flat().join(', ');
      return `${row.activation} ${formatEpochs(row.mean)} (${about})`;
    });
    printAbout('start', startText(corner.start), cells.join('; '));
  }
}

/** The same for programs, with every rate that was tried. */
function cornerJson(corner: Corner, target: number) {
  return {
    ...corner.start,
    best: summarizeCorner(corner, target),
    tried: Object.fromEntries(
      [...corner.tried].map(([name, tried]) => [
        name,
        tried.map(({ rate, lines }) => {
          const { epoch, trainError, ended } = lines.at(-1)!;
          return { rate, epochs: epoch, trainError, ended };
        }),
      ]),
    ),
  };
}

/** What all races are run on. */
interface Tracks {
  readonly races: RaceTrack;
  /** The search's; null without one. */
  readonly search: RaceTrack | null;
  readonly log: RaceLog;
}

/** Opens the data and the log, and closes the data after `use`. */
async function withTracks<T>(options: Options, use: (tracks: Tracks) => Promise<T>): Promise<T> {
  const { target, epochs, batch: batchSize, out, limit, search, searchLimit } = options;
  const open = (images: number | undefined) => openData(options.data, { imageSize: 32, limit: images });
  const data = await open(limit);
  const few = search === undefined ? null : searchLimit === undefined ? data : await open(searchLimit);
  try {
    return await withChosenDevices(options, 1, async (devices) => {
      const file = join(out, 'figure1.jsonl');
      const log = await RaceLog.open(file, printLine);
      const track = { devices, target, epochs, batchSize, log };
      return use({
        log,
        races: await RaceTrack.open({ ...track, images: data.train }),
        search: few && (await RaceTrack.open({ ...track, images: few.train })),
      });
    });
  } finally {
    await data.close();
    await few?.close();
  }
}

/** Says what would be run, and how long it takes at most: races end early, at the target or where they have lost. */
async function listRaces(
  options: Options,
  starts: readonly Start[],
  { races, search, log }: Tracks,
): Promise<void> {
  const { activations, seeds, epochs, search: most = 0 } = options;
  const [start = tableStart] = starts;
  const [activation = 'relu'] = activations;
  for (const one of starts) {
    const rates = [...ratesOf(options, one)].map(([name, rate]) => `${name} ${rate}`).join(', ');
    printAbout('start', `${startText(one)}; ${search ? 'first rates' : 'rates'} ${rates}`);
  }
  const seconds = await races.secondsPerImage({ activation, start, rate: 0, seed: 0 });
  let total = activations.length * seeds.length * epochs * races.images.length * seconds;
  if (search) {
    const count = starts.length * activations.length * most;
    total += count * epochs * search.images.length * seconds;
    const sizes = `${leastTries} to ${most} rates each, at most ${counted(count, 'race')}`;
    printAbout(
      'search',
      `${counted(starts.length, 'start')} x ${activations.join(', ')}, ${sizes}, seed ${seeds[0]}, ${search.images.length} images`,
    );
  }
  const found = search ? ', from the start that the search finds' : '';
  printAbout(
    'races',
    `${activations.join(', ')} x ${seeds.length === 1 ? 'seed' : 'seeds'} ${seeds.join(', ')}, ${races.images.length} images${found}`,
  );
  if (log.races > 0)
    printAbout(
      'log',
      `${counted(log.races, 'race')} that are there already; those among the above aren't run again`,
    );
  printAbout(
    'time',
    `${(1000 * seconds).toFixed(2)} ms an image here; at most ${formatDuration(total)}, if every race went on for ${counted(epochs, 'epoch')}`,
  );
}

/** Looks for the rates of each from every start. */
async function searchAll(options: Options, starts: readonly Start[], track: RaceTrack): Promise<Corner[]> {
  const { search: most = leastTries, target, seeds } = options;
  const corners: Corner[] = [];
  for (const [i, start] of starts.entries()) {
    printAbout('search', `${i + 1} of ${starts.length}: ${startText(start)}; ${track.images.length} images`);
    const first = ratesOf(options, start);
    corners.push(await searchCorner(track, start, { first, most, target, seed: seeds[0] ?? 0 }));
  }
  return corners;
}

async function main(options: Options): Promise<void> {
  const starts = checked(options);
  const { out, target, seeds } = options;
  if (options.dryRun) return withTracks(options, (tracks) => listRaces(options, starts, tracks));
  const plotter = await openPlotter();
  endOnSignals('interrupted; the same command goes on with the races that are missing');
  await makeFolder(out);
  const lock = await lockFolder(out);
  try {
    await withTracks(options, async ({ races, search }) => {
      printAbout('data', `${races.images.name}: ${races.images.length} images`);
      const corners = search ? await searchAll(options, starts, search) : [];
      if (corners.length > 0) printCorners(corners, target);
      const corner = widest(corners, target);
      const start = corner?.start ?? starts[0] ?? tableStart;
      printAbout('races', `${startText(start)}; ${races.images.length} images`);
      const rates = corner ? bestRates(corner) : ratesOf(options, start);
      const lines = await runRaces(races, start, rates, seeds);
      const rows = summarize(lines, target);
      const json = {
        data: races.images.name,
        images: races.images.length,
        target,
        seeds,
        start,
        races: rows,
        ...(search && {
          search: { images: search.images.length, starts: corners.map((one) => cornerJson(one, target)) },
        }),
      };
      await writeWhole(join(out, 'table.json'), [`${JSON.stringify(json, null, 2)}\n`]);
      await writeWhole(join(out, 'figure1.svg'), [plotRace(plotter, lines, target)]);
      console.log(
        `\nepochs to ${percent(target)} training error (the paper: tanh takes six times as many as ReLU)`,
      );
      for (const row of rows) {
        const { activation, epochs, mean, rate } = row;
        const reached = `${formatEpochs(mean)}  (${epochs.map(formatEpochs).join(', ')})`;
        console.log(
          [`${activation.padEnd(8)}  rate ${rate}  mean ${reached}`, timesText(row) ?? []].flat().join('  '),
        );
      }
    });
    console.log(`plot, table and log in ${out}`);
  } finally {
    await lock.release();
  }
}

addExamples(
  command,
  '--data cifar-10-binary.tar.gz',
  '--limit 500 --seeds 0 --epochs 5',
  '--search 8 --std fan-in,0.01 --input-scale 1/64,1',
).action(main);
