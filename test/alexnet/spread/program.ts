/**
 * What the test of towers on ranks starts: `program.js FOLDER` takes a training step of the small network, a tower on
 * each rank, or on two devices where there is one rank. Each rank writes what it came to to `FOLDER/RANK.json`.
 */
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Network } from '../../../src/alexnet/network.js';
import * as tables from '../../../src/alexnet/networks.js';
import { openDevice } from '../../../src/backends/open.js';
import { HostRandom } from '../../../src/backends/threefry.js';
import { drawOf } from '../../../src/core/random.js';
import { ledger } from '../../../src/core/trace.js';
import { openRanks, spreadTowers } from '../../../src/train/ranks/index.js';
import { randomHost } from '../../support/devices.js';
import { assertLedger, predict, trainingStep } from '../towers.js';

const [folder = ''] = process.argv.slice(2);
const batch = 3;
const images = randomHost(new HostRandom(drawOf(5, 0)), [batch, 3, 32, 32]);

const ranks = await openRanks();
const opened = [await openDevice('cpu:0', { threads: 1 })];
if (ranks.size === 1) opened.push(await openDevice('cpu:1', { threads: 1 }));
const towers = ranks.size === 1 ? { devices: opened } : await spreadTowers(ranks, opened[0]!, 2);
const { devices } = towers;
const network = new Network({
  architecture: tables.small,
  placement: tables.smallTowers(),
  devices,
  seed: 11,
});

ledger.clear();
const { logits, gradients } = await trainingStep(network, images);
const names = devices.map(({ name }) => name);
assertLedger(tables.small, tables.smallTowers(), batch, names);
const layers = [...new Set(ledger.rows.map(({ layer }) => layer))];
const timed = ledger.rows.every(({ milliseconds }) => milliseconds >= 0);

const predicted = await predict(network, images);
const hash = createHash('sha1');
for (const { data } of [logits, predicted, ...(await network.stateDict()).values(), ...gradients.values()]) {
  hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}
network.dispose();
const left = devices.map((device) => device.memory().buffers);
await writeFile(
  join(folder, `${ranks.rank}.json`),
  JSON.stringify({ hash: hash.digest('hex'), names, layers, timed, left }),
);
for (const device of opened) await device.close();
await ranks.close();
