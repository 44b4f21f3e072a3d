/**
 * `npm run bench:host`: what a training step of AlexNet costs the host, JavaScript and Dawn, on a card that isn't there: nothing
 * is executed, so nothing is waited for.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Command } from 'commander';
import { orComplain } from '../cli.js';
import { nullHardware } from '../isa/layer.js';
import type { HostCost } from './program.js';

const program = fileURLToPath(new URL('./program.js', import.meta.url));

async function main({ batch, steps }: { readonly batch: string; readonly steps: string }): Promise<void> {
  const env = { ...(await nullHardware('navi21')), RADV_DEBUG: '' };
  const { stdout } = await promisify(execFile)(process.execPath, [program, batch, steps], { env });
  const cost: HostCost = JSON.parse(stdout);
  console.log(`AlexNet's training step, ${batch} images, on a card that isn't there`);
  console.log(`enqueueing          ${cost.enqueue.toFixed(2)} ms of the main thread`);
  console.log(`figures read, too   ${cost.step.toFixed(2)} ms`);
  console.log(`dispatches          ${cost.dispatches}, in ${cost.submits} submits`);
  console.log(
    `made after step 3   ${cost.buffersMade} buffers, ${cost.pipelinesMade} pipelines, ${cost.bindGroupsMade} bind groups`,
  );
}

const command = new Command('npm run bench:host --')
  .description("Measures the host's own cost of AlexNet's training step; Linux alone.")
  .option('--batch <images>', 'images in a batch', '128')
  .option('--steps <number>', 'steps measured, after three', '100');
await orComplain(main(command.parse().opts()));
