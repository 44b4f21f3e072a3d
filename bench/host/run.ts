/**
 * `npm run bench:host`: what a training step of AlexNet costs the host, JavaScript and Dawn, on a card that isn't there: nothing
 * is executed, so nothing is waited for. `--gpu` takes the card that is, and also tells what a step takes there.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Command } from 'commander';
import { chooseAdapter } from '../../src/backends/webgpu/runtime/adapters.js';
import { orComplain } from '../cli.js';
import { nullHardware, radvDriver } from '../isa/layer.js';
import type { HostCost } from './program.js';

const program = fileURLToPath(new URL('./program.js', import.meta.url));

interface Options {
  readonly batch: string;
  readonly steps: string;
  readonly gpu: boolean;
  readonly driver?: string;
}

async function main({ batch, steps, gpu, driver }: Options): Promise<void> {
  const there = gpu || driver !== undefined;
  // Said here when there is none, rather than by the process.
  if (there) await chooseAdapter('webgpu:0', driver === undefined ? {} : { driver }, false);
  const env = there ? process.env : { ...(await nullHardware('navi21')), RADV_DEBUG: '' };
  const args = [program, batch, steps, there ? (driver ?? '') : radvDriver()];
  const { stdout } = await promisify(execFile)(process.execPath, args, { env });
  const cost: HostCost = JSON.parse(stdout);
  console.log(`AlexNet's training step, ${batch} images, on a card that is${there ? '' : "n't"} there`);
  if (there) {
    const rate = (1000 * Number(batch)) / cost.wall;
    console.log(`step to step        ${cost.wall.toFixed(2)} ms by the clock, ${rate.toFixed(0)} images/s`);
    console.log(`kernels             ${cost.kernels.toFixed(2)} ms of it by the card's clock`);
  }
  console.log(`enqueueing          ${cost.enqueue.toFixed(2)} ms of the main thread`);
  console.log(`figures read, too   ${cost.step.toFixed(2)} ms`);
  console.log(`dispatches          ${cost.dispatches}, in ${cost.submits} submits`);
  console.log(
    `made after step 3   ${cost.buffersMade} buffers, ${cost.pipelinesMade} pipelines, ${cost.bindGroupsMade} bind groups`,
  );
}

const command = new Command('npm run bench:host --')
  .description(
    "Measures the host's own cost of AlexNet's training step, without a GPU on Linux alone; with one, also the step.",
  )
  .option('--batch <images>', 'images in a batch', '128')
  .option('--steps <number>', 'steps measured, after three', '100')
  .option('--gpu', 'on the GPU of this machine instead', false)
  .option('--driver <file>', 'on the adapter of a Vulkan driver file (ICD json) instead');
await orComplain(main(command.parse().opts()));
