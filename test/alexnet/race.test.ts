/**
 * The race of Figure 1: a race that is finished isn't run again, and one of other settings (data, target, number of
 * epochs, rate) is nobody's business.
 */
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  lastRaces,
  type RaceLine,
  type RaceOptions,
  type Racer,
  readRace,
  runRace,
} from '../../src/alexnet/race.js';
import { HostRandom } from '../../src/backends/threefry.js';
import type { Device } from '../../src/core/device.js';
import { drawOf } from '../../src/core/random.js';
import { MemoryDataset } from '../../src/data/dataset.js';
import type { OpenedData } from '../../src/data/sources/open.js';
import { withFolder } from '../data/files.js';
import { withDevices } from '../support/devices.js';

const test = suite('race');

function noise(seed: number): OpenedData {
  const random = new HostRandom(drawOf(seed, 0));
  const images = Uint8Array.from({ length: 8 * 3072 }, () => random.integer(256));
  const labels = Int32Array.from({ length: 8 }, (_, i) => i % 2);
  const train = new MemoryDataset('noise', ['a', 'b'], [3, 32, 32], images, labels);
  return {
    kind: 'folder',
    train,
    validation: train,
    classes: train.classes,
    notes: [],
    close: async () => {},
  };
}

const data = noise(1);

/** Runs races of one seed with little patience; gives what came back, and the lines that were run. */
async function run(
  device: Device,
  file: string,
  changes: Partial<RaceOptions> = {},
): Promise<{ lines: RaceLine[]; ran: RaceLine[] }> {
  const ran: RaceLine[] = [];
  const lines = await runRace({
    data,
    devices: [device],
    rates: new Map<Racer, number>([
      ['relu', 1e-5],
      ['tanh', 1e-5],
    ]),
    seeds: 1,
    target: 0,
    epochs: 2,
    file,
    onLine: (line) => ran.push(line),
    ...changes,
  });
  return { lines, ran };
}

test('races are run once, each of them until it is reached or given up', () =>
  withDevices([{ threads: 1 }], (device) =>
    withFolder({}, async (folder) => {
      const file = join(folder, 'figure1.jsonl');
      const first = await run(device, file);
      assert.equal(
        first.ran.map(({ activation, epoch, ended }) => [activation, epoch, ended]),
        [
          ['relu', 1, undefined],
          ['relu', 2, 'gave up'],
          ['tanh', 1, undefined],
          ['tanh', 2, 'gave up'],
        ],
      );
      assert.equal(first.lines, first.ran);
      assert.equal(await readRace(file), JSON.parse(JSON.stringify(first.ran)));
      const again = await run(device, file);
      assert.equal([again.ran, again.lines], [[], JSON.parse(JSON.stringify(first.lines))]);
      const more = await run(device, file, { seeds: 2 });
      assert.equal(
        more.ran.map(({ seed }) => seed),
        [1, 1, 1, 1],
      );
      assert.is(more.lines.length, 8);
      const reached = await run(device, join(folder, 'other.jsonl'), { target: 1 });
      assert.equal(
        reached.ran.map(({ ended }) => ended),
        ['reached', 'reached'],
      );
      assert.is(device.memory().buffers, 0);
    }),
  ));

test('races of other settings are neither taken up nor lost', () =>
  withDevices([{ threads: 1 }], (device) =>
    withFolder({}, async (folder) => {
      const file = join(folder, 'figure1.jsonl');
      const rates = new Map<Racer, number>([['relu', 1e-5]]);
      const first = await run(device, file, { rates });
      for (const changes of [
        { target: 0.01 },
        { epochs: 1 },
        { data: noise(2) },
        { rates: new Map<Racer, number>([['relu', 2e-5]]) },
      ]) {
        const other = await run(device, file, { rates, ...changes });
        assert.ok(other.ran.length > 0, JSON.stringify(changes));
        assert.equal(other.lines, other.ran);
        assert.equal(lastRaces(await readRace(file)), JSON.parse(JSON.stringify(other.lines)));
      }
      const back = await run(device, file, { rates });
      assert.equal([back.ran, back.lines], [[], JSON.parse(JSON.stringify(first.lines))]);
      assert.is((await readRace(file)).length, 2 + 2 + 1 + 2 + 2);
    }),
  ));

test('what is drawn belongs together: the settings run last, each non-linearity at its last rate', () => {
  const line = (activation: Racer, rate: number, settings?: string): RaceLine => ({
    activation,
    rate,
    seed: 0,
    images: 10,
    epoch: 1,
    trainError: 0.5,
    seconds: 1,
    settings,
  });
  const [old, relu, slow, tanh] = [
    line('relu', 0.1),
    line('relu', 0.1, 'x'),
    line('tanh', 0.01, 'x'),
    line('tanh', 0.02, 'x'),
  ];
  assert.equal(lastRaces([old, relu, slow, tanh]), [relu, tanh]);
  assert.equal(lastRaces([relu, tanh, old]), [old]);
  assert.equal(lastRaces([]), []);
});

test.run();
