/**
 * The kinds of AlexNet weights that people have: for each its net (architectures.ts), what images go through before it,
 * the order of its colours, and how it drops.
 *
 *     kind           colours   pixels                                        reads      dropout
 *     torchvision    RGB       (x / 255 - mean) / deviation, by channel      224x224    inverted
 *     bvlc-alexnet   BGR       x - mean                                      227x227    inverted
 *     caffenet       BGR       x - mean                                      227x227    inverted
 *     onnx-zoo       BGR       x - mean                                      224x224    inverted
 *     alexnet        RGB       x - mean                                      224x224    inverted
 *
 * x is 0-255. Images are scaled so that the shorter side has 256 pixels, and the centre is cut out. The last kind is this
 * library's own net, with the paper's normalization, as PyTorch trains it.
 */
import type { Architecture } from '../architecture.js';
import { alexnet } from '../networks.js';
import { nets, type Recipe } from '../recipes.js';
import { bvlcAlexnet, caffenet, torchvisionAlexnet, zooAlexnet } from './architectures.js';
import type { NameStyle } from './names.js';

/** A kind of weights. */
export interface WeightKind {
  /** What it is, for people. */
  readonly about: string;
  readonly architecture: Architecture;
  /** Names that files of it have. */
  readonly styles: readonly NameStyle[];
  /** Order of the channels that conv1's kernels read. */
  readonly colours: 'RGB' | 'BGR';
  /** What is subtracted from the pixels 0-255 of each channel, in the order of `colours`. */
  readonly mean: readonly [number, number, number];
  /** What preprocessing is, for people. */
  readonly input: string;
  /** Sizes and scale of images, the form of dropout; the rest for training on. */
  readonly recipe: Recipe;
}

/** What the kinds have in common; 1,000 classes of photographs. */
const recipe: Recipe = { ...nets.alexnet.recipe, dropoutForm: 'inverted' };

/** ImageNet's mean and standard deviation as torchvision's models take them, of pixels 0-1. */
const torchvisionMean = [0.485, 0.456, 0.406] as const;
const torchvisionDeviation = [0.229, 0.224, 0.225] as const;

/** ImageNet's mean as Caffe's models take it, channels B, G, R. */
const caffeMean = [104.00698793, 116.66876762, 122.67891434] as const;

const caffe = { colours: 'BGR', mean: caffeMean, recipe } as const;

/** The kinds by name. */
export const weightKinds = {
  torchvision: {
    about: "torchvision's AlexNet (One weird trick): no groups, no response normalization",
    architecture: torchvisionAlexnet,
    styles: ['torchvision'],
    colours: 'RGB',
    mean: [255 * torchvisionMean[0], 255 * torchvisionMean[1], 255 * torchvisionMean[2]],
    input: `RGB / 255, less ${torchvisionMean.join(', ')}, divided by ${torchvisionDeviation.join(', ')}`,
    recipe: { ...recipe, inputScale: torchvisionDeviation.map((deviation) => 1 / (255 * deviation)) },
  },
  'bvlc-alexnet': {
    about: "Caffe's AlexNet: two groups, normalized before pooling",
    architecture: bvlcAlexnet,
    styles: ['layers'],
    input: 'BGR 0-255, less 104.007, 116.669, 122.679',
    ...caffe,
  },
  caffenet: {
    about: "Caffe's reference CaffeNet: two groups, normalized after pooling",
    architecture: caffenet,
    styles: ['layers'],
    input: 'BGR 0-255, less 104.007, 116.669, 122.679',
    ...caffe,
  },
  'onnx-zoo': {
    about: "the ONNX zoo's bvlcalexnet: Caffe's AlexNet on 224x224 pixels",
    architecture: zooAlexnet,
    styles: ['onnx-zoo'],
    input: 'BGR 0-255, less 104.007, 116.669, 122.679',
    ...caffe,
  },
  alexnet: {
    about: "the paper's AlexNet: two groups, normalized before pooling with k = 2",
    architecture: alexnet,
    styles: ['layers'],
    colours: 'RGB',
    mean: [127.3, 119.72, 104.91],
    input: 'RGB 0-255, less 127.30, 119.72, 104.91',
    recipe,
  },
} as const satisfies Record<string, WeightKind>;

/** A name of a kind. */
export type WeightKindName = keyof typeof weightKinds;

/** Whether a text names a kind. */
export function isWeightKind(text: string): text is WeightKindName {
  return Object.hasOwn(weightKinds, text);
}
