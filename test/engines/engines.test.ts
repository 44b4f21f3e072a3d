/**
 * Deno and Bun run the CPU backend with Node's bits, and what WebGPU they have. Their binaries are those of this folder's
 * package (`npm --prefix test/engines ci`) or else of the system.
 */
import { existsSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { softwareDriver } from '../../support/driver.js';
import { root } from '../../support/root.js';
import { runFile } from '../support/programs.js';

const test = suite('other engines');
const packages = join(root, 'test/engines/node_modules');

/** An engine's file: that of a package or else the system's; null, said loudly, where there is none. */
function find(name: string, packed: string): string | null {
  const onPath = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, name));
  const found = [join(packages, packed), ...onPath].find((file) => existsSync(file));
  if (found !== undefined) return found;
  console.warn(`\nTESTS IN ${name.toUpperCase()} SKIPPED: there is none; npm --prefix test/engines ci\n`);
  return null;
}

const engines = [
  {
    name: 'Deno',
    file: find('deno', '@deno/linux-x64-glibc/deno'),
    args: ['run', '--allow-all', '--no-lock'],
  },
  { name: 'Bun', file: find('bun', '@oven/bun-linux-x64/bin/bun'), args: [] },
];

/** What the program prints; an engine that hangs is ended. */
async function run(file: string, args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const program = join(root, 'dist/test/engines/train.js');
  const { code, output } = await runFile(file, [...args.slice(0, -1), program, ...args.slice(-1)], root, {
    env,
    timeout: 60_000,
  });
  assert.is(code, 0, output);
  return output;
}

for (const { name, file, args } of engines) {
  if (file === null) continue;

  test(`${name} trains the two towers on two CPU devices, with Node's bits`, async () => {
    const expected = await run(process.execPath, ['train']);
    assert.match(expected, /^loss [\d.]+\nloss [\d.]+\nCPU, 2 threads, SIMD; CPU, 1 thread, SIMD\n$/);
    assert.is(await run(file, [...args, 'train']), expected);
  });

  const driver = await softwareDriver();
  if (driver === null) continue;
  test(`${name}'s WebGPU gives results`, async () => {
    const folder = dirname(driver);
    const libraries = [folder, process.env.LD_LIBRARY_PATH ?? ''].filter(Boolean).join(delimiter);
    const output = await run(file, [...args, 'webgpu'], {
      VK_ICD_FILENAMES: driver,
      VK_DRIVER_FILES: driver,
      LD_LIBRARY_PATH: libraries,
    });
    if (output.includes('no adapter'))
      console.warn(`\nWEBGPU IN ${name} SKIPPED: it takes no adapter of ${driver}\n`);
    else assert.match(output, /^product 7,10,15,22$/m);
  });
}

test.run();
