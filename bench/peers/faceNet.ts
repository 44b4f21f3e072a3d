/**
 * A trained ResNet of @vladmandic/face-api (MIT), which makes 128 numbers of a face: rebuilt here of Tandem's layers, its
 * quantized TensorFlow.js weights loaded, and the numbers of both libraries compared: `npm run faceNet`.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { decodeTensorflowJs, fromHwio, fromInOut, loadWeights } from '../../src/formats/index.js';
import {
  add,
  avgPool2d,
  maxPool2d,
  mean,
  mul,
  noGrad,
  ones,
  openDevice,
  pad,
  relu,
  reshape,
  scope,
  sub,
  type Tensor,
  tensor,
  zeros,
} from '../../src/index.js';
import { Conv2d, Layer, Linear, Module, parameter } from '../../src/nn/index.js';

/** What is used of the other library. */
interface FaceApi {
  readonly tf: {
    setBackend(name: string): Promise<boolean>;
    tensor4d(data: Float32Array, shape: readonly number[]): unknown;
  };
  readonly FaceRecognitionNet: new () => {
    loadFromDisk(folder: string): Promise<void>;
    computeFaceDescriptor(image: unknown): Promise<Float32Array>;
  };
}

const side = 150;
const device = await openDevice('cpu:0');

/** A scale and a shift of each map. */
class Scale extends Layer {
  readonly weight: Tensor;
  readonly bias: Tensor;
  constructor(private readonly channels: number) {
    super();
    this.weight = parameter(ones([channels], { device }));
    this.bias = parameter(zeros([channels], { device }));
  }
  forward(x: Tensor): Tensor {
    const each = [this.channels, 1, 1];
    return add(mul(x, reshape(this.weight, each)), reshape(this.bias, each));
  }
}

/** A convolution and its scale. */
class Scaled extends Layer {
  readonly conv: Conv2d;
  readonly scale: Scale;
  constructor(from: number, to: number, kernel = 3, stride = 1) {
    super();
    this.conv = new Conv2d(from, to, kernel, { device, stride, padding: stride === 1 ? 1 : 0 });
    this.scale = new Scale(to);
  }
  forward(x: Tensor): Tensor {
    return this.scale.forward(this.conv.forward(x));
  }
}

/** Two convolutions beside the identity; of half the size beside a pooled one, with more maps and sides filled up by 0. */
class Residual extends Layer {
  readonly conv1: Scaled;
  readonly conv2: Scaled;
  constructor(
    from: number,
    private readonly to: number,
    private readonly halves: boolean,
  ) {
    super();
    this.conv1 = new Scaled(from, to, 3, halves ? 2 : 1);
    this.conv2 = new Scaled(to, to);
  }
  forward(x: Tensor): Tensor {
    const branch = this.conv2.forward(relu(this.conv1.forward(x)));
    if (!this.halves) return relu(add(branch, x));
    const pooled = avgPool2d(x, { kernel: 2, stride: 2 });
    const [, maps = 0, height = 0, width = 0] = pooled.shape;
    const [, , rows = 0, columns = 0] = branch.shape;
    const none: [number, number] = [0, 0];
    const more = pad(pooled, [none, [0, this.to - maps], none, none]);
    return relu(add(pad(branch, [none, none, [0, height - rows], [0, width - columns]]), more));
  }
}

/** The net. Its residual blocks lie under the names of the file. */
class FaceNet extends Module {
  readonly conv32_down = new Scaled(3, 32, 7, 2);
  readonly blocks: [string, Residual][] = [
    ...[1, 2, 3].map((i): [string, Residual] => [`conv32_${i}`, new Residual(32, 32, false)]),
    ['conv64_down', new Residual(32, 64, true)],
    ...[1, 2, 3].map((i): [string, Residual] => [`conv64_${i}`, new Residual(64, 64, false)]),
    ['conv128_down', new Residual(64, 128, true)],
    ...[1, 2].map((i): [string, Residual] => [`conv128_${i}`, new Residual(128, 128, false)]),
    ['conv256_down', new Residual(128, 256, true)],
    ...[1, 2].map((i): [string, Residual] => [`conv256_${i}`, new Residual(256, 256, false)]),
    ['conv256_down_out', new Residual(256, 256, true)],
  ];
  readonly fc = new Linear(256, 128, { device, bias: false });

  override members(): Iterable<[PropertyKey, unknown]> {
    return [['conv32_down', this.conv32_down], ...this.blocks, ['fc', this.fc]];
  }

  /** `[N, 3, 150, 150]`, red, green, blue from 0 to 255, to `[N, 128]`. */
  forward(images: Tensor): Tensor {
    const centre = tensor([122.782, 117.001, 104.298], { shape: [3, 1, 1], device });
    let x = relu(this.conv32_down.forward(mul(sub(images, centre), 1 / 255)));
    x = maxPool2d(x, { kernel: 3, stride: 2 });
    for (const [, block] of this.blocks) x = block.forward(x);
    return this.fc.forward(mean(x, { axes: [2, 3] }));
  }
}

const require = createRequire(import.meta.url);
const folder = join(dirname(require.resolve('@vladmandic/face-api/package.json')), 'model');
const manifest = 'face_recognition_model-weights_manifest.json';
const { tensors } = await decodeTensorflowJs(
  await readFile(join(folder, manifest), 'utf8'),
  manifest,
  (name) => readFile(join(folder, name)),
);
const net = new FaceNet();
const { loaded } = await loadWeights(net, tensors, {
  convert: [fromHwio(), fromInOut()],
  rename: (name) =>
    name === 'fc'
      ? 'fc.weight'
      : name
          .replaceAll('/', '.')
          .replace(/(filters|weights)$/, 'weight')
          .replace(/biases$/, 'bias'),
});
console.log(`${loaded.length} weights of ${tensors.size} loaded`);

// Any picture will do: waves, in the order of the other library, `[H, W, C]`.
const picture = Float32Array.from(
  { length: 3 * side * side },
  (_, i) => 127.5 + 127 * Math.sin(i * 0.013 + (i % 3)),
);
const planes = Float32Array.from({ length: picture.length }, (_, i) => {
  const [channel, place] = [Math.floor(i / side / side), i % (side * side)];
  return picture[3 * place + channel]!;
});
const images = tensor(planes, { shape: [1, 3, side, side], device });
const ours = await scope(() => noGrad(() => net.forward(images))).data();

const faceApi: FaceApi = require('@vladmandic/face-api/dist/face-api.node-wasm.js');
await faceApi.tf.setBackend('cpu');
const theirs = new faceApi.FaceRecognitionNet();
await theirs.loadFromDisk(folder);
const expected = await theirs.computeFaceDescriptor(faceApi.tf.tensor4d(picture, [1, side, side, 3]));
const off = Math.max(...expected.map((value, i) => Math.abs(value - (ours[i] ?? Number.NaN))));
console.log(
  `${ours.length} numbers, ${expected.slice(0, 3).join(', ')}, ..; the largest difference is ${off.toExponential(1)}`,
);
if (!(off < 1e-5)) process.exitCode = 1;
await device.close();
