/**
 * AlexNet at full size, one image: what crosses in a training step, and that two devices and one agree.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as tables from '../../src/alexnet/networks.js';
import { ledger } from '../../src/core/trace.js';
import { seededRandom } from '../backends/cpu/numbers.js';
import { assertClose, randomHost, withDevices } from '../support/devices.js';
import { assertLedger, predict, trainingStep, withNetwork } from './towers.js';

const random = seededRandom('full size');
const two = [{ threads: 1 }, { threads: 1 }];
const full = { architecture: tables.alexnet, placement: tables.twoTowers(), seed: 3 };

test('a training step of AlexNet crosses at conv3, fc6, fc7, fc8 with 468,992 bytes an image; half of it on each device', async () => {
  await withDevices(two, async (first, second) => {
    const images = randomHost(random, [1, 3, 224, 224]);
    const devices = [first, second];
    const apart = await withNetwork({ ...full, devices }, async (network) => {
      assert.is(
        network.parameters().reduce((sum, x) => sum + x.size, 0),
        60_965_224,
      );
      const [a, b] = devices.map((device) => device.memory().live);
      assert.ok(Math.abs(a! / b! - 1) < 0.15, `${a} and ${b} bytes of parameters`);
      ledger.clear();
      const step = await trainingStep(network, images);
      assertLedger(full.architecture, full.placement, 1);
      assert.is(ledger.bytes(), 468_992);
      assert.is(
        ledger.bytes(({ phase }) => phase === 'backward'),
        468_992 / 2,
      );
      return step;
    });
    const { logits, gradients } = await withNetwork({ ...full, devices: [second] }, (network) =>
      trainingStep(network, images),
    );
    assertClose(apart.logits, logits, 'logits');
    for (const [name, gradient] of gradients) {
      assertClose(apart.gradients.get(name)!, gradient, `gradient of ${name}`, 1e-10);
    }
    assert.is(first.memory().live + second.memory().live, 0);
  });
});

test('the half-size network runs forward', async () => {
  await withDevices([{ threads: 2 }], async (device) => {
    const options = { ...full, placement: tables.halfSize(10), devices: [device] };
    await withNetwork(options, async (network) => {
      const { shape, data } = await predict(network, randomHost(random, [1, 3, 224, 224]));
      assert.equal(shape, [1, 10]);
      assert.ok(data.every(Number.isFinite) && data.some((x) => x !== data[0]));
    });
  });
});

test.run();
