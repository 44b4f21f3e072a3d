/**
 * The race of the paper's Figure 1: how many epochs the four-layer net takes to 25 % training error with ReLU and with
 * tanh, each at a rate of its own, without any regularization.
 *
 * The training error is that of the epoch's images as they were trained on, so the point of epoch n shows the network
 * as it was about epoch n - 1/2. Each race is a line of `figure1.jsonl` for each epoch. One that is finished in the log
 * isn't run again, if it was of the same settings: races of others stay in the log and are nobody's business.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Device } from '../core/device.js';
import { throwNaming, writeWhole } from '../data/files.js';
import { meanOf } from '../data/images/mean.js';
import type { OpenedData } from '../data/sources/open.js';
import { fraction, number, object, oneOf, optional, parseJsonLines, text, whole } from '../formats/json.js';
import { fit } from '../train/fit.js';
import { nets, type Recipe } from './recipes.js';
import { Trainer } from './trainer.js';
import { applyVariant, type Variant } from './variants.js';

/** A non-linearity that takes part. */
export type Racer = NonNullable<Variant['activation']>;

/** A line of the log. */
export interface RaceLine {
  readonly activation: Racer;
  readonly seed: number;
  readonly rate: number;
  /** Images trained on. */
  readonly images: number;
  /** What else decides how a race goes (`settingsOf`); lines from before it was noted have none. */
  readonly settings?: string | undefined;
  /** From 1. */
  readonly epoch: number;
  readonly trainError: number;
  /** Of the epoch. */
  readonly seconds: number;
  /** On the last line of a race. */
  readonly ended?: 'reached' | 'gave up';
}

/** What is run. */
export interface RaceOptions {
  readonly data: OpenedData;
  readonly devices: readonly Device[];
  readonly rates: ReadonlyMap<Racer, number>;
  readonly seeds: number;
  /** Training error that ends a race, as a fraction. */
  readonly target: number;
  /** Epochs after which a race is given up. */
  readonly epochs: number;
  /** The log. */
  readonly file: string;
  readonly onLine: (line: RaceLine) => void;
}

const lineSchema = object<RaceLine>({
  activation: oneOf('relu', 'tanh', 'abs-tanh'),
  seed: whole(),
  rate: number(0),
  images: whole(1),
  settings: optional(text),
  epoch: whole(1),
  trainError: fraction,
  seconds: number(0),
  ended: optional(oneOf('reached', 'gave up')),
});

/** Reads a log; none is an empty one. @throws {DataError} for one that can't be read, or a line that isn't of a race. */
export async function readRace(file: string): Promise<RaceLine[]> {
  if (!existsSync(file)) return [];
  const content = await readFile(file, 'utf8').catch(throwNaming(file, "can't be read"));
  return parseJsonLines(content, file, lineSchema);
}

/** The recipe of a race, but for its rates: the four-layer net's. */
function recipeOf({ rate, epochs }: { rate: number; epochs: number }): Recipe {
  return { ...nets['four-layers'].recipe, learningRate: rate, biasRate: rate, epochs };
}

/**
 * What decides how a race goes besides non-linearity, seed and rate, as a short text: images, recipe, target and when a
 * race is given up. (Rates are the race's own: `rate` is left out.)
 */
function settingsOf({ data, target, epochs }: RaceOptions, mean: Float32Array): string {
  const recipe = { ...recipeOf({ rate: 0, epochs }), target };
  const hash = createHash('sha256').update(JSON.stringify([data.classes, recipe]));
  for (const { buffer, byteOffset, byteLength } of [data.train.labels, mean]) {
    hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  }
  return hash.digest('hex').slice(0, 16);
}

/**
 * Runs the races that the log doesn't have yet, by turns of the seeds.
 * @returns the lines of these races alone
 */
export async function runRace(options: RaceOptions): Promise<RaceLine[]> {
  const { data, file, seeds, rates } = options;
  const { image: mean } = await meanOf(data.train);
  const settings = settingsOf(options, mean);
  let lines = await readRace(file);
  const asked: RaceLine[] = [];
  for (let seed = 0; seed < seeds; seed++) {
    for (const [activation, rate] of rates) {
      const race = { activation, seed, rate, images: data.train.length, settings };
      const key = keyOf(race);
      const done = lines.filter((line) => keyOf(line) === key);
      if (done.some(({ ended }) => ended)) {
        asked.push(...done);
        continue;
      }
      lines = lines.filter((line) => keyOf(line) !== key);
      await raceOne(options, mean, race, async (line) => {
        lines.push(line);
        asked.push(line);
        await writeWhole(
          file,
          lines.map((entry) => `${JSON.stringify(entry)}\n`),
        );
        options.onLine(line);
      });
    }
  }
  return asked;
}

async function raceOne(
  { data, devices, target, epochs }: RaceOptions,
  mean: Float32Array,
  race: Pick<RaceLine, 'activation' | 'seed' | 'rate' | 'images' | 'settings'>,
  onLine: (line: RaceLine) => Promise<void>,
): Promise<void> {
  const { activation, seed, rate } = race;
  const net = applyVariant(nets['four-layers'], { activation });
  const recipe = recipeOf({ rate, epochs });
  const trainer = new Trainer({ net, recipe, classes: data.classes.length, devices, seed, mean });
  const reached = (error: number): boolean => error <= target;
  try {
    await fit({
      ...trainer.fitting(data.train),
      epochs,
      until: ({ train }) => reached(train.error ?? Number.NaN),
      on: async (event) => {
        if (event.kind !== 'epoch') return;
        const { epoch, train } = event.record;
        const { error: trainError = Number.NaN } = train;
        const ended = reached(trainError) ? 'reached' : epoch === epochs ? 'gave up' : undefined;
        const line = { ...race, epoch, trainError, seconds: event.times.seconds };
        await onLine(ended ? { ...line, ended } : line);
      },
    });
  } finally {
    trainer.dispose();
  }
}

/** Epochs until the target, between epochs by straight lines; null for a race that was given up. */
export function epochsTo(lines: readonly RaceLine[], target: number): number | null {
  const at = lines.findIndex(({ trainError }) => trainError <= target);
  const [reached, before] = [lines[at], lines[at - 1]];
  if (!reached) return null;
  if (!before) return reached.epoch;
  return before.epoch + (before.trainError - target) / (before.trainError - reached.trainError);
}

/** What tells races apart. */
function keyOf({
  activation,
  rate,
  seed,
  images,
  settings,
}: Omit<RaceLine, 'epoch' | 'trainError' | 'seconds'>): string {
  return [activation, rate, seed, images, settings].join();
}

/** The log's races, one list of lines each. */
export function racesOf(lines: readonly RaceLine[]): RaceLine[][] {
  return groups(lines, keyOf);
}

/**
 * The races of a log that belong together: those of the settings that were run last, and of these each non-linearity's
 * at the rate that was run last.
 */
export function lastRaces(lines: readonly RaceLine[]): RaceLine[] {
  const last = lines.at(-1);
  const same = lines.filter(({ images, settings }) => images === last?.images && settings === last.settings);
  const rates = new Map(same.map(({ activation, rate }) => [activation, rate]));
  return same.filter(({ activation, rate }) => rates.get(activation) === rate);
}

function groups<T>(items: readonly T[], keyOf: (item: T) => string): T[][] {
  const keys = [...new Set(items.map(keyOf))];
  return keys.map((key) => items.filter((item) => keyOf(item) === key));
}

/** How a non-linearity fared. */
interface RaceSummary {
  readonly activation: Racer;
  /** Epochs to the target, by seed; null for a race that was given up. */
  readonly epochs: readonly (number | null)[];
  /** Null when a race was given up. */
  readonly mean: number | null;
  /** How many times ReLU's mean it is; null when either has none. */
  readonly ratio: number | null;
}

/** Sums up the races of each non-linearity. */
export function summarize(lines: readonly RaceLine[], target: number): RaceSummary[] {
  const activations = [...new Set(lines.map(({ activation }) => activation))];
  const rows = activations.map((activation) => {
    const races = racesOf(lines.filter((line) => line.activation === activation));
    const epochs = races.map((race) => epochsTo(race, target));
    const reached = epochs.filter((n) => n !== null);
    const mean = reached.reduce((sum, n) => sum + n, 0) / reached.length;
    return { activation, epochs, mean: reached.length < epochs.length ? null : mean };
  });
  const relu = rows.find(({ activation }) => activation === 'relu')?.mean ?? null;
  return rows.map((row) => ({
    ...row,
    ratio: row.mean === null || relu === null ? null : row.mean / relu,
  }));
}

/** A number of a summary, for people. */
export function formatEpochs(epochs: number | null): string {
  return epochs === null ? 'never' : epochs.toFixed(1);
}
