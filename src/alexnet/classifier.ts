/**
 * A network together with what its images go through first: class scores and hidden vectors of pixels 0-255.
 *
 * Bytes are uploaded to every device and become `(pixels - mean + colour) * scale` there, where the mean is the part
 * of the mean image that a crop covers, mirrored as it is, or its centre (recipe.mean), and the scale is one for all
 * channels or one for each.
 */
import type { Device } from '../core/device.js';
import { ArgumentError } from '../core/errors.js';
import { type Expr, e } from '../core/expr.js';
import { sub } from '../core/ops/elementwise.js';
import { map, mapInto } from '../core/ops/launch.js';
import { logSoftmax, logSumExp } from '../core/ops/softmax.js';
import { flip, reshape, slice } from '../core/ops/views.js';
import { keep, scope } from '../core/scope.js';
import { formatShape, sameShape } from '../core/shape.js';
import { Tensor } from '../core/tensor.js';
import type { Share } from '../data/batchSource.js';
import type { Dataset } from '../data/dataset.js';
import { tenCrops } from '../data/images/cuts.js';
import { type Batch, placedBatches } from '../data/loader.js';
import { assign, type HostTensor, type StateDict } from '../nn/module.js';
import { inEvaluation, inferences } from '../train/inference.js';
import { meansUnder } from './means.js';
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
  /** `[N, classes]`, row by row. */
  readonly scores: Float32Array;
  /** `[N]`, class numbers, and places in the data set. */
  readonly labels: Int32Array;
  readonly indices: Uint32Array;
}

/** Images `[N, 3, size, size]`, 0-255; where they were cut from (the centre unless given); their shifts of colour. */
export type Input = Pick<Batch, 'images'> & Partial<Pick<Batch, 'offsets' | 'mirrored' | 'colour'>>;

/** Of bytes, mean, and where there are any shifts of colour and the channels' own scales. */
function normalized(shifts: boolean, scales: boolean): Expr {
  const centred = e.sub(e.input(0), e.input(1));
  const coloured = shifts ? e.add(centred, e.input(2)) : centred;
  return e.mul(scales ? e.mul(coloured, e.input(shifts ? 3 : 2)) : coloured, e.param(0));
}

/** The network and its input. */
export class Classifier {
  readonly network: Network;
  private meanImage: HostTensor;
  private readonly means: readonly Tensor[];
  /** `[channels, 1, 1]` on each device; none where one scale is for all. */
  private readonly scales: readonly Tensor[];

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
    this.meanImage = { shape: [architecture.channels, side, side], data: options.mean };
    const { shape } = this.meanImage;
    this.means = this.network.devices.map((device) => keep(Tensor.from('mean', device, options.mean, shape)));
    const { inputScale } = recipe;
    this.scales =
      typeof inputScale === 'number'
        ? []
        : this.network.devices.map((device) => scalesOn(device, inputScale));
  }

  /** The mean training image. */
  get mean(): HostTensor {
    return this.meanImage;
  }

  /** Takes another mean image. @throws {ArgumentError} for one of another size; then nothing changed. */
  loadMean(mean: HostTensor | undefined): void {
    this.meanImage = this.checkMean(mean);
    for (const x of this.means) assign('mean', x, this.meanImage.data);
  }

  /** A mean image, if it fits. @throws {ArgumentError} for one of another size */
  checkMean(mean: HostTensor | undefined): HostTensor {
    const { shape } = this.meanImage;
    if (mean && sameShape(mean.shape, shape) && mean.data instanceof Float32Array) return mean;
    const given = mean ? formatShape(mean.shape) : 'missing';
    throw new ArgumentError(`the mean image is ${given}, expected ${formatShape(shape)}`);
  }

  /** Images on each device as the network reads them. */
  upload(input: Input): Tensor[] {
    return this.network.devices.map((device, i) => scope(() => this.uploadTo(device, i, input)));
  }

  private uploadTo(device: Device, at: number, { images, offsets, mirrored, colour }: Input): Tensor {
    const meanImage = this.means[at]!;
    const { recipe, net } = this.options;
    const { name, channels, size } = net.architecture;
    const n = images.length / (channels * size * size);
    if (!Number.isInteger(n)) {
      throw new ArgumentError(
        `${name}: ${images.length} bytes aren't whole images of ${channels}x${size}x${size}; a grey image gives its ` +
          `one channel ${channels} times`,
      );
    }
    const bytes = Tensor.from('upload', device, images, [n, channels, size, size]);
    const divisor = colour && recipe.colourNoise ? recipe.colourNoise.divisor : 1;
    const { inputScale } = recipe;
    const params = [(typeof inputScale === 'number' ? inputScale : 1) / divisor];
    const shifts = colour ? [Tensor.from('upload', device, colour, [n, channels, 1, 1])] : [];
    const scales = this.scales.slice(at, at + 1);
    const expr = normalized(shifts.length > 0, scales.length > 0);
    const middle = (recipe.imageSize - size) >> 1;
    const partAt = (top: number, left: number, mirror: boolean): Tensor => {
      const part = slice(slice(meanImage, 1, top, top + size), 2, left, left + size);
      return mirror ? flip(part, 2) : part;
    };
    if (recipe.mean === 'centre' || !offsets || !mirrored || areCentral(offsets, mirrored, middle)) {
      return map('normalize', expr, [bytes, partAt(middle, middle, false), ...shifts, ...scales], { params });
    }
    if (device.kind !== 'cpu') {
      const means = meansUnder(meanImage, size, { offsets, mirrored });
      return map('normalize', expr, [bytes, means, ...shifts, ...scales], { params });
    }
    // A map for each image costs a CPU's queue next to nothing, and gathering their means as long again as the map.
    const out = Tensor.empty('normalize', device, bytes.shape);
    for (let i = 0; i < n; i++) {
      const part = partAt(offsets[2 * i]!, offsets[2 * i + 1]!, mirrored[i] === 1);
      const own = [bytes, ...shifts].map((x) => slice(x, 0, i, i + 1));
      const inputs = [own[0]!, part, ...own.slice(1), ...scales];
      mapInto('normalize', [expr], inputs, [slice(out, 0, i, i + 1)], { params });
    }
    return out;
  }

  /** Class scores `[N, classes]`, without dropout. */
  predict(input: Input): Tensor {
    return inEvaluation(this.network, () => this.network.forward(this.upload(input)));
  }

  /** The last hidden layer's outputs (`Network.features`), without dropout. */
  features(input: Input): Tensor {
    return inEvaluation(this.network, () => this.network.features(this.upload(input)));
  }

  /**
   * Scores `[N, classes]` of a data set's images, batch by batch: of the centre, or the logarithm of the class
   * probabilities averaged over ten crops. Either way their softmax is the class probabilities.
   * @param share of each batch, by default all of it; where one has nothing of a batch, it gives one of no images
   */
  async *scores(dataset: Dataset, crops: TestCrops, share?: Share): AsyncGenerator<ScoredBatch, void, void> {
    const { recipe, net } = this.options;
    const { size } = net.architecture;
    const batchSize = Math.max(1, Math.floor(recipe.batchSize / crops));
    const options = crops === 1 ? { batchSize, crop: size, share } : { batchSize, share };
    const results = inferences(this.network, placedBatches(dataset, options), ([, batch]) => {
      if (crops === 1) return this.network.forward(this.upload(batch));
      const input = tenCrops(batch.images, recipe.imageSize, size);
      return averageOverCrops(this.network.forward(this.upload(input)), crops);
    });
    for await (const { batch, numbers } of results) {
      const [, { labels, indices }, counts = true] = batch;
      if (counts) yield { scores: Float32Array.from(numbers), labels, indices };
      else yield { scores: new Float32Array(0), labels: new Int32Array(0), indices: new Uint32Array(0) };
    }
  }

  /** Gives parameters and means back. */
  dispose(): void {
    this.network.dispose();
    for (const x of [...this.means, ...this.scales]) x.dispose();
  }
}

function scalesOn(device: Device, scales: readonly number[]): Tensor {
  return keep(Tensor.from('scale', device, Float32Array.from(scales), [scales.length, 1, 1]));
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

function areCentral(offsets: Int32Array, mirrored: Uint8Array, middle: number): boolean {
  return offsets.every((offset) => offset === middle) && mirrored.every((mirror) => mirror === 0);
}
