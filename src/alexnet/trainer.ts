/**
 * A network of the tables in training, as `fit` takes it: its step, its optimizer with a group for each layer's weights
 * and biases, its schedule, its images.
 *
 * Everything random is counted by seed, epoch, image and step, so that a training goes on bit for bit.
 */
import { ArgumentError } from '../core/errors.js';
import type { PartState, Stateful } from '../core/state.js';
import type { BatchSource } from '../data/batchSource.js';
import type { Dataset } from '../data/dataset.js';
import { type ColourNoise, type Pca, pcaSchema } from '../data/images/pca.js';
import { type Batch, imageBatches } from '../data/loader.js';
import { checkJson, nullable } from '../formats/json.js';
import { PlateauSchedule, type Schedule, StepSchedule } from '../nn/schedule.js';
import { SGD } from '../nn/sgd.js';
import { classification } from '../train/classification.js';
import type { FitOptions } from '../train/fit.js';
import { optimizerState, type Parts } from '../train/parts.js';
import type { Learner, StepResult } from '../train/step.js';
import { Classifier, type ClassifierOptions, type Input } from './classifier.js';
import type { Network } from './network.js';
import type { ScheduleRecipe } from './recipes.js';
import { SlowedLayers } from './slowed.js';

/** What is needed to train. */
export interface TrainerOptions extends ClassifierOptions {
  /** Principal components of the training images' colours, for recipes with colour noise. */
  readonly pca?: Pca;
}

/** What a step learns from. */
export type LabelledImages = Input & Pick<Batch, 'labels'>;

/** What `fit` takes of a trainer. */
type TrainerFit = Pick<FitOptions<Batch>, 'model' | 'step' | 'optimizer' | 'schedule' | 'random' | 'data'>;

/** A network in training. */
export class Trainer implements Learner<LabelledImages> {
  readonly classifier: Classifier;
  readonly model: Network;
  readonly optimizer: SGD;
  readonly schedule: Schedule;
  /** What checkpoints hold besides what every training has. */
  readonly parts: { readonly data: Stateful };
  /** The factor of the rates of layers that have no rate of their own. */
  private readonly rates: StepSchedule | PlateauSchedule;
  private pca: Pca | null;

  /** @throws {ArgumentError} when the devices don't suit the placement, or a rate is below 0. */
  constructor(private readonly options: TrainerOptions) {
    const { recipe } = options;
    this.pca = options.pca ?? null;
    this.classifier = new Classifier(options);
    this.model = this.classifier.network;
    this.optimizer = optimizerOf(this.model, options);
    this.rates = ratesOf(this.optimizer, recipe.schedule);
    this.schedule = new SlowedLayers(this.rates, this.optimizer, recipe.slowed);
    this.parts = { data: this.dataState() };
  }

  /** All that a checkpoint sets besides where training stands. */
  get restorable(): Parts {
    const { model, optimizer, schedule, parts } = this;
    const random = model.generator;
    return { model, optimizer: optimizerState(optimizer, model), schedule, random, ...parts };
  }

  /** The rate of the weights in the next step, of layers that have no rate of their own. */
  get learningRate(): number {
    return this.options.recipe.learningRate * this.rates.state().json.factor;
  }

  /** Loss and number of wrong answers of a batch. */
  readonly step = (batch: LabelledImages): StepResult =>
    classification(this.model.forward(this.classifier.upload(batch)), batch.labels);

  /** What `fit` takes of it to train on a data set. */
  fitting(dataset: Dataset): TrainerFit {
    const { model, step, optimizer, schedule } = this;
    return { model, step, optimizer, schedule, random: model.generator, data: this.source(dataset) };
  }

  /** A data set's images as steps see them. @throws {ArgumentError} for colour noise without `pca`, once an epoch is asked for */
  source(dataset: Dataset): BatchSource<Batch> {
    const { recipe, net, seed } = this.options;
    return imageBatches(dataset, (epoch) => ({
      batchSize: recipe.batchSize,
      seed,
      shuffle: true,
      crop: net.architecture.size,
      augment: recipe.augment,
      places: recipe.cropPlaces,
      sharedBy: recipe.cropSharedBy,
      colour: this.colourNoise(epoch),
    }));
  }

  /** The noise that an epoch's images get. */
  private colourNoise(epoch: number): ColourNoise | undefined {
    const noise = this.options.recipe.colourNoise;
    if (!noise || epoch >= (noise.until ?? Number.POSITIVE_INFINITY)) return undefined;
    if (!this.pca) throw new ArgumentError('Trainer: the recipe has colour noise, which needs pca');
    return { ...noise, pca: this.pca };
  }

  /** Mean and colours of the images trained on. */
  private dataState(): Stateful {
    const checkState = (state: PartState): void => {
      this.classifier.checkMean(state.tensors?.get('mean'));
      checkJson(state.json, 'colours', nullable(pcaSchema));
    };
    return {
      state: () => ({ tensors: new Map([['mean', this.classifier.mean]]), json: this.pca }),
      checkState,
      loadState: (state) => {
        checkState(state);
        this.classifier.loadMean(state.tensors?.get('mean'));
        this.pca = checkJson(state.json, 'colours', nullable(pcaSchema));
      },
    };
  }

  /** Gives parameters, velocities and means back. */
  dispose(): void {
    this.classifier.dispose();
    this.optimizer.dispose();
  }
}

/** A group for each layer's weights, and one for its biases, of all towers. */
function optimizerOf(network: Network, { net, recipe }: TrainerOptions): SGD {
  const { learningRate, biasRate, momentum, weightDecay, biasDecay, lowered } = recipe;
  const decays = new Map(net.architecture.layers.map((spec) => [spec.name, spec.weightDecay]));
  const biases = {
    learningRate: biasRate,
    momentum,
    weightDecay: biasDecay,
    scheduled: lowered === 'all',
  };
  return new SGD(
    [...network.joinedParameters()].map(([name, params]) => {
      if (name.endsWith('.bias')) return { name, params, ...biases };
      const layer = name.slice(0, name.lastIndexOf('.'));
      return { name, params, learningRate, momentum, weightDecay: decays.get(layer) ?? weightDecay };
    }),
  );
}

function ratesOf(optimizer: SGD, schedule: ScheduleRecipe): StepSchedule | PlateauSchedule {
  const { factor } = schedule;
  if (schedule.kind === 'step') {
    return new StepSchedule(optimizer, { milestones: schedule.milestones, factor });
  }
  const { patience, maxDrops } = schedule;
  return new PlateauSchedule(optimizer, { patience, maxDrops, factor });
}
