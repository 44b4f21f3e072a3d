/**
 * Tiles chosen by adapter: measured, kept in the cache folder and read by devices from then on; else from a table.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { choose } from '../../../src/backends/webgpu/kernels/matmul/forms.js';
import { defaultTuning } from '../../../src/backends/webgpu/runtime/tuning.js';
import { tune } from '../../../src/backends/webgpu/tune.js';
import { softwareDriver } from '../../../support/driver.js';
import { openSoftware } from './harness.js';

const driver = await softwareDriver();
const test = suite('tuning');

test('a form that was slower than counted gives way to others', () => {
  const shape = { M: 1024, N: 1024, K: 1024, groups: 1 };
  const counted = choose(shape, { tiles: 'shared', vendor: '', times: {} });
  assert.ok(counted);
  const other = choose(shape, { tiles: 'shared', vendor: '', times: { [counted.name]: 5 } });
  assert.ok(other && other.name !== counted.name);
});

test('a gathered operand asks for more rows, which share what was gathered', () => {
  const device = { ...defaultTuning({ vendor: 'nvidia', architecture: '' }, false), vendor: 'nvidia' };
  // conv1 of both towers, 128 images.
  const conv1 = { M: 96, N: 387_200, K: 363, groups: 1 };
  assert.is(choose(conv1, device)?.name, '32x128');
  assert.is(choose({ ...conv1, gathered: true }, device)?.name, '96x128');
});

test('adapters that nobody measured: by vendor and architecture, software straight from memory', () => {
  const tilesOf = (vendor: string, architecture: string, software = false): string =>
    defaultTuning({ vendor, architecture }, software).tiles;
  assert.is(tilesOf('nvidia', 'ampere'), 'shared');
  assert.is(tilesOf('arm', 'valhall'), 'direct');
  assert.is(tilesOf('google', 'swiftshader', true), 'direct');
  assert.ok(defaultTuning({ vendor: 'intel', architecture: 'gen-12lp' }, false).times['96x128']! > 1);
});

if (driver !== null) {
  test('what was measured is kept, and devices on the adapter take it, unless they are told another', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tandem-tune-'));
    const before = process.env.XDG_CACHE_HOME;
    process.env.XDG_CACHE_HOME = folder;
    const described = async (options = {}): Promise<string> => {
      const device = await openSoftware(driver, options);
      await device.close();
      return device.description;
    };
    try {
      assert.not.match(await described(), /tuned/);
      const measured: string[] = [];
      const { path, tuning } = await tune('webgpu:0', {
        driver,
        forms: ['32x32', '64x64'],
        onForm: (tiles, side, seconds) => {
          assert.ok(side >= 128 && seconds > 0);
          measured.push(tiles);
        },
      });
      assert.equal(measured.sort(), ['32x32', '64x64', 'direct']);
      assert.ok(path.startsWith(folder));
      assert.is(Math.min(...Object.values(tuning.times)), 1);
      assert.ok(tuning.perByte > 0.01 && tuning.perByte < 1000, `${tuning.perByte} multiply-adds for a byte`);
      assert.match(await described(), /tuned/);
      assert.not.match(await described({ tiles: 'direct' }), /tuned/);

      const kept = await readFile(path, 'utf8');
      await writeFile(path, kept.replace(/"driver": "[^"]*"/, '"driver": "another version"'));
      assert.not.match(await described(), /tuned/);
      await writeFile(path, kept.slice(0, 40));
      assert.not.match(await described(), /tuned/);
    } finally {
      if (before === undefined) delete process.env.XDG_CACHE_HOME;
      else process.env.XDG_CACHE_HOME = before;
      await rm(folder, { recursive: true });
    }
  });
}

test.run();
