/**
 * Modules of any kind as ONNX files, read back: the nodes of every layer, one's own rules, and what is refused.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ArgumentError } from '../../src/core/errors.js';
import { ones } from '../../src/core/ops/create.js';
import { add } from '../../src/core/ops/elementwise.js';
import type { Tensor } from '../../src/core/tensor.js';
import { exportOnnx, onnxRule } from '../../src/formats/onnx/export.js';
import * as nn from '../../src/nn/index.js';
import { normal } from '../../src/nn/layer.js';
import { type Module, parameter } from '../../src/nn/module.js';
import { withDevices } from '../support/devices.js';
import { rejection } from '../support/errors.js';
import { readModel } from '../support/onnx.js';

const one = [{ threads: 1 }];
const opsOf = (bytes: Uint8Array): string[] => readModel(bytes).nodes.map(({ op }) => op);

test('a Sequential exports its layers in order, fused ReLU as a node, under the names of its state dict', async () => {
  await withDevices(one, async (device) => {
    const net = new nn.Sequential(
      new nn.Conv2d(3, 8, [3, 2], { device, stride: [2, 1], padding: [1, 0, 2, 1], bias: false, relu: true }),
      new nn.MaxPool2d(2, { stride: 2, padding: 1 }),
      new nn.Sequential(new nn.LocalResponseNorm({ size: 3, alpha: 0.5, scaling: 'mean' }), new nn.Abs()),
      new nn.AvgPool2d(2, { stride: 1 }),
      new nn.Flatten(),
      new nn.Dropout(0.5),
      new nn.Linear(8 * 2 * 4, 5, { device, biasInit: normal(1) }),
      new nn.Sigmoid(),
    );
    const bytes = await exportOnnx(net, { input: [3, 7, 8] });
    const { nodes, tensors } = readModel(bytes);
    assert.equal(
      nodes.map(({ op }) => op),
      ['Conv', 'Relu', 'MaxPool', 'LRN', 'Abs', 'AveragePool', 'Flatten', 'Gemm', 'Sigmoid'],
    );
    assert.equal(nodes.map(({ name }) => name).slice(0, 5), [
      '0.Conv',
      '0.Relu',
      '1.MaxPool',
      '2.0.LRN',
      '2.1.Abs',
    ]);
    assert.equal([...tensors.keys()], ['0.weight', '6.weight', '6.bias']);
    for (const [i, { inputs }] of nodes.entries()) assert.is(inputs[0], nodes[i - 1]?.output ?? 'input');
    assert.is(nodes.at(-1)?.output, 'output');
    const [conv, , max, lrn] = nodes;
    assert.equal(conv?.ints.get('pads'), [1, 0, 2, 1]);
    assert.equal(conv?.ints.get('strides'), [2, 1]);
    assert.equal(max?.ints.get('pads'), [1, 1, 1, 1]);
    assert.is(lrn?.floats.get('alpha'), 0.5, "ONNX divides alpha by the window's size itself");
    // The shapes are right: the product takes what they come to.
    assert.equal(net.forward(ones([2, 3, 7, 8], { device })).shape, [2, 5]);
  });
});

test('dilation is written where there is one, and the map is as large as it says', async () => {
  await withDevices(one, async (device) => {
    const conv = new nn.Conv2d(3, 4, [3, 2], { device, dilation: [2, 3] });
    const net = new nn.Sequential(conv, new nn.Flatten(), new nn.Linear(4 * 3 * 5, 2, { device }));
    const [first] = readModel(await exportOnnx(net, { input: [3, 7, 8] })).nodes;
    assert.equal(first?.ints.get('dilations'), [2, 3]);
    assert.equal(first?.ints.get('kernel_shape'), [3, 2]);
    assert.equal(net.forward(ones([2, 3, 7, 8], { device })).shape, [2, 2]);
  });
});

test("the paper's alpha is multiplied by the window's size; groups are seen as more images", async () => {
  const net = new nn.LocalResponseNorm({ groups: 2 });
  const { nodes, tensors } = readModel(await exportOnnx(net, { input: [8, 3, 3] }));
  assert.equal(
    nodes.map(({ op }) => op),
    ['Reshape', 'LRN', 'Reshape'],
  );
  assert.ok(Math.abs(nodes[1]!.floats.get('alpha')! - 5e-4) < 1e-9);
  assert.is(nodes[1]!.floats.get('bias'), 2);
  const sizes = [...tensors.values()].map(({ bytes }) =>
    [...new BigInt64Array(bytes.slice().buffer)].map(Number),
  );
  assert.equal(sizes, [
    [-1, 4, 0, 0],
    [-1, 8, 0, 0],
  ]);
});

test('Linear in groups is a convolution of one pixel, Linear of more axes a MatMul', async () => {
  await withDevices(one, async (device) => {
    const grouped = new nn.Linear(6, 4, { device, groups: 2, relu: true });
    assert.equal(opsOf(await exportOnnx(grouped, { input: [6] })), ['Reshape', 'Conv', 'Flatten', 'Relu']);
    const plain = new nn.Linear(6, 4, { device });
    assert.equal(opsOf(await exportOnnx(plain, { input: [6] })), ['Gemm']);
    assert.equal(opsOf(await exportOnnx(plain, { input: [5, 6] })), ['Transpose', 'MatMul', 'Add']);
  });
});

test('normalization within maps is written out, paper dropout scales, and nothing is an Identity', async () => {
  assert.equal(opsOf(await exportOnnx(new nn.SpatialResponseNorm(), { input: [2, 4, 4] })), [
    'Mul',
    'AveragePool',
    'Mul',
    'Add',
    'Pow',
    'Mul',
  ]);
  assert.equal(opsOf(await exportOnnx(new nn.Dropout(0.5, { form: 'paper' }), { input: [3] })), ['Mul']);
  assert.equal(opsOf(await exportOnnx(new nn.Dropout(0.5), { input: [3] })), ['Identity']);
});

test("a rule writes one's own module; without one, the message names the module and the way out", async () => {
  await withDevices(one, async (device) => {
    class Shortcut extends nn.Layer {
      readonly body = new nn.Linear(3, 3, { device });
      readonly shift = parameter(ones([3], { device }));
      forward(x: Tensor): Tensor {
        return add(x, add(this.body.forward(x), this.shift));
      }
    }
    const net = new nn.Sequential(new nn.ReLU(), new Shortcut());
    const rule = onnxRule(Shortcut, ({ body, shift }, x, graph) => {
      return graph.node('Add', [x, graph.node('Add', [graph.add(body, x, 'body'), graph.parameter(shift)])]);
    });
    const { nodes, tensors } = readModel(await exportOnnx(net, { input: [3], rules: [rule] }));
    assert.equal(
      nodes.map(({ name }) => name),
      ['0.Relu', '1.body.Gemm', '1.Add', 'output'],
    );
    assert.equal([...tensors.keys()].sort(), ['1.body.bias', '1.body.weight', '1.shift']);
    for (const [layer, message] of [
      [net, /^exportOnnx: 1 is a Shortcut, for which there is no rule: give one in rules$/],
      [new nn.Lambda((x) => x), /^exportOnnx: the module is a Lambda/],
    ] as const) {
      await refused(layer, [3], message);
    }
  });
});

async function refused(module: Module, input: readonly number[], message: RegExp): Promise<void> {
  const error = await rejection(exportOnnx(module, { input }));
  assert.instance(error, ArgumentError);
  assert.match(error.message, message);
}

test('what does not fit, or ONNX has no operator for, is refused by the name of the module', async () => {
  await withDevices(one, async (device) => {
    const conv = new nn.Conv2d(3, 4, 3, { device });
    await refused(new nn.Sequential(conv), [2, 8, 8], /0 reads 3 channels or features, but is given 2/);
    await refused(conv, [3, 2, 2], /windows larger than the 3x2x2/);
    await refused(new nn.Sequential(new nn.Linear(4, 2, { device })), [5], /0 reads 4 .* given 5/);
    await refused(conv, [27], /reads \[27\] of each image, expected 3 axes/);
    await refused(
      new nn.LocalResponseNorm({ groups: 2 }),
      [3, 4, 4],
      /2 groups, which don't divide the 3 maps/,
    );
    await refused(new nn.LocalResponseNorm({ size: 4 }), [3, 4, 4], /window of 4 maps.*odd size/);
    await refused(
      new nn.MaxPool2d(2, { stride: 2, padding: 1, ceilMode: true }),
      [1, 3, 3],
      /last window that starts past the image/,
    );
    await refused(
      new nn.AvgPool2d(3, { stride: 2, padding: 1, ceilMode: true }),
      [1, 8, 8],
      /averages over padding and overhangs/,
    );
    const doubles = new nn.Linear(1, 1, {
      device,
      weightInit: (shape) => ones(shape, { device, dtype: 'float64' }),
    });
    await refused(new nn.Sequential(doubles), [1], /0\.weight is float64, expected float32/);
  });
});

test.run();
