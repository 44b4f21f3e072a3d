/**
 * The networks, as tables: AlexNet at full size (Krizhevsky 2012, section 3), its half-size one-GPU comparison
 * (section 3.2), a small form with the same two towers for 32x32 images, and four CIFAR-10 nets from cuda-convnet.
 */
import type { Architecture, LayerSpec, Placement, Stage } from './architecture.js';

const relu: Stage = { kind: 'relu' };
const dropout: Stage = { kind: 'dropout', p: 0.5 };
/** Section 3.4: windows of 3 pixels, 2 apart. */
const maxPool: Stage = { kind: 'pool', mode: 'max', kernel: 3, stride: 2, ceilMode: false };
/** Section 3.3: k = 2, n = 5, alpha = 1e-4, beta = 0.75. */
const norm: Stage = { kind: 'norm', across: 'tower', options: {} };

/** Section 5: weights of deviation 0.01; biases 1 in conv2, conv4, conv5, fc6, fc7, else 0. */
const paper = { std: 0.01 };

/** The layers of section 3.5; conv1 reads three zeros past the right and bottom edge, which gives 55x55. */
const alexnetLayers: readonly LayerSpec[] = [
  {
    name: 'conv1',
    conv: { kernel: 11, stride: 4, padding: [0, 0, 3, 3] },
    stages: [relu, norm, maxPool],
    ...paper,
    bias: 0,
  },
  { name: 'conv2', conv: { kernel: 5, padding: 2 }, stages: [relu, norm, maxPool], ...paper, bias: 1 },
  { name: 'conv3', conv: { kernel: 3, padding: 1 }, stages: [relu], ...paper, bias: 0 },
  { name: 'conv4', conv: { kernel: 3, padding: 1 }, stages: [relu], ...paper, bias: 1 },
  { name: 'conv5', conv: { kernel: 3, padding: 1 }, stages: [relu, maxPool], ...paper, bias: 1 },
  { name: 'fc6', stages: [relu, dropout], ...paper, bias: 1 },
  { name: 'fc7', stages: [relu, dropout], ...paper, bias: 1 },
  { name: 'fc8', stages: [], ...paper, bias: 0 },
];

/** AlexNet's architecture for 224x224 images. */
export const alexnet: Architecture = { name: 'alexnet', channels: 3, size: 224, layers: alexnetLayers };

/** The paper's Figure 2: half of the kernels on each device, which talk at conv3 and the fully connected layers. */
export function twoTowers(classes = 1000): Placement {
  return {
    conv1: { kernels: [48, 48], reads: 'image' },
    conv2: { kernels: [128, 128], reads: 'own' },
    conv3: { kernels: [192, 192], reads: 'all' },
    conv4: { kernels: [192, 192], reads: 'own' },
    conv5: { kernels: [128, 128], reads: 'own' },
    fc6: { kernels: [2048, 2048], reads: 'all' },
    fc7: { kernels: [2048, 2048], reads: 'all' },
    fc8: { kernels: [classes, 0], reads: 'all' },
  };
}

/** The one-GPU net that section 3.2 compares with: half the kernels, about the same number of parameters. */
export function halfSize(classes = 1000): Placement {
  return {
    conv1: { kernels: [48], reads: 'image' },
    conv2: { kernels: [128], reads: 'own' },
    conv3: { kernels: [192], reads: 'own' },
    conv4: { kernels: [192], reads: 'own' },
    conv5: { kernels: [256], reads: 'own' },
    fc6: { kernels: [4096], reads: 'own' },
    fc7: { kernels: [4096], reads: 'own' },
    fc8: { kernels: [classes], reads: 'own' },
  };
}

const ceilPool = (mode: 'max' | 'avg'): Stage => ({
  kind: 'pool',
  mode,
  kernel: 3,
  stride: 2,
  ceilMode: true,
});

/** Layers of 64 units have fewer to spare than the paper's 2048. */
const lightDropout: Stage = { kind: 'dropout', p: 0.2 };

/**
 * AlexNet's eight layers for 32x32 images. Weights start with one and a half times the deviation sqrt(2 / inputs) of He
 * et al. 2015: the paper's 0.01 is for layers ten times as wide, and each normalization shrinks its input by 2^-0.75.
 */
export const small: Architecture = {
  name: 'small',
  channels: 3,
  size: 32,
  layers: [
    {
      name: 'conv1',
      conv: { kernel: 5, padding: 2 },
      stages: [relu, norm, ceilPool('max')],
      std: 0.24,
      bias: 0,
    },
    {
      name: 'conv2',
      conv: { kernel: 5, padding: 2 },
      stages: [relu, norm, ceilPool('max')],
      std: 0.12,
      bias: 0,
    },
    { name: 'conv3', conv: { kernel: 3, padding: 1 }, stages: [relu], std: 0.1, bias: 0 },
    { name: 'conv4', conv: { kernel: 3, padding: 1 }, stages: [relu], std: 0.12, bias: 0 },
    { name: 'conv5', conv: { kernel: 3, padding: 1 }, stages: [relu, ceilPool('max')], std: 0.12, bias: 0 },
    { name: 'fc6', stages: [relu, lightDropout], std: 0.075, bias: 0 },
    { name: 'fc7', stages: [relu, lightDropout], std: 0.16, bias: 0 },
    { name: 'fc8', stages: [], std: 0.075, bias: 0 },
  ],
};

/** The small form's two towers. */
export function smallTowers(classes = 10): Placement {
  return {
    conv1: { kernels: [12, 12], reads: 'image' },
    conv2: { kernels: [24, 24], reads: 'own' },
    conv3: { kernels: [32, 32], reads: 'all' },
    conv4: { kernels: [32, 32], reads: 'own' },
    conv5: { kernels: [24, 24], reads: 'own' },
    fc6: { kernels: [64, 64], reads: 'all' },
    fc7: { kernels: [64, 64], reads: 'all' },
    fc8: { kernels: [classes, 0], reads: 'all' },
  };
}

/** A convolution of cuda-convnet's CIFAR-10 examples: 5x5, its weights decayed by 0.004. */
const cudaConv = (name: string, std: number, stages: readonly Stage[]): LayerSpec => ({
  name,
  conv: { kernel: 5, padding: 2 },
  stages,
  std,
  bias: 0,
  weightDecay: 0.004,
});

/** cuda-convnet's `layers-80sec`: 26 % test error on CIFAR-10 after 80 seconds on a GTX 580. */
export const cifar80sec: Architecture = {
  name: '80sec',
  channels: 3,
  size: 32,
  layers: [
    cudaConv('conv1', 0.0001, [ceilPool('max'), relu]),
    cudaConv('conv2', 0.01, [relu, ceilPool('avg')]),
    cudaConv('conv3', 0.01, [relu, ceilPool('avg')]),
    { name: 'fc64', stages: [relu], std: 0.1, bias: 0, weightDecay: 0.03 },
    { name: 'fc10', stages: [], std: 0.1, bias: 0, weightDecay: 0.03 },
  ],
};

/** One tower of the 80sec net. */
export function place80sec(classes = 10): Placement {
  return {
    conv1: { kernels: [32], reads: 'image' },
    conv2: { kernels: [32], reads: 'own' },
    conv3: { kernels: [64], reads: 'own' },
    fc64: { kernels: [64], reads: 'own' },
    fc10: { kernels: [classes], reads: 'own' },
  };
}

/** Same-map normalization of the 18pct net: 3x3 pixels, 5e-5 divided by the 9 of them, k = 1. */
const mapNorm: Stage = {
  kind: 'norm',
  across: 'pixels',
  options: { size: 3, alpha: 5e-5, beta: 0.75, k: 1, scaling: 'mean' },
};

/** cuda-convnet's `layers-18pct`: 18 % test error on CIFAR-10 without augmentation. */
export const cifar18pct: Architecture = {
  name: '18pct',
  channels: 3,
  size: 32,
  layers: [
    cudaConv('conv1', 0.0001, [ceilPool('max'), relu, mapNorm]),
    cudaConv('conv2', 0.01, [relu, ceilPool('avg'), mapNorm]),
    cudaConv('conv3', 0.01, [relu, ceilPool('avg')]),
    { name: 'fc10', stages: [], std: 0.01, bias: 0, weightDecay: 1 },
  ],
};

/** One tower of the 18pct net. */
export function place18pct(classes = 10): Placement {
  return {
    conv1: { kernels: [32], reads: 'image' },
    conv2: { kernels: [32], reads: 'own' },
    conv3: { kernels: [64], reads: 'own' },
    fc10: { kernels: [classes], reads: 'own' },
  };
}

/** Cross-map normalization of the 11pct net: 9 adjacent maps, 0.001 divided by the 9 of them, k = 1. */
const nineMaps: Stage = {
  kind: 'norm',
  across: 'tower',
  options: { size: 9, alpha: 0.001, beta: 0.75, k: 1, scaling: 'mean' },
};

/** A locally connected layer of cuda-convnet's CIFAR-10 examples: 3x3, its weights decayed by 0.004. */
const cudaLocal = (name: string): LayerSpec => ({
  name,
  conv: { kernel: 3, padding: 1, local: true },
  stages: [relu],
  std: 0.04,
  bias: 0,
  weightDecay: 0.004,
});

/** cuda-convnet's `layers-conv-local-13pct`: 13 % test error on CIFAR-10 with 24x24 crops, without normalization. */
export const cifar13pct: Architecture = {
  name: '13pct',
  channels: 3,
  size: 24,
  layers: [
    { ...cudaConv('conv1', 0.0001, [relu, ceilPool('max')]), weightDecay: 0 },
    { ...cudaConv('conv2', 0.01, [relu, ceilPool('max')]), weightDecay: 0 },
    cudaLocal('local3'),
    cudaLocal('local4'),
    { name: 'fc10', stages: [], std: 0.01, bias: 0, weightDecay: 0.004 },
  ],
};

/** cuda-convnet's `layers-conv-local-11pct`: as 13pct, with normalization across maps; 11 % test error. */
export const cifar11pct: Architecture = {
  ...cifar13pct,
  name: '11pct',
  layers: [
    { ...cudaConv('conv1', 0.0001, [relu, ceilPool('max'), nineMaps]), weightDecay: 0 },
    { ...cudaConv('conv2', 0.01, [relu, nineMaps, ceilPool('max')]), weightDecay: 0 },
    cudaLocal('local3'),
    cudaLocal('local4'),
    { name: 'fc10', stages: [], std: 0.01, bias: 0, weightDecay: 0.01 },
  ],
};

const placeLocal =
  (local3: number) =>
  (classes = 10): Placement => ({
    conv1: { kernels: [64], reads: 'image' },
    conv2: { kernels: [64], reads: 'own' },
    local3: { kernels: [local3], reads: 'own' },
    local4: { kernels: [32], reads: 'own' },
    fc10: { kernels: [classes], reads: 'own' },
  });

/** One tower of the 13pct net. */
export const place13pct = placeLocal(32);

/** One tower of the 11pct net. */
export const place11pct = placeLocal(64);

/**
 * A four-layer net for the race of the paper's Figure 1, which gives no sizes: those of the 18pct net, every pooling
 * after the non-linearity so that ReLU and tanh see the same, without normalization or decay. Weights start with
 * sqrt(2 / inputs), which suits either.
 */
export const fourLayers: Architecture = {
  name: 'four-layers',
  channels: 3,
  size: 32,
  layers: [
    { ...cudaConv('conv1', 0.16, [relu, ceilPool('max')]), weightDecay: 0 },
    { ...cudaConv('conv2', 0.05, [relu, ceilPool('avg')]), weightDecay: 0 },
    { ...cudaConv('conv3', 0.05, [relu, ceilPool('avg')]), weightDecay: 0 },
    { name: 'fc10', stages: [], std: 0.04, bias: 0, weightDecay: 0 },
  ],
};
