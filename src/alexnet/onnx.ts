/**
 * Networks as ONNX models: the same layers and weights, for any runtime that reads them.
 *
 * The graph is that of a network on one device: towers are groups. Input `images` `[N, 3, H, W]` is what the network
 * reads (mean subtracted), output `logits` `[N, classes]`. ONNX's normalization divides alpha by the window's size,
 * so ours is multiplied by it; towers that normalize apart are seen as more images, as in network.ts.
 */
import { ArgumentError } from '../core/errors.js';
import { sizeOf } from '../core/shape.js';
import { encodeModel, type OnnxNode, type OnnxTensor } from '../formats/onnx/format.js';
import { checkState, type StateDict } from '../nn/module.js';
import {
  type Architecture,
  type PlacedLayer,
  type Placement,
  placeLayers,
  type Stage,
} from './architecture.js';

/** What becomes a model. */
export interface OnnxOptions {
  readonly architecture: Architecture;
  readonly placement: Placement;
  /** Parameters with towers joined, as `Network.stateDict()` and checkpoints hold them. */
  readonly state: StateDict;
  /** How the network was trained: 'paper' halves outputs at test time, 'inverted' doesn't. Default 'paper'. */
  readonly dropoutForm?: 'paper' | 'inverted';
}

/**
 * The bytes of an ONNX file (opset 17).
 * @throws {ArgumentError} for parameters that don't fit, or what ONNX has no operator for.
 */
export function exportOnnx({
  architecture,
  placement,
  state,
  dropoutForm = 'paper',
}: OnnxOptions): Uint8Array {
  const layers = placeLayers(architecture, placement);
  const last = layers.at(-1);
  if (!last) throw new ArgumentError('exportOnnx: the architecture has no layers');
  const shapes = layers.flatMap(({ spec: { name }, towers }): [string, readonly number[]][] => {
    const kernels = towers.reduce((sum, tower) => sum + tower.kernels, 0);
    return [
      [`${name}.weight`, [kernels, ...towers[0]!.weight.slice(1)]],
      [`${name}.bias`, [kernels]],
    ];
  });
  checkState('exportOnnx', new Map(shapes), state);
  const graph = new GraphBuilder(state, dropoutForm);
  let x = 'images';
  for (const layer of layers) x = graph.layer(layer, x);
  return encodeModel({
    name: architecture.name,
    nodes: graph.finish('logits'),
    tensors: graph.tensors,
    input: { name: 'images', shape: ['N', architecture.channels, architecture.size, architecture.size] },
    output: { name: 'logits', shape: ['N', last.towers.reduce((sum, tower) => sum + tower.kernels, 0)] },
  });
}

type Attributes = OnnxNode['attributes'];

class GraphBuilder {
  readonly tensors: OnnxTensor[] = [];
  private readonly nodes: OnnxNode[] = [];
  /** Whether what was computed last is `[N, features]`. */
  private flat = false;

  constructor(
    private readonly state: StateDict,
    private readonly dropoutForm: 'paper' | 'inverted',
  ) {}

  /** The nodes, the last one's output renamed. */
  finish(output: string): OnnxNode[] {
    return this.nodes.map((node, i) => (i === this.nodes.length - 1 ? { ...node, output } : node));
  }

  /** Adds a layer that reads value `x`; gives its output. */
  layer(layer: PlacedLayer, x: string): string {
    const present = layer.towers.filter((tower) => tower.kernels > 0).length;
    const groups = layer.reads === 'own' ? present : 1;
    const product = layer.spec.conv ? this.convolution(layer, groups, x) : this.product(layer, groups, x);
    return layer.spec.stages.reduce((y, stage) => this.stage(layer, stage, y), product);
  }

  private convolution({ spec, stride, padding, towers }: PlacedLayer, groups: number, x: string): string {
    const [, , kh = 0, kw = 0] = towers[0]!.weight;
    return this.node(spec.name, 'Conv', [x, ...this.parameters(spec.name)], {
      kernel_shape: [kh, kw],
      strides: [stride, stride],
      pads: [...padding],
      group: groups,
    });
  }

  private product({ spec: { name }, towers }: PlacedLayer, groups: number, x: string): string {
    const input = this.flat ? x : this.node(`${name}.flatten`, 'Flatten', [x], { axis: 1 });
    this.flat = true;
    if (groups === 1) return this.node(name, 'Gemm', [input, ...this.parameters(name)], { transB: 1 });
    const features = sizeOf(towers[0]!.input) * groups;
    const pixels = this.reshape(`${name}.pixels`, input, [-1, features, 1, 1]);
    const options = { kernel_shape: [1, 1], group: groups };
    const parameters = this.parameters(name, [sizeOf(towers[0]!.input), 1, 1]);
    const maps = this.node(name, 'Conv', [pixels, ...parameters], options);
    return this.node(`${name}.units`, 'Flatten', [maps], { axis: 1 });
  }

  private stage(layer: PlacedLayer, stage: Stage, x: string): string {
    const at = `${layer.spec.name}.${stage.kind}`;
    switch (stage.kind) {
      case 'relu':
        return this.node(at, 'Relu', [x]);
      case 'tanh':
        return this.node(at, 'Tanh', [x]);
      case 'absTanh':
        return this.node(`${at}.abs`, 'Abs', [this.node(at, 'Tanh', [x])]);
      case 'dropout':
        return this.dropoutForm === 'paper' ? this.scaled(at, 'Mul', x, 1 - stage.p) : x;
      case 'pool': {
        const { kernel, stride, ceilMode, mode } = stage;
        const window = {
          kernel_shape: [kernel, kernel],
          strides: [stride, stride],
          ceil_mode: ceilMode ? 1 : 0,
        };
        if (mode === 'max') return this.node(at, 'MaxPool', [x], window);
        return this.node(at, 'AveragePool', [x], { ...window, count_include_pad: 0 });
      }
      case 'norm':
        return stage.across === 'pixels'
          ? this.spatialNorm(at, stage.options, x)
          : this.channelNorm(at, stage, layer, x);
    }
  }

  private channelNorm(
    at: string,
    { across, options }: Extract<Stage, { kind: 'norm' }>,
    { towers, spec }: PlacedLayer,
    x: string,
  ): string {
    const { size = 5, alpha = 1e-4, beta = 0.75, k = 2, scaling = 'sum' } = options;
    if (size % 2 === 0) {
      throw new ArgumentError(
        `exportOnnx: ${spec.name}: ONNX's LRN places a window of ${size} maps otherwise; use an odd size`,
      );
    }
    const window = {
      size,
      alpha: { float: scaling === 'sum' ? alpha * size : alpha },
      beta: { float: beta },
      bias: { float: k },
    };
    const present = towers.filter((tower) => tower.kernels > 0);
    if (across === 'all' || present.length === 1) return this.node(at, 'LRN', [x], window);
    // A size of 0 is that of the input.
    const shaped = (name: string, maps: number, value: string): string =>
      this.reshape(name, value, [-1, maps, 0, 0]);
    const own = shaped(`${at}.towers`, present[0]!.kernels, x);
    const all = present.reduce((sum, tower) => sum + tower.kernels, 0);
    return shaped(`${at}.joined`, all, this.node(at, 'LRN', [own], window));
  }

  /** `x * (k + factor * mean of squares around it) ^ -beta`, as ops/normalize.ts has it. */
  private spatialNorm(at: string, options: Extract<Stage, { kind: 'norm' }>['options'], x: string): string {
    const { size = 5, alpha = 1e-4, beta = 0.75, k = 2, scaling = 'sum' } = options;
    const side = (size - 1) / 2;
    const window = { kernel_shape: [size, size], pads: [side, side, side, side], count_include_pad: 1 };
    const mean = this.node(`${at}.mean`, 'AveragePool', [this.node(`${at}.squares`, 'Mul', [x, x])], window);
    const weighted = this.scaled(
      `${at}.weighted`,
      'Mul',
      mean,
      scaling === 'mean' ? alpha : alpha * size * size,
    );
    const power = this.scaled(`${at}.power`, 'Pow', this.scaled(`${at}.sum`, 'Add', weighted, k), -beta);
    return this.node(at, 'Mul', [x, power]);
  }

  private scaled(name: string, op: 'Mul' | 'Add' | 'Pow', x: string, by: number): string {
    const constant = `${name}.by`;
    this.tensors.push({ name: constant, shape: [], data: Float32Array.of(by) });
    return this.node(name, op, [x, constant]);
  }

  private reshape(name: string, x: string, shape: readonly number[]): string {
    const constant = `${name}.shape`;
    this.tensors.push({ name: constant, shape: [shape.length], data: BigInt64Array.from(shape, BigInt) });
    return this.node(name, 'Reshape', [x, constant]);
  }

  /** Weight and bias of a layer; `rest` are the weight's axes after the first, where they are written otherwise. */
  private parameters(layer: string, rest?: readonly number[]): string[] {
    return [`${layer}.weight`, `${layer}.bias`].map((name) => {
      const found = this.state.get(name);
      if (!(found?.data instanceof Float32Array)) {
        throw new ArgumentError(`exportOnnx: ${name} must be float32`);
      }
      const shape = rest && name.endsWith('.weight') ? [found.shape[0]!, ...rest] : found.shape;
      this.tensors.push({ name, shape, data: found.data });
      return name;
    });
  }

  private node(name: string, op: string, inputs: readonly string[], attributes: Attributes = {}): string {
    this.nodes.push({ name, op, inputs, output: name, attributes });
    return name;
  }
}
