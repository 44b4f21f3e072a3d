/**
 * Runs that are stopped or can't write at awkward moments, against a run that nothing disturbs: they go on to the same
 * bits.
 */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openCheckpoint } from '../../src/alexnet/checkpoint.js';
import { netOf, tablesOf } from '../../src/alexnet/description.js';
import { type NetName, nets } from '../../src/alexnet/recipes.js';
import { type RunListener, runTraining } from '../../src/alexnet/run.js';
import { HostRandom } from '../../src/backends/threefry.js';
import { DataError } from '../../src/core/errors.js';
import { drawOf } from '../../src/core/random.js';
import { MemoryDataset } from '../../src/data/dataset.js';
import type { OpenedData } from '../../src/data/sources/open.js';
import type { FitEvent } from '../../src/train/events.js';
import { withFolder } from '../data/files.js';
import { withDevices } from '../support/devices.js';
import { rejection } from '../support/errors.js';
import { earlierFile, sealedEarlier } from './earlier.js';

const test = suite('run');
const name: NetName = 'four-layers';
const net = nets[name];
const classes = ['a', 'b'];
const random = new HostRandom(drawOf(5, 0));
const imagesOf = (count: number): MemoryDataset =>
  new MemoryDataset(
    'noise',
    classes,
    [3, 32, 32],
    Uint8Array.from({ length: count * 3072 }, () => random.integer(256)),
    Int32Array.from({ length: count }, (_, i) => i % 2),
  );
const data: OpenedData = {
  kind: 'folder',
  train: imagesOf(8),
  validation: imagesOf(8),
  classes,
  notes: [],
  close: async () => {},
};

/** Trains three epochs of two steps in a folder, or goes on with what is there. */
async function train(
  out: string,
  options: { epochs?: number; watch?: (event: FitEvent['kind'], stop: AbortController) => void } = {},
): Promise<{ interrupted: boolean }> {
  const { epochs = 3, watch = () => {} } = options;
  const stop = new AbortController();
  const listener: RunListener = { note: () => {}, event: ({ kind }) => watch(kind, stop) };
  const recipe = { ...net.recipe, batchSize: 4, epochs };
  const resume = (await readdir(out).catch((): string[] => [])).includes('last.safetensors')
    ? (await openCheckpoint(out)).checkpoint
    : null;
  let outcome = { interrupted: false };
  await withDevices([{ threads: 1 }], async (device) => {
    outcome = await runTraining({
      description: {
        net: name,
        variant: {},
        recipe,
        seed: 2,
        classes,
        data: null,
        validation: null,
        limit: null,
        trainingImages: data.train.length,
      },
      net,
      devices: [device],
      data,
      out,
      resume,
      listener,
      signal: stop.signal,
    });
  });
  return outcome;
}

/** A run's log without its times, and the bytes of its checkpoints. */
async function results(out: string): Promise<unknown[]> {
  const log = (await readFile(join(out, 'log.jsonl'), 'utf8')).trim().split('\n');
  const lines = log.map((line): object => ({ ...JSON.parse(line), imagesPerSecond: 0, seconds: 0 }));
  const files = ['last.safetensors', 'best.safetensors'];
  return [lines, ...(await Promise.all(files.map((file) => readFile(join(out, file)))))];
}

test('stopped while it validates, a run keeps the epoch: only the validation is done again', () =>
  withFolder({}, async (folder) => {
    const [whole, stopped] = [join(folder, 'whole'), join(folder, 'deep', 'er', 'stopped')];
    await train(whole);
    for (const stopIn of [1, 2]) {
      let epoch = 1;
      const outcome = await train(stopped, {
        watch: (event, stop) => {
          if (event === 'epoch') epoch++;
          if (event === 'validation' && epoch === stopIn) stop.abort();
        },
      });
      assert.ok(outcome.interrupted);
      const { state, run } = (await openCheckpoint(stopped)).checkpoint;
      assert.equal(netOf(run).architecture, net.architecture, 'the tables are in the checkpoint');
      assert.equal(run.tables, JSON.parse(JSON.stringify(tablesOf(net, 2))));
      assert.is(state.batch, 2, 'steps done of the epoch');
    }
    let steps = 0;
    await train(stopped, {
      watch: (event) => {
        if (event === 'step') steps++;
      },
    });
    assert.is(steps, 2, 'steps of the third epoch');
    assert.equal(await results(stopped), await results(whole));
  }));

test('a run of the format before parts goes on to the same bits, from the middle of an epoch and from its end', () =>
  withFolder({}, async (folder) => {
    const whole = join(folder, 'whole');
    await train(whole);
    for (const stopAt of [3, 4]) {
      const out = join(folder, `stopped-${stopAt}`);
      let steps = 0;
      await train(out, {
        watch: (event, stop) => {
          if (event === 'step' && ++steps === stopAt) stop.abort();
        },
      });
      for (const name of ['last', 'best']) {
        const file = join(out, `${name}.safetensors`);
        await writeFile(file, sealedEarlier(earlierFile((await openCheckpoint(file)).checkpoint)));
      }
      await train(out);
      // The best was that of the first epoch, whose file is the old one still.
      assert.equal(
        (await results(out)).slice(0, 2),
        (await results(whole)).slice(0, 2),
        `after step ${stopAt}`,
      );
    }
  }));

test('where the best checkpoint can not be written the last one still is', () =>
  withFolder({}, async (folder) => {
    const out = join(folder, 'run');
    await mkdir(join(out, 'best.safetensors', 'full'), { recursive: true });
    const error = await rejection(train(out, { epochs: 1 }));
    assert.instance(error, DataError);
    assert.match(error.message, /best\.safetensors: can't be written: it is a folder/);
    assert.is((await openCheckpoint(out)).checkpoint.state.epoch, 1);
    assert.equal(
      (await readdir(out)).filter((file) => file.endsWith('.tmp')),
      [],
    );
    await rm(join(out, 'best.safetensors'), { recursive: true });
    await train(out);
  }));

test.run();
