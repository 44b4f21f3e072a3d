/**
 * How well classes are told apart: the loss -log p(true class), the error (the likeliest class isn't the true one) and
 * the top-5 error (the true class isn't among the five likeliest). Of classes with equal scores the one of the lower
 * number is ahead.
 *
 * `classification` counts on the device, for steps; `Tally` on the host, class by class, for evaluation.
 */
import { DataError } from '../core/errors.js';
import { eq, ne, sub } from '../core/ops/elementwise.js';
import { crossEntropy } from '../core/ops/loss.js';
import { argmax, sum, topk } from '../core/ops/reduce.js';
import { reshape } from '../core/ops/views.js';
import { noGrad } from '../core/tape.js';
import { Tensor } from '../core/tensor.js';
import { list, nullable, number, object, parseJson, type Schema, tuple, whole } from '../formats/json.js';
import type { Ranks } from './ranks/ranks.js';
import type { StepResult } from './step.js';

/** Whether there's a top-5 error of so many classes. */
const hasTop5 = (classes: number): boolean => classes > 5;

/**
 * What a classifier's step reports: the mean cross-entropy, and sums of errors.
 * @param logits `[N, classes]`
 * @param labels `[N]`, class numbers
 * @param options `top5`: count the top-5 error as well, where there are more than five classes. Default false
 */
export function classification(
  logits: Tensor,
  labels: Int32Array,
  options: { readonly top5?: boolean } = {},
): StepResult {
  const [count = 0, classes = 0] = logits.shape;
  const truth = Tensor.from('labels', logits.device, labels, [labels.length]);
  const loss = crossEntropy(logits, truth);
  return noGrad(() => {
    const error = sum(ne(argmax(logits), truth));
    if (!options.top5 || !hasTop5(classes)) return { loss, sums: { error }, count };
    const hits = sum(eq(topk(logits, 5).indices, reshape(truth, [count, 1])));
    return { loss, sums: { error, top5Error: sub(count, hits) }, count };
  });
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

/** What is counted of one class. */
class ClassTally {
  images = 0;
  wrong = 0;
  missed = 0;
  /** How often each class was answered wrongly. */
  readonly answers = new Map<number, number>();

  /** Adds what was counted elsewhere. */
  add({ images, wrong, missed, answers }: Counts['classes'][number]): void {
    this.images += images;
    this.wrong += wrong;
    this.missed += missed;
    for (const [answer, times] of answers) this.answers.set(answer, (this.answers.get(answer) ?? 0) + times);
  }
}

/** What a rank has counted, as it tells the others. */
interface Counts {
  /** Null where it isn't finite. */
  readonly loss: number | null;
  readonly classes: readonly {
    readonly images: number;
    readonly wrong: number;
    readonly missed: number;
    readonly answers: readonly (readonly [number, number])[];
  }[];
}

const countsSchema: Schema<Counts> = object<Counts>({
  loss: nullable(number()),
  classes: list(
    object({ images: whole(), wrong: whole(), missed: whole(), answers: list(tuple(whole(), whole())) }),
  ),
});

/** Counts answers, one image after the other. */
export class Tally {
  private readonly tallies: readonly ClassTally[];
  private loss = 0;

  /** @param classes names, by number */
  constructor(private readonly classes: readonly string[]) {
    this.tallies = classes.map(() => new ClassTally());
  }

  /**
   * Counts an image.
   * @param scores `[classes]`: logits, probabilities, or whatever grows with them
   * @param label the true class
   * @param loss -log p(true class); default: of the scores as logits
   */
  add(scores: Float32Array, label: number, loss = lossOf(scores, label)): void {
    const tally = this.tallies[label];
    if (!tally) throw new DataError(`label ${label} is none of the ${this.classes.length} classes`);
    const score = scores[label]!;
    let ahead = 0;
    let best = 0;
    for (let c = 0; c < scores.length; c++) {
      if (scores[c]! > score || (scores[c] === score && c < label)) ahead++;
      if (scores[c]! > scores[best]!) best = c;
    }
    tally.images++;
    if (ahead >= 5) tally.missed++;
    if (ahead >= 1) {
      tally.wrong++;
      tally.answers.set(best, (tally.answers.get(best) ?? 0) + 1);
    }
    this.loss += loss;
  }

  /** Images counted. */
  get images(): number {
    return this.total('images');
  }

  /** Adds what other ranks counted: all have the sums of all then. */
  async gather(ranks: Ranks): Promise<void> {
    if (ranks.size === 1) return;
    const classes = this.tallies.map(({ images, wrong, missed, answers }) => {
      return { images, wrong, missed, answers: [...answers] };
    });
    const text = JSON.stringify({ loss: Number.isFinite(this.loss) ? this.loss : null, classes });
    const all = await ranks.gather(new TextEncoder().encode(text));
    const counts = all.map((bytes, rank) =>
      parseJson(new TextDecoder().decode(bytes), `rank ${rank}`, countsSchema),
    );
    // In the order of ranks, so that all come to the same loss.
    this.loss = counts.reduce((sum, { loss }) => sum + (loss ?? Number.NaN), 0);
    for (const [rank, { classes }] of counts.entries()) {
      if (rank === ranks.rank) continue;
      for (const [label, counted] of classes.entries()) this.tallies[label]!.add(counted);
    }
  }

  private total(of: 'images' | 'wrong' | 'missed'): number {
    return this.tallies.reduce((all, tally) => all + tally[of], 0);
  }

  /** What the images so far came to. @throws {DataError} when there are none */
  report(): Report {
    const { images } = this;
    if (images === 0) throw new DataError('no readable image to evaluate');
    const top5 = (missed: number, among: number): number =>
      hasTop5(this.classes.length) ? missed / among : Number.NaN;
    return {
      images,
      loss: this.loss / images,
      top1Error: this.total('wrong') / images,
      top5Error: top5(this.total('missed'), images),
      perClass: this.tallies.map((tally, label) => {
        const [most] = [...tally.answers].sort((a, b) => b[1] - a[1] || a[0] - b[0]);
        return {
          name: this.classes[label]!,
          images: tally.images,
          top1Error: tally.wrong / tally.images,
          top5Error: top5(tally.missed, tally.images),
          takenFor: most ? { name: this.classes[most[0]]!, images: most[1] } : null,
        };
      }),
    };
  }
}

/** -log p of a class, where p is the softmax of the scores. */
export function lossOf(scores: Float32Array, label: number): number {
  const likeliest = scores.reduce((best, score, c) => (score > scores[best]! ? c : best), 0);
  const largest = scores[likeliest]!;
  // The largest adds exactly 1, which would swallow what others add where a sample is learned well.
  const others = scores.reduce(
    (all, score, c) => (c === likeliest ? all : all + Math.exp(score - largest)),
    0,
  );
  return largest - scores[label]! + Math.log1p(others);
}
