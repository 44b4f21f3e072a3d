/** Tables of features as files: what was written is read, however many names; vectors and names are of one run. */
import { spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { checkNames, readFeatures, writeFeatures } from '../../src/alexnet/features.js';
import { ArgumentError, DataError } from '../../src/core/errors.js';
import { writeWhole } from '../../src/data/files.js';
import { encodeSafetensors } from '../../src/formats/safetensors.js';
import { withFolder } from '../data/files.js';
import { rejection } from '../support/errors.js';

const test = suite('features');

test('tables of 600,000 names are written and read again', () =>
  withFolder({}, async (folder) => {
    const count = 600_000;
    const names = Array.from({ length: count }, (_, i) => `n01440764/n01440764_${i}.JPEG`);
    const vectors = Float32Array.from({ length: count }, (_, i) => i);
    for (const file of ['f.safetensors', 'f.npy']) {
      await writeFeatures(join(folder, file), { names, width: 1, vectors });
      const read = await readFeatures(join(folder, file));
      assert.is(read.names.length, count);
      assert.is(read.names.at(-1), names.at(-1));
      assert.ok(
        Buffer.from(read.vectors.buffer, read.vectors.byteOffset).equals(Buffer.from(vectors.buffer)),
      );
    }
  }));

test('a table of features whose names are damaged is refused', () =>
  withFolder({}, async (folder) => {
    const path = join(folder, 'f.safetensors');
    const tensors = new Map([['features', { shape: [1, 2], data: Float32Array.of(1, 2) }]]);
    for (const [names, message] of [
      ['["a', /: names: not JSON: damaged/],
      ['{}', /: names: it is an object, expected a list/],
      ['[5]', /: names: it\[0\] is 5, expected text/],
      ['["a", "b"]', /1 vectors but 2 names/],
    ] as const) {
      await writeWhole(path, encodeSafetensors({ tensors, metadata: { names } }));
      const error = await rejection(readFeatures(path));
      assert.instance(error, DataError);
      assert.match(error.message, message);
    }
  }));

test('names that are more than a line go into .safetensors alone', () =>
  withFolder({}, async (folder) => {
    const table = { names: ['a\nb', 'c\r'], width: 1, vectors: Float32Array.of(1, 2) };
    for (const name of table.names) {
      assert.throws(
        () => checkNames('f.npy', [name]),
        (error: unknown) => error instanceof ArgumentError,
      );
    }
    const error = await rejection(writeFeatures(join(folder, 'f.npy'), table));
    assert.match(error.message, /can't hold a\\u000ab: write the features as \.safetensors/);
    assert.equal(await readdir(folder), []);
    await writeFeatures(join(folder, 'f.safetensors'), table);
    assert.equal((await readFeatures(join(folder, 'f.safetensors'))).names, table.names);
  }));

/** Overwrites a table over and over, each time with other vectors and names, until it's killed. */
const writer = `
import { writeFeatures } from '${new URL('../../src/alexnet/features.js', import.meta.url)}';
for (let i = 0; ; i++) {
  const names = Array.from({ length: 500 }, () => 'run ' + i);
  await writeFeatures(process.argv[1], { names, width: 1, vectors: new Float32Array(500).fill(i) });
  if (i === 0) console.log('begun');
}`;

test('vectors and names are never left of different runs, whenever a writer is killed', () =>
  withFolder({}, async (folder) => {
    const path = join(folder, 'f.npy');
    for (let kill = 0; kill < 12; kill++) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', writer, path]);
      await new Promise((resolve) => child.stdout.once('data', resolve));
      await new Promise((resolve) => setTimeout(resolve, 3 * kill));
      child.kill('SIGKILL');
      await new Promise((resolve) => child.once('close', resolve));
      const names = await readFile(join(folder, 'f.names.txt')).catch(() => null);
      if (!names) {
        assert.match(
          (await rejection(readFeatures(path))).message,
          /f\.names\.txt: can't be read: no such file/,
        );
        continue;
      }
      const table = await readFeatures(path);
      assert.ok(table.names.every((name, i) => name === `run ${table.vectors[i]}`));
    }
    await writeFeatures(path, { names: ['a'], width: 1, vectors: Float32Array.of(1) });
    assert.equal((await readdir(folder)).sort(), ['f.names.txt', 'f.npy']);
  }));

test.run();
