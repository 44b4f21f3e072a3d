/** .npz files: each field where the zip format has it, arrays that come back, and NumPy reading them where it is installed. */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { crc32 } from '../../src/formats/crc32.js';
import { decodeNpy } from '../../src/formats/npy.js';
import { encodeNpz } from '../../src/formats/npz.js';

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

test.run();
