/**
 * `update` on each kind of device: several targets in one pass, params, random numbers, views, integers, and what it
 * refuses without having changed anything.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  ArgumentError,
  add,
  e,
  expand,
  Generator,
  mul,
  noGrad,
  ones,
  permute,
  rand,
  slice,
  sum,
  TandemError,
  type Tensor,
  tensor,
  to,
  update,
  zeros,
} from '../../src/index.js';
import { thrown } from '../support/errors.js';
import { leaklessOnEach, list, openEachKind } from './devices.js';

const test = suite('update');
const devices = await openEachKind();
test.after(async () => {
  await Promise.all(devices.map((device) => device.close()));
});
const onEach = leaklessOnEach(test, devices);

const [a, b] = [e.input(0), e.input(1)];

onEach(
  'several targets in one pass read what all of them held before; params change from call to call',
  async (device) => {
    const [x, y] = [tensor([1, 2], { device }), tensor([10, 20], { device })];
    for (const factor of [1, 3]) update([x, y], [e.mul(e.param(0), b), a], [x, y], { params: [factor] });
    assert.equal(await list(x), [3, 6]);
    assert.equal(await list(y), [10, 20]);
    update(
      x,
      e.add(a, b),
      [x, tensor([[1]], { device }).detach()].map((t, i) => (i === 0 ? t : sum(t))),
    );
    assert.equal(await list(x), [4, 7]);
    update(x, 5, []);
    assert.equal(await list(x), [5, 5]);
  },
);

onEach(
  'a leaf keeps gathering its gradient; a gradient that needs what was there before is an error',
  async (device) => {
    const x = tensor([1, 2], { device, requiresGrad: true });
    const square = sum(mul(x, x));
    update(x, e.mul(a, 10), [x], { op: 'scaling' });
    const error = thrown(() => square.backward());
    assert.instance(error, TandemError);
    assert.match(
      error.message,
      /^backward: the gradient of mul needs a \[2\] float32 tensor .* but scaling changed it/,
    );
    sum(mul(x, x)).backward();
    assert.equal(await list(x.grad!), [20, 40]);
  },
);

onEach(
  'views are written through, and inputs that see the target otherwise are read as they were',
  async (device) => {
    const x = tensor([[1, 2], [3, 4]], { device }); // biome-ignore format: a matrix
    update(slice(x, 0, 0, 1), e.add(a, 100), [slice(x, 0, 0, 1)]);
    assert.equal(await list(x), [101, 102, 3, 4]);
    update(x, b, [x, permute(x, [1, 0])]);
    assert.equal(await list(x), [101, 3, 102, 4]);
    update(x, e.sub(a, b), [x, slice(x, 0, 1, 2)]);
    assert.equal(await list(x), [-1, -1, 0, 0]);
  },
);

onEach('integers stay exact, and what is a fraction is taken toward zero', async (device) => {
  const count = tensor(Int32Array.of(16_777_217), { device });
  update(count, e.add(a, 1), [count]);
  assert.equal(await list(count), [16_777_218]);
  update(count, e.mul(a, e.param(0)), [zeros([1], { device })], { params: [0.5] });
  assert.equal(await list(count), [0]);
  update(count, 2.75, []);
  assert.equal(await list(count), [2]);
});

onEach('random numbers are those of the draw that is given', async (device) => {
  const x = zeros([4], { device });
  const draw = new Generator(7).next();
  update(x, e.random(), [], { draw });
  assert.equal(await list(x), await list(rand([4], { device, draw })));
  const before = await list(x);
  update(x, e.random(), []);
  assert.not.equal(await list(x), before);
});

onEach('what does not fit is refused, and nothing changes', async (device) => {
  const x = tensor([1, 2], { device, requiresGrad: true });
  const [y, one] = [tensor([3, 4], { device }), ones([1], { device })];
  const result = mul(x, 2);
  const cases: [() => void, string][] = [
    [
      () => update(result, 0, []),
      'a gradient flows through this target, a [2] tensor, and would be wrong; update leaves',
    ],
    [() => update([], [], []), 'got no target'],
    [() => update([x, y], a, [x]), '2 targets and 1 expressions; each takes one'],
    [
      () => update([x, one], [a, a], [x]),
      'targets are [2] and [1], expected one shape; update one after the other',
    ],
    [() => update([y, y], [a, a], [x]), 'two targets are views of one tensor; update one after the other'],
    [() => update(expand(one, [2]), a, [x]), 'a target repeats its elements, as expand() does'],
    [() => update(one, a, [x]), 'the inputs broadcast to [2], the targets are [1]'],
    [() => update(x, b, [x]), 'the number of an e.input is 1, expected one of the 1 inputs given'],
    [() => update(x, e.param(0), []), 'the number of an e.param is 0, expected one of the 0 params given'],
    [
      () => update(x, e.input(0.5), [x]),
      'the number of an e.input is 0.5, expected one of the 1 inputs given',
    ],
  ];
  for (const [call, message] of cases) {
    const error = thrown(call);
    assert.instance(error, ArgumentError);
    assert.ok(error.message.startsWith(`update: ${message}`), error.message);
  }
  const odd = (...args: unknown[]): string => thrown(() => Reflect.apply(update, undefined, args)).message;
  assert.match(odd(x, 'x', [x]), /^update: an operand is 'x', expected an expression or a number$/);
  assert.match(odd(x, a, x), /^update: inputs is a Tensor, expected an array of Tensors$/);
  assert.match(
    odd(Promise.resolve(x), a, [x]),
    /^update: targets\[0\] is a Promise, expected a Tensor: await it$/,
  );
  assert.match(odd(x, a, [null]), /^update: inputs\[0\] is null, expected a Tensor/);
  assert.match(
    odd(x, a, [x], [1]),
    /^update: the argument for options is an array, expected an object of params/,
  );
  assert.match(odd(x, a, [x], { params: ['1'] }), /^update: params\[0\] is '1', expected a number$/);
  assert.equal(await list(x), [1, 2]);
  assert.is(x.version, 0);
  noGrad(() => update(add(x, 1), 0, []));
});

test('tensors on two devices are refused by name', () => {
  if (devices.length < 2) return;
  const [x, y] = devices.map((device): Tensor => zeros([1], { device }));
  assert.match(
    thrown(() => update(x!, a, [y!])).message,
    /^update: tensors on cpu:0 and webgpu:0; move one with to\(\)/,
  );
  update(x!, a, [to(y!, devices[0]!)]);
  for (const each of [x, y]) each?.dispose();
});

test.run();
