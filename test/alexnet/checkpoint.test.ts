/**
 * Checkpoints as files: what is written opens again, files from before the seal as well, and whatever is changed in
 * one, its text, its types and shapes, a byte, is refused in a line that names the file.
 */
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readCheckpoint, saveCheckpoint } from '../../src/alexnet/checkpoint.js';
import type { RunDescription } from '../../src/alexnet/description.js';
import { nets } from '../../src/alexnet/recipes.js';
import { Trainer } from '../../src/alexnet/trainer.js';
import { DataError } from '../../src/core/errors.js';
import { drawOf, HostRandom } from '../../src/core/random.js';
import { pcaOf } from '../../src/data/images/pca.js';
import { decodeSealed, encodeSealed } from '../../src/data/sealed.js';
import { decodeSafetensors, encodeSafetensors } from '../../src/formats/safetensors.js';
import { withFolder } from '../data/files.js';
import { withDevices } from '../support/devices.js';
import { rejection } from '../support/errors.js';

const test = suite('checkpoint');
const run: RunDescription = {
  net: 'four-layers',
  variant: { activation: 'tanh' },
  recipe: nets['four-layers'].recipe,
  seed: 3,
  classes: ['a', 'b'],
  data: null,
  validation: null,
  limit: null,
  trainingImages: 9,
};

let whole: Buffer = Buffer.alloc(0);
test.before(() =>
  withFolder({}, (folder) =>
    withDevices([{ threads: 1 }], async (device) => {
      const mean = new Float32Array(3 * 32 * 32).fill(100);
      const net = nets['four-layers'];
      const trainer = new Trainer({ net, recipe: run.recipe, classes: 2, devices: [device], seed: 3, mean });
      const pca = pcaOf([
        [3, 1, 0],
        [1, 3, 0],
        [0, 0, 1],
      ]);
      await saveCheckpoint(join(folder, 'x'), trainer, run, { mean, pca });
      trainer.dispose();
      whole = await readFile(join(folder, 'x'));
    }),
  ),
);

/** Reads bytes as a checkpoint. */
async function read(bytes: readonly Uint8Array[]): ReturnType<typeof readCheckpoint> {
  let checkpoint = Promise.reject<Awaited<ReturnType<typeof readCheckpoint>>>();
  checkpoint.catch(() => {});
  await withFolder({}, async (folder) => {
    await writeFile(join(folder, 'last.safetensors'), bytes);
    checkpoint = readCheckpoint(join(folder, 'last.safetensors'));
    await checkpoint.catch(() => {});
  });
  return checkpoint;
}

async function refused(bytes: readonly Uint8Array[], message: RegExp): Promise<void> {
  const error = await rejection(read(bytes));
  assert.instance(error, DataError, `${error.stack}`);
  assert.match(error.message, message);
  assert.match(error.message, /last\.safetensors: /);
}

test('what was written opens, and so does a file with the checksum of before', async () => {
  const checkpoint = await read([whole]);
  assert.equal(checkpoint.run, run);
  const { tensors, metadata } = decodeSealed(whole, 'whole');
  const hash = createHash('sha256');
  for (const name of Object.keys(metadata).sort()) hash.update(`${name}=${metadata[name]}\n`);
  for (const name of [...tensors.keys()].sort()) {
    const { buffer, byteOffset, byteLength } = tensors.get(name)!.data;
    hash.update(`${name}\n`).update(new Uint8Array(buffer, byteOffset, byteLength));
  }
  const checksum = hash.digest('hex');
  assert.equal(await read(encodeSafetensors({ tensors, metadata: { ...metadata, checksum } })), checkpoint);
  const wrong = { ...metadata, checksum: checksum.replace(/^./, (c) => (c === '0' ? '1' : '0')) };
  await refused(encodeSafetensors({ tensors, metadata: wrong }), /damaged: .*checksum/);
});

test('types, shapes and the checksum itself are covered', async () => {
  const { tensors, metadata } = decodeSafetensors(whole, 'whole');
  await refused(encodeSafetensors({ tensors, metadata: decodeSealed(whole, '').metadata }), /no checksum/);
  const [name, { shape, data }] = [...tensors].find(([key]) => key === 'conv1.weight')!;
  const odd = [
    { shape: [shape[1]!, shape[0]!, ...shape.slice(2)], data },
    { shape, data: new Int32Array(data.buffer, data.byteOffset, data.length) },
  ];
  for (const tensor of odd) {
    await refused(
      encodeSafetensors({ tensors: new Map([...tensors, [name, tensor]]), metadata }),
      /damaged: .*checksum/,
    );
  }
});

test('a byte changed anywhere is refused, or says nothing else than before', async () => {
  const random = new HostRandom(drawOf(Number(process.env.SEED ?? 1), 0));
  const expected = await read([whole]);
  const header = 8 + Number(whole.readBigUInt64LE());
  for (let i = 0; i < 150; i++) {
    const bytes = Buffer.from(whole);
    // Half of them where the text is.
    const at = random.integer(i % 2 === 0 ? header : bytes.length);
    bytes[at] = random.integer(256);
    try {
      assert.equal(await read([bytes]), expected, `byte ${at}`);
    } catch (error) {
      assert.instance(error, DataError, `byte ${at}: ${error}`);
    }
  }
});

test('text that can not be is refused, however well it is sealed', async () => {
  const { tensors, metadata } = decodeSealed(whole, 'whole');
  const state = { epoch: 1, batch: 0, totals: { images: 0, loss: 0, wrong: 0 }, stream: 0 };
  const schedule = { factor: 1, drops: 0, best: null, stalled: 0 };
  const { recipe } = run;
  const cases: [string, unknown, RegExp][] = [
    ['run', undefined, /: run: it is null, expected an object/],
    ['run', [], /: run: it is a list of 0/],
    [
      'run',
      { ...run, recipe: { ...recipe, epochs: '9' } },
      /: run: recipe\.epochs is "9", expected a whole number/,
    ],
    [
      'run',
      { ...run, recipe: { ...recipe, batchSize: 0 } },
      /recipe\.batchSize is 0, expected a whole number from 1/,
    ],
    [
      'run',
      { ...run, recipe: { ...recipe, schedule: { kind: 'cosine' } } },
      /recipe\.schedule\.kind is "cosine"/,
    ],
    ['run', { ...run, classes: ['a', 5] }, /classes\[1\] is 5, expected text/],
    ['run', { ...run, variant: { towers: 2 } }, /variant\.towers is 2, expected 1/],
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
    const text = value === undefined ? {} : { [key]: JSON.stringify(value) };
    const { [key]: _, ...rest } = metadata;
    await refused(encodeSealed({ tensors, metadata: { ...rest, ...text } }), message);
  }
  for (const cut of [1, 20, 100]) {
    const text = { ...metadata, run: metadata.run!.slice(0, -cut) };
    await refused(encodeSealed({ tensors, metadata: text }), /: run: not JSON: damaged, or cut short/);
  }
  const format = '\u001b[31m'.repeat(30);
  await refused(
    encodeSealed({ tensors, metadata: { ...metadata, format } }),
    /its format is "\\u001b\[31m.*\.\.", expected/,
  );
  const small = new Map([...tensors, ['mean', { shape: [3, 1, 1], data: new Float32Array(3) }]] as const);
  await refused(encodeSealed({ tensors: small, metadata }), /lacks a mean image of side 32/);
});

test.run();
