/**
 * Losses and sums of exponentials where single precision has little to spare: logits of any size, samples learned
 * well, classes far behind, labels that are none. On each kind of device, and in plain loops.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  crossEntropy,
  type Device,
  logSoftmax,
  logSumExp,
  mul,
  openDevice,
  slice,
  softmax,
  sum,
  type Tensor,
  tensor,
} from '../../src/index.js';
import { seededRandom } from '../backends/cpu/numbers.js';
import { gradcheck } from '../support/gradcheck.js';
import { inScope } from '../support/scope.js';
import { openEachKind } from './devices.js';

const test = suite('losses');
const random = seededRandom('core/loss');
const devices = [...(await openEachKind()), await openDevice('cpu:1', { kernels: 'plain' })];
test.after(async () => {
  await Promise.all(devices.map((device) => device.close()));
});

/** A test on each device. */
function onEach(name: string, body: (device: Device) => Promise<void>): void {
  for (const device of devices) {
    const what = `${name} (${device.name}${device.name === 'cpu:1' ? ' plain' : ''})`;
    test(what, () => inScope(() => body(device)));
  }
}

interface Result {
  readonly losses: number[];
  readonly gradient: number[];
}

/** Losses of rows, and the gradient of their sum. */
async function lossesOf(device: Device, rows: number[][], labels: number[]): Promise<Result> {
  const logits = tensor(rows, { device, requiresGrad: true });
  const losses = crossEntropy(logits, tensor(Int32Array.from(labels), { device }), 'none');
  sum(losses).backward();
  return { losses: [...(await losses.data())], gradient: [...(await logits.grad!.data())] };
}

function assertNear(
  actual: readonly number[],
  expected: readonly number[],
  what: string,
  tolerance = 1e-6,
): void {
  expected.forEach((x, i) => {
    const near = Math.abs(actual[i]! - x) <= tolerance * Math.abs(x) || Object.is(actual[i], x);
    assert.ok(near, `${what}: number ${i} is ${actual[i]}, expected ${x}`);
  });
  assert.is(actual.length, expected.length, what);
}

onEach('cross-entropy is the same to the bit with all logits shifted', async (device) => {
  const rows = Array.from({ length: 4 }, () => Array.from({ length: 13 }, () => random.integer(20)));
  const labels = rows.map(() => random.integer(13));
  const still = await lossesOf(device, rows, labels);
  for (const shift of [1e5, -1e5, 1e7]) {
    const shifted = await lossesOf(
      device,
      rows.map((row) => row.map((x) => x + shift)),
      labels,
    );
    assert.equal(shifted, still, `by ${shift}`);
  }
});

onEach('a sample learned well: loss and gradient to all digits', async (device) => {
  for (const gap of [5, 12.25, 18, 60]) {
    const rest = 2 * Math.exp(-gap);
    const { losses, gradient } = await lossesOf(device, [[1000, 1000 - gap, 1000 - gap]], [0]);
    assertNear(losses, [Math.log1p(rest)], `loss ${gap} ahead`, 3e-6);
    const wrong = rest / 2 / (1 + rest);
    assertNear(gradient, [-2 * wrong, wrong, wrong], `gradient ${gap} ahead`, 3e-6);
  }
});

onEach('several largest logits share; one far behind has a large and finite loss', async (device) => {
  const { losses, gradient } = await lossesOf(device, [[7, 7, 7, -200]], [3]);
  assertNear(losses, [207 + Math.log(3)], 'loss');
  assertNear(gradient, [1 / 3, 1 / 3, 1 / 3, -1], 'gradient');
});

onEach('masked logits: -infinity takes no part; infinity and NaN spoil their own row', async (device) => {
  const rows = [
    [1, -Infinity, 1],
    [1, Infinity, 1],
    [NaN, 1, 2],
    [0, 0, 0],
  ];
  const { losses, gradient } = await lossesOf(device, rows, [0, 0, 1, 2]);
  assertNear(losses, [Math.LN2, NaN, NaN, Math.log(3)], 'losses');
  assertNear(gradient.slice(0, 3), [-0.5, 0, 0.5], 'gradient');
  assert.ok(gradient.slice(3, 9).every(Number.isNaN), `${gradient}`);
  assertNear(gradient.slice(9), [1 / 3, 1 / 3, -2 / 3], 'gradient');
});

onEach('a label that is no class: NaN in its loss and its row of the gradient alone', async (device) => {
  const rows = Array.from({ length: 3 }, () => [1, 2, 3, 4, 5]);
  for (const label of [-1, 5, 2 ** 30]) {
    const { losses, gradient } = await lossesOf(device, rows, [0, label, 1]);
    assert.equal(losses.map(Number.isNaN), [false, true, false]);
    assert.equal(
      gradient.map(Number.isNaN),
      Array.from({ length: 15 }, (_, i) => i >= 5 && i < 10),
    );
  }
});

onEach('a hundred thousand classes alike: no digit of their sum is lost', async (device) => {
  const classes = 100_000;
  const gap = 9.5;
  const row = Float32Array.from({ length: classes }, (_, i) => (i === 77 ? 0 : -gap));
  const logits = tensor(row, { device, shape: [1, classes] });
  const loss = await crossEntropy(logits, tensor([77], { device, dtype: 'int32' })).item();
  assertNear([loss], [Math.log1p((classes - 1) * Math.exp(-gap))], 'loss', 2e-6);
});

onEach('logSumExp over axes: extremes, masks, and the softmax as its gradient', async (device) => {
  const x = tensor(
    [
      [1000, 1000, -Infinity],
      [-Infinity, -Infinity, -Infinity],
      [-1000, -1001, -1002],
      [Infinity, 0, 1],
    ],
    { device },
  );
  const tail = Math.log(1 + Math.exp(-1) + Math.exp(-2));
  const wanted = [1000 + Math.LN2, -Infinity, -1000 + tail, Infinity];
  assertNear([...(await logSumExp(x, { axes: 1 }).data())], wanted, 'rows');
  const kept = logSumExp(slice(x, 0, 2, 3), { keepDim: true });
  assert.equal(kept.shape, [1, 1]);
  assertNear([await kept.item()], [-1000 + tail], 'all');
  const leaf = tensor([1, 2, 3], { device, requiresGrad: true });
  logSumExp(leaf).backward();
  assertNear([...(await leaf.grad!.data())], [...(await softmax(leaf).data())], 'gradient');
});

test('logSumExp: gradient against finite differences', async () => {
  const data = Float64Array.from({ length: 12 }, () => 2 * random.normal());
  const f = (x: Tensor) => logSumExp(x, { axes: [0, 2] });
  await gradcheck('logSumExp', devices[0]!, random, f, [{ shape: [2, 3, 2], data }]);
});

onEach('softmax and logSoftmax do not see a shift, and compose to a finite loss', async (device) => {
  const row = [3, -100, 0, 17, 17];
  const [still, shifted] = await Promise.all(
    [0, 1e6].map(async (shift) => [
      ...(await logSoftmax(tensor([row.map((x) => x + shift)], { device })).data()),
      ...(await softmax(tensor([row.map((x) => x + shift)], { device })).data()),
    ]),
  );
  assert.equal(shifted, still);
  const x = tensor([row], { device, requiresGrad: true });
  sum(mul(logSoftmax(x), tensor([0, -1, 0, 0, 0], { device }))).backward();
  assertNear([...(await x.grad!.data())].slice(1, 2), [-1], 'gradient');
});

test.run();
