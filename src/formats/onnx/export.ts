/**
 * Modules as ONNX models (opset 17): the same layers and weights, for any runtime that reads them.
 *
 * A table has a rule for each class of layers, which writes its nodes; a Sequential is its layers one after the other.
 * One's own modules get rules of their own. Two things are written otherwise than the layers have them: ONNX's
 * normalization divides alpha by the window's size, so that ours is multiplied by it; and groups that normalize apart
 * are seen as more images.
 */
import { requireArray, wrongArgument } from '../../core/arguments.js';
import type { Padding } from '../../core/backend.js';
import { ArgumentError } from '../../core/errors.js';
import { outputSize } from '../../core/ops/conv.js';
import { formatShape, type Shape, sizeOf } from '../../core/shape.js';
import type { Tensor } from '../../core/tensor.js';
import * as nn from '../../nn/index.js';
import { Module } from '../../nn/module.js';
import { encodeModel, type OnnxTensor } from './format.js';
import { type GraphValue, OnnxGraph, type WriteModule } from './graph.js';

/** How modules of a class are written. */
export interface OnnxRule {
  readonly type: abstract new (...args: never[]) => Module;
  readonly write: WriteModule;
}

/**
 * A rule for one's own class of modules.
 * @param write adds its nodes to the graph, or its inner modules by `graph.add`, and returns its output
 */
export function onnxRule<M extends Module>(
  type: abstract new (...args: never[]) => M,
  write: (module: M, x: GraphValue, graph: OnnxGraph) => GraphValue,
): OnnxRule {
  return {
    type,
    write: (module, x, graph) =>
      module instanceof type ? write(module, x, graph) : graph.fail(`is no ${type.name}`),
  };
}

/** What becomes a model, besides the module. */
export interface OnnxOptions {
  /** Shape of the input without the batch axis: `[C, H, W]` or `[features]`. */
  readonly input: Shape;
  /** Of the graph. Default 'network'. */
  readonly name?: string;
  /** Default 'input'. */
  readonly inputName?: string;
  /** Default 'output'. */
  readonly outputName?: string;
  /** For one's own modules; one for a class that has a rule replaces it. */
  readonly rules?: readonly OnnxRule[];
}

/**
 * The bytes of an ONNX file of what a module computes in evaluation, for any number of images at once.
 * @throws {ArgumentError} for a module without a rule, parameters that aren't float32, shapes that don't fit, or what
 * ONNX has no operator for; it names the module.
 */
export async function exportOnnx(module: Module, options: OnnxOptions): Promise<Uint8Array> {
  if (!(module instanceof Module)) throw wrongArgument('exportOnnx', 'module', module, 'a Module');
  requireArray('exportOnnx', 'input', options?.input, 'the shape of one input, as in [3, 32, 32]');
  const { input, name = 'network', inputName = 'input', outputName = 'output', rules = [] } = options;
  const known = new Map([...layerRules, ...rules].map(({ type, write }) => [type, write]));
  const write: WriteModule = (inner, x, graph) => {
    const rule = [...known].find(([type]) => inner.constructor === type)?.[1];
    return (
      rule?.(inner, x, graph) ??
      graph.fail(`is a ${inner.constructor.name}, for which there is no rule: give one in rules`)
    );
  };
  const graph = new OnnxGraph(await readParameters(module), write);
  const images = { name: inputName, shape: input };
  const result = write(module, images, graph);
  const last = graph.nodes.at(-1)?.output === result.name ? graph.nodes.pop() : undefined;
  const { op, inputs, attributes } = last ?? { op: 'Identity', inputs: [result.name], attributes: {} };
  graph.nodes.push({ name: outputName, op, inputs, output: outputName, attributes });
  return encodeModel({
    name,
    nodes: graph.nodes,
    tensors: graph.tensors,
    input: { name: inputName, shape: ['N', ...input] },
    output: { name: outputName, shape: ['N', ...result.shape] },
  });
}

async function readParameters(module: Module): Promise<Map<Tensor, OnnxTensor>> {
  const found = new Map<Tensor, OnnxTensor>();
  for (const [name, x] of module.namedParameters()) {
    const data = await x.data();
    if (!(data instanceof Float32Array)) {
      throw new ArgumentError(`exportOnnx: ${name} is ${x.dtype}, expected float32: cast() it`);
    }
    found.set(x, { name, shape: x.shape, data });
  }
  return found;
}

function withRelu(graph: OnnxGraph, relu: boolean, x: GraphValue): GraphValue {
  return relu ? graph.node('Relu', [x]) : x;
}

function weightsOf(graph: OnnxGraph, { weight, bias }: nn.Conv2d | nn.Linear, shape?: Shape): string[] {
  return [graph.parameter(weight, shape), ...(bias ? [graph.parameter(bias)] : [])];
}

/** @throws {ArgumentError} unless the module reads so many channels or features */
function requireInputs(graph: OnnxGraph, given: number | undefined, expected: number): void {
  if (given !== expected) graph.fail(`reads ${expected} channels or features, but is given ${given}`);
}

function convolution(layer: nn.Conv2d, x: GraphValue, graph: OnnxGraph): GraphValue {
  const { stride, padding, dilation, groups, relu } = layer.options;
  const [kernels = 0, channels = 0, ...kernel] = layer.weight.shape;
  graph.requireRank(x, 3);
  requireInputs(graph, x.shape[0], channels * groups);
  const reach = kernel.map((taps, axis) => (taps - 1) * dilation[axis === 0 ? 0 : 1] + 1);
  const shape = [kernels, ...slid(graph, x, { kernel: reach, stride, padding, ceilMode: false })];
  const attributes = {
    kernel_shape: kernel,
    strides: stride,
    pads: padding,
    group: groups,
    ...(dilation.some((step) => step > 1) && { dilations: dilation }),
  };
  const product = graph.node('Conv', [x, ...weightsOf(graph, layer)], attributes, shape);
  return withRelu(graph, relu, product);
}

function product(layer: nn.Linear, x: GraphValue, graph: OnnxGraph): GraphValue {
  const { weight, bias, groups, relu } = layer;
  const [units = 0, inputs = 0] = weight.shape;
  requireInputs(graph, x.shape.at(-1), inputs * groups);
  const shape = [...x.shape.slice(0, -1), units];
  if (x.shape.length > 1 && groups === 1) {
    const turned = graph.node('Transpose', [graph.parameter(weight)], { perm: [1, 0] });
    const sums = graph.node('MatMul', [x, turned], {}, shape);
    return withRelu(graph, relu, bias ? graph.node('Add', [sums, graph.parameter(bias)]) : sums);
  }
  graph.requireRank(x, 1);
  if (groups === 1) {
    return withRelu(graph, relu, graph.node('Gemm', [x, ...weightsOf(graph, layer)], { transB: 1 }, shape));
  }
  const features = inputs * groups;
  const pixels = graph.reshape(x, [-1, features, 1, 1], [features, 1, 1]);
  const kernels = weightsOf(graph, layer, [units, inputs, 1, 1]);
  const maps = graph.node('Conv', [pixels, ...kernels], { kernel_shape: [1, 1], group: groups });
  return withRelu(graph, relu, graph.node('Flatten', [maps], { axis: 1 }, shape));
}

function pooling(
  op: 'MaxPool' | 'AveragePool',
  { window }: nn.MaxPool2d | nn.AvgPool2d,
  x: GraphValue,
  graph: OnnxGraph,
): GraphValue {
  const { kernel, stride, padding, ceilMode } = window;
  graph.requireRank(x, 3);
  const map = slid(graph, x, window);
  // Without padding both ways of counting are the same, but some runtimes count what overhangs as padding.
  const counted = op === 'AveragePool' && window.countIncludePad && padding.some((n) => n > 0);
  if (counted && String(map) !== String(slid(graph, x, { ...window, ceilMode: false }))) {
    graph.fail('averages over padding and overhangs as well, which ONNX counts otherwise: give up ceilMode');
  }
  const attributes = {
    kernel_shape: kernel,
    strides: stride,
    pads: padding,
    ceil_mode: ceilMode ? 1 : 0,
    ...(op === 'AveragePool' && { count_include_pad: counted ? 1 : 0 }),
  };
  return graph.node(op, [x], attributes, [x.shape[0] ?? 0, ...map]);
}

/** Height and width of what a window gives that slides over maps. */
function slid(
  graph: OnnxGraph,
  { shape }: GraphValue,
  window: {
    readonly kernel: readonly number[];
    readonly stride: readonly number[];
    readonly padding: Padding;
    readonly ceilMode: boolean;
  },
): number[] {
  const { kernel, stride, padding, ceilMode } = window;
  return [0, 1].map((axis) => {
    const [n = 0, k = 0, step = 1] = [shape[axis + 1], kernel[axis], stride[axis]];
    const [before = 0, after = 0] = [padding[axis], padding[axis + 2]];
    const size = outputSize(n, k, step, before, after, ceilMode);
    if (size < 1) graph.fail(`has windows larger than the ${formatShape(shape)} that they slide over`);
    if (ceilMode && size !== Math.ceil((n + before + after - k) / step) + 1) {
      graph.fail('has a last window that starts past the image, which ONNX counts: give it less padding');
    }
    return size;
  });
}

function channelNorm({ norm, groups }: nn.LocalResponseNorm, x: GraphValue, graph: OnnxGraph): GraphValue {
  const { size, alpha, beta, k, mean } = norm;
  graph.requireRank(x, 3);
  if (size % 2 === 0)
    graph.fail(`has a window of ${size} maps, which ONNX's LRN places otherwise: use an odd size`);
  const attributes = {
    size,
    alpha: { float: mean ? alpha : alpha * size },
    beta: { float: beta },
    bias: { float: k },
  };
  if (groups === 1) return graph.node('LRN', [x], attributes);
  // A size of 0 is that of the input.
  const [maps = 0, ...map] = x.shape;
  if (maps % groups !== 0)
    graph.fail(`has ${groups} groups, which don't divide the ${maps} maps that it is given`);
  const apart = graph.reshape(x, [-1, maps / groups, 0, 0], [maps / groups, ...map]);
  return graph.reshape(graph.node('LRN', [apart], attributes), [-1, maps, 0, 0], x.shape);
}

/** `x * (k + factor * mean of squares around it) ^ -beta`, as ops/normalize.ts has it. */
function mapNorm({ norm }: nn.SpatialResponseNorm, x: GraphValue, graph: OnnxGraph): GraphValue {
  const { size, alpha, beta, k, mean } = norm;
  const side = (size - 1) / 2;
  const window = { kernel_shape: [size, size], pads: [side, side, side, side], count_include_pad: 1 };
  const squares = graph.node('AveragePool', [graph.node('Mul', [x, x])], window);
  const weighted = graph.withNumber('Mul', squares, mean ? alpha : alpha * size * size);
  return graph.node('Mul', [x, graph.withNumber('Pow', graph.withNumber('Add', weighted, k), -beta)]);
}

/** The layers of `nn`. */
const layerRules: readonly OnnxRule[] = [
  onnxRule(nn.Sequential, ({ layers }, x, graph) =>
    layers.reduce((y, layer, i) => graph.add(layer, y, String(i)), x),
  ),
  onnxRule(nn.Conv2d, convolution),
  onnxRule(nn.Linear, product),
  onnxRule(nn.ReLU, (_, x, graph) => graph.node('Relu', [x])),
  onnxRule(nn.Tanh, (_, x, graph) => graph.node('Tanh', [x])),
  onnxRule(nn.Abs, (_, x, graph) => graph.node('Abs', [x])),
  onnxRule(nn.Sigmoid, (_, x, graph) => graph.node('Sigmoid', [x])),
  onnxRule(nn.Flatten, (_, x, graph) =>
    x.shape.length === 1 ? x : graph.node('Flatten', [x], { axis: 1 }, [sizeOf(x.shape)]),
  ),
  onnxRule(nn.MaxPool2d, (layer, x, graph) => pooling('MaxPool', layer, x, graph)),
  onnxRule(nn.AvgPool2d, (layer, x, graph) => pooling('AveragePool', layer, x, graph)),
  onnxRule(nn.LocalResponseNorm, channelNorm),
  onnxRule(nn.SpatialResponseNorm, mapNorm),
  onnxRule(nn.Dropout, ({ form, p }, x, graph) => (form === 'paper' ? graph.withNumber('Mul', x, 1 - p) : x)),
];
