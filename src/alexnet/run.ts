/**
 * A training run as files in a folder: `log.jsonl` (a line for each epoch), `run.json` (what was trained how),
 * `last.safetensors` and `best.safetensors` (checkpoints), `unreadable.txt` (images left out, and why) if there were any,
 * `profile.json` when it was profiled. Every file is written whole, so a run killed at any moment goes on from its last
 * checkpoint.
 */
import { existsSync, statSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Device } from '../core/device.js';
import { ArgumentError, DataError } from '../core/errors.js';
import { type Dataset, describeUnreadable } from '../data/dataset.js';
import { makeFolder, removeLeftovers, throwNaming, writeWhole } from '../data/files.js';
import { meanOf } from '../data/images/mean.js';
import { checkValidation, type OpenedData } from '../data/sources/open.js';
import { fraction, nullable, number, object, parseJsonLines, whole } from '../formats/json.js';
import {
  type Checkpoint,
  type ImageStatistics,
  readCheckpoint,
  restoreCheckpoint,
  saveCheckpoint,
} from './checkpoint.js';
import type { Classifier, Evaluation } from './classifier.js';
import type { RunDescription } from './description.js';
import { type Profile, profileSteps } from './profile.js';
import { isNetName, type Net, nets, type Recipe } from './recipes.js';
import { DivergedError, type EpochReport, type StepListener, Trainer } from './trainer.js';
import { applyVariant } from './variants.js';

/** Names of a run's files. */
export const runFiles = {
  log: 'log.jsonl',
  run: 'run.json',
  last: 'last.safetensors',
  best: 'best.safetensors',
  profile: 'profile.json',
  unreadable: 'unreadable.txt',
} as const;

/** A line of `log.jsonl`. Errors are fractions. */
export interface LogLine {
  readonly epoch: number;
  readonly trainLoss: number;
  readonly trainError: number;
  readonly valLoss: number;
  readonly valError: number;
  /** Null with fewer than six classes. */
  readonly valTop5Error: number | null;
  readonly learningRate: number;
  readonly imagesPerSecond: number;
  /** Of the epoch, validation included. */
  readonly seconds: number;
}

/** Who is told how it goes. */
export interface RunListener {
  readonly note: (text: string) => void;
  readonly step: StepListener;
  readonly validating: (done: number, of: number) => void;
  readonly epoch: (line: LogLine) => void;
}

/** What a run needs. */
export interface RunOptions {
  readonly description: RunDescription;
  readonly net: Net;
  readonly devices: readonly Device[];
  readonly data: OpenedData;
  /** Folder of the run's files; made if absent. */
  readonly out: string;
  readonly resume: Checkpoint | null;
  readonly listener: RunListener;
  /** Stops after the step or the batch of validation under way, with a checkpoint. */
  readonly signal: AbortSignal;
}

/** How a run ended. */
export interface Outcome {
  readonly interrupted: boolean;
  readonly lines: readonly LogLine[];
}

/**
 * Trains until the recipe's epochs are done, the schedule sees no more to gain, or the signal comes.
 * @throws {DataError} when a file can't be written, or the data isn't what the checkpoint was trained on.
 * @throws {DivergedError} when training diverges. Checkpoints written before stay.
 */
export async function runTraining(options: RunOptions): Promise<Outcome> {
  const { description, net, devices, data, out, resume, listener, signal } = options;
  const { recipe, seed, classes } = description;
  checkSameData(resume, description);
  checkValidation(data);
  await makeFolder(out);
  const at = (name: keyof typeof runFiles): string => join(out, runFiles[name]);
  for (const name of Object.values(runFiles)) await removeLeftovers(join(out, name));
  const statistics = resume ?? (await statisticsOf(data));
  const trainer = new Trainer({ net, recipe, classes: classes.length, devices, seed, ...statistics });
  const save = (name: 'last' | 'best'): Promise<void> =>
    saveCheckpoint(at(name), trainer, description, statistics);
  try {
    if (resume) restoreCheckpoint(trainer, resume);
    const lines = resume ? await readLog(out, trainer.epochsDone) : [];
    await writeWhole(at('run'), [`${JSON.stringify(description, null, 2)}\n`]);
    let reported = 0;
    let stop = false;
    while (!stop && trainer.epochsDone < recipe.epochs) {
      const started = performance.now();
      const report = await trainer.trainEpoch(data.train, listener.step, signal);
      const evaluation =
        report && (await evaluateUntil(signal, trainer.classifier, data.validation, recipe, listener));
      if (!report || !evaluation) {
        await save('last');
        return { interrupted: true, lines };
      }
      const line = logLine(report, evaluation, (performance.now() - started) / 1000);
      if (!Number.isFinite(line.valLoss)) {
        throw await trainer.diverged(`the validation loss of epoch ${line.epoch} is ${line.valLoss}`);
      }
      const isBest = lines.every(({ valError }) => line.valError < valError);
      lines.push(line);
      stop = trainer.finishEpoch(evaluation.error);
      await writeWhole(
        at('log'),
        lines.map((entry) => `${JSON.stringify(entry)}\n`),
      );
      // `last` comes last: a run killed in between does the epoch again, and with it whatever it hadn't written. It is
      // tried even where the disk had no room for `best`: what it holds is as good.
      await (isBest ? save('best') : Promise.resolve()).finally(() => save('last'));
      listener.epoch(line);
      const unreadable = [...data.train.unreadable, ...data.validation.unreadable];
      if (unreadable.length > reported) {
        listener.note(`went on without ${describeUnreadable(unreadable.slice(reported))}`);
        await writeWhole(
          at('unreadable'),
          unreadable.map(({ name, reason }) => `${name}\t${reason}\n`),
        );
        reported = unreadable.length;
      }
    }
    return { interrupted: false, lines };
  } catch (error) {
    throw error instanceof DivergedError ? withWayOut(error, out) : error;
  } finally {
    trainer.dispose();
  }
}

/** Validates; null when `signal` is aborted before it's done. */
async function evaluateUntil(
  signal: AbortSignal,
  classifier: Classifier,
  dataset: Dataset,
  { testCrops }: Recipe,
  listener: RunListener,
): Promise<Evaluation | null> {
  const onImages = (done: number, of: number): void => {
    signal.throwIfAborted();
    listener.validating(done, of);
  };
  return classifier.evaluate(dataset, testCrops, onImages).catch((error: unknown) => {
    if (signal.aborted && error === signal.reason) return null;
    throw error;
  });
}

/** Says what to do about a run that diverged. */
function withWayOut({ message }: DivergedError, out: string): DivergedError {
  const last = join(out, runFiles.last);
  return new DivergedError(
    existsSync(last)
      ? `${message}. ${last} is from before: go on with --resume ${out} and a lower --learning-rate`
      : `${message}. No checkpoint was saved before: start again with a lower --learning-rate`,
  );
}

/**
 * Profiles `steps` steps of a run from where it stands, after one that isn't counted; no checkpoint is written.
 * @throws {DataError} when the run's folder can't be made, or no image can be read.
 */
export async function profileRun(
  options: Omit<RunOptions, 'listener' | 'signal'>,
  steps: number,
): Promise<Profile> {
  const { description, net, devices, data, out, resume } = options;
  const { recipe, seed, classes } = description;
  checkSameData(resume, description);
  await makeFolder(out);
  const statistics = resume ?? (await statisticsOf(data));
  const trainer = new Trainer({ net, recipe, classes: classes.length, devices, seed, ...statistics });
  try {
    if (resume) restoreCheckpoint(trainer, resume);
    const source = trainer.batches(data.train);
    const { value: batch } = await source.next();
    await source.return();
    if (!batch) throw new DataError(`${data.train.name}: no batch of images is left to profile`);
    return await profileSteps(trainer, batch, steps);
  } finally {
    trainer.dispose();
  }
}

async function statisticsOf({ train, mean }: OpenedData): Promise<ImageStatistics> {
  const { image, pca } = mean ?? (await meanOf(train));
  return { mean: image, pca };
}

function logLine(report: EpochReport, evaluation: Evaluation, seconds: number): LogLine {
  const { epoch, trainLoss, trainError, learningRate, imagesPerSecond } = report;
  const { loss, error, top5Error } = evaluation;
  const valTop5Error = Number.isNaN(top5Error) ? null : top5Error;
  return {
    epoch,
    trainLoss,
    trainError,
    valLoss: loss,
    valError: error,
    valTop5Error,
    learningRate,
    imagesPerSecond,
    seconds,
  };
}

const logSchema = object<LogLine>({
  epoch: whole(1),
  trainLoss: number(),
  trainError: fraction,
  valLoss: number(),
  valError: fraction,
  valTop5Error: nullable(fraction),
  learningRate: number(0),
  imagesPerSecond: number(0),
  seconds: number(0),
});

/**
 * The log's lines up to an epoch; a line beyond it comes from after the checkpoint and will be written again.
 * @throws {DataError} for a line that isn't of a log, or an epoch that doesn't follow the one before.
 */
export async function readLog(out: string, epochs: number): Promise<LogLine[]> {
  const path = join(out, runFiles.log);
  if (!existsSync(path)) return [];
  const text = await readFile(path, 'utf8').catch(throwNaming(path, "can't be read"));
  const lines = parseJsonLines(text, path, logSchema);
  const odd = lines.findIndex(({ epoch }, i) => epoch <= (lines[i - 1]?.epoch ?? 0));
  if (odd >= 0) {
    throw new DataError(`${path}: epoch ${lines[odd]?.epoch} comes after epoch ${lines[odd - 1]?.epoch}`);
  }
  return lines.filter(({ epoch }) => epoch <= epochs);
}

function checkSameData(resume: Checkpoint | null, description: RunDescription): void {
  if (!resume) return;
  const { classes, trainingImages } = resume.run;
  if (classes.join('\n') !== description.classes.join('\n')) {
    throw new DataError(
      `resume: the data has the classes ${shorten(description.classes)}, the checkpoint was trained on ${shorten(classes)}`,
    );
  }
  if (trainingImages !== description.trainingImages) {
    throw new DataError(
      `resume: the data has ${description.trainingImages} training images, the checkpoint was trained on ${trainingImages}: use the same data`,
    );
  }
}

function shorten(names: readonly string[]): string {
  return names.length > 5 ? `${names.slice(0, 5).join(', ')}, .. (${names.length})` : names.join(', ');
}

/**
 * A run's checkpoint: a file, or a run's folder, whose `preferred` one is taken (the last where there is no best one).
 * @throws {DataError} when there is none, or it is damaged.
 */
export async function openCheckpoint(
  path: string,
  preferred: 'last' | 'best' = 'last',
): Promise<{ checkpoint: Checkpoint; folder: string; file: string }> {
  const isFolder = existsSync(path) && statSync(path).isDirectory();
  const held = isFolder ? await readdir(path).catch(throwNaming(path, "can't be read")) : [];
  const name = [runFiles[preferred], runFiles.last].find((wanted) => held.includes(wanted));
  if (isFolder && name === undefined) {
    throw new DataError(
      `${path}: no checkpoint (${runFiles.last}) in this folder: nothing to go on from yet`,
    );
  }
  const file = name === undefined ? path : join(path, name);
  const checkpoint = await readCheckpoint(file);
  return { checkpoint, folder: isFolder ? path : join(file, '..'), file };
}

/** The network of a run. @throws {DataError} when the catalogue has none of its name. */
export function netOf({ net, variant }: Pick<RunDescription, 'net' | 'variant'>): Net {
  if (isNetName(net)) return applyVariant(nets[net], variant);
  throw new DataError(`the checkpoint is of a network '${net}' that isn't in the catalogue`);
}

/** @throws {ArgumentError} when a new run would overwrite another run's files. */
export function refuseToOverwrite(out: string): void {
  if (existsSync(join(out, runFiles.last))) {
    throw new ArgumentError(
      `${out}: holds a run already; go on with --resume ${out}, or choose another --out`,
    );
  }
}
