/**
 * TensorFlow.js with its cpu, wasm and webgpu backends. Images are `[N, H, W, C]`, kernels `[KH, KW, C, O]`, there are
 * no groups: groups are sliced apart and joined again.
 */
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import type { Padding } from '../../src/core/backend.js';
import { CannotError, type Peer, type Ready } from './peer.js';
import type { ConvWork, NetworkWork, Operand, Work } from './work.js';

/** Opens it with a backend. */
export async function openTfjs(backend: 'cpu' | 'wasm' | 'webgpu'): Promise<Peer> {
  await import('@tensorflow/tfjs'); // registers gradients, and the cpu backend
  if (backend === 'wasm') {
    const wasm = await import('@tensorflow/tfjs-backend-wasm');
    const file = createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm');
    wasm.setWasmPaths(`${dirname(file)}/`);
  }
  if (backend === 'webgpu') await import('@tensorflow/tfjs-backend-webgpu');
  if (!(await tf.setBackend(backend))) throw new CannotError(`setBackend('${backend}') gives false`);
  return {
    name: `tfjs ${backend}`,
    async prepare(work) {
      await tf.setBackend(backend);
      const made = prepare(work);
      return {
        ...made,
        async run() {
          if (tf.getBackend() !== backend) await tf.setBackend(backend);
          await made.run();
        },
      };
    },
    close: async () => {},
  };
}

function prepare(work: Work): Ready {
  switch (work.kind) {
    case 'matmul': {
      const [a, b] = [work.a, work.b].map((x) => tf.tensor(x.data, [...x.shape]));
      return ready(
        [a!, b!],
        () => tf.matMul(a!, b!),
        (y) => y,
      );
    }
    case 'conv':
      return prepareConv(work);
    default:
      return prepareNetwork(work);
  }
}

/** Runs `compute`, in which everything but the result is freed; `back` brings it into our layout. */
function ready(operands: tf.Tensor[], compute: () => tf.Tensor, back: (y: tf.Tensor) => tf.Tensor): Ready {
  let last: tf.Tensor | null = null;
  return {
    async run() {
      last?.dispose();
      last = tf.tidy(compute);
      await finish(last);
    },
    async result() {
      if (!last) throw new Error('nothing was computed');
      const y = last;
      const data = await tf.tidy(() => back(y)).data();
      return Float32Array.from(data);
    },
    async dispose() {
      last?.dispose();
      for (const x of operands) x.dispose();
    },
  };
}

/** Waits until a result is computed: on a GPU by reading one number of it, elsewhere it is there already. */
async function finish(x: tf.Tensor): Promise<void> {
  if (tf.getBackend() !== 'webgpu') return;
  const zeros = x.shape.map(() => 0);
  const one = tf.tidy(() =>
    tf.slice(
      x,
      zeros,
      zeros.map(() => 1),
    ),
  );
  await one.data();
  one.dispose();
}

/** The same numbers, known to have four axes. */
function maps(x: tf.Tensor): tf.Tensor4D {
  const [a = 1, b = 1, c = 1, d = 1] = x.shape;
  return tf.reshape<tf.Rank.R4>(x, [a, b, c, d]);
}

function rows(x: tf.Tensor): tf.Tensor2D {
  return tf.reshape<tf.Rank.R2>(x, [x.shape[0] ?? 1, -1]);
}

function uploaded({ data, shape }: Operand, axes: number[]): tf.Tensor4D {
  return tf.tidy(() => maps(tf.transpose(tf.tensor(data, [...shape]), axes)));
}

const toImages = (x: Operand): tf.Tensor4D => uploaded(x, [0, 2, 3, 1]);
const toKernels = (x: Operand): tf.Tensor4D => uploaded(x, [2, 3, 1, 0]);

function convolve(
  x: tf.Tensor4D,
  kernels: tf.Tensor4D,
  stride: number,
  [top, left, bottom, right]: Padding,
  groups: number,
): tf.Tensor4D {
  const pad: Parameters<typeof tf.conv2d>[3] = [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ];
  if (groups === 1) return maps(tf.conv2d(x, kernels, stride, pad));
  const images = tf.split(x, groups, 3);
  const parts = tf.split(kernels, groups, 3).map(maps);
  const convolved = images.map((image, g) => maps(tf.conv2d(maps(image), parts[g]!, stride, pad)));
  return tf.concat(convolved, 3);
}

function prepareConv({ direction, x, weight, grad, stride, padding, groups }: ConvWork): Ready {
  const [images, kernels, by] = [toImages(x), toKernels(weight), toImages(grad)];
  const operands = [images, kernels, by];
  const imagesBack = (y: tf.Tensor): tf.Tensor => tf.transpose(y, [0, 3, 1, 2]);
  if (direction === 'forward') {
    return ready(operands, () => convolve(images, kernels, stride, padding, groups), imagesBack);
  }
  // tf.grad computes the value as well: there is no public way to the gradient alone.
  if (direction === 'inputGrad') {
    const gradient = tf.grad((one) => convolve(maps(one), kernels, stride, padding, groups));
    return ready(operands, () => gradient(images, by), imagesBack);
  }
  const gradient = tf.grad((one) => convolve(images, maps(one), stride, padding, groups));
  return ready(
    operands,
    () => gradient(kernels, by),
    (y) => tf.transpose(y, [3, 2, 0, 1]),
  );
}

function prepareNetwork({ kind, images, labels, parameters }: NetworkWork): Ready {
  const weights = new Map(
    [...parameters].map(([name, x]) => {
      const place = x.shape.length === 4 ? toKernels(x) : tf.tensor(x.data, [...x.shape]);
      return [name, tf.variable(place)] as const;
    }),
  );
  const x = toImages(images);
  const operands = [x, ...weights.values()];
  if (kind === 'inference')
    return ready(
      operands,
      () => forward(x, weights),
      (y) => y,
    );
  const targets = tf.oneHot(tf.tensor1d(labels, 'int32'), 1000);
  const loss = (): tf.Scalar => {
    const scores = tf.logSoftmax(forward(x, weights));
    return tf.reshape<tf.Rank.R0>(tf.mul(tf.sum(tf.mul(scores, targets)), -1 / labels.length), []);
  };
  const step = (): tf.Tensor => {
    const { grads } = tf.variableGrads(loss);
    const name = weights.get('conv1.weight')!.name;
    return grads[name]!;
  };
  return ready([...operands, targets], step, (y) => tf.transpose(y, [3, 2, 0, 1]));
}

function forward(images: tf.Tensor4D, weights: ReadonlyMap<string, tf.Variable>): tf.Tensor2D {
  const parameter = (name: string): tf.Tensor => weights.get(name)!;
  const layer = (
    x: tf.Tensor4D,
    name: string,
    stride: number,
    padding: Padding,
    groups: number,
  ): tf.Tensor4D => {
    const y = convolve(x, maps(parameter(`${name}.weight`)), stride, padding, groups);
    return maps(tf.relu(tf.add(y, parameter(`${name}.bias`))));
  };
  const pool = (x: tf.Tensor4D): tf.Tensor4D => maps(tf.maxPool(x, 3, 2, 'valid'));
  const normalize = (x: tf.Tensor4D): tf.Tensor4D =>
    tf.concat(
      tf.split(x, 2, 3).map((own) => maps(tf.localResponseNormalization(maps(own), 2, 2, 1e-4, 0.75))),
      3,
    );
  const dense = (x: tf.Tensor2D, name: string): tf.Tensor2D =>
    rows(tf.add(tf.matMul(x, parameter(`${name}.weight`), false, true), parameter(`${name}.bias`)));
  let x = pool(normalize(layer(images, 'conv1', 4, [0, 0, 3, 3], 1)));
  x = pool(normalize(layer(x, 'conv2', 1, [2, 2, 2, 2], 2)));
  x = layer(x, 'conv3', 1, [1, 1, 1, 1], 1);
  x = layer(x, 'conv4', 1, [1, 1, 1, 1], 2);
  x = pool(layer(x, 'conv5', 1, [1, 1, 1, 1], 2));
  let units = rows(tf.transpose(x, [0, 3, 1, 2]));
  for (const name of ['fc6', 'fc7']) units = rows(tf.mul(tf.relu(dense(units, name)), 0.5));
  return dense(units, 'fc8');
}
