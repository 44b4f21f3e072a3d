/**
 * Checkpoints of named parts: what any thing gives is what it gets back, whatever its numbers and text; a file that is
 * changed, not finite or something else is refused in a line that names it.
 */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { HostRandom } from '../../src/backends/threefry.js';
import { ArgumentError, DataError } from '../../src/core/errors.js';
import { drawOf, Generator } from '../../src/core/random.js';
import type { PartState } from '../../src/core/state.js';
import { encodeSealed } from '../../src/data/sealed.js';
import { decodeSafetensors, encodeSafetensors } from '../../src/formats/safetensors.js';
import { Linear } from '../../src/nn/index.js';
import { type Checkpoint, readCheckpoint, writeCheckpoint } from '../../src/train/checkpoint.js';
import { DivergedError } from '../../src/train/diverged.js';
import { restoreParts, statesOf } from '../../src/train/parts.js';
import { withFolder } from '../data/files.js';
import { withDevices } from '../support/devices.js';
import { rejection, thrown } from '../support/errors.js';
import { regression } from './regression.js';

const test = suite('checkpoints of parts');

const parts = new Map<string, PartState>([
  [
    'model',
    {
      tensors: new Map([
        ['a.weight', { shape: [2, 2], data: Float32Array.of(1, -2, 3e-38, 4) }],
        ['b', { shape: [3], data: Float64Array.of(0.1, 1e300, -1) }],
        ['counts', { shape: [2], data: Int32Array.of(-1, 2 ** 31 - 1) }],
        ['bytes', { shape: [1, 1], data: Uint8Array.of(255) }],
        ['none', { shape: [0], data: new Float32Array(0) }],
      ]),
    },
  ],
  ['model-2', { tensors: new Map([['a.weight', { shape: [], data: Float32Array.of(7) }]]), json: { x: 1 } }],
  ['words', { json: { text: 'µ "x"\n', list: [null, true, 1.5] } }],
]);
const checkpoint: Checkpoint = { about: { classes: ['a', 'b'], n: 3 }, parts };

/** Writes a checkpoint and gives its bytes and what is read of it. */
async function roundTrip(written: Checkpoint): Promise<{ bytes: Buffer; read: Checkpoint }> {
  const result = { bytes: Buffer.alloc(0), read: written };
  await withFolder({}, async (folder) => {
    const path = join(folder, 'x');
    await writeCheckpoint(path, written);
    Object.assign(result, { bytes: await readFile(path), read: await readCheckpoint(path) });
  });
  return result;
}

async function refused(bytes: readonly Uint8Array[], message: RegExp): Promise<void> {
  await withFolder({}, async (folder) => {
    const path = join(folder, 'x.safetensors');
    await writeFile(path, bytes);
    const error = await rejection(readCheckpoint(path));
    assert.instance(error, DataError, `${error.stack}`);
    assert.match(error.message, message);
    assert.match(error.message, /x\.safetensors: /);
  });
}

test('parts come back as they were given, and the same parts make the same bytes', async () => {
  const { read, bytes } = await roundTrip(checkpoint);
  assert.equal(read.about, checkpoint.about);
  assert.equal([...read.parts.keys()], [...parts.keys()]);
  for (const [name, { tensors = new Map(), json = null }] of parts) {
    const back = read.parts.get(name)!;
    assert.equal(back.json, json);
    assert.equal(new Map([...back.tensors!].sort()), new Map([...tensors].sort()), name);
  }
  assert.ok((await roundTrip(checkpoint)).bytes.equals(bytes));
  assert.ok((await roundTrip(read)).bytes.equals(bytes));
  const names = [...decodeSafetensors(bytes, '').tensors.keys()].sort();
  assert.equal(names.slice(0, 2), ['model-2.a.weight', 'model.a.weight']);
});

test('numbers that are not finite are not written, and the old file stays', () =>
  withFolder({}, async (folder) => {
    const path = join(folder, 'x');
    await writeCheckpoint(path, checkpoint);
    const before = await readFile(path);
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const tensors = new Map([['speed.w', { shape: [2], data: Float32Array.of(0, bad) }]]);
      const odd = { ...checkpoint, parts: new Map([...parts, ['optimizer', { tensors }]]) };
      const error = await rejection(writeCheckpoint(path, odd));
      assert.instance(error, DivergedError);
      assert.match(error.message, /optimizer\.speed\.w holds NaN or infinity/);
      const text = { ...checkpoint, parts: new Map([['words', { json: { best: bad } }]]) };
      assert.match(
        (await rejection(writeCheckpoint(path, text))).message,
        /parts holds .* at "best", which JSON/,
      );
    }
    assert.ok(before.equals(await readFile(path)));
    assert.equal(await readdir(folder), ['x']);
  }));

test('names, types, shapes and bytes are covered by the seal', async () => {
  const { bytes } = await roundTrip(checkpoint);
  const { tensors, metadata } = decodeSafetensors(bytes, '');
  const weight = tensors.get('model.a.weight')!;
  const changes: [string, { shape: number[]; data: Float32Array | Int32Array }][] = [
    ['model.a.weight', { shape: [4], data: Float32Array.from(weight.data) }],
    ['model.a.weight', { shape: [2, 2], data: new Int32Array(Float32Array.from(weight.data).buffer) }],
    ['model.a.weight', { shape: [2, 2], data: Float32Array.of(1, -2, 3e-38, 5) }],
    ['model.c', { shape: [1], data: Float32Array.of(1) }],
  ];
  for (const [name, tensor] of changes) {
    const changed = new Map([...tensors, [name, tensor]] as const);
    await refused(encodeSafetensors({ tensors: changed, metadata }), /damaged: .*checksum/);
  }
  const { sha256: _, ...bare } = metadata;
  await refused(encodeSafetensors({ tensors, metadata: bare }), /no checksum/);
  await refused([bytes.subarray(0, bytes.length - 1)], /not a whole safetensors file/);
});

test('a byte changed anywhere is refused, or says nothing else than before', async () => {
  const random = new HostRandom(drawOf(Number(process.env.SEED ?? 1), 0));
  const { bytes, read } = await roundTrip(checkpoint);
  await withFolder({}, async (folder) => {
    const path = join(folder, 'x');
    for (let i = 0; i < 200; i++) {
      const changed = Buffer.from(bytes);
      changed[random.integer(bytes.length)] = random.integer(256);
      await writeFile(path, changed);
      try {
        assert.equal(await readCheckpoint(path), read);
      } catch (error) {
        assert.instance(error, DataError, `${error}`);
      }
    }
  });
});

test('other files and texts are refused by name', async () => {
  const tensors = new Map([['model.w', { shape: [1], data: Float32Array.of(1) }]]);
  const metadata = { format: 'tandem-checkpoint-2', about: 'null', parts: '{"model":null}' };
  const cases: [Record<string, string>, RegExp][] = [
    [{ ...metadata, format: '\u001b[31m' }, /its format is "\\u001b\[31m", expected tandem-checkpoint-2/],
    [{ about: '', parts: '' }, /it names no format/],
    [{ ...metadata, parts: '{"model":' }, /: parts: not JSON/],
    [{ ...metadata, parts: '[]' }, /: parts: it is a list of 0, expected an object/],
    [{ ...metadata, parts: '{"other":null}' }, /its tensor "model\.w" belongs to no part/],
    [{ ...metadata, about: '{' }, /: about: not JSON/],
  ];
  for (const [text, message] of cases) await refused(encodeSealed({ tensors, metadata: text }), message);
});

test('parts are set together or not at all', async () => {
  await withDevices([{ threads: 1 }], async (device) => {
    const [model, generator] = [new Linear(2, 1, { device }), new Generator(3)];
    generator.next();
    const states = await statesOf({ model, generator });
    const other = { model: new Linear(2, 1, { device }), generator: new Generator(4) };
    const before = await statesOf(other);
    const odd = new Map(states).set('generator', { json: { seed: 1, stream: 0.5 } });
    assert.throws(
      () => restoreParts(other, odd, 'x'),
      /x: the state of 'generator' doesn't fit: Generator: stream is 0\.5 in this state, expected a whole number/,
    );
    assert.throws(
      () => restoreParts({ ...other, more: model }, states, 'x'),
      /x: holds model, generator, but no/,
    );
    assert.equal(await statesOf(other), before);
    restoreParts(other, states, 'x');
    assert.equal(await statesOf(other), states);
    assert.equal(other.generator.next(), generator.next());
  });
  const refusedWrite = rejection(writeCheckpoint('/nowhere/x', checkpoint));
  assert.instance(await refusedWrite, DataError);
  assert.not.instance(await refusedWrite, ArgumentError);
});

test('a checkpoint from before a model had its buffers, or from after, is refused in one line', async () => {
  await withDevices([{ threads: 1 }], async (device) => {
    const { model, dispose } = regression(device);
    const { tensors = new Map() } = (await statesOf({ model })).get('model')!;
    assert.equal(tensors.get('1.batches'), { shape: [], data: Int32Array.of(0) });
    const older = new Map([...tensors].filter(([name]) => !name.startsWith('1.')));
    const newer = new Map([...tensors, ['1.spread', tensors.get('1.mean')!]]);
    const load = (held: typeof tensors) =>
      thrown(() => restoreParts({ model }, new Map([['model', { tensors: held }]]), 'old'));
    assert.is(
      load(older).message,
      "old: the state of 'model' doesn't fit: parameters: 1.mean is missing; 1.batches is missing",
    );
    assert.is(
      load(newer).message,
      "old: the state of 'model' doesn't fit: parameters: 1.spread is unknown here",
    );
    assert.instance(load(older), DataError);
    dispose();
  });
});

test.run();
