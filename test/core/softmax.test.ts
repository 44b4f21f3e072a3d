/**
 * Softmax, logSoftmax and logSumExp at their edges, on each kind of device: rows of one element, of infinities and NaN,
 * of huge numbers, rows too long for one thread, integers, and what is refused. (Values along any axis are in
 * layerOps.test.ts, gradients against finite differences in layerGradients.test.ts and loss.test.ts.)
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type Device,
  logSoftmax,
  logSumExp,
  openDevice,
  softmax,
  sum,
  tensor,
  transpose,
  zeros,
} from '../../src/index.js';
import { inScope } from '../support/scope.js';
import { openEachKind } from './devices.js';

const test = suite('softmax');
const devices = [...(await openEachKind()), await openDevice('cpu:1', { kernels: 'plain' })];
test.after(async () => {
  await Promise.all(devices.map((device) => device.close()));
});

/** A test on each device. */
function onEach(name: string, body: (device: Device) => Promise<void>): void {
  for (const device of devices) test(`${name} (${device.description})`, () => inScope(() => body(device)));
}

const near = (a: number, b: number): boolean =>
  Object.is(a, b) || Math.abs(a - b) <= 1e-6 * Math.max(1, Math.abs(b));

onEach('infinities and NaN stay within their row, huge numbers overflow nowhere', async (device) => {
  const rows = [
    [-Infinity, -Infinity, -Infinity],
    [1, Number.NaN, 2],
    [3e38, -3e38, 3e38],
    [-Infinity, 0, -Infinity],
    [1000, 1001, 1000],
  ];
  const shares = [...(await softmax(tensor(rows, { device })).data())];
  const logs = [...(await logSoftmax(tensor(rows, { device })).data())];
  const e = Math.E;
  const expected = [
    ...[Number.NaN, Number.NaN, Number.NaN],
    ...[Number.NaN, Number.NaN, Number.NaN],
    ...[0.5, 0, 0.5],
    ...[0, 1, 0],
    ...[1 / (2 + e), e / (2 + e), 1 / (2 + e)],
  ];
  assert.ok(
    shares.every((share, i) => near(share, expected[i]!)),
    `${shares}`,
  );
  assert.ok(
    logs.every((log, i) => near(log, Math.log(expected[i]!)) || log === -Infinity || log < -1e38),
    `${logs}`,
  );
  assert.is(logs[9], -Infinity);
  assert.is(logs[10], 0);
});

onEach('one element, one long row, rows across a long axis, integers', async (device) => {
  assert.equal([...(await softmax(tensor([[7], [-7]], { device })).data())], [1, 1]);
  const n = 70_000;
  const long = Float32Array.from({ length: n }, (_, i) => (i % 7) - 3);
  const weights = long.map(Math.exp);
  const all = weights.reduce((a, b) => a + b, 0);
  for (const x of [
    tensor(long, { device }),
    tensor(long, { shape: [1, n], device }),
    transpose(tensor(long, { shape: [n, 1], device }), 0, 1),
  ]) {
    const shares = await softmax(x).data();
    assert.ok(shares.every((share, i) => Math.abs((share * all) / weights[i]! - 1) < 1e-5));
    assert.ok(Math.abs((await logSumExp(x).item()) - Math.log(all)) < 1e-5);
  }
  assert.equal([...(await softmax(tensor(Int32Array.of(2, 2), { device })).data())], [0.5, 0.5]);
});

onEach('the gradient of a row of -infinity is 0 for logSumExp, of a sum of shares 0', async (device) => {
  const x = tensor(
    [
      [-Infinity, -Infinity],
      [0, Math.log(3)],
    ],
    { device, requiresGrad: true },
  );
  sum(logSumExp(x, { axes: 1 })).backward();
  const grads = [...(await x.grad!.data())];
  assert.ok([0, 0, 0.25, 0.75].every((share, i) => near(grads[i]!, share)));
  const y = tensor([[0.5, 2, -1]], { device, requiresGrad: true });
  sum(softmax(y)).backward();
  assert.ok((await y.grad!.data()).every((g) => Math.abs(g) < 1e-6));
});

test('no elements are refused, no rows are not', async () => {
  const device = devices[0]!;
  assert.throws(() => softmax(zeros([2, 0], { device })), /softmax: no elements along the axis in 2x0/);
  assert.throws(() => logSoftmax(zeros([0, 3], { device }), 0), /logSoftmax: no elements/);
  assert.throws(() => logSumExp(zeros([0], { device })), /logSumExp: no elements/);
  assert.equal(softmax(zeros([0, 3], { device })).shape, [0, 3]);
});

test.run();
