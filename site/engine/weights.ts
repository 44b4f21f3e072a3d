/**
 * Weights that the visitor drops: the formats of `tandem-ts/formats` by their endings. AlexNets are recognised by names
 * and shapes and run with their own preprocessing; ONNX and TensorFlow.js models run as they say; of other files the
 * first layer's kernels are shown.
 */
import { type Device, openDevice, softmax, type Tensor, tensor } from 'tandem-ts';
import { Classifier, fitWeights } from 'tandem-ts/alexnet';
import {
  decodeCaffe,
  decodeNpz,
  decodeSafetensors,
  decodeTorch,
  importOnnx,
  importTensorflowJs,
} from 'tandem-ts/formats';
import type { Module, StateDict } from 'tandem-ts/nn';
import { isolated } from './devices.js';
import { squareOf } from './picture.js';
import type { Kernels } from './session.js';

/** What became of a file. */
export interface WeightsReport {
  /** 'alexnet', 'onnx', 'tensorflow', or 'tensors' where it can't run. */
  readonly kind: string;
  readonly parameters: number;
  /** Of the first layer, where that reads three colours. */
  readonly kernels: Kernels | null;
  /** Names of the classes, where a text file with them was dropped as well. */
  readonly classes: readonly string[];
}

/** A model that was read. */
export interface OpenedModel extends WeightsReport {
  /** Class probabilities of a picture; null where the file has no layers. */
  readonly classify: ((photo: Blob) => Promise<Float32Array>) | null;
}

/** Mean and deviation of red, green and blue in 0-1. */
interface Scaling {
  readonly mean: readonly [number, number, number];
  readonly deviation: readonly [number, number, number];
}

/** ImageNet's, by which most models that come as ONNX were trained. */
const usual: Scaling = { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] };

/** Reads files of one model. @throws {Error} naming what is wrong with them */
export async function openModel(files: readonly File[]): Promise<OpenedModel> {
  const main = files.find(({ name }) => /\.(safetensors|pt|pth|npz|caffemodel|onnx|json)$/i.test(name));
  if (!main)
    throw new Error(
      'expected a file ending in .safetensors, .pt, .pth, .npz, .caffemodel, .onnx, or a model.json with its .bin files',
    );
  const labels = files.find(({ name }) => name.endsWith('.txt'));
  const classes = labels
    ? (await labels.text())
        .split('\n')
        .map((line) => line.trim())
        .filter(Boolean)
    : [];
  const ending = main.name.slice(main.name.lastIndexOf('.') + 1).toLowerCase();
  const beside = async (name: string): Promise<Uint8Array> => {
    const found = files.find((file) => file.name === name);
    if (!found) throw new Error(`${main.name} needs ${name} as well: choose both`);
    return new Uint8Array(await found.arrayBuffer());
  };
  const device = await openDevice('cpu:0', isolated() ? {} : { threads: 1 });
  if (ending === 'json') {
    const text = await main.text();
    const net = await importTensorflowJs(text, main.name, { device, read: beside });
    const side = Number(/"batch_input_shape":\s*\[null,\s*(\d+)/.exec(text)?.[1] ?? 224);
    const classify = async (photo: Blob) =>
      run(net, device, await pixelsOf(photo, side, null), (x) => net.forward(x));
    return { kind: 'tensorflow', ...(await described(net)), classes, classify };
  }
  const bytes = new Uint8Array(await main.arrayBuffer());
  if (ending === 'onnx') {
    const net = await importOnnx(bytes, main.name, { device, external: beside });
    const known = fitted(main.name, await net.stateDict(), device);
    if (known) return { ...known, classes };
    const side = net.inputs[0]?.shape?.map(Number).at(-1) || 224;
    const classify = async (photo: Blob) =>
      run(net, device, await pixelsOf(photo, side, usual), (x) => net.forward(x));
    return { kind: 'onnx', ...(await described(net)), classes, classify };
  }
  const tensors = await tensorsOf(ending, bytes, main.name);
  return {
    ...(fitted(main.name, tensors, device) ?? { kind: 'tensors', ...describedOf(tensors), classify: null }),
    classes,
  };
}

async function tensorsOf(ending: string, bytes: Uint8Array, name: string): Promise<StateDict> {
  const widen = { widen: true };
  if (ending === 'safetensors') return decodeSafetensors(bytes, name, widen).tensors;
  if (ending === 'npz') return decodeNpz(bytes, name, widen);
  if (ending === 'caffemodel') return decodeCaffe(bytes, name).tensors;
  return decodeTorch(bytes, name);
}

/** An AlexNet of a kind that is known; null for another net. */
function fitted(file: string, tensors: StateDict, device: Device): Omit<OpenedModel, 'classes'> | null {
  try {
    const { net, classes, parameters, mean } = fitWeights({ file, tensors });
    const { recipe } = net;
    const classifier = new Classifier({ net, recipe, classes, devices: [device], seed: 0, mean, parameters });
    const { size } = net.architecture;
    const side = recipe.imageSize;
    const classify = async (photo: Blob): Promise<Float32Array> =>
      probabilitiesOf(classifier.predict({ images: centre(await squareOf(photo, side), side, size) }));
    return { kind: 'alexnet', ...describedOf(parameters), classify };
  } catch {
    return null;
  }
}

const described = async (net: Module): Promise<Pick<WeightsReport, 'parameters' | 'kernels'>> =>
  describedOf(await net.stateDict());

function describedOf(tensors: StateDict): Pick<WeightsReport, 'parameters' | 'kernels'> {
  const all = [...tensors.values()];
  const first = all.find(({ shape }) => shape.length === 4 && shape[1] === 3 && shape[2] === shape[3]);
  const [count = 0, , side = 0] = first?.shape ?? [];
  const weights = first && Float32Array.from(first.data, Number);
  return {
    parameters: all.reduce((sum, { data }) => sum + data.length, 0),
    kernels: weights && side > 1 ? { side, towers: [count], weights } : null,
  };
}

/** Runs a model on one picture. @param pixels `[3, side, side]` */
function run(
  model: Module,
  device: Device,
  pixels: Float32Array,
  forward: (x: Tensor) => Tensor,
): Promise<Float32Array> {
  model.eval();
  const side = Math.sqrt(pixels.length / 3);
  return probabilitiesOf(forward(tensor(pixels, { shape: [1, 3, side, side], device })));
}

/** A picture's middle `[3, side, side]` in 0-1, or by mean and deviation. */
async function pixelsOf(photo: Blob, side: number, by: Scaling | null): Promise<Float32Array> {
  const planes = await squareOf(photo, side);
  return Float32Array.from(planes, (x, i) => {
    const c = Math.floor(i / side / side);
    return by ? (x / 255 - (by.mean[c] ?? 0)) / (by.deviation[c] ?? 1) : x / 255;
  });
}

/** Probabilities of scores, or of what are probabilities already. */
async function probabilitiesOf(scores: Tensor): Promise<Float32Array> {
  const raw = Float32Array.from(await scores.data(), Number);
  const total = raw.reduce((sum, x) => sum + x, 0);
  if (Math.abs(total - 1) < 1e-3 && raw.every((x) => x >= 0)) return raw;
  return Float32Array.from(await softmax(scores).data(), Number);
}

/** The middle of a picture `[3, side, side]`. */
function centre(photo: Uint8Array, side: number, size: number): Uint8Array {
  const margin = (side - size) >> 1;
  const out = new Uint8Array(3 * size * size);
  for (let c = 0; c < 3; c++) {
    for (let y = 0; y < size; y++) {
      const from = (c * side + y + margin) * side + margin;
      out.set(photo.subarray(from, from + size), (c * size + y) * size);
    }
  }
  return out;
}
