/** What `tandem prepare` costs, measured on a few small pictures. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import jpeg from 'jpeg-js';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { resolveDecoder } from '../../src/data/images/jpeg/turbo.js';
import { measurePreparing } from '../preparing.js';

test('each decoder that is installed is measured from the start of its process to its end', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tandem-preparing-'));
  try {
    const data = Uint8Array.from({ length: 4 * 40 * 30 }, (_, i) => (7 * i) & 255);
    const picture = jpeg.encode({ width: 40, height: 30, data }, 90).data;
    for (const name of ['a', 'b']) {
      await mkdir(join(folder, name));
      await writeFile(join(folder, name, '1.JPEG'), picture);
    }
    const results = await measurePreparing(folder, 1);
    const fastest = resolveDecoder('auto').name;
    assert.equal(
      results.map(({ decoder, images }) => [decoder, images]),
      [...new Set(['jpeg-js', fastest])].map((decoder) => [decoder, 2]),
    );
    // A start alone takes Node longer than this.
    for (const { seconds } of results) assert.ok(seconds.length === 1 && seconds[0]! > 0.02);
    const failed = await measurePreparing(join(folder, 'none'), 1).then(String, String);
    assert.match(failed, /prepare failed \(1\): .*none/);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test.run();
