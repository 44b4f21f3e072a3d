/**
 * `tandem export`: a trained network for other programs. Beside the file of its weights stand the mean image as .npy and
 * a .json that says what the network reads and which classes it names.
 */
import { basename } from 'node:path';
import { Command } from 'commander';
import { openCheckpoint, type RunCheckpoint } from '../alexnet/checkpoint.js';
import { netOf } from '../alexnet/description.js';
import { exportState } from '../alexnet/onnx.js';
import { ArgumentError } from '../core/errors.js';
import { checkWritable, writeTogether } from '../data/files.js';
import { counted } from '../data/sources/names.js';
import { encodeNpy } from '../formats/npy.js';
import { encodeNpz } from '../formats/npz.js';
import { encodeSafetensors } from '../formats/safetensors.js';
import { addExamples, helpList, settled } from './command.js';

interface Options {
  run: string;
  out: string;
}

/** What a file can be, by its ending. */
interface Kind {
  readonly ending: string;
  readonly about: string;
  readonly encode: (checkpoint: RunCheckpoint) => Uint8Array[] | Promise<Uint8Array[]>;
}

const kinds: readonly Kind[] = [
  {
    ending: '.onnx',
    about: 'the network itself, for any ONNX runtime (opset 17)',
    encode: async ({ run, parameters }) => {
      const { architecture, placement } = netOf(run);
      const { dropoutForm } = run.recipe;
      const net = { architecture, placement: placement(run.classes.length) };
      return [await exportState({ ...net, state: parameters, dropoutForm })];
    },
  },
  {
    ending: '.safetensors',
    about: 'its weights by name, towers joined',
    encode: ({ run, parameters }) =>
      encodeSafetensors({ tensors: parameters, metadata: { network: run.net, format: 'pt' } }),
  },
  {
    ending: '.npz',
    about: 'the same weights for numpy.load',
    encode: ({ parameters }) => encodeNpz(parameters),
  },
];

export const command = settled(new Command())
  .requiredOption('--run <path>', "a run's folder (its best checkpoint is taken), or a checkpoint file")
  .requiredOption(
    '--out <file>',
    `what is written: a name in ${kinds.map(({ ending }) => ending).join(', ')}`,
  )
  .addHelpText('after', `\nFiles:\n${helpList(kinds.map(({ ending, about }) => [ending, about]))}`)
  .addHelpText('after', '\nBeside it: the mean image (.mean.npy), and what goes in and out (.json).');

async function main({ run: path, out }: Options): Promise<void> {
  const kind = kinds.find(({ ending }) => out.endsWith(ending));
  if (!kind) {
    const endings = kinds.map(({ ending }) => ending).join(', ');
    throw new ArgumentError(`--out ${out}: the file's name must end in one of ${endings}`);
  }
  await checkWritable(out);
  const { checkpoint, file } = await openCheckpoint(path, 'best');
  const { run, mean } = checkpoint;
  const { architecture } = netOf(run);
  const stem = out.slice(0, -kind.ending.length);
  const side = run.recipe.imageSize;
  const about = {
    network: run.net,
    checkpoint: file,
    epochs: checkpoint.state.epoch,
    input: {
      shape: ['N', architecture.channels, architecture.size, architecture.size],
      pixels: '(RGB 0-255 - mean image under the crop) * scale',
      scale: run.recipe.inputScale,
      mean: basename(`${stem}.mean.npy`),
      imageSize: side,
    },
    classes: run.classes,
    ...(run.classNames && { classNames: run.classNames }),
  };
  await writeTogether([
    [out, await kind.encode(checkpoint)],
    [`${stem}.mean.npy`, encodeNpy({ shape: [architecture.channels, side, side], data: mean })],
    [`${stem}.json`, [`${JSON.stringify(about, null, 2)}\n`]],
  ]);
  console.log(`${run.net} after ${counted(checkpoint.state.epoch, 'epoch')}: ${out}`);
  console.log(`mean image ${stem}.mean.npy; input and classes ${stem}.json`);
}

addExamples(
  command,
  '--run runs/DATE-alexnet --out alexnet.onnx',
  '--run runs/DATE-alexnet --out alexnet.npz',
  '--run best.safetensors --out weights.safetensors',
).action(main);
