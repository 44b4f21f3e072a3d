/**
 * A run's log: a line of JSON for each epoch, for people and plots.
 */
import type { EpochRecord } from './loop.js';
import type { Metrics } from './metrics.js';
import type { RunFolder } from './runFolder.js';

/** How long an epoch took. */
export interface EpochTimes {
  /** While training. */
  readonly samplesPerSecond: number;
  /** Of the epoch, validation included; of the part done since the training was gone on with. */
  readonly seconds: number;
}

/** Makes the line of an epoch. `times` is null for a line that was lost and is written anew. */
export type LineOf = (record: EpochRecord, times: EpochTimes | null) => object;

/** A line of the log: `{ epoch, trainLoss, .., valLoss, .., learningRate, samplesPerSecond, seconds }`. */
export function logLine(
  { epoch, train, validation, learningRate }: EpochRecord,
  times: EpochTimes | null,
): object {
  const named = (prefix: string, metrics: Metrics | null): [string, number][] =>
    Object.entries(metrics ?? {}).map(([name, value]) => [
      `${prefix}${name.slice(0, 1).toUpperCase()}${name.slice(1)}`,
      value,
    ]);
  return {
    epoch,
    ...Object.fromEntries([...named('train', train), ...named('val', validation)]),
    learningRate,
    samplesPerSecond: times?.samplesPerSecond ?? null,
    seconds: times?.seconds ?? null,
  };
}

/** A run's log, which nothing reads to go on: lines that were lost are written anew, without their times. */
export class RunLog {
  private constructor(
    private readonly folder: RunFolder,
    private readonly line: LineOf,
    private readonly lines: string[],
  ) {}

  /** Opens a folder's log. @param history the epochs that are done @throws {DataError} when it can't be read */
  static async open(folder: RunFolder, line: LineOf, history: readonly EpochRecord[]): Promise<RunLog> {
    const found = history.length === 0 ? [] : await folder.logLines();
    const old = new Map(found.map((text) => [epochOf(text), text]));
    const lines = history.map((record) => old.get(record.epoch) ?? JSON.stringify(line(record, null)));
    return new RunLog(folder, line, lines);
  }

  /** Writes an epoch's line. @throws {DataError} when it can't be written */
  async add(record: EpochRecord, times: EpochTimes): Promise<void> {
    this.lines.push(JSON.stringify(this.line(record, times)));
    await this.folder.write('log', this.lines.map((text) => `${text}\n`).join(''));
  }
}

/** The epoch that a line of the log is of; null for a damaged line. */
function epochOf(text: string): unknown {
  try {
    const { epoch }: Record<string, unknown> = Object(JSON.parse(text));
    return epoch;
  } catch {
    return null;
  }
}
