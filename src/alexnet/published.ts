/**
 * Results published in 2012 (Krizhevsky, Sutskever, Hinton, sections 3, 4, 6) and with cuda-convnet's example nets, and
 * how such trainings went, to stand beside ours. Errors are fractions.
 */
import type { TestCrops } from './recipes.js';

/** One published result. */
export interface Published {
  readonly what: string;
  readonly set: string;
  /** Networks whose probabilities are averaged. */
  readonly networks: number;
  readonly crops: TestCrops;
  readonly top1: number | null;
  readonly top5: number | null;
}

const row = (
  what: string,
  set: string,
  networks: number,
  crops: TestCrops,
  top1: number | null,
  top5: number | null,
): Published => ({ what, set, networks, crops, top1, top5 });

/** Of AlexNet on ImageNet; 5 and 7 networks are averaged. */
const imagenet: readonly Published[] = [
  row('CNN', 'ILSVRC-2010 test', 1, 10, 0.375, 0.17),
  row('CNN, one crop', 'ILSVRC-2010 test', 1, 1, 0.39, 0.183),
  row('1 CNN', 'ILSVRC-2012 validation', 1, 10, 0.407, 0.182),
  row('5 CNNs', 'ILSVRC-2012 validation', 5, 10, 0.381, 0.164),
  row('5 CNNs', 'ILSVRC-2012 test', 5, 10, null, 0.164),
  row('1 CNN, pre-trained on Fall 2011', 'ILSVRC-2012 validation', 1, 10, 0.39, 0.166),
  row('7 CNNs, two pre-trained', 'ILSVRC-2012 validation', 7, 10, 0.367, 0.154),
  row('7 CNNs, two pre-trained', 'ILSVRC-2012 test', 7, 10, null, 0.153),
];

const cifar = (what: string, top1: number, crops: TestCrops = 1): readonly Published[] => [
  row(what, 'CIFAR-10 test', 1, crops, top1, null),
];

/** The nets of cuda-convnet's examples, by our name for them. */
const cifarNets: Readonly<Record<string, readonly Published[]>> = {
  '80sec': cifar("cuda-convnet's layers-80sec", 0.26),
  '18pct': cifar("cuda-convnet's layers-18pct", 0.18),
  '13pct': cifar("cuda-convnet's layers-conv-local-13pct", 0.13, 10),
  '11pct': cifar("cuda-convnet's layers-conv-local-11pct", 0.11, 10),
};

/** Published results of a network on data of its kind; none where nobody published any. */
export function publishedFor(net: string, classes: readonly string[]): readonly Published[] {
  if (net.startsWith('alexnet')) return classes.length === 1000 ? imagenet : [];
  return classes.join() === cifarClasses ? (cifarNets[net] ?? []) : [];
}

/** A change of the learning rate that was noted in 2012. */
interface NotedRate {
  readonly epoch: number;
  readonly rate: number;
  /** The only layer concerned; all of them unless given. */
  readonly layer?: string;
}

/** A point of a curve of validation errors. */
interface CurvePoint {
  readonly epoch: number;
  readonly error: number;
}

/** How trainings of a published network went. */
export interface PublishedTraining {
  /** A net of the log of 2012 and its changes of the rate; it ended after the epoch `ended`. */
  readonly noted: {
    readonly net: string;
    readonly rates: readonly NotedRate[];
    readonly ended: number;
  };
  /** A published curve of top-1 errors. */
  readonly curve: { readonly name: string; readonly source: string; readonly points: readonly CurvePoint[] };
}

/** Net 145-2010, that of 37.5 %: the first of the runs noted in its file. Its source stands at `log2012`. */
const noted2010: PublishedTraining['noted'] = {
  net: '145-2010',
  rates: [
    { epoch: 23, rate: 1e-3 },
    { epoch: 51, rate: 1e-4 },
    { epoch: 68, rate: 1e-5, layer: 'conv1' },
    { epoch: 78, rate: 1e-5 },
  ],
  ended: 93,
};

/**
 * Top-1 accuracy of CaffeNet on ILSVRC-2012's validation images by thousands of steps: images of 256 pixels, He's initial
 * weights, 256 images a step, the rate lowered to a tenth after 100,000 and 200,000 steps.
 */
const caffeNet: readonly (readonly [thousands: number, accuracy: number])[] = [
  [5, 0.126464],
  [10, 0.220368],
  [20, 0.30776],
  [30, 0.363872],
  [40, 0.37408],
  [60, 0.412584],
  [80, 0.422672],
  [100, 0.436384],
  [105, 0.507616],
  [120, 0.525888],
  [140, 0.534104],
  [160, 0.539648],
  [180, 0.54328],
  [200, 0.544104],
  [205, 0.558624],
  [220, 0.561384],
  [240, 0.562456],
  [260, 0.562344],
  [280, 0.56476],
  [305, 0.565088],
];

const imagenetTraining: PublishedTraining = {
  noted: noted2010,
  curve: {
    name: 'CaffeNet, validation',
    source: 'ducha-aiki/caffenet-benchmark, logs/caffenet256_lrn.log',
    points: caffeNet.map(([thousands, accuracy]) => ({
      epoch: (1000 * thousands * 256) / 1_281_167,
      error: 1 - accuracy,
    })),
  },
};

/** How published trainings of a network on data of its kind went; undefined where nobody published that. */
export function publishedTraining(net: string, classes: readonly string[]): PublishedTraining | undefined {
  return net === 'alexnet' && classes.length === 1000 ? imagenetTraining : undefined;
}

const cifarClasses = 'airplane,automobile,bird,cat,deer,dog,frog,horse,ship,truck';

/** Top-1 and top-5 error of a net of the log, and the net it is compared with, on the same images. */
interface LogEntry {
  readonly top1: number;
  readonly top5: number;
  readonly against: { readonly top1: number; readonly top5: number };
}

/** Net 145, the published one: on ILSVRC-2012's validation set, and (145-2010) ILSVRC-2010's test set by ten crops. */
const net145 = { top1: 0.40664, top5: 0.1821 };
const net145of2010 = { top1: 0.374727, top5: 0.169987 };

/**
 * From the notes at the ends of the layer files in the AlexNet source that the Computer History Museum published (commit
 * 2f8b81f, `layers/*.cfg`). That 150 has no communication is known; that 148 has no response normalization, 147 plain
 * pooling and 145-half one tower, and which of 145-2010's results is by one crop, is concluded from their increases,
 * which round to the paper's (section 4.1's 1.5 of 39.0 - 37.5).
 */
const log2012 = {
  '145-2010, one crop': { top1: 0.390247, top5: 0.182953, against: net145of2010 },
  '145-half': { top1: 0.39168, top5: 0.182287, against: net145of2010 },
  147: { top1: 0.41058, top5: 0.1851, against: net145 },
  148: { top1: 0.42034, top5: 0.19362, against: net145 },
  150: { top1: 0.41828, top5: 0.1933, against: net145 },
} as const satisfies Record<string, LogEntry>;

/** A net of the log of 2012, for an ablation. */
export type LogName = `${keyof typeof log2012}`;

/** By how many percentage points a net of the log has more errors than the one it is compared with. */
export function logIncrease(name: LogName): { readonly top1: number; readonly top5: number } {
  const { top1, top5, against } = log2012[name];
  return { top1: 100 * (top1 - against.top1), top5: 100 * (top5 - against.top5) };
}
