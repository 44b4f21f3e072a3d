/**
 * Networks built from tables: every table runs; towers on two devices and groups on one are the same network; what
 * crosses is what the tables say.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Architecture } from '../../src/alexnet/architecture.js';
import { Network } from '../../src/alexnet/network.js';
import * as tables from '../../src/alexnet/networks.js';
import { ArgumentError } from '../../src/core/errors.js';
import { crossEntropy } from '../../src/core/ops/loss.js';
import { scope } from '../../src/core/scope.js';
import { Tensor } from '../../src/core/tensor.js';
import { ledger, trace } from '../../src/core/trace.js';
import { readBelonging } from '../../src/nn/module.js';
import { SGD } from '../../src/nn/sgd.js';
import { seededRandom } from '../backends/cpu/numbers.js';
import { onDevice, randomHost, withDevices } from '../support/devices.js';
import { thrown } from '../support/errors.js';
import { assertLedger, assertSameNetwork, predict, trainingStep, withNetwork } from './towers.js';

const random = seededRandom('networks');
const two = [{ threads: 1 }, { threads: 1 }];
const seed = 11;
const small = { architecture: tables.small, placement: tables.smallTowers(), seed };

test('networks of the small tables run forward and backward, on finite numbers', async () => {
  await withDevices([{ threads: 2 }], async (device) => {
    for (const [architecture, placement, dropoutForm] of [
      [tables.small, tables.smallTowers(7), 'paper'],
      [tables.small, tables.smallTowers(), 'inverted'],
      [tables.cifar80sec, tables.place80sec(), 'paper'],
      [tables.cifar18pct, tables.place18pct(20), 'paper'],
      [tables.cifar13pct, tables.place13pct(), 'paper'],
      [tables.cifar11pct, tables.place11pct(7), 'paper'],
    ] as const) {
      const options = { architecture, placement, devices: [device], seed, dropoutForm };
      await withNetwork(options, async (network) => {
        const classes = Object.values(placement).at(-1)!.kernels[0]!;
        const { logits, gradients } = await trainingStep(
          network,
          randomHost(random, [3, 3, architecture.size, architecture.size]),
        );
        assert.equal(logits.shape, [3, classes]);
        assert.equal([...gradients.keys()], [...(await network.stateDict()).keys()]);
        for (const { data } of [logits, ...gradients.values()]) assert.ok(data.every(Number.isFinite));
      });
      assert.is(device.memory().buffers, 0);
    }
  });
});

test('parameters are named by layer on one device, by layer and tower on two; initial biases as the table says', async () => {
  await withDevices(two, async (first, second) => {
    const paper: Architecture = {
      ...tables.small,
      layers: tables.small.layers.map((spec, i) => ({ ...spec, bias: i })),
    };
    await withNetwork({ ...small, architecture: paper, devices: [first] }, async (network) => {
      assert.equal([...network.namedParameters().keys()].slice(0, 3), [
        'conv1.weight',
        'conv1.bias',
        'conv2.weight',
      ]);
      assert.equal((await network.stateDict()).get('conv3.bias')?.data, new Float32Array(64).fill(2));
    });
    await withNetwork({ ...small, devices: [first, second] }, async (network) => {
      const names = [...network.namedParameters().keys()];
      assert.equal(names.slice(0, 3), ['conv1.0.weight', 'conv1.0.bias', 'conv1.1.weight']);
      assert.equal(names.slice(-2), ['fc8.0.weight', 'fc8.0.bias']);
      for (const [name, x] of network.namedParameters()) {
        assert.is(x.device, name.split('.')[1] === '0' ? first : second);
      }
      const { shape, data } = (await network.stateDict()).get('conv3.weight')!;
      assert.equal(shape, [64, 48, 3, 3]);
      const std = Math.hypot(...data) / Math.sqrt(data.length);
      assert.ok(Math.abs(std / 0.1 - 1) < 0.03, `conv3's deviation is ${std}, not 0.1`);
    });
  });
});

test('two devices and one agree in outputs and every gradient, dropout on and off', async () => {
  await withDevices(two, async (first, second) => {
    const images = randomHost(random, [5, 3, 32, 32]);
    for (const dropoutForm of ['paper', 'inverted'] as const) {
      await withNetwork({ ...small, dropoutForm, devices: [second] }, (one) =>
        withNetwork({ ...small, dropoutForm, devices: [first, second] }, (other) =>
          assertSameNetwork(one, other, images),
        ),
      );
    }
    assert.is(first.memory().buffers + second.memory().buffers, 0);
  });
});

test('dropout drops afresh each step, and the generator set back gives the same masks again', async () => {
  await withDevices([{ threads: 1 }], async (device) => {
    await withNetwork({ ...small, devices: [device] }, async (network) => {
      const images = randomHost(random, [2, 3, 32, 32]);
      const { stream } = network.generator;
      const first = await trainingStep(network, images);
      assert.not.equal((await trainingStep(network, images)).logits, first.logits);
      network.generator.stream = stream;
      assert.equal(await trainingStep(network, images), first);
      const after = network.generator.stream;
      assert.equal(await predict(network, images), await predict(network, images));
      assert.is(network.generator.stream, after, 'evaluation draws nothing');
    });
  });
});

test('evaluation holds the numbers of one layer at a time', async () => {
  await withDevices([{ threads: 1 }], async (device) => {
    await withNetwork({ ...small, devices: [device] }, async (network) => {
      const n = 16;
      const before = device.memory();
      assert.is(before.peak, before.live, 'nothing was larger than the network');
      await predict(network, randomHost(random, [n, 3, 32, 32]));
      // The images, and conv1's 24 maps before and after the normalization; all layers together take twice as much.
      const largest = n * 32 * 32 * (3 + 24 + 24) * 4;
      const held = device.memory().peak - before.live;
      assert.ok(held <= 1.05 * largest, `${held} bytes held, expected ${largest}`);
    });
  });
});

test('the ledger of a training step shows the predicted crossings and nothing else', async () => {
  await withDevices(two, async (first, second) => {
    await withNetwork({ ...small, devices: [first, second] }, async (network) => {
      const images = randomHost(random, [3, 3, 32, 32]);
      ledger.clear();
      trace.step = 17;
      await trainingStep(network, images);
      assertLedger(small.architecture, small.placement, 3);
      assert.ok(ledger.rows.every(({ step }) => step === 17));
      trace.step = 0;
      ledger.clear();
      await predict(network, images);
      assert.equal([...new Set(ledger.rows.map(({ phase }) => phase))], ['forward']);
      assert.is(ledger.rows.length, 7);
    });
    await withNetwork({ ...small, devices: [first, first] }, async (network) => {
      assert.equal(network.devices, [first], 'the same device twice is one');
      ledger.clear();
      await trainingStep(network, randomHost(random, [3, 3, 32, 32]));
      assert.is(ledger.rows.length, 0);
    });
  });
});

test('training on two devices is the same bits for any threads, and live bytes stay flat', async () => {
  const images = randomHost(random, [9, 3, 32, 32]);
  const states: unknown[] = [];
  for (const [threads, others] of [
    [1, 1],
    [2, 3],
  ] as const) {
    await withDevices([{ threads }, { threads: others }], async (...devices) => {
      await withNetwork({ ...small, devices }, async (network) => {
        const sgd = new SGD([{ params: network.parameters() }]);
        const live: string[] = [];
        for (let step = 0; step < 5; step++) {
          scope(() => {
            const logits = network.forward(devices.map((device) => onDevice(images, device)));
            const labels = Tensor.from('labels', devices[0]!, Int32Array.from({ length: 9 }), [9]);
            const loss = crossEntropy(logits, labels);
            sgd.zeroGrad();
            loss.backward();
            sgd.step();
          });
          const memory = devices.map((device) => device.memory());
          live.push(memory.map((m) => `${m.live} bytes in ${m.buffers} buffers, peak ${m.peak}`).join('; '));
        }
        assert.is(new Set(live.slice(1)).size, 1, live.join('\n'));
        states.push(await network.stateDict());
        sgd.dispose();
      });
      for (const device of devices) assert.is(device.memory().live, 0);
    });
  }
  assert.equal(states[1], states[0]);
});

test('a state dict of two devices loads on one and back, bit for bit; velocities too', async () => {
  await withDevices(two, async (first, second) => {
    const apart = new Network({ ...small, devices: [first, second] });
    const merged = new Network({ ...small, seed: 12, devices: [first] });
    const state = await apart.stateDict();
    assert.not.equal(await merged.stateDict(), state);
    merged.loadStateDict(state);
    assert.equal(await merged.stateDict(), state);
    const again = new Network({ ...small, seed: 13, devices: [second, first] });
    again.loadStateDict(await merged.stateDict());
    assert.equal(await again.stateDict(), state);

    const optimizers = [apart, merged].map((network) => new SGD([{ params: network.parameters() }]));
    const [one, other] = optimizers;
    const velocities = new Map(
      [...state].map(([name, { shape, data }]) => [name, { shape, data: data.map((x) => x * 3) }]),
    );
    // What an optimizer remembers goes by the joined names, too, and so from one placement to another.
    const json = { steps: 7 };
    const tensors = new Map([...velocities].map(([name, held]) => [`velocity.${name}`, held]));
    one!.loadState({ tensors, json }, apart);
    const moved = await one!.state(apart);
    assert.equal(moved, { tensors, json });
    other!.loadState(moved, merged);
    assert.equal(await other!.state(merged), moved);
    assert.equal(await apart.stateDict(), state);
    assert.is((await readBelonging(apart, (x) => x.grad)).size, 0, 'what is null is left out');
  });
});

test('a network built with given parameters holds them, on one device or two, and refuses those that do not fit', async () => {
  await withDevices(two, async (first, second) => {
    const drawn = new Network({ ...small, devices: [first, second] });
    const parameters = await drawn.stateDict();
    for (const devices of [[first], [first, second]]) {
      await withNetwork({ ...small, seed: 14, devices, parameters }, async (network) => {
        assert.equal(await network.stateDict(), parameters);
        assert.ok(network.parameters().every((x) => x.requiresGrad));
      });
    }
    assert.throws(
      () => new Network({ ...small, placement: tables.smallTowers(12), devices: [first], parameters }),
      (error: unknown) =>
        error instanceof ArgumentError &&
        /: fc8\.weight is 10x128, expected 12x128; fc8\.bias is \[10\], expected \[12\]$/.test(error.message),
    );
  });
});

test('a state dict that does not fit is refused with every problem, and nothing changes', async () => {
  await withDevices(two, async (first, second) => {
    const network = new Network({ ...small, devices: [first, second] });
    const before = await network.stateDict();
    const other = new Network({ ...small, placement: tables.smallTowers(12), seed: 1, devices: [first] });
    const state = new Map(await other.stateDict());
    state.delete('conv1.bias');
    assert.throws(
      () => network.loadStateDict(state),
      (error: unknown) =>
        error instanceof ArgumentError &&
        error.message ===
          'loadStateDict: conv1.bias is missing; fc8.weight is 12x128, expected 10x128; fc8.bias is [12], expected [10]',
    );
    assert.equal(await network.stateDict(), before);
  });
});

test('images must be given on each device, in order', async () => {
  await withDevices(two, async (first, second) => {
    const network = new Network({ ...small, devices: [first, second] });
    const images = randomHost(random, [1, 3, 32, 32]);
    const [a, b] = [onDevice(images, first), onDevice(images, second)];
    for (const wrong of [[a], [b, a], [a, a], [a, b, a]]) {
      assert.match(
        thrown(() => network.forward(wrong)).message,
        /forward: expected the images on each of cpu:0, cpu:1, in this order/,
      );
    }
    assert.is(trace.layer, '');
  });
});

test.run();
