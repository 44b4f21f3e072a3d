/**
 * Layers, loss and optimizer together: small networks learn, the same bits on any number of threads, and without
 * gathering memory.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { HostRandom } from '../../src/backends/threefry.js';
import type { Device } from '../../src/core/device.js';
import { crossEntropy } from '../../src/core/ops/loss.js';
import { argmax } from '../../src/core/ops/reduce.js';
import { drawOf, manualSeed } from '../../src/core/random.js';
import { scope } from '../../src/core/scope.js';
import { noGrad } from '../../src/core/tape.js';
import { Tensor } from '../../src/core/tensor.js';
import * as nn from '../../src/nn/index.js';
import { kaimingNormal } from '../../src/nn/layer.js';
import type { HostTensor } from '../../src/nn/module.js';
import { SGD } from '../../src/nn/sgd.js';
import { onDevice, randomHost, withDevices } from '../support/devices.js';

/** Images or points, and their classes. */
interface Batch {
  readonly x: HostTensor;
  readonly labels: readonly number[];
}

/** Trains on one batch; gives each step's loss, on the host, and calls `after` once a step. */
async function fit(
  net: nn.Layer,
  device: Device,
  { x, labels }: Batch,
  steps: number,
  sgd: SGD,
  after: () => void = () => {},
): Promise<number[]> {
  const losses: number[] = [];
  const [input, classes] = [
    onDevice(x, device),
    Tensor.from('labels', device, Int32Array.from(labels), [labels.length]),
  ];
  for (let step = 0; step < steps; step++) {
    const loss = scope(() => {
      const loss = crossEntropy(net.forward(input), classes);
      sgd.zeroGrad();
      loss.backward();
      sgd.step();
      return loss;
    });
    losses.push(await loss.item());
    loss.dispose();
    after();
  }
  input.dispose();
  classes.dispose();
  return losses;
}

async function answers(net: nn.Layer, device: Device, x: HostTensor): Promise<number[]> {
  net.eval();
  const best = noGrad(() => scope(() => argmax(net.forward(onDevice(x, device)))));
  const classes = [...(await best.data())];
  best.dispose();
  return classes;
}

test('a small network learns exclusive or', async () => {
  await withDevices([{ threads: 1 }], async (device) => {
    manualSeed(1);
    const net = new nn.Sequential(
      new nn.Linear(2, 8, { device }),
      new nn.Tanh(),
      new nn.Linear(8, 2, { device }),
    );
    const x = { shape: [4, 2], data: Float32Array.of(0, 0, 0, 1, 1, 0, 1, 1) };
    const labels = [0, 1, 1, 0];
    const sgd = new SGD([{ params: net.parameters(), learningRate: 0.3, weightDecay: 0 }]);
    const losses = await fit(net, device, { x, labels }, 200, sgd);
    assert.ok(losses[0]! > 0.5 && losses.at(-1)! < 0.02, `loss ${losses[0]} to ${losses.at(-1)}`);
    assert.equal(await answers(net, device, x), labels);
  });
});

/** Every kind of layer of a small AlexNet, wide enough to be shared among threads. */
function convnet(device: Device): nn.Sequential {
  manualSeed(2);
  const options = { device, weightInit: kaimingNormal() };
  return new nn.Sequential(
    new nn.Conv2d(3, 16, 5, { ...options, padding: [0, 1, 2, 1], stride: 2, relu: true }),
    new nn.LocalResponseNorm(),
    new nn.MaxPool2d(3, { stride: 2, ceilMode: true }),
    new nn.Conv2d(16, 24, 3, { ...options, padding: 1, groups: 2 }),
    new nn.ReLU(),
    new nn.AvgPool2d(2),
    new nn.Flatten(),
    new nn.Linear(24 * 9, 64, { ...options, relu: true }),
    new nn.Dropout(0.3),
    new nn.Linear(64, 10, options),
  );
}

/** Noise images, of which nothing but memory tells the classes. */
function images(count: number): Batch {
  const random = new HostRandom(drawOf(3, 0));
  return {
    x: randomHost(random, [count, 3, 26, 25]),
    labels: Array.from({ length: count }, (_, i) => (i * 7) % 10),
  };
}

const groupsOf = (net: nn.Layer): SGD => {
  const named = [...net.namedParameters()];
  const ending = (end: string): Tensor[] => named.flatMap(([name, x]) => (name.endsWith(end) ? [x] : []));
  return new SGD([
    { params: ending('weight'), learningRate: 0.02 },
    { params: ending('bias'), learningRate: 0.04, weightDecay: 0 },
  ]);
};

test('a small convolutional network learns a batch of images by heart; live bytes stay flat', async () => {
  await withDevices([{ threads: 2 }], async (device) => {
    const net = convnet(device);
    const batch = images(20);
    const sgd = groupsOf(net);
    const live: string[] = [];
    const losses = await fit(net, device, batch, 60, sgd, () => {
      const { live: bytes, buffers, peak } = device.memory();
      live.push(`${bytes} bytes in ${buffers} buffers, peak ${peak}`);
    });
    assert.ok(losses[0]! > 1.5 && losses.at(-1)! < 0.1, `loss ${losses[0]} to ${losses.at(-1)}`);
    assert.equal(await answers(net, device, batch.x), batch.labels);
    assert.equal(new Set(live.slice(1)).size, 1, live.join('\n'));
    sgd.dispose();
    net.dispose();
    assert.is(device.memory().live, 0);
  });
});

for (const deterministic of [false, true]) {
  test(`training gives the same bits on 1, 2 and 3 threads (deterministic: ${deterministic})`, async () => {
    const runs: unknown[] = [];
    for (const threads of [1, 2, 3]) {
      await withDevices([{ threads, deterministic }], async (device) => {
        const net = convnet(device);
        const losses = await fit(net, device, images(33), 4, groupsOf(net));
        runs.push({ losses, state: await net.stateDict() });
      });
    }
    assert.equal(runs[1], runs[0]);
    assert.equal(runs[2], runs[0]);
  });
}

test.run();
