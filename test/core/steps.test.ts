/** A training by hand, step after step: the same memory at each. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  conv2d,
  crossEntropy,
  type Device,
  flatten,
  keep,
  linear,
  maxPool2d,
  mul,
  noGrad,
  openDevice,
  rand,
  scope,
  sub,
  type Tensor,
  tensor,
} from '../../src/index.js';
import { inScope } from '../support/scope.js';

const test = suite('steps');
let device: Device;

test.before(async () => {
  device = await openDevice('cpu:0', { threads: 2 });
});
test.after(() => device.close());

test('training holds the same bytes and buffers at every step', async () => {
  const make = (shape: number[]): Tensor => mul(sub(rand(shape, { device }), 0.5), 0.2).detach();
  const weights = scope(() => [make([4, 3, 3, 3]), make([4]), make([5, 64]), make([5])].map((w) => keep(w)));
  for (const w of weights) w.requiresGrad = true;
  const x = rand([4, 3, 8, 8], { device });
  const labels = tensor(Int32Array.of(0, 1, 2, 3), { device });
  const seen = new Set<string>();
  let first = 0;
  let last = 0;
  for (let step = 0; step < 200; step++) {
    last = await inScope(async () => {
      const [kernel, channelBias, weight, bias] = weights;
      const conv = conv2d(x, kernel!, { padding: 1, bias: channelBias!, relu: true });
      const flat = flatten(maxPool2d(conv, { kernel: 2 }));
      const loss = crossEntropy(linear(flat, weight!, { bias: bias! }), labels);
      loss.backward();
      for (const [i, w] of weights.entries()) {
        const updated = noGrad(() => keep(sub(w, mul(w.grad!, 0.1))));
        w.dispose();
        updated.requiresGrad = true;
        weights[i] = updated;
      }
      return loss.item();
    });
    if (step === 0) first = last;
    const { live, buffers } = device.memory();
    seen.add(`${live} bytes in ${buffers}`);
  }
  assert.is(seen.size, 1, [...seen].join(', '));
  assert.ok(last < first, `the loss went from ${first} to ${last}`);
  for (const t of [...weights, x, labels]) t.dispose();
  assert.is(device.memory().buffers, 0, 'buffers left behind');
});

test.run();
