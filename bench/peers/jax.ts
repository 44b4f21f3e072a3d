/**
 * jax-js on WebAssembly or WebGPU, jit-compiled. Its arrays are used up by what they are passed to; `ref` keeps one.
 */
import type { Array as JaxArray } from '@jax-js/jax';
import type { Padding } from '../../src/core/backend.js';
import { CannotError, type Peer, type Ready } from './peer.js';
import type { ConvWork, NetworkWork, Operand, Work } from './work.js';

type Jax = typeof import('@jax-js/jax');

/** Opens it. */
export async function openJax(device: 'wasm' | 'webgpu'): Promise<Peer> {
  const jax = await import('@jax-js/jax');
  const found = await jax.init(device);
  if (!found.includes(device)) throw new CannotError(`its init() offers ${found.join(', ')}, not ${device}`);
  jax.defaultDevice(device);
  return {
    name: `jax-js ${device}`,
    async prepare(work) {
      // Its code depends on whether there is a global Worker, which another library may have put there since init().
      Reflect.deleteProperty(globalThis, 'Worker');
      return prepare(jax, work);
    },
    close: async () => {},
  };
}

function prepare(jax: Jax, work: Work): Ready {
  const upload = ({ data, shape }: Operand): JaxArray => jax.numpy.array(data.slice()).reshape([...shape]);
  const compiled = (f: (...args: JaxArray[]) => JaxArray, operands: JaxArray[]): Ready => {
    const fast = jax.jit(f);
    let last: JaxArray | null = null;
    return {
      async run() {
        last?.dispose();
        last = fast(...operands.map((x) => x.ref));
        await last.blockUntilReady();
      },
      async result() {
        const data = await last?.ref.data();
        if (data instanceof Float32Array) return data;
        throw new Error('nothing was computed');
      },
      async dispose() {
        last?.dispose();
        for (const x of operands) x.dispose();
      },
    };
  };
  switch (work.kind) {
    case 'matmul':
      return compiled((a, b) => jax.numpy.matmul(a, b), [upload(work.a), upload(work.b)]);
    case 'conv': {
      const convolve = convolution(jax, work);
      const [x, weight, grad] = [upload(work.x), upload(work.weight), upload(work.grad)];
      if (work.direction === 'forward') return compiled(convolve, [x, weight]);
      const byInput = work.direction === 'inputGrad';
      return compiled(
        (input, kernel, by) => {
          const [value, back] = byInput
            ? jax.vjp((one: JaxArray) => convolve(one, kernel), [input])
            : jax.vjp((one: JaxArray) => convolve(input, one), [kernel]);
          value.dispose();
          const [gradient] = back(by);
          return gradient!;
        },
        [x, weight, grad],
      );
    }
    default:
      return network(jax, work, upload, compiled);
  }
}

function convolution(jax: Jax, { stride, padding, groups }: Pick<ConvWork, 'stride' | 'padding' | 'groups'>) {
  const [top, left, bottom, right] = padding;
  return (x: JaxArray, weight: JaxArray): JaxArray =>
    jax.lax.convGeneralDilated(
      x,
      weight,
      [stride, stride],
      [
        [top, bottom],
        [left, right],
      ],
      { featureGroupCount: groups },
    );
}

/** AlexNet from jax-js's functions: normalization and pooling are window reductions. */
function network(
  jax: Jax,
  work: NetworkWork,
  upload: (operand: Operand) => JaxArray,
  compiled: (f: (...args: JaxArray[]) => JaxArray, operands: JaxArray[]) => Ready,
): Ready {
  const names = [...work.parameters.keys()];
  const parameters = [...work.parameters.values()].map(upload);
  const images = upload(work.images);
  if (work.kind === 'inference')
    return compiled((x, ...weights) => forward(jax, names, weights, x), [images, ...parameters]);
  const loss = (x: JaxArray, ...weights: JaxArray[]): JaxArray => {
    const logits = jax.nn.logSoftmax(forward(jax, names, weights, x));
    const labels = jax.nn.oneHot(jax.numpy.array(work.labels.slice()), 1000);
    return jax.numpy.sum(logits.mul(labels)).mul(-1 / work.labels.length);
  };
  // All gradients are asked for; the first, of conv1's weights, is compared.
  const all = jax.jit(jax.grad(loss, { argnums: names.map((_, i) => i + 1) }));
  const operands = [images, ...parameters];
  let gradients: JaxArray[] = [];
  const free = (): void => {
    for (const gradient of gradients) gradient.dispose();
    gradients = [];
  };
  return {
    async run() {
      free();
      gradients = all(...operands.map((x) => x.ref));
      await jax.blockUntilReady(gradients);
    },
    async result() {
      const data = await gradients[0]?.ref.data();
      if (data instanceof Float32Array) return data;
      throw new Error('nothing was computed');
    },
    async dispose() {
      free();
      for (const x of operands) x.dispose();
    },
  };
}

function forward(
  jax: Jax,
  names: readonly string[],
  weights: readonly JaxArray[],
  images: JaxArray,
): JaxArray {
  const np = jax.numpy;
  const parameter = (name: string): JaxArray => weights[names.indexOf(name)]!;
  const convolve = (
    x: JaxArray,
    layer: string,
    stride: number,
    padding: Padding,
    groups: number,
  ): JaxArray => {
    const y = convolution(jax, { stride, padding, groups })(x, parameter(`${layer}.weight`));
    return jax.nn.relu(y.add(parameter(`${layer}.bias`).reshape([1, -1, 1, 1])));
  };
  const pool = (x: JaxArray): JaxArray => jax.lax.reduceWindow(x, np.max, [1, 1, 3, 3], [1, 1, 2, 2]);
  const normalize = (x: JaxArray): JaxArray => {
    const [n = 0, c = 0, h = 0, w = 0] = x.shape;
    const own = x.reshape([2 * n, c / 2, h, w]);
    const squares = np.pad(np.square(own.ref), [
      [0, 0],
      [2, 2],
      [0, 0],
      [0, 0],
    ]);
    const sums = jax.lax.reduceWindow(squares, np.sum, [1, 5, 1, 1], [1, 1, 1, 1]);
    return own.mul(np.exp(np.log(sums.mul(1e-4).add(2)).mul(-0.75))).reshape([n, c, h, w]);
  };
  const dense = (x: JaxArray, layer: string): JaxArray =>
    np.matmul(x, parameter(`${layer}.weight`).transpose()).add(parameter(`${layer}.bias`));
  let x = pool(normalize(convolve(images, 'conv1', 4, [0, 0, 3, 3], 1)));
  x = pool(normalize(convolve(x, 'conv2', 1, [2, 2, 2, 2], 2)));
  x = convolve(x, 'conv3', 1, [1, 1, 1, 1], 1);
  x = convolve(x, 'conv4', 1, [1, 1, 1, 1], 2);
  x = pool(convolve(x, 'conv5', 1, [1, 1, 1, 1], 2));
  x = x.reshape([x.shape[0]!, -1]);
  for (const layer of ['fc6', 'fc7']) x = jax.nn.relu(dense(x, layer)).mul(0.5);
  return dense(x, 'fc8');
}
