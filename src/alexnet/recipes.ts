/**
 * How each network is trained by default, and the catalogue of networks by name.
 */

import { type ColourForm, defaultColourForm } from '../data/images/pca.js';
import type { Architecture, Placement } from './architecture.js';
import * as tables from './networks.js';

/** When the learning rate drops. */
export type ScheduleRecipe =
  | { readonly kind: 'step'; readonly milestones: readonly number[]; readonly factor: number }
  | {
      readonly kind: 'plateau';
      readonly patience: number;
      readonly maxDrops: number;
      readonly factor: number;
    };

/** The paper's colour noise (section 4.1; data/pca.ts has the formula). */
export interface ColourRecipe {
  readonly form: ColourForm;
  /** Standard deviation of the coefficients. */
  readonly deviation: number;
  /** What noisy pixels are divided by, so that they aren't larger than those without noise. */
  readonly divisor: number;
  /** First epoch (from 0) without it; null: never. */
  readonly until: number | null;
}

/** The centre, or the paper's ten crops. */
export type TestCrops = 1 | 10;

/** Everything training depends on besides network, data and seed. */
export interface Recipe {
  readonly batchSize: number;
  readonly epochs: number;
  /** Rates of the weights and of the biases. */
  readonly learningRate: number;
  readonly biasRate: number;
  readonly momentum: number;
  /** Decay of weights whose layer doesn't say otherwise, and of biases. */
  readonly weightDecay: number;
  readonly biasDecay: number;
  readonly schedule: ScheduleRecipe;
  /** Whether the schedule lowers all rates, or the weights' alone. */
  readonly lowered: 'all' | 'weights';
  /** Layers that learn more slowly from an epoch (from 0) on: what their rate is multiplied by, 0 to freeze them. */
  readonly slowed: readonly { readonly layer: string; readonly epoch: number; readonly factor: number }[];
  /** Height and width of the stored images, of which the network sees a crop of its own size. */
  readonly imageSize: number;
  /** Random crops and mirroring while training. */
  readonly augment: boolean;
  /** Places of random crops, and how many images in a row share one; see `LoaderOptions`. */
  readonly cropPlaces: 'all' | 'below-margin';
  readonly cropSharedBy: number;
  /** Noise of colour while training; null for none. */
  readonly colourNoise: ColourRecipe | null;
  /** Which part of the mean image a crop has subtracted: the part it covers, or the centre whatever it covers. */
  readonly mean: 'crop' | 'centre';
  /** Crops of an image whose class probabilities are averaged to validate. */
  readonly testCrops: TestCrops;
  /** What pixels 0-255 less the mean image are multiplied by, all or each channel's. */
  readonly inputScale: number | readonly number[];
  readonly dropoutForm: 'paper' | 'inverted';
}

/** A network of the catalogue. */
export interface Net {
  readonly about: string;
  readonly architecture: Architecture;
  readonly placement: (classes: number) => Placement;
  readonly towers: number;
  readonly recipe: Recipe;
}

/** Section 5 of the paper; PAPER's 90 epochs with three drops when the validation error stalls. */
const paper: Recipe = {
  batchSize: 128,
  epochs: 90,
  learningRate: 0.01,
  biasRate: 0.01,
  momentum: 0.9,
  weightDecay: 0.0005,
  biasDecay: 0.0005,
  schedule: { kind: 'plateau', patience: 5, maxDrops: 3, factor: 0.1 },
  lowered: 'all',
  slowed: [],
  imageSize: 256,
  augment: true,
  cropPlaces: 'below-margin',
  cropSharedBy: 1,
  colourNoise: { form: defaultColourForm, deviation: 0.1, divisor: 1, until: null },
  mean: 'crop',
  testCrops: 1,
  inputScale: 1,
  dropoutForm: 'paper',
};

/** cuda-convnet's CIFAR-10 examples: rates per value of an image in 0-255, no augmentation. */
const cuda: Recipe = {
  ...paper,
  learningRate: 0.001,
  biasRate: 0.002,
  weightDecay: 0.004,
  biasDecay: 0,
  imageSize: 32,
  augment: false,
  colourNoise: null,
};

/** Of the nets with 24x24 crops: the schedule lowers the weights' rates alone. Their published errors are of ten crops. */
const cropped: Recipe = { ...cuda, lowered: 'weights', augment: true, cropPlaces: 'all' };

/** The networks by name. */
export const nets = {
  small: {
    about: "AlexNet's two towers for 32x32 images",
    architecture: tables.small,
    placement: tables.smallTowers,
    towers: 2,
    recipe: {
      ...paper,
      epochs: 11,
      batchSize: 64,
      learningRate: 0.015,
      biasRate: 0.015,
      schedule: { kind: 'step', milestones: [8, 10], factor: 0.1 },
      imageSize: 32,
      colourNoise: null,
      inputScale: 1 / 64,
    },
  },
  alexnet: {
    about: 'AlexNet as published: 224x224 images, two towers, 61 million parameters',
    architecture: tables.alexnet,
    placement: tables.twoTowers,
    towers: 2,
    recipe: paper,
  },
  'alexnet-half': {
    about: "the paper's one-GPU comparison net with half the kernels",
    architecture: tables.alexnet,
    placement: tables.halfSize,
    towers: 1,
    recipe: paper,
  },
  '80sec': {
    about: "cuda-convnet's CIFAR-10 net that reached 26 % test error in 80 seconds",
    architecture: tables.cifar80sec,
    placement: tables.place80sec,
    towers: 1,
    recipe: { ...cuda, epochs: 10, schedule: { kind: 'step', milestones: [8], factor: 0.1 } },
  },
  '18pct': {
    about: "cuda-convnet's CIFAR-10 net with same-map normalization, 18 % test error",
    architecture: tables.cifar18pct,
    placement: tables.place18pct,
    towers: 1,
    recipe: { ...cuda, epochs: 140, schedule: { kind: 'step', milestones: [120, 130], factor: 0.1 } },
  },
  '13pct': {
    about: "cuda-convnet's CIFAR-10 net with locally connected layers on 24x24 crops, 13 % test error",
    architecture: tables.cifar13pct,
    placement: tables.place13pct,
    towers: 1,
    recipe: { ...cropped, epochs: 160, schedule: { kind: 'step', milestones: [140, 150], factor: 0.1 } },
  },
  '11pct': {
    about: 'as 13pct, with response normalization across 9 maps, 11 % test error',
    architecture: tables.cifar11pct,
    placement: tables.place11pct,
    towers: 1,
    recipe: { ...cropped, epochs: 520, schedule: { kind: 'step', milestones: [500, 510], factor: 0.1 } },
  },
  'four-layers': {
    about: 'the net of Figure 1, which ReLU and tanh race on; no regularization',
    architecture: tables.fourLayers,
    placement: tables.place18pct,
    towers: 1,
    recipe: {
      ...cuda,
      epochs: 60,
      learningRate: 0.02,
      biasRate: 0.02,
      weightDecay: 0,
      schedule: { kind: 'step', milestones: [], factor: 0.1 },
      inputScale: 1 / 64,
    },
  },
} as const satisfies Record<string, Net>;

/** A name of the catalogue. */
export type NetName = keyof typeof nets;

/** Whether a text names a network. */
export function isNetName(text: string): text is NetName {
  return Object.hasOwn(nets, text);
}
