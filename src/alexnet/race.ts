/**
 * The race of the paper's Figure 1: how many epochs the four-layer net takes to 25 % training error with ReLU, tanh and
 * |tanh|, each at a rate of its own, from one start or from each of a grid (raceStart.ts), without any regularization.
 *
 * The training error is that of the epoch's images as they were trained on, so the point of epoch n shows the network
 * as it was about epoch n - 1/2. Each race is a line of `figure1.jsonl` for each epoch. One that is finished in the log
 * isn't run again, if it was of the same settings: races of others stay in the log and are nobody's business.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Device } from '../core/device.js';
import type { Dataset } from '../data/dataset.js';
import { throwNaming, writeWhole } from '../data/files.js';
import { meanOf } from '../data/images/mean.js';
import { fraction, number, object, oneOf, optional, parseJsonLines, text, whole } from '../formats/json.js';
import { DivergedError } from '../train/diverged.js';
import { fit } from '../train/fit.js';
import { type Start, startedNet, startText } from './raceStart.js';
import type { Recipe } from './recipes.js';
import { Trainer } from './trainer.js';
import type { Variant } from './variants.js';

/** A non-linearity that takes part. */
export type Racer = NonNullable<Variant['activation']>;

/** All of them, the one that others are compared with first. */
export const racers = ['relu', 'tanh', 'abs-tanh'] as const satisfies readonly Racer[];

/** How a race ends: at the target, out of epochs, without a chance against a better rate, or at numbers not finite. */
const ends = ['reached', 'gave up', 'lost', 'diverged'] as const;

/** A line of the log. */
export interface RaceLine {
  readonly activation: Racer;
  readonly seed: number;
  readonly rate: number;
  /** Images trained on. */
  readonly images: number;
  /** What else decides how a race goes (`settingsOf`); lines from before it was noted have none. */
  readonly settings?: string | undefined;
  /** What the net started from, in words (`startText`); lines from before there was a choice have none. */
  readonly start?: string | undefined;
  /** From 1. */
  readonly epoch: number;
  /** 1 of an epoch in which the race diverged. */
  readonly trainError: number;
  /** Of the epoch. */
  readonly seconds: number;
  /** On the last line of a race. */
  readonly ended?: (typeof ends)[number] | undefined;
}

/** What the lines of a race have in common. */
type RaceLabel = Omit<RaceLine, 'epoch' | 'trainError' | 'seconds' | 'ended'>;

/** What is raced on. */
export interface TrackOptions {
  readonly images: Dataset;
  readonly devices: readonly Device[];
  /** Training error that ends a race, as a fraction. */
  readonly target: number;
  /** Epochs after which a race is given up. */
  readonly epochs: number;
  /** Images in a step. */
  readonly batchSize: number;
  readonly log: RaceLog;
}

/** One race. */
export interface Race {
  readonly activation: Racer;
  readonly start: Start;
  readonly rate: number;
  readonly seed: number;
}

/** Whether a race under way has lost, by its lines so far. */
export type IsLost = (lines: readonly RaceLine[]) => boolean;

const lineSchema = object<RaceLine>({
  activation: oneOf(...racers),
  seed: whole(),
  rate: number(0),
  images: whole(1),
  settings: optional(text),
  start: optional(text),
  epoch: whole(1),
  trainError: fraction,
  seconds: number(0),
  ended: optional(oneOf(...ends)),
});

/** Reads a log; none is an empty one. @throws {DataError} for one that can't be read, or a line that isn't of a race. */
export async function readRace(file: string): Promise<RaceLine[]> {
  if (!existsSync(file)) return [];
  const content = await readFile(file, 'utf8').catch(throwNaming(file, "can't be read"));
  return parseJsonLines(content, file, lineSchema);
}

/** The log of races, which any number of tracks add to. */
export class RaceLog {
  private constructor(
    private readonly file: string,
    private lines: readonly RaceLine[],
    private readonly onLine: (line: RaceLine) => void,
  ) {}

  /** Reads it. @param onLine told of each epoch of a race under way @throws {DataError} as `readRace` does */
  static async open(file: string, onLine: (line: RaceLine) => void): Promise<RaceLog> {
    return new RaceLog(file, await readRace(file), onLine);
  }

  /** How many races it holds. */
  get races(): number {
    return racesOf(this.lines).length;
  }

  /** The lines of a race. */
  of(label: RaceLabel): readonly RaceLine[] {
    return this.lines.filter((line) => keyOf(line) === keyOf(label));
  }

  /** Puts a race's next line after all others; its first one takes the place of what there was of it. */
  async add(line: RaceLine): Promise<void> {
    const kept = line.epoch > 1 ? this.lines : this.lines.filter((one) => keyOf(one) !== keyOf(line));
    this.lines = [...kept, line];
    await writeWhole(
      this.file,
      this.lines.map((entry) => `${JSON.stringify(entry)}\n`),
    );
    this.onLine(line);
  }
}

/** Where races are run on some images. */
export class RaceTrack {
  private constructor(
    private readonly options: TrackOptions,
    private readonly mean: Float32Array,
  ) {}

  /** Works out the images' mean. */
  static async open(options: TrackOptions): Promise<RaceTrack> {
    const { image: mean } = await meanOf(options.images);
    return new RaceTrack(options, mean);
  }

  get images(): Dataset {
    return this.options.images;
  }

  /**
   * The lines of a finished race from the log; null where it has none.
   * @param isLost counts one that lost as finished where it would lose again
   */
  finished(race: Race, isLost?: IsLost): readonly RaceLine[] | null {
    const done = this.options.log.of(this.labelOf(race));
    const ended = done.at(-1)?.ended;
    return ended && (ended !== 'lost' || isLost?.(done)) ? done : null;
  }

  /** A race's lines: from the log if it is finished there, else it is run. @param isLost ends it early, if given */
  async run(race: Race, isLost?: IsLost): Promise<readonly RaceLine[]> {
    const finished = this.finished(race, isLost);
    if (finished) return finished;
    const label = this.labelOf(race);
    const { log, target, epochs } = this.options;
    const own: RaceLine[] = [];
    const add = async (epoch: number, trainError: number, seconds: number, diverged: boolean) => {
      const plain = { ...label, epoch, trainError, seconds };
      const end = (): RaceLine['ended'] => {
        if (diverged) return 'diverged';
        if (trainError <= target) return 'reached';
        if (isLost?.([...own, plain])) return 'lost';
        return epoch === epochs ? 'gave up' : undefined;
      };
      const ended = end();
      const line = ended ? { ...plain, ended } : plain;
      own.push(line);
      await log.add(line);
    };
    const trainer = this.trainer(race);
    try {
      await fit({
        ...trainer.fitting(this.images),
        epochs,
        until: () => own.at(-1)?.ended !== undefined,
        on: async (event) => {
          if (event.kind !== 'epoch') return;
          const { epoch, train } = event.record;
          await add(epoch, train.error ?? Number.NaN, event.times.seconds, false);
        },
      });
    } catch (error) {
      if (!(error instanceof DivergedError)) throw error;
      await add(own.length + 1, 1, 0, true);
    } finally {
      trainer.dispose();
    }
    return own;
  }

  /** Seconds that an image of a race takes, by its first steps, which the log isn't told of. */
  async secondsPerImage(race: Race): Promise<number> {
    const enough = new AbortController();
    const trainer = this.trainer(race);
    // The first step compiles what the others run.
    let first: { readonly at: number; readonly samples: number } | undefined;
    let seconds = 0;
    const begun = performance.now();
    try {
      await fit({
        ...trainer.fitting(this.images),
        epochs: 1,
        signal: enough.signal,
        on: (event) => {
          if (event.kind !== 'step') return;
          const { samples } = event;
          const now = performance.now();
          seconds = first
            ? (now - first.at) / 1000 / (samples - first.samples)
            : (now - begun) / 1000 / samples;
          first ??= { at: now, samples };
          if (now - first.at > 1000) enough.abort();
        },
      });
    } finally {
      trainer.dispose();
    }
    return seconds;
  }

  /** The network of a race, ready to train. */
  private trainer(race: Race): Trainer {
    const { devices, images } = this.options;
    const { mean } = this;
    const net = startedNet(race);
    const recipe = this.recipeOf(race);
    return new Trainer({ net, recipe, classes: images.classes.length, devices, seed: race.seed, mean });
  }

  private recipeOf({ start, activation, rate }: Omit<Race, 'seed'>): Recipe {
    const { recipe } = startedNet({ start, activation });
    const { epochs, batchSize } = this.options;
    return { ...recipe, learningRate: rate, biasRate: rate, epochs, batchSize };
  }

  private labelOf({ activation, start, rate, seed }: Race): RaceLabel {
    const settings = this.settingsOf(start);
    return { activation, seed, rate, images: this.images.length, settings, start: startText(start) };
  }

  /**
   * What decides how a race goes besides non-linearity, seed and rate, as a short text: images, start, recipe, target and
   * when a race is given up. (Rates are the race's own: `rate` is left out.)
   */
  private settingsOf(start: Start): string {
    const { target, images } = this.options;
    const { architecture } = startedNet({ start, activation: 'relu' });
    const recipe = { ...this.recipeOf({ start, activation: 'relu', rate: 0 }), target };
    const hash = createHash('sha256').update(JSON.stringify([images.classes, architecture, recipe]));
    for (const { buffer, byteOffset, byteLength } of [images.labels, this.mean]) {
      hash.update(new Uint8Array(buffer, byteOffset, byteLength));
    }
    return hash.digest('hex').slice(0, 16);
  }
}

/** Runs a race of each seed and non-linearity at its rate, by turns of the seeds, unless the log has it. */
export async function runRaces(
  track: RaceTrack,
  start: Start,
  rates: ReadonlyMap<Racer, number>,
  seeds: readonly number[],
): Promise<RaceLine[]> {
  const lines: RaceLine[] = [];
  for (const seed of seeds) {
    for (const [activation, rate] of rates)
      lines.push(...(await track.run({ activation, start, rate, seed })));
  }
  return lines;
}

/** Epochs until the target, between epochs by straight lines; null for a race that didn't get there. */
export function epochsTo(lines: readonly RaceLine[], target: number): number | null {
  const at = lines.findIndex(({ trainError }) => trainError <= target);
  const [reached, before] = [lines[at], lines[at - 1]];
  if (!reached) return null;
  if (!before) return reached.epoch;
  return before.epoch + (before.trainError - target) / (before.trainError - reached.trainError);
}

/** What tells races apart. */
function keyOf({ activation, rate, seed, images, settings }: RaceLabel): string {
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
export interface RaceSummary {
  readonly activation: Racer;
  readonly rate: number;
  /** Epochs to the target, by seed; null for a race that didn't get there. */
  readonly epochs: readonly (number | null)[];
  /** Null when a race didn't get there. */
  readonly mean: number | null;
  /** How many times ReLU's mean it is; null when either has none. */
  readonly ratio: number | null;
  /**
   * Without a mean, the ratio that it is at least, by the epochs that races had which were given up. Null where ReLU has no
   * mean, and where a race ended otherwise.
   */
  readonly atLeast: number | null;
}

/** Sums up the races of each non-linearity. */
export function summarize(lines: readonly RaceLine[], target: number): RaceSummary[] {
  const activations = [...new Set(lines.map(({ activation }) => activation))];
  const rows = activations.map((activation) => {
    const races = racesOf(lines.filter((line) => line.activation === activation));
    const epochs = races.map((race) => epochsTo(race, target));
    const reached = epochs.filter((n) => n !== null);
    const open = races.some((race, i) => epochs[i] === null && race.at(-1)?.ended !== 'gave up');
    const least = open ? null : mean(races.map((race, i) => epochs[i] ?? race.length));
    const rate = races[0]?.[0]?.rate ?? 0;
    return { activation, rate, epochs, mean: reached.length < epochs.length ? null : mean(reached), least };
  });
  const relu = rows.find(({ activation }) => activation === 'relu')?.mean ?? null;
  return rows.map(({ least, ...row }) => ({
    ...row,
    ratio: row.mean === null || relu === null ? null : row.mean / relu,
    atLeast: row.mean !== null || relu === null || least === null ? null : least / relu,
  }));
}

const mean = (numbers: readonly number[]): number => numbers.reduce((sum, n) => sum + n, 0) / numbers.length;

/** A number of a summary, for people. */
export function formatEpochs(epochs: number | null): string {
  return epochs === null ? 'never' : epochs.toFixed(1);
}

/** How many times ReLU's epochs, for people: `6.1 x ReLU`, `over 4.2 x ReLU`; nothing where it isn't known, and of ReLU. */
export function timesText({ activation, ratio, atLeast }: RaceSummary): string | null {
  if (activation === 'relu') return null;
  if (ratio !== null) return `${ratio.toFixed(1)} x ReLU`;
  return atLeast === null ? null : `over ${atLeast.toFixed(1)} x ReLU`;
}
