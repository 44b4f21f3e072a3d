/**
 * One row for each kernel of the contract at the sizes that AlexNet gives it, and square matrix products.
 *
 * Sizes are worked out from the network's table; a batch of N images is named in the row.
 */
import { type PlacedLayer, placeLayers, type Stage } from '../src/alexnet/architecture.js';
import { alexnet, twoTowers } from '../src/alexnet/networks.js';
import type { Kernels, PoolGeometry } from '../src/core/backend.js';
import { outputSize } from '../src/core/ops/conv.js';
import type { Shape } from '../src/core/shape.js';
import { passes } from './passes.js';
import { kernelWork, type Operands, turned, type Work } from './work.js';

/** Sizes of the rows. */
export interface KernelSizes {
  /** Images in the convolutions, pools and normalizations. */
  readonly batch: number;
  /** Sides of square matrices. */
  readonly squares: readonly number[];
  /** Images in the fully connected layers. */
  readonly fcBatches: readonly number[];
}

function product(name: string, [m, k, n]: readonly [number, number, number], flip: 'a' | 'b' | ''): Work {
  return kernelWork(name, 'matmul', (make) => ({
    a: flip === 'a' ? turned(make.random([1, k, m]), [0, 2, 1]) : make.random([1, m, k]),
    b: flip === 'b' ? turned(make.random([1, n, k]), [0, 2, 1]) : make.random([1, k, n]),
    bias: null,
    relu: false,
    out: make.empty([1, m, n]),
  }));
}

/** Matrix products: squares, and the fully connected layers in their three directions. */
function products({ squares, fcBatches }: KernelSizes): Work[] {
  const layers = placeLayers(alexnet, twoTowers()).filter(({ spec }) => !spec.conv);
  return [
    ...squares.map((n) => product(`matmul ${n}`, [n, n, n], '')),
    ...fcBatches.flatMap((batch) =>
      layers.flatMap(({ spec: { name }, towers }) => {
        const units = towers.reduce((sum, tower) => sum + tower.kernels, 0);
        const features = towers[0]!.weight[1]!;
        const forward = product(`${name} forward, batch ${batch}`, [batch, features, units], 'b');
        if (batch === 1) return [forward];
        return [
          forward,
          product(`${name} input gradient, batch ${batch}`, [batch, units, features], ''),
          product(`${name} weight gradient, batch ${batch}`, [units, batch, features], 'a'),
        ];
      }),
    ),
  ];
}

/** A convolution of the table, its towers as groups. */
interface ConvShapes {
  readonly x: Shape;
  readonly weight: Shape;
  readonly out: Shape;
  readonly geometry: Pick<Kernels['conv2d'], 'stride' | 'padding' | 'dilation' | 'groups'>;
}

function convShapes({ towers, reads, stride, padding }: PlacedLayer, batch: number): ConvShapes {
  const groups = reads === 'own' ? towers.length : 1;
  const [first] = towers;
  const [channels, h, w] = first!.input;
  const kernels = towers.reduce((sum, tower) => sum + tower.kernels, 0);
  return {
    x: [batch, channels * groups, h, w],
    weight: [kernels, ...first!.weight.slice(1)],
    out: [batch, kernels, ...first!.positions],
    geometry: { stride: [stride, stride], padding, dilation: [1, 1], groups },
  };
}

/** Each convolution in its three directions. */
function convolutions(layers: readonly PlacedLayer[], batch: number): Work[] {
  return layers.flatMap((layer) => {
    const { x, weight, out, geometry } = convShapes(layer, batch);
    const name = (direction: string): string => `${layer.spec.name} ${direction}, batch ${batch}`;
    return [
      kernelWork(name('forward'), 'conv2d', (make) => ({
        ...geometry,
        x: make.random(x),
        weight: make.random(weight),
        bias: make.random([out[1]!]),
        relu: true,
        out: make.empty(out),
      })),
      kernelWork(name('input gradient'), 'conv2dInputGrad', (make) => ({
        ...geometry,
        grad: make.random(out),
        weight: make.random(weight),
        out: make.empty(x),
      })),
      kernelWork(name('weight gradient'), 'conv2dWeightGrad', (make) => ({
        ...geometry,
        x: make.random(x),
        grad: make.random(out),
        out: make.empty(weight),
      })),
    ];
  });
}

/** Pooling and normalization of the convolutions' results, forward and backward. */
function stages(layers: readonly PlacedLayer[], batch: number): Work[] {
  return layers.flatMap((layer) => {
    const { out } = convShapes(layer, batch);
    const number = layer.spec.name.replace('conv', '');
    return layer.spec.stages.flatMap((stage) => stageRows(stage, number, out, layer.towers.length));
  });
}

function stageRows(stage: Stage, number: string, shape: Shape, towers: number): Work[] {
  const [n = 0, c = 0, h = 0, w = 0] = shape;
  if (stage.kind === 'pool') {
    const { kernel, stride, mode } = stage;
    const size = (pixels: number): number => outputSize(pixels, kernel, stride, 0, 0, stage.ceilMode);
    const geometry: PoolGeometry = {
      mode,
      kernel: [kernel, kernel],
      stride: [stride, stride],
      padding: [0, 0, 0, 0],
      countIncludePad: false,
    };
    const pooled = [n, c, size(h), size(w)];
    const forward = (make: Operands): Kernels['pool2d'] => ({
      ...geometry,
      x: make.random(shape),
      out: make.empty(pooled),
      indices: make.empty(pooled, 'int32'),
    });
    return [
      kernelWork(`pool${number} forward, batch ${n}`, 'pool2d', forward),
      kernelWork(`pool${number} gradient, batch ${n}`, 'pool2dGrad', (make) => {
        const args = forward(make);
        make.device.run('pool2d', args); // fills the indices
        return { ...geometry, grad: make.random(pooled), indices: args.indices, out: make.empty(shape) };
      }),
    ];
  }
  if (stage.kind !== 'norm') return [];
  const geometry = { size: 5, alpha: 1e-4, beta: 0.75, k: 2 };
  const own = [n * towers, c / towers, h, w];
  return [
    kernelWork(`lrn${number} forward, batch ${n}`, 'lrn', (make) => ({
      ...geometry,
      x: make.random(own),
      out: make.empty(own),
    })),
    kernelWork(`lrn${number} gradient, batch ${n}`, 'lrnGrad', (make) => ({
      ...geometry,
      x: make.random(own),
      grad: make.random(own),
      out: make.empty(own),
    })),
  ];
}

function losses(rows: number): Work[] {
  const classes = 1000;
  return [
    kernelWork(`cross-entropy ${rows}x${classes}`, 'crossEntropy', (make) => ({
      logits: make.random([rows, classes]),
      labels: make.indices([rows], classes),
      losses: make.empty([rows]),
      peaks: make.empty([rows, 2]),
    })),
    kernelWork(`cross-entropy gradient ${rows}x${classes}`, 'crossEntropyGrad', (make) => ({
      logits: make.random([rows, classes]),
      labels: make.indices([rows], classes),
      peaks: make.random([rows, 2]),
      grad: make.random([rows]),
      out: make.empty([rows, classes]),
    })),
    kernelWork(`topk 5 of ${rows}x${classes}`, 'topk', (make) => ({
      x: make.random([rows, classes]),
      values: make.empty([rows, 5]),
      indices: make.empty([rows, 5], 'int32'),
    })),
    kernelWork(`gather ${rows}x${classes}`, 'gather', (make) => ({
      x: make.random([1, classes, classes]),
      index: make.indices([1, rows, classes], classes),
      out: make.empty([1, rows, classes]),
    })),
    kernelWork(`scatter-add ${rows}x${classes}`, 'scatterAdd', (make) => ({
      grad: make.random([1, rows, classes]),
      index: make.indices([1, rows, classes], classes),
      out: make.empty([1, classes, classes]),
    })),
  ];
}

/** All rows, in the order of the contract. */
export function kernelRows(sizes: KernelSizes): Work[] {
  const convs = placeLayers(alexnet, twoTowers()).filter(({ spec }) => spec.conv);
  return [
    ...products(sizes),
    ...convolutions(convs, sizes.batch),
    ...stages(convs, sizes.batch),
    ...losses(128),
    ...passes(sizes.batch),
  ];
}
