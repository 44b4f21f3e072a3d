/**
 * Ops from outside, on each kind of device, written with the root's exports alone: made of tensors and of expressions,
 * with one result and several; and what is said of functions that give something else than they should.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  add,
  argmax,
  customOp,
  type Device,
  type Expr,
  e,
  exp,
  mul,
  ones,
  openDevice,
  reshape,
  sum,
  TandemError,
  type Tensor,
  tensor,
  update,
  zeros,
} from '../../src/index.js';
import { thrown } from '../support/errors.js';
import { leaklessOnEach, list, openEachKind } from './devices.js';

const test = suite('custom ops');
const devices = await openEachKind();
test.after(async () => {
  await Promise.all(devices.map((device) => device.close()));
});
const onEach = leaklessOnEach(test, devices);

const cube = customOp({
  op: 'cube',
  forward: (x: Tensor) => {
    const square = mul(x, x);
    return { result: mul(square, x), saved: { square } };
  },
  gradient: (g, { square }) => [mul(g, mul(3, square))],
});

const leaf = (device: Device, ...numbers: number[]): Tensor =>
  tensor(numbers, { device, requiresGrad: true });

onEach('an op of tensors: value, gradient, and what it saved in between', async (device) => {
  const x = leaf(device, 1, 2, -3);
  const y = cube(x);
  assert.equal(await list(y), [1, 8, -27]);
  sum(mul(y, 2)).backward();
  assert.equal(await list(x.grad!), [6, 24, 54]);
  assert.not.ok(cube(x.detach()).requiresGrad);
});

onEach(
  'an element-wise op as expressions: numbers stand for operands, and operands broadcast',
  async (device) => {
    const between = customOp({
      op: 'mix',
      value: (a: Expr, b: Expr, t: Expr) => e.add(a, e.mul(t, e.sub(b, a))),
      gradients: [
        (g, _y, _a, _b, t) => e.mul(g, e.sub(1, t!)),
        (g, _y, _a, _b, t) => e.mul(g, t!),
        (g, _y, a, b) => e.mul(g, e.sub(b!, a!)),
      ],
    });
    const [a, b, t] = [leaf(device, 1, 2), reshape(leaf(device, 4), [1, 1]), leaf(device, 0.5)];
    assert.equal(await list(between(a, b, 0.25)), [1.75, 2.5]);
    const y = between(a, b, t);
    assert.equal(y.shape, [1, 2]);
    sum(y).backward();
    assert.equal(await list(a.grad!), [0.5, 0.5]);
    assert.equal(await list(t.grad!), [5]);
    const sign = customOp({ op: 'sign', value: (x) => e.sub(e.gt(x!, 0), e.lt(x!, 0)) });
    assert.not.ok(sign(a).requiresGrad);
  },
);

onEach('several results, of which integers have no gradient, and some may be unused', async (device) => {
  const sumAndExp = customOp({
    op: 'sumAndExp',
    forward: (x: Tensor, y: Tensor) => {
      const power = exp(x);
      return { result: { total: add(x, y), power, place: argmax(x) }, saved: { power } };
    },
    gradient: ({ total, power: grown }, { power }, needs) => {
      const through = grown && mul(grown, power);
      return [total && through ? add(total, through) : (total ?? through), needs[1] ? total : null];
    },
  });
  const [x, y] = [leaf(device, 0, 1), leaf(device, 5, 6)];
  const { total, power, place } = sumAndExp(x, y);
  assert.ok(total.requiresGrad && power.requiresGrad && !place.requiresGrad);
  assert.equal(await list(place), [1]);
  sum(power).backward();
  assert.equal(
    (await list(x.grad!)).map((value) => value.toFixed(4)),
    ['1.0000', Math.E.toFixed(4)],
  );
  assert.is(y.grad, null);
  const { total: only } = sumAndExp(x.detach(), y);
  sum(only).backward();
  assert.equal(await list(y.grad!), [1, 1]);
});

onEach(
  'an op may give its input back, hand its gradient on, and take tensors from around it',
  async (device) => {
    const reversed = customOp({
      op: 'reversed',
      forward: (x: Tensor) => ({ result: x }),
      gradient: (g) => [mul(g, -1)],
    });
    const same = customOp({ op: 'same', forward: (x: Tensor) => ({ result: x }), gradient: (g) => [g] });
    const x = leaf(device, 1, 2);
    sum(same(reversed(x))).backward();
    assert.equal(await list(x.grad!), [-1, -1]);
    assert.ok(x.isLeaf);
    const constant = ones([2], { device });
    const held = customOp({
      op: 'held',
      forward: (_: Tensor) => ({ result: constant }),
      gradient: () => [null],
    });
    sum(held(x)).backward();
    assert.not.ok(constant.requiresGrad);
    assert.equal(await list(constant), [1, 1]);
  },
);

onEach(
  'a saved tensor that changed before the gradient ran is an error that names the op',
  async (device) => {
    const scaled = customOp({
      op: 'scaled',
      forward: (x: Tensor, by: Tensor) => ({ result: mul(x, by), saved: { by } }),
      gradient: (g, { by }) => [mul(g, by), null],
    });
    const [x, by] = [leaf(device, 1), tensor([2], { device })];
    const y = scaled(x, by);
    update(by, 3, []);
    assert.match(
      thrown(() => y.backward()).message,
      /^backward: the gradient of scaled needs a \[1\] float32 tensor/,
    );
  },
);

test('what functions give wrongly is one error that names the op and the input', async () => {
  const [device, other] = [
    await openDevice('cpu:0', { threads: 1 }),
    await openDevice('cpu:1', { threads: 1 }),
  ];
  const x = leaf(device, 1, 2);
  const wrong = (give: () => readonly unknown[]): Error => {
    // Without types, as from JavaScript.
    const op = Reflect.apply(customOp, undefined, [
      { op: 'odd', forward: (a: Tensor) => ({ result: mul(a, 2) }), gradient: give },
    ]);
    return thrown(() => sum(Reflect.apply(op, undefined, [x])).backward());
  };
  const cases: [() => readonly unknown[], RegExp][] = [
    [() => [], /^odd: gradient gave 0 gradients for 1 inputs$/],
    [() => [1], /^odd: the gradient of input 0 is 1, expected a Tensor: tensor\(\) makes one$/],
    [
      () => [ones([2, 2], { device })],
      /^odd: the gradient of input 0 is 2x2 float32 on cpu:0, expected \[2\] float32 on cpu:0; sum\(\)/,
    ],
    [
      () => [zeros([2], { device, dtype: 'int32' })],
      /is \[2\] int32 on cpu:0, expected \[2\] float32 on cpu:0; .*cast\(\)/,
    ],
    [
      () => [ones([2], { device: other })],
      /^odd: the gradient of input 0 is \[2\] float32 on cpu:1, expected \[2\] float32 on cpu:0/,
    ],
    [
      () => Object(ones([2], { device })),
      /^odd: what gradient gave is a Tensor, expected an array of a Tensor or null/,
    ],
    [() => Object(Promise.resolve([])), /^odd's gradient: its function returned a promise/],
  ];
  for (const [give, message] of cases) {
    const error = wrong(give);
    assert.instance(error, TandemError);
    assert.match(error.message, message);
  }
  assert.is(x.grad, null);
  const forward = (give: () => unknown): Error => {
    const op = Reflect.apply(customOp, undefined, [{ op: 'odd', forward: give, gradient: () => [] }]);
    return thrown(() => Reflect.apply(op, undefined, [x]));
  };
  assert.match(
    forward(() => undefined).message,
    /^odd: what forward gave is undefined, expected an object of result/,
  );
  assert.match(
    forward(() => x).message,
    /^odd: what forward gave is a Tensor, expected an object of result and saved/,
  );
  assert.match(forward(() => ({ result: 3 })).message, /^odd: result is 3, expected Tensors by name/);
  assert.match(
    forward(() => ({ result: x, saved: { y: null } })).message,
    /^odd: saved\.y is null, expected a Tensor/,
  );
  assert.match(
    forward(async () => ({ result: x })).message,
    /^odd's forward: its function returned a promise/,
  );
  assert.match(
    thrown(() => Reflect.apply(cube, undefined, [3])).message,
    /^cube: input 0 is 3, expected a Tensor/,
  );
  assert.match(thrown(() => Reflect.apply(cube, undefined, [])).message, /^cube: got 0 inputs, expected 1/);
  await Promise.all([device.close(), other.close()]);
});

test('what is no definition is refused where it is made', () => {
  const made = (definition: unknown): string =>
    thrown(() => Reflect.apply(customOp, undefined, [definition])).message;
  const value = (x: Expr) => x;
  assert.match(
    made(null),
    /^customOp: the definition is null, expected an object of op, forward and gradient$/,
  );
  assert.match(
    made(Promise.resolve({})),
    /^customOp: the definition is a Promise, expected an object of op, forward and gradient: await it$/,
  );
  assert.match(made({ op: 'f', forward: 3 }), /^f: forward is 3, expected a function$/);
  assert.match(made({ op: 3, forward: value, gradient: value }), /^customOp: op is 3, expected a text$/);
  assert.match(made({ op: 'f', forward: value, gradient: value, save: 1 }), /^f: there is no option save/);
  assert.match(made({ op: 'f', value: () => 1 }), /^f: value is a function, expected one of 1 to 8 operands/);
  assert.match(made({ op: 'f', value, gradients: [value, value] }), /^f: 2 gradients for 1 operands$/);
  assert.match(
    made({ op: 'f', value, gradient: [] }),
    /there is no option gradient \(did you mean gradients\?\)/,
  );
});

test.run();
