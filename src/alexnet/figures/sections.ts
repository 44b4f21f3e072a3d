/**
 * Each figure of a run's report: what is drawn from the log, the tables and the checkpoint, and what is measured with
 * the network at work.
 */
import type { Device } from '../../core/device.js';
import { formatBytes } from '../../core/text.js';
import { type Dataset, MemoryDataset } from '../../data/dataset.js';
import { randomFor } from '../../data/draws.js';
import { batches } from '../../data/loader.js';
import { briefNames, type OpenedData } from '../../data/sources/open.js';
import { restoreParts } from '../../train/parts.js';
import { profileSteps } from '../../train/profile.js';
import type { Ranks } from '../../train/ranks/ranks.js';
import { crossings, type PlacedLayer, placeLayers } from '../architecture.js';
import type { RunCheckpoint } from '../checkpoint.js';
import type { Classifier } from '../classifier.js';
import { netOf } from '../description.js';
import { answersOf, likeliest } from '../evaluation.js';
import { nearest, vectorsOf } from '../features.js';
import type { LogLine } from '../log.js';
import { publishedTraining } from '../published.js';
import { formatEpochs, type RaceLine, summarize } from '../race.js';
import { randomColourfulness } from '../specialization.js';
import { Trainer } from '../trainer.js';
import { drawAnswers } from './answers.js';
import { type NamedLog, plotCompared } from './compared.js';
import { plotCurves } from './curves.js';
import { type Captioned, drawGallery } from './gallery.js';
import { drawKernels, kernelsOf, median, plotColourfulness } from './kernels.js';
import { pictureAt } from './picture.js';
import { plotPlacement } from './placement.js';
import type { Plotter } from './plot.js';
import { plotRace } from './race.js';
import type { Section } from './report.js';
import { plotTimeline } from './timeline.js';

const percent = (fraction: number): string => `${(100 * fraction).toFixed(1)} %`;

/** The layers of a checkpoint's network with all sizes. */
function layersOf({ run }: RunCheckpoint): PlacedLayer[] {
  const { architecture, placement } = netOf(run);
  return placeLayers(architecture, placement(run.classes.length));
}

/** Errors and losses by epoch, with what was published of such trainings. */
export function curvesSection(plotter: Plotter, { run }: RunCheckpoint, lines: readonly LogLine[]): Section {
  const best = Math.min(...lines.map(({ valError }) => valError));
  const beside = publishedTraining(run.net, run.classes);
  return {
    title: 'Training',
    text: [
      `${lines.length} epochs; lowest validation error ${percent(best)}. Training errors are those of augmented images with dropout, so that they may lie above validation errors.`,
      ...(beside
        ? [
            `Behind the curves: the rates that were noted in 2012 of net ${beside.noted.net}, which has the paper's 37.5 %, and the top-1 error on ImageNet of ${beside.curve.name} (${beside.curve.source}).`,
          ]
        : []),
    ],
    files: plotCurves(plotter, lines, beside),
  };
}

/** The errors of several runs by epoch. */
export function comparedSection(plotter: Plotter, runs: readonly NamedLog[]): Section {
  return {
    title: 'Beside other runs',
    text: [
      'Validation and training errors of each. Runs on other data or with other crops are no measure of each other.',
    ],
    files: new Map([['compared.svg', plotCompared(plotter, runs)]]),
    table: [
      ['run', 'epochs', 'last validation error', 'lowest', 'last training error'],
      ...runs.map(({ name, lines }) => {
        const last = lines.at(-1);
        return [
          name,
          `${last?.epoch ?? 0}`,
          percent(last?.valError ?? Number.NaN),
          percent(Math.min(...lines.map(({ valError }) => valError))),
          percent(last?.trainError ?? Number.NaN),
        ];
      }),
    ],
  };
}

/** Figure 1, from the log of its race. */
export function raceSection(plotter: Plotter, lines: readonly RaceLine[], target: number): Section {
  const rows = summarize(lines, target).map(({ activation, epochs, mean, ratio }) => [
    activation,
    epochs.map(formatEpochs).join(', '),
    formatEpochs(mean),
    ratio === null ? '-' : ratio.toFixed(1),
  ]);
  return {
    title: 'Figure 1: ReLU against tanh',
    text: [
      `The four-layer net without regularization on ${lines[0]?.images ?? 0} images, each non-linearity at its own rate, until the training error is ${percent(target)}. In the paper tanh takes six times as many epochs.`,
    ],
    files: new Map([['figure1.svg', plotRace(plotter, lines, target)]]),
    table: [['non-linearity', 'epochs, by seed', 'mean', 'times ReLU'], ...rows],
  };
}

/** Figure 2: the placement and what crosses. */
export function placementSection(plotter: Plotter, checkpoint: RunCheckpoint): Section {
  const layers = layersOf(checkpoint);
  const rows = crossings(layers);
  const bytes = rows.reduce((sum, { floats }) => sum + 4 * floats, 0);
  const batch = checkpoint.run.recipe.batchSize;
  return {
    title: 'Figure 2: kernels, towers and what crosses',
    text: [
      rows.length === 0
        ? 'One tower: nothing crosses.'
        : `With a device for each tower ${formatBytes(bytes)} cross for each image on the way forward and as many on the way back: ${formatBytes(2 * bytes * batch)} in a training step of ${batch} images. Red arrows cross.`,
    ],
    files: new Map([['figure2.svg', plotPlacement(plotter, layers)]]),
  };
}

/** Figure 3: the first layer's kernels. */
export function kernelsSection(plotter: Plotter, checkpoint: RunCheckpoint): Section {
  const [first] = layersOf(checkpoint);
  const weights = checkpoint.parameters.get(`${first?.spec.name}.weight`);
  if (!first || !weights) throw new Error('a checkpoint without its first layer');
  const towers = kernelsOf(
    weights,
    first.towers.map(({ kernels }) => kernels),
  );
  const random = randomColourfulness(weights.shape[2] ?? 1);
  const most = Math.max(...towers.map(({ colourfulness }) => colourfulness.length));
  const spread = random.deviation * Math.sqrt(Math.PI / (2 * most));
  return {
    title: `Figure 3: the kernels of ${first.spec.name}`,
    text: [
      "Tower by tower, each kernel scaled to its largest weight. The measure of colour: the share of a kernel's energy that differs between red, green and blue; 0 sees brightness alone.",
      `Before training the weights are random: shares of ${random.mean.toFixed(3)}, give or take ${random.deviation.toFixed(3)} from kernel to kernel and ${spread.toFixed(3)} in the median of ${most}. A median no further off is one of random weights. In the paper one tower's kernels came out free of colour and the other's colourful, in every run.`,
    ],
    files: new Map([
      ['figure3.svg', drawKernels(towers)],
      ['figure3-colour.svg', plotColourfulness(plotter, towers)],
    ]),
    table: [
      ['tower', 'kernels', 'median share of colour', 'lowest', 'highest'],
      ...towers.map(({ tower, colourfulness }) => [
        String(tower),
        String(colourfulness.length),
        median(colourfulness).toFixed(3),
        Math.min(...colourfulness).toFixed(3),
        Math.max(...colourfulness).toFixed(3),
      ]),
    ],
  };
}

/** Some images of a data set, drawn from a seed, in memory. */
async function sample(dataset: Dataset, count: number, seed: number): Promise<MemoryDataset> {
  const chosen = randomFor(seed, 'subset', 0).permutation(dataset.length).subarray(0, count);
  const { images, labels } = await dataset.load(chosen);
  return new MemoryDataset(dataset.name, dataset.classes, dataset.imageShape, images, labels);
}

/** Whether pictures of two sets have the same pixels. */
function samePicture(a: MemoryDataset, i: number, b: MemoryDataset, j: number): boolean {
  const size = a.images.length / a.length;
  const other = b.images.subarray(j * size, (j + 1) * size);
  return a.images.subarray(i * size, (i + 1) * size).every((byte, at) => byte === other[at]);
}

/** What the figures of a network at work need. */
interface Working {
  readonly classifier: Classifier;
  readonly checkpoint: RunCheckpoint;
  readonly data: OpenedData;
  readonly seed: number;
  /** Processes that share the images. */
  readonly ranks: Ranks;
}

/** Figure 4, left: images and the likeliest classes. */
export async function answersSection(
  { classifier, checkpoint, data, seed, ranks }: Working,
  count: number,
): Promise<Section> {
  const names = briefNames(data);
  const shown = await sample(data.validation, count, seed);
  const { probabilities, labels } = await answersOf(classifier, shown, 1, undefined, ranks);
  const width = names.length;
  const answered = Array.from(labels, (label, i) => {
    const row = probabilities.subarray(i * width, (i + 1) * width);
    return {
      picture: pictureAt(shown.images, checkpoint.run.recipe.imageSize, i),
      caption: names[label]!,
      likeliest: likeliest(row, Math.min(5, width)).map((c) => ({
        name: names[c]!,
        probability: row[c]!,
        isTrue: c === label, // two classes may share a name
      })),
    };
  });
  return {
    title: 'Figure 4, left: what the network answers',
    text: [
      'Validation images drawn at random, with the classes found likeliest; the bar of the true class is green.',
    ],
    files: new Map([['figure4-left.svg', drawAnswers(answered)]]),
  };
}

/** Figure 4, right: validation images and the training images nearest in the last hidden layer. */
export async function neighboursSection(
  { classifier, checkpoint, data, seed, ranks }: Working,
  { queries, among, neighbours }: { queries: number; among: number; neighbours: number },
): Promise<Section> {
  const { recipe } = checkpoint.run;
  const names = briefNames(data);
  const crop = netOf(checkpoint.run).architecture.size;
  const [asked, searched] = [
    await sample(data.validation, queries, seed + 1),
    await sample(data.train, Math.min(among, data.train.length), seed),
  ];
  const options = { batchSize: recipe.batchSize, crop };
  const [from, found] = [
    await vectorsOf(classifier, asked, options, undefined, ranks),
    await vectorsOf(classifier, searched, options, undefined, ranks),
  ];
  const table = { ...found, names: Array.from(searched.labels, (label) => names[label]!) };
  const captioned = (set: MemoryDataset, row: number, more: readonly string[]): Captioned => ({
    picture: pictureAt(set.images, recipe.imageSize, row),
    caption: [names[set.labels[row]!]!, ...more],
  });
  let [same, copies, copied] = [0, 0, 0];
  const rows = Array.from(asked.labels, (label, i) => {
    const vector = from.vectors.subarray(i * from.width, (i + 1) * from.width);
    const near = nearest(table, vector, neighbours);
    const isCopy = near.map(({ row }) => samePicture(asked, i, searched, row));
    if (isCopy.includes(true)) copied++;
    return {
      query: captioned(asked, i, ['(query)']),
      found: near.map(({ row, distance }, n) => {
        if (isCopy[n]) copies++;
        else if (searched.labels[row] === label) same++;
        return captioned(searched, row, [isCopy[n] ? 'itself' : `at ${distance.toPrecision(3)}`]);
      }),
    };
  });
  const share = same / Math.max(1, rows.length * neighbours - copies);
  const warning =
    copies === 0 ? [] : [`${copied} of the queries are training images themselves, which isn't counted.`];
  return {
    title: 'Figure 4, right: neighbours in the last hidden layer',
    text: [
      `Validation images, each with the ${neighbours} training images (of ${searched.length} drawn at random) whose ${from.width} numbers in the last hidden layer are nearest by L2 distance. ${percent(share)} of the neighbours shown are of the query's class; by chance it would be about ${percent(1 / names.length)}.`,
      ...warning,
    ],
    files: new Map([['figure4-right.svg', drawGallery(rows)]]),
  };
}

/** One training step, device by device. */
export async function timelineSection(
  plotter: Plotter,
  checkpoint: RunCheckpoint,
  data: OpenedData,
  devices: readonly Device[],
): Promise<Section> {
  const { run } = checkpoint;
  const net = netOf(run);
  const { recipe, seed } = run;
  const { mean, pca } = checkpoint;
  const trainer = new Trainer({ net, recipe, classes: run.classes.length, devices, seed, mean, pca });
  try {
    restoreParts(trainer.restorable, checkpoint.parts, 'checkpoint');
    const source = batches(data.train, {
      batchSize: Math.min(run.recipe.batchSize, data.train.length),
      crop: net.architecture.size,
    });
    const { value: batch } = await source.next();
    await source.return();
    if (!batch) throw new Error('training data without an image');
    const timeline = await profileSteps(trainer, batch);
    const ends = timeline.kernels.map(({ start, milliseconds }) => start + milliseconds);
    const bytes = timeline.crossings.reduce((sum, crossing) => sum + crossing.bytes, 0);
    const busy = timeline.devices.map((device) => {
      const own = timeline.kernels.filter((kernel) => kernel.device === device);
      const time = own.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
      const flops = own.reduce((sum, kernel) => sum + kernel.flops, 0);
      return [
        device,
        `${time.toFixed(1)} ms`,
        percent(time / Math.max(...ends)),
        `${(flops / time / 1e6).toFixed(1)} GFLOP/s`,
      ];
    });
    return {
      title: 'One training step',
      text: [
        `A step of ${batch.labels.length} images, profiled: ${Math.max(...ends).toFixed(1)} ms, ${timeline.crossings.length} crossings of ${formatBytes(bytes)} in all (red, from when the sender has the data until it has arrived).`,
      ],
      files: new Map([['timeline.svg', plotTimeline(plotter, timeline)]]),
      table: [['device', 'kernels', 'of the step', 'while computing'], ...busy],
    };
  } finally {
    trainer.dispose();
  }
}
