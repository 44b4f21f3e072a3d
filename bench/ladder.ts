/**
 * `npm run bench:ladder`: the two central kernels from the plain loop upwards. Each rung is checked against the plain
 * loop, measured beside the probe, and says what it buys.
 */
import { availableParallelism } from 'node:os';
import { Command } from 'commander';
import type { WebGpuOptions } from '../src/backends/open.js';
import { softwareDriver } from '../support/driver.js';
import { orComplain } from './cli.js';
import { measure } from './harness.js';
import { cpuRungs } from './ladder/cpu.js';
import { convProblem, matmulProblem, type Problem } from './ladder/problems.js';
import type { Rung } from './ladder/rung.js';
import { webGpuRungs } from './ladder/webgpu.js';
import { load } from './machine.js';
import { cpuProbe, type Probe } from './probes.js';
import { webGpuProbe } from './probesWebGpu.js';

const budget = { samples: 5, time: 200, burst: 10 };

/** Normalized mean squared error of `found` against `expected`. */
function errorOf(found: Float32Array, expected: Float32Array): number {
  const squares = expected.reduce((sum, x) => sum + x * x, 0);
  return expected.reduce((sum, x, i) => sum + (x - found[i]!) ** 2, 0) / squares;
}

async function plainResult(problem: Problem): Promise<Float32Array> {
  const [plain] = cpuRungs(1);
  const climb = await plain!.start(problem);
  climb.run();
  const expected = await climb.result();
  await climb.close();
  return expected;
}

async function climbAll(problem: Problem, rungs: readonly Rung[], probe: Probe): Promise<void> {
  const expected = await plainResult(problem);
  console.log(`\n${problem.name}\n`);
  let below = 0;
  for (const { name, buys, start } of rungs) {
    const climb = await start(problem);
    const flops = 2 * problem.m * problem.k * problem.n;
    const { medianMs, gflops, shareOfPeak } = await measure(
      { ...climb, cost: { flops, bytes: 0 } },
      probe,
      budget,
    );
    const error = errorOf(await climb.result(), expected);
    await climb.close();
    if (!(error <= 1e-7))
      throw new Error(`${problem.name}, ${name}: wrong, normalized squared error ${error}`);
    const gain = below > 0 ? `${(gflops / below).toFixed(2)} times the rung below` : 'the ground';
    const share = `${(100 * shareOfPeak).toFixed(1)} % of the peak`;
    console.log(
      `${name.padEnd(32)}${medianMs.toFixed(2).padStart(9)} ms ${gflops.toFixed(2).padStart(8)} GFLOP/s, ${share}, ${gain}`,
    );
    console.log(`    ${buys}`);
    below = gflops;
  }
}

interface Options extends Pick<WebGpuOptions, 'adapter' | 'driver'> {
  readonly device: string;
  readonly software: boolean;
}

async function main({ device, adapter, driver, software }: Options): Promise<void> {
  console.log(
    `node ${process.versions.node}, load ${load()}; the peak is of one thread, by the probe beside each rung`,
  );
  if (device === 'cpu') {
    const probe = await cpuProbe(1);
    const rungs = cpuRungs(availableParallelism());
    for (const problem of [matmulProblem(512), convProblem(256, 13, 384)])
      await climbAll(problem, rungs, probe);
    await probe.close();
    return;
  }
  const found = software ? await softwareDriver() : driver;
  const webGpu = { ...(adapter !== undefined && { adapter }), ...(found && { driver: found }) };
  const probe = await webGpuProbe('webgpu:0', webGpu);
  const slow = (await probe.measure()).flops < 50e9;
  const problems = slow
    ? [matmulProblem(256), convProblem(64, 13, 96)]
    : [matmulProblem(1024), convProblem(256, 13, 384)];
  for (const problem of problems) await climbAll(problem, webGpuRungs(webGpu), probe);
  await probe.close();
}

const command = new Command('npm run bench:ladder --')
  .description('Climbs from the plain loop to the fastest kernel: matrix product and convolution.')
  .option('--device <kind>', 'cpu or webgpu', 'cpu')
  .option('--adapter <name>', 'WebGPU: an adapter whose name contains this')
  .option('--driver <file>', 'WebGPU: a Vulkan driver file (ICD json)')
  .option('--software', 'WebGPU: the software driver that the tests use', false);
await orComplain(main(command.parse().opts<Options>()));
