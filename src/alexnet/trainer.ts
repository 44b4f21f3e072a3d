/**
 * The training loop: batches in, parameters changed, epochs reported. It knows nothing of files or terminals.
 *
 * A step: the classifier uploads images and runs forward, the loss runs backward, and SGD updates. Steps are enqueued
 * one ahead of the losses read back, so that devices never wait for the host, nor the host's memory for the devices.
 * Everything random is counted by seed, epoch, image and step, so a trainer restored from `state()` goes on bit for bit.
 */
import { ArgumentError, DataError, TandemError } from '../core/errors.js';
import { ne } from '../core/ops/elementwise.js';
import { crossEntropy } from '../core/ops/loss.js';
import { argmax, sum } from '../core/ops/reduce.js';
import { scope } from '../core/scope.js';
import { noGrad } from '../core/tape.js';
import { Tensor } from '../core/tensor.js';
import { trace } from '../core/trace.js';
import { batchCount } from '../data/batchSource.js';
import { type Dataset, describeUnreadable } from '../data/dataset.js';
import type { ColourNoise, Pca } from '../data/images/pca.js';
import { type Batch, batches } from '../data/loader.js';
import type { StateDict } from '../nn/module.js';
import { PlateauSchedule, type ScheduleState, StepSchedule } from '../nn/schedule.js';
import { SGD } from '../nn/sgd.js';
import { Classifier, type ClassifierOptions, type Input, row } from './classifier.js';
import type { Network } from './network.js';

/** Numbers of the training stopped being finite: says when, and which parameter holds what. */
export class DivergedError extends TandemError {}

/** Sums over the images of an epoch so far. */
export interface Totals {
  readonly images: number;
  readonly loss: number;
  readonly wrong: number;
}

/** Where training stands, besides the parameters and velocities. */
export interface TrainerState {
  /** Epochs finished. */
  readonly epoch: number;
  /** Batches done of the next one. */
  readonly batch: number;
  readonly totals: Totals;
  /** Dropout masks drawn. */
  readonly stream: number;
  readonly schedule: ScheduleState;
}

/** What one epoch came to. */
export interface EpochReport {
  /** Counted from 1. */
  readonly epoch: number;
  /** Means over the epoch's training images, dropout on. */
  readonly trainLoss: number;
  readonly trainError: number;
  readonly learningRate: number;
  readonly imagesPerSecond: number;
}

/** What is needed to train. */
export interface TrainerOptions extends ClassifierOptions {
  /** Principal components of the training images' colours, for recipes with colour noise. */
  readonly pca?: Pca;
}

/** Called after each step whose loss has arrived. */
export type StepListener = (progress: {
  readonly done: number;
  readonly of: number;
  readonly totals: Totals;
  readonly images: number;
}) => void;

/** A network in training. */
export class Trainer {
  readonly classifier: Classifier;
  readonly optimizer: SGD;
  private readonly schedule: StepSchedule | PlateauSchedule;
  private epoch = 0;
  private batch = 0;
  private totals: Totals = { images: 0, loss: 0, wrong: 0 };

  /** @throws {ArgumentError} when the devices don't suit the placement, or a rate is below 0. */
  constructor(private readonly options: TrainerOptions) {
    const { recipe } = options;
    this.classifier = new Classifier(options);
    const { learningRate, biasRate, momentum, weightDecay, biasDecay } = recipe;
    this.optimizer = new SGD(
      this.network.layers.flatMap(({ placed: { spec }, parts }) => {
        const present = parts.filter((part) => part !== null);
        return [
          {
            params: present.map((part) => part.weight),
            learningRate,
            momentum,
            weightDecay: spec.weightDecay ?? weightDecay,
          },
          {
            params: present.map((part) => part.bias),
            learningRate: biasRate,
            momentum,
            weightDecay: biasDecay,
            scheduled: recipe.lowered === 'all',
          },
        ];
      }),
    );
    const { schedule } = recipe;
    this.schedule =
      schedule.kind === 'step'
        ? new StepSchedule(this.optimizer, { milestones: schedule.milestones, factor: schedule.factor })
        : new PlateauSchedule(this.optimizer, {
            patience: schedule.patience,
            maxDrops: schedule.maxDrops,
            factor: schedule.factor,
          });
  }

  /** The network being trained. */
  get network(): Network {
    return this.classifier.network;
  }

  /** Epochs finished. */
  get epochsDone(): number {
    return this.epoch;
  }

  /** The rate of the weights in the next step, of layers that have no rate of their own. */
  get learningRate(): number {
    return this.options.recipe.learningRate * this.schedule.state().json.factor;
  }

  /** Everything `restore` needs besides parameters and velocities. */
  state(): TrainerState {
    const { epoch, batch, totals } = this;
    return {
      epoch,
      batch,
      totals,
      stream: this.network.generator.stream,
      schedule: this.schedule.state().json,
    };
  }

  /** Goes on from a state; parameters and velocities are the caller's to restore. */
  restore(state: TrainerState): void {
    this.epoch = state.epoch;
    this.batch = state.batch;
    this.totals = state.totals;
    this.network.generator.stream = state.stream;
    this.schedule.loadState({ json: state.schedule });
  }

  /**
   * Trains to the end of the epoch, or until `signal` is aborted: then it returns null after the step under way, and
   * the next call goes on from there. The epoch is over once `finishEpoch` is told how it went; until then, a trainer
   * restored from `state()` has it to validate again, and nothing to train.
   * @throws {DivergedError} when the loss is no longer a number, naming step and layer.
   * @throws {DataError} when no image of the epoch can be read.
   */
  async trainEpoch(
    dataset: Dataset,
    onStep: StepListener = () => {},
    signal?: AbortSignal,
  ): Promise<EpochReport | null> {
    const { recipe } = this.options;
    const of = batchCount(dataset.length, recipe.batchSize);
    this.network.train();
    if (this.batch === 0) this.schedule.start(this.epoch);
    this.slowLayers();
    const started = performance.now();
    let images = 0;
    let pending: Promise<void> = Promise.resolve();
    for await (const batch of this.batches(dataset)) {
      if (signal?.aborted) break;
      trace.step = this.epoch * of + batch.number;
      const figures = this.step(batch);
      await pending;
      images += batch.labels.length;
      pending = this.account(figures, batch, () =>
        onStep({ done: batch.number + 1, of, totals: this.totals, images }),
      );
      pending.catch(() => {}); // awaited below or in the next turn
    }
    await pending;
    if (signal?.aborted && this.batch < of) return null;
    const seconds = (performance.now() - started) / 1000;
    const { totals } = this;
    if (totals.images === 0) {
      throw new DataError(
        `${dataset.name}: ${describeUnreadable(dataset.unreadable)}, none is left to train on`,
      );
    }
    return {
      epoch: this.epoch + 1,
      trainLoss: totals.loss / totals.images,
      trainError: totals.wrong / totals.images,
      learningRate: this.learningRate,
      imagesPerSecond: seconds > 0 ? images / seconds : 0,
    };
  }

  /** The rest of the epoch's batches, from where training stands, as steps see them. */
  batches(dataset: Dataset): AsyncGenerator<Batch, void, void> {
    const { recipe, net, seed } = this.options;
    return batches(dataset, {
      batchSize: recipe.batchSize,
      seed,
      epoch: this.epoch,
      shuffle: true,
      start: this.batch,
      crop: net.architecture.size,
      augment: recipe.augment,
      places: recipe.cropPlaces,
      sharedBy: recipe.cropSharedBy,
      colour: this.colourNoise(),
    });
  }

  /** The noise that this epoch's images get. */
  private colourNoise(): ColourNoise | undefined {
    const { recipe, pca } = this.options;
    const noise = recipe.colourNoise;
    if (!noise || this.epoch >= (noise.until ?? Number.POSITIVE_INFINITY)) return undefined;
    if (!pca) throw new ArgumentError('Trainer: the recipe has colour noise, which needs pca');
    return { ...noise, pca };
  }

  /** Lowers the rates of layers that the recipe slows by now; a factor of 0 freezes both weights and biases. */
  private slowLayers(): void {
    const { factor } = this.schedule.state().json;
    for (const [i, { placed, parts }] of this.network.layers.entries()) {
      const due = this.options.recipe.slowed.filter(
        ({ layer, epoch }) => layer === placed.spec.name && epoch <= this.epoch,
      );
      if (due.length === 0) continue;
      const own = Math.min(...due.map((event) => event.factor));
      for (const group of this.optimizer.groups.slice(2 * i, 2 * i + 2)) {
        if (group.scheduled) group.learningRate = group.initialRate * factor * own;
      }
      for (const part of parts) {
        if (part) for (const x of [part.weight, part.bias]) x.requiresGrad = own > 0;
      }
    }
  }

  /** Ends the epoch and tells the schedule its validation error; true when it sees nothing more to gain. */
  finishEpoch(validationError: number): boolean {
    this.epoch++;
    this.batch = 0;
    this.totals = { images: 0, loss: 0, wrong: 0 };
    return this.schedule.finish(validationError);
  }

  /** Enqueues one step; gives the batch's loss and number of wrong answers, `[2]`, to be read and disposed of. */
  step(batch: Input & Pick<Batch, 'labels'>): Tensor {
    return scope(() => {
      const [first] = this.network.devices;
      const logits = this.network.forward(this.classifier.upload(batch));
      const labels = Tensor.from('labels', first!, batch.labels, [batch.labels.length]);
      const loss = crossEntropy(logits, labels);
      const wrong = noGrad(() => sum(ne(argmax(logits), labels)));
      const figures = noGrad(() => row([loss, wrong]));
      logits.dispose();
      this.optimizer.zeroGrad();
      loss.backward();
      this.optimizer.step();
      return figures;
    });
  }

  private async account(figures: Tensor, batch: Batch, report: () => void): Promise<void> {
    const [loss = Number.NaN, wrong = Number.NaN] = await figures.data().finally(() => figures.dispose());
    const n = batch.labels.length;
    if (!Number.isFinite(loss))
      throw await this.diverged(`the loss is ${loss} at epoch ${this.epoch + 1}, batch ${batch.number + 1}`);
    const { totals } = this;
    this.totals = { images: totals.images + n, loss: totals.loss + loss * n, wrong: totals.wrong + wrong };
    this.batch = batch.number + 1;
    report();
  }

  /** The error that says that training diverged. @param what was seen of it */
  async diverged(what: string): Promise<DivergedError> {
    const bad = firstNotFinite(await this.network.stateDict());
    const where = bad === undefined ? 'the parameters are still finite' : `${bad} holds NaN or infinity`;
    return new DivergedError(`training diverged: ${what}; ${where}`);
  }

  /** Gives parameters, velocities and means back. */
  dispose(): void {
    this.classifier.dispose();
    this.optimizer.dispose();
  }
}

/** The first tensor that holds NaN or infinity, by name. */
export function firstNotFinite(state: StateDict): string | undefined {
  for (const [name, { data }] of state) {
    // 0 times what isn't finite is NaN, and stays so in the sum: many times faster than asking each number.
    let sum = 0;
    for (let i = 0; i < data.length; i++) sum += 0 * data[i]!;
    if (sum !== 0) return name;
  }
  return undefined;
}
