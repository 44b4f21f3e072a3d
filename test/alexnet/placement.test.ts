/**
 * Placements: towers that never talk, unequal ones, several on a device, every kind of stage; and those that can't be.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Architecture, LayerSpec, Placement } from '../../src/alexnet/architecture.js';
import { Network } from '../../src/alexnet/network.js';
import * as tables from '../../src/alexnet/networks.js';
import type { Device } from '../../src/core/device.js';
import { ArgumentError } from '../../src/core/errors.js';
import { ledger } from '../../src/core/trace.js';
import { seededRandom } from '../backends/cpu/numbers.js';
import { randomHost, withDevices } from '../support/devices.js';
import { assertLedger, assertSameNetwork, predict, trainingStep, withNetwork } from './towers.js';

const random = seededRandom('placements');
const two = [{ threads: 1 }, { threads: 1 }];
const seed = 11;

/** The small network's towers with layers that read their own maps only, up to the last. */
const silent: Placement = Object.fromEntries(
  Object.entries(tables.smallTowers()).map(([name, place]) => {
    return [name, name === 'conv1' || name === 'fc8' ? place : { ...place, reads: 'own' as const }];
  }),
);

test('towers that never communicate before the last layer are the same on one device and on two', async () => {
  await withDevices(two, async (first, second) => {
    const options = { architecture: tables.small, placement: silent, seed };
    await withNetwork({ ...options, devices: [first] }, (one) =>
      withNetwork({ ...options, devices: [first, second] }, async (other) => {
        assert.equal((await one.stateDict()).get('fc7.weight')?.shape, [128, 64]);
        await assertSameNetwork(one, other, randomHost(random, [4, 3, 32, 32]));
        ledger.clear();
        await trainingStep(other, randomHost(random, [4, 3, 32, 32]));
        assertLedger(tables.small, silent, 4);
        assert.equal([...new Set(ledger.rows.map(({ layer }) => layer))], ['fc8']);
      }),
    );
  });
});

/** Two convolutions with every kind of stage, and an output. */
const stages: readonly LayerSpec[] = [
  {
    name: 'a',
    conv: { kernel: 3, stride: 2, padding: [0, 1, 2, 1] },
    stages: [
      { kind: 'tanh' },
      { kind: 'norm', across: 'tower', options: { size: 3, alpha: 0.5 } },
      { kind: 'dropout', p: 0.25 },
    ],
    std: 0.3,
    bias: 0.1,
  },
  {
    name: 'b',
    conv: { kernel: 2 },
    stages: [
      { kind: 'absTanh' },
      { kind: 'pool', mode: 'avg', kernel: 2, stride: 1, ceilMode: false },
      { kind: 'norm', across: 'pixels', options: { size: 3, alpha: 0.5 } },
    ],
    std: 0.3,
    bias: 0,
  },
  { name: 'c', stages: [], std: 0.3, bias: 0 },
];
const mixed: Architecture = { name: 'mixed', channels: 2, size: 9, layers: stages };
const place = (a: number[], b: number[], reads: 'own' | 'all', c: number[] = [3, 0, 0]): Placement => ({
  a: { kernels: a, reads: 'image' },
  b: { kernels: b, reads },
  c: { kernels: c, reads: 'all' },
});

test('every stage, dropout of maps among them, is the same on one device, two and three', async () => {
  await withDevices([...two, { threads: 1 }], async (first, second, third) => {
    const options = { architecture: mixed, seed };
    const images = randomHost(random, [3, 2, 9, 9]);
    const pairs: [Placement, Device[][]][] = [
      [place([4, 4, 4], [2, 2, 2], 'own'), [[first], [first, second, third], [second, second, third]]],
      [place([4, 4, 4], [2, 1, 5], 'all'), [[first], [first, second, third], [second, third, second]]],
      [place([4, 4, 4], [2, 0, 5], 'all'), [[first], [first, second, third]]],
      [place([4, 0, 4], [2, 0, 2], 'own'), [[first], [first, second, third]]],
      [place([0, 4, 4], [0, 2, 2], 'own'), [[first], [first, second, third]]],
      [
        place([4, 3], [2, 5], 'own', [3, 0]),
        [
          [first, second],
          [second, first],
        ],
      ],
    ];
    for (const [placement, [devices = [], ...others]] of pairs) {
      for (const other of others) {
        await withNetwork({ ...options, placement, devices }, (one) =>
          withNetwork({ ...options, placement, devices: other }, (several) =>
            assertSameNetwork(one, several, images),
          ),
        );
        for (const device of [first, second, third]) assert.is(device.memory().buffers, 0);
      }
    }
  });
});

test('placements that can not be on the given devices are errors when the network is built', async () => {
  await withDevices([...two, { threads: 1 }], async (first, second, third) => {
    const refused = (
      options: { architecture?: Architecture; placement: Placement },
      devices: Device[],
      message: RegExp,
    ): void => {
      const before = first.memory().buffers;
      assert.throws(
        () => new Network({ architecture: mixed, seed, devices, ...options }),
        (error: unknown) => error instanceof ArgumentError && message.test(error.message),
        String(message),
      );
      assert.is(first.memory().buffers, before, 'nothing was allocated');
    };
    const even = place([4, 4], [2, 2], 'own', [3, 0]);
    refused({ placement: even }, [], /0 devices \(\) for 2 towers: give one, or one a tower/);
    refused({ placement: even }, [first, second, third], /3 devices \(cpu:0, cpu:1, cpu:2\) for 2 towers/);
    refused({ placement: place([8], [4], 'own', [3]) }, [first, second], /2 devices .* for 1 towers/);
    refused(
      { placement: place([4, 4], [2, 3], 'own', [3, 0]) },
      [first],
      /b keeps towers of different sizes apart/,
    );
    refused(
      { placement: place([4, 4], [2, 0], 'own', [3, 0]) },
      [first],
      /b keeps towers of different sizes apart/,
    );
    refused(
      { placement: place([4, 6], [2, 2], 'all', [3, 0]) },
      [first],
      /a keeps towers of different sizes apart/,
    );
    for (const last of [
      [0, 3],
      [2, 1],
    ]) {
      refused(
        { placement: place([4, 4], [2, 2], 'own', last) },
        [first, second],
        /c is the last layer: .* first tower alone/,
      );
    }
    const across: Architecture = {
      ...mixed,
      layers: [{ ...stages[0]!, stages: [{ kind: 'norm', across: 'all', options: {} }] }, ...stages.slice(1)],
    };
    refused(
      { architecture: across, placement: even },
      [first, second],
      /a normalizes across all towers: that needs one device/,
    );
  });
});

test("a norm across all towers sees its neighbours' maps; one in the tower does not", async () => {
  await withDevices([{ threads: 1 }], async (device) => {
    const images = randomHost(random, [2, 2, 9, 9]);
    const options = { size: 5, alpha: 0.5 };
    const outputs: number[][] = [];
    for (const [across, kernels] of [
      ['all', [4, 4]],
      ['tower', [4, 4]],
      ['tower', [8]],
    ] as const) {
      const [first, ...others] = stages;
      const layers = [
        { ...first!, stages: [{ kind: 'norm' as const, across, options }] },
        ...others.slice(1),
      ];
      const placement: Placement = {
        a: { kernels, reads: 'image' },
        c: { kernels: kernels.map((_, i) => (i === 0 ? 3 : 0)), reads: 'all' },
      };
      await withNetwork(
        { architecture: { ...mixed, layers }, placement, devices: [device], seed },
        async (network) => {
          outputs.push([...(await predict(network, images)).data]);
        },
      );
    }
    const [all, tower, single] = outputs;
    assert.equal(all, single, 'two towers seen as one');
    assert.not.equal(all, tower);
  });
});

test.run();
