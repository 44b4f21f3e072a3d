/**
 * The race of Figure 1: a race that is finished isn't run again, one of other settings (data, start, target, number of
 * epochs, rate) is nobody's business, and the search takes the rate that gets there first.
 */
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  lastRaces,
  type RaceLine,
  RaceLog,
  type Racer,
  RaceTrack,
  readRace,
  runRaces,
  summarize,
  type TrackOptions,
} from '../../src/alexnet/race.js';
import { type Corner, lostAgainst, searchCorner, searchRate, widest } from '../../src/alexnet/raceSearch.js';
import {
  firstRate,
  type Start,
  startedNet,
  startsOf,
  startText,
  tableStart,
} from '../../src/alexnet/raceStart.js';
import { nets } from '../../src/alexnet/recipes.js';
import { HostRandom } from '../../src/backends/threefry.js';
import type { Device } from '../../src/core/device.js';
import { drawOf } from '../../src/core/random.js';
import { type Dataset, MemoryDataset } from '../../src/data/dataset.js';
import { withFolder } from '../data/files.js';
import { withDevices } from '../support/devices.js';

const test = suite('race');

function noise(seed: number): Dataset {
  const random = new HostRandom(drawOf(seed, 0));
  const images = Uint8Array.from({ length: 8 * 3072 }, () => random.integer(256));
  const labels = Int32Array.from({ length: 8 }, (_, i) => i % 2);
  return new MemoryDataset('noise', ['a', 'b'], [3, 32, 32], images, labels);
}

const images = noise(1);
const slow = new Map<Racer, number>([
  ['relu', 1e-5],
  ['tanh', 1e-5],
]);

/** Opens a log and a track with little patience; gives them, and the lines that are run. */
async function openTrack(device: Device, file: string, changes: Partial<TrackOptions> = {}) {
  const ran: RaceLine[] = [];
  const log = await RaceLog.open(file, (line) => ran.push(line));
  const options = { images, devices: [device], target: 0, epochs: 2, batchSize: 8, log, ...changes };
  return { track: await RaceTrack.open(options), ran };
}

/** Runs races of one seed; gives what came back, and the lines that were run. */
async function run(
  device: Device,
  file: string,
  changes: Partial<TrackOptions> & { rates?: typeof slow; seeds?: number[]; start?: Start } = {},
): Promise<{ lines: RaceLine[]; ran: RaceLine[] }> {
  const { rates = slow, seeds = [0], start = tableStart, ...others } = changes;
  const { track, ran } = await openTrack(device, file, others);
  return { lines: await runRaces(track, start, rates, seeds), ran };
}

const plain = (lines: readonly RaceLine[]): unknown => JSON.parse(JSON.stringify(lines));

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
      assert.equal(await readRace(file), plain(first.ran));
      const again = await run(device, file);
      assert.equal([again.ran, again.lines], [[], plain(first.lines)]);
      const more = await run(device, file, { seeds: [0, 3] });
      assert.equal(
        more.ran.map(({ seed }) => seed),
        [3, 3, 3, 3],
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
        { batchSize: 4 },
        { images: noise(2) },
        { start: { ...tableStart, bias: 1 } },
        { start: { ...tableStart, std: [0.0001, 0.01] as const } },
        { rates: new Map<Racer, number>([['relu', 2e-5]]) },
      ]) {
        const other = await run(device, file, { rates, ...changes });
        assert.ok(other.ran.length > 0, JSON.stringify(changes));
        assert.equal(other.lines, other.ran);
        assert.equal(lastRaces(await readRace(file)), plain(other.lines));
      }
      const back = await run(device, file, { rates });
      assert.equal([back.ran, back.lines], [[], plain(first.lines)]);
      assert.is((await readRace(file)).length, 2 + 2 + 1 + 2 + 2 + 2 + 2 + 2);
    }),
  ));

test('a race whose numbers are no longer finite has diverged, and the others go on', () =>
  withDevices([{ threads: 1 }], (device) =>
    withFolder({}, async (folder) => {
      const rates = new Map<Racer, number>([
        ['relu', 1e30],
        ['tanh', 1e-5],
      ]);
      const { lines } = await run(device, join(folder, 'figure1.jsonl'), { rates, target: 0.1 });
      const ends = lines.flatMap(({ activation, ended }) => (ended ? [[activation, ended]] : []));
      assert.equal(ends, [
        ['relu', 'diverged'],
        ['tanh', 'gave up'],
      ]);
      const [relu, tanh] = summarize(lines, 0.1);
      assert.equal([relu!.mean, tanh!.ratio, tanh!.atLeast], [null, null, null]);
      assert.is(device.memory().buffers, 0);
    }),
  ));

test('a search that was interrupted goes on with the races that are missing, to the same end', () =>
  withDevices([{ threads: 1 }], (device) =>
    withFolder({}, async (folder) => {
      const search = async (file: string, stopAfter = Number.POSITIVE_INFINITY) => {
        const ran: RaceLine[] = [];
        const log = await RaceLog.open(join(folder, file), (line) => {
          ran.push(line);
          if (ran.length === stopAfter) throw new Error('interrupted');
        });
        const options = { images, devices: [device], target: 0.1, epochs: 4, batchSize: 4, log };
        const track = await RaceTrack.open(options);
        const first = new Map<Racer, number>([['abs-tanh', 0.005]]);
        return {
          ran,
          corner: await searchCorner(track, tableStart, { first, most: 5, seed: 0, target: 0.1 }),
        };
      };
      const whole = await search('whole.jsonl');
      const tried = whole.corner.tried.get('abs-tanh')!;
      assert.is(tried.length, 5);
      const stop = whole.ran.findIndex(({ ended }) => ended) + 2;
      await search('parts.jsonl', stop).then(
        () => assert.unreachable(),
        (error: Error) => assert.is(error.message, 'interrupted'),
      );
      const rest = await search('parts.jsonl');
      // What was under way begins anew.
      assert.is(rest.ran.length, whole.ran.length - stop + 1);
      const shown = ({ tried }: Corner): unknown =>
        tried.get('abs-tanh')!.map(({ rate, lines }) => [rate, lines.map(({ trainError }) => trainError)]);
      assert.equal(shown(rest.corner), shown(whole.corner));
      assert.is((await readRace(join(folder, 'parts.jsonl'))).length, whole.ran.length);
      assert.is(device.memory().buffers, 0);
    }),
  ));

/** The lines of a race with these errors. */
function raced(
  trainErrors: readonly number[],
  ended: RaceLine['ended'],
  activation: Racer = 'relu',
): RaceLine[] {
  return trainErrors.map((trainError, i) => ({
    activation,
    rate: 0.1,
    seed: 0,
    images: 10,
    epoch: i + 1,
    trainError,
    seconds: 1,
    ...(i === trainErrors.length - 1 && { ended }),
  }));
}

test('a race that was given up has a ratio that it is at least', () => {
  const lines = [
    ...raced([0.5, 0.25], 'reached'),
    ...raced([0.9, 0.8, 0.7, 0.6, 0.5], 'gave up', 'tanh'),
    ...raced([0.9, 0.8, 0.7], 'lost', 'abs-tanh'),
  ];
  const [relu, tanh, abs] = summarize(lines, 0.25);
  assert.equal(
    [relu, tanh, abs].map((row) => [row!.mean, row!.ratio, row!.atLeast]),
    [
      [2, 1, null],
      [null, null, 2.5],
      [null, null, null],
    ],
  );
});

test('the search goes to the fastest rate, wherever it begins', async () => {
  // Epochs to the target fall up to a rate of 0.32, beyond which the numbers aren't finite any more.
  const race = (rate: number): RaceLine[] => {
    if (rate > 0.33) return raced([1], 'diverged');
    const epochs = Math.ceil(1 + 0.32 / rate);
    const errors = Array.from({ length: Math.min(40, epochs) }, (_, i) => 0.9 - (0.7 * (i + 1)) / epochs);
    return raced(errors, epochs > 40 ? 'gave up' : 'reached');
  };
  for (const first of [0.32, 0.02, 0.0025, 1.28]) {
    const rates: number[] = [];
    const tried = await searchRate(first, 9, 0.25, async (rate) => {
      rates.push(rate);
      return race(rate);
    });
    assert.ok(Math.abs(tried[0]!.rate - 0.32) < 1e-9, `from ${first}: ${tried[0]!.rate}`);
    assert.is(new Set(rates).size, rates.length, 'a rate is tried once');
    assert.ok(rates.length >= 5 && rates.length <= 9);
    const others = tried.slice(1).map(({ rate }) => rate);
    assert.equal(
      others,
      [...others].sort((a, b) => a - b),
    );
  }
  assert.is((await searchRate(0.02, 5, 0.25, async (rate) => race(rate))).length, 5);
});

test('a search goes down for as long as nothing learns', async () => {
  const rates: number[] = [];
  const tried = await searchRate(0.02, 5, 0.25, async (rate) => {
    rates.push(rate);
    // Chance, and nearest to the target by chance at the first rate; 0.00125 is the first that learns.
    if (rate > 0.002) return raced([0.905, 0.9 - rate / 10, 0.9], 'gave up');
    return raced([0.9, 0.7, 0.5], 'gave up');
  });
  assert.equal(rates.slice(0, 3), [0.02, 0.005, 0.00125]);
  assert.ok(tried[0]!.rate < 0.002);
});

test('a race of a search is lost behind the best, or at less than half of its pace', () => {
  const best = { rate: 1, lines: raced([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2], 'reached') };
  const isLost = lostAgainst(best)!;
  assert.not(isLost(raced([0.9, 0.85, 0.8, 0.75, 0.7, 0.65], undefined)));
  assert.ok(isLost(raced([0.9, 0.88, 0.86, 0.84, 0.82, 0.8], undefined)));
  // Chance before that, a slow start, is no reason.
  assert.not(isLost(raced([0.9, 0.9, 0.9, 0.9, 0.9], undefined)));
  assert.ok(isLost(raced([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.28], undefined)));
  assert.is(lostAgainst(undefined), undefined);
  assert.is(lostAgainst({ rate: 1, lines: raced([1], 'diverged') }), undefined);
});

test('a corner whose tanh never gets there counts by the epochs that it had', () => {
  const corner = (tanh: RaceLine[], bias: number): Corner => ({
    start: { ...tableStart, bias },
    tried: new Map([
      ['relu', [{ rate: 0.1, lines: raced([0.5, 0.25], 'reached') }]],
      ['tanh', [{ rate: 0.1, lines: tanh }]],
    ]),
  });
  const near = corner(raced([0.6, 0.4, 0.25], 'reached', 'tanh'), 0);
  const far = corner(raced([0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9], 'gave up', 'tanh'), 1);
  assert.is(widest([near, far, near], 0.25), far);
  assert.is(widest([], 0.25), undefined);
});

test('a start is the deviations, biases and pixels that it says', () => {
  const starts = startsOf(['fan-in', [0.0001, 0.01]], [0, 1], [1 / 64, 1]);
  assert.equal(startText(starts.at(-1)!), 'deviation 0.0001/0.01, bias 1, pixels x 1');
  assert.equal(startText(tableStart), 'deviation fan-in, bias 0, pixels x 1/64');
  const { architecture, recipe } = startedNet({ start: starts.at(-1)!, activation: 'abs-tanh' });
  assert.equal(
    architecture.layers.map(({ std, bias }) => [std, bias]),
    [
      [0.0001, 0],
      [0.01, 1],
      [0.01, 1],
      [0.01, 0],
    ],
  );
  assert.is(architecture.layers[0]!.stages[0]!.kind, 'absTanh');
  assert.is(recipe.inputScale, 1);
  const plain = startedNet({ start: tableStart, activation: 'relu' });
  const table = nets['four-layers'];
  assert.equal([plain.architecture, plain.recipe], [table.architecture, table.recipe]);
  assert.is(firstRate(tableStart), nets['four-layers'].recipe.learningRate);
  assert.is(firstRate(starts.at(-1)!), nets['four-layers'].recipe.learningRate / 64);
});

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
