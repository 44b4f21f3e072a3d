/**
 * 256-bit vectors: where they are used they give the bits that 128-bit ones do, for any number of threads, and they can
 * be left alone.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { CpuOptions } from '../../../src/backends/cpu/runtime/device.js';

const program = fileURLToPath(new URL('./wideChild.js', import.meta.url));
const seed = String(process.env.SEED ?? Date.now() % 1_000_000);
console.log(`wide: SEED=${seed}`);

/** What the program prints, in a process of its own since V8's flags are of the whole process. */
function run(options: CpuOptions, wide?: string): { description: string; hashes: object; errors: string } {
  const { TANDEM_WIDE: _, ...env } = process.env;
  // Optimized code alone is fused, which functions become that run often; here all are from the first time on.
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--no-liftoff', program, JSON.stringify(options), seed],
    { env: { ...env, ...(wide !== undefined && { TANDEM_WIDE: wide }) }, encoding: 'utf8' },
  );
  const line = stdout.trim();
  return { ...(line === '' ? { description: '', hashes: {} } : JSON.parse(line)), errors: stderr };
}

for (const deterministic of [false, true]) {
  test(`every kernel gives the same bits with 128 and with 256 bits, deterministic ${deterministic}`, () => {
    const narrow = run({ threads: 1, deterministic }, 'off');
    assert.not.match(narrow.description, /256 bits/);
    for (const threads of [1, 3]) {
      const { description, hashes } = run({ threads, deterministic });
      assert.equal(hashes, narrow.hashes, description);
      if (description.includes('256 bits') || threads > 1) continue;
      console.warn(
        `\n256 BITS NOT TESTED: Node ${process.versions.node} fuses no vectors on this processor.\n`,
      );
    }
  });
}

test('an option and a variable of the environment leave them alone; no other value is taken', () => {
  assert.not.match(run({ threads: 1, wide: false }).description, /256 bits/);
  assert.match(run({ threads: 1 }, 'no').errors, /TANDEM_WIDE is 'no', expected 'on' or 'off'/);
});

test.run();
