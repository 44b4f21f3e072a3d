/**
 * Every layer with an operator in ONNX: exported and read back it computes what it did, or is refused by name.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { exportOnnx } from '../../src/formats/onnx/export.js';
import { importOnnx } from '../../src/formats/onnx/import.js';
import { type Device, tensor } from '../../src/index.js';
import * as nn from '../../src/nn/index.js';
import { seededRandom } from '../backends/cpu/numbers.js';
import { assertClose, onDevice, onHost, randomHost, withDevices } from '../support/devices.js';
import { rejection } from '../support/errors.js';
import { readModel } from '../support/onnx.js';

const random = seededRandom('formats/onnxLayers');
const one = [{ threads: 1 }];

type Make = (device: Device) => nn.Layer;

const transposed = { stride: 2, padding: [0, 1, 2, 1], outputPadding: 1, dilation: 2, groups: 2 } as const;

const layers: readonly (readonly [input: number[], make: Make])[] = [
  [[5], () => new nn.SiLU()],
  [[5], () => new nn.GELU()],
  [[5], () => new nn.GELU('tanh')],
  [[5], () => new nn.LeakyReLU(0.2)],
  [[5], () => new nn.ELU(0.7)],
  [[5], () => new nn.Softplus()],
  [[5], () => new nn.Softplus(2)],
  [[5, 3], () => new nn.Softmax(1)],
  [[5, 3], () => new nn.LogSoftmax()],
  [[3, 9], (device) => new nn.Conv1d(3, 4, 2, { device, stride: 2, padding: [1, 2], relu: true })],
  [[4, 3, 5], (device) => new nn.ConvTranspose2d(4, 6, 3, { device, ...transposed })],
  [[4, 5, 6], (device) => new nn.BatchNorm2d(4, { device })],
  [[4], (device) => new nn.BatchNorm1d(4, { device, affine: false, eps: 1e-2 })],
  [[4, 5], (device) => new nn.LayerNorm(5, { device })],
  [[4, 5], (device) => new nn.LayerNorm([4, 5], { device, eps: 1e-2 })],
  [[4, 5], (device) => new nn.LayerNorm(5, { device, elementwiseAffine: false })],
  [[4, 5, 2], (device) => new nn.GroupNorm(2, 4, { device })],
  [[4, 5], (device) => new nn.GroupNorm(2, 4, { device, affine: false })],
  [[2, 6, 8], () => new nn.AdaptiveAvgPool2d([3, 2])],
  [[2, 6, 8], () => new nn.AdaptiveAvgPool2d(1)],
];

test('layers come back from the file as they were', async () => {
  await withDevices(one, async (device) => {
    for (const [input, make] of layers) {
      const layer = make(device);
      const state = [...(await layer.stateDict())].map(([name, { shape, data }]) => {
        const numbers = Float32Array.from(data, () => 0.2 + random.uniform());
        return [name, { shape, data: data instanceof Int32Array ? data : numbers }] as const;
      });
      layer.loadStateDict(new Map(state));
      const net = new nn.Sequential(layer).eval();
      const file = await exportOnnx(net, { input });
      const model = await importOnnx(file, 'net.onnx', { device });
      const x = onDevice(randomHost(random, [3, ...input]), device);
      const [expected, actual] = [net.forward(x), model.eval().forward(x)];
      assertClose(await onHost(actual), await onHost(expected), `${layer.constructor.name} of ${input}`);
      for (const thing of [expected, actual, x, net, model]) thing.dispose();
    }
  });
});

test('an embedding takes indices that come as floats', async () => {
  await withDevices(one, async (device) => {
    const table = new nn.Embedding(5, 3, { device });
    const model = await importOnnx(await exportOnnx(table, { input: [2] }), 'net.onnx', { device });
    const expected = table.forward(tensor(Int32Array.of(4, 0, 1, 1), { shape: [2, 2], device }));
    const actual = model.forward(
      tensor(
        [
          [4, 0],
          [1, 1],
        ],
        { device },
      ),
    );
    assert.equal([...actual.shape], [2, 2, 3]);
    assert.equal(await actual.data(), await expected.data());
  });
});

test('a transposed convolution is written with its window', async () => {
  await withDevices(one, async (device) => {
    const options = { device, stride: 2, padding: 1, outputPadding: 1, dilation: 2, groups: 2 };
    const net = new nn.Sequential(new nn.ConvTranspose2d(4, 6, 3, options), new nn.Flatten());
    const x = onDevice(randomHost(random, [1, 4, 3, 5]), device);
    const [size = 0] = net.forward(x).shape.slice(1);
    const whole = new nn.Sequential(net, new nn.Linear(size, 1, { device }));
    const [node] = readModel(await exportOnnx(whole, { input: [4, 3, 5] })).nodes;
    assert.is(node?.op, 'ConvTranspose');
    const lists = {
      strides: [2, 2],
      pads: [1, 1, 1, 1],
      dilations: [2, 2],
      output_padding: [1, 1],
      group: [2],
    };
    for (const [name, list] of Object.entries(lists)) assert.equal(node?.ints.get(name), list, name);
  });
});

test('what ONNX has no operator for is refused by the name of the module', async () => {
  await withDevices(one, async (device) => {
    const refusals: readonly (readonly [nn.Layer, number[], RegExp])[] = [
      [new nn.AdaptiveAvgPool2d(3), [1, 4, 4], /0 makes 3x3 of 4x4: ONNX has windows of one size/],
      [
        new nn.BatchNorm2d(2, { device, trackRunningStats: false }),
        [2, 3, 3],
        /0 keeps no running statistics/,
      ],
      [new nn.LayerNorm(4, { device }), [3], /0 is given \[3\]/],
    ];
    for (const [layer, input, message] of refusals)
      assert.match(String(await rejection(exportOnnx(new nn.Sequential(layer), { input }))), message);
  });
});

test.run();
