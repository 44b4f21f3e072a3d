/**
 * The AlexNets that other libraries have weights of, as tables. They are three nets:
 *
 *     torchvision   64-192-384-256-256 kernels ("One weird trick", Krizhevsky 2014): no groups, no response
 *                   normalization, conv1 padded by 2 on each side; dropout before fc6 and fc7
 *     AlexNet       Caffe's bvlc_alexnet: the paper's kernels in two groups, 227x227 pixels, conv ReLU LRN pool
 *     CaffeNet      Caffe's bvlc_reference_caffenet: the same, but conv ReLU pool LRN
 *
 * and the ONNX zoo's bvlcalexnet is Caffe's on 224x224 pixels without padding: maps of 54, 26 and 12 pixels a side.
 * Caffe's response normalization has k = 1, alpha / n = 1e-4 / 5, and reaches across both groups.
 *
 * How many kernels a layer has is read from the file, so that the tables fit nets of other widths and classes as well.
 */
import type { Architecture, LayerSpec, Stage } from '../architecture.js';

const relu: Stage = { kind: 'relu' };
const dropout: Stage = { kind: 'dropout', p: 0.5 };
const pool = { kind: 'pool', mode: 'max', kernel: 3, stride: 2, ceilMode: false } as const;
const caffeNorm: Stage = {
  kind: 'norm',
  across: 'all',
  options: { size: 5, alpha: 1e-4, beta: 0.75, k: 1, scaling: 'mean' },
};

/** A layer, with what training would start from: deviation and bias of Caffe's definition. */
function layer(name: string, stages: readonly Stage[], conv?: LayerSpec['conv'], bias = 0.1): LayerSpec {
  const std = name === 'fc6' || name === 'fc7' ? 0.005 : 0.01;
  return { name, stages, std, bias, ...(conv && { conv }) };
}

/** torchvision's `alexnet`. Its adaptive pooling to 6x6 leaves the 6x6 maps of 224 pixels as they are. */
export const torchvisionAlexnet: Architecture = {
  name: 'torchvision',
  channels: 3,
  size: 224,
  layers: [
    layer('conv1', [relu, pool], { kernel: 11, stride: 4, padding: 2 }, 0),
    layer('conv2', [relu, pool], { kernel: 5, padding: 2 }, 0),
    layer('conv3', [relu], { kernel: 3, padding: 1 }, 0),
    layer('conv4', [relu], { kernel: 3, padding: 1 }, 0),
    layer('conv5', [relu, pool, dropout], { kernel: 3, padding: 1 }, 0),
    layer('fc6', [relu, dropout], undefined, 0),
    layer('fc7', [relu], undefined, 0),
    layer('fc8', [], undefined, 0),
  ],
};

/** Caffe's nets: where conv1 and conv2 normalize, and how large images are. */
function caffe(name: string, order: readonly Stage[], size: number): Architecture {
  return {
    name,
    channels: 3,
    size,
    layers: [
      layer('conv1', order, { kernel: 11, stride: 4 }, 0),
      layer('conv2', order, { kernel: 5, padding: 2 }),
      layer('conv3', [relu], { kernel: 3, padding: 1 }, 0),
      layer('conv4', [relu], { kernel: 3, padding: 1 }),
      // Caffe's pooling counts a last window that overhangs; it matters for maps of 12 pixels, of which 6 come.
      layer('conv5', [relu, { ...pool, ceilMode: true }], { kernel: 3, padding: 1 }),
      layer('fc6', [relu, dropout]),
      layer('fc7', [relu, dropout]),
      layer('fc8', [], undefined, 0),
    ],
  };
}

/** Caffe's bvlc_alexnet. */
export const bvlcAlexnet = caffe('bvlc-alexnet', [relu, caffeNorm, pool], 227);

/** Caffe's bvlc_reference_caffenet. */
export const caffenet = caffe('caffenet', [relu, pool, caffeNorm], 227);

/** The ONNX zoo's bvlcalexnet. */
export const zooAlexnet = caffe('onnx-zoo', [relu, caffeNorm, pool], 224);
