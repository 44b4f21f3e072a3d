/**
 * A run: a network of the tables, trained on images by its recipe in a folder of its own. Beside the files of any run
 * (train/runFolder.ts) it has `unreadable.txt` (images left out, and why) if there were any, and `profile.json` when it
 * was profiled.
 */
import { join } from 'node:path';
import type { Device } from '../core/device.js';
import { DataError } from '../core/errors.js';
import { describeUnreadable } from '../data/dataset.js';
import { writeWhole } from '../data/files.js';
import { meanOf } from '../data/images/mean.js';
import { checkValidation, type OpenedData } from '../data/sources/open.js';
import { loadWeights } from '../formats/load.js';
import type { FitEvent } from '../train/events.js';
import { fit } from '../train/fit.js';
import { restoreParts } from '../train/parts.js';
import { type Profile, profileSteps } from '../train/profile.js';
import { gatherUnreadable } from '../train/ranks/gathering.js';
import { Ranks } from '../train/ranks/ranks.js';
import { RunFolder, runFiles as trainingFiles } from '../train/runFolder.js';
import type { ImageStatistics, RunCheckpoint } from './checkpoint.js';
import { type RunDescription, tablesOf } from './description.js';
import { type TrainedNetwork, validate } from './evaluation.js';
import { type LogLine, lineOf } from './log.js';
import type { Net } from './recipes.js';
import { Trainer } from './trainer.js';

/** Names of a run's files. */
export const runFiles = { ...trainingFiles, profile: 'profile.json', unreadable: 'unreadable.txt' } as const;

/** Who is told how it goes. */
export interface RunListener {
  /** What the user should know. */
  readonly note: (text: string) => void;
  /** What happens, as it happens. */
  readonly event: (event: FitEvent) => void;
}

/** What a run needs. */
export interface RunOptions {
  readonly description: RunDescription;
  readonly net: Net;
  readonly devices: readonly Device[];
  readonly data: OpenedData;
  /** Folder of the run's files, made if absent; one that is open stays so; null for ranks that write none. */
  readonly out: string | RunFolder | null;
  readonly resume: RunCheckpoint | null;
  /** Weights to begin with instead of drawn ones, those that fit, and the mean that they were trained with. */
  readonly start?: StartingWeights | undefined;
  readonly listener: RunListener;
  /** Processes that train it together; the first one alone writes files, and needs `out`. Default: this one. */
  readonly ranks?: Ranks | undefined;
  /** See `FitOptions.microBatches`. */
  readonly microBatches?: number | undefined;
  /** Stops after the step or the batch of validation under way, with a checkpoint. */
  readonly signal: AbortSignal;
}

/** Weights that a run begins with. */
export interface StartingWeights extends Pick<TrainedNetwork, 'parameters' | 'mean'> {
  /** Where they are from, for messages. */
  readonly file: string;
}

/** How a run ended. */
export interface Outcome {
  readonly interrupted: boolean;
  /** By its schedule, which saw nothing more to gain. */
  readonly stopped: boolean;
  /** Of all epochs so far, without times. */
  readonly lines: readonly LogLine[];
}

/**
 * Trains until the recipe's epochs are done, the schedule sees no more to gain, or the signal comes.
 * @throws {DataError} when a file can't be written, or the data isn't what the checkpoint was trained on.
 * @throws {DivergedError} when training diverges. Checkpoints written before stay.
 * @throws {LockedError} while another process works in the folder.
 */
export async function runTraining(options: RunOptions): Promise<Outcome> {
  const { description, net, data, out, resume, listener, signal, ranks = Ranks.alone() } = options;
  checkSameData(resume, description);
  checkValidation(data);
  const folder = typeof out === 'string' ? await RunFolder.open(out) : out;
  try {
    const trainer = await trainerOf(options);
    const unreadable = new UnreadableFile(folder?.path ?? null, data, listener.note, ranks);
    try {
      const { history, ...ended } = await fit({
        ...trainer.fitting(data.train),
        parts: trainer.parts,
        epochs: description.recipe.epochs,
        validation: async (asked) => {
          const { testCrops } = description.recipe;
          const report = await validate(trainer.classifier, data.validation, testCrops, {
            ...asked,
            ranks,
          });
          return report && { loss: report.loss, error: report.top1Error, ...top5Of(report.top5Error) };
        },
        folder: folder ?? undefined,
        resume: resume ?? false,
        ranks,
        microBatches: options.microBatches,
        about: {
          ...description,
          tables: tablesOf(net, description.classes.length),
          ...(data.classNames && { classNames: data.classNames }),
        },
        signal,
        on: async (event) => {
          listener.event(event);
          if (event.kind === 'epoch') await unreadable.update();
        },
        line: lineOf,
        learningRate: () => trainer.learningRate,
      });
      return { ...ended, lines: history.map((record) => lineOf(record, null)) };
    } finally {
      trainer.dispose();
    }
  } finally {
    if (folder !== out) await folder?.close();
  }
}

const top5Of = (top5Error: number): { top5Error?: number } => (Number.isNaN(top5Error) ? {} : { top5Error });

/** The file that names the images left out. */
class UnreadableFile {
  private reported = 0;

  /** @param folder null for ranks that write no files */
  constructor(
    private readonly folder: string | null,
    private readonly data: OpenedData,
    private readonly note: RunListener['note'],
    private readonly ranks: Ranks,
  ) {}

  /** Writes it if there are more than before, and tells which. For all ranks to call: each has met others. */
  async update(): Promise<void> {
    const own = [...this.data.train.unreadable, ...this.data.validation.unreadable];
    const all = await gatherUnreadable(this.ranks, own);
    if (all.length === this.reported) return;
    this.note(`went on without ${describeUnreadable(all.slice(this.reported))}`);
    this.reported = all.length;
    if (this.folder === null) return;
    await writeWhole(
      join(this.folder, runFiles.unreadable),
      all.map(({ name, reason }) => `${name}\t${reason}\n`),
    );
  }
}

/**
 * Profiles `steps` steps of a run from where it stands, after one that isn't counted; nothing is written.
 * @throws {DataError} when no image can be read.
 */
export async function profileRun(
  options: Omit<RunOptions, 'listener' | 'signal' | 'out'>,
  steps: number,
): Promise<Profile> {
  const { description, data, resume } = options;
  checkSameData(resume, description);
  const trainer = await trainerOf(options);
  try {
    if (resume) restoreParts(trainer.restorable, resume.parts, 'checkpoint');
    const { epoch, batch } = resume?.state ?? { epoch: 0, batch: 0 };
    for await (const [, images] of trainer.source(data.train).epoch(epoch, batch)) {
      return await profileSteps(trainer, images, steps);
    }
    throw new DataError(`${data.train.name}: no batch of images is left to profile`);
  } finally {
    trainer.dispose();
  }
}

async function trainerOf({
  description: { recipe, seed, classes },
  net,
  devices,
  data,
  resume,
  start,
  listener,
}: Omit<RunOptions, 'listener' | 'signal' | 'out'> &
  Partial<Pick<RunOptions, 'listener'>>): Promise<Trainer> {
  const { mean, pca } = resume ?? { ...(await statisticsOf(data)), ...(start && { mean: start.mean }) };
  const trainer = new Trainer({ net, recipe, classes: classes.length, devices, seed, mean, pca });
  if (!start || resume) return trainer;
  const report = await loadWeights(trainer.model, start.parameters, { strict: false });
  const drawn = [...report.missing, ...report.mismatched.map(({ name }) => name)];
  const rest = drawn.length > 0 ? `; ${drawn.join(', ')} drawn anew` : '';
  listener?.note(`${report.loaded.length} parameters begin as ${start.file} has them${rest}`);
  return trainer;
}

async function statisticsOf({ train, mean }: OpenedData): Promise<ImageStatistics> {
  const { image, pca } = mean ?? (await meanOf(train));
  return { mean: image, pca };
}

function checkSameData(resume: RunCheckpoint | null, description: RunDescription): void {
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
