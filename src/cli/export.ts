/**
 * `tandem export`: a trained network for other programs. Beside the file of its weights stand the mean image as .npy and
 * a .json that says what the network reads and which classes it names (alexnet/weights/exported.ts). An .onnx file has the
 * network's own form of dropout in it; weights alone are written for the inverted form, which other libraries have.
 */
import { basename } from 'node:path';
import { Command } from 'commander';
import { openCheckpoint, type RunCheckpoint } from '../alexnet/checkpoint.js';
import { netOf, tablesOf } from '../alexnet/description.js';
import { exportState } from '../alexnet/onnx.js';
import { type ExportedDescription, withDropoutForm } from '../alexnet/weights/exported.js';
import { ArgumentError } from '../core/errors.js';
import { checkWritable, writeTogether } from '../data/files.js';
import { counted } from '../data/sources/names.js';
import { encodeNpy } from '../formats/npy.js';
import { encodeNpz } from '../formats/npz.js';
import { encodeSafetensors } from '../formats/safetensors.js';
import type { StateDict } from '../nn/module.js';
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
    about: 'its weights by name, towers joined, for inverted dropout (PyTorch)',
    encode: (checkpoint) =>
      encodeSafetensors({
        tensors: inverted(checkpoint),
        metadata: { network: checkpoint.run.net, format: 'pt' },
      }),
  },
  {
    ending: '.npz',
    about: 'the same weights for numpy.load',
    encode: (checkpoint) => encodeNpz(inverted(checkpoint)),
  },
];

/** The weights as layers of other libraries take them. */
function inverted({ run, parameters }: RunCheckpoint): StateDict {
  return withDropoutForm(netOf(run).architecture, parameters, run.recipe.dropoutForm, 'inverted');
}

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
  const net = netOf(run);
  const { architecture } = net;
  const stem = out.slice(0, -kind.ending.length);
  const side = run.recipe.imageSize;
  const about: ExportedDescription = {
    network: run.net,
    checkpoint: file,
    epochs: checkpoint.state.epoch,
    dropout: kind.ending === '.onnx' ? run.recipe.dropoutForm : 'inverted',
    input: {
      shape: ['N', architecture.channels, architecture.size, architecture.size],
      pixels: '(RGB 0-255 - mean image under the crop) * scale',
      scale: run.recipe.inputScale,
      mean: basename(`${stem}.mean.npy`),
      imageSize: side,
    },
    classes: run.classes,
    ...(run.classNames && { classNames: run.classNames }),
    tables: tablesOf(net, run.classes.length),
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
