/**
 * Training by several ranks against one: images a second and processor time, schemes in turns.
 *
 *     mpirun -n 2 --bind-to none node dist/bench/ranks.js small [--batch 64] [--steps 10] [--rounds 5]
 *
 * Each rank has one thread and `batch` images in a step. `one` is the first rank alone, the others asleep; `data` is all
 * of them on a batch of that size each; `towers` is a tower on each of two ranks, and `devices` both towers on two
 * devices of the first rank, both on batches of twice the size. Everything that a training does is in the time: cutting
 * images, noise, uploads, sums. Ratios are of the same round, and their median counts; processor time is that of all
 * ranks by an image, which tells what a busy machine's clock doesn't.
 */
import { availableParallelism, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { isNetName, nets } from '../src/alexnet/recipes.js';
import { Trainer } from '../src/alexnet/trainer.js';
import { openDevice } from '../src/backends/open.js';
import type { Device } from '../src/core/device.js';
import { MemoryDataset } from '../src/data/dataset.js';
import type { Pca } from '../src/data/images/pca.js';
import { TrainingLoop } from '../src/train/loop.js';
import { openRanks, type Ranks, spreadTowers } from '../src/train/ranks/index.js';
import { median } from './stats.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    batch: { type: 'string', default: '64' },
    steps: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '5' },
  },
});
const [name = 'small'] = positionals;
if (!isNetName(name)) throw new Error(`no network is called ${name}`);
const net = nets[name];
const [batch, steps, rounds] = [Number(values.batch), Number(values.steps), Number(values.rounds)];

const identity: Pca['vectors'] = [
  [1, 0, 0],
  [0, 1, 0],
  [0, 0, 1],
];

/** A way to train. */
interface Scheme {
  readonly name: string;
  /** Trains an epoch of `steps` batches; ranks that take no part do nothing. Gives the images of all ranks. */
  readonly epoch: () => Promise<number>;
}

const ranks = await openRanks();
const first = ranks.rank === 0;

const made = new Map<number, MemoryDataset>();

/** Images that look like noise, `steps` batches of so many. */
function dataOf(batchSize: number): MemoryDataset {
  const known = made.get(batchSize);
  if (known) return known;
  const side = net.recipe.imageSize;
  const count = steps * batchSize;
  const images = new Uint8Array(count * 3 * side * side);
  for (let i = 0; i < images.length; i++) images[i] = Math.imul(i + 1, 0x9e3779b1) >>> 24;
  const labels = Int32Array.from({ length: count }, (_, i) => i % 10);
  const data = new MemoryDataset('noise', Array.from('0123456789'), [3, side, side], images, labels);
  made.set(batchSize, data);
  return data;
}

function scheme(called: string, batchSize: number, devices: readonly Device[], sharing?: Ranks): Scheme {
  const data = dataOf(batchSize);
  const trainer = new Trainer({
    net,
    recipe: { ...net.recipe, batchSize },
    classes: 10,
    devices,
    seed: 0,
    mean: new Float32Array(3 * net.recipe.imageSize ** 2).fill(127),
    pca: { covariance: identity, values: [1, 1, 1], vectors: identity },
  });
  const loop = new TrainingLoop(trainer, undefined, sharing);
  return {
    name: called,
    epoch: async () => {
      const { samples } = await loop.train(trainer.source(data));
      loop.finish(null, null, () => 0);
      return samples;
    },
  };
}

const open = (at: `cpu:${number}`): Promise<Device> => openDevice(at, { threads: 1 });
const idle = (called: string): Scheme => ({ name: called, epoch: async () => 0 });
const own = await open('cpu:0');
const schemes = [first ? scheme('one', batch, [own]) : idle('one')];
if (ranks.size > 1) schemes.push(scheme('data', ranks.size * batch, [own], ranks));
if (net.towers === 2) {
  const pair = first ? [await open('cpu:0'), await open('cpu:1')] : [];
  schemes.push(first ? scheme('devices', 2 * batch, pair) : idle('devices'));
  if (ranks.size === 2) {
    const spread = await spreadTowers(ranks, await open('cpu:0'), 2);
    schemes.push(scheme('towers', 2 * batch, spread.devices, spread.ranks));
  }
}

if (first) {
  console.log(
    `${name}: ${ranks.size} ranks of ${batch} images and one thread, ${steps} steps, ${rounds} rounds; ` +
      `${availableParallelism()} cores, load ${loadavg()[0]!.toFixed(1)}`,
  );
}
const rates = new Map<string, number[]>(schemes.map((each) => [each.name, []]));
const costs = new Map<string, number[]>(schemes.map((each) => [each.name, []]));
for (let round = -1; round < rounds; round++) {
  for (const { name: called, epoch } of schemes) {
    await ranks.barrier();
    const [start, before] = [performance.now(), process.cpuUsage()];
    const samples = await epoch();
    const seconds = (performance.now() - start) / 1000;
    const { user, system } = process.cpuUsage(before);
    const [spent = 0] = await ranks.sum([samples > 0 ? (user + system) / 1000 : 0]);
    if (!first || round < 0) continue; // the first round warms up
    rates.get(called)!.push(samples / seconds);
    costs.get(called)!.push(spent / samples);
  }
}
const ratios = (called: string, to: string): string =>
  median(rates.get(called)!.map((rate, round) => rate / rates.get(to)![round]!)).toFixed(2);
for (const { name: called } of first ? schemes : []) {
  const rate = median(rates.get(called)!).toFixed(1).padStart(8);
  const cost = median(costs.get(called)!).toFixed(2).padStart(8);
  const beside = called === 'towers' ? `, ${ratios(called, 'devices')} of devices` : '';
  console.log(
    `${called.padEnd(8)}${rate} images/s${cost} ms of processor an image  ${ratios(called, 'one')} of one${beside}`,
  );
}
await ranks.close();
process.exit(0);
