/**
 * The loop over an epoch's batches, and where training stands: epochs done, batches done of the next one, sums so far,
 * and what each epoch came to. It knows nothing of files.
 *
 * Steps are enqueued one ahead of the figures read back, so that devices never wait for the host, nor the host's memory
 * for the devices.
 */
import { ArgumentError, DataError } from '../core/errors.js';
import { defaultGenerator, type Generator } from '../core/random.js';
import type { PartState, Stateful } from '../core/state.js';
import { trace } from '../core/trace.js';
import type { BatchSource } from '../data/batchSource.js';
import { checkJson, flag, list, nullable, number, object, record, whole } from '../formats/json.js';
import type { Schedule } from '../nn/schedule.js';
import { DivergedError, firstNotFinite } from './diverged.js';
import {
  addTotals,
  emptied,
  type Metrics,
  meansOf,
  metricsFromJson,
  metricsToJson,
  noTotals,
  type Totals,
} from './metrics.js';
import { partsOf, partsOfEpoch, sumInTree } from './microBatches.js';
import { GradientSums } from './ranks/gradients.js';
import { Ranks } from './ranks/ranks.js';
import type { SumOrder } from './ranks/sums.js';
import { type Learner, type PendingFigures, readFigures, takeSharedStep, takeStep } from './step.js';

/** What one epoch came to. Times are in no checkpoint: they differ from run to run. */
export interface EpochRecord {
  /** Counted from 1. */
  readonly epoch: number;
  /** Means over the samples trained on. */
  readonly train: Metrics;
  /** What validation gave; null without any. */
  readonly validation: Metrics | null;
  /** The rate it was trained at: of the optimizer's first group, unless the program says otherwise; null: none. */
  readonly learningRate: number | null;
}

/** Told of steps whose figures have arrived. May be async; training waits for it. */
export type OnStep = (progress: {
  /** Batches of the epoch done, and how many there are. */
  readonly done: number;
  readonly of: number;
  /** Sums over the epoch's samples so far. */
  readonly totals: Totals;
  /** Samples of the epoch that were trained on since it was begun or gone on with. */
  readonly samples: number;
}) => void | Promise<void>;

/** Options of `TrainingLoop.train`. */
interface EpochTraining {
  readonly onStep?: OnStep | undefined;
  /** Stops after the step under way. */
  readonly signal?: AbortSignal | undefined;
}

const metricsSchema = record(nullable(number()));

/** Where training stood. */
const stateSchema = object({
  epoch: whole(),
  batch: whole(),
  batches: nullable(whole()),
  count: whole(),
  sums: metricsSchema,
  stopped: flag,
  history: list(
    object({
      epoch: whole(1),
      train: metricsSchema,
      validation: nullable(metricsSchema),
      learningRate: nullable(number()),
    }),
  ),
});

/** How batches are cut besides among ranks. */
interface Cutting {
  /** See microBatches.ts. */
  readonly microBatches?: number | undefined;
  /** What draws random numbers in a step. Default: the default generator. */
  readonly random?: Generator | undefined;
}

/** Numbers of a step that aren't finite: seen before it is known where they come from. */
class NotFinite extends Error {}

/** A training under way. */
export class TrainingLoop<B> implements Stateful {
  private epoch = 0;
  private batch = 0;
  /** Batches in an epoch, of the data trained on last. */
  private batches: number | null = null;
  private totals = noTotals;
  private records: readonly EpochRecord[] = [];
  private enough = false;
  /** Whether a rank was asked to stop, as of the last figures that all ranks know. */
  private asked = false;
  /** Null where this rank takes whole batches. */
  private readonly sums: GradientSums | null;
  private readonly order: SumOrder;

  /** @param ranks that share each batch; by default this process alone */
  constructor(
    private readonly learner: Learner<B>,
    private readonly schedule: Schedule | undefined,
    private readonly ranks: Ranks = Ranks.alone(),
    private readonly cutting: Cutting = {},
  ) {
    const { replicas } = ranks;
    const { microBatches = null } = cutting;
    this.order = microBatches === null ? 'row' : 'tree';
    const parts = (microBatches ?? replicas.size) / replicas.size;
    this.sums =
      replicas.size * parts === 1 ? null : new GradientSums(learner.model, replicas, parts, this.order);
  }

  /** Epochs finished. */
  get epochsDone(): number {
    return this.epoch;
  }

  /** Batches done of the next epoch; all of them while it's to be validated. */
  get batchesDone(): number {
    return this.batch;
  }

  /** Whether the schedule saw nothing more to gain after the last epoch. */
  get stopped(): boolean {
    return this.enough;
  }

  /** What each finished epoch came to. */
  get history(): readonly EpochRecord[] {
    return this.records;
  }

  state(): PartState {
    const { epoch, batch, batches, totals, records, enough: stopped } = this;
    const sums = metricsToJson(totals.sums);
    const history = records.map((entry) => ({
      ...entry,
      train: metricsToJson(entry.train),
      validation: entry.validation && metricsToJson(entry.validation),
    }));
    return {
      json: {
        epoch,
        batch,
        batches: batch > 0 ? batches : null,
        count: totals.count,
        sums,
        stopped,
        history,
      },
    };
  }

  checkState(state: PartState): void {
    checkJson(state.json, 'where training stands', stateSchema);
  }

  loadState(state: PartState): void {
    const { count, sums, history, ...place } = checkJson(state.json, 'where training stands', stateSchema);
    this.epoch = place.epoch;
    this.batch = place.batch;
    this.batches = place.batches;
    this.totals = { count, sums: metricsFromJson(sums) };
    this.enough = place.stopped;
    this.records = history.map((entry) => ({
      ...entry,
      train: metricsFromJson(entry.train),
      validation: entry.validation && metricsFromJson(entry.validation),
    }));
  }

  /**
   * Trains to the end of the epoch, or until `signal` is aborted; the next call goes on from there. The epoch is over
   * once `finish` is called; until then there's nothing left to train, and its validation to do.
   *
   * Ranks stop after the same step: each tells of its signal with a step's figures, and hears of others' with them.
   * @param data of all ranks
   * @returns samples that all ranks trained on, whether the end was reached, and whether a rank was asked to stop
   * @throws {DivergedError} when the loss is no longer a number, naming step and parameter.
   * @throws {DataError} when the data has another number of batches than what was begun.
   */
  async train(
    data: BatchSource<B>,
    { onStep = () => {}, signal }: EpochTraining = {},
  ): Promise<{ readonly samples: number; readonly complete: boolean; readonly stopped: boolean }> {
    const of = data.length;
    if (this.batch > 0 && this.batches !== null && this.batches !== of) {
      throw new DataError(
        `${data.name}: has ${of} batches, the epoch to go on with had ${this.batches}: use the same data`,
      );
    }
    this.batches = of;
    this.learner.model.train();
    this.schedule?.start(this.epoch);
    const { sums, learner, ranks } = this;
    const { microBatches = null, random = defaultGenerator() } = this.cutting;
    const sources = partsOf(data, ranks, learner.model, microBatches);
    const several = this.ranks.size > 1;
    const before = this.totals.count;
    const samples = (): number => this.totals.count - before;
    this.asked = false;
    let stop = false;
    let next = this.batch;
    let pending: Promise<void> = Promise.resolve();
    try {
      for await (const { place, parts } of partsOfEpoch(sources, this.epoch, next)) {
        if (several ? stop : signal?.aborted) break;
        if (place < next || place >= of) {
          const expected = `expected ${next} to ${of - 1}, in order`;
          throw new ArgumentError(`${data.name}: gave batch ${place} of epoch ${this.epoch}, ${expected}`);
        }
        next = place + 1;
        trace.step = this.epoch * of + place;
        this.schedule?.beforeStep?.(this.epoch + place / of);
        const samplesInAll = data.samples?.(place) ?? microBatches ?? ranks.replicas.size;
        const figures = sums
          ? takeSharedStep(learner, parts, { sums, of: samplesInAll, random })
          : parts.map(({ batch }) => takeStep(learner, batch));
        await pending;
        // Not what the next figures may have said meanwhile: they come to one rank sooner than to another.
        stop = this.asked;
        pending = this.account(figures, place, signal, () =>
          onStep({ done: place + 1, of, totals: this.totals, samples: samples() }),
        );
        pending.catch(() => {}); // awaited below or in the next turn
      }
      await pending;
    } catch (error) {
      await pending.catch(() => {}); // what went wrong first is told
      // Not as soon as it is seen: ranks that hold a network together read it at the same place of the program.
      throw error instanceof NotFinite ? await this.diverged(error.message) : error;
    }
    const stopped = several ? this.asked : signal?.aborted === true;
    if (stopped && this.batch < of) return { samples: samples(), complete: false, stopped };
    if (this.totals.count === 0) throw new DataError(`${data.name}: gave no batch to train on`);
    // Batches at the end that held nothing are done, too.
    this.batch = of;
    return { samples: samples(), complete: true, stopped };
  }

  /** Ends the epoch. @param watch gives the number that should fall @returns the epoch's record */
  finish(
    validation: Metrics | null,
    learningRate: number | null,
    watch: (record: EpochRecord) => number,
  ): EpochRecord {
    this.epoch++;
    const record = { epoch: this.epoch, train: meansOf(this.totals), validation, learningRate };
    this.records = [...this.records, record];
    this.batch = 0;
    this.totals = noTotals;
    this.enough = this.schedule?.finish(watch(record)) ?? false;
    return record;
  }

  private async account(
    figures: readonly PendingFigures[],
    place: number,
    signal: AbortSignal | undefined,
    report: () => void | Promise<void>,
  ): Promise<void> {
    const own = Promise.all(figures.map(readFigures)).then((parts) =>
      sumInTree(parts.map(counted), addTotals),
    );
    const names = figures[0]?.names ?? [];
    const read = this.ranks.size > 1 ? await this.ofAllRanks(names, own, signal) : await own;
    const { loss = Number.NaN } = read.sums;
    if (!Number.isFinite(loss)) {
      const mean = loss / read.count;
      throw new NotFinite(`the loss is ${mean} at epoch ${this.epoch + 1}, batch ${place + 1}`);
    }
    this.totals = addTotals(this.totals, read);
    this.batch = place + 1;
    await report();
  }

  /** The figures of all ranks' shares of a batch. */
  private async ofAllRanks(
    names: readonly string[],
    own: Promise<Totals>,
    signal: AbortSignal | undefined,
  ): Promise<Totals> {
    const keys = ['loss', ...names];
    const [stops = 0, count = 0, ...sums] = await this.ranks.sum(
      own.then((totals) => {
        const told = this.ranks.tells ? totals : emptied(totals);
        return [Number(signal?.aborted === true), told.count, ...keys.map((key) => told.sums[key]!)];
      }),
      this.order,
    );
    this.asked = stops > 0;
    return { count, sums: Object.fromEntries(keys.map((key, i) => [key, sums[i]!])) };
  }

  /** The error that says that training diverged. @param what was seen of it */
  async diverged(what: string): Promise<DivergedError> {
    const bad = firstNotFinite(await this.learner.model.stateDict());
    const where = bad === undefined ? 'the parameters are still finite' : `${bad} holds NaN or infinity`;
    return new DivergedError(`training diverged: ${what}; ${where}`);
  }
}

/** Figures of what counts: what stands in for a batch has some, too. */
const counted = (totals: Totals): Totals => (totals.count > 0 ? totals : emptied(totals));
