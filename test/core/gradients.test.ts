/**
 * Gradients of element-wise ops, views, reductions, choosing and crossing, each against finite differences over
 * random shapes, axes and views. (Products, images and losses are in layerGradients.test.ts.)
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { drawOf } from '../../src/core/random.js';
import { type Shape, sizeOf } from '../../src/core/shape.js';
import {
  abs,
  add,
  binary,
  cast,
  clamp,
  concat,
  contiguous,
  cos,
  type Device,
  div,
  dropout,
  e,
  erf,
  exchange,
  exp,
  expand,
  flatten,
  flip,
  gather,
  indexSelect,
  log,
  max,
  maximum,
  mean,
  min,
  minimum,
  mul,
  neg,
  openDevice,
  pad,
  permute,
  pow,
  type ReduceOptions,
  relu,
  reshape,
  sigmoid,
  sin,
  slice,
  sqrt,
  squeeze,
  stack,
  sub,
  sum,
  type Tensor,
  tanh,
  tensor,
  to,
  transpose,
  unary,
  unsqueeze,
  where,
} from '../../src/index.js';
import { seededRandom } from '../backends/cpu/numbers.js';
import {
  type Differentiable,
  distinctLeaf,
  gradcheck,
  type Leaf,
  normalLeaf,
  positiveLeaf,
} from '../support/gradcheck.js';
import { between, broadcastingShapes, disguise, oneOf, randomAxes, randomShape } from './shapes.js';

const test = suite('gradients');
const random = seededRandom('core/gradients');
let device: Device;
let other: Device;

test.before(async () => {
  device = await openDevice('cpu:0', { threads: 1 });
  other = await openDevice('cpu:1', { threads: 1 });
});
test.after(async () => {
  await Promise.all([device.close(), other.close()]);
});

type MakeLeaf = (rng: typeof random, shape: Shape) => Leaf;

/** Checks f of tensors of `shapes`, each reached through a random view. */
async function check(
  what: string,
  f: Differentiable,
  shapes: readonly Shape[],
  make: MakeLeaf,
): Promise<void> {
  const disguises = shapes.map((shape) => disguise(random, shape));
  const leaves = disguises.map(({ shape }) => make(random, shape));
  const seen = (...inputs: Tensor[]) => f(...inputs.map((x, i) => disguises[i]!.view(x)));
  await gradcheck(`${what} of ${JSON.stringify(shapes)}`, device, random, seen, leaves);
}

const binaryOps = { add, sub, mul, div, pow, minimum, maximum };

for (const [name, op] of Object.entries(binaryOps)) {
  test(`${name}: operands broadcast in any position, numbers and one tensor twice`, async () => {
    const make = name === 'minimum' || name === 'maximum' ? distinctLeaf : positiveLeaf;
    for (let rank = 0; rank <= 4; rank++) {
      // One leaf of distinct numbers cut in two, so that minimum and maximum meet no ties.
      const [a = [], b = []] = broadcastingShapes(random, 2, rank);
      const halves = (both: Tensor): Tensor =>
        op(reshape(slice(both, 0, 0, sizeOf(a)), a), reshape(slice(both, 0, sizeOf(a)), b));
      await check(`${name} of ${a} and ${b}`, halves, [[sizeOf(a) + sizeOf(b)]], make);
    }
    const shape = randomShape(random, 2);
    await check(`${name} of a number`, (x) => op(1.7, x), [shape], make);
    await check(`${name} by a number`, (x) => op(x, 1.7), [shape], make);
    if (make === positiveLeaf) await check(`${name} of one tensor twice`, (x) => op(x, x), [shape], make);
  });
}

const unaryOps: readonly (readonly [string, (x: Tensor) => Tensor, MakeLeaf])[] = [
  ['neg', neg, normalLeaf],
  ['abs', abs, distinctLeaf],
  ['exp', exp, normalLeaf],
  ['log', log, positiveLeaf],
  ['sqrt', sqrt, positiveLeaf],
  ['sin', sin, normalLeaf],
  ['cos', cos, normalLeaf],
  ['tanh', tanh, normalLeaf],
  ['erf', erf, normalLeaf],
  ['relu', relu, distinctLeaf],
  ['sigmoid', sigmoid, normalLeaf],
  ['clamp', (x) => clamp(x, -0.3, 0.4), distinctLeaf],
  ['contiguous', contiguous, normalLeaf],
  ['cast', (x) => cast(x, 'float64'), normalLeaf],
];

for (const [name, op, make] of unaryOps) {
  test(name, async () => {
    for (let rank = 0; rank <= 3; rank++) await check(name, op, [randomShape(random, rank)], make);
  });
}

test('ops of one own: the expression and the gradient given are those that run', async () => {
  const softplus = unary(
    'softplus',
    (x) => e.log(e.add(1, e.exp(x))),
    (g, _y, x) => e.div(g, e.add(1, e.exp(e.neg(x)))),
  );
  const hypotenuse = binary(
    'hypotenuse',
    (a, b) => e.sqrt(e.add(e.mul(a, a), e.mul(b, b))),
    (g, y, a) => e.div(e.mul(g, a), y),
    (g, y, _a, b) => e.div(e.mul(g, b), y),
  );
  await check('softplus', softplus, [[2, 3]], normalLeaf);
  await check('hypotenuse', hypotenuse, [[2, 3], [3]], positiveLeaf);
  const x = tensor([3, 0], { device });
  assert.equal([...(await hypotenuse(x, 4).data())], [5, 4]);
  assert.throws(() => hypotenuse(1, 2), /hypotenuse: got only numbers/);
});

test('where: the condition chooses, all three broadcast', async () => {
  for (let rank = 0; rank <= 3; rank++) {
    const [a = [], b = [], c = []] = broadcastingShapes(random, 3, rank);
    const bits = Uint8Array.from({ length: sizeOf(c) }, () => random.integer(2));
    const chosen = (x: Tensor, y: Tensor): Tensor => where(tensor(bits, { shape: c, device }), x, y);
    await check('where', chosen, [a, b], normalLeaf);
    await check('where of a number', (x) => chosen(x, mul(x, 0)), [a], normalLeaf);
  }
});

test('powers of negative numbers, and the power 0 of 0', async () => {
  for (const power of [2, 3, -1]) await check(`power ${power}`, (x) => pow(x, power), [[5]], normalLeaf);
  const x = tensor([0, 0, 2], { device, requiresGrad: true });
  const power = tensor([0, 2, 0], { device, requiresGrad: true });
  sum(pow(x, power)).backward();
  assert.equal([...(await x.grad!.data())], [0, 0, 0]);
  assert.equal((await power.grad!.data()).slice(0, 2), Float32Array.of(0, 0));
});

const reductions: readonly (readonly [string, (x: Tensor, options: ReduceOptions) => Tensor, MakeLeaf])[] = [
  ['sum', sum, normalLeaf],
  ['mean', mean, normalLeaf],
  ['max', max, distinctLeaf],
  ['min', min, distinctLeaf],
];

for (const [name, op, make] of reductions) {
  test(`${name} over any axes, kept or dropped`, async () => {
    for (let rank = 0; rank <= 4; rank++) {
      const shape = randomShape(random, rank);
      await check(name, (x) => op(x, {}), [shape], make);
      for (const keepDim of [false, true]) {
        const axes = randomAxes(random, rank);
        await check(
          `${name} over ${axes} keepDim=${keepDim}`,
          (x) => op(x, { axes, keepDim }),
          [shape],
          make,
        );
      }
    }
  });
}

test('equal extremes share the gradient evenly', async () => {
  const grads = async (f: (x: Tensor) => Tensor, data: number[][]): Promise<number[]> => {
    const x = tensor(data, { device, requiresGrad: true });
    sum(f(x)).backward();
    return [...(await x.grad!.data())];
  };
  const ties = [
    [4, 1, 4, 4, 4],
    [2, 9, 3, 1, 1],
  ];
  assert.equal(await grads((x) => max(x, { axes: 1 }), ties), [0.25, 0, 0.25, 0.25, 0.25, 0, 1, 0, 0, 0]);
  assert.equal(await grads((x) => min(x, { axes: 1 }), ties), [0, 1, 0, 0, 0, 0, 0, 0, 0.5, 0.5]);
  assert.equal(await grads((x) => maximum(x, 4), [[3, 4, 5]]), [0, 0.5, 1]);
  assert.equal(await grads((x) => minimum(x, 4), [[3, 4, 5]]), [1, 0.5, 0]);
  assert.equal(await grads((x) => maximum(x, x), [[3, 4]]), [1, 1]);
});

test('where a function bends, its gradient is the documented one', async () => {
  const x = tensor([-1, 0, 1], { device, requiresGrad: true });
  sum(relu(x)).backward();
  assert.equal([...(await x.grad!.data())], [0, 0, 1], 'relu is flat at 0');
  x.grad = null;
  sum(abs(x)).backward();
  assert.equal([...(await x.grad!.data())], [-1, 0, 1], 'abs is flat at 0');
  x.grad = null;
  sum(clamp(x, -1, 0)).backward();
  assert.equal([...(await x.grad!.data())], [1, 1, 0], 'clamp passes its bounds');
});

test('views: reshape, flatten, permute, transpose, slice, flip, expand', async () => {
  for (let rank = 1; rank <= 4; rank++) {
    const shape = randomShape(random, rank);
    const axis = random.integer(rank);
    const n = shape[axis]!;
    const order = [...random.permutation(rank)];
    const start = between(random, 0, n - 1);
    const end = between(random, start + 1, n);
    const grown = [
      ...randomShape(random, between(random, 0, 2)),
      ...shape.map((size) => (size === 1 ? 3 : size)),
    ];
    const checks: Record<string, Differentiable> = {
      reshape: (x) => reshape(x, [-1, n]),
      flatten: (x) => flatten(x, axis),
      [`unsqueeze ${axis}`]: (x) => unsqueeze(x, axis),
      [`squeeze ${axis}`]: (x) => squeeze(slice(x, axis, start, start + 1), axis),
      [`permute ${order}`]: (x) => permute(x, order),
      transpose: (x) => transpose(x, axis, -1),
      [`slice ${start} to ${end} of ${axis}`]: (x) => slice(x, axis, start, end),
      [`flip ${order}`]: (x) => flip(x, order.slice(0, 2)),
      [`expand to ${grown}`]: (x) => expand(x, grown),
    };
    for (const [what, f] of Object.entries(checks)) await check(what, f, [shape], normalLeaf);
  }
});

test('concat along any axis, also of one tensor twice', async () => {
  for (let rank = 1; rank <= 3; rank++) {
    const shape = randomShape(random, rank);
    const axis = random.integer(rank);
    const parts = [1, 2, 3].map((n) => shape.map((size, i) => (i === axis ? n : size)));
    await check(`concat along ${axis}`, (...xs) => concat(xs, axis), parts, normalLeaf);
    await check(`concat along ${axis - rank}`, (x) => concat([x, x], axis - rank), [shape], normalLeaf);
  }
});

test('stack along any axis, also of one tensor twice', async () => {
  for (let rank = 0; rank <= 3; rank++) {
    const shape = randomShape(random, rank);
    const axis = random.integer(rank + 1);
    await check(`stack along ${axis}`, (...xs) => stack(xs, axis), [shape, shape, shape], normalLeaf);
    await check(`stack along ${axis - rank - 1}`, (x) => stack([x, x], axis - rank - 1), [shape], normalLeaf);
  }
});

test('pad on all sides', async () => {
  for (let rank = 1; rank <= 3; rank++) {
    const shape = randomShape(random, rank);
    const widths = shape.map(() => [between(random, 0, 2), between(random, 0, 2)] as const);
    await check(`pad ${widths.join('; ')}`, (x) => pad(x, widths, 7), [shape], normalLeaf);
  }
});

test('gather and indexSelect add up what chose the same element', async () => {
  for (let rank = 1; rank <= 3; rank++) {
    const shape = randomShape(random, rank);
    const axis = random.integer(rank);
    const n = shape[axis]!;
    const chosen = shape.map((size, i) => (i === axis ? between(random, 1, 4) : size));
    const indices = Int32Array.from({ length: sizeOf(chosen) }, () => random.integer(n));
    const rows = Int32Array.from({ length: 4 }, () => random.integer(n));
    const index = (): Tensor => tensor(indices, { shape: chosen, device });
    await check(`gather along ${axis}`, (x) => gather(x, axis, index()), [shape], normalLeaf);
    await check(
      `indexSelect along ${axis}`,
      (x) => indexSelect(x, axis, tensor(rows, { device })),
      [shape],
      normalLeaf,
    );
  }
});

test('dropout in both forms drops the same elements of the gradient', async () => {
  const draw = drawOf(random.integer(1000), 3);
  const shape = randomShape(random, 3);
  for (const form of ['paper', 'inverted'] as const) {
    for (const training of [true, false]) {
      const options = { form, training, draw };
      await check(
        `dropout ${form} training=${training}`,
        (x) => dropout(x, 0.4, options),
        [shape],
        normalLeaf,
      );
    }
  }
});

test('operands of two float types: each gets a gradient of its own', async () => {
  const narrow = tensor([1, 2], { device, requiresGrad: true });
  const wide = tensor([3, 4], { device, dtype: 'float64', requiresGrad: true });
  const product = mul(mul(narrow, narrow), wide);
  assert.is(product.dtype, 'float64');
  sum(add(product, cast(narrow, 'float64'))).backward();
  assert.equal(await narrow.grad!.data(), Float32Array.of(7, 17));
  assert.equal(await wide.grad!.data(), Float64Array.of(1, 4));
});

test('to: there, and there and back', async () => {
  const shape = randomShape(random, 2);
  await check('to', (x) => mul(to(x, other), 2), [shape], normalLeaf);
  await check('to twice', (x) => mul(x, to(exp(to(x, other)), device)), [shape], normalLeaf);
});

test('exchange: parts on two devices, each read by one or both', async () => {
  const shape = randomShape(random, 3);
  const axis = random.integer(3);
  const homes = [device, other, device];
  const leaves = homes.map((home, i) => {
    const part = shape.map((n, j) => (j === axis ? i + 1 : n));
    return { ...normalLeaf(random, part), device: home };
  });
  for (const devices of [undefined, [device], [other], [other, device, other]]) {
    const f = (...parts: Tensor[]): Tensor => {
      const joined = exchange(
        parts.map((part) => mul(part, part)),
        { axis, ...(devices && { devices }) },
      );
      let total: Tensor | null = null;
      for (const [i, whole] of joined.entries()) {
        const scaled = to(mul(whole, i + 1), device);
        total = total ? add(total, scaled) : scaled;
      }
      return total!;
    };
    const names = devices?.map((d) => d.name).join() ?? 'the own devices';
    await gradcheck(`exchange along ${axis} to ${names}`, device, random, f, leaves);
  }
});

test('a composition picked at random', async () => {
  const steps: readonly ((x: Tensor) => Tensor)[] = [
    (x) => mul(x, sum(x)),
    (x) => tanh(x),
    (x) => add(x, mean(x, { axes: -1, keepDim: true })),
    (x) => flip(x, 0),
    (x) => mul(x, transpose(x, 0, 1)),
    (x) => sub(x, permute(x, [1, 0])),
    (x) => where(tensor([[1, 0, 1]], { device }), x, sin(x)),
    (x) =>
      slice(
        pad(x, [
          [1, 1],
          [0, 0],
        ]),
        0,
        1,
        -1,
      ),
  ];
  for (let i = 0; i < 10; i++) {
    const chosen = Array.from({ length: 4 }, () => oneOf(random, steps));
    await check(
      `steps ${chosen.map((s) => steps.indexOf(s))}`,
      (x) => chosen.reduce((y, f) => f(y), mul(x, 0.3)),
      [[3, 3]],
      normalLeaf,
    );
  }
});

test.run();
