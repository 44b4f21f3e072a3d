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
  for (const [name, x] of [...module.namedParameters(), ...module.namedBuffers()]) {
    if (x.dtype === 'int32') continue; // how many batches a running mean has seen
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

function weightsOf(
  graph: OnnxGraph,
  { weight, bias }: Pick<nn.Linear, 'weight' | 'bias'>,
  shape?: Shape,
): string[] {
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

function transposed(layer: nn.ConvTranspose2d, x: GraphValue, graph: OnnxGraph): GraphValue {
  const { stride, padding, dilation, groups, outputPadding } = layer.options;
  const [channels = 0, each = 0, ...kernel] = layer.weight.shape;
  graph.requireRank(x, 3);
  requireInputs(graph, x.shape[0], channels);
  const map = ([0, 1] as const).map((axis) => {
    const reach = (kernel[axis]! - 1) * dilation[axis] + 1 + outputPadding[axis];
    return (x.shape[axis + 1]! - 1) * stride[axis] - padding[axis] - padding[axis + 2]! + reach;
  });
  const window = { kernel_shape: kernel, strides: stride, pads: padding, dilations: dilation, group: groups };
  const attributes = { ...window, output_padding: outputPadding };
  return graph.node('ConvTranspose', [x, ...weightsOf(graph, layer)], attributes, [each * groups, ...map]);
}

function along(layer: nn.Conv1d, x: GraphValue, graph: OnnxGraph): GraphValue {
  const { stride = 1, padding = 0, dilation = 1, groups = 1, relu = false } = layer.options;
  const [kernels = 0, channels = 0, taps = 0] = layer.weight.shape;
  graph.requireRank(x, 2);
  requireInputs(graph, x.shape[0], channels * groups);
  const [before, after] = typeof padding === 'number' ? [padding, padding] : padding;
  const length = outputSize(x.shape[1]!, (taps - 1) * dilation + 1, stride, before, after, false);
  if (length < 1) graph.fail(`has a kernel larger than the ${formatShape(x.shape)} that it slides over`);
  const window = { kernel_shape: [taps], strides: [stride], pads: [before, after], dilations: [dilation] };
  const inputs = [x, ...weightsOf(graph, layer)];
  return withRelu(graph, relu, graph.node('Conv', inputs, { ...window, group: groups }, [kernels, length]));
}

type Affine = Pick<nn.LayerNorm, 'weight' | 'bias'>;

/** Names of the weight and the bias of `count` numbers, ones and zeros where there are none. */
function affine(graph: OnnxGraph, { weight, bias }: Affine, count: number): [string, string] {
  const [scale, shift] = [weight, bias].map((x) => x && graph.parameter(x));
  return [scale ?? graph.filled(count, 1), shift ?? graph.filled(count, 0)];
}

function batchNorm(layer: nn.BatchNorm1d | nn.BatchNorm2d, x: GraphValue, graph: OnnxGraph): GraphValue {
  const { runningMean, runningVar, eps } = layer;
  if (!runningMean || !runningVar) graph.fail("keeps no running statistics: ONNX's evaluation needs some");
  requireInputs(graph, x.shape[0], runningMean.size);
  const inputs = [x, ...affine(graph, layer, runningMean.size)];
  const statistics = [graph.parameter(runningMean), graph.parameter(runningVar)];
  return graph.node('BatchNormalization', [...inputs, ...statistics], { epsilon: { float: eps } });
}

function layerNorm(layer: nn.LayerNorm, x: GraphValue, graph: OnnxGraph): GraphValue {
  const own = [layer.shape].flat();
  const first = x.shape.length - own.length;
  if (String(x.shape.slice(first)) !== String(own)) graph.fail(`is given ${formatShape(x.shape)}`);
  if (!layer.weight && own.length > 1) graph.fail('has several axes without a weight: give it one');
  const inputs = [x, ...affine(graph, layer, sizeOf(own))];
  return graph.node('LayerNormalization', inputs, { axis: first + 1, epsilon: { float: layer.eps } });
}

/** Groups seen as channels, normalized each over its elements; weight and bias are of the channels. */
function groupNorm(layer: nn.GroupNorm, x: GraphValue, graph: OnnxGraph): GraphValue {
  const { groups, weight, bias, eps } = layer;
  const [channels = 0, ...pixels] = x.shape;
  if (channels % groups !== 0) graph.fail(`has ${groups} groups, which don't divide ${channels} channels`);
  const inputs = [graph.reshape(x, [0, groups, -1], [groups, sizeOf(x.shape) / groups])];
  const unit = { weight: null, bias: null };
  const apart = graph.node('InstanceNormalization', [...inputs, ...affine(graph, unit, groups)], {
    epsilon: { float: eps },
  });
  const own = [channels, ...pixels.map(() => 1)];
  const standard = graph.reshape(apart, [0, ...x.shape], x.shape);
  const scaled = weight ? graph.node('Mul', [standard, graph.parameter(weight, own)]) : standard;
  return bias ? graph.node('Add', [scaled, graph.parameter(bias, own)]) : scaled;
}

function adaptivePooling({ size }: nn.AdaptiveAvgPool2d, x: GraphValue, graph: OnnxGraph): GraphValue {
  const [channels = 0, ...map] = x.shape;
  graph.requireRank(x, 3);
  const wanted = [size, size].flat().slice(0, 2);
  const kernel = map.map((n, axis) => n / wanted[axis]!);
  if (!kernel.every(Number.isInteger))
    graph.fail(`makes ${formatShape(wanted)} of ${formatShape(map)}: ONNX has windows of one size alone`);
  return graph.node('AveragePool', [x], { kernel_shape: kernel, strides: kernel }, [channels, ...wanted]);
}

function gelu({ approximate }: nn.GELU, x: GraphValue, graph: OnnxGraph): GraphValue {
  const bent = (): GraphValue => {
    const cube = graph.withNumber('Mul', graph.node('Mul', [x, graph.node('Mul', [x, x])]), 0.044715);
    return graph.node('Tanh', [
      graph.withNumber('Mul', graph.node('Add', [x, cube]), Math.sqrt(2 / Math.PI)),
    ]);
  };
  const share =
    approximate === 'tanh' ? bent() : graph.node('Erf', [graph.withNumber('Mul', x, Math.SQRT1_2)]);
  return graph.node('Mul', [graph.withNumber('Mul', x, 0.5), graph.withNumber('Add', share, 1)]);
}

function softplus({ beta }: nn.Softplus, x: GraphValue, graph: OnnxGraph): GraphValue {
  if (beta === 1) return graph.node('Softplus', [x]);
  return graph.withNumber('Div', graph.node('Softplus', [graph.withNumber('Mul', x, beta)]), beta);
}

/** Indices come as floats, as all inputs do. */
function embedding({ weight }: nn.Embedding, x: GraphValue, graph: OnnxGraph): GraphValue {
  const rows = graph.node('Cast', [x], { to: 7 });
  return graph.node('Gather', [graph.parameter(weight), rows], { axis: 0 }, [...x.shape, weight.shape[1]!]);
}

/** An axis as ONNX counts it, which needs no rank. */
function softened(
  op: 'Softmax' | 'LogSoftmax',
): (layer: nn.Softmax, x: GraphValue, graph: OnnxGraph) => GraphValue {
  return ({ axis }, x, graph) => graph.node(op, [x], { axis: axis < 0 ? axis + x.shape.length + 1 : axis });
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
  onnxRule(nn.SiLU, (_, x, graph) => graph.node('Mul', [x, graph.node('Sigmoid', [x])])),
  onnxRule(nn.GELU, gelu),
  onnxRule(nn.Softplus, softplus),
  onnxRule(nn.LeakyReLU, ({ negativeSlope }, x, graph) =>
    graph.node('LeakyRelu', [x], { alpha: { float: negativeSlope } }),
  ),
  onnxRule(nn.ELU, ({ alpha }, x, graph) => graph.node('Elu', [x], { alpha: { float: alpha } })),
  onnxRule(nn.Softmax, softened('Softmax')),
  onnxRule(nn.LogSoftmax, softened('LogSoftmax')),
  onnxRule(nn.ConvTranspose2d, transposed),
  onnxRule(nn.Conv1d, along),
  onnxRule(nn.BatchNorm1d, batchNorm),
  onnxRule(nn.BatchNorm2d, batchNorm),
  onnxRule(nn.LayerNorm, layerNorm),
  onnxRule(nn.GroupNorm, groupNorm),
  onnxRule(nn.AdaptiveAvgPool2d, adaptivePooling),
  onnxRule(nn.Embedding, embedding),
  onnxRule(nn.Flatten, (_, x, graph) =>
    x.shape.length === 1 ? x : graph.node('Flatten', [x], { axis: 1 }, [sizeOf(x.shape)]),
  ),
  onnxRule(nn.MaxPool2d, (layer, x, graph) => pooling('MaxPool', layer, x, graph)),
  onnxRule(nn.AvgPool2d, (layer, x, graph) => pooling('AveragePool', layer, x, graph)),
  onnxRule(nn.LocalResponseNorm, channelNorm),
  onnxRule(nn.SpatialResponseNorm, mapNorm),
  onnxRule(nn.Dropout, ({ form, p }, x, graph) => (form === 'paper' ? graph.withNumber('Mul', x, 1 - p) : x)),
];
