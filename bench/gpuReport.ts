/**
 * `npm run gpu:report`: what a person with a GPU can send in. Tuner, tests of kernels, benchmarks and, where they can be had, the
 * counts of instructions and of the host's cost, each a program of its own that may fail by itself; one file holds what they
 * printed, without the folders of whoever ran them. It is written while a part runs, and when interrupted.
 */
import { execFile, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { arch, cpus, homedir, loadavg, platform, release } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Command } from 'commander';
import { type AdapterDescription, listAdapters } from '../src/backends/open.js';
import { chooseAdapter } from '../src/backends/webgpu/runtime/adapters.js';
import type { AdapterOptions } from '../src/backends/webgpu/runtime/options.js';
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

/** The kernels' own tests: all but those of processes, files and fallbacks, which no card decides. */
const tests =
  '^backends/(contract|webgpu/(bounds|elementwise|kernels|lanes|limits|longSums|math|operands|products|subgroups|training|winograd))\\.test\\.js$';

function partsFor(driver: string): Part[] {
  const on = ['--driver', driver];
  const env = { TANDEM_VULKAN_DRIVER: driver };
  return [
    { name: 'devices', script: 'dist/src/cli/main.js', args: ['devices', '--json', ...on] },
    { name: 'tune', script: 'dist/src/cli/main.js', args: ['tune', ...on] },
    { name: 'tests', script: 'node_modules/uvu/bin.js', args: ['dist/test', tests], env },
    { name: 'bench', script: 'dist/bench/run.js', args: ['--quick', '--device', 'webgpu:0', ...on] },
    { name: 'steps', script: 'dist/bench/host/run.js', args: on },
    { name: 'isa', script: 'dist/bench/isa/run.js', args: ['--cards', 'navi21'] },
    { name: 'host', script: 'dist/bench/host/run.js', args: [] },
  ];
}

/** Characters of a part's text that are kept: a file of all parts is still one to mail. */
const longest = 60_000;

/** A text without its middle where it is too long. */
function shortened(text: string): string {
  if (text.length <= longest) return text;
  const half = longest / 2;
  return `${text.slice(0, half)}\n.. ${text.length - longest} characters left out ..\n${text.slice(-half)}`;
}

/** A text with each of the warnings that Dawn repeats for every device once. */
function warnedOnce(text: string): string {
  const lines = text.split('\n');
  return lines.filter((line, i) => !line.startsWith('Warning: ') || lines.indexOf(line) === i).join('\n');
}

/** A text without colours, and without the folders of whoever runs this. */
function impersonal(text: string): string {
  const names: readonly (readonly [string, string])[] = [
    [root.replace(/[\\/]$/, ''), '<clone>'],
    [process.env.XDG_CACHE_HOME ?? '', '<cache>'],
    [homedir(), '~'],
  ];
  const known = names.filter(([name]) => name.length > 3);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are what is removed
  const plain = warnedOnce(text).replaceAll(/\u001b\[[0-9;]*m/g, '');
  return known.reduce((all, [name, instead]) => all.replaceAll(name, instead), plain);
}

/** A part at work. */
interface Running {
  /** What it has printed so far. */
  readonly text: () => string;
  /** How it ended, in words; never rejects. */
  readonly ended: Promise<string>;
  readonly stop: () => void;
}

function start({ script, args, env }: Part, minutes: number): Running {
  const { FORCE_COLOR: _, ...inherited } = process.env;
  const child = spawn(process.execPath, [join(root, script), ...args], {
    cwd: root,
    env: { ...inherited, NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
    });
  }
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill();
  }, 60_000 * minutes);
  const ended = new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(`couldn't be started (${error.message})`));
    child.on('close', (code, signal) => {
      if (late) resolve(`stopped at its limit of ${minutes} minutes (--minutes)`);
      else resolve(code === 0 ? 'done' : `failed (${signal ?? `code ${code}`})`);
    });
  }).finally(() => clearTimeout(timer));
  return { text: () => text, ended, stop: () => child.kill() };
}

/** Milliseconds between two lines about a part at work, and two writings of the file. */
const pace = 20_000;

async function main({ driver, out, only = '', minutes }: Options): Promise<void> {
  const where = driver === undefined ? {} : { driver };
  const adapters = await listAdapters(where);
  const usable = adapters.filter(({ software }) => driver !== undefined || !software);
  if (usable.length === 0) {
    const found = adapters.map(({ name }) => name).join(', ') || 'none';
    throw new DeviceError(
      `no GPU: found ${found}. A driver that computes on the CPU can be named by --driver.`,
    );
  }
  const sections = [await head(usable, where)];
  const write = (last: readonly string[] = []): Promise<void> =>
    writeWhole(out, [impersonal(`${[...sections, ...last].join('\n\n')}\n`)]);
  const parts = partsFor(driver ?? systemDrivers).filter(({ name }) => new RegExp(only).test(name));
  let interrupted = false;
  let running: Running | null = null;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      interrupted = true;
      running?.stop();
    });
  }
  for (const [i, part] of parts.entries()) {
    if (interrupted) break;
    console.log(`${i + 1} of ${parts.length}: ${part.name}, ${minutes} minutes at most`);
    const begun = performance.now();
    const seconds = (): string => `${((performance.now() - begun) / 1000).toFixed(0)} s`;
    const work = start(part, Number(minutes));
    running = work;
    const section = (ended: string): string =>
      `## ${part.name}: ${ended} after ${seconds()}\n\n\`\`\`\n${shortened(work.text().trim())}\n\`\`\``;
    // What was found so far isn't lost, whatever happens to this program.
    const ticks = setInterval(() => {
      const line = work.text().trimEnd().split('\n').at(-1)?.slice(0, 100) ?? '';
      console.log(`  ${seconds()}  ${line}`);
      if (!interrupted) write([section('unfinished')]).catch(() => {});
    }, pace);
    const ended = await work.ended;
    clearInterval(ticks);
    const how = interrupted ? 'interrupted' : ended;
    console.log(`  ${how} after ${seconds()}`);
    sections.push(section(how));
    await write();
  }
  if (interrupted) process.exitCode = 1;
  console.log(`${out} holds ${interrupted ? 'what was done' : 'it all'}.`);
}

/** The commit of this clone, with a plus where files were changed; 'unknown' where git can't tell. */
async function commit(): Promise<string> {
  const git = async (...args: string[]): Promise<string> =>
    (await promisify(execFile)('git', args, { cwd: root })).stdout.trim();
  try {
    const changed = await git('status', '--porcelain', '--untracked-files=no');
    return `${await git('rev-parse', '--short=12', 'HEAD')}${changed === '' ? '' : '+'}`;
  } catch {
    return 'unknown';
  }
}

async function head(adapters: readonly AdapterDescription[], where: AdapterOptions): Promise<string> {
  const { version }: { version: string } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const dawn: { version: string } = JSON.parse(
    await readFile(join(root, 'node_modules/webgpu/package.json'), 'utf8'),
  );
  const names = adapters.map(({ name, vendor, architecture }) => `${name} (${vendor} ${architecture})`);
  const { adapter } = await chooseAdapter('webgpu:0', where, false);
  return `# Tandem ${version} on ${names.join(', ')}

- commit ${await commit()}, ${new Date().toISOString()}
- driver of webgpu:0: ${adapter.info.description || 'not told'}; webgpu (Dawn) ${dawn.version}
- ${platform()} ${release()} ${arch()}, Node ${process.version}, ${cpus()[0]?.model.trim()}, ${cpus().length} threads, load ${loadavg()[0]?.toFixed(1)}`;
}

const command = new Command('npm run gpu:report --')
  .description('Tunes, tests and measures Tandem on the GPU of this machine and writes one file about it.')
  .option('--driver <file>', "a Vulkan driver file (ICD json) instead of the system's drivers")
  .option('--out <file>', 'the file to write', 'gpu-report.md')
  .option('--only <pattern>', 'parts whose name fits: devices, tune, tests, bench, steps, isa, host')
  .option('--minutes <number>', 'that one part may take', '15');
await orComplain(main(command.parse().opts<Options>()));
