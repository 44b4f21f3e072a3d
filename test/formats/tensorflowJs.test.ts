/**
 * TensorFlow.js models: a real trained net gives the logits that PyTorch gives for it; quantized weights, shards, and
 * everything that a damaged model could say.
 */
import { existsSync, readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Device } from '../../src/core/device.js';
import { tensor } from '../../src/core/ops/create.js';
import { decodeImage } from '../../src/data/images/image.js';
import { afterFlatten, fromHwio, fromInOut } from '../../src/formats/conventions.js';
import { loadWeights } from '../../src/formats/load.js';
import { decodeTensorflowJs } from '../../src/formats/tensorflowJs.js';
import { importTensorflowJs } from '../../src/formats/tensorflowLayers.js';
import { Conv2d, Flatten, Linear, MaxPool2d, Sequential } from '../../src/nn/index.js';
import { root } from '../../support/root.js';
import { withDevices } from '../support/devices.js';
import { damageAll, refused } from './damage.js';

const test = suite('TensorFlow.js');
const folder = `${root}../shared/data/tiny-vgg/`;

/** The net as its page describes it, with its weights: kernels, dense matrices and the columns after Flatten turned round. */
async function tinyVgg(device: Device): Promise<Sequential> {
  const text = readFileSync(`${folder}model.json`, 'utf8');
  const { tensors } = await decodeTensorflowJs(text, 'model.json', async (n) => readFileSync(folder + n));
  const conv = (from: number) => new Conv2d(from, 10, 3, { device, relu: true });
  const pool = () => new MaxPool2d(2);
  const convs = [conv(3), conv(10), pool(), conv(10), conv(10), pool()];
  const net = new Sequential(...convs, new Flatten(), new Linear(1690, 10, { device }));
  const layers = ['conv_1_1', 'conv_1_2', '', 'conv_2_1', 'conv_2_2', '', '', 'output'];
  await loadWeights(net, tensors, {
    convert: [fromHwio(), fromInOut(), afterFlatten('output/kernel', [10, 13, 13])],
    rename: (name) => `${layers.indexOf(name.split('/')[0]!)}.${name.endsWith('bias') ? 'bias' : 'weight'}`,
  });
  return net;
}

test("Tiny VGG gives PyTorch's logits for its own photographs", async () => {
  if (!existsSync(folder)) {
    console.log('skipped: no ../shared/data/tiny-vgg');
    return;
  }
  const expected: Record<string, number[]> = JSON.parse(readFileSync(`${folder}logits-pytorch.json`, 'utf8'));
  await withDevices([{ threads: 1 }], async (device) => {
    const net = await tinyVgg(device);
    // The same by its topology: logits come before the softmax that ends it.
    const text = readFileSync(`${folder}model.json`, 'utf8');
    const read = async (name: string): Promise<Uint8Array> => readFileSync(folder + name);
    const whole = await importTensorflowJs(text, 'model.json', { device, read });
    const built = new Sequential(...whole.layers.slice(0, -1));
    assert.is(whole.layers.length, 13);
    for (const [name, logits] of Object.entries(expected)) {
      const { planes } = decodeImage(readFileSync(`${folder}photos/${name}`));
      const pixels = Float32Array.from(planes, (byte) => byte / 255);
      const x = tensor(pixels, { shape: [1, 3, 64, 64], device });
      const actual = await net.forward(x).data();
      assert.equal(await built.forward(x).data(), actual);
      for (const [i, value] of logits.entries())
        assert.ok(Math.abs(actual[i]! - value) <= 1e-5, `${name} ${i}: ${actual[i]} for ${value}`);
    }
  });
});

const config = (name: string, settings: object) => ({ name, ...settings });
const layer = (kind: string, name: string, settings: object = {}) => ({
  class_name: kind,
  config: config(name, settings),
});

/** A model of layers with weights that count from 0. */
function layersModel(layers: readonly object[], weights: Readonly<Record<string, readonly number[]>>) {
  const list = Object.entries(weights).map(([name, shape]) => ({ name, shape, dtype: 'float32' }));
  const sizes = list.map(({ shape }) => shape.reduce((a, b) => a * b, 1));
  const total = sizes.reduce((a, b) => a + b, 0);
  const numbers = sizes.flatMap((size) => Array.from({ length: size }, (_, i) => i + 1));
  const bytes = bytesOf(Float32Array.from(numbers.slice(0, total)));
  const topology = { class_name: 'Sequential', config: { name: 's', layers } };
  const text = JSON.stringify({
    modelTopology: topology,
    weightsManifest: [{ paths: ['w.bin'], weights: list }],
  });
  return { text, read: async (): Promise<Uint8Array> => bytes };
}

test('a net of layers: depthwise kernels, padding, normalization, the order of columns', async () => {
  const { text, read } = layersModel(
    [
      layer('InputLayer', 'in', { batch_input_shape: [null, 3, 2, 2] }),
      layer('ZeroPadding2D', 'z', {
        padding: [
          [0, 0],
          [0, 1],
        ],
      }),
      layer('DepthwiseConv2D', 'd', { kernel_size: [1, 1], depth_multiplier: 2, activation: 'relu6' }),
      layer('BatchNormalization', 'b', { epsilon: 0, momentum: 0.9, center: false }),
      layer('MaxPooling2D', 'm', { pool_size: [2, 2], strides: null, padding: 'same' }),
      layer('Flatten', 'f'),
      layer('Dense', 'o', { units: 2, use_bias: false, activation: 'linear' }),
    ],
    {
      'd/depthwise_kernel': [1, 1, 2, 2],
      'd/bias': [4],
      'b/gamma': [4],
      'b/moving_mean': [4],
      'b/moving_variance': [4],
      'o/kernel': [16, 2],
    },
  );
  await withDevices([{ threads: 1 }], async (device) => {
    const net = (await importTensorflowJs(text, 'm.json', { device, read })).eval();
    const x = tensor(
      Float32Array.from({ length: 12 }, (_, i) => (i % 5) / 8),
      { shape: [1, 2, 3, 2], device },
    );
    const pixels = await x.data();
    // The same by plain loops over [H, W, C].
    const at = (h: number, w: number, c: number): number => (w < 2 ? (pixels[6 * c + 2 * h + w] ?? 0) : 0);
    const maps = (h: number, w: number, k: number): number => {
      const c = Math.floor(k / 2);
      const sum = Math.min(6, Math.max(0, at(h, w, c) * (k + 1) + k + 1));
      return ((sum - (k + 1)) / Math.sqrt(k + 1)) * (k + 1);
    };
    const flat: number[] = [];
    for (const top of [0, 2]) {
      for (const left of [0, 2]) {
        for (let k = 0; k < 4; k++) {
          const inside = [0, 1].flatMap((dh) => [0, 1].map((dw) => [top + dh, left + dw] as const));
          const seen = inside.filter(([h, w]) => h < 3 && w < 3).map(([h, w]) => maps(h, w, k));
          flat.push(Math.max(...seen));
        }
      }
    }
    const expected = [0, 1].map((unit) =>
      flat.reduce((sum, value, i) => sum + value * (2 * i + unit + 1), 0),
    );
    const actual = await net.forward(x).data();
    for (const [i, value] of expected.entries())
      assert.ok(Math.abs(actual[i]! - value) < 1e-4 * Math.abs(value), `${actual[i]} for ${value}`);
  });
});

test('layers that are not known, branches, and weights of other shapes', async () => {
  const input = layer('InputLayer', 'in', { batch_input_shape: [null, 4] });
  await withDevices([{ threads: 1 }], async (device) => {
    const refuses = (layers: readonly object[], weights: Record<string, number[]>, expected: RegExp) => {
      const { text, read } = layersModel(layers, weights);
      return refused('m.json: ', () => importTensorflowJs(text, 'm.json', { device, read }), expected);
    };
    const dense = layer('Dense', 'o', { units: 2 });
    await refuses(
      [input, layer('LSTM', 'l'), layer('GRU', 'g')],
      {},
      /aren't known here: LSTM \(l\), GRU \(g\)/,
    );
    await refuses([input, dense], {}, /o: has no weight bias/);
    await refuses(
      [input, dense],
      { 'o/bias': [2], 'o/kernel': [3, 2] },
      /o: its kernel is 3x2, expected 4x2/,
    );
    await refuses([dense], {}, /o: the input has no fixed shape/);
    await refuses([input, layer('Conv2D', 'c')], {}, /c: reads vectors, expected images/);
    await refuses(
      [input, layer('Dense', 'o', { units: -2 })],
      {},
      /o: units is -2, expected a whole number from 1/,
    );
    await refuses([input, layer('Activation', 'a', { activation: 'sin' })], {}, /a: has the activation sin/);
    const joined = {
      ...layer('ReLU', 'r'),
      inbound_nodes: [
        [
          ['in', 0, 0, {}],
          ['x', 0, 0, {}],
        ],
      ],
    };
    await refuses([input, joined], {}, /r reads other layers than the one before it/);
    assert.is(device.memory().buffers, 0);
  });
});

const bytesOf = (...arrays: ArrayBufferView[]): Uint8Array =>
  new Uint8Array(Buffer.concat(arrays.map((a) => Buffer.from(a.buffer, a.byteOffset, a.byteLength))));
const shards: Record<string, Uint8Array> = {
  'a.bin': bytesOf(Float32Array.of(1, 2), Uint8Array.of(0, 255)),
  'b.bin': bytesOf(Uint16Array.of(1, 3), Int32Array.of(-7)),
  'c.bin': bytesOf(Uint8Array.of(1, 0), Uint16Array.of(0x3c00, 0xc000)),
};
const read = async (name: string): Promise<Uint8Array> => shards[name] ?? new Uint8Array();
const quantized = (name: string, dtype: string, how: object) => ({
  name,
  shape: [2],
  dtype,
  quantization: how,
});
const manifest = [
  {
    paths: ['a.bin', 'b.bin'],
    weights: [
      { name: 'plain', shape: [2, 1], dtype: 'float32' },
      quantized('bytes', 'float32', { dtype: 'uint8', scale: 0.5, min: -1 }),
      quantized('shorts', 'int32', { dtype: 'uint16', scale: 1.4, min: 10 }),
      { name: 'count', shape: [], dtype: 'int32' },
    ],
  },
  {
    paths: ['c.bin'],
    weights: [
      { name: 'flags', shape: [2], dtype: 'bool' },
      quantized('halves', 'float32', { dtype: 'float16' }),
    ],
  },
];
const model = { format: 'graph-model', modelTopology: { node: [] }, weightsManifest: manifest };

test('weights of every type, quantized and over several files', async () => {
  const { format, topology, tensors } = await decodeTensorflowJs(JSON.stringify(model), 'm.json', read);
  assert.is(format, 'graph-model');
  assert.equal(topology, { node: [] });
  assert.equal(
    [...tensors],
    [
      ['plain', { shape: [2, 1], data: Float32Array.of(1, 2) }],
      ['bytes', { shape: [2], data: Float32Array.of(-1, 126.5) }],
      ['shorts', { shape: [2], data: Int32Array.of(11, 14) }],
      ['count', { shape: [], data: Int32Array.of(-7) }],
      ['flags', { shape: [2], data: Uint8Array.of(1, 0) }],
      ['halves', { shape: [2], data: Float32Array.of(1, -2) }],
    ],
  );
});

test('what a model may not say', async () => {
  const only = (weight: object, paths: readonly string[] = ['a.bin']) =>
    refusedModel({ weightsManifest: [{ paths, weights: [weight] }] });
  const refusedModel = (given: object) => (message: RegExp) =>
    refused('m.json: ', () => decodeTensorflowJs(JSON.stringify(given), 'm.json', read), message);
  await only({ name: 'w', shape: [3], dtype: 'float32' })(/a\.bin: 10 bytes, the weights take 12/);
  await only({ name: 'w', shape: [2], dtype: 'string' })(/w is string, expected float32, int32, bool/);
  await only({ name: 'w', shape: [2], dtype: 'float32' }, ['../a.bin'])(
    /expected the name of a file next to/,
  );
  await only({ name: 'w', shape: [2 ** 40, 2 ** 40], dtype: 'float32' })(/which no file can hold/);
  await only({ name: 'w', shape: [-1], dtype: 'float32' })(/shape\[0\] is -1/);
  await only(quantizedTen('uint8', {}))(/quantized without scale and min/);
  await only(quantizedTen('uint8', { scale: '1' }))(/scale is "1"/);
  await only(quantizedTen('int4', {}))(/dtype is "int4"/);
  await refusedModel({ weightsManifest: 3 })(/weightsManifest is 3/);
  await refusedModel({ weightsManifest: [...manifest, manifest[1]] })(/two weights flags/);
});

const quantizedTen = (dtype: string, how: object) => ({
  ...{ name: 'w', shape: [10], dtype: 'float32' },
  quantization: { dtype, ...how },
});

test('10,000 damaged nets of layers', async () => {
  const { text, read } = layersModel(
    [
      layer('InputLayer', 'in', { batch_input_shape: [null, 4, 4, 1] }),
      layer('Conv2D', 'c', {
        filters: 2,
        kernel_size: [3, 3],
        padding: 'same',
        strides: [2, 2],
        activation: 'relu',
      }),
      layer('Flatten', 'f'),
      layer('Dense', 'o', { units: 2 }),
    ],
    { 'c/kernel': [3, 3, 1, 2], 'c/bias': [2], 'o/kernel': [8, 2], 'o/bias': [2] },
  );
  await withDevices([{ threads: 1 }], async (device) => {
    await damageAll('m.json', new TextEncoder().encode(text), 10_000, async (bytes, file) => {
      const given = new TextDecoder().decode(bytes);
      (await importTensorflowJs(given, file, { device, read })).dispose();
    });
    assert.is(device.memory().buffers, 0);
  });
});

test('10,000 damaged models', async () => {
  const whole = new TextEncoder().encode(JSON.stringify(model));
  await damageAll('m.json', whole, 10_000, (bytes, file) =>
    decodeTensorflowJs(new TextDecoder().decode(bytes), file, read),
  );
});

test.run();
