/**
 * The program whose start is measured: what someone writes to classify an image with weights from a file. Its argument
 * is a `StartTask` as JSON; it prints a `StartResult` as soon as the scores are there.
 *
 * Nothing is imported here but by the steps, so that loading the library counts as one.
 */
import type { StartStep } from './rows.js';
import type { Opening } from './settings.js';

/** What to start. */
export interface StartTask {
  /** Name of a network of the catalogue. */
  readonly net: string;
  readonly classes: number;
  readonly devices: readonly Opening[];
  /** A safetensors file: the parameters, and `mean`, the mean image. */
  readonly weights: string;
}

/** What came of it. */
export interface StartResult {
  /** One after the other, from the program's first line; Node started before that. */
  readonly steps: readonly StartStep[];
  /** Processor time of the whole process, in milliseconds. */
  readonly cpuMs: number;
  readonly scores: readonly number[];
}

async function main({ net: name, classes, devices: openings, weights }: StartTask): Promise<void> {
  const steps: StartStep[] = [];
  let since = performance.now();
  const step = (what: string): void => {
    const now = performance.now();
    steps.push({ name: what, milliseconds: now - since });
    since = now;
  };
  const { readFile } = await import('node:fs/promises');
  const { openDevice } = await import('../src/backends/open.js');
  const { Classifier } = await import('../src/alexnet/classifier.js');
  const { isNetName, nets } = await import('../src/alexnet/recipes.js');
  const { decodeSafetensors } = await import('../src/formats/safetensors.js');
  step('load modules');
  const devices = [];
  for (const opening of openings) devices.push(await openDevice(...opening));
  step('open devices');
  const { tensors } = decodeSafetensors(await readFile(weights), weights);
  step('read the file');
  const { mean, ...parameters } = Object.fromEntries(tensors);
  if (!isNetName(name) || !(mean?.data instanceof Float32Array)) throw new Error(`no ${name} in ${weights}`);
  const net = nets[name];
  const { channels, size } = net.architecture;
  const classifier = new Classifier({
    net,
    recipe: net.recipe,
    classes,
    devices,
    seed: 1,
    mean: mean.data,
    parameters: new Map(Object.entries(parameters)),
  });
  step('bring weights to the devices');
  const images = new Uint8Array(channels * size * size).fill(100);
  const scores = [...(await classifier.predict({ images }).data())];
  step('compile, infer');
  const { user, system } = process.cpuUsage();
  const result: StartResult = { steps, cpuMs: (user + system) / 1000, scores };
  process.stdout.write(`${JSON.stringify(result)}\n`);
  for (const device of devices) await device.close();
}

await main(JSON.parse(process.argv[2] ?? ''));
