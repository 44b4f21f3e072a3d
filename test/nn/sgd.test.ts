/**
 * SGD against the paper's formula (section 5) worked out in plain numbers.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ArgumentError } from '../../src/core/errors.js';
import { tensor } from '../../src/core/ops/create.js';
import { mul } from '../../src/core/ops/elementwise.js';
import { sum } from '../../src/core/ops/reduce.js';
import { scope } from '../../src/core/scope.js';
import type { Tensor } from '../../src/core/tensor.js';
import { trace } from '../../src/core/trace.js';
import { parameter } from '../../src/nn/module.js';
import { SGD } from '../../src/nn/sgd.js';
import { withDevices } from '../support/devices.js';

const one = [{ threads: 1 }];

/** Gives x the gradient `by`: that of sum(x * by). */
function differentiate(x: Tensor, by: readonly number[]): void {
  scope(() => sum(mul(x, tensor(by, { device: x.device }))).backward());
}

/** Fails unless every number agrees to a millionth. */
function near(actual: ArrayLike<number>, expected: readonly number[], what: string): void {
  const apart = expected.some((x, i) => !(Math.abs(actual[i]! - x) <= 1e-6 * Math.max(1, Math.abs(x))));
  assert.not(apart, `${what}: ${Array.from(actual).join(', ')}, expected ${expected.join(', ')}`);
}

/** Gradients of five steps for two weights; the rate drops to a tenth after the second. */
const gradients = [
  [0.5, -1],
  [0.25, 2],
  [-1, 0.5],
  [0, 0],
  [0.125, -0.5],
];
const rateAt = (step: number): number => (step < 2 ? 0.1 : 0.01);

test('a step is v := 0.9 v - 0.0005 rate w - rate g; w := w + v, also after the rate changes', async () => {
  await withDevices(one, async (device) => {
    const x = parameter(tensor([2, -3], { device }));
    const sgd = new SGD([{ params: [x], learningRate: 0.1 }]);
    const w = [2, -3];
    const v = [0, 0];
    // PyTorch's form, which keeps the rate outside: b := 0.9 b + g + 0.0005 w; w := w - rate b.
    const [other, buffer] = [
      [2, -3],
      [0, 0],
    ];
    for (const [step, g] of gradients.entries()) {
      const rate = rateAt(step);
      sgd.groups[0]!.learningRate = rate;
      sgd.zeroGrad();
      differentiate(x, g);
      sgd.step();
      for (const i of [0, 1]) {
        v[i] = 0.9 * v[i]! - 0.0005 * rate * w[i]! - rate * g[i]!;
        w[i]! += v[i]!;
        buffer[i] = 0.9 * buffer[i]! + g[i]! + 0.0005 * other[i]!;
        other[i]! -= rate * buffer[i]!;
      }
      near(await x.data(), w, `weights after step ${step}`);
      near(await sgd.velocityOf(x).data(), v, `velocity after step ${step}`);
      const apart = Math.max(...w.map((value, i) => Math.abs(value - other[i]!)));
      assert.is(apart > 0.01, step >= 2, `step ${step}: ${apart} from the form with the rate outside`);
    }
  });
});

test('worked by hand: two steps of one weight', async () => {
  await withDevices(one, async (device) => {
    const x = parameter(tensor([1], { device }));
    const sgd = new SGD([{ params: [x], learningRate: 0.5, momentum: 0.5, weightDecay: 0.25 }]);
    differentiate(x, [2]);
    sgd.step(); // v = 0 - 0.25 * 0.5 * 1 - 0.5 * 2 = -1.125; w = -0.125
    assert.equal(await x.data(), Float32Array.of(-0.125));
    sgd.step(); // the same gradient: v = -0.5625 + 0.015625 - 1 = -1.546875; w = -1.671875
    assert.equal(await x.data(), Float32Array.of(-1.671875));
    assert.equal(await sgd.velocityOf(x).data(), Float32Array.of(-1.546875));
  });
});

test('groups have their own rates, momentum and decay; parameters without gradient stay', async () => {
  await withDevices(one, async (device) => {
    const [a, b, c, still] = [1, 1, 1, 1].map((x) => parameter(tensor([x], { device })));
    const sgd = new SGD([
      { params: [a!, still!], learningRate: 0.5, momentum: 0, weightDecay: 0 },
      { params: [b!], learningRate: 0.25, momentum: 1, weightDecay: 0 },
      { params: [c!], learningRate: 0.25, momentum: 0, weightDecay: 0.5 },
    ]);
    for (let step = 0; step < 2; step++) {
      sgd.zeroGrad();
      for (const x of [a!, b!, c!]) differentiate(x, [1]);
      sgd.step();
    }
    assert.equal(await a!.data(), Float32Array.of(0)); // 1 - 0.5 - 0.5
    assert.equal(await b!.data(), Float32Array.of(0.25)); // v: -0.25, then -0.5
    assert.equal(await c!.data(), Float32Array.of(0.296875)); // 1 - 0.375, then - 0.25 (1 + 0.5 * 0.625)
    assert.equal(await still!.data(), Float32Array.of(1));
  });
});

test("defaults are the paper's; initialRate remembers where a group began", async () => {
  await withDevices(one, async (device) => {
    const { params, ...settings } = new SGD([{ params: [parameter(tensor([0], { device }))] }]).groups[0]!;
    assert.is(params.length, 1);
    assert.equal(settings, {
      name: '',
      learningRate: 0.01,
      initialRate: 0.01,
      momentum: 0.9,
      weightDecay: 0.0005,
      dampening: 0,
      nesterov: false,
      form: 'paper',
      scheduled: true,
    });
  });
});

test('gradients add up until zeroGrad; velocities survive scopes and go with dispose', async () => {
  await withDevices(one, async (device) => {
    const x = parameter(tensor([0], { device }));
    const sgd = new SGD([{ params: [x], learningRate: 1, momentum: 0, weightDecay: 0 }]);
    const empty = device.memory().buffers;
    differentiate(x, [1]);
    differentiate(x, [2]);
    scope(() => sgd.step());
    assert.equal(await x.data(), Float32Array.of(-3));
    sgd.zeroGrad();
    assert.is(x.grad, null);
    assert.equal(await sgd.velocityOf(x).data(), Float32Array.of(-3));
    assert.is(device.memory().buffers, empty + 1);
    sgd.dispose();
    assert.is(device.memory().buffers, empty);
  });
});

test('one optimizer updates parameters on several devices, in the phase of updates', async () => {
  await withDevices([...one, ...one], async (first, second) => {
    const [a, b] = [parameter(tensor([1], { device: first })), parameter(tensor([1], { device: second }))];
    const sgd = new SGD([{ params: [a, b], learningRate: 1, momentum: 0, weightDecay: 0 }]);
    differentiate(a, [1]);
    differentiate(b, [2]);
    first.startProfile();
    sgd.step();
    assert.is(trace.phase, 'forward');
    assert.equal([...new Set((await first.stopProfile()).map((run) => run.phase))], ['update']);
    assert.equal([...(await a.data()), ...(await b.data())], [0, -1]);
  });
});

test('rates below 0 and a parameter in two groups are refused', async () => {
  for (const name of ['learningRate', 'momentum', 'weightDecay']) {
    for (const value of [-0.1, Number.NaN]) {
      assert.throws(
        () => new SGD([{ params: [], [name]: value }]),
        (error: unknown) => error instanceof ArgumentError && error.message.includes(`${name} is ${value}`),
      );
    }
  }
  await withDevices(one, async (device) => {
    const x = parameter(tensor([1], { device }));
    assert.throws(() => new SGD([{ params: [x] }, { params: [x] }]), /a parameter is in two groups/);
  });
});

test.run();
