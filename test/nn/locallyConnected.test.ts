/**
 * Locally connected layers: against convolutions of one place each, their gradients by finite differences, and on
 * WebGPU, where there is a driver, against the CPU.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Device } from '../../src/core/device.js';
import { conv2d, mul, openDevice, reshape, slice, sum } from '../../src/index.js';
import * as nn from '../../src/nn/index.js';
import { normal } from '../../src/nn/layer.js';
import { softwareDriver } from '../../support/driver.js';
import { seededRandom } from '../backends/cpu/numbers.js';
import { openSoftware } from '../backends/webgpu/harness.js';
import { assertClose, onDevice, onHost, randomHost } from '../support/devices.js';
import { gradcheck, normalLeaf } from '../support/gradcheck.js';

const test = suite('locally connected');
const random = seededRandom('locallyConnected');
let device: Device;

test.before(async () => {
  device = await openDevice('cpu:0', { threads: 2 });
});
test.after(() => device.close());

test('each place is a convolution by kernels of its own', async () => {
  for (const { stride, padding, relu } of [
    { stride: 1, padding: 1, relu: false },
    { stride: 2, padding: 0, relu: true },
  ]) {
    const layer = new nn.LocallyConnected2d(3, 4, [5, 6], 3, {
      device,
      stride,
      padding,
      relu,
      biasInit: normal(1),
    });
    const [, oh = 0, ow = 0] = layer.weight.shape;
    const x = onDevice(randomHost(random, [2, 3, 5, 6]), device);
    const y = layer.forward(x);
    assert.equal(y.shape, [2, 4, oh, ow]);
    for (let i = 0; i < oh; i++) {
      for (let j = 0; j < ow; j++) {
        const at = (t: typeof x, first: number) => slice(slice(t, first, i, i + 1), first + 1, j, j + 1);
        const kernels = reshape(at(layer.weight, 1), [4, 3, 3, 3]);
        const bias = reshape(at(layer.bias!, 1), [4]);
        const whole = conv2d(x, kernels, { bias, stride, padding, relu });
        assertClose(await onHost(at(y, 2)), await onHost(at(whole, 2)), `place ${i}, ${j}`);
      }
    }
  }
});

test('gradients by input, weight and bias', async () => {
  for (const [stride, padding, size] of [
    [1, 1, 3],
    [2, 0, 5],
  ] as const) {
    const places = (size + 2 * padding - 3) / stride + 1;
    await gradcheck(
      `stride ${stride}`,
      device,
      random,
      (x, weight, bias) =>
        new nn.LocallyConnected2d(2, 3, size, 3, {
          device,
          stride,
          padding,
          weightInit: () => weight,
          biasInit: () => bias,
        }).forward(x),
      [
        normalLeaf(random, [2, 2, size, size]),
        normalLeaf(random, [3, places, places, 2, 3, 3]),
        normalLeaf(random, [3, places, places]),
      ],
    );
  }
});

test('maps of another size are one clear error, as is a window that does not fit', () => {
  const layer = new nn.LocallyConnected2d(2, 3, 6, 3, { device });
  const x = onDevice(randomHost(random, [1, 2, 7, 6]), device);
  assert.throws(() => layer.forward(x), /LocallyConnected2d: x is .*, expected \[N, 2, 6, 6\]: each place/);
  assert.throws(
    () => new nn.LocallyConnected2d(2, 3, 2, 3, { device }),
    /3x3 window doesn't fit into maps of 2x2/,
  );
});

const driver = await softwareDriver();
if (driver !== null) {
  test('WebGPU computes what the CPU computes, forward and backward', async () => {
    const gpu = new Device('webgpu:0', await openSoftware(driver));
    const [input, weight] = [randomHost(random, [4, 8, 6, 6]), randomHost(random, [5, 6, 6, 8, 3, 3])];
    const results = [];
    for (const on of [device, gpu]) {
      const weightInit = () => onDevice(weight, on);
      const layer = new nn.LocallyConnected2d(8, 5, 6, 3, { device: on, padding: 1, weightInit });
      const x = onDevice(input, on);
      x.requiresGrad = true;
      const y = layer.forward(x);
      sum(mul(y, y)).backward();
      results.push([await onHost(y), await onHost(x.grad!), await onHost(layer.weight.grad!)]);
    }
    const [cpu = [], webgpu = []] = results;
    for (const [i, what] of ['result', 'by x', 'by weight'].entries()) {
      assertClose(webgpu[i]!, cpu[i]!, what);
    }
    gpu.close();
  });
}

test.run();
