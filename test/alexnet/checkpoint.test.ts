/**
 * Checkpoints of runs: what was written opens again, files of the format before parts as well; a network that isn't in
 * the catalogue is built from the tables in its checkpoint; text that can't be is refused in a line that names the file.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Architecture, Placement } from '../../src/alexnet/architecture.js';
import { type RunCheckpoint, readRunCheckpoint } from '../../src/alexnet/checkpoint.js';
import { netOf, type RunDescription, tablesOf } from '../../src/alexnet/description.js';
import { loadClassifier } from '../../src/alexnet/evaluation.js';
import { type Net, nets } from '../../src/alexnet/recipes.js';
import { Trainer } from '../../src/alexnet/trainer.js';
import { applyVariant } from '../../src/alexnet/variants.js';
import type { Device } from '../../src/core/device.js';
import { DataError } from '../../src/core/errors.js';
import type { PartState } from '../../src/core/state.js';
import { pcaOf } from '../../src/data/images/pca.js';
import type { SafetensorsFile } from '../../src/formats/safetensors.js';
import { writeCheckpoint } from '../../src/train/checkpoint.js';
import { TrainingLoop } from '../../src/train/loop.js';
import { restoreParts, statesOf } from '../../src/train/parts.js';
import { withFolder } from '../data/files.js';
import { withDevices } from '../support/devices.js';
import { rejection } from '../support/errors.js';
import { earlierFile, oldestEarlier, sealedEarlier } from './earlier.js';

const test = suite('checkpoint');
const variant = { activation: 'tanh' } as const;
const net = applyVariant(nets['four-layers'], variant);
const run: RunDescription = {
  net: 'four-layers',
  variant,
  recipe: net.recipe,
  seed: 3,
  classes: ['a', 'b'],
  data: null,
  validation: null,
  limit: null,
  trainingImages: 9,
  tables: tablesOf(net, 2),
};
const pca = pcaOf([
  [3, 1, 0],
  [1, 3, 0],
  [0, 0, 1],
]);
const mean = new Float32Array(3 * 32 * 32).fill(100);

/** What a run's checkpoint holds before its first step. */
async function partsOf(device: Device, trained: Net): Promise<Map<string, PartState>> {
  const trainer = new Trainer({
    net: trained,
    recipe: run.recipe,
    classes: 2,
    devices: [device],
    seed: 3,
    mean,
    pca,
  });
  const fit = new TrainingLoop(trainer, trainer.schedule);
  const parts = await statesOf({ ...trainer.restorable, fit });
  trainer.dispose();
  return parts;
}

let parts = new Map<string, PartState>();
test.before(() =>
  withDevices([{ threads: 1 }], async (device) => {
    parts = await partsOf(device, net);
  }),
);

/** Calls `body` with a file of these bytes, or of this checkpoint. */
async function withFile(
  content: Uint8Array | { about: unknown; parts: ReadonlyMap<string, PartState> },
  body: (path: string) => Promise<void>,
): Promise<void> {
  await withFolder({}, async (folder) => {
    const path = join(folder, 'last.safetensors');
    await (content instanceof Uint8Array ? writeFile(path, content) : writeCheckpoint(path, content));
    await body(path);
  });
}

async function refused(content: Parameters<typeof withFile>[0], message: RegExp): Promise<void> {
  await withFile(content, async (path) => {
    const error = await rejection(readRunCheckpoint(path));
    assert.instance(error, DataError, `${error.stack}`);
    assert.match(error.message, message);
    assert.match(error.message, /last\.safetensors: /);
  });
}

async function written(): Promise<RunCheckpoint> {
  const read: RunCheckpoint[] = [];
  await withFile({ about: run, parts }, async (path) => void read.push(await readRunCheckpoint(path)));
  return read[0]!;
}

test('what was written opens', async () => {
  const checkpoint = await written();
  assert.equal(checkpoint.run, JSON.parse(JSON.stringify(run)));
  assert.equal(checkpoint.state, { epoch: 0, batch: 0 });
  assert.equal([checkpoint.mean, checkpoint.pca], [mean, pca]);
  assert.equal(
    new Map([...checkpoint.parameters].sort()),
    new Map([...(parts.get('model')?.tensors ?? [])].sort()),
  );
  assert.equal([...checkpoint.parts.keys()].sort(), [...parts.keys()].sort());
});

test('files of the format before parts open, sealed or with the oldest checksum, and say the same', async () => {
  const checkpoint = await written();
  const file = earlierFile(checkpoint);
  const { tables: _, ...bare } = checkpoint.run;
  for (const bytes of [sealedEarlier(file), oldestEarlier(file)]) {
    await withFile(bytes, async (path) => {
      const earlier = await readRunCheckpoint(path);
      assert.equal(earlier.run, bare);
      assert.equal(earlier.state, checkpoint.state);
      for (const [name, { tensors = new Map() }] of checkpoint.parts) {
        const found = new Map([...(earlier.parts.get(name)?.tensors ?? [])].sort());
        assert.equal(found, new Map([...tensors].sort()), name);
      }
      for (const name of ['schedule', 'random', 'data', 'fit']) {
        assert.equal(earlier.parts.get(name)!.json, checkpoint.parts.get(name)!.json, name);
      }
      await withDevices([{ threads: 1 }], async (device) => {
        const trainer = new Trainer({
          net,
          recipe: run.recipe,
          classes: 2,
          devices: [device],
          seed: 4,
          mean,
        });
        const loop = new TrainingLoop(trainer, trainer.schedule);
        restoreParts({ ...trainer.restorable, fit: loop }, earlier.parts, path);
        assert.equal(await trainer.model.stateDict(), parts.get('model')!.tensors);
        trainer.dispose();
      });
    });
  }
  const damaged = oldestEarlier(file);
  damaged[damaged.length - 100]! ^= 1;
  await refused(damaged, /damaged: .*checksum/);
});

test("a network of one's own is in its checkpoint and opens again", async () => {
  await withDevices([{ threads: 1 }], async (device) => {
    const architecture: Architecture = {
      name: 'mine',
      channels: 3,
      size: 32,
      layers: [
        {
          name: 'first',
          conv: { kernel: 5, stride: 2, padding: [0, 0, 1, 1] },
          stages: [
            { kind: 'relu' },
            { kind: 'norm', across: 'tower', options: { size: 3 } },
            { kind: 'pool', mode: 'avg', kernel: 2, stride: 2, ceilMode: true },
          ],
          std: 0.1,
          bias: 0,
        },
        { name: 'last', stages: [{ kind: 'dropout', p: 0.5 }], std: 0.1, bias: 0.5, weightDecay: 0.01 },
      ],
    };
    const placement = (classes: number): Placement => ({
      first: { kernels: [4], reads: 'image' },
      last: { kernels: [classes], reads: 'own' },
    });
    const mine: Net = { about: 'mine', architecture, placement, towers: 1, recipe: run.recipe };
    const description = { ...run, net: 'mine', variant: {}, tables: tablesOf(mine, 2) };
    const own = await partsOf(device, mine);
    await withFile({ about: description, parts: own }, async (path) => {
      const checkpoint = await readRunCheckpoint(path);
      const opened = netOf(checkpoint.run);
      assert.equal(
        [opened.architecture, opened.placement(2), opened.towers],
        [architecture, placement(2), 1],
      );
      const classifier = loadClassifier(checkpoint, [device]);
      assert.equal(await classifier.network.stateDict(), own.get('model')!.tensors);
      classifier.dispose();
    });
    const { tables: _, ...without } = description;
    assert.throws(() => netOf(without), /network 'mine' that isn't in the catalogue, and lacks its tables/);
  });
});

test('text that can not be is refused, however well it is sealed', async () => {
  const { recipe, tables } = run;
  const cases: [unknown, RegExp][] = [
    [undefined, /: run: it is null, expected an object/],
    [[], /: run: it is a list of 0/],
    [{ ...run, recipe: { ...recipe, epochs: '9' } }, /: run: recipe\.epochs is "9", expected a whole number/],
    [
      { ...run, recipe: { ...recipe, batchSize: 0 } },
      /recipe\.batchSize is 0, expected a whole number from 1/,
    ],
    [{ ...run, recipe: { ...recipe, schedule: { kind: 'cosine' } } }, /recipe\.schedule\.kind is "cosine"/],
    [{ ...run, classes: ['a', 5] }, /classes\[1\] is 5, expected text/],
    [{ ...run, variant: { towers: 2 } }, /variant\.towers is 2, expected 1/],
    [
      { ...run, tables: { ...tables, placement: { conv1: {} } } },
      /tables\.placement\["conv1"\]\.kernels is missing/,
    ],
    [
      {
        ...run,
        tables: {
          ...tables,
          architecture: { ...tables!.architecture, layers: [{ name: 'x', stages: [{ kind: 'gelu' }] }] },
        },
      },
      /tables\.architecture\.layers\[0\]\.stages\[0\]\.kind is "gelu"/,
    ],
  ];
  for (const [about, message] of cases) await refused({ about, parts }, message);
  const without = new Map([...parts].filter(([name]) => name !== 'data'));
  await refused({ about: run, parts: without }, /the checkpoint has no part 'data'/);
  const small = new Map([['mean', { shape: [3, 1, 1], data: new Float32Array(3) }]]);
  const images = { tensors: small, json: pca };
  await refused(
    { about: run, parts: new Map([...parts, ['data', images]]) },
    /lacks a mean image of side 32/,
  );
  const colours = { ...parts.get('data')!, json: { ...pca, values: [1] } };
  await refused(
    { about: run, parts: new Map([...parts, ['data', colours]]) },
    /colours: values is a list of 1/,
  );
});

test('so is text of the format before', async () => {
  const { tensors, metadata } = earlierFile(await written());
  const state = { epoch: 1, batch: 0, totals: { images: 0, loss: 0, wrong: 0 }, stream: 0 };
  const schedule = { factor: 1, drops: 0, best: null, stalled: 0 };
  const cases: [string, unknown, RegExp][] = [
    ['run', undefined, /: run: it is null, expected an object/],
    ['state', { ...state, schedule, epoch: -1 }, /: state: epoch is -1, expected a whole number from 0/],
    ['state', { ...state, schedule: { ...schedule, best: 'low' } }, /schedule\.best is "low".*or null/],
    ['state', state, /schedule is missing/],
    [
      'pca',
      { covariance: [], values: [], vectors: [] },
      /: pca: covariance is a list of 0, expected a list of 3/,
    ],
  ];
  for (const [key, value, message] of cases) {
    const text: SafetensorsFile['metadata'] = value === undefined ? {} : { [key]: JSON.stringify(value) };
    const { [key]: _, ...rest } = metadata;
    await refused(sealedEarlier({ tensors, metadata: { ...rest, ...text } }), message);
  }
  for (const cut of [1, 20, 100]) {
    const text = { ...metadata, run: metadata.run!.slice(0, -cut) };
    await refused(sealedEarlier({ tensors, metadata: text }), /: run: not JSON: damaged, or cut short/);
  }
});

test.run();
