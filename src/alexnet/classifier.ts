/**
 * A network together with what its images go through first: class scores, probabilities, hidden vectors and errors
 * of pixels 0-255.
 *
 * Bytes are uploaded to every device and become `(pixels - mean + colour) * scale` there, where the mean is the part
 * of the mean image that a crop covers, mirrored as it is, or its centre (recipe.mean).
 */
import type { Device } from '../core/device.js';
import { ArgumentError, DataError } from '../core/errors.js';
import { e } from '../core/expr.js';
import { eq, ne, sub } from '../core/ops/elementwise.js';
import { map, mapInto } from '../core/ops/launch.js';
import { crossEntropy, logSoftmax, logSumExp } from '../core/ops/loss.js';
import { argmax, sum, topk } from '../core/ops/reduce.js';
import { concat, flip, reshape, slice } from '../core/ops/views.js';
import { keep, scope } from '../core/scope.js';
import { noGrad } from '../core/tape.js';
import { Tensor } from '../core/tensor.js';
import { type Dataset, describeUnreadable } from '../data/dataset.js';
import { tenCrops } from '../data/images/cuts.js';
import { type Batch, batches } from '../data/loader.js';
import type { StateDict } from '../nn/module.js';
import { Network } from './network.js';
import type { Net, Recipe, TestCrops } from './recipes.js';

/** What a classifier is built from. */
export interface ClassifierOptions {
  readonly net: Net;
  readonly recipe: Recipe;
  readonly classes: number;
  readonly devices: readonly Device[];
  readonly seed: number;
  /** Mean training image `[3, imageSize, imageSize]`, 0-255. */
  readonly mean: Float32Array;
  /** Parameters instead of drawn ones, towers joined. */
  readonly parameters?: StateDict;
}

/** Scores of a batch. */
export interface ScoredBatch {
  /** `[N, classes]`, to be disposed of. */
  readonly scores: Tensor;
  /** `[N]`, class numbers, and places in the data set. */
  readonly labels: Int32Array;
  readonly indices: Uint32Array;
}

/** Errors on images not trained on, as fractions. */
export interface Evaluation {
  readonly loss: number;
  readonly error: number;
  /** True class not among the five most likely; NaN with fewer than six classes. */
  readonly top5Error: number;
  readonly images: number;
}

/** Images `[N, 3, size, size]`, 0-255; where they were cut from (the centre unless given); their shifts of colour. */
export type Input = Pick<Batch, 'images'> & Partial<Pick<Batch, 'offsets' | 'mirrored' | 'colour'>>;

/** Bytes, mean, and shift of colour. */
const shifted = e.mul(e.add(e.sub(e.input(0), e.input(1)), e.input(2)), e.param(0));
const normalized = e.mul(e.sub(e.input(0), e.input(1)), e.param(0));

/** The network and its input. */
export class Classifier {
  readonly network: Network;
  private readonly means: readonly Tensor[];

  /** @throws {ArgumentError} when the devices don't suit the placement, or images are smaller than the network's. */
  constructor(private readonly options: ClassifierOptions) {
    const { net, recipe, classes, devices, seed } = options;
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
      parameters: options.parameters,
      dropoutForm: recipe.dropoutForm,
    });
    const side = recipe.imageSize;
    const shape = [architecture.channels, side, side];
    this.means = this.network.devices.map((device) => keep(Tensor.from('mean', device, options.mean, shape)));
  }

  /** Images on each device as the network reads them. */
  upload(input: Input): Tensor[] {
    return this.network.devices.map((device, i) => scope(() => this.uploadTo(device, this.means[i]!, input)));
  }

  private uploadTo(device: Device, meanImage: Tensor, { images, offsets, mirrored, colour }: Input): Tensor {
    const { recipe, net } = this.options;
    const { channels, size } = net.architecture;
    const n = images.length / (channels * size * size);
    const bytes = Tensor.from('upload', device, images, [n, channels, size, size]);
    const divisor = colour && recipe.colourNoise ? recipe.colourNoise.divisor : 1;
    const params = [recipe.inputScale / divisor];
    const expr = colour ? shifted : normalized;
    const shifts = colour ? [Tensor.from('upload', device, colour, [n, channels, 1, 1])] : [];
    const middle = (recipe.imageSize - size) >> 1;
    const partAt = (top: number, left: number, mirror: boolean): Tensor => {
      const part = slice(slice(meanImage, 1, top, top + size), 2, left, left + size);
      return mirror ? flip(part, 2) : part;
    };
    if (recipe.mean === 'centre' || !offsets || !mirrored || areCentral(offsets, mirrored, middle)) {
      return map('normalize', expr, [bytes, partAt(middle, middle, false), ...shifts], { params });
    }
    const out = Tensor.empty('normalize', device, bytes.shape);
    for (let i = 0; i < n; i++) {
      const part = partAt(offsets[2 * i]!, offsets[2 * i + 1]!, mirrored[i] === 1);
      const own = [bytes, ...shifts].map((x) => slice(x, 0, i, i + 1));
      const inputs = [own[0]!, part, ...own.slice(1)];
      mapInto('normalize', [expr], inputs, [slice(out, 0, i, i + 1)], { params });
    }
    return out;
  }

  /** Class scores `[N, classes]`, without dropout. */
  predict(input: Input): Tensor {
    return this.inEvaluation(() => this.network.forward(this.upload(input)));
  }

  /** The last hidden layer's outputs (`Network.features`), without dropout. */
  features(input: Input): Tensor {
    return this.inEvaluation(() => this.network.features(this.upload(input)));
  }

  /**
   * Scores `[N, classes]` of a data set's images, batch by batch: of the centre, or the logarithm of the class
   * probabilities averaged over ten crops. Either way their softmax is the class probabilities.
   */
  async *scores(dataset: Dataset, crops: TestCrops): AsyncGenerator<ScoredBatch, void, void> {
    const { recipe, net } = this.options;
    const { size } = net.architecture;
    const batchSize = Math.max(1, Math.floor(recipe.batchSize / crops));
    for await (const batch of batches(dataset, crops === 1 ? { batchSize, crop: size } : { batchSize })) {
      const { labels, indices } = batch;
      const scores = scope(() => {
        if (crops === 1) return this.predict(batch);
        const each = this.predict(tenCrops(batch.images, recipe.imageSize, size));
        return noGrad(() => averageOverCrops(each, crops));
      });
      yield { scores, labels, indices };
    }
  }

  /** Runs the network without dropout or gradients, and sets it back to training if that is what it was doing. */
  private inEvaluation(run: () => Tensor): Tensor {
    const { training } = this.network;
    this.network.eval();
    try {
      return noGrad(() => scope(run));
    } finally {
      if (training) this.network.train();
    }
  }

  /** Loss and errors over a data set. @throws {DataError} when none of its images can be read. */
  async evaluate(
    dataset: Dataset,
    crops: TestCrops,
    onImages: (done: number, of: number) => void = () => {},
  ): Promise<Evaluation> {
    const totals = { images: 0, loss: 0, wrong: 0, missed: 0 };
    for await (const { scores, labels } of this.scores(dataset, crops)) {
      const figures = noGrad(() => scope(() => this.score(scores, labels)));
      scores.dispose();
      const [loss = Number.NaN, wrong = Number.NaN, hits = Number.NaN] = await figures.data();
      figures.dispose();
      totals.images += labels.length;
      totals.loss += loss;
      totals.wrong += wrong;
      totals.missed += labels.length - hits;
      onImages(totals.images, dataset.length);
    }
    const { images } = totals;
    if (images === 0) {
      throw new DataError(
        `${dataset.name}: ${describeUnreadable(dataset.unreadable)}, none is left to evaluate`,
      );
    }
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

  /** Gives parameters and means back. */
  dispose(): void {
    this.network.dispose();
    for (const mean of this.means) mean.dispose();
  }
}

/**
 * The logarithm of the class probabilities averaged over the crops of each image, `[N * crops, classes]` to
 * `[N, classes]`. It is worked out from logarithms, so that it is finite for classes too unlikely for a float32.
 */
export function averageOverCrops(logits: Tensor, crops: number): Tensor {
  return scope(() => {
    const logProbabilities = reshape(logSoftmax(logits), [-1, crops, logits.shape[1]!]);
    return sub(logSumExp(logProbabilities, { axes: 1 }), Math.log(crops));
  });
}

/** Scalars side by side, to be read back at once. */
export function row(scalars: readonly Tensor[]): Tensor {
  return concat(
    scalars.map((x) => reshape(x, [1])),
    0,
  );
}

function areCentral(offsets: Int32Array, mirrored: Uint8Array, middle: number): boolean {
  return offsets.every((offset) => offset === middle) && mirrored.every((mirror) => mirror === 0);
}
