/**
 * Evaluation of trained networks: class probabilities over a data set, averaged over crops and over networks, and the
 * errors that follow, overall and class by class.
 *
 * With p_m(c | image) the softmax output of network m, averaged over the crops, the answer is the class of the largest
 * mean over m (the paper's section 6 averages up to seven networks).
 */
import type { Device } from '../core/device.js';
import { ArgumentError, DataError } from '../core/errors.js';
import { crossEntropy, softmax } from '../core/ops/loss.js';
import { scope } from '../core/scope.js';
import { noGrad } from '../core/tape.js';
import { Tensor } from '../core/tensor.js';
import type { Dataset } from '../data/dataset.js';
import type { Checkpoint } from './checkpoint.js';
import { Classifier } from './classifier.js';
import type { TestCrops } from './recipes.js';
import { netOf } from './run.js';

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

/** How one class fares. Errors are fractions of its images; NaN without any. */
export interface ClassErrors {
  readonly name: string;
  readonly images: number;
  readonly top1Error: number;
  readonly top5Error: number;
  /** The class its wrong answers name most often, and how often; null without wrong answers. */
  readonly takenFor: { readonly name: string; readonly images: number } | null;
}

/** Errors over a data set. */
export interface Report {
  readonly images: number;
  /** Mean of -log p(true class). */
  readonly loss: number;
  readonly top1Error: number;
  /** NaN with fewer than six classes. */
  readonly top5Error: number;
  readonly perClass: readonly ClassErrors[];
}

/** Builds the network of a checkpoint. @throws {DataError} @throws {ArgumentError} when the devices don't suit it. */
export function loadClassifier(
  { run, mean, parameters }: Checkpoint,
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

/** The answers of one network. */
export async function answersOf(
  classifier: Classifier,
  dataset: Dataset,
  crops: TestCrops,
  onImages: (done: number, of: number) => void = () => {},
): Promise<Answers> {
  const rows: Float32Array[] = [];
  const losses: number[] = [];
  const labels: number[] = [];
  const indices: number[] = [];
  for await (const batch of classifier.scores(dataset, crops)) {
    const { scores } = batch;
    const [probabilities, ofTrue] = noGrad(() =>
      scope((): [Tensor, Tensor] => {
        const classes = Tensor.from('labels', scores.device, batch.labels, [batch.labels.length]);
        return [softmax(scores), crossEntropy(scores, classes, 'none')];
      }),
    );
    rows.push(Float32Array.from(await probabilities.data()));
    losses.push(...(await ofTrue.data()));
    for (const x of [probabilities, ofTrue, scores]) x.dispose();
    labels.push(...batch.labels);
    indices.push(...batch.indices);
    onImages(labels.length, dataset.length);
  }
  const joined = new Float32Array(rows.reduce((sum, row) => sum + row.length, 0));
  let start = 0;
  for (const row of rows) {
    joined.set(row, start);
    start += row.length;
  }
  return {
    probabilities: joined,
    labels: Int32Array.from(labels),
    indices: Uint32Array.from(indices),
    losses: Float32Array.from(losses),
  };
}

/** The smallest float32 above 0. */
const smallest = 2 ** -149;

/** -log p(true class) of image number i. */
function lossOf({ probabilities, labels, losses }: Answers, i: number): number {
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
    const each = all.map((answers) => lossOf(answers, i));
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
  const { probabilities, labels } = answers;
  const count = labels.length;
  if (count === 0) throw new DataError('no readable image to evaluate');
  const width = classes.length;
  const tallies = classes.map(() => ({ images: 0, wrong: 0, missed: 0, answers: new Map<number, number>() }));
  let loss = 0;
  for (let i = 0; i < count; i++) {
    const row = probabilities.subarray(i * width, (i + 1) * width);
    const label = labels[i]!;
    const tally = tallies[label]!;
    const p = row[label]!;
    // As top-k errors are defined: how many classes are ahead of the true one, equals counted by number.
    let ahead = 0;
    let best = 0;
    for (let c = 0; c < width; c++) {
      if (row[c]! > p || (row[c] === p && c < label)) ahead++;
      if (row[c]! > row[best]!) best = c;
    }
    tally.images++;
    if (ahead >= 5) tally.missed++;
    if (ahead >= 1) {
      tally.wrong++;
      tally.answers.set(best, (tally.answers.get(best) ?? 0) + 1);
    }
    loss += lossOf(answers, i);
  }
  const sum = (of: (tally: (typeof tallies)[number]) => number): number =>
    tallies.reduce((total, tally) => total + of(tally), 0);
  const top5 = (missed: number, images: number): number => (width > 5 ? missed / images : Number.NaN);
  return {
    images: count,
    loss: loss / count,
    top1Error: sum((t) => t.wrong) / count,
    top5Error: top5(
      sum((t) => t.missed),
      count,
    ),
    perClass: tallies.map(({ images, wrong, missed, answers }, label) => {
      const [most] = [...answers].sort((a, b) => b[1] - a[1] || a[0] - b[0]);
      return {
        name: classes[label]!,
        images,
        top1Error: wrong / images,
        top5Error: top5(missed, images),
        takenFor: most ? { name: classes[most[0]]!, images: most[1] } : null,
      };
    }),
  };
}
