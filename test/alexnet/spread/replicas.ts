/**
 * What the test of replicas starts on four ranks: `replicas.js FOLDER` trains one step of two towers' network twice, on
 * half a batch each, as `TrainingLoop` does. Each rank writes to `FOLDER/RANK.json` what it called in which order, what
 * crossed, and what a dry run says of both. Layers are so wide that gradients of fc7 fill a bucket before the crossings
 * of fc6 and conv3 come.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dryRunNet } from '../../../src/alexnet/dryRun.js';
import { smallTowers } from '../../../src/alexnet/networks.js';
import { type Net, nets } from '../../../src/alexnet/recipes.js';
import { type LabelledImages, Trainer } from '../../../src/alexnet/trainer.js';
import { openDevice } from '../../../src/backends/open.js';
import { ledger } from '../../../src/core/trace.js';
import { batchesOf } from '../../../src/data/batchSource.js';
import { TrainingLoop } from '../../../src/train/loop.js';
import { openRanks, spreadTowers } from '../../../src/train/ranks/index.js';
import { type Coming, type Numbers, Ranks } from '../../../src/train/ranks/ranks.js';

/** A call, and the bytes that were summed or told. */
interface Called {
  readonly call: 'cross' | 'sum' | 'broadcast';
  bytes: number;
}

const [folder = ''] = process.argv.slice(2);
const net: Net = {
  ...nets.small,
  placement: (classes) => ({
    ...smallTowers(classes),
    fc6: { kernels: [800, 800], reads: 'all' },
    fc7: { kernels: [800, 800], reads: 'all' },
  }),
};
const recipe = { ...nets.small.recipe, batchSize: 8, augment: false };
const imageBytes = 3 * 32 ** 2;

/** Notes what is asked for from now on, in its order. */
function noteCalls(): Called[] {
  const calls: Called[] = [];
  const { allReduceEach, sendReceiveEach, broadcast } = Ranks.prototype;
  const note = (call: Called['call'], data: Coming<readonly { readonly byteLength: number }[]>): void => {
    const called = { call, bytes: 0 };
    calls.push(called);
    Promise.resolve(data).then((arrays) => {
      called.bytes = arrays.reduce((sum, { byteLength }) => sum + byteLength, 0);
    });
  };
  Ranks.prototype.allReduceEach = function <T extends readonly Numbers[]>(
    this: Ranks,
    data: Coming<T>,
    ...more: readonly unknown[]
  ): Promise<T> {
    note('sum', data);
    return Reflect.apply(allReduceEach, this, [data, ...more]);
  };
  Ranks.prototype.sendReceiveEach = function (data, ...more) {
    note('cross', data);
    return Reflect.apply(sendReceiveEach, this, [data, ...more]);
  };
  Ranks.prototype.broadcast = function (data, ...more) {
    note(
      'broadcast',
      Promise.resolve(data).then((array) => [array]),
    );
    return Reflect.apply(broadcast, this, [data, ...more]);
  };
  return calls;
}

const all = await openRanks();
const device = await openDevice('cpu:0', { threads: 1 });
const { devices, ranks } = await spreadTowers(all, device, 2);
const trainer = new Trainer({
  net,
  recipe,
  classes: 10,
  devices,
  seed: 3,
  mean: new Float32Array(imageBytes),
});
const data = batchesOf(
  'images',
  8,
  { batchSize: 8 },
  (indices): LabelledImages => ({
    images: Uint8Array.from(
      { length: indices.length * imageBytes },
      (_, i) => Math.imul(i + 1, 0x9e3779b1) >>> 24,
    ),
    labels: Int32Array.from(indices, (index) => index),
  }),
);
ledger.clear();
const calls = noteCalls();
await new TrainingLoop(trainer, undefined, ranks).train(data);
await device.sync();
const place = (name: string): string => `rank:${devices.findIndex((other) => other.name === name)}`;
const crossed = ledger.rows.map(({ phase, layer, from, to, bytes }) => ({
  phase,
  layer,
  from: place(from),
  to: place(to),
  bytes,
}));
const counted = await dryRunNet({
  net,
  recipe,
  classes: 10,
  devices: ['cpu:0', 'cpu:0'],
  ranks: { replicas: 2, spread: true },
});
trainer.dispose();
await writeFile(
  join(folder, `${all.rank}.json`),
  JSON.stringify({
    calls,
    crossed,
    expected: counted.crossings,
    collectives: counted.collectives,
  }),
);
await device.close();
await all.close();
