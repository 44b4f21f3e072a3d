/** Tar archives read in place: long names, archives within archives, and every way of being damaged. */
import { execFileSync } from 'node:child_process';
import { mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { packTar } from 'modern-tar';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError } from '../../../src/core/errors.js';
import { Budget } from '../../../src/data/budget.js';
import { listArchive } from '../../../src/data/sources/archive.js';
import { bytesOf, membersOf } from '../../../src/data/sources/entries.js';
import { tarOf, withFolder } from '../files.js';

/** What an archive holds: names and their text. */
async function contents(path: string): Promise<Record<string, string>> {
  const { entries } = membersOf(path, await listArchive(path, path));
  const found: Record<string, string> = {};
  for (const entry of entries) found[entry.name] = new TextDecoder().decode(await bytesOf(entry));
  return found;
}

async function refused(bytes: Uint8Array, message: RegExp): Promise<void> {
  await withFolder({ 'x.tar': bytes }, async (folder) => {
    try {
      await contents(join(folder, 'x.tar'));
    } catch (error) {
      assert.instance(error, DataError);
      assert.match(String(error), message);
      return;
    }
    assert.unreachable(String(message));
  });
}

test('members are found with their bytes, bodies of any length', async () => {
  const expected: Record<string, string> = { empty: '' };
  for (const length of [1, 511, 512, 513, 5000, 100_000]) expected[`a/${length}.txt`] = 'x'.repeat(length);
  await withFolder({ 'x.tar': await tarOf(expected) }, async (folder) => {
    assert.equal(await contents(join(folder, 'x.tar')), expected);
  });
});

test("the system's tar, in each of its formats, names too long for a header included", async () => {
  const long = `${'folder-of-a-long-name/'.repeat(9)}${'n'.repeat(120)}.JPEG`;
  const short = `${'half/'.repeat(25)}b.JPEG`;
  await withFolder({}, async (folder) => {
    for (const [name, formats] of [
      [long, ['gnu', 'pax']],
      [short, ['gnu', 'pax', 'ustar']],
      ['c.JPEG', ['gnu', 'pax', 'ustar', 'v7']],
    ] as const) {
      await mkdir(dirname(join(folder, 'set', name)), { recursive: true });
      await writeFile(join(folder, 'set', name), name);
      for (const format of formats) {
        const path = join(folder, 'x.tar');
        try {
          execFileSync('tar', [`--format=${format}`, '-cf', path, '-C', join(folder, 'set'), `./${name}`]);
        } catch {
          console.log(`skipped: no tar that writes ${format}`);
          continue;
        }
        assert.equal(await contents(path), { [name]: name }, format);
      }
    }
  });
});

test("an archive's archives are folders of its, as in ImageNet's training archive", async () => {
  const inner = async (wnid: string): Promise<[string, Uint8Array]> => [
    `${wnid}.tar`,
    await tarOf({ [`${wnid}_1.JPEG`]: `${wnid} one`, [`${wnid}_2.JPEG`]: `${wnid} two` }),
  ];
  const bytes = await tarOf(Object.fromEntries([await inner('n01'), await inner('n02')]));
  await withFolder({ 'x.tar': bytes }, async (folder) => {
    assert.equal(await contents(join(folder, 'x.tar')), {
      'n01/n01_1.JPEG': 'n01 one',
      'n01/n01_2.JPEG': 'n01 two',
      'n02/n02_1.JPEG': 'n02 one',
      'n02/n02_2.JPEG': 'n02 two',
    });
  });
  const [name, whole] = await inner('n03');
  await refused(await tarOf({ [name]: whole.subarray(0, 1800) }), /x\.tar, n03\.tar: .*cut short/);
});

test('cut within a block, an archive is refused; cut between two members, it is told of', async () => {
  const expected = { a: 'x'.repeat(700), b: 'y'.repeat(10) };
  const whole = await tarOf(expected);
  // Headers at 0 and 1536, bodies to 1212 and 2058, then the zeroed blocks.
  for (const length of [513, 1000, 1212, 1537, 1600, 2048, 2053, 2058, 2559, 2700]) {
    await refused(whole.subarray(0, length), /cut short/);
  }
  for (const length of [1536, 2560, 3072, 3584]) {
    await withFolder({ 'x.tar': whole.subarray(0, length) }, async (folder) => {
      const path = join(folder, 'x.tar');
      assert.equal(await contents(path), length < 2048 ? { a: expected.a } : expected, `${length} bytes`);
      const { notes } = await listArchive(path, path);
      assert.equal(/no mark says where it ends/.test(notes.join()), length < 3072, `${length} bytes`);
    });
  }
});

test('a broken header is refused by its place', async () => {
  const bytes = await tarOf({ a: 'x', b: 'y' });
  bytes[1024 + 3]! ^= 1;
  await refused(bytes, /the header at byte 1024 is broken/);
  bytes[3]! ^= 1;
  await refused(bytes, /neither a folder nor a tar archive/);
});

test('a name held twice is refused, for which of the two is meant?', async () => {
  const header = { name: 'c/a.JPEG', size: 1, type: 'file' as const };
  const bytes = await packTar([
    { header, body: '1' },
    { header, body: '2' },
  ]);
  await refused(bytes, /holds c\/a\.JPEG twice/);
});

/** A ustar header: a name of any bytes, a type, what it links to. */
function header(name: Uint8Array | string, size: number, type = '0', link: Uint8Array | string = ''): Buffer {
  const block = Buffer.alloc(512);
  Buffer.from(name).copy(block, 0);
  Buffer.from(link).copy(block, 157);
  block.write('0000644\0', 100);
  block.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  block.write('        ', 148);
  block.write(type, 156);
  block.write('ustar\x0000', 257, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

function member(name: Uint8Array | string, body: string, type = '0'): Buffer {
  const bytes = Buffer.from(body);
  return Buffer.concat([
    header(name, bytes.length, type),
    bytes,
    Buffer.alloc((512 - (bytes.length % 512)) % 512),
  ]);
}

const end = Buffer.alloc(1024);

/** What an archive of these bytes holds, plain and gzipped, and what is told of it. */
async function both(
  bytes: Uint8Array,
  check: (found: Record<string, string>, notes: string) => void,
): Promise<void> {
  await withFolder({ 'x.tar': bytes, 'x.tgz': gzipSync(bytes) }, async (folder) => {
    for (const name of ['x.tar', 'x.tgz']) {
      const path = join(folder, name);
      check(await contents(path), (await listArchive(path, path)).notes.join('\n'));
    }
  });
}

test('archives joined by cat are read to the end of the last, whatever follows is told of', async () => {
  const [a, b] = [await tarOf({ a: '1' }), await tarOf({ b: '2' })];
  await both(Buffer.concat([a, b, Buffer.alloc(9 * 512), a.subarray(0, 0)]), (found, notes) => {
    assert.equal(found, { a: '1', b: '2' });
    assert.match(notes, /2 archives joined into one: all are read/);
  });
  await both(Buffer.concat([a, Buffer.from('no header')]), (found, notes) => {
    assert.equal(found, { a: '1' });
    assert.is(notes, '');
  });
  await both(Buffer.concat([a, Buffer.alloc(600, 7)]), (found, notes) => {
    assert.equal(found, { a: '1' });
    assert.match(notes, /what follows its end, at byte 2048, is no archive/);
  });
  await both(Buffer.concat([member('a', '1'), Buffer.alloc(512), member('b', '2'), end]), (found) =>
    assert.equal(found, { a: '1', b: '2' }),
  );
});

test('names in Latin-1, with backslashes, of control characters', async () => {
  const latin = (...bytes: number[]): Uint8Array => Uint8Array.of(0x61, 0x2f, ...bytes);
  await both(Buffer.concat([member(latin(0xe4), '1'), member(latin(0xf6), '2'), end]), (found) =>
    assert.equal(found, { 'a/ä': '1', 'a/ö': '2' }),
  );
  const windows = Buffer.concat([member('set\\a\\1', '1'), header('set\\a\\2', 0, '1', 'set\\a\\1'), end]);
  await both(windows, (found) => assert.equal(found, { 'set/a/1': '1', 'set/a/2': '1' }));
  await both(Buffer.concat([member('a/b\\1', '1'), end]), (found) => assert.equal(found, { 'a/b\\1': '1' }));
  await both(Buffer.concat([member('a/\u001b[31m\n1', '1'), end]), (found) =>
    assert.equal(found, { 'a/\\u001b[31m\\u000a1': '1' }),
  );
});

test('a checksum of signed bytes is right as well', async () => {
  const bytes = Buffer.concat([member(Uint8Array.of(0xe4), 'x'), end]);
  const sum = [...bytes.subarray(0, 512)].reduce(
    (total, byte, i) => total + (i >= 148 && i < 156 ? 32 : byte < 128 ? byte : byte - 256),
    0,
  );
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  await both(bytes, (found) => assert.equal(found, { ä: 'x' }));
});

test('links to files of the archive are these files; others are counted', async () => {
  const bytes = Buffer.concat([
    header('c/early', 0, '1', './c/1'),
    member('./c/1', 'one'),
    header('c/hard', 999, '1', 'c/1'),
    header('c/soft', 0, '2', '1'),
    header('d/up', 0, '2', '../c/soft'),
    header('d/round', 0, '2', 'round'),
    header('d/gone', 0, '2', '/elsewhere'),
    header('e', 0, '2', 'c'),
    end,
  ]);
  await both(bytes, (found, notes) => {
    assert.equal(found, { 'c/1': 'one', 'c/early': 'one', 'c/hard': 'one', 'c/soft': 'one', 'd/up': 'one' });
    assert.match(notes, /passed over 3 links to folders or to what it doesn't hold \(d\/round, d\/gone, e\)/);
  });
});

test("sparse files of the system's tar, of one hole and of many, in all its forms", async () => {
  await withFolder({}, async (folder) => {
    const set = join(folder, 'set');
    await mkdir(set);
    // Stretches of text at every second 64 KiB, more than a header lists, and a hole at the end.
    const file = await open(join(set, 'many'), 'w');
    for (let i = 0; i < 40; i++) await file.write(`piece ${i}`, i * 131_072);
    await file.truncate(6e6);
    await file.close();
    const expected = await readFile(join(set, 'many'));
    for (const format of [
      '--format=gnu',
      '--format=pax',
      ...['0.0', '0.1', '1.0'].map((v) => `--sparse-version=${v}`),
    ]) {
      const pax = format.startsWith('--format') ? [] : ['--format=pax'];
      const path = join(folder, 'x.tar');
      try {
        execFileSync('tar', ['-S', ...pax, format, '-cf', path, '-C', set, 'many'], { stdio: 'pipe' });
      } catch {
        console.log(`skipped: no tar that writes sparse files with ${format}`);
        continue;
      }
      const stored = await readFile(path);
      if (stored.length > 3e6) {
        console.log('skipped: this disk stores no holes');
        continue;
      }
      await writeFile(join(folder, 'x.tgz'), gzipSync(stored));
      for (const name of [path, join(folder, 'x.tgz')]) {
        const { entries } = membersOf(name, await listArchive(name, name));
        assert.equal(
          entries.map((entry) => entry.name),
          ['many'],
          format,
        );
        assert.ok(expected.equals(await bytesOf(entries[0]!)), `${format} ${name}`);
      }
    }
  });
});

test('pieces of a sparse file that do not fit together are refused', async () => {
  const sparse = (at: number, length: number, real: number): Buffer => {
    const block = header('a', 4, 'S');
    const octal = (value: number): string => `${value.toString(8).padStart(11, '0')}\0`;
    block.write(octal(at), 386);
    block.write(octal(length), 398);
    block.write(octal(real), 483);
    block.write('        ', 148);
    const sum = block.reduce((total, byte) => total + byte, 0);
    block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    return Buffer.concat([block, Buffer.from('text'), Buffer.alloc(508), end]);
  };
  await both(sparse(3, 4, 9), (found) => assert.equal(found, { a: '\0\0\0text\0\0' }));
  await refused(sparse(3, 4, 6), /pieces of a sparse file don't fit together/);
  await refused(sparse(0, 5, 9), /pieces of a sparse file don't fit together/);
  // A hole of a terabyte takes no memory until it is read, and is refused then.
  await refused(
    sparse(2 ** 32, 4, 2 ** 32 + 4),
    /x\.tar.*it has 4\.29 GB, at most|a: can't be read: it has 4\.29 GB/,
  );
});

test('a gzipped archive that claims to be huge is refused before memory is taken', async () => {
  const zeros = gzipSync(Buffer.alloc(50e6));
  const budget = (): Budget => new Budget(20e6);
  const one = gzipSync(Buffer.concat([header('a', 40e6), Buffer.alloc(40e6), end]));
  const many = gzipSync(
    Buffer.concat([...Array.from({ length: 30_000 }, (_, i) => header(`a${i}`, 0)), end]),
  );
  await withFolder({ 'zeros.tgz': zeros, 'one.tgz': one, 'many.tgz': many }, async (folder) => {
    for (const [name, message] of [
      ['zeros.tgz', /zeros\.tgz: gzip, but what is packed is no tar archive/],
      ['one.tgz', /one\.tgz: unpacks to more than the 20 MB that are kept in memory: unpack it with gunzip/],
    ] as const) {
      const path = join(folder, name);
      await listArchive(path, path, budget()).then(
        () => assert.unreachable(name),
        (error) => {
          assert.instance(error, DataError);
          assert.match(String(error), message);
        },
      );
    }
    const path = join(folder, 'many.tgz');
    assert.is((await listArchive(path, path, new Budget(40e6))).members.length, 30_000);
  });
});

test('other kinds of archives are called what they are', async () => {
  for (const [start, name] of [
    ['PK\x03\x04', 'a zip archive'],
    ['BZh91AY', 'packed by bzip2'],
    ['\xfd7zXZ\0', 'packed by xz'],
    ['<!DOCTYPE html>', 'a page of the web'],
    ['version https://git-lfs.github.com/spec/v1', 'a placeholder of Git LFS'],
  ] as const) {
    await refused(
      Buffer.from(start.padEnd(600), 'latin1'),
      new RegExp(`neither a folder nor a tar.*it is ${name}`),
    );
  }
});

test.run();
