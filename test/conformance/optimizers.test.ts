/**
 * ONNX's cases of optimizers (Debian's libonnx-testdata) by the classes of `nn`: Momentum in both modes, Adagrad, Adam.
 * They are nodes there that read rate, step, parameters, gradients and what was remembered, and write what becomes of them.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openDevice } from '../../src/backends/open.js';
import type { Device } from '../../src/core/device.js';
import type { HostTensor } from '../../src/core/state.js';
import type { Tensor } from '../../src/core/tensor.js';
import { onDevice } from '../../src/formats/onnx/call.js';
import { type FileNode, readModel } from '../../src/formats/onnx/read.js';
import { Adagrad, Adam, Module, parameter, SGD, type SlotOptimizer } from '../../src/nn/index.js';
import { softwareDriver } from '../../support/driver.js';
import { difference, findCases, readValue } from './cases.js';

/** An optimizer of a node's settings, and its slots in the order in which the node reads and writes them. */
interface Made {
  readonly optimizer: SlotOptimizer;
  readonly slots: readonly string[];
}

/** Steps that count as taken before: Adam's node corrects nothing in step 0, as Adam does nothing after very many. */
const many = 1_000_000;

const makers: Readonly<Record<string, (node: FileNode, params: readonly Tensor[], rate: number) => Made>> = {
  Momentum: ({ attributes }, params, learningRate) => {
    const nesterov = attributes.get('mode')?.text === 'nesterov';
    const momentum = attributes.get('alpha')?.float ?? 0;
    const settings = { momentum, learningRate, nesterov, weightDecay: decayOf(attributes) };
    return { optimizer: new SGD(params, { form: 'pytorch', ...settings }), slots: ['velocity'] };
  },
  Adagrad: ({ attributes }, params, learningRate) => {
    const eps = attributes.get('epsilon')?.float ?? 0;
    const settings = { learningRate, eps, weightDecay: decayOf(attributes) };
    return { optimizer: new Adagrad(params, settings), slots: ['sum'] };
  },
  Adam: ({ attributes }, params, learningRate) => {
    const betas = [attributes.get('alpha')?.float ?? 0.9, attributes.get('beta')?.float ?? 0.999] as const;
    // The case without one has numbers that were made with this one.
    const eps = attributes.get('epsilon')?.float ?? 1e-2;
    const settings = { learningRate, betas, eps, weightDecay: decayOf(attributes) };
    return { optimizer: new Adam(params, settings), slots: ['mean', 'square'] };
  },
};

const decayOf = (attributes: FileNode['attributes']): number =>
  attributes.get('norm_coefficient')?.float ?? 0;

/** Parameters by number. */
class Parameters extends Module {
  constructor(readonly list: readonly Tensor[]) {
    super();
  }
}

async function runOptimizer(name: string, path: string, device: Device): Promise<void> {
  const [node] = readModel(readFileSync(join(path, 'model.onnx')), name).nodes;
  assert.ok(node);
  const data = (file: string, i: number) => readValue(join(path, 'test_data_set_0', `${file}_${i}.pb`));
  const inputs = node.inputs.map((_, i) => data('input', i));
  const rate = inputs[0]?.data[0] ?? 0;
  assert.is(inputs[1]?.data[0], 0, 'the step');
  const kinds = node.op === 'Adam' ? 4 : 3;
  const count = (inputs.length - 2) / kinds;
  // All parameters come first, then all gradients, then all of each slot.
  const of = (kind: number): HostTensor[] =>
    inputs.slice(2 + kind * count, 2 + (kind + 1) * count).map((x) => x!);
  const lift = (x: HostTensor): Tensor => onDevice({ ...x, type: 'float32' }, device);
  const model = new Parameters(of(0).map((x) => parameter(lift(x))));
  const { optimizer, slots } = makers[node.op]!(node, model.list, rate);
  const tensors = slots.flatMap((slot, i) =>
    of(2 + i).map((x, j): [string, HostTensor] => [`${slot}.list.${j}`, { shape: x.shape, data: x.data }]),
  );
  optimizer.loadState({ tensors: new Map(tensors), json: { steps: many } }, model);
  for (const [i, x] of model.list.entries()) x.grad = lift(of(1)[i]!);
  optimizer.step();
  const after = (await optimizer.state(model)).tensors!;
  const results = [
    ...model.list,
    ...slots.flatMap((slot) => model.list.map((_, j) => lift(after.get(`${slot}.list.${j}`)!))),
  ];
  for (const [i, x] of results.entries())
    assert.is(await difference(`${name}, output ${i}`, x, data('output', i)!), null);
  for (const x of results) x.dispose();
  optimizer.dispose();
  assert.is(device.memory().buffers, 0);
}

const found = [...findCases()].filter(([name]) => /^test_(adagrad|adam|momentum|nesterov)/.test(name));

async function runAll(device: Device): Promise<void> {
  try {
    for (const [name, path] of found) await runOptimizer(name, path, device);
  } finally {
    await device.close();
  }
}

if (found.length === 0) {
  console.warn("\nONNX'S CASES OF OPTIMIZERS SKIPPED: libonnx-testdata isn't installed.\n");
} else {
  test(`SGD, Adagrad and Adam take the steps of ONNX's ${found.length} cases`, async () => {
    await runAll(await openDevice('cpu:0', { threads: 1 }));
  });
  const driver = await softwareDriver();
  if (driver !== null)
    test('and on WebGPU', async () => {
      await runAll(await openDevice('webgpu:0', { driver }));
    });
}

test.run();
