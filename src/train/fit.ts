/**
 * Fitting a model to data: epochs of training, validation after each, checkpoints, a log, and going on bit for bit from
 * wherever it was stopped.
 */
import { existsSync } from 'node:fs';
import { ArgumentError, DataError } from '../core/errors.js';
import { defaultGenerator, type Generator } from '../core/random.js';
import type { BatchSource } from '../data/batchSource.js';
import type { Schedule } from '../nn/schedule.js';
import { type Checkpoint, readCheckpoint } from './checkpoint.js';
import { DivergedError } from './diverged.js';
import type { FitEvent } from './events.js';
import { evaluate, type OnBatch } from './inference.js';
import { type LineOf, logLine, RunLog } from './log.js';
import { type EpochRecord, type OnStep, TrainingLoop } from './loop.js';
import type { Metrics } from './metrics.js';
import { partsOf } from './microBatches.js';
import { checkPartNames, optimizerState, type Parts, restoreParts } from './parts.js';
import { Ranks } from './ranks/ranks.js';
import { checkAlike, shareBuffers, shareStart, statesFor } from './ranks/start.js';
import { RunFolder } from './runFolder.js';
import type { Learner } from './step.js';

/** Measures a model that isn't training; null when `signal` was aborted. Of several ranks all call it, and all get the same. */
export type Validation = (options: {
  readonly onBatch: OnBatch;
  readonly signal: AbortSignal | undefined;
}) => Promise<Metrics | null>;

/** What `fit` takes. */
export interface FitOptions<B> extends Learner<B> {
  readonly data: BatchSource<B>;
  /** Epochs in all, those done before included. */
  readonly epochs: number;
  readonly schedule?: Schedule | undefined;
  /** Batches that `step` is averaged over after each epoch, or what measures the model otherwise. */
  readonly validation?: BatchSource<B> | Validation | undefined;
  /**
   * The metric that should fall, which the schedule and the best checkpoint go by. Of validation where there is one, else
   * of training. Default: 'error' where it's measured, else 'loss'.
   */
  readonly watch?: string | undefined;
  /** What draws random numbers in a step. Default: the default generator, as dropout's. */
  readonly random?: Generator | undefined;
  /** What else checkpoints hold: other modules, optimizers (`optimizerState`), generators. */
  readonly parts?: Parts | undefined;
  /** Where files go, made if absent; a `RunFolder` stays open. Default: nothing is written. */
  readonly folder?: string | RunFolder | undefined;
  /**
   * What to go on from: a checkpoint; or, with true, the folder's last one if there is one; or nothing, and a folder with
   * a run in it is refused. Default true.
   */
  readonly resume?: boolean | Pick<Checkpoint, 'parts'> | undefined;
  /** What the program says of the run, kept in `run.json` and in checkpoints: a value that JSON can hold. */
  readonly about?: unknown;
  /**
   * Processes that train the model together, each on its share of every batch: `await openRanks()`. All call `fit` with
   * the same options; the first one's state is what they begin with, and it alone writes files. Default: this process.
   */
  readonly ranks?: Ranks | undefined;
  /**
   * Cuts each batch into so many parts, a power of two, computed one after the other, whose gradients are added in a tree
   * that is the same for 1, 2, 4, .. ranks, up to as many: so are the weights, to the bit. Of any batch size; parts of a few
   * samples are slow. Not for models with buffers. Default: each rank's share is one part.
   */
  readonly microBatches?: number | undefined;
  /** Stops after the step or the validation batch under way, with a checkpoint; on all ranks if on one. */
  readonly signal?: AbortSignal | undefined;
  /** Told what happens; may be async, training waits for it. */
  readonly on?: ((event: FitEvent) => void | Promise<void>) | undefined;
  /** Whether to stop after an epoch; asked again of the last one when a training is gone on with. */
  readonly until?: ((record: EpochRecord) => boolean) | undefined;
  /** Makes an epoch's line of the log; default `logLine`. */
  readonly line?: LineOf | undefined;
  /** The rate that records tell; default: that of the optimizer's first group. */
  readonly learningRate?: (() => number) | undefined;
}

/** How a training ended. */
export interface FitOutcome {
  /** By its signal; then it can be gone on with. */
  readonly interrupted: boolean;
  /** By its schedule or `until`: then more epochs change nothing. */
  readonly stopped: boolean;
  /** Every epoch so far. */
  readonly history: readonly EpochRecord[];
}

/** Names that `fit` gives to parts of a checkpoint. */
const ownParts = ['model', 'optimizer', 'schedule', 'random', 'fit'] as const;

/**
 * Trains until the epochs are done, `until` or the schedule says that it's enough, or the signal comes.
 *
 * A checkpoint is made of the parts `model`, `optimizer`, `schedule`, `random`, `fit` (where training stands) and those
 * given.
 * @throws {DivergedError} when numbers stop being finite. Checkpoints written before stay.
 * @throws {DataError} when a file can't be written, or the checkpoint is of something else; then nothing changed.
 * @throws {LockedError} while another process works in the folder.
 * @throws {RunExistsError} when the folder holds a run, but `resume` is false.
 */
export async function fit<B>(options: FitOptions<B>): Promise<FitOutcome> {
  const { folder, resume = true, epochs, ranks = Ranks.alone() } = options;
  if (!Number.isInteger(epochs) || epochs < 0) {
    throw new ArgumentError(`fit: epochs is ${epochs}, expected a whole number from 0`);
  }
  checkPartNames(options.parts ?? {}, ownParts);
  if ((ranks.size > 1 || options.microBatches !== undefined) && !options.optimizer) {
    throw new ArgumentError(
      'fit: training by several ranks or in micro-batches needs an optimizer, which takes the gradients of all',
    );
  }
  if (folder === undefined || ranks.rank > 0)
    return run(options, null, typeof resume === 'object' ? resume : null);
  const open = resume === true ? RunFolder.open : RunFolder.begin;
  const opened = typeof folder === 'string' ? await open(folder) : folder;
  try {
    if (typeof resume === 'object') return await run(options, opened, resume);
    const held = resume ? opened.newest : null;
    return await run(options, opened, held === null ? null : await readCheckpoint(held));
  } catch (error) {
    if (!(error instanceof DivergedError)) throw error;
    const last = opened.file('last');
    throw existsSync(last)
      ? new DivergedError(`${error.message}. ${last} is from before`, last)
      : new DivergedError(`${error.message}. No checkpoint was saved before`);
  } finally {
    if (opened !== folder) await opened.close();
  }
}

async function run<B>(
  options: FitOptions<B>,
  folder: RunFolder | null,
  from: Pick<Checkpoint, 'parts'> | null,
): Promise<FitOutcome> {
  const { model, optimizer, schedule, signal, on = () => {}, ranks = Ranks.alone() } = options;
  const { data, microBatches, random } = options;
  partsOf(data, ranks, model, microBatches ?? null); // what can't be is said before anything is written
  const loop = new TrainingLoop(options, schedule, ranks, { microBatches, random });
  const parts: Parts = {
    model,
    ...(optimizer && { optimizer: optimizerState(optimizer, model) }),
    ...(schedule && { schedule }),
    random: random ?? defaultGenerator(),
    ...options.parts,
    fit: loop,
  };
  if (from) {
    const unknown = [...from.parts.keys()].find((name) => !Object.hasOwn(parts, name));
    if (unknown !== undefined) {
      throw new DataError(`checkpoint: holds the state of '${unknown}', which this training doesn't have`);
    }
    restoreParts(parts, from.parts, 'checkpoint');
  }
  await shareStart(ranks, parts);
  const watch = watcher(options);
  const log = folder && (await RunLog.open(folder, options.line ?? logLine, loop.history));
  await folder?.write('run', `${JSON.stringify(options.about ?? null, null, 2)}\n`);
  const interrupted = async (): Promise<FitOutcome> => {
    const states = await statesFor(folder !== null, ranks, parts);
    if (folder && states) await folder.save('last', { about: options.about, parts: states });
    return { interrupted: true, stopped: false, history: loop.history };
  };
  const enough = (): boolean => {
    const record = loop.history.at(-1);
    return loop.stopped || (record !== undefined && (options.until?.(record) ?? false));
  };
  while (!enough() && loop.epochsDone < options.epochs) {
    const started = performance.now();
    const epoch = loop.epochsDone + 1;
    const onStep: OnStep = (step) => on({ kind: 'step', epoch, ...step });
    const { samples, stopped } = await loop.train(data, { onStep, signal });
    const trained = performance.now();
    if (stopped) return interrupted();
    await shareBuffers(ranks, model);
    const onBatch: OnBatch = (done, of) => on({ kind: 'validation', epoch, done, of });
    const validation = await validate(options, onBatch);
    if (validation === 'stopped') return interrupted();
    const { loss } = validation ?? {};
    if (loss !== undefined && !Number.isFinite(loss)) {
      throw await loop.diverged(`the validation loss of epoch ${epoch} is ${loss}`);
    }
    const rate = options.learningRate?.() ?? optimizer?.groups[0]?.learningRate ?? null;
    const before = loop.history.map(watch);
    const record = loop.finish(validation, rate, watch);
    const best = before.every((value) => watch(record) < value);
    const times = {
      samplesPerSecond: samples === 0 ? 0 : samples / ((trained - started) / 1000),
      seconds: (performance.now() - started) / 1000,
    };
    await checkAlike(ranks, model, `after epoch ${epoch}`);
    const states = await statesFor(folder !== null, ranks, parts);
    if (folder && log && states) {
      await log.add(record, times);
      const checkpoint = { about: options.about, parts: states };
      // `last` comes last: a run killed in between does the epoch again, and with it whatever it hadn't written. It is
      // tried even where the disk had no room for `best`: what it holds is as good.
      await (best ? folder.save('best', checkpoint) : Promise.resolve()).finally(() =>
        folder.save('last', checkpoint),
      );
    }
    await on({ kind: 'epoch', record, times, best });
  }
  return { interrupted: false, stopped: enough(), history: loop.history };
}

async function validate<B>(
  { model, step, validation, signal, ranks }: FitOptions<B>,
  onBatch: OnBatch,
): Promise<Metrics | null | 'stopped'> {
  if (!validation) return null;
  const measured =
    typeof validation === 'function'
      ? await validation({ onBatch, signal })
      : await evaluate(model, validation, step, { onBatch, signal, ranks });
  return measured === null ? 'stopped' : measured;
}

/** What gives the number of a record that should fall; NaN where it wasn't measured. */
function watcher<B>({ watch }: FitOptions<B>): (record: EpochRecord) => number {
  return ({ train, validation }) => {
    const measured = validation ?? train;
    return measured[watch ?? (measured.error === undefined ? 'loss' : 'error')] ?? Number.NaN;
  };
}
