/**
 * Layers models of TensorFlow.js and Keras as a Sequential of layers here, with their weights: nets in which each layer
 * reads the one before it, of images `[H, W, C]` or vectors.
 *
 * Images are `[N, C, H, W]` here, and so kernels and matrices are turned round (conventions.ts); the columns of a dense
 * layer behind Flatten are put in the other order. With padding 'same' an axis of n comes to ceil(n / stride), an odd
 * row or column of padding goes after the image.
 */
import type { Device } from '../core/device.js';
import { requireDevice } from '../core/device.js';
import { DataError } from '../core/errors.js';
import { clamp } from '../core/ops/elementwise.js';
import { pad } from '../core/ops/views.js';
import { formatShape, type Shape, sameShape, sizeOf } from '../core/shape.js';
import type { HostTensor, StateDict } from '../core/state.js';
import * as nn from '../nn/index.js';
import { afterFlatten, fromHwio, fromInOut } from './conventions.js';
import { anything, checkJson, isObject, list, object, text } from './json.js';
import { loadWeights } from './load.js';
import { printable } from './printable.js';
import { decodeTensorflowJs } from './tensorflowJs.js';
import { Settings } from './tensorflowSettings.js';

/** A layer as the topology has it. */
interface KerasLayer {
  readonly class_name: string;
  readonly config: unknown;
}

/** Where a net has come to while it is built. */
class Building {
  readonly layers: nn.Layer[] = [];
  readonly weights = new Map<string, HostTensor>();
  /** What the next layer reads of each example: `[H, W, C]` or `[features]`. */
  shape: readonly number[] = [];
  /** The maps `[C, H, W]` whose columns the next dense layer reads in another order; null: none. */
  flattened: readonly [number, number, number] | null = null;

  constructor(
    readonly device: Device,
    private readonly tensors: StateDict,
  ) {}

  /** Adds a layer with its weights by their names here. */
  add(layer: nn.Layer, weights: Readonly<Record<string, HostTensor>> = {}): void {
    for (const [name, tensor] of Object.entries(weights))
      this.weights.set(`${this.layers.length}.${name}`, tensor);
    this.layers.push(layer);
  }

  /** A layer's weight, by the last part of its name. @throws {DataError} when there is none, or of another shape */
  weight(settings: Settings, kind: string, shape: Shape): HostTensor {
    for (const [name, tensor] of this.tensors) {
      const parts = name.replace(/:\d+$/, '').split('/');
      if (parts.at(-1) !== kind || !parts.slice(0, -1).includes(settings.name)) continue;
      if (sameShape(tensor.shape, shape)) return tensor;
      settings.fail(`its ${kind} is ${formatShape(tensor.shape)}, expected ${formatShape(shape)}`);
    }
    return settings.fail(`has no weight ${kind}`);
  }

  /** Height, width and channels. @throws {DataError} where vectors are read */
  image(settings: Settings): readonly [number, number, number] {
    const [h, w, c] = this.shape;
    if (h === undefined || w === undefined || c === undefined)
      return settings.fail('reads vectors, expected images');
    if (!['channels_last', ''].includes(settings.text('data_format', '')))
      settings.fail('has its channels first, expected channels_last');
    return [h, w, c];
  }
}

/** Adds a layer of a kind. */
type Build = (settings: Settings, net: Building) => void;

/** The window of a layer, and the size of what it gives. */
function windowOf(settings: Settings, net: Building, kernel: readonly [number, number]) {
  const [h, w] = net.image(settings);
  const stride = settings.pair('strides', settings.pair('pool_size', [1, 1]));
  const dilation = settings.pair('dilation_rate', [1, 1]);
  const same = settings.text('padding', 'valid') === 'same';
  const sides = [h, w].map((n, axis) => {
    const step = stride[axis] ?? 1;
    const reach = ((kernel[axis] ?? 1) - 1) * (dilation[axis] ?? 1) + 1;
    const total = same ? Math.max(0, (Math.ceil(n / step) - 1) * step + reach - n) : 0;
    const before = Math.floor(total / 2);
    return { before, after: total - before, size: Math.floor((n + total - reach) / step) + 1 };
  });
  const [rows, columns] = sides;
  if (!rows || !columns || rows.size < 1 || columns.size < 1)
    return settings.fail(`doesn't fit into ${h}x${w}`);
  const padding = [rows.before, columns.before, rows.after, columns.after] as const;
  return { stride, dilation, padding, size: [rows.size, columns.size] as const };
}

const turn = (change: (tensors: StateDict) => StateDict, tensor: HostTensor): HostTensor =>
  change(new Map([['w', tensor]])).get('w') ?? tensor;

/** The bias of a layer of so many outputs, if it has one. */
function biasOf(settings: Settings, net: Building, outputs: number): Record<string, HostTensor> {
  return settings.flag('use_bias', true) ? { bias: net.weight(settings, 'bias', [outputs]) } : {};
}

const convolution: Build = (settings, net) => {
  const kernel = settings.pair('kernel_size', [1, 1]);
  const { size, ...window } = windowOf(settings, net, kernel);
  const [, , channels] = net.image(settings);
  const filters = settings.whole('filters', 1);
  const groups = settings.whole('groups', 1);
  if (channels % groups !== 0 || filters % groups !== 0)
    settings.fail(`has ${groups} groups of ${channels} channels and ${filters} filters`);
  const bias = biasOf(settings, net, filters);
  const options = { device: net.device, bias: 'bias' in bias, groups, ...window };
  const given = net.weight(settings, 'kernel', [...kernel, channels / groups, filters]);
  const weight = turn(fromHwio('w'), given);
  net.add(new nn.Conv2d(channels, filters, kernel, options), { weight, ...bias });
  net.shape = [...size, filters];
  activate(settings, net);
};

/** A convolution in as many groups as channels: kernels `[KH, KW, C, M]` for M outputs of each. */
const depthwise: Build = (settings, net) => {
  const kernel = settings.pair('kernel_size', [1, 1]);
  const { size, ...window } = windowOf(settings, net, kernel);
  const [, , channels] = net.image(settings);
  const each = settings.whole('depth_multiplier', 1);
  const outputs = channels * each;
  const bias = biasOf(settings, net, outputs);
  const options = { device: net.device, bias: 'bias' in bias, groups: channels, ...window };
  const given = net.weight(settings, 'depthwise_kernel', [...kernel, channels, each]);
  // With the two last axes as one, channel by channel, they are ordinary kernels of one input.
  const weight = turn(fromHwio('w'), { ...given, shape: [...kernel, 1, outputs] });
  net.add(new nn.Conv2d(channels, outputs, kernel, options), { weight, ...bias });
  net.shape = [...size, outputs];
  activate(settings, net);
};

const dense: Build = (settings, net) => {
  const [inputs = 0, ...others] = net.shape;
  if (others.length > 0) settings.fail('reads images, expected vectors: a Flatten before it');
  const units = settings.whole('units', 1);
  const bias = biasOf(settings, net, units);
  const matrix = turn(fromInOut('w'), net.weight(settings, 'kernel', [inputs, units]));
  const weight = net.flattened ? turn(afterFlatten('w', net.flattened), matrix) : matrix;
  net.add(new nn.Linear(inputs, units, { device: net.device, bias: 'bias' in bias }), { weight, ...bias });
  net.shape = [units];
  net.flattened = null;
  activate(settings, net);
};

const pooling =
  (make: (kernel: readonly [number, number], options: object) => nn.Layer): Build =>
  (settings, net) => {
    const kernel = settings.pair('pool_size', [2, 2]);
    const { stride, padding, size } = windowOf(settings, net, kernel);
    const [, , channels] = net.image(settings);
    net.add(make(kernel, { stride, padding }));
    net.shape = [...size, channels];
  };

const normalization: Build = (settings, net) => {
  const channels = net.shape.at(-1) ?? 0;
  if (net.flattened) settings.fail('normalizes flattened maps: that is not read');
  const options = {
    device: net.device,
    eps: settings.number('epsilon', 1e-3),
    momentum: 1 - settings.number('momentum', 0.99),
  };
  const weight = (kind: string): HostTensor => net.weight(settings, kind, [channels]);
  const mean = weight('moving_mean');
  const layer =
    net.shape.length === 3 ? new nn.BatchNorm2d(channels, options) : new nn.BatchNorm1d(channels, options);
  const filled = (value: number): HostTensor => ({
    shape: [channels],
    data: new Float32Array(channels).fill(value),
  });
  net.add(layer, {
    weight: settings.flag('scale', true) ? weight('gamma') : filled(1),
    bias: settings.flag('center', true) ? weight('beta') : filled(0),
    running_mean: mean,
    running_var: weight('moving_variance'),
    num_batches_tracked: { shape: [], data: Int32Array.of(0) },
  });
};

/** Activations by the name that layers give them. */
const activations: Readonly<Record<string, () => nn.Layer | null>> = {
  linear: () => null,
  relu: () => new nn.ReLU(),
  relu6: () => new nn.Lambda((x) => clamp(x, 0, 6)),
  sigmoid: () => new nn.Sigmoid(),
  tanh: () => new nn.Tanh(),
  elu: () => new nn.ELU(),
  softplus: () => new nn.Softplus(),
  swish: () => new nn.SiLU(),
  gelu: () => new nn.GELU(),
  // Over the channels, which are the last axis there and the second here.
  softmax: () => new nn.Softmax(1),
};

function activate(settings: Settings, net: Building): void {
  const name = settings.text('activation', 'linear');
  const make = Object.hasOwn(activations, name) ? activations[name] : undefined;
  const layer = make ? make() : settings.fail(`has the activation ${printable(name, 40)}, unknown here`);
  if (layer) net.add(layer);
}

const builds: ReadonlyMap<string, Build> = new Map<string, Build>([
  ['InputLayer', () => {}],
  ['Conv2D', convolution],
  ['DepthwiseConv2D', depthwise],
  ['Dense', dense],
  ['MaxPooling2D', pooling((kernel, options) => new nn.MaxPool2d(kernel, options))],
  [
    'AveragePooling2D',
    pooling((kernel, options) => new nn.AvgPool2d(kernel, { ...options, countIncludePad: false })),
  ],
  [
    'GlobalAveragePooling2D',
    (settings, net) => {
      const [, , channels] = net.image(settings);
      net.add(new nn.AdaptiveAvgPool2d(1));
      net.add(new nn.Flatten());
      net.shape = [channels];
    },
  ],
  [
    'Flatten',
    (settings, net) => {
      if (net.shape.length === 1) return;
      const [h, w, c] = net.image(settings);
      net.add(new nn.Flatten());
      net.shape = [h * w * c];
      net.flattened = [c, h, w];
    },
  ],
  [
    'ZeroPadding2D',
    (settings, net) => {
      const [h, w, c] = net.image(settings);
      const [[top, bottom], [left, right]] = settings.sides('padding');
      net.add(
        new nn.Lambda((x) =>
          pad(x, [
            [0, 0],
            [0, 0],
            [top, bottom],
            [left, right],
          ]),
        ),
      );
      net.shape = [h + top + bottom, w + left + right, c];
    },
  ],
  ['BatchNormalization', normalization],
  ['Dropout', (settings, net) => net.add(new nn.Dropout(settings.number('rate', 0.5)))],
  ['Activation', activate],
  [
    'ReLU',
    (settings, net) => {
      const high = settings.number('max_value', 0);
      net.add(high > 0 ? new nn.Lambda((x) => clamp(x, 0, high)) : new nn.ReLU());
    },
  ],
  ['LeakyReLU', (settings, net) => net.add(new nn.LeakyReLU(settings.number('alpha', 0.3)))],
  ['ELU', (settings, net) => net.add(new nn.ELU(settings.number('alpha', 1)))],
  ['Softmax', (_settings, net) => net.add(new nn.Softmax(1))],
]);

const layerSchema = object<KerasLayer>({ class_name: text, config: anything });

/** The layers of a topology in order. @throws {DataError} unless each reads the one before it */
function layersOf(topology: unknown, file: string): Settings[] {
  const outer = isObject(topology) && isObject(topology.model_config) ? topology.model_config : topology;
  const model = checkJson(outer, `${file}: its topology`, layerSchema);
  const inner = isObject(model.config) ? model.config.layers : model.config;
  const layers = checkJson(inner, `${file}: its layers`, list(layerSchema));
  const all = layers.map(({ class_name, config }) => new Settings(file, class_name, config));
  const unknown = all.filter(({ kind }) => !builds.has(kind));
  if (unknown.length > 0) {
    const names = unknown.map(({ kind, name }) => `${printable(kind, 40)} (${printable(name, 60)})`);
    throw new DataError(`${file}: has layers that aren't known here: ${names.slice(0, 20).join(', ')}`);
  }
  for (const [i, layer] of layers.entries()) {
    const read = isObject(layer) && 'inbound_nodes' in layer ? JSON.stringify(layer.inbound_nodes) : '';
    const names = [...read.matchAll(/\["([^"]*)",\d+,\d+/g)].map(([, name]) => name);
    const before = i === 0 ? [] : [all[i - 1]?.name];
    if (read !== '' && String(names) !== String(before))
      throw new DataError(
        `${file}: ${printable(all[i]?.name ?? '', 80)} reads other layers than the one before it: read its weights by decodeTensorflowJs`,
      );
  }
  return all;
}

/**
 * Builds a layers model: Conv2D, DepthwiseConv2D, Dense, pooling, batch normalization, Dropout, Flatten and activations
 * one after the other. Its input is `[N, C, H, W]` here.
 * @param model what `model.json` holds
 * @param file its name, for messages
 * @param options `device`: where its parameters are; `read`: gives a file's bytes by its name, see `decodeTensorflowJs`
 * @returns its layers; an activation is a layer of its own, so that logits are `new Sequential(...net.layers.slice(0, -1))`
 * @throws {DataError} as `decodeTensorflowJs` does; for layers that aren't known, all of them; and for branches
 */
export async function importTensorflowJs(
  model: string,
  file: string,
  options: { readonly device: Device; readonly read: (name: string) => Promise<Uint8Array> },
): Promise<nn.Sequential> {
  const { device, read } = options;
  requireDevice('importTensorflowJs', device);
  const { topology, tensors } = await decodeTensorflowJs(model, file, read);
  const layers = layersOf(topology, file);
  const net = new Building(device, tensors);
  net.shape = layers[0]?.inputShape() ?? [];
  try {
    for (const settings of layers) {
      if (sizeOf(net.shape) > 2 ** 31) settings.fail('reads more numbers than a tensor holds');
      builds.get(settings.kind)?.(settings, net);
    }
    const built = new nn.Sequential(...net.layers);
    await loadWeights(built, net.weights);
    return built;
  } catch (error) {
    for (const layer of net.layers) layer.dispose();
    throw error;
  }
}
