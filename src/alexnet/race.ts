/**
 * The race of the paper's Figure 1: how many epochs the four-layer net takes to 25 % training error with ReLU and with
 * tanh, each at a rate of its own, without any regularization.
 *
 * The training error is that of the epoch's images as they were trained on, so the point of epoch n shows the network
 * as it was about epoch n - 1/2. Each race is a line of `figure1.jsonl` for each epoch; one that is finished in the
 * log isn't run again.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Device } from '../core/device.js';
import { throwNaming, writeWhole } from '../data/files.js';
import { meanOf } from '../data/images/mean.js';
import type { OpenedData } from '../data/sources/open.js';
import { fraction, number, object, oneOf, optional, parseJsonLines, whole } from '../formats/json.js';
import { nets } from './recipes.js';
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
  epoch: whole(1),
  trainError: fraction,
  seconds: number(0),
  ended: optional(oneOf('reached', 'gave up')),
});

/** Reads a log; none is an empty one. @throws {DataError} for one that can't be read, or a line that isn't of a race. */
export async function readRace(file: string): Promise<RaceLine[]> {
  if (!existsSync(file)) return [];
  const text = await readFile(file, 'utf8').catch(throwNaming(file, "can't be read"));
  return parseJsonLines(text, file, lineSchema);
}

/** Runs the races that the log doesn't have yet, by turns of the seeds. Returns the whole log. */
export async function runRace(options: RaceOptions): Promise<RaceLine[]> {
  const { data, file, seeds, rates } = options;
  const images = data.train.length;
  let lines = await readRace(file);
  const { image } = await meanOf(data.train);
  for (let seed = 0; seed < seeds; seed++) {
    for (const [activation, rate] of rates) {
      const isThis = (line: RaceLine): boolean =>
        line.activation === activation && line.seed === seed && line.rate === rate && line.images === images;
      if (lines.some((line) => isThis(line) && line.ended)) continue;
      lines = lines.filter((line) => !isThis(line));
      await raceOne({ ...options, mean: image, activation, rate, seed }, async (line) => {
        lines.push(line);
        await writeWhole(
          file,
          lines.map((entry) => `${JSON.stringify(entry)}\n`),
        );
        options.onLine(line);
      });
    }
  }
  return lines;
}

async function raceOne(
  options: RaceOptions & { mean: Float32Array; activation: Racer; rate: number; seed: number },
  onLine: (line: RaceLine) => Promise<void>,
): Promise<void> {
  const { data, devices, mean, activation, rate, seed, target, epochs } = options;
  const net = applyVariant(nets['four-layers'], { activation });
  const recipe = { ...net.recipe, learningRate: rate, biasRate: rate, epochs };
  const trainer = new Trainer({ net, recipe, classes: data.classes.length, devices, seed, mean });
  try {
    for (let epoch = 1, running = true; running && epoch <= epochs; epoch++) {
      const started = performance.now();
      const report = await trainer.trainEpoch(data.train);
      trainer.finishEpoch(Number.NaN);
      const trainError = report?.trainError ?? Number.NaN;
      running = trainError > target;
      const ended = running ? (epoch === epochs ? 'gave up' : undefined) : 'reached';
      const seconds = (performance.now() - started) / 1000;
      const line = { activation, seed, rate, images: data.train.length, epoch, trainError, seconds };
      await onLine(ended ? { ...line, ended } : line);
    }
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

/** The log's races, one list of lines each. */
export function racesOf(lines: readonly RaceLine[]): RaceLine[][] {
  return groups(lines, ({ activation, rate, seed, images }) => [activation, rate, seed, images].join());
}

function groups<T>(items: readonly T[], keyOf: (item: T) => string): T[][] {
  const keys = [...new Set(items.map(keyOf))];
  return keys.map((key) => items.filter((item) => keyOf(item) === key));
}

/** How a non-linearity fared. */
export interface RaceSummary {
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
