/**
 * `tandem codes`: short binary codes of feature vectors by an auto-encoder: training, encoding, search.
 */
import { readFile } from 'node:fs/promises';
import { Command } from 'commander';
import { Coder, nearestCodes, recallOf } from '../alexnet/codes.js';
import { pickRows, readFeatures } from '../alexnet/features.js';
import type { Device } from '../core/device.js';
import { ArgumentError } from '../core/errors.js';
import { checkWritable, throwNaming, writeWhole } from '../data/files.js';
import { addExamples, described, settled } from './command.js';
import { addDeviceOptions, type DeviceOptions, positive, whole, withChosenDevices } from './options.js';
import { percent } from './progress.js';
import { addSearchOptions, type SearchOptions, search } from './queries.js';

/** Opens the device to compute codes on. */
function withDevice<T>(options: DeviceOptions, use: (device: Device) => Promise<T>): Promise<T> {
  return withChosenDevices(options, 1, async ([device, second]) => {
    if (!device || second) throw new ArgumentError('--device: codes are computed on one device');
    return use(device);
  });
}

async function readCoder(path: string, device: Device): Promise<ReturnType<typeof Coder.load>> {
  const bytes = await readFile(path).catch(throwNaming(path, "can't be read"));
  return Coder.load(bytes, path, device);
}

interface TrainOptions extends DeviceOptions {
  features: string;
  out: string;
  bits: number;
  hidden: number;
  epochs: number;
  batch: number;
  learningRate: number;
  seed: number;
  queries: number;
}

async function train(options: TrainOptions): Promise<void> {
  const table = await readFeatures(options.features);
  await checkWritable(options.out);
  await withDevice(options, async (device) => {
    const { bits, hidden, epochs, batch, learningRate, seed } = options;
    const coder = new Coder({ width: table.width, hidden, bits }, device);
    // Queries are held out of training, at most every second vector.
    const step = Math.max(2, Math.ceil(table.names.length / options.queries));
    const rows = Array.from(table.names.keys());
    const queries = rows.filter((row) => row % step === 0);
    const every = Math.max(1, Math.floor(epochs / 10));
    await coder.fit(
      pickRows(
        table,
        rows.filter((row) => row % step !== 0),
      ),
      {
        epochs,
        batchSize: batch,
        learningRate,
        seed,
        onEpoch: (epoch, loss) => {
          if (epoch % every === 0)
            console.log(`epoch ${epoch}/${epochs}  ${percent(loss)} of the variance left`);
        },
      },
    );
    const codes = await coder.encode(table);
    await writeWhole(options.out, await coder.save(codes));
    const before = `vectors of ${table.width * 32}`;
    console.log(
      `${codes.names.length} codes of ${bits} bits (from ${before}) and their coder: ${options.out}`,
    );
    console.log(
      `of the 10 nearest by L2 to ${queries.length} vectors held out, the share among the nearest by code:`,
    );
    for (const candidates of [10, 20, 50, 100].filter((n) => n < table.names.length)) {
      const recall = recallOf(table, codes, { exact: 10, candidates, queries });
      const chance = Math.min(1, candidates / (table.names.length - 1));
      console.log(
        `  ${String(candidates).padStart(3)} candidates  ${percent(recall)}  (by chance ${percent(chance)})`,
      );
    }
    coder.dispose();
  });
}

interface EncodeOptions extends DeviceOptions {
  codes: string;
  features: string;
  out: string;
}

async function encode(options: EncodeOptions): Promise<void> {
  const table = await readFeatures(options.features);
  await checkWritable(options.out);
  await withDevice(options, async (device) => {
    const { coder } = await readCoder(options.codes, device);
    const codes = await coder.encode(table);
    await writeWhole(options.out, await coder.save(codes));
    console.log(`${codes.names.length} codes of ${coder.sizes.bits} bits: ${options.out}`);
    coder.dispose();
  });
}

async function find({ codes: file, ...options }: SearchOptions & { codes: string }): Promise<void> {
  await search(options, (vectors) =>
    withDevice({ deterministic: options.deterministic }, async (device) => {
      const { coder, codes } = await readCoder(file, device);
      const { bytes } = await coder.encode({ names: [options.query], width: vectors.length, vectors });
      coder.dispose();
      return nearestCodes(codes, bytes, options.count).map(({ row, distance }) => ({
        name: codes.names[row]!,
        distance: `${distance} bits`,
      }));
    }),
  );
}

const oneDevice = 'the device to compute on: cpu:0, webgpu:0, ..; auto: a GPU, else cpu (default: cpu:0)';

const examples = {
  train: 'train --features f.npy --out a.safetensors',
  encode: 'encode --codes CODES --features g.npy --out b.safetensors',
  search: 'search --codes a.safetensors --run RUN --query cat.jpg',
};

export const command = settled(new Command());

/** A subcommand with its example. */
function subcommand(name: keyof typeof examples, about: string): Command {
  const added = described(settled(command.command(name)), about);
  return addExamples(added, examples[name].slice(name.length + 1));
}

addDeviceOptions(
  subcommand('train', 'fit the auto-encoder, write it with the codes of its vectors, and report their recall')
    .requiredOption('--features <file>', 'vectors that tandem features wrote')
    .requiredOption('--out <file>', 'the .safetensors file to write')
    .option('--bits <n>', 'bits of a code, a multiple of 8', whole(8), 64)
    .option('--hidden <n>', 'units between vectors and code', whole(1), 512)
    .option('--epochs <n>', 'passes over the vectors', whole(1), 100)
    .option('--batch <n>', 'vectors in a step', whole(1), 64)
    .option('--learning-rate <x>', 'rate of the weights and biases', positive, 0.1)
    .option('--seed <n>', 'seed of the order of the vectors', whole(0), 0)
    .option('--queries <n>', 'vectors held out to measure the recall with', whole(1), 200),
  oneDevice,
).action(train);
addDeviceOptions(
  subcommand('encode', 'codes of other vectors by the same auto-encoder')
    .requiredOption('--codes <file>', 'what codes train wrote')
    .requiredOption('--features <file>', 'vectors that tandem features wrote')
    .requiredOption('--out <file>', 'the .safetensors file to write'),
  oneDevice,
).action(encode);
addDeviceOptions(
  addSearchOptions(
    subcommand('search', 'the images whose codes differ least from a query').requiredOption(
      '--codes <file>',
      'what codes train or encode wrote',
    ),
    'the codes are of',
  ),
).action(find);
addExamples(command, ...Object.values(examples));
