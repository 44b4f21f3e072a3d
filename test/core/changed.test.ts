/**
 * Elements written over between forward and backward, on each kind of device: an error that names the op, the tensor
 * and who changed it where the gradient needs the old ones, and no error where it doesn't.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { mapInto } from '../../src/core/ops/launch.js';
import {
  add,
  conv2d,
  type Device,
  e,
  exp,
  linear,
  matmul,
  mul,
  neg,
  noLeaks,
  ones,
  relu,
  reshape,
  slice,
  sub,
  sum,
  TandemError,
  type Tensor,
  tensor,
} from '../../src/index.js';
import { Linear, Module, parameter, SGD } from '../../src/nn/index.js';
import { thrown } from '../support/errors.js';
import { inScope } from '../support/scope.js';
import { openEachKind } from './devices.js';

const test = suite('changed in between');
const devices = await openEachKind();
test.after(async () => {
  await Promise.all(devices.map((device) => device.close()));
});

/** A test on each device, in a scope. */
function onEach(name: string, body: (device: Device) => Promise<void>): void {
  for (const device of devices) {
    // Of tensors, not of buffers: WebGPU keeps a convolution's tables.
    test(`${name} (${device.kind})`, () => noLeaks(device, () => inScope(() => body(device))));
  }
}

const sgd = (...params: Tensor[]): SGD => new SGD([{ params, learningRate: 1, momentum: 0, weightDecay: 0 }]);
const gradOf = async (x: Tensor): Promise<number[]> => [...(await x.grad!.data())];
const increment = (x: Tensor): void => mapInto('increment', [e.add(e.input(0), 1)], [x], [x]);

async function refusal(y: Tensor): Promise<string> {
  const error = thrown(() => y.backward());
  assert.instance(error, TandemError);
  return error.message;
}

onEach('step() between forward and backward: names op, shape and optimizer', async (device) => {
  const w = tensor([[2, 3]], { device, requiresGrad: true });
  const x = tensor([[3], [4]], { device, requiresGrad: true });
  const optimizer = sgd(w);
  const product = sum(matmul(w, x));
  sum(w).backward();
  optimizer.step();
  assert.is(
    await refusal(product),
    'backward: the gradient of matmul needs a 1x2 float32 tensor as it was in the forward pass, but SGD changed it ' +
      'in between; call backward() before changing it, or run the forward pass again',
  );
  assert.is(x.grad, null);
  sum(matmul(w, x)).backward();
  assert.equal(await gradOf(x), [1, 2]);
  optimizer.dispose();
});

onEach('a parameter is called by its path; views of it count as it', async (device) => {
  class Net extends Module {
    readonly layers = [new Linear(2, 3, { device }), new Linear(3, 1, { device })];
    forward = (x: Tensor): Tensor => this.layers.reduce((y, layer) => layer.forward(y), x);
  }
  const net = new Net();
  const state = await net.stateDict();
  const loss = sum(net.forward(ones([4, 2], { device })));
  net.loadStateDict(state);
  assert.match(
    await refusal(loss),
    /^backward: the gradient of linear needs layers\.1\.weight \(1x3 float32\) as/,
  );
  const viewed = sum(mul(reshape(net.layers[0]!.weight, [3, 2]), reshape(net.layers[0]!.weight, [3, 2])));
  increment(slice(net.layers[0]!.weight, 0, 0, 1));
  assert.match(
    await refusal(viewed),
    /mul needs layers\.0\.weight \(3x2 float32\).* but increment changed it/,
  );
  net.dispose();
});

onEach('inputs, results and masks that a gradient needs may not change either', async (device) => {
  const x = tensor([-1, 1], { device, requiresGrad: true });
  const factor = tensor([2, 3], { device });
  const image = ones([1, 1, 2, 2], { device });
  const kernel = ones([1, 1, 1, 1], { device, requiresGrad: true });
  for (const [make, changed] of [
    [() => mul(x, factor), () => factor],
    [() => exp(x), (y: Tensor) => y],
    [() => relu(x), (y: Tensor) => y],
    [() => conv2d(image, kernel), () => image],
    [() => conv2d(image, kernel, { relu: true }), (y: Tensor) => y],
  ] as const) {
    const y = make();
    increment(changed(y));
    assert.match(
      await refusal(sum(y)),
      /needs a .* tensor as it was in the forward pass, but increment changed it/,
    );
  }
  assert.is(x.grad, null);
});

onEach(
  'what no gradient needs may change: weights of inputs without gradient, operands of add',
  async (device) => {
    const w = tensor([[1, 2]], { device, requiresGrad: true });
    const x = tensor([[3, 4]], { device });
    const losses = [sum(linear(x, w)), sum(mul(x, w)), sum(add(x, w)), sum(matmul(w, reshape(x, [2, 1])))];
    for (const loss of losses) {
      increment(w);
      loss.backward();
    }
    assert.equal(await gradOf(w), [3 * 3 + 1, 3 * 4 + 1]);
  },
);

onEach('gradients add up in grad over several passes, and grad itself can be an operand', async (device) => {
  const w = tensor([2, 3], { device, requiresGrad: true });
  const losses = [1, 2, 3].map((factor) => sum(mul(mul(w, w), factor)));
  losses[0]!.backward();
  const penalty = sum(mul(w, w.grad!));
  for (const loss of losses.slice(1)) loss.backward();
  assert.equal(await gradOf(w), [24, 36]);
  penalty.backward();
  assert.equal(await gradOf(w), [24 + 4, 36 + 6]);
});

onEach('a GAN: the generator by the discriminator it was judged by, or an error', async (device) => {
  const discriminator = parameter(tensor([[1.5]], { device }), 'discriminator');
  const generator = parameter(tensor([[0.5]], { device }), 'generator');
  const optimizer = sgd(discriminator);
  const fake = matmul(ones([1, 1], { device }), generator);
  const early = neg(sum(matmul(fake, discriminator)));
  sum(matmul(fake.detach(), discriminator)).backward();
  optimizer.step();
  assert.match(
    await refusal(early),
    /^backward: the gradient of matmul needs discriminator \(1x1 float32\) as it was/,
  );
  assert.is(generator.grad, null);
  neg(sum(matmul(fake, discriminator))).backward();
  assert.equal(await gradOf(generator), [-1]);
  for (const x of [discriminator, generator, optimizer]) x.dispose();
});

onEach(
  'actor and critic: a critic stepped before the actor has read its gradient is refused',
  async (device) => {
    const actor = parameter(tensor([[0.5]], { device }), 'actor');
    const critic = parameter(tensor([[2]], { device }), 'critic');
    const optimizer = sgd(critic);
    const state = tensor([[3]], { device });
    const value = matmul(matmul(state, actor), critic);
    const error = sub(matmul(state, critic), 1);
    sum(mul(error, error)).backward();
    optimizer.step();
    assert.match(
      await refusal(sum(value)),
      /needs critic \(1x1 float32\) as it was in the forward pass, but SGD/,
    );
    // The other order: both losses are walked, then both are stepped.
    optimizer.zeroGrad();
    const again = sum(matmul(matmul(state, actor), critic));
    again.backward();
    optimizer.step();
    assert.equal(await gradOf(actor), [3 * (2 - 30)]);
    for (const x of [actor, critic, optimizer]) x.dispose();
  },
);

test.run();
