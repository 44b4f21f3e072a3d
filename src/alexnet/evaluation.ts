/**
 * Evaluation of trained networks: class probabilities over a data set, averaged over crops and over networks, and the
 * errors that follow, overall and class by class.
 *
 * With p_m(c | image) the softmax output of network m, averaged over the crops, the answer is the class of the largest
 * mean over m (the paper's section 6 averages up to seven networks).
 */
import type { Device } from '../core/device.js';
import { ArgumentError, DataError } from '../core/errors.js';
import { type Dataset, describeUnreadable } from '../data/dataset.js';
import { lossOf, type Report, Tally } from '../train/classification.js';
import { type EvaluateOptions, stopAsked } from '../train/inference.js';
import { gatherRows } from '../train/ranks/gathering.js';
import { Ranks } from '../train/ranks/ranks.js';
import type { RunCheckpoint } from './checkpoint.js';
import { Classifier } from './classifier.js';
import { netOf } from './description.js';
import type { TestCrops } from './recipes.js';

/** Class probabilities of the readable images of a data set. */
export interface Answers {
  /** `[N, classes]`, row by row. */
  readonly probabilities: Float32Array;
  /** `[N]`, class numbers, and the images' places in the data set. */
  readonly labels: Int32Array;
  readonly indices: Uint32Array;
  /** `[N]`, -log p(true class); taken from `probabilities`, which hold nothing below 2^-149, where it is left out. */
  readonly losses?: Float32Array;
}

/** A network with all that its answers depend on: of a checkpoint, or made of weights from elsewhere. */
export type TrainedNetwork = Pick<RunCheckpoint, 'run' | 'mean' | 'parameters'>;

/** Builds a trained network. @throws {DataError} @throws {ArgumentError} when the devices don't suit it. */
export function loadClassifier(
  { run, mean, parameters }: TrainedNetwork,
  devices: readonly Device[],
): Classifier {
  const classifier = new Classifier({
    net: netOf(run),
    recipe: run.recipe,
    classes: run.classes.length,
    devices,
    seed: run.seed,
    mean,
    parameters,
  });
  classifier.network.eval();
  return classifier;
}

/**
 * What one network comes to, validated as `fit` does it; null when `signal` was aborted. Of several ranks each looks at
 * its share of the images, and all get the counts of all.
 * @throws {DataError} when none of its images can be read.
 */
export async function validate(
  classifier: Classifier,
  dataset: Dataset,
  crops: TestCrops,
  { onBatch = () => {}, signal, ranks = Ranks.alone() }: EvaluateOptions = {},
): Promise<Report | null> {
  const tally = new Tally(dataset.classes);
  let done = 0;
  for await (const { scores, labels } of classifier.scores(dataset, crops, ranks.replicas)) {
    const width = scores.length / labels.length;
    for (const [i, label] of labels.entries()) tally.add(scores.subarray(i * width, (i + 1) * width), label);
    done += labels.length;
    await onBatch(Math.min(done * ranks.replicas.size, dataset.length), dataset.length);
    if (await stopAsked(ranks, signal)) return null;
  }
  await tally.gather(ranks.replicas);
  if (tally.images === 0) {
    const { name, unreadable } = dataset;
    throw new DataError(`${name}: ${describeUnreadable(unreadable)}, none is left to evaluate`);
  }
  return tally.report();
}

/**
 * The answers of one network. Of several ranks each looks at its share of the images, and all get the answers to all, in
 * the order of the images.
 */
export async function answersOf(
  classifier: Classifier,
  dataset: Dataset,
  crops: TestCrops,
  onImages: (done: number, of: number) => void = () => {},
  ranks = Ranks.alone(),
): Promise<Answers> {
  const { replicas } = ranks;
  const numbers: number[] = [];
  /** The probabilities, then the loss and the label. */
  const rows: Float32Array[] = [];
  for await (const batch of classifier.scores(dataset, crops, replicas)) {
    const width = batch.scores.length / batch.labels.length;
    for (const [i, label] of batch.labels.entries()) {
      const scores = batch.scores.subarray(i * width, (i + 1) * width);
      rows.push(Float32Array.of(...softmax(scores), lossOf(scores, label), label));
    }
    numbers.push(...batch.indices);
    onImages(Math.min(numbers.length * replicas.size, dataset.length), dataset.length);
  }
  const all = await gatherRows(replicas, { numbers, rows });
  const width = Math.max(0, (all.rows[0]?.length ?? 2) - 2);
  const probabilities = new Float32Array(all.rows.length * width);
  for (const [i, row] of all.rows.entries()) probabilities.set(row.subarray(0, width), i * width);
  return {
    probabilities,
    labels: Int32Array.from(all.rows, (row) => row[width + 1]!),
    indices: Uint32Array.from(all.numbers),
    losses: Float32Array.from(all.rows, (row) => row[width]!),
  };
}

/** Class probabilities of a row of scores. */
function softmax(scores: Float32Array): Float32Array {
  const largest = scores.reduce((most, score) => Math.max(most, score), Number.NEGATIVE_INFINITY);
  const total = scores.reduce((sum, score) => sum + Math.exp(score - largest), 0);
  return scores.map((score) => Math.exp(score - largest) / total);
}

/** The smallest float32 above 0. */
const smallest = 2 ** -149;

/** -log p(true class) of image number i. */
function lossOfAnswer({ probabilities, labels, losses }: Answers, i: number): number {
  const width = probabilities.length / labels.length;
  return losses?.[i] ?? -Math.log(Math.max(probabilities[i * width + labels[i]!]!, smallest));
}

/**
 * The mean of several networks' answers to the same images.
 * @throws {ArgumentError} when they aren't of the same images and classes.
 */
export function averageAnswers(all: readonly Answers[]): Answers {
  const [first] = all;
  if (!first) throw new ArgumentError('averageAnswers: got no answers');
  for (const { probabilities, indices } of all) {
    const alike =
      probabilities.length === first.probabilities.length &&
      indices.every((index, i) => index === first.indices[i]);
    if (!alike) throw new ArgumentError('averageAnswers: the answers are of different images or classes');
  }
  const probabilities = first.probabilities.map(
    (_, i) => all.reduce((sum, answers) => sum + answers.probabilities[i]!, 0) / all.length,
  );
  const losses = Float32Array.from(first.labels, (_, i) => {
    const each = all.map((answers) => lossOfAnswer(answers, i));
    const least = Math.min(...each);
    return least - Math.log(each.reduce((sum, loss) => sum + Math.exp(least - loss), 0) / each.length);
  });
  return { ...first, probabilities, losses };
}

/** The `count` most likely classes of a row, the likeliest first; of equals the lower number. */
export function likeliest(row: Float32Array, count: number): number[] {
  return Array.from(row.keys())
    .sort((a, b) => row[b]! - row[a]! || a - b)
    .slice(0, count);
}

/**
 * Errors of answers.
 * @throws {DataError} when there are none.
 */
export function reportOf(answers: Answers, classes: readonly string[]): Report {
  const tally = new Tally(classes);
  const width = classes.length;
  for (const [i, label] of answers.labels.entries()) {
    tally.add(answers.probabilities.subarray(i * width, (i + 1) * width), label, lossOfAnswer(answers, i));
  }
  return tally.report();
}
