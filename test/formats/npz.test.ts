/** .npz files: each field where the zip format has it, arrays that come back, and NumPy reading them where it is installed. */
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { crc32 } from '../../src/formats/crc32.js';
import { decodeNpy, encodeNpy } from '../../src/formats/npy.js';
import { decodeNpz, encodeNpz } from '../../src/formats/npz.js';
import { damageAll, joined, refused } from './damage.js';
import { type ZipOptions, zipOf } from './zipWriter.js';

const test = suite('npz');
const tensors = new Map([
  ['conv1.weight', { shape: [2, 3], data: Float32Array.of(1, -2, 3, 4, 5, 6.5) }],
  ['größe/x', { shape: [3], data: Int32Array.of(-7, 8, 9) }],
  ['empty', { shape: [0], data: new Uint8Array(0) }],
]);

test('arrays come back from where the directory says they are', () => {
  const bytes = Buffer.concat(encodeNpz(tensors));
  const end = bytes.length - 22;
  assert.is(bytes.readUInt32LE(end), 0x06054b50);
  assert.is(bytes.readUInt16LE(end + 10), tensors.size);
  let entry = bytes.readUInt32LE(end + 16);
  for (const [name, tensor] of tensors) {
    assert.is(bytes.readUInt32LE(entry), 0x02014b50);
    const length = bytes.readUInt16LE(entry + 28);
    assert.is(bytes.toString('utf8', entry + 46, entry + 46 + length), `${name}.npy`);
    const local = bytes.readUInt32LE(entry + 42);
    assert.is(bytes.readUInt32LE(local), 0x04034b50);
    // Both headers say the same of version, flags, method, times, CRC and sizes.
    assert.equal(bytes.subarray(local + 4, local + 30), bytes.subarray(entry + 6, entry + 32));
    const start = local + 30 + length;
    const file = bytes.subarray(start, start + bytes.readUInt32LE(entry + 24));
    assert.is(bytes.readUInt32LE(entry + 16), crc32(file));
    assert.equal(decodeNpy(file, name), tensor);
    entry += 46 + length;
  }
  assert.is(entry, end);
});

test('the checksum is the one of the standard', () => {
  assert.is(crc32(Buffer.from('1234'), Buffer.from('56789')), 0xcbf43926);
});

test('NumPy reads it', async () => {
  const code =
    "import sys, numpy; f = numpy.load(sys.argv[1]); print([(k, f[k].tolist()) for k in f]); print(__import__('zipfile').ZipFile(sys.argv[1]).testzip())";
  if (spawnSync('python3', ['-c', 'import numpy']).status !== 0) {
    console.log("skipped: NumPy isn't installed");
    return;
  }
  const folder = await mkdtemp(join(tmpdir(), 'tandem-npz-'));
  try {
    await writeFile(join(folder, 'x.npz'), encodeNpz(tensors));
    const env = { ...process.env, PYTHONIOENCODING: 'utf8' };
    const { stdout } = spawnSync('python3', ['-c', code, join(folder, 'x.npz')], { encoding: 'utf8', env });
    assert.is(
      stdout,
      "[('conv1.weight', [[1.0, -2.0, 3.0], [4.0, 5.0, 6.5]]), ('größe/x', [-7, 8, 9]), ('empty', [])]\nNone\n",
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("NumPy's own are read, stored and compressed", async () => {
  const code =
    'import sys, numpy as n; a = dict(x=n.arange(6).reshape(2, 3), h=n.array([1, -2.5], n.float16), b=n.array([True])); n.savez(sys.argv[1], **a); n.savez_compressed(sys.argv[2], **a)';
  const folder = await mkdtemp(join(tmpdir(), 'tandem-npz-'));
  const files = ['stored.npz', 'compressed.npz'].map((name) => join(folder, name));
  try {
    if (spawnSync('python3', ['-c', code, ...files]).status !== 0) {
      console.log("skipped: NumPy isn't installed");
      return;
    }
    for (const path of files) {
      assert.equal(
        await decodeNpz(await readFile(path), path, { widen: true }),
        new Map<string, unknown>([
          ['x', { shape: [2, 3], data: Int32Array.of(0, 1, 2, 3, 4, 5) }],
          ['h', { shape: [2], data: Float32Array.of(1, -2.5) }],
          ['b', { shape: [1], data: Uint8Array.of(1) }],
        ]),
      );
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

/** The same arrays as another writer packs them. */
const packed = (deflated: boolean, options: ZipOptions = {}): Uint8Array =>
  zipOf(
    [...tensors].map(([name, tensor]) => ({
      name: `${name}.npy`,
      bytes: joined(...encodeNpy(tensor)),
      deflated,
    })),
    options,
  );
const utf8 = 0x808;

test('arrays are read stored and deflated, with zip64 and a comment, and as they were written here', async () => {
  const files = [false, true].flatMap((deflated) => [
    packed(deflated, { flags: utf8 }),
    packed(deflated, { wide: true }),
    packed(deflated, { comment: 'PK\x05\x06 is how an end begins' }),
  ]);
  for (const bytes of [joined(...encodeNpz(tensors)), ...files])
    assert.equal(await decodeNpz(bytes, 'x.npz'), tensors);
});

test('archives that are damaged or hold other things are refused by name', async () => {
  const refuses = (bytes: Uint8Array, message: RegExp, maxBytes?: number): Promise<void> =>
    refused('x.npz', () => decodeNpz(bytes, 'x.npz', maxBytes === undefined ? {} : { maxBytes }), message);
  const one = (name: string, bytes: Uint8Array, deflated = false): Uint8Array =>
    zipOf([{ name, bytes, deflated }]);
  const array = joined(...encodeNpy({ shape: [2], data: Float32Array.of(1, 2) }));
  await refuses(new Uint8Array(0), /no directory/);
  await refuses(packed(false).subarray(0, -1), /no directory at its end: was it cut short/);
  await refuses(one('readme.txt', array), /readme\.txt is no array/);
  await refuses(one('w.npy', joined('hello')), /x\.npz, w\.npy: not a \.npy file/);
  await refuses(packed(false, { flags: 1 }), /encrypted/);
  await refuses(
    zipOf([
      { name: 'w.npy', bytes: array },
      { name: 'w.npy', bytes: array },
    ]),
    /w\.npy twice/,
  );
  await refuses(packed(true), /bytes unpacked, at most 300 are read; raise maxBytes/, 300);
  // One byte of the numbers: stored, where the checksum tells, and deflated.
  const stored = one('w.npy', array);
  stored[stored.indexOf(0x3f)]! ^= 1;
  await refuses(stored, /w\.npy is damaged/);
  const zeros = joined(...encodeNpy({ shape: [100_000], data: new Uint8Array(100_000) }));
  const claims = Buffer.from(one('w.npy', zeros, true));
  const directory = claims.indexOf('PK\x01\x02');
  claims.writeUInt32LE(50, directory + 24);
  await refuses(claims, /w\.npy is damaged/);
  claims.writeUInt32LE(2 ** 31 - 1, directory + 24);
  await refuses(claims, /bytes can't hold 2147483647/);
  const overlap = Buffer.from(
    zipOf([
      { name: 'a.npy', bytes: array },
      { name: 'b.npy', bytes: array },
    ]),
  );
  overlap.writeUInt32LE(0, overlap.lastIndexOf('PK\x01\x02') + 42);
  await refuses(overlap, /overlaps/);
});

test('archives damaged at random end in a named error, or in the right numbers', async () => {
  for (const [name, whole] of [
    ['stored.npz', packed(false)],
    ['deflated.npz', packed(true)],
    ['wide.npz', packed(true, { wide: true })],
  ] as const) {
    await damageAll(name, whole, 300, decodeNpz, (read) => {
      for (const { shape, data } of read.values())
        assert.ok([...tensors.values()].some((t) => `${t.shape}:${t.data}` === `${shape}:${data}`));
    });
  }
});

test.run();
