/**
 * The paper's network as an ONNX file, read back: on one device with towers as groups, on two with towers as branches.
 * That a runtime computes the same from them is checked where one is installed, in bench/peers.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Network, type NetworkOptions } from '../../src/alexnet/network.js';
import { cifar80sec, place80sec, small, smallTowers } from '../../src/alexnet/networks.js';
import { exportNetwork, exportState } from '../../src/alexnet/onnx.js';
import { ArgumentError } from '../../src/core/errors.js';
import type { StateDict } from '../../src/nn/module.js';
import { withDevices } from '../support/devices.js';
import { rejection } from '../support/errors.js';
import { type ReadNode, type ReadTensor, readModel } from '../support/onnx.js';
import { withNetwork } from './towers.js';

const towers = { architecture: small, placement: smallTowers(), seed: 3 };

interface Exported {
  readonly nodes: ReadNode[];
  readonly tensors: Map<string, ReadTensor>;
  readonly state: StateDict;
}

/** Exports a network on so many devices. */
async function exported(options: Omit<NetworkOptions, 'devices'>, devices = 1): Promise<Exported> {
  const settings = Array.from({ length: devices }, () => ({ threads: 1 }));
  let found: Exported = { nodes: [], tensors: new Map(), state: new Map() };
  await withDevices(settings, async (...opened) => {
    await withNetwork({ ...options, devices: opened }, async (network) => {
      found = { ...readModel(await exportNetwork(network)), state: await network.stateDict() };
    });
  });
  return found;
}

const floats = ({ bytes }: ReadTensor): Float32Array => new Float32Array(bytes.slice().buffer);

test('the small two-tower network: operators in order, groups, pads and weights as they are', async () => {
  const { nodes, tensors, state } = await exported(towers);
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
    assert.equal(floats(written!), data);
  }
});

test('on two devices towers are branches, and what they exchange is joined before the layers that read all', async () => {
  const { nodes, tensors, state } = await exported(towers, 2);
  const made = new Set(['images', ...tensors.keys()]);
  for (const { inputs, output } of nodes) {
    for (const input of inputs) assert.ok(made.has(input), `${input} is read before it is written`);
    made.add(output);
  }
  const joined = nodes.filter(({ op }) => op === 'Concat');
  assert.is(joined.length, 4);
  assert.ok(joined.every(({ ints }) => ints.get('axis')?.[0] === 1));
  const readers = (name: string): string[] =>
    nodes.filter(({ inputs }) => inputs.includes(name)).map(({ op }) => op);
  assert.equal(
    joined.map(({ output }) => readers(output)),
    [['Conv', 'Conv'], ['Flatten', 'Flatten'], ['Gemm', 'Gemm'], ['Gemm']],
  );
  assert.ok(nodes.every(({ op, ints }) => op !== 'Conv' || ints.get('group')?.[0] === 1));
  assert.is(nodes.at(-1)?.output, 'logits');
  const halves = [0, 1].flatMap((tower) => [...floats(tensors.get(`conv3.${tower}.weight`)!)]);
  assert.equal(Float32Array.from(halves), state.get('conv3.weight')?.data);
});

test("dropout leaves no trace in the inverted form, and halves in the paper's", async () => {
  for (const [dropoutForm, count] of [
    ['inverted', 0],
    ['paper', 2],
  ] as const) {
    const { nodes } = await exported({ ...towers, dropoutForm });
    assert.is(nodes.filter(({ op }) => op === 'Mul').length, count);
  }
});

test('pools that overhang say so, and pool before ReLU where the table does', async () => {
  const { nodes } = await exported({ architecture: cifar80sec, placement: place80sec(), seed: 3 });
  assert.equal(
    nodes.slice(0, 3).map(({ op }) => op),
    ['Conv', 'MaxPool', 'Relu'],
  );
  const pools = nodes.filter(({ op }) => op.endsWith('Pool'));
  assert.equal(
    pools.map(({ op }) => op),
    ['MaxPool', 'AveragePool', 'AveragePool'],
  );
  assert.ok(pools.every(({ ints }) => ints.get('ceil_mode')?.[0] === 1));
});

test('parameters without a network export as those of a network on one device', async () => {
  await withDevices([{ threads: 1 }], async (device) => {
    await withNetwork({ ...towers, devices: [device] }, async (network) => {
      const tables = { architecture: small, placement: smallTowers() };
      const state = await network.stateDict();
      assert.equal(await exportState({ ...tables, state }), await exportNetwork(network));
      const error = await rejection(exportState({ ...tables, state: new Map() }));
      assert.instance(error, ArgumentError);
      assert.match(error.message, /small: conv1\.weight is missing/);
    });
  });
});

test('towers of different sizes that read their own: a weight each in the state dict, branches in the export', async () => {
  const placement = { ...smallTowers(), conv1: { kernels: [8, 16], reads: 'image' } } as const;
  const uneven = { architecture: small, placement, seed: 3 };
  const { nodes, tensors, state } = await exported(uneven, 2);
  assert.equal(state.get('conv2.0.weight')?.shape, [24, 8, 5, 5]);
  assert.equal(state.get('conv2.1.weight')?.shape, [24, 16, 5, 5]);
  assert.equal(state.get('conv2.bias')?.shape, [48]);
  assert.equal(floats(tensors.get('conv2.1.weight')!), state.get('conv2.1.weight')?.data);
  const sizes = nodes
    .filter(({ op }) => op === 'Conv')
    .map(({ inputs }) => tensors.get(inputs[1]!)?.shape[0]);
  assert.equal(sizes.slice(0, 4), [8, 16, 24, 24]);
  const again = readModel(await exportState({ architecture: small, placement, state }));
  assert.equal(again.nodes, nodes);
  assert.equal([...again.tensors], [...tensors]);
  await withDevices([{ threads: 1 }, { threads: 1 }], async (...devices) => {
    await withNetwork({ ...uneven, devices, parameters: state }, async (network) => {
      assert.equal(await network.stateDict(), state);
      network.loadStateDict(state);
      assert.equal(await network.stateDict(), state);
    });
    const one = () => new Network({ ...uneven, devices: devices.slice(0, 1) });
    assert.throws(one, /conv1 keeps towers of different sizes apart: that needs a device for each tower/);
  });
});

test.run();
