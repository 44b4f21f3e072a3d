/**
 * ONNX files, read back with a plain protocol-buffer reader. That a runtime computes the same from them is checked
 * where one is installed, in bench/peers.
 */
import { PbfReader } from 'pbf';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Placement, placeLayers } from '../../src/alexnet/architecture.js';
import { type alexnet, cifar80sec, place80sec, small, smallTowers } from '../../src/alexnet/networks.js';
import { exportOnnx } from '../../src/alexnet/onnx.js';
import { ArgumentError } from '../../src/core/errors.js';
import { sizeOf } from '../../src/core/shape.js';
import type { HostTensor, StateDict } from '../../src/nn/module.js';

interface ReadNode {
  op: string;
  inputs: string[];
  output: string;
  ints: Map<string, number[]>;
  floats: Map<string, number>;
}

interface ReadTensor {
  name: string;
  shape: number[];
  bytes: Uint8Array;
}

/** Nodes and constants of a model. */
function read(bytes: Uint8Array): { nodes: ReadNode[]; tensors: Map<string, ReadTensor> } {
  const nodes: ReadNode[] = [];
  const tensors = new Map<string, ReadTensor>();
  const graph = (tag: number, _: null, pbf: PbfReader): void => {
    if (tag === 1)
      nodes.push(
        pbf.readMessage(readNode, { op: '', inputs: [], output: '', ints: new Map(), floats: new Map() }),
      );
    if (tag === 5) {
      const tensor = pbf.readMessage(readTensor, { name: '', shape: [], bytes: new Uint8Array() });
      tensors.set(tensor.name, tensor);
    }
  };
  new PbfReader(bytes).readFields((tag, _, pbf) => {
    if (tag === 7) pbf.readMessage(graph, null);
  }, null);
  return { nodes, tensors };
}

function readNode(tag: number, node: ReadNode, pbf: PbfReader): void {
  if (tag === 1) node.inputs.push(pbf.readString());
  if (tag === 2) node.output = pbf.readString();
  if (tag === 4) node.op = pbf.readString();
  if (tag !== 5) return;
  const ints: number[] = [];
  const attribute = { name: '', ints, float: Number.NaN };
  pbf.readMessage((field, into, reader) => {
    if (field === 1) into.name = reader.readString();
    if (field === 2) into.float = reader.readFloat();
    if (field === 3 || field === 8) into.ints.push(reader.readVarint(true));
  }, attribute);
  node.ints.set(attribute.name, attribute.ints);
  node.floats.set(attribute.name, attribute.float);
}

function readTensor(tag: number, tensor: ReadTensor, pbf: PbfReader): void {
  if (tag === 1) tensor.shape.push(pbf.readVarint());
  if (tag === 8) tensor.name = pbf.readString();
  if (tag === 9) tensor.bytes = pbf.readBytes();
}

function stateOf(architecture: typeof alexnet, placement: Placement): StateDict {
  return new Map(
    placeLayers(architecture, placement).flatMap(({ spec, towers }): [string, HostTensor][] => {
      const kernels = towers.reduce((sum, tower) => sum + tower.kernels, 0);
      const shape = [kernels, ...towers[0]!.weight.slice(1)];
      const data = Float32Array.from({ length: sizeOf(shape) }, (_, i) => (i % 17) / 16);
      const bias = { shape: [kernels], data: new Float32Array(kernels).fill(0.5) };
      return [
        [`${spec.name}.weight`, { shape, data }],
        [`${spec.name}.bias`, bias],
      ];
    }),
  );
}

test('the small two-tower network: operators in order, groups, pads and weights as they are', () => {
  const state = stateOf(small, smallTowers());
  const { nodes, tensors } = read(exportOnnx({ architecture: small, placement: smallTowers(), state }));
  assert.equal(
    nodes.map(({ op }) => op),
    [
      ...['Conv', 'Relu', 'Reshape', 'LRN', 'Reshape', 'MaxPool'],
      ...['Conv', 'Relu', 'Reshape', 'LRN', 'Reshape', 'MaxPool'],
      ...['Conv', 'Relu', 'Conv', 'Relu', 'Conv', 'Relu', 'MaxPool'],
      ...['Flatten', 'Gemm', 'Relu', 'Mul', 'Gemm', 'Relu', 'Mul', 'Gemm'],
    ],
  );
  const convolutions = nodes.filter(({ op }) => op === 'Conv');
  assert.equal(
    convolutions.map(({ ints }) => ints.get('group')?.[0]),
    [1, 2, 1, 2, 2],
  );
  assert.equal(convolutions[0]?.ints.get('pads'), [2, 2, 2, 2]);
  assert.is(nodes[0]?.inputs[0], 'images');
  assert.is(nodes.at(-1)?.output, 'logits');
  for (const [name, { shape, data }] of state) {
    const written = tensors.get(name);
    assert.equal(written?.shape, shape);
    assert.equal(new Float32Array(written!.bytes.slice().buffer), data);
  }
});

test("normalization: ONNX's alpha is divided by the window's size", () => {
  const bytes = exportOnnx({
    architecture: small,
    placement: smallTowers(),
    state: stateOf(small, smallTowers()),
  });
  const lrn = read(bytes).nodes.find(({ op }) => op === 'LRN');
  assert.is(lrn?.ints.get('size')?.[0], 5);
  assert.ok(Math.abs(lrn!.floats.get('alpha')! - 5e-4) < 1e-9);
  assert.is(lrn?.floats.get('bias'), 2);
});

test("dropout leaves no trace in the inverted form, and halves in the paper's", () => {
  const count = (dropoutForm: 'paper' | 'inverted'): number => {
    const state = stateOf(small, smallTowers());
    const bytes = exportOnnx({ architecture: small, placement: smallTowers(), state, dropoutForm });
    return read(bytes).nodes.filter(({ op }) => op === 'Mul').length;
  };
  assert.is(count('inverted'), 0);
  assert.is(count('paper'), 2);
});

test('pools that overhang say so', () => {
  const state = stateOf(cifar80sec, place80sec());
  const { nodes } = read(exportOnnx({ architecture: cifar80sec, placement: place80sec(), state }));
  const pools = nodes.filter(({ op }) => op.endsWith('Pool'));
  assert.equal(
    pools.map(({ op }) => op),
    ['MaxPool', 'AveragePool', 'AveragePool'],
  );
  assert.ok(pools.every(({ ints }) => ints.get('ceil_mode')?.[0] === 1));
});

test('parameters that do not fit are named', () => {
  assert.throws(
    () => exportOnnx({ architecture: small, placement: smallTowers(), state: new Map() }),
    (error: unknown) => error instanceof ArgumentError && /conv1\.weight/.test(error.message),
  );
});

test.run();
