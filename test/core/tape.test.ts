/**
 * The tape: what backward adds up and where, what it holds and lets go of, and how it says no.
 */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { record } from '../../src/core/ops/launch.js';
import {
  ArgumentError,
  add,
  type Device,
  DeviceError,
  DisposedError,
  exp,
  inLayer,
  matmul,
  max,
  mul,
  noGrad,
  openDevice,
  rand,
  relu,
  reshape,
  scope,
  slice,
  sum,
  TandemError,
  type Tensor,
  tanh,
  tensor,
  trace,
  zeros,
} from '../../src/index.js';
import { rejection, thrown } from '../support/errors.js';
import { inScope } from '../support/scope.js';

const test = suite('tape');
let device: Device;

test.before(async () => {
  device = await openDevice('cpu:0', { threads: 2 });
});
test.after(() => device.close());

const live = (): number => device.memory().live;

/** A test that may not leave a buffer behind. */
function leakless(name: string, body: () => void | Promise<void>): void {
  test(name, async () => {
    await body();
    assert.is(device.memory().buffers, 0, 'buffers left behind');
  });
}

function clearGrad(x: Tensor): void {
  x.grad?.dispose();
  x.grad = null;
}
const leaf = (data: number | number[] | number[][]): Tensor => tensor(data, { device, requiresGrad: true });
const gradOf = async (x: Tensor): Promise<number[]> => [...(await x.grad!.data())];

/** x as it is; its gradient calls `seen` on the way. */
function probe(x: Tensor, seen: () => void): Tensor {
  const out = x.alias('probe');
  record({
    op: 'probe',
    inputs: [x],
    outputs: [out],
    gradient: ({ grads: [grad] }) => {
      seen();
      return [grad?.detach() ?? null];
    },
  });
  return out;
}

leakless('gradients of several passes add up in grad, until it is cleared', () =>
  inScope(async () => {
    const x = leaf([1, 2]);
    sum(mul(x, x)).backward();
    assert.equal(await gradOf(x), [2, 4]);
    sum(mul(x, 10)).backward();
    assert.equal(await gradOf(x), [12, 14]);
    clearGrad(x);
    sum(x).backward();
    assert.equal(await gradOf(x), [1, 1]);
  }),
);

leakless('a leaf used in several places gets the sum, and a diamond its both sides', () =>
  inScope(async () => {
    const x = leaf([3]);
    const left = mul(x, 2);
    const right = exp(mul(x, 0));
    add(mul(left, right), mul(left, x)).backward();
    // 2x e^0 + 2x^2: 2 + 4x, and 2x * 0 * e^0 by the way of the exponent.
    assert.equal(await gradOf(x), [14]);
  }),
);

leakless('one operand twice in an op, and one result read by ten', () =>
  inScope(async () => {
    const x = leaf([2]);
    const y = mul(x, x);
    let total = mul(y, 0);
    for (let i = 1; i <= 10; i++) total = add(total, mul(y, i));
    total.backward();
    assert.equal(await gradOf(x), [55 * 4]);
  }),
);

leakless('an accumulated gradient does not write into one that another leaf shares', () =>
  inScope(async () => {
    const [a, b] = [leaf([1]), leaf([1])];
    add(a, b).backward();
    mul(a, 5).backward();
    assert.equal([await gradOf(a), await gradOf(b)], [[6], [1]]);
    const seed = tensor([1], { device });
    a.backward(seed);
    a.backward(seed);
    assert.equal([...(await seed.data())], [1]);
    assert.equal(await gradOf(a), [8]);
  }),
);

leakless('a leaf in the middle: gradients stop at detach and start at what it marks', () =>
  inScope(async () => {
    const x = leaf([2]);
    const middle = mul(x, 3).detach();
    middle.requiresGrad = true;
    mul(middle, middle).backward();
    assert.equal(await gradOf(middle), [12]);
    assert.is(x.grad, null);
  }),
);

leakless('noGrad records nothing, and recording is on again after an error', () =>
  inScope(async () => {
    const x = leaf([2]);
    assert.is(noGrad(() => mul(x, 2)).requiresGrad, false);
    assert.throws(() => noGrad(() => reshape(x, [7])));
    assert.is(mul(x, 2).requiresGrad, true);
    assert.is(await noGrad(() => mul(x, 2).item()), 4, 'a reading may be what is returned');
  }),
);

leakless('an async noGrad is its own affair: code that runs meanwhile stays on the tape', async () => {
  const x = leaf([2]);
  const off = noGrad(async () => {
    using before = mul(x, 2);
    await device.sync();
    using after = mul(x, 2);
    return before.requiresGrad || after.requiresGrad;
  });
  const meanwhile = mul(x, 2);
  assert.is(meanwhile.requiresGrad, true);
  meanwhile.dispose();
  assert.is(await off, false);
  using y = mul(x, 2);
  assert.is(y.requiresGrad, true);
  x.dispose();
});

leakless('inLayer refuses an async function, whose label other code would bear', async () => {
  const error = thrown(() => inLayer('there', async () => device.sync()));
  assert.instance(error, TandemError);
  assert.match(error.message, /^inLayer: its function returned a promise, but inLayer ends when/);
  assert.is(trace.layer, '');
});

leakless('a number of ops on leaves that need no gradient leave nothing on the tape', () =>
  inScope(async () => {
    const y = mul(tensor([1], { device }), 2);
    assert.is(y.requiresGrad, false);
    const error = thrown(() => y.backward());
    assert.instance(error, ArgumentError);
    assert.match(error.message, /nothing here requires a gradient; set requiresGrad/);
  }),
);

leakless('a second pass through the same graph is an error that names the op', () =>
  inScope(async () => {
    const x = leaf([1, 2]);
    const y = sum(mul(x, x));
    y.backward();
    const error = thrown(() => y.backward());
    assert.instance(error, TandemError);
    assert.match(error.message, /graph through sum was already walked/);
  }),
);

leakless('only a scalar can do without its gradient, which must fit', () =>
  inScope(async () => {
    const y = mul(leaf([1, 2]), 2);
    const none = thrown(() => y.backward());
    assert.match(none.message, /backward: the tensor is \[2\], not a scalar; pass its gradient/);
    const misfit = thrown(() => y.backward(zeros([3], { device })));
    assert.match(misfit.message, /the gradient is \[3\] float32, expected \[2\] float32/);
    const wide = thrown(() => y.backward(zeros([2], { device, dtype: 'float64' })));
    assert.match(wide.message, /the gradient is \[2\] float64, expected \[2\] float32/);
    const other = await openDevice('cpu:1', { threads: 1 });
    const elsewhere = thrown(() => y.backward(zeros([2], { device: other })));
    await other.close();
    assert.instance(elsewhere, DeviceError);
    assert.match(elsewhere.message, /the gradient is on cpu:1, the tensor on cpu:0/);
  }),
);

leakless('requiresGrad is for leaves of floats', () =>
  scope(() => {
    const y = mul(leaf([1]), 2);
    assert.throws(() => {
      y.requiresGrad = true;
    }, /only a leaf can be marked; use detach\(\)/);
    assert.throws(
      () => tensor([1], { device, dtype: 'int32', requiresGrad: true }),
      /int32 tensors have no gradient/,
    );
  }),
);

leakless('a chain of thousands of ops: walked, or dropped, without running out of stack', async () => {
  const x = leaf([1]);
  const chain = (): Tensor => {
    let y = mul(x, 1);
    for (let i = 0; i < 5000; i++) y = add(y, x);
    return y;
  };
  await inScope(async () => {
    const y = chain();
    y.backward();
    assert.equal(await gradOf(x), [5001]);
  });
  scope(() => {
    chain();
  });
  x.dispose();
});

leakless('saved activations go one by one during backward', async () => {
  const layers = 8;
  const bytes = 4 * 256 * 256;
  const x = rand([256, 256], { device, requiresGrad: true });
  const samples: number[] = [];
  const loss = scope(() => {
    let y: Tensor = x;
    for (let i = 0; i < layers; i++) y = probe(tanh(y), () => samples.push(live()));
    return sum(y);
  });
  // Of each layer, the tape holds the output that tanh's gradient needs.
  assert.ok(live() >= (layers + 1) * bytes);
  loss.backward();
  assert.is(samples.length, layers);
  for (let i = 1; i < layers; i++) assert.ok(samples[i]! < samples[i - 1]!, `live bytes: ${samples}`);
  assert.ok(samples[0]! - samples[layers - 1]! >= (layers - 2) * bytes, `live bytes: ${samples}`);
  for (const t of [loss, x]) t.dispose();
});

leakless(
  'intermediate results may be disposed of before backward: the tape holds what it needs',
  async () => {
    const x = leaf([1, 2, 3]);
    const squares = mul(x, x);
    const product = mul(squares, squares);
    const part = slice(product, 0, 1, 3);
    const loss = sum(part);
    for (const t of [squares, product, part]) t.dispose();
    loss.backward();
    assert.equal(await gradOf(x), [0, 4 * 2 ** 3, 4 * 3 ** 3]);
    for (const t of [loss, x]) t.dispose();
  },
);

leakless('a graph that is never walked is let go of with its outputs', () => {
  const x = rand([100, 100], { device, requiresGrad: true });
  const held = live();
  const y = tanh(x);
  const z = matmul(y, y);
  const twice = max(z, { axes: 0 });
  y.dispose();
  z.dispose();
  assert.ok(live() > held);
  twice.dispose();
  assert.is(live(), held);
  x.dispose();
});

leakless('a walk cuts off branches that nothing else reads, and keeps those that are read', async () => {
  const x = leaf([2]);
  const shared = exp(x);
  const first = mul(shared, 3);
  const second = mul(shared, 4);
  first.backward();
  const error = thrown(() => second.backward());
  assert.match(error.message, /graph through exp was already walked/);
  for (const t of [shared, first, second, x]) t.dispose();
});

leakless('a disposed tensor: ops, reading and backward say which op and what to do', async () => {
  const x = leaf([[1, 2]]);
  const y = mul(x, 2);
  x.dispose();
  x.dispose();
  assert.is(x.disposed, true);
  for (const [op, use] of Object.entries({
    mul: () => mul(x, 2),
    sum: () => sum(x),
    reshape: () => reshape(x, [2]),
  })) {
    assert.throws(
      use,
      (error: unknown) =>
        error instanceof DisposedError &&
        error.message ===
          `${op}: this 1x2 float32 tensor was disposed of; keep() it, return it from its scope, or use it before`,
    );
  }
  assert.match((await rejection(x.data())).message, /^data: this 1x2/);
  assert.match((await rejection(x.item())).message, /^item: /);
  assert.match(thrown(() => x.backward()).message, /^backward: this 1x2/);
  // What was computed before goes on; the gradient has nowhere to go.
  scope(() => sum(y).backward());
  assert.is(x.grad, null);
  y.dispose();
});

leakless('a gradient that fails: backward throws, and nothing stays held or changed', async () => {
  const x = leaf([1, 2]);
  scope(() => {
    const failing = probe(mul(x, 2), () => {
      throw new Error('no gradient today');
    });
    const error = inLayer('outside', () => thrown(() => sum(tanh(failing)).backward()));
    assert.is(error.message, 'no gradient today');
    assert.equal([trace.phase, trace.layer], ['forward', '']);
    assert.is(mul(x, 2).requiresGrad, true);
  });
  x.dispose();
});

leakless('code beside a backward that nobody waited for is recorded and owns its tensors', () =>
  inScope(async () => {
    const x = leaf([1, 2]);
    const walking = sum(mul(x, x)).backward();
    const y = mul(x, 5);
    await walking;
    assert.equal([...(await y.data())], [5, 10]);
    assert.is(y.requiresGrad, true);
  }),
);

leakless('a node runs its gradient in the layer and phase it belongs to', () =>
  inScope(async () => {
    const seen: string[] = [];
    const note = (): void => {
      seen.push(`${trace.phase} ${trace.layer}`);
    };
    const x = leaf([1]);
    const y = inLayer('first', () => probe(mul(x, 2), note));
    const z = inLayer('second', () => probe(mul(y, 2), note));
    z.backward();
    assert.equal(seen, ['backward second', 'backward first']);
    assert.equal(`${trace.phase} ${trace.layer}`, 'forward ');
  }),
);

leakless('relu through a view of a view, read only in part', () =>
  inScope(async () => {
    const x = leaf([
      [1, -2, 3],
      [-4, 5, -6],
    ]);
    sum(relu(slice(slice(x, 1, 1), 0, 1))).backward();
    assert.equal(await gradOf(x), [0, 0, 0, 0, 1, 0]);
  }),
);

test.run();
