/**
 * Tandem itself, by its public ops.
 */
import { Network } from '../../src/alexnet/network.js';
import { alexnet, twoTowers } from '../../src/alexnet/networks.js';
import { type CpuOptions, type DeviceName, openDevice, type WebGpuOptions } from '../../src/backends/open.js';
import type { Device } from '../../src/core/device.js';
import { conv2d } from '../../src/core/ops/conv.js';
import { tensor } from '../../src/core/ops/create.js';
import { crossEntropy } from '../../src/core/ops/loss.js';
import { matmul } from '../../src/core/ops/matmul.js';
import { scope } from '../../src/core/scope.js';
import { noGrad } from '../../src/core/tape.js';
import { Tensor } from '../../src/core/tensor.js';
import type { Peer, Ready } from './peer.js';
import type { ConvWork, NetworkWork, Operand, Work } from './work.js';

/** Opens it on a device. */
export async function openTandem(device: DeviceName, options: CpuOptions | WebGpuOptions): Promise<Peer> {
  const opened = await openDevice(device, options);
  return {
    name: 'Tandem',
    prepare: async (work) => prepare(opened, work),
    close: () => opened.close(),
  };
}

function prepare(device: Device, work: Work): Ready {
  switch (work.kind) {
    case 'matmul': {
      const [a, b] = [upload(device, work.a), upload(device, work.b)];
      return ready(device, [a, b], () => matmul(a, b));
    }
    case 'conv':
      return prepareConv(device, work);
    default:
      return prepareNetwork(device, work);
  }
}

function upload(device: Device, { data, shape }: Operand): Tensor {
  return tensor(data, { device, shape });
}

/** A result computed anew by each run. */
function ready(device: Device, operands: readonly Tensor[], compute: () => Tensor | Promise<Tensor>): Ready {
  let last: Tensor | null = null;
  return {
    async run() {
      last?.dispose();
      last = await compute();
      await device.sync();
    },
    result: () => floats(last),
    async dispose() {
      for (const x of [...operands, last]) x?.dispose();
    },
  };
}

async function floats(x: Tensor | null): Promise<Float32Array> {
  const data = await x?.data();
  if (data instanceof Float32Array) return data;
  throw new Error('nothing was computed');
}

function prepareConv(device: Device, work: ConvWork): Ready {
  const { direction, stride, padding, groups } = work;
  const [x, weight, grad] = [work.x, work.weight, work.grad].map((operand) => upload(device, operand));
  if (!x || !weight || !grad) throw new Error('three operands are needed');
  const options = { stride, padding, groups };
  if (direction === 'forward') return ready(device, [x, weight, grad], () => conv2d(x, weight, options));
  // The kernel alone: the tape would run the forward pass as well.
  const out = Tensor.empty('peers', device, direction === 'inputGrad' ? x.shape : weight.shape);
  const geometry = {
    stride: [stride, stride] as const,
    padding,
    dilation: [1, 1] as const,
    groups,
    out: out.view('peers'),
  };
  const by = grad.view('peers');
  return {
    async run() {
      if (direction === 'inputGrad') {
        device.run('conv2dInputGrad', { ...geometry, grad: by, weight: weight.view('peers') });
      } else device.run('conv2dWeightGrad', { ...geometry, grad: by, x: x.view('peers') });
      await device.sync();
    },
    result: () => floats(out),
    async dispose() {
      for (const one of [x, weight, grad, out]) one.dispose();
    },
  };
}

function prepareNetwork(device: Device, work: NetworkWork): Ready {
  const network = new Network({ architecture: alexnet, placement: twoTowers(), devices: [device], seed: 1 });
  network.loadStateDict(work.parameters);
  network.eval();
  const images = upload(device, work.images);
  if (work.kind === 'inference') {
    const infer = (): Tensor => noGrad(() => scope(() => network.forward([images])));
    const made = ready(device, [images], infer);
    return {
      ...made,
      async dispose() {
        await made.dispose();
        network.dispose();
      },
    };
  }
  const labels = tensor(work.labels, { device });
  const weight = network.namedParameters().get('conv1.weight');
  return {
    async run() {
      network.zeroGrad();
      scope(() => {
        crossEntropy(network.forward([images]), labels).backward();
      });
      await device.sync();
    },
    result: () => floats(weight?.grad ?? null),
    async dispose() {
      for (const x of [images, labels]) x.dispose();
      network.dispose();
    },
  };
}
