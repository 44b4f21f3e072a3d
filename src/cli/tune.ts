/**
 * `tandem tune`: measures which tiles of products suit a GPU, and keeps it for all programs that open it.
 */
import { Command } from 'commander';
import { type TuneOptions, tune } from '../backends/webgpu/tune.js';
import { addExamples, settled, wrapped } from './command.js';
import { list, positive } from './options.js';

export const command = settled(new Command())
  .option('--device <name>', 'webgpu:0, webgpu:1, ..: the adapter that this device would get', 'webgpu:0')
  .option('--adapter <name>', 'an adapter whose name contains this')
  .option('--driver <files>', "Vulkan driver files (.json) instead of the system's, joined by ':'")
  .option('--seconds <number>', 'begin no other form of tiles after so many seconds', positive, 45)
  .option('--forms <names>', 'measure these alone, by name: 64x64,32x32', list);

interface Options extends Omit<TuneOptions, 'onForm'> {
  readonly device: string;
}

async function main({ device, ...options }: Options): Promise<void> {
  let begun = false;
  let best = { tiles: '', seconds: Number.POSITIVE_INFINITY };
  const onForm: TuneOptions['onForm'] = (tiles, side, seconds) => {
    if (!begun) console.log(`tiles     time of a product of ${side} x ${side} matrices`);
    begun = true;
    if (tiles !== 'direct' && seconds < best.seconds) best = { tiles, seconds };
    const rate = (2 * side ** 3) / seconds / 1e9;
    console.log(
      `${tiles.padEnd(10)}${(1000 * seconds).toFixed(2).padStart(9)} ms ${rate.toFixed(1).padStart(9)} GFLOP/s`,
    );
  };
  const { adapter, path, tuning } = await tune(device, { ...options, onForm });
  const through =
    tuning.tiles === 'direct' ? 'straight from memory' : `through workgroup memory, ${best.tiles} best`;
  console.log(
    wrapped(`\n${adapter}: tiles ${through}. Kept in ${path}, which every device on this adapter reads.`),
  );
}

addExamples(command, '', '--device webgpu:1', '--adapter NVIDIA --seconds 20').action(main);
