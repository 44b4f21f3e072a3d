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
    for (const [name, logits] of Object.entries(expected)) {
      const { planes } = decodeImage(readFileSync(`${folder}photos/${name}`));
      const pixels = Float32Array.from(planes, (byte) => byte / 255);
      const x = tensor(pixels, { shape: [1, 3, 64, 64], device });
      const actual = await net.forward(x).data();
      for (const [i, value] of logits.entries())
        assert.ok(
          Math.abs(actual[i]! - value) <= 1e-5 * Math.max(1, Math.abs(value)),
          `${name} ${i}: ${actual[i]} for ${value}`,
        );
    }
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

test('10,000 damaged models', async () => {
  const whole = new TextEncoder().encode(JSON.stringify(model));
  await damageAll('m.json', whole, 10_000, (bytes, file) =>
    decodeTensorflowJs(new TextDecoder().decode(bytes), file, read),
  );
});

test.run();
