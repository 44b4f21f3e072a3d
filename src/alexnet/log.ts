/**
 * The log of a run, `log.jsonl`: a line for each epoch.
 */
import { join } from 'node:path';
import { DataError } from '../core/errors.js';
import { fraction, nullable, number, object, parseJsonLines, whole } from '../formats/json.js';
import type { EpochTimes } from '../train/log.js';
import type { EpochRecord } from '../train/loop.js';
import { readLogLines, runFiles } from '../train/runFolder.js';

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
  /** While training; 0 in a line that was lost and is written anew. */
  readonly imagesPerSecond: number;
  /** Of the epoch, validation included; 0 in a line that was lost and is written anew. */
  readonly seconds: number;
}

/** A line of a log, read. */
export const logLineSchema = object<LogLine>({
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

/** The line of an epoch. */
export function lineOf(
  { epoch, train, validation, learningRate }: EpochRecord,
  times: EpochTimes | null,
): LogLine {
  const { loss: trainLoss = Number.NaN, error: trainError = Number.NaN } = train;
  const { loss: valLoss = Number.NaN, error: valError = Number.NaN, top5Error } = validation ?? {};
  return {
    epoch,
    trainLoss,
    trainError,
    valLoss,
    valError,
    valTop5Error: top5Error ?? null,
    learningRate: learningRate ?? Number.NaN,
    imagesPerSecond: times?.samplesPerSecond ?? 0,
    seconds: times?.seconds ?? 0,
  };
}

/** What a line says of its epoch. */
export function recordOf(line: LogLine): EpochRecord {
  const { epoch, trainLoss, trainError, valLoss, valError, valTop5Error, learningRate } = line;
  const top5 = valTop5Error === null ? {} : { top5Error: valTop5Error };
  return {
    epoch,
    train: { loss: trainLoss, error: trainError },
    validation: { loss: valLoss, error: valError, ...top5 },
    learningRate,
  };
}

/**
 * The log of a run; none is an empty one.
 * @throws {DataError} for a line that isn't of a log, or an epoch that doesn't follow the one before.
 */
export async function readLog(folder: string): Promise<LogLine[]> {
  const path = join(folder, runFiles.log);
  const lines = parseJsonLines((await readLogLines(folder)).join('\n'), path, logLineSchema);
  const odd = lines.findIndex(({ epoch }, i) => epoch <= (lines[i - 1]?.epoch ?? 0));
  if (odd >= 0) {
    throw new DataError(`${path}: epoch ${lines[odd]?.epoch} comes after epoch ${lines[odd - 1]?.epoch}`);
  }
  return lines;
}
