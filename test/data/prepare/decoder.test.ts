/** A faster decoder of JPEGs: how near its pictures are, what is left to the others, and that shards know their maker. */
import { spawnSync } from 'node:child_process';
import { readdir, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ArgumentError } from '../../../src/core/errors.js';
import { openImage } from '../../../src/data/images/image.js';
import { loadTurbo, resolveDecoder } from '../../../src/data/images/jpeg/turbo.js';
import { prepare } from '../../../src/data/prepare/prepare.js';
import { parseRecord, recordFormat, sha256 } from '../../../src/data/shards/shardFormat.js';
import { root } from '../../../support/root.js';
import { rejection } from '../../support/errors.js';
import { blockJpeg, jpegOf, withFolder, withOrientation } from '../files.js';
import { photo } from './prepared.js';

const installed = resolveDecoder('auto').name === 'libjpeg-turbo';
if (!installed) console.log("skipped: @cornerstonejs/codec-libjpeg-turbo-8bit isn't installed");
/** A test that needs the package. */
const turboTest = installed ? test : test.skip;

/** Smooth colours with an edge, 83x61. */
const drawn = jpegOf(83, 61, (x, y) => [3 * x, 4 * y, x > 40 ? 220 : 30]);

turboTest('its pictures are those of jpeg-js within roundings, grey and turned ones as well', async () => {
  const faster = await loadTurbo();
  for (const [name, bytes] of Object.entries({
    drawn,
    turned: withOrientation(drawn, 6),
    grey: blockJpeg([77]),
  })) {
    const [expected, got] = [openImage(bytes).decode(), openImage(bytes, faster).decode()];
    assert.not.ok(got.fellBack, name);
    assert.equal([got.width, got.height], [expected.width, expected.height], name);
    const worst = got.planes.reduce((most, x, i) => Math.max(most, Math.abs(x - expected.planes[i]!)), 0);
    // Both round the transform and the colours, in other places.
    assert.ok(worst <= 4, `${name}: ${worst}`);
  }
});

turboTest(
  'what it does not take comes out as without it, and damage is refused in the same words',
  async () => {
    const faster = await loadTurbo();
    const noEnd = drawn.subarray(0, drawn.length - 2);
    for (const bytes of [blockJpeg([255, 204, 102, 153], 0), noEnd]) {
      const { fellBack, planes } = openImage(bytes, faster).decode();
      assert.ok(fellBack);
      assert.equal(planes, openImage(bytes).decode().planes);
    }
    const damaged = drawn.subarray(0, drawn.length >> 1);
    const reason = (use: () => unknown): string => {
      try {
        use();
      } catch (error) {
        return String(error);
      }
      return 'nothing';
    };
    const expected = reason(() => openImage(damaged).decode());
    assert.match(expected, /damaged JPEG/);
    assert.is(
      reason(() => openImage(damaged, faster).decode()),
      expected,
    );
    // It goes on after errors.
    assert.not.ok(openImage(drawn, faster).decode().fellBack);
  },
);

const files = {
  'data/a/1.JPEG': drawn,
  'data/a/cut.JPEG': photo.subarray(0, photo.length / 2),
  'data/b/1.JPEG': withOrientation(drawn, 3),
  'data/b/cmyk.JPEG': blockJpeg([255, 204, 102, 153], 0),
};

/** All files of a folder, by name. */
async function contents(folder: string): Promise<Map<string, string>> {
  const names = (await readdir(folder)).sort();
  const texts = names.map(async (name) => (await readFile(join(folder, name))).toString('base64'));
  const read = await Promise.all(texts);
  return new Map(names.map((name, i) => [name, read[i]!]));
}

turboTest('shards name their decoder, count what fell back, and are not gone on with by another', () =>
  withFolder(files, async (folder) => {
    const options = { data: join(folder, 'data'), size: 16, workers: 1 } as const;
    const turboOut = join(folder, 'turbo');
    const plainOut = join(folder, 'plain');
    const { summaries, notes } = await prepare({ ...options, out: turboOut, decoder: 'auto' });
    assert.is(summaries[0]!.images, 3);
    assert.equal(
      Object.fromEntries(summaries[0]!.odd)['train/b/cmyk.JPEG'],
      ['CMYK made RGB; left to the default decoder; enlarged from 8x8'][0],
    );
    const { mark } = resolveDecoder('libjpeg-turbo');
    assert.match(mark!, /^libjpeg-turbo of @cornerstonejs\S+ \d+\.\d+\.\d+$/);
    assert.match(notes.join(), mark!);
    await prepare({ ...options, out: plainOut });
    for (const [out, expected] of [
      [turboOut, mark],
      [plainOut, undefined],
    ] as const) {
      const path = join(out, 'train-00000.json');
      assert.is(parseRecord(path, await readFile(path, 'utf8')).decoder, expected);
    }
    for (const [out, decoder] of [
      [turboOut, 'jpeg-js'],
      [plainOut, 'libjpeg-turbo'],
    ] as const) {
      const before = await contents(out);
      const error = await rejection(prepare({ ...options, out, decoder }));
      assert.instance(error, ArgumentError);
      assert.match(String(error), /its JPEGs were decoded by .*, this run would decode by .*another folder/);
      assert.equal([...(await contents(out))], [...before]);
    }
    // The same decoder goes on, and finds nothing to do.
    let converted = 0;
    const done = (count: number, kept: boolean): void => {
      if (!kept) converted += count;
    };
    const listener = { found: () => {}, done };
    await prepare({ ...options, out: turboOut, decoder: 'libjpeg-turbo', listener });
    assert.is(converted, 0);
  }),
);

test("jpeg-js's shards are marked as they always were, so that those made earlier stay of use", () =>
  withFolder({ 'data/a/1.JPEG': drawn, 'data/b/1.JPEG': drawn }, async (folder) => {
    await prepare({ data: join(folder, 'data'), out: join(folder, 'out'), size: 16, workers: 1 });
    const text = await readFile(join(folder, 'out', 'train-00000.json'), 'utf8');
    const [head = ''] = text.split('\n');
    const { source } = parseRecord('record', text);
    assert.is(head, `{"format":"${recordFormat}","size":16,"source":"${source}",`);
    const lines = ['a', 'b'].map((id) => `train/${id}/1.JPEG\0${id}\0${drawn.length}\n`);
    assert.is(source, sha256(`area-cubic-1 16\n${lines.join('')}`));
  }));

test('where the package is missing, asking for it says how to get it; auto does without', () =>
  withFolder({ 'package.json': '{"type":"module"}' }, async (folder) => {
    // The built files by a place from which no package of this name is found.
    await symlink(join(root, 'dist'), join(folder, 'dist'));
    const program = `
      import { resolveDecoder } from './dist/src/data/images/jpeg/turbo.js';
      console.log(resolveDecoder('auto').name);
      resolveDecoder('libjpeg-turbo');`;
    const { stdout, stderr } = spawnSync(
      process.execPath,
      ['--preserve-symlinks', '--input-type=module', '--eval', program],
      { cwd: folder, encoding: 'utf8' },
    );
    assert.is(stdout, 'jpeg-js\n', stderr);
    assert.match(
      stderr,
      /takes the package @cornerstonejs\S+, which isn't installed: npm install @cornerstonejs/,
    );
  }));

test.run();
