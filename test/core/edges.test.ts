/**
 * Values and gradients of element-wise ops where they jump or end: powers by the rules of C and IEEE 754, gradients at
 * ties, at 0 and at NaN as PyTorch gives them. On each kind of device, and in plain loops.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as tandem from '../../src/index.js';
import { type Device, e, openDevice, sum, type Tensor, tensor, unary } from '../../src/index.js';
import { inScope } from '../support/scope.js';
import { openEachKind } from './devices.js';

const test = suite('edges');
const devices = [...(await openEachKind()), await openDevice('cpu:1', { kernels: 'plain' })];
test.after(async () => {
  await Promise.all(devices.map((device) => device.close()));
});

function onEach(name: string, body: (device: Device) => Promise<void>): void {
  for (const device of devices) {
    const what = `${name} (${device.name}${device.name === 'cpu:1' ? ' plain' : ''})`;
    test(what, () => inScope(() => body(device)));
  }
}

const inf = Number.POSITIVE_INFINITY;
const nan = Number.NaN;

/** Equal, NaN to NaN and -0 to -0; numbers that had to be rounded to a few units of the last place. */
function same(got: ArrayLike<number>, want: readonly number[], what: string): void {
  const close = (a: number, b: number): boolean => Object.is(a, b) || Math.abs(a - b) <= 1e-6 * Math.abs(b);
  const odd = want.findIndex((value, i) => !close(got[i]!, value));
  assert.ok(odd < 0, `${what}: number ${odd} is ${got[odd]}, expected ${want[odd]}`);
  assert.is(got.length, want.length, what);
}

const bases = [-inf, -2, -1, -0.5, -0, 0, 0.5, 1, 2, inf, nan];
const exponents = [-inf, -3, -2, -1.5, -0.5, -0, 0, 0.25, 0.5, 1, 2, 3, inf, nan];

/** C's pow: JavaScript's but for two cases. */
const power = (a: number, b: number): number => (a === 1 || (a === -1 && Math.abs(b) === inf) ? 1 : a ** b);

onEach('powers at the edges, of tensors, numbers and constants', async (device) => {
  const pairs = bases.flatMap((a) => exponents.map((b) => [a, b] as const));
  const [a, b] = [0, 1].map((side) =>
    tensor(
      pairs.map((pair) => pair[side]!),
      { device },
    ),
  );
  const want = pairs.map(([x, y]) => power(x, y));
  const got = await tandem.pow(a!, b!).data();
  for (const [i, [x, y]] of pairs.entries()) same([got[i]!], [want[i]!], `${x} ** ${y}`);
  const base = tensor(bases, { device });
  for (const y of exponents) {
    const expected = bases.map((x) => power(x, y));
    same(await tandem.pow(base, y).data(), expected, `** ${y}`);
    if (Number.isNaN(y)) continue;
    const constant = unary(`to the ${y}`, (x) => e.pow(x, y));
    same(await constant(base).data(), expected, `** ${y}, a constant`);
  }
});

/** The gradient of the sum of `op` by each of its tensors. */
async function gradients(op: (...xs: Tensor[]) => Tensor, ...xs: Tensor[]): Promise<number[][]> {
  for (const x of xs) x.requiresGrad = true;
  sum(op(...xs)).backward();
  return Promise.all(xs.map(async (x) => Array.from(await x.grad!.data())));
}

onEach("pow's gradients at the edges", async (device) => {
  const pairs = bases.flatMap((a) => exponents.map((b) => [a, b] as const));
  const [a, b] = [0, 1].map((side) =>
    tensor(
      pairs.map((pair) => pair[side]!),
      { device },
    ),
  );
  const [byA, byB] = await gradients(tandem.pow, a!, b!);
  for (const [i, [x, y]] of pairs.entries()) {
    same([byA![i]!], [y === 0 ? 0 : y * power(x, y - 1)], `d ${x} ** ${y} by ${x}`);
    same([byB![i]!], [x === 0 && y >= 0 ? 0 : power(x, y) * Math.log(x)], `d ${x} ** ${y} by ${y}`);
  }
});

onEach('gradients at ties, at 0 and at NaN', async (device) => {
  const of = (...numbers: number[]): Tensor => tensor(numbers, { device });
  const numbers = [-1, -0, 0, 1, nan, inf];
  const x = (): Tensor => of(...numbers);
  const by = async (op: (x: Tensor) => Tensor): Promise<number[]> => (await gradients(op, x()))[0]!;
  assert.equal(await by(tandem.relu), [0, 0, 0, 1, 1, 1]);
  assert.equal(await by(tandem.abs), [-1, 0, 0, 1, 0, 1]);
  assert.equal(await by((y) => tandem.clamp(y, 0, 1)), [0, 1, 1, 1, 0, 0]);
  assert.equal(await by((y) => tandem.clamp(y, -1, inf)), [1, 1, 1, 1, 0, 1]);

  const [left, right] = [of(1, 2, 3, nan, 1, nan), of(2, 2, 1, 1, nan, nan)];
  assert.equal(await gradients(tandem.maximum, left, right), [
    [0, 0.5, 1, 1, 1, 1],
    [1, 0.5, 0, 1, 1, 1],
  ]);
  const [first, second] = [of(1, 2, 3, nan, 1, nan), of(2, 2, 1, 1, nan, nan)];
  assert.equal(await gradients(tandem.minimum, first, second), [
    [1, 0.5, 0, 1, 1, 1],
    [0, 0.5, 1, 1, 1, 1],
  ]);

  // The largest of all: shared evenly among equals, and among those that are NaN.
  const shares = async (...values: number[]): Promise<number[]> =>
    (await gradients((y) => tandem.max(y), of(...values)))[0]!;
  assert.equal(await shares(1, 3, 3, 2), [0, 0.5, 0.5, 0]);
  assert.equal(await shares(1, nan, 3, nan), [0, 0.5, 0, 0.5]);
  assert.equal((await gradients((y) => tandem.min(y), of(nan, 1, 2)))[0], [1, 0, 0]);
});

onEach('a fused ReLU hands the gradient on at NaN, as the op does', async (device) => {
  const rows = tensor([[nan], [-1], [2]], { device, requiresGrad: true });
  const weight = tensor([[1]], { device });
  const y = tandem.linear(rows, weight, { relu: true });
  same(await y.data(), [nan, 0, 2], 'values');
  sum(y).backward();
  assert.equal(Array.from(await rows.grad!.data()), [1, 0, 1]);
});

test.run();
