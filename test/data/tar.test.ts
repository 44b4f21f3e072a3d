/** Tar archives read in place: long names, archives within archives, and every way of being damaged. */
import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { packTar } from 'modern-tar';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError } from '../../src/core/errors.js';
import { listArchive } from '../../src/data/sources/archive.js';
import { bytesOf, membersOf } from '../../src/data/sources/entries.js';
import { tarOf, withFolder } from './files.js';

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

test.run();
