/**
 * `npm run gpu:report`: what a person with a GPU can send in. Tuner, tests of kernels, benchmarks and, where they can be had, the
 * counts of instructions and of the host's cost, each a program of its own that may fail by itself; one file holds what they
 * printed.
 */
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { arch, cpus, platform, release } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { type AdapterDescription, listAdapters } from '../src/backends/open.js';
import { DeviceError } from '../src/core/errors.js';
import { writeWhole } from '../src/data/files.js';
import { root } from '../support/root.js';
import { orComplain } from './cli.js';

/** An entry of `driver` that leaves the choice of driver to the system, for programs that want one named. */
const systemDrivers = '@TANDEM_DRIVERS=system';

interface Options {
  readonly driver?: string;
  readonly out: string;
  readonly only?: string;
  readonly minutes: string;
}

interface Part {
  readonly name: string;
  readonly script: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** The kernels' own tests, over all that the drivers of a GPU decide. */
const tests = '^backends/(contract|webgpu/(kernels|products|elementwise|math|longSums|limits))\\.test\\.js$';

function partsFor(driver: string): Part[] {
  const on = ['--driver', driver];
  const env = { TANDEM_VULKAN_DRIVER: driver };
  return [
    { name: 'devices', script: 'dist/src/cli/main.js', args: ['devices', '--json', ...on] },
    { name: 'tune', script: 'dist/src/cli/main.js', args: ['tune', ...on] },
    { name: 'tests', script: 'node_modules/uvu/bin.js', args: ['dist/test', tests], env },
    { name: 'bench', script: 'dist/bench/run.js', args: ['--quick', '--device', 'webgpu:0', ...on] },
    { name: 'isa', script: 'dist/bench/isa/run.js', args: ['--cards', 'navi21'] },
    { name: 'host', script: 'dist/bench/host/run.js', args: [] },
  ];
}

/** Runs a part; gives all that it printed, and how it ended. */
async function ran({ script, args, env }: Part, minutes: number): Promise<{ text: string; ended: string }> {
  const child = spawn(process.execPath, [join(root, script), ...args], {
    cwd: root,
    env: { ...process.env, NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000 * minutes,
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
    });
  }
  const ended = await new Promise<string>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(String(signal ?? code)));
  });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are what is removed
  return { text: text.replaceAll(/\u001b\[[0-9;]*m/g, ''), ended };
}

async function main({ driver, out, only = '', minutes }: Options): Promise<void> {
  const adapters = await listAdapters(driver === undefined ? {} : { driver });
  const usable = adapters.filter(({ software }) => driver !== undefined || !software);
  if (usable.length === 0) {
    const found = adapters.map(({ name }) => name).join(', ') || 'none';
    throw new DeviceError(
      `no GPU: found ${found}. A driver that computes on the CPU can be named by --driver.`,
    );
  }
  const manifest: { version: string } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const sections = [head(usable, manifest.version)];
  const text = (): string => `${sections.join('\n\n')}\n`;
  for (const part of partsFor(driver ?? systemDrivers)) {
    if (!new RegExp(only).test(part.name)) continue;
    console.log(`${part.name} ..`);
    const start = performance.now();
    const { text: printed, ended } = await ran(part, Number(minutes));
    const seconds = ((performance.now() - start) / 1000).toFixed(0);
    console.log(`  ended with ${ended} after ${seconds} s`);
    sections.push(
      `## ${part.name}: ended with ${ended} after ${seconds} s\n\n\`\`\`\n${printed.trim()}\n\`\`\``,
    );
    // After each part: what was found so far isn't lost.
    await writeWhole(out, [text()]);
  }
  console.log(`${out} holds it all.`);
}

function head(adapters: readonly AdapterDescription[], version: string): string {
  const names = adapters.map(({ name, vendor, architecture }) => `${name} (${vendor} ${architecture})`);
  return `# Tandem ${version} on ${names.join(', ')}

${platform()} ${release()} ${arch()}, Node ${process.version}, ${cpus()[0]?.model.trim()}, ${cpus().length} threads, ${new Date().toISOString()}`;
}

const command = new Command('npm run gpu:report --')
  .description('Tunes, tests and measures Tandem on the GPU of this machine and writes one file about it.')
  .option('--driver <file>', "a Vulkan driver file (ICD json) instead of the system's drivers")
  .option('--out <file>', 'the file to write', 'gpu-report.md')
  .option('--only <pattern>', 'parts whose name fits: devices, tune, tests, bench, isa, host')
  .option('--minutes <number>', 'that one part may take', '15');
await orComplain(main(command.parse().opts<Options>()));
