/**
 * Values of element-wise ops, reductions and choices against plain JavaScript, on each kind of device: broadcasting,
 * views as operands, NaN, integers, ties. (Products, images and losses are in layerOps.test.ts.)
 */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  abs,
  add,
  argmax,
  cast,
  clamp,
  cos,
  div,
  eq,
  erf,
  exp,
  flip,
  floor,
  gather,
  ge,
  gt,
  indexSelect,
  isnan,
  le,
  log,
  lt,
  max,
  maximum,
  mean,
  min,
  minimum,
  mul,
  ne,
  neg,
  oneHot,
  ones,
  permute,
  pow,
  relu,
  sigmoid,
  sin,
  sqrt,
  sub,
  sum,
  type Tensor,
  tanh,
  tensor,
  topk,
  where,
  zeros,
} from '../../src/index.js';
import { seededRandom } from '../backends/cpu/numbers.js';
import { inDoubles } from '../backends/ulps.js';
import { leaklessOnEach, list, openEachKind } from './devices.js';
import { assertNd, broadcastShape, type Index, indices, Nd } from './nd.js';
import { between, broadcastingShapes, oneOf, randomAxes, randomShape } from './shapes.js';

const test = suite('ops');
const random = seededRandom('core/ops');
const devices = await openEachKind();
test.after(async () => {
  await Promise.all(devices.map((device) => device.close()));
});

const onEach = leaklessOnEach(test, devices);

const binaryOps: readonly (readonly [
  string,
  (a: Tensor | number, b: Tensor | number) => Tensor,
  (a: number, b: number) => number,
])[] = [
  ['add', add, (a, b) => a + b],
  ['sub', sub, (a, b) => a - b],
  ['mul', mul, (a, b) => a * b],
  ['div', div, (a, b) => a / b],
  ['minimum', minimum, Math.min],
  ['maximum', maximum, Math.max],
  ['eq', eq, (a, b) => Number(a === b)],
  ['ne', ne, (a, b) => Number(a !== b)],
  ['lt', lt, (a, b) => Number(a < b)],
  ['le', le, (a, b) => Number(a <= b)],
  ['gt', gt, (a, b) => Number(a > b)],
  ['ge', ge, (a, b) => Number(a >= b)],
];

onEach('operations of two operands: any broadcasting, views, numbers', async (device) => {
  for (const [name, op, of] of binaryOps) {
    for (let rank = 0; rank <= 4; rank++) {
      const [shapeA = [], shapeB = []] = broadcastingShapes(random, 2, rank);
      // Small whole numbers, so that comparisons meet equal ones.
      const [a, b] = [Nd.integers(random, shapeA, -3, 3), Nd.integers(random, shapeB, 1, 4)];
      const expected = Nd.build(broadcastShape(shapeA, shapeB), (index) =>
        of(a.broadcastAt(index), b.broadcastAt(index)),
      );
      const [x, y] = [a.seen(random, device), b.seen(random, device)];
      await assertNd(op(x, y), expected, `${name} of ${shapeA} and ${shapeB}`);
      await assertNd(
        op(x, 2),
        Nd.build(shapeA, (index) => of(a.at(...index), 2)),
        `${name} by a number`,
      );
      await assertNd(
        op(2, y),
        Nd.build(shapeB, (index) => of(2, b.at(...index))),
        `${name} of a number`,
      );
    }
  }
});

onEach('pow: whole and broken powers', async (device) => {
  const base = Nd.build([4, 5], () => 0.1 + 3 * random.uniform());
  const power = Nd.build([5], () => 4 * random.uniform() - 2);
  const expected = Nd.build([4, 5], ([i, j]) => base.at(i!, j!) ** power.at(j!));
  await assertNd(pow(base.on(device), power.on(device)), expected, 'pow', 1e-10);
  assert.equal(await list(pow(tensor([-2, -1, 0, 3], { device }), 2)), [4, 1, 0, 9]);
  assert.equal(await list(pow(tensor([-2, -1, 2], { device }), 3)), [-8, -1, 8]);
});

onEach('operations of one operand', async (device) => {
  const ops: readonly (readonly [string, (x: Tensor) => Tensor, (x: number) => number])[] = [
    ['neg', neg, (x) => -x],
    ['abs', abs, Math.abs],
    ['exp', exp, Math.exp],
    ['log', (x) => log(abs(x)), (x) => Math.log(Math.abs(x))],
    ['sqrt', (x) => sqrt(abs(x)), (x) => Math.sqrt(Math.abs(x))],
    ['sin', sin, Math.sin],
    ['cos', cos, Math.cos],
    ['tanh', tanh, Math.tanh],
    ['erf', erf, inDoubles.erf],
    ['relu', relu, (x) => Math.max(0, x)],
    ['sigmoid', sigmoid, (x) => 1 / (1 + Math.exp(-x))],
    ['floor', floor, Math.floor],
    ['clamp', (x) => clamp(x, -0.5, 1.25), (x) => Math.min(Math.max(x, -0.5), 1.25)],
  ];
  for (const [name, op, of] of ops) {
    const x = Nd.normal(random, randomShape(random, 3, 5));
    const expected = Nd.build(x.shape, (index) => of(x.at(...index)));
    await assertNd(op(x.seen(random, device)), expected, name);
  }
});

onEach('where: three operands broadcast, and conditions may be numbers other than 1', async (device) => {
  for (let rank = 1; rank <= 3; rank++) {
    const [shapeC = [], shapeA = [], shapeB = []] = broadcastingShapes(random, 3, rank);
    const condition = Nd.integers(random, shapeC, -1, 1);
    const [a, b] = [Nd.normal(random, shapeA), Nd.normal(random, shapeB)];
    const expected = Nd.build(broadcastShape(shapeC, shapeA, shapeB), (index) =>
      condition.broadcastAt(index) !== 0 ? a.broadcastAt(index) : b.broadcastAt(index),
    );
    const chosen = where(condition.seen(random, device), a.seen(random, device), b.seen(random, device));
    await assertNd(chosen, expected, 'where', 0);
  }
  assert.equal(await list(where(tensor([0, 1], { device }), 5, 6)), [6, 5]);
});

onEach('NaN: handed on by arithmetic and extremes, false in comparisons, seen by isnan', async (device) => {
  const x = tensor([Number.NaN, 1], { device });
  for (const op of [add, mul, maximum, minimum]) {
    for (const y of [op(x, 2), op(2, x), op(x, ones([2], { device }))]) {
      const [first, second] = await list(y);
      assert.ok(Number.isNaN(first), op.name);
      assert.not.ok(Number.isNaN(second), op.name);
    }
  }
  for (const op of [relu, abs, tanh, exp, sigmoid, (y: Tensor) => clamp(y, 0, 1)]) {
    assert.ok(Number.isNaN((await list(op(x)))[0]));
  }
  for (const op of [eq, lt, le, gt, ge]) assert.is((await list(op(x, x)))[0], 0, op.name);
  assert.equal(await list(ne(x, x)), [1, 0]);
  assert.equal(await list(isnan(x)), [1, 0]);
  assert.ok(Number.isNaN(await max(x).item()));
  assert.ok(Number.isNaN(await min(x).item()));
  assert.ok(Number.isNaN(await sum(x).item()));
});

onEach('infinities', async (device) => {
  const x = tensor([Infinity, -Infinity], { device });
  assert.equal(await list(sigmoid(x)), [1, 0]);
  assert.equal(await list(tanh(x)), [1, -1]);
  assert.equal(await list(exp(x)), [Infinity, 0]);
  assert.is(await max(x).item(), Infinity);
  assert.is(await min(x).item(), -Infinity);
});

onEach('integers: among themselves they give int32, cast goes toward zero', async (device) => {
  const x = tensor([250, 7, 0], { device, dtype: 'uint8' });
  const y = tensor([-3, 2, 100], { device, dtype: 'int32' });
  const total = add(x, y);
  assert.is(total.dtype, 'int32');
  assert.equal(await list(total), [247, 9, 100]);
  assert.is(sum(x).dtype, 'int32');
  assert.is(mean(x).dtype, 'float32');
  assert.is(await sum(y).item(), 99);
  assert.is(await max(y).item(), 100);
  const z = tensor([-1.9, 1.9, 200.5], { device });
  assert.equal(await cast(z, 'int32').data(), Int32Array.of(-1, 1, 200));
  assert.equal(await cast(abs(flip(z, 0)), 'uint8').data(), Uint8Array.of(200, 1, 1));
  assert.equal(await cast(x, 'int32').data(), Int32Array.of(250, 7, 0));
  assert.equal(await cast(y, 'float32').data(), Float32Array.of(-3, 2, 100));
});

const reductions: readonly (readonly [string, typeof sum, (values: number[]) => number])[] = [
  ['sum', sum, (values) => values.reduce((a, b) => a + b, 0)],
  ['mean', mean, (values) => values.reduce((a, b) => a + b, 0) / values.length],
  ['max', max, (values) => Math.max(...values)],
  ['min', min, (values) => Math.min(...values)],
];

/** What a reduction over some axes should give. */
function reduced(x: Nd, axes: readonly number[], keepDim: boolean, of: (values: number[]) => number): Nd {
  const rank = x.shape.length;
  const gone = axes.map((axis) => (axis < 0 ? axis + rank : axis));
  const groups = new Map<string, number[]>();
  for (const index of indices(x.shape)) {
    const key = index.filter((_, axis) => !gone.includes(axis)).join();
    groups.set(key, [...(groups.get(key) ?? []), x.at(...index)]);
  }
  const shape = x.shape.flatMap((n, axis) => (!gone.includes(axis) ? [n] : keepDim ? [1] : []));
  const own = (index: Index): string =>
    (keepDim ? index.filter((_, axis) => !gone.includes(axis)) : index).join();
  return Nd.build(shape, (index) => of(groups.get(own(index)) ?? []));
}

onEach('reductions over any axes, in any order, of views', async (device) => {
  for (const [name, op, of] of reductions) {
    for (let rank = 0; rank <= 4; rank++) {
      for (const keepDim of [false, true]) {
        const x = Nd.integers(random, randomShape(random, rank, 6), -20, 20);
        const axes = randomAxes(random, rank);
        const what = `${name} of ${x.shape} over ${axes} keepDim=${keepDim}`;
        await assertNd(op(x.seen(random, device), { axes, keepDim }), reduced(x, axes, keepDim, of), what);
      }
      const x = Nd.integers(random, randomShape(random, rank, 6), -20, 20);
      await assertNd(
        op(x.seen(random, device)),
        reduced(x, [...x.shape.keys()], false, of),
        `${name} of all`,
      );
    }
  }
});

onEach('reductions of no elements', async (device) => {
  const none = zeros([2, 0], { device });
  assert.equal(await list(sum(none, { axes: 1 })), [0, 0]);
  assert.ok(Number.isNaN(await mean(none).item()));
  assert.throws(() => max(none), /max: no elements to choose from in 2x0/);
  assert.equal(max(none, { axes: 0 }).shape, [0]);
});

onEach('topk and argmax: the first of equal ones, NaN before all, along any axis', async (device) => {
  const x = tensor([3, 1, 3, Number.NaN, 2, 3], { device });
  const { values, indices: places } = topk(x, 4);
  assert.is((await list(values)).join(), 'NaN,3,3,3');
  assert.equal(await places.data(), Int32Array.of(3, 0, 2, 5));
  assert.is(await argmax(tensor([1, 5, 5], { device })).item(), 1);
  for (const dtype of ['float32', 'int32', 'uint8'] as const) {
    const model = Nd.integers(random, [3, 4, 5], 0, 9);
    const axis = random.integer(3);
    const k = between(random, 1, model.shape[axis]!);
    const shape = model.shape.map((n, i) => (i === axis ? k : n));
    const best = (index: Index): number[] => {
      const value = (i: number): number => model.at(...index.map((own, a) => (a === axis ? i : own)));
      return [...Array(model.shape[axis]).keys()].sort((i, j) => value(j) - value(i) || i - j);
    };
    const place = (index: Index): number => best(index)[index[axis]!]!;
    const result = topk(model.seen(random, device, dtype), k, axis);
    assert.is(result.values.dtype, dtype);
    await assertNd(result.indices, Nd.build(shape, place), `topk ${dtype} along ${axis}`, 0);
    const value = (index: Index): number =>
      model.at(...index.map((own, a) => (a === axis ? place(index) : own)));
    await assertNd(result.values, Nd.build(shape, value), `topk ${dtype} along ${axis}`, 0);
    const dropped = shape.filter((_, i) => i !== axis);
    const first = (index: Index): number => best([...index.slice(0, axis), 0, ...index.slice(axis)])[0]!;
    await assertNd(argmax(model.seen(random, device, dtype), axis), Nd.build(dropped, first), 'argmax', 0);
  }
});

onEach('gather and indexSelect, and what an index outside gives', async (device) => {
  for (const dtype of ['float32', 'int32', 'uint8'] as const) {
    for (let rank = 1; rank <= 3; rank++) {
      const x = Nd.integers(random, randomShape(random, rank, 4), 0, 200);
      const axis = random.integer(rank);
      const n = x.shape[axis]!;
      const index = Nd.integers(
        random,
        x.shape.map((size, i) => (i === axis ? 5 : size)),
        0,
        n - 1,
      );
      const at = (place: Index, i: number): number => x.at(...place.map((own, a) => (a === axis ? i : own)));
      const gathered = gather(x.seen(random, device, dtype), axis, index.seen(random, device, 'int32'));
      assert.is(gathered.dtype, dtype);
      await assertNd(
        gathered,
        Nd.build(index.shape, (place) => at(place, index.at(...place))),
        'gather',
        0,
      );
      const rows = Nd.integers(random, [5], 0, n - 1);
      const selected = indexSelect(x.seen(random, device, dtype), axis, rows.seen(random, device, 'int32'));
      await assertNd(
        selected,
        Nd.build(index.shape, (place) => at(place, rows.at(place[axis]!))),
        'indexSelect',
        0,
      );
    }
  }
  const outside = tensor([-1, 0, 2], { device, dtype: 'int32' });
  const floats = await list(gather(tensor([4, 5], { device }), 0, outside));
  assert.equal([Number.isNaN(floats[0]), floats[1], Number.isNaN(floats[2])], [true, 4, true]);
  assert.equal(await list(indexSelect(tensor([4, 5], { device, dtype: 'int32' }), 0, outside)), [0, 4, 0]);
});

onEach('oneHot: a row for each label, also of a view; none for a label outside', async (device) => {
  const labels = tensor(Int32Array.of(9, 2, -1, 0, 1), { device });
  const rows = oneHot(flip(labels, 0), 3);
  assert.equal([...rows.shape], [5, 3]);
  assert.equal(await list(rows), [0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
});

onEach('a chain of views and ops of one shape, at random', async (device) => {
  for (let round = 0; round < 5; round++) {
    let model = Nd.normal(random, [4, 4]);
    let x = model.on(device);
    for (let step = 0; step < 6; step++) {
      const before = model;
      const [next, of] = oneOf(random, [
        [(y: Tensor) => permute(y, [1, 0]), (i: number, j: number) => before.at(j, i)],
        [(y: Tensor) => flip(y, 1), (i: number, j: number) => before.at(i, 3 - j)],
        [
          (y: Tensor) => add(y, permute(y, [1, 0])),
          (i: number, j: number) => before.at(i, j) + before.at(j, i),
        ],
        [(y: Tensor) => mul(y, flip(y, 0)), (i: number, j: number) => before.at(i, j) * before.at(3 - i, j)],
        [(y: Tensor) => tanh(y), (i: number, j: number) => Math.tanh(before.at(i, j))],
      ] as const);
      x = next(x);
      model = Nd.build([4, 4], ([i, j]) => of(i!, j!));
    }
    await assertNd(x, model, `round ${round}`, 1e-9);
  }
});

test.run();
