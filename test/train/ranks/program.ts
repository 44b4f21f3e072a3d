/**
 * What tests start as several ranks: `program.js MODE FOLDER [WEBGPU_DRIVER]`. Each rank writes what it came to to `FOLDER/RANK.json`.
 */
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openDevice } from '../../../src/backends/open.js';
import type { Device } from '../../../src/core/device.js';
import { e } from '../../../src/core/expr.js';
import { tensor, zeros } from '../../../src/core/ops/create.js';
import { abs, mul, sub } from '../../../src/core/ops/elementwise.js';
import { mean, sum } from '../../../src/core/ops/reduce.js';
import { update } from '../../../src/core/ops/update.js';
import { manualSeed } from '../../../src/core/random.js';
import { scope } from '../../../src/core/scope.js';
import { noGrad } from '../../../src/core/tape.js';
import type { Tensor } from '../../../src/core/tensor.js';
import { Dropout, Layer, Linear, Sequential, Tanh } from '../../../src/nn/index.js';
import { SGD } from '../../../src/nn/sgd.js';
import { fit } from '../../../src/train/fit.js';
import { openRanks, type Ranks } from '../../../src/train/ranks/index.js';
import { rows } from '../regression.js';

const [mode = '', folder = '', driver] = process.argv.slice(2);

const hashOf = (data: ArrayBufferView): string =>
  createHash('sha1')
    .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    .digest('hex');

/** Numbers of a rank that look random, none of which has a sum that is exact. */
function numbersOf(rank: number, length: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => Math.imul(i + length * rank + 1, 0x9e3779b1) / 2 ** 32);
}

/** Every kind of call, with hashes of sums and whether they are those of the plain order. */
async function calls(ranks: Ranks): Promise<object> {
  const sums = [];
  for (const length of [1, 10, 9000, 100_003, 1_600_000]) {
    const data = new Float32Array(new SharedArrayBuffer(4 * length));
    data.set(numbersOf(ranks.rank, length));
    await ranks.allReduce(data);
    const expected = numbersOf(0, length);
    for (let r = 1; r < ranks.size; r++) {
      const other = numbersOf(r, length);
      for (let i = 0; i < length; i++) expected[i]! += other[i]!;
    }
    sums.push({ hash: hashOf(data), inOrder: expected.every((x, i) => Object.is(x, data[i])) });
  }
  const { rank, size, localRank, localSize } = ranks;
  const last = await ranks.broadcast(Uint8Array.of(rank + 10), size - 1);
  const gathered = await ranks.gather(new Uint8Array(rank + 1).fill(rank));
  const into = new Uint8Array(100_000);
  await ranks.sendReceive(
    new Uint8Array(100_000).fill(rank),
    (rank + 1) % size,
    into,
    (rank + size - 1) % size,
  );
  // Asked for in one order, whenever their numbers come.
  const late = ranks.sum(new Promise((resolve) => setTimeout(() => resolve([rank]), 20 * (size - rank))));
  const [soon, waited] = [ranks.sum([1]), late];
  const half = await ranks.split(rank % 2);
  const inHalf = await half.sum([rank]);
  await ranks.barrier();
  return {
    sums,
    place: { rank, size, localRank, localSize },
    last: last[0],
    gathered: gathered.map((bytes) => [...bytes]),
    received: [into[0], into[99_999]],
    order: [...(await waited), ...(await soon)],
    half: [half.rank, half.size, ...inHalf],
  };
}

/** The running mean of what it saw, in a buffer that changes nothing. */
class Seen extends Layer {
  readonly mean: Tensor;

  constructor(device: Device) {
    super();
    this.mean = this.buffer(zeros([3], { device }));
  }

  forward(x: Tensor): Tensor {
    if (this.training) scope(() => update(this.mean, e.input(0), [mean(x, { axes: 0 })]));
    return x;
  }
}

/**
 * 50 steps of the regression with dropout, whose last batch has fewer rows than there are ranks; 15 in micro-batches, of a
 * model without buffers.
 */
async function training(ranks: Ranks, microBatches?: number): Promise<object> {
  const device = await (driver === undefined
    ? openDevice('cpu:0', { threads: 1, deterministic: true })
    : openDevice('webgpu:0', { driver }));
  // What ranks draw for themselves doesn't matter: they begin with what the first has.
  manualSeed(7 + ranks.rank);
  const seen = new Seen(device);
  const model = new Sequential(
    ...(microBatches === undefined ? [seen] : []),
    new Linear(3, 300, { device }),
    new Tanh(),
    new Dropout(0.25),
    new Linear(300, 100, { device }),
    new Tanh(),
    new Linear(100, 1, { device }),
  );
  const optimizer = new SGD([{ params: model.parameters(), learningRate: 0.002 }]);
  const losses: number[] = [];
  const { history } = await fit({
    model,
    optimizer,
    data: rows(1, 17),
    validation: rows(2, 18),
    epochs: microBatches === undefined ? 10 : 3,
    ranks,
    microBatches,
    step: ({ x, y }) => {
      const count = y.length;
      const out = model.forward(tensor(x, { shape: [count, 3], device }));
      const difference = sub(out, tensor(y, { shape: [count, 1], device }));
      return {
        loss: mean(mul(difference, difference)),
        sums: noGrad(() => ({ distance: sum(abs(difference)) })),
        count,
      };
    },
    on: (event) => {
      if (event.kind === 'step') losses.push(event.totals.sums.loss! / event.totals.count);
    },
  });
  const state = await model.stateDict();
  const hash = hashOf(Buffer.concat([...state.values()].map(({ data }) => Buffer.from(data.buffer))));
  for (const each of [model, optimizer]) each.dispose();
  seen.dispose();
  await device.close();
  return { losses, hash, validation: history.map((record) => record.validation) };
}

const modes: Readonly<Record<string, (ranks: Ranks) => Promise<object>>> = {
  calls,
  training: (ranks) => training(ranks),
  short: (ranks) => training(ranks, ranks.size),
  tree: (ranks) => training(ranks, 4),
};

const ranks = await openRanks();
const result = await modes[mode]!(ranks);
const loaded = await readFile('/proc/self/maps', 'utf8').catch(() => '');
const calledMpi = /koffi|libmpi/.test(loaded);
await writeFile(
  join(folder, `${ranks.rank}.json`),
  JSON.stringify({ ...result, calledMpi, library: ranks.library }),
);
await ranks.close();
