/**
 * `npm run bench`: the suite from the command line.
 */
import { Command, InvalidArgumentError } from 'commander';
import { availableThreads } from '../src/backends/cpu/runtime/features.js';
import type { WebGpuOptions } from '../src/backends/open.js';
import { writeWhole } from '../src/data/files.js';
import { softwareDriver } from '../support/driver.js';
import { orComplain } from './cli.js';
import { describeMachine, load } from './machine.js';
import type { Report, Row } from './rows.js';
import { parseSettings, threadCounts } from './settings.js';
import { Starter } from './start.js';
import { runSuite } from './suite.js';
import { detailLines, machineLine, tableHead, tableRow } from './table.js';

interface Options {
  readonly device: string;
  readonly threads?: string;
  readonly only?: RegExp;
  readonly quick: boolean;
  readonly scaling: boolean;
  readonly json?: string;
  readonly seed: number;
  readonly adapter?: string;
  readonly driver?: string;
  readonly software: boolean;
}

function pattern(text: string): RegExp {
  try {
    return new RegExp(text, 'i');
  } catch {
    throw new InvalidArgumentError('expected a regular expression, like "conv2|matmul 1024".');
  }
}

function seedOf(text: string): number {
  const seed = Number(text);
  if (Number.isSafeInteger(seed) && seed >= 0) return seed;
  throw new InvalidArgumentError('expected a whole number from 0.');
}

const command = new Command('npm run bench --')
  .description('Measures every kernel, transfers, and whole AlexNet. How to read it: bench/README.md')
  .option('--device <list>', 'devices, two joined by + for the two towers', 'cpu:0,cpu:0+cpu:1')
  .option(
    '--threads <list>',
    'CPU threads, shared out among the devices of a row (default: 1 and all; 1, 2, 4, .. and all with --scaling)',
  )
  .option('--only <pattern>', 'rows whose name matches this regular expression', pattern)
  .option('--quick', 'smaller batches and fewer samples; one thread, and one on each of two devices', false)
  .option(
    '--scaling',
    'also AlexNet at 1 to 256 images and tiny ops up to large ones: curves for the page',
    false,
  )
  .option('--json <file>', 'write the report there')
  .option('--seed <n>', 'of all random numbers', seedOf, 1)
  .option('--adapter <name>', 'WebGPU: an adapter whose name contains this')
  .option('--driver <file>', 'WebGPU: a Vulkan driver file (ICD json)')
  .option('--software', 'WebGPU: the software driver that the tests use', false);

async function webGpuOptions({ adapter, driver, software }: Options): Promise<WebGpuOptions> {
  const found = software ? await softwareDriver() : driver;
  return { ...(adapter !== undefined && { adapter }), ...(found && { driver: found }) };
}

async function main(options: Options): Promise<void> {
  const counts = options.threads ?? threadCounts(await availableThreads(), options.scaling).join();
  const all = parseSettings(options.device, counts);
  // In a hurry one thread says most; the pair shows both towers at work.
  const hurried = options.quick && options.threads === undefined;
  const settings = hurried ? all.filter(({ names, threads }) => (threads ?? 1) <= names.length) : all;
  const before = load();
  const machine = await describeMachine();
  console.log(`${machineLine({ machine, load: null })}, load ${before}\n`);
  console.log(tableHead());
  const rows: Row[] = [];
  let devices: Record<string, string> = {};
  const { seed, quick } = options;
  const webGpu = await webGpuOptions(options);
  let starter: Starter | null = null;
  const suite = runSuite({
    settings,
    only: options.only ?? /^/,
    quick,
    scaling: options.scaling,
    seed,
    webGpu,
    async measureStart(setting, probe, samples) {
      starter ??= await Starter.create('alexnet', seed);
      return starter.measure(setting, probe, samples, webGpu);
    },
    onRow(row) {
      rows.push(row);
      for (const text of [tableRow(row), ...detailLines(row)]) console.log(text);
    },
    onDevices(descriptions) {
      devices = { ...devices, ...descriptions };
      for (const [name, text] of Object.entries(descriptions)) console.log(`${name}: ${text}`);
    },
  });
  await suite.finally(() => starter?.close());
  const after = load();
  console.log(
    `\nload ${after}; of peak: share of the roofline, m where memory sets it. bench/README.md explains.`,
  );
  if (rows.length === 0) {
    console.error(`no row matches ${options.only?.source ?? 'everything'} on ${options.device}`);
    process.exitCode = 1;
  }
  if (options.json === undefined) return;
  const date = new Date().toISOString();
  const report: Report = { date, machine, load: [before, after], seed, quick, devices, rows };
  await writeWhole(options.json, [`${JSON.stringify(report, null, 1)}\n`]);
}

await orComplain(main(command.parse().opts<Options>()));
