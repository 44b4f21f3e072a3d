/**
 * A network together with what its images go through first: class scores, probabilities, hidden vectors and errors
 * of pixels 0-255.
 *
 * Bytes are uploaded to every device and become `(pixels - mean) * scale` there.
 */
import type { Device } from '../core/device.js';
import { ArgumentError } from '../core/errors.js';
import { e } from '../core/expr.js';
import { eq, ne } from '../core/ops/elementwise.js';
import { map } from '../core/ops/launch.js';
import { crossEntropy } from '../core/ops/loss.js';
import { argmax, sum, topk } from '../core/ops/reduce.js';
import { concat, reshape } from '../core/ops/views.js';
import { keep, scope } from '../core/scope.js';
import { noGrad } from '../core/tape.js';
import { Tensor } from '../core/tensor.js';
import type { Dataset } from './data/dataset.js';
import { batchCount, batches } from './data/loader.js';
import { Network } from './network.js';
import type { Net, Recipe } from './recipes.js';

/** What a classifier is built from. */
export interface ClassifierOptions {
  readonly net: Net;
  readonly recipe: Recipe;
  readonly classes: number;
  readonly devices: readonly Device[];
  readonly seed: number;
  /** Mean training image `[3, imageSize, imageSize]`, 0-255. */
  readonly mean: Float32Array;
}

/** Errors on images not trained on, as fractions. */
export interface Evaluation {
  readonly loss: number;
  readonly error: number;
  /** True class not among the five most likely; NaN with fewer than six classes. */
  readonly top5Error: number;
  readonly images: number;
}

const normalized = e.mul(e.sub(e.input(0), e.input(1)), e.param(0));

/** The network and its input. */
export class Classifier {
  readonly network: Network;
  private readonly means: readonly Tensor[];

  /** @throws {ArgumentError} when the devices don't suit the placement, or images are smaller than the network's. */
  constructor(private readonly options: ClassifierOptions) {
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
    const centre = centreCrop(mean, recipe.imageSize, architecture.size);
    const shape = [architecture.channels, architecture.size, architecture.size];
    this.means = this.network.devices.map((device) => keep(Tensor.from('mean', device, centre, shape)));
  }

  /** Images `[N, 3, size, size]`, 0-255, on each device as the network reads them. */
  upload(images: Uint8Array): Tensor[] {
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

  /** Class scores `[N, classes]` of images `[N, 3, size, size]`, 0-255, without dropout. */
  predict(images: Uint8Array): Promise<Tensor> {
    return this.inEvaluation(() => this.network.forward(this.upload(images)));
  }

  /** The last hidden layer's outputs (`Network.features`) of images `[N, 3, size, size]`, 0-255, without dropout. */
  features(images: Uint8Array): Promise<Tensor> {
    return this.inEvaluation(() => this.network.features(this.upload(images)));
  }

  /** Runs the network without dropout or gradients, and sets it back to training if that is what it was doing. */
  private async inEvaluation(run: () => Promise<Tensor>): Promise<Tensor> {
    const { training } = this.network;
    this.network.eval();
    try {
      return await noGrad(() => scope(run));
    } finally {
      if (training) this.network.train();
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

  /** Gives parameters and means back. */
  dispose(): void {
    this.network.dispose();
    for (const mean of this.means) mean.dispose();
  }
}

/** Scalars side by side, to be read back at once. */
export function row(scalars: readonly Tensor[]): Tensor {
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
