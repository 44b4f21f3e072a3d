/**
 * `npm start` in bench/peers: the same rows on every library, in turns, on as many threads each; a result is compared
 * with Tandem's before its time counts.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import { Command } from 'commander';
import { listAdapters } from '../../src/backends/open.js';
import { median, spread } from '../stats.js';
import type { Cell, PeersReport, PeersRow } from './report.js';
import { Seat } from './seat.js';
import { type PlannedWork, type WorkSizes, works } from './work.js';

/** Results further apart than this (normalized mean squared error) are not the same computation. */
const tolerance = 1e-6;
/** A maximum or a ReLU that rounding tips over sends a whole gradient another way, once in some images of AlexNet. */
const trainingTolerance = 1e-5;
const rounds = 5;
/** A library that takes longer gets one sample. */
const longRun = 3000;

const libraries = {
  cpu: ['Tandem', 'onnxruntime-node', 'PyTorch', 'onnxruntime-web', 'tfjs wasm', 'tfjs cpu', 'jax-js wasm'],
  webgpu: ['Tandem webgpu', 'tfjs webgpu', 'jax-js webgpu', 'PyTorch cuda'],
} as const;

/** Tandem as it is without 256-bit vectors, for `--narrow`. */
const narrow = 'Tandem, 128 bits';

/** Libraries that have no threads in Node. */
const threadless = ['tfjs wasm', 'tfjs cpu', 'jax-js wasm'];

/** A library at one row. */
class Contender {
  readonly times: number[] = [];
  readonly cpuTimes: number[] = [];
  cannot: string | null = null;
  error = 0;
  private first = 0;

  constructor(readonly seat: Seat) {}

  /** Runs once and gives the result, or null. */
  async start(row: number): Promise<Float32Array | null> {
    const reply = await this.seat.ask({ kind: 'start', row });
    if (reply.kind !== 'result') {
      this.cannot = reply.kind === 'cannot' ? reply.message : `answered ${reply.kind}`;
      return null;
    }
    this.first = reply.milliseconds;
    return reply.data;
  }

  async sample(): Promise<void> {
    if (this.cannot !== null || (this.first > longRun && this.times.length > 0)) return;
    const reply = await this.seat.ask({ kind: 'sample' });
    if (reply.kind === 'sample') {
      this.times.push(reply.milliseconds);
      this.cpuTimes.push(reply.cpu);
    } else if (reply.kind === 'cannot') this.cannot = reply.message;
  }

  cell(flops: number, ours: number): Cell {
    const { seat, times, cpuTimes, cannot, error } = this;
    if (cannot !== null) return { peer: seat.name, cannot };
    const medianMs = median(times);
    return {
      peer: seat.name,
      figures: {
        medianMs,
        cpuMs: median(cpuTimes),
        spread: spread(times),
        gflops: flops / medianMs / 1e6,
        error,
        ratio: medianMs / ours,
      },
    };
  }
}

function errorOf(found: Float32Array, expected: Float32Array): number {
  if (found.length !== expected.length) return Number.POSITIVE_INFINITY;
  const squares = expected.reduce((sum, x) => sum + x * x, 0);
  return expected.reduce((sum, x, i) => sum + (x - found[i]!) ** 2, 0) / squares;
}

async function measureRow(
  { name, make }: PlannedWork,
  row: number,
  seats: readonly Seat[],
): Promise<PeersRow> {
  const contenders = seats.map((seat) => new Contender(seat));
  let expected: Float32Array | null = null;
  const work = make();
  const most = work.kind === 'training' ? trainingTolerance : tolerance;
  for (const contender of contenders) {
    const result = await contender.start(row);
    expected ??= result;
    if (!result || !expected) continue;
    contender.error = errorOf(result, expected);
    if (!(contender.error <= most)) contender.cannot = `wrong result: squared error ${contender.error}`;
  }
  for (let round = 0; round < rounds; round++) {
    for (const contender of contenders) await contender.sample();
  }
  for (const { cannot, seat } of contenders) if (cannot === null) await seat.ask({ kind: 'end' });
  const ours = median(contenders[0]!.times);
  return { name, cells: contenders.map((contender) => contender.cell(work.flops, ours)) };
}

function print({ name, cells }: PeersRow): void {
  console.log(`\n${name}`);
  for (const { peer, figures, cannot } of cells) {
    if (!figures) {
      console.log(`  ${peer.padEnd(18)} cannot: ${cannot}`);
      continue;
    }
    const { medianMs, cpuMs, gflops, ratio, error } = figures;
    const times = `${medianMs.toFixed(2).padStart(10)} ms ${cpuMs.toFixed(2).padStart(10)} ms CPU`;
    const rates = `${gflops.toFixed(2).padStart(8)} GFLOP/s ${ratio.toFixed(2).padStart(8)} x`;
    console.log(`  ${peer.padEnd(18)}${times}${rates}  error ${error.toExponential(1)}`);
  }
}

interface Options {
  readonly device: string;
  readonly threads: string;
  readonly quick: boolean;
  readonly only: string;
  readonly libraries: string;
  readonly narrow: boolean;
  readonly training: string;
  readonly patience: string;
  readonly json?: string;
  readonly driver?: string;
  readonly python: string;
}

/** @param place of the work: CPU, a GPU, or a WebGPU driver that computes on the CPU */
function sizesOf(place: 'cpu' | 'gpu' | 'software', quick: boolean, batches: string): WorkSizes {
  const training = batches.split(',').map(Number);
  if (place === 'software') return { matmuls: [256, 512, 1024], convBatch: 1, inference: [1], training };
  if (place === 'gpu') return { matmuls: [1024, 2048, 4096], convBatch: 128, inference: [1, 128], training };
  if (quick) return { matmuls: [512], convBatch: 2, inference: [1], training };
  return { matmuls: [256, 512, 1024], convBatch: 4, inference: [1, 16], training };
}

const load = (): number => Number((loadavg()[0] ?? 0).toFixed(2));

async function main(options: Options): Promise<void> {
  const gpu = options.device === 'webgpu';
  const threads = Number(options.threads);
  const adapters = gpu
    ? await listAdapters(options.driver === undefined ? {} : { driver: options.driver })
    : [];
  const place = !gpu ? 'cpu' : adapters[0]?.software === false ? 'gpu' : 'software';
  const sizes = sizesOf(place, options.quick, options.training);
  const before = load();
  const cpu = cpus()[0]?.model ?? 'unknown';
  console.log(`${cpu}, node ${process.versions.node}, load ${before}, threads: ${threads}`);
  const [ours, ...others] = libraries[gpu ? 'webgpu' : 'cpu'];
  const seats = [ours, ...(options.narrow ? [narrow] : []), ...others]
    .filter((peer) => threads === 1 || !threadless.includes(peer))
    .filter((peer) => peer === ours || new RegExp(options.libraries, 'i').test(peer))
    .map((peer) => {
      const task = { peer, threads, driver: options.driver ?? '', python: options.python, sizes };
      return new Seat(task, 1000 * Number(options.patience));
    });
  const rows: PeersRow[] = [];
  for (const [row, work] of works(sizes).entries()) {
    if (!new RegExp(options.only, 'i').test(work.name)) continue;
    rows.push(await measureRow(work, row, seats));
    print(rows.at(-1)!);
  }
  for (const seat of seats) seat.close();
  const after = load();
  console.log(`\nload ${after}; x: times Tandem's time`);
  if (options.json === undefined) return;
  const text = await readFile(new URL('../../../package.json', import.meta.url), 'utf8');
  const { dependencies: versions }: { dependencies: Record<string, string> } = JSON.parse(text);
  const date = new Date().toISOString();
  const runtime = `node ${process.versions.node}`;
  const report: PeersReport = { date, cpu, runtime, load: [before, after], threads, versions, rows };
  await writeFile(options.json, `${JSON.stringify(report, null, 1)}\n`);
}

const command = new Command('npm start --')
  .description('Measures Tandem beside other tensor libraries, in turns, each result checked first.')
  .option('--device <kind>', 'cpu or webgpu', 'cpu')
  .option('--threads <n>', 'of each library; those without threads are left out above 1', '1')
  .option('--quick', 'fewer and smaller rows', false)
  .option('--narrow', 'also Tandem with 128-bit vectors, where it takes 256 by itself', false)
  .option('--training <list>', 'images of the batches whose gradient is taken', '1')
  .option('--only <pattern>', 'rows whose name matches', '')
  .option('--libraries <pattern>', 'other libraries whose name matches', '')
  .option('--patience <seconds>', 'what a library may take for a run', '60')
  .option('--json <file>', 'write the results there')
  .option(
    '--python <file>',
    "an interpreter that has PyTorch, as Debian's python3-torch gives",
    '/usr/bin/python3',
  )
  .option('--driver <file>', 'WebGPU: a Vulkan driver file (ICD json)');
await main(command.parse().opts<Options>());
