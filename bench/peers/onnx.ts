/**
 * ONNX Runtime, native (onnxruntime-node) and WebAssembly (onnxruntime-web): a model for each row.
 */

import { alexnet, twoTowers } from '../../src/alexnet/networks.js';
import { exportState } from '../../src/alexnet/onnx.js';
import { encodeModel, type OnnxModel, type OnnxNode } from '../../src/formats/onnx/format.js';
import { CannotError, type Peer, type Ready } from './peer.js';
import type { ConvWork, MatmulWork, Operand, Work } from './work.js';

/** What both packages offer alike. */
type Runtime = Pick<typeof import('onnxruntime-web'), 'InferenceSession' | 'Tensor'>;

/** The native library, on this many threads. */
export async function openOnnxNative(threads: number): Promise<Peer> {
  const runtime = await import('onnxruntime-node');
  return peer('onnxruntime-node', runtime, { intraOpNumThreads: threads, interOpNumThreads: 1 });
}

/** WebAssembly, on this many threads. */
export async function openOnnxWeb(threads: number): Promise<Peer> {
  const runtime = await import('onnxruntime-web');
  runtime.env.wasm.numThreads = threads;
  return peer('onnxruntime-web', runtime, { executionProviders: ['wasm'] });
}

function peer(name: string, runtime: Runtime, options: object): Peer {
  return {
    name,
    async prepare(work) {
      const { model, inputs } = await modelOf(work);
      const session = await runtime.InferenceSession.create(model, options);
      return ready(runtime, session, inputs);
    },
    close: async () => {},
  };
}

async function ready(
  runtime: Runtime,
  session: Awaited<ReturnType<Runtime['InferenceSession']['create']>>,
  inputs: Readonly<Record<string, Operand>>,
): Promise<Ready> {
  const feeds = Object.fromEntries(
    Object.entries(inputs).map(([key, { data, shape }]) => [
      key,
      new runtime.Tensor('float32', data, [...shape]),
    ]),
  );
  const [output = ''] = session.outputNames;
  let last: unknown = null;
  return {
    async run() {
      const outputs = await session.run(feeds);
      last = outputs[output]?.data;
    },
    async result() {
      if (last instanceof Float32Array) return last;
      throw new Error('nothing was computed');
    },
    dispose: () => session.release(),
  };
}

interface ModelWithInputs {
  readonly model: Uint8Array;
  readonly inputs: Readonly<Record<string, Operand>>;
}

async function modelOf(work: Work): Promise<ModelWithInputs> {
  switch (work.kind) {
    case 'matmul':
      return matmulModel(work);
    case 'conv':
      return convModel(work);
    case 'inference': {
      const tables = { architecture: alexnet, placement: twoTowers() };
      const model = await exportState({ ...tables, state: work.parameters });
      return { model, inputs: { images: work.images } };
    }
    case 'training':
      throw new CannotError('its inference sessions have no gradients');
  }
}

function oneNode(
  node: Omit<OnnxNode, 'name' | 'output'>,
  input: Operand,
  constant: Operand,
  output: readonly number[],
): ModelWithInputs {
  const model: OnnxModel = {
    name: node.op,
    nodes: [{ ...node, name: 'node', output: 'out' }],
    tensors: [{ name: 'constant', ...constant }],
    input: { name: 'input', shape: input.shape },
    output: { name: 'out', shape: output },
  };
  return { model: encodeModel(model), inputs: { input } };
}

function matmulModel({ a, b }: MatmulWork): ModelWithInputs {
  const node = { op: 'MatMul', inputs: ['input', 'constant'], attributes: {} };
  return oneNode(node, a, b, [a.shape[0]!, b.shape[1]!]);
}

function convModel({ direction, x, weight, grad, stride, padding, groups }: ConvWork): ModelWithInputs {
  const inputs = ['input', 'constant'];
  const attributes = {
    kernel_shape: weight.shape.slice(2),
    strides: [stride, stride],
    pads: [...padding],
    group: groups,
  };
  if (direction === 'forward') return oneNode({ op: 'Conv', inputs, attributes }, x, weight, grad.shape);
  if (direction === 'weightGrad')
    throw new CannotError('ONNX has no operator for the gradient by the weights');
  // The gradient by the input is ConvTranspose, with rows that no window reached added at the end.
  const rest = [0, 1].map((axis) => {
    const [size, out, kernel] = [x.shape[2 + axis]!, grad.shape[2 + axis]!, weight.shape[2 + axis]!];
    return size - ((out - 1) * stride + kernel - padding[axis]! - padding[axis + 2]!);
  });
  return oneNode(
    { op: 'ConvTranspose', inputs, attributes: { ...attributes, output_padding: rest } },
    grad,
    weight,
    x.shape,
  );
}
