/**
 * The training loop: batches in, parameters changed, epochs reported. It knows nothing of files or terminals.
 *
 * A step on every device: bytes are uploaded and become `(pixels - mean) * scale`; the network runs forward, the loss
 * backward, and SGD updates. Steps are enqueued one ahead of the losses read back, so that devices never wait for the
 * host, nor the host's memory for the devices. Everything random is counted by seed, epoch, image and step, so a
 * trainer restored from `state()` goes on bit for bit.
 */
import type { Device } from '../core/device.js';
import { ArgumentError, TandemError } from '../core/errors.js';
import { e } from '../core/expr.js';
import { eq, ne } from '../core/ops/elementwise.js';
import { map } from '../core/ops/launch.js';
import { crossEntropy } from '../core/ops/loss.js';
import { argmax, sum, topk } from '../core/ops/reduce.js';
import { concat, reshape } from '../core/ops/views.js';
import { keep, scope } from '../core/scope.js';
import { noGrad } from '../core/tape.js';
import { Tensor } from '../core/tensor.js';
import { trace } from '../core/trace.js';
import { PlateauSchedule, type Schedule, type ScheduleState, StepSchedule } from '../nn/schedule.js';
import { SGD } from '../nn/sgd.js';
import type { Dataset } from './data/dataset.js';
import { type Batch, batchCount, batches } from './data/loader.js';
import { Network } from './network.js';
import type { Net, Recipe } from './recipes.js';

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

/** Errors on images not trained on, as fractions. */
export interface Evaluation {
  readonly loss: number;
  readonly error: number;
  /** True class not among the five most likely; NaN with fewer than six classes. */
  readonly top5Error: number;
  readonly images: number;
}

/** What is needed to train. */
export interface TrainerOptions {
  readonly net: Net;
  readonly recipe: Recipe;
  readonly classes: number;
  readonly devices: readonly Device[];
  readonly seed: number;
  /** Mean training image `[3, imageSize, imageSize]`, 0-255. */
  readonly mean: Float32Array;
}

/** Called after each step whose loss has arrived. */
export type StepListener = (progress: {
  readonly done: number;
  readonly of: number;
  readonly totals: Totals;
  readonly images: number;
}) => void;

const normalized = e.mul(e.sub(e.input(0), e.input(1)), e.param(0));

/** A network in training. */
export class Trainer {
  readonly network: Network;
  readonly optimizer: SGD;
  private readonly schedule: Schedule;
  private readonly means: readonly Tensor[];
  private epoch = 0;
  private batch = 0;
  private totals: Totals = { images: 0, loss: 0, wrong: 0 };

  /** @throws {ArgumentError} when the devices don't suit the placement, or a rate is below 0. */
  constructor(private readonly options: TrainerOptions) {
    const { net, recipe, classes, devices, seed, mean } = options;
    const { architecture } = net;
    if (recipe.imageSize < architecture.size) {
      throw new ArgumentError(
        `${architecture.name}: reads ${architecture.size} pixels a side, images have ${recipe.imageSize}`,
      );
    }
    this.network = new Network({
      architecture,
      placement: net.placement(classes),
      devices,
      seed,
      dropoutForm: recipe.dropoutForm,
    });
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
          },
        ];
      }),
    );
    this.schedule =
      recipe.schedule.kind === 'step'
        ? new StepSchedule(this.optimizer, recipe.schedule)
        : new PlateauSchedule(this.optimizer, recipe.schedule);
    const centre = centreCrop(mean, recipe.imageSize, architecture.size);
    const shape = [architecture.channels, architecture.size, architecture.size];
    this.means = this.network.devices.map((device) => keep(Tensor.from('mean', device, centre, shape)));
  }

  /** Epochs finished. */
  get epochsDone(): number {
    return this.epoch;
  }

  /** The rate of the weights in the next step. */
  get learningRate(): number {
    return this.optimizer.groups[0]?.learningRate ?? 0;
  }

  /** Everything `restore` needs besides parameters and velocities. */
  state(): TrainerState {
    const { epoch, batch, totals } = this;
    return { epoch, batch, totals, stream: this.network.generator.stream, schedule: this.schedule.state() };
  }

  /** Goes on from a state; parameters and velocities are the caller's to restore. */
  restore(state: TrainerState): void {
    this.epoch = state.epoch;
    this.batch = state.batch;
    this.totals = state.totals;
    this.network.generator.stream = state.stream;
    this.schedule.load(state.schedule);
  }

  /**
   * Trains to the end of the epoch, or until `signal` is aborted: then it returns null after the step under way, and
   * the next call goes on from there.
   * @throws {TandemError} when the loss is no longer a number, naming step and layer.
   */
  async trainEpoch(
    dataset: Dataset,
    onStep: StepListener = () => {},
    signal?: AbortSignal,
  ): Promise<EpochReport | null> {
    const { recipe, net, seed } = this.options;
    const of = batchCount(dataset.length, recipe.batchSize);
    this.network.train();
    if (this.batch === 0) this.schedule.start(this.epoch);
    const started = performance.now();
    let images = 0;
    let pending: Promise<void> = Promise.resolve();
    const source = batches(dataset, {
      batchSize: recipe.batchSize,
      seed,
      epoch: this.epoch,
      shuffle: true,
      start: this.batch,
      crop: net.architecture.size,
      augment: recipe.augment,
    });
    for await (const batch of source) {
      if (signal?.aborted) break;
      trace.step = this.epoch * of + batch.number;
      const figures = await this.step(batch);
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
    this.epoch++;
    this.batch = 0;
    this.totals = { images: 0, loss: 0, wrong: 0 };
    return {
      epoch: this.epoch,
      trainLoss: totals.loss / totals.images,
      trainError: totals.wrong / totals.images,
      learningRate: this.learningRate,
      imagesPerSecond: images / seconds,
    };
  }

  /** Tells the schedule the epoch's validation error; true when it sees nothing more to gain. */
  finishEpoch(validationError: number): boolean {
    return this.schedule.finish(validationError);
  }

  /** Enqueues one step; gives the batch's loss and number of wrong answers, `[2]`, to be read and disposed of. */
  async step(batch: Pick<Batch, 'images' | 'labels'>): Promise<Tensor> {
    return scope(async () => {
      const [first] = this.network.devices;
      const logits = await this.network.forward(this.upload(batch.images));
      const labels = Tensor.from('labels', first!, batch.labels, [batch.labels.length]);
      const loss = crossEntropy(logits, labels);
      const wrong = noGrad(() => sum(ne(argmax(logits), labels)));
      const figures = noGrad(() => row([loss, wrong]));
      logits.dispose();
      this.optimizer.zeroGrad();
      await loss.backward();
      this.optimizer.step();
      return figures;
    });
  }

  private async account(figures: Tensor, batch: Batch, report: () => void): Promise<void> {
    const [loss = Number.NaN, wrong = Number.NaN] = await figures.data().finally(() => figures.dispose());
    const n = batch.labels.length;
    if (!Number.isFinite(loss)) throw await this.diverged(loss);
    const { totals } = this;
    this.totals = { images: totals.images + n, loss: totals.loss + loss * n, wrong: totals.wrong + wrong };
    this.batch = batch.number + 1;
    report();
  }

  private async diverged(loss: number): Promise<TandemError> {
    const state = await this.network.stateDict();
    const bad = [...state].find(([, { data }]) => !data.every(Number.isFinite))?.[0];
    const where = bad ? `${bad} holds NaN or infinity` : 'the parameters are still finite';
    const at = `epoch ${this.epoch + 1}, batch ${this.batch + 1}`;
    return new TandemError(
      `training diverged: the loss is ${loss} at ${at}; ${where}. Resume from the last checkpoint with a lower --learning-rate`,
    );
  }

  /** Pixels on each device, less the mean. */
  private upload(images: Uint8Array): Tensor[] {
    const { recipe, net } = this.options;
    const { channels, size } = net.architecture;
    const shape = [images.length / (channels * size * size), channels, size, size];
    return this.network.devices.map((device, i) =>
      scope(() => {
        const bytes = Tensor.from('upload', device, images, shape);
        return map('normalize', normalized, [bytes, this.means[i]!], { params: [recipe.inputScale] });
      }),
    );
  }

  /** Class scores of images `[N, 3, size, size]`, 0-255, without dropout. */
  async predict(images: Uint8Array): Promise<Tensor> {
    this.network.eval();
    try {
      return await noGrad(() => scope(async () => this.network.forward(this.upload(images))));
    } finally {
      this.network.train();
    }
  }

  /** Loss and errors over a data set, by centre crops. */
  async evaluate(
    dataset: Dataset,
    onBatch: (done: number, of: number) => void = () => {},
  ): Promise<Evaluation> {
    const { recipe, net } = this.options;
    const batchSize = recipe.batchSize;
    const of = batchCount(dataset.length, batchSize);
    const totals = { images: 0, loss: 0, wrong: 0, missed: 0 };
    for await (const batch of batches(dataset, { batchSize, crop: net.architecture.size })) {
      const figures = await scope(async () => {
        const logits = await this.predict(batch.images);
        return noGrad(() => this.score(logits, batch.labels));
      });
      const [loss = Number.NaN, wrong = Number.NaN, hits = Number.NaN] = await figures.data();
      figures.dispose();
      totals.images += batch.labels.length;
      totals.loss += loss;
      totals.wrong += wrong;
      totals.missed += batch.labels.length - hits;
      onBatch(batch.number + 1, of);
    }
    const { images } = totals;
    const top5Error = this.options.classes > 5 ? totals.missed / images : Number.NaN;
    return { images, loss: totals.loss / images, error: totals.wrong / images, top5Error };
  }

  /** Sums over a batch: loss, wrong answers, true classes among the best five; `[3]`. */
  private score(logits: Tensor, classes: Int32Array): Tensor {
    const n = classes.length;
    const labels = Tensor.from('labels', logits.device, classes, [n]);
    const best = topk(logits, Math.min(5, this.options.classes)).indices;
    const hits = sum(eq(best, reshape(labels, [n, 1])));
    return row([crossEntropy(logits, labels, 'sum'), sum(ne(argmax(logits), labels)), hits]);
  }

  /** Gives parameters, velocities and means back. */
  dispose(): void {
    this.network.dispose();
    this.optimizer.dispose();
    for (const mean of this.means) mean.dispose();
  }
}

/** Scalars side by side, to be read back at once. */
function row(scalars: readonly Tensor[]): Tensor {
  return concat(
    scalars.map((x) => reshape(x, [1])),
    0,
  );
}

/** The middle `[3, to, to]` of an image `[3, from, from]`. */
function centreCrop(image: Float32Array, from: number, to: number): Float32Array {
  const margin = (from - to) >> 1;
  const rows = Array.from({ length: (image.length / from / from) * to }, (_, i) => {
    const start = (Math.floor(i / to) * from + margin + (i % to)) * from + margin;
    return image.subarray(start, start + to);
  });
  const out = new Float32Array(rows.length * to);
  for (const [i, pixels] of rows.entries()) out.set(pixels, i * to);
  return out;
}
