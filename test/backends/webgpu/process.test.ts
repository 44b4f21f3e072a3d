/**
 * However a program with a WebGPU device ends, its process ends cleanly and soon: no crash, no hang.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { softwareDriver } from '../../../support/driver.js';

const driver = await softwareDriver();
const test = suite('webgpu process');

if (driver !== null) {
  for (const [how, code] of [
    ['close', 0],
    ['leave', 0],
    ['leave pending', 0],
    ['leave compiling', 0],
    ['exit', 0],
    ['throw', 1],
  ] as const) {
    test(`ends by '${how}'`, async () => {
      const program = fileURLToPath(new URL('child.js', import.meta.url));
      const child = spawn(process.execPath, [program, how, driver], { timeout: 30_000 });
      let output = '';
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
      const ended = await new Promise((resolve) =>
        child.on('close', (exit, signal) => resolve(signal ?? exit)),
      );
      assert.is(ended, code, output);
      if (code === 1) assert.match(output, /on purpose/);
    });
  }
}

test.run();
