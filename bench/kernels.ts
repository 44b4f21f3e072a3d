/**
 * One row for each kernel of the contract at the sizes that AlexNet gives it, and square matrix products.
 *
 * A row runs `Device.run` on tensors made before, so it measures the kernel alone: no allocation, no tape. Sizes are
 * worked out from the network's table; a batch of N images is named in the row.
 */
import { type PlacedLayer, placeLayers, type Stage } from '../src/alexnet/architecture.js';
import { alexnet, twoTowers } from '../src/alexnet/networks.js';
import type { KernelName, Kernels, PoolGeometry } from '../src/core/backend.js';
import { type Cost, costOf } from '../src/core/cost.js';
import type { Device } from '../src/core/device.js';
import { e, usesRandom } from '../src/core/expr.js';
import { outputSize } from '../src/core/ops/conv.js';
import { randn } from '../src/core/ops/create.js';
import { drawOf } from '../src/core/random.js';
import { contiguousStrides, type Shape, sizeOf, type View } from '../src/core/shape.js';
import { Tensor } from '../src/core/tensor.js';

/** A kernel made ready on a device. */
export interface ReadyKernel {
  readonly cost: Cost;
  run(): void;
  dispose(): void;
}

/** A row that can be measured on any device. */
export interface KernelRow {
  readonly name: string;
  /** Allocates and fills the operands. */
  prepare(device: Device, seed: number): ReadyKernel;
}

/** Sizes of the rows. */
export interface KernelSizes {
  /** Images in the convolutions, pools and normalizations. */
  readonly batch: number;
  /** Sides of square matrices. */
  readonly squares: readonly number[];
  /** Images in the fully connected layers. */
  readonly fcBatches: readonly number[];
}

/** Makes a row's operands. */
class Operands {
  private readonly tensors: Tensor[] = [];
  private stream = 0;

  constructor(
    readonly device: Device,
    private readonly seed: number,
  ) {}

  /** Normal numbers. */
  random(shape: Shape): View {
    return this.keep(randn(shape, { device: this.device, draw: drawOf(this.seed, this.stream++) }));
  }

  empty(shape: Shape, dtype: 'float32' | 'int32' = 'float32'): View {
    return this.keep(Tensor.empty('bench', this.device, shape, dtype));
  }

  /** Whole numbers below `limit`, spread evenly. */
  indices(shape: Shape, limit: number): View {
    const data = Int32Array.from({ length: sizeOf(shape) }, (_, i) => (i * 7919) % limit);
    return this.keep(Tensor.from('bench', this.device, data, shape));
  }

  dispose(): void {
    for (const x of this.tensors) x.dispose();
  }

  private keep(x: Tensor): View {
    this.tensors.push(x);
    return x.view('bench');
  }
}

function row<K extends KernelName>(
  name: string,
  kernel: K,
  argsOf: (operands: Operands) => Kernels[K],
): KernelRow {
  return {
    name,
    prepare(device, seed) {
      const operands = new Operands(device, seed);
      const args = argsOf(operands);
      return {
        cost: costOf(kernel, args),
        run: () => device.run(kernel, args),
        dispose: () => operands.dispose(),
      };
    },
  };
}

/** The same elements with the last two axes exchanged. */
function transposed(view: View): View {
  const swap = <T>(list: readonly T[]): T[] => [...list.slice(0, -2), list.at(-1)!, list.at(-2)!];
  return { ...view, shape: swap(view.shape), strides: swap(view.strides) };
}

function product(
  name: string,
  [m, k, n]: readonly [number, number, number],
  flip: 'a' | 'b' | '',
): KernelRow {
  return row(name, 'matmul', (make) => ({
    a: flip === 'a' ? transposed(make.random([1, k, m])) : make.random([1, m, k]),
    b: flip === 'b' ? transposed(make.random([1, n, k])) : make.random([1, k, n]),
    bias: null,
    relu: false,
    out: make.empty([1, m, n]),
  }));
}

/** Matrix products: squares, and the fully connected layers in their three directions. */
function products({ squares, fcBatches }: KernelSizes): KernelRow[] {
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
  readonly geometry: Pick<Kernels['conv2d'], 'stride' | 'padding' | 'groups'>;
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
    geometry: { stride: [stride, stride], padding, groups },
  };
}

/** Each convolution in its three directions. */
function convolutions(layers: readonly PlacedLayer[], batch: number): KernelRow[] {
  return layers.flatMap((layer) => {
    const { x, weight, out, geometry } = convShapes(layer, batch);
    const name = (direction: string): string => `${layer.spec.name} ${direction}, batch ${batch}`;
    return [
      row(name('forward'), 'conv2d', (make) => ({
        ...geometry,
        x: make.random(x),
        weight: make.random(weight),
        bias: make.random([out[1]!]),
        relu: true,
        out: make.empty(out),
      })),
      row(name('input gradient'), 'conv2dInputGrad', (make) => ({
        ...geometry,
        grad: make.random(out),
        weight: make.random(weight),
        out: make.empty(x),
      })),
      row(name('weight gradient'), 'conv2dWeightGrad', (make) => ({
        ...geometry,
        x: make.random(x),
        grad: make.random(out),
        out: make.empty(weight),
      })),
    ];
  });
}

/** Pooling and normalization of the convolutions' results, forward and backward. */
function stages(layers: readonly PlacedLayer[], batch: number): KernelRow[] {
  return layers.flatMap((layer) => {
    const { out } = convShapes(layer, batch);
    const number = layer.spec.name.replace('conv', '');
    return layer.spec.stages.flatMap((stage) => stageRows(stage, number, out, layer.towers.length));
  });
}

function stageRows(stage: Stage, number: string, shape: Shape, towers: number): KernelRow[] {
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
      row(`pool${number} forward, batch ${n}`, 'pool2d', forward),
      row(`pool${number} gradient, batch ${n}`, 'pool2dGrad', (make) => {
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
    row(`lrn${number} forward, batch ${n}`, 'lrn', (make) => ({
      ...geometry,
      x: make.random(own),
      out: make.empty(own),
    })),
    row(`lrn${number} gradient, batch ${n}`, 'lrnGrad', (make) => ({
      ...geometry,
      x: make.random(own),
      grad: make.random(own),
      out: make.empty(own),
    })),
  ];
}

function losses(rows: number): KernelRow[] {
  const classes = 1000;
  return [
    row(`cross-entropy ${rows}x${classes}`, 'crossEntropy', (make) => ({
      logits: make.random([rows, classes]),
      labels: make.indices([rows], classes),
      losses: make.empty([rows]),
      logZ: make.empty([rows]),
    })),
    row(`cross-entropy gradient ${rows}x${classes}`, 'crossEntropyGrad', (make) => ({
      logits: make.random([rows, classes]),
      labels: make.indices([rows], classes),
      logZ: make.random([rows]),
      grad: make.random([rows]),
      out: make.empty([rows, classes]),
    })),
    row(`topk 5 of ${rows}x${classes}`, 'topk', (make) => ({
      x: make.random([rows, classes]),
      values: make.empty([rows, 5]),
      indices: make.empty([rows, 5], 'int32'),
    })),
    row(`gather ${rows}x${classes}`, 'gather', (make) => ({
      x: make.random([1, classes, classes]),
      index: make.indices([1, rows, classes], classes),
      out: make.empty([1, rows, classes]),
    })),
    row(`scatter-add ${rows}x${classes}`, 'scatterAdd', (make) => ({
      grad: make.random([1, rows, classes]),
      index: make.indices([1, rows, classes], classes),
      out: make.empty([1, classes, classes]),
    })),
  ];
}

/** An element-wise expression of `inputs` tensors of a shape. */
function elementwise(
  name: string,
  expr: Kernels['map']['exprs'][number],
  inputs: number,
  shape: Shape,
): KernelRow {
  const draw = usesRandom(expr) ? { ...drawOf(1, 1), offset: 0, strides: contiguousStrides(shape) } : null;
  return row(name, 'map', (make) => ({
    exprs: [expr],
    shape,
    inputs: Array.from({ length: inputs }, () => make.random(shape)),
    outputs: [make.empty(shape)],
    params: [0.5, 1],
    draw,
  }));
}

const [a, b, c] = [e.input(0), e.input(1), e.input(2)];

/** The update of nn/sgd.ts. */
function update(name: string, shape: Shape): KernelRow {
  const v = e.sub(e.mul(e.param(0), c), e.mul(e.param(1), e.add(b, e.mul(e.param(2), a))));
  return row(name, 'map', (make) => {
    const [weight, grad, velocity] = [make.random(shape), make.random(shape), make.random(shape)];
    return {
      exprs: [e.add(a, v), v],
      shape,
      inputs: [weight, grad, velocity],
      outputs: [weight, velocity],
      params: [0.9, 0.01, 0.0005],
      draw: null,
    };
  });
}

/** Element-wise work on conv1's activations, updates, reductions and copies. */
function passes(batch: number): KernelRow[] {
  const maps = [batch, 96, 55, 55];
  const units = [batch, 4096];
  const size = maps.join('x');
  return [
    elementwise(`relu ${size}`, e.max(a, 0), 1, maps),
    elementwise(`relu gradient ${size}`, e.where(e.gt(a, 0), b, 0), 2, maps),
    elementwise(`add ${size}`, e.add(a, b), 2, maps),
    elementwise(`tanh ${size}`, e.tanh(a), 1, maps),
    elementwise(
      `dropout ${units.join('x')}`,
      e.where(e.ge(e.random(), e.param(0)), e.mul(a, e.param(1)), 0),
      1,
      units,
    ),
    elementwise('add 64', e.add(a, b), 2, [64]),
    elementwise(`copy ${size}`, a, 1, maps),
    row(`copy turned ${size}`, 'map', (make) => {
      const x = make.random(maps);
      const order = [0, 2, 3, 1];
      const shape = order.map((axis) => x.shape[axis]!);
      const turned = { ...x, shape, strides: order.map((axis) => x.strides[axis]!) };
      return { exprs: [a], shape, inputs: [turned], outputs: [make.empty(shape)], params: [], draw: null };
    }),
    update('sgd conv3 256x384x3x3', [384, 256, 3, 3]),
    update('sgd fc7 4096x4096', [4096, 4096]),
    row(`sum over images and pixels ${size}`, 'reduce', (make) => {
      const x = make.random(maps);
      const order = [1, 0, 2, 3];
      const view = { ...x, shape: order.map((i) => x.shape[i]!), strides: order.map((i) => x.strides[i]!) };
      return { op: 'sum', x: view, kept: 1, scale: 1, out: make.empty([96]) };
    }),
    row(`sum over rows ${units.join('x')}`, 'reduce', (make) => {
      const x = transposed(make.random(units));
      return { op: 'sum', x, kept: 1, scale: 1, out: make.empty([4096]) };
    }),
    row(`max of rows ${units.join('x')}`, 'reduce', (make) => ({
      op: 'max',
      x: make.random(units),
      kept: 1,
      scale: 1,
      out: make.empty([batch]),
    })),
  ];
}

/** All rows, in the order of the contract. */
export function kernelRows(sizes: KernelSizes): KernelRow[] {
  const convs = placeLayers(alexnet, twoTowers()).filter(({ spec }) => spec.conv);
  return [
    ...products(sizes),
    ...convolutions(convs, sizes.batch),
    ...stages(convs, sizes.batch),
    ...losses(128),
    ...passes(sizes.batch),
  ];
}
