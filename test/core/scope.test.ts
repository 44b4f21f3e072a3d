/**
 * Scopes: what they free, what outlives them, and that overlapping ones are refused.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type Device,
  DisposedError,
  keep,
  mul,
  ones,
  openDevice,
  scope,
  sum,
  TandemError,
  type Tensor,
  tensor,
} from '../../src/index.js';
import { rejection } from '../support/errors.js';

const test = suite('scope');
let device: Device;

test.before(async () => {
  device = await openDevice('cpu:0', { threads: 1 });
});
test.after(() => device.close());

const buffers = (): number => device.memory().buffers;
const make = (n = 1): Tensor => ones([n], { device });

test('what a scope made and does not return is freed, in sync and async scopes alike', async () => {
  const outside = make();
  const made: Tensor[] = [];
  const result = scope(() => {
    made.push(make(), mul(outside, 2));
    return mul(made[1]!, 2);
  });
  assert.equal(
    made.map((x) => x.disposed),
    [true, true],
  );
  assert.equal([...(await result.data())], [4]);
  const later = await scope(async () => {
    made.push(make());
    await device.sync();
    made.push(make());
    return made.at(-1)!;
  });
  assert.equal(
    made.map((x) => x.disposed),
    [true, true, true, false],
  );
  assert.is(outside.disposed, false);
  for (const x of [outside, result, later]) x.dispose();
  assert.is(buffers(), 0);
});

test('tensors in returned arrays, maps and plain objects outlive the scope', () => {
  const { list, byName, depth, note } = scope(() => ({
    list: [make(), make()],
    byName: new Map([['a', make()]]),
    depth: { deeper: [{ x: make() }] },
    note: 'and what is no tensor',
    nothing: null,
  }));
  assert.is(buffers(), 4);
  assert.is(note, 'and what is no tensor');
  for (const x of [...list, ...byName.values(), depth.deeper[0]!.x]) {
    assert.is(x.disposed, false);
    x.dispose();
  }
  assert.is(buffers(), 0);
});

test('a result passes to the scope around, which frees it in turn', () => {
  let inner: Tensor | undefined;
  scope(() => {
    inner = scope(() => scope(() => make()));
    assert.is(inner.disposed, false);
  });
  assert.is(inner?.disposed, true);
  assert.is(buffers(), 0);
});

test('keep takes a tensor out of every scope', () => {
  const kept = scope(() => {
    const x = scope(() => keep(make()));
    return [keep(x)];
  })[0]!;
  assert.is(kept.disposed, false);
  kept.dispose();
  assert.is(buffers(), 0);
});

test('a tensor disposed of by hand within a scope is no trouble at its end', () => {
  scope(() => {
    const x = make();
    x.dispose();
    using y = make();
    assert.is(y.disposed, false);
  });
  assert.is(buffers(), 0);
});

test('an error frees everything and comes out as it is', async () => {
  assert.throws(
    () =>
      scope(() => {
        make();
        throw new RangeError('sync');
      }),
    (error: unknown) => error instanceof RangeError && error.message === 'sync',
  );
  const error = await rejection(
    scope(async () => {
      make();
      await device.sync();
      make();
      throw new RangeError('async');
    }),
  );
  assert.is(error.message, 'async');
  assert.is(buffers(), 0);
});

test('the message of a tensor that left its scope names the ways to keep it', () => {
  let escaped: Tensor | undefined;
  scope(() => {
    escaped = make(3);
  });
  assert.throws(
    () => mul(escaped!, 2),
    (error: unknown) =>
      error instanceof DisposedError &&
      /mul: this \[3\] float32 tensor was disposed of; keep\(\) it, return it from its scope/.test(
        error.message,
      ),
  );
});

test('two async scopes at once are an error of the one that ends amid the other; nothing leaks', async () => {
  let finishFirst = (): void => {};
  let finishSecond = (): void => {};
  const first = scope(async () => {
    await new Promise<void>((resolve) => {
      finishFirst = resolve;
    });
    make();
  });
  const second = scope(async () => {
    await new Promise<void>((resolve) => {
      finishSecond = resolve;
    });
    make();
  });
  finishFirst();
  const error = await rejection(first);
  assert.instance(error, TandemError);
  assert.match(error.message, /scope: ended before a scope opened inside it; await each async scope/);
  finishSecond();
  await second;
  assert.is(buffers(), 0);
  assert.is(scope(() => make()).disposed, false, 'a scope opened afterwards works as ever');
});

test('an error in overlapping scopes is not hidden by the one about overlapping', async () => {
  let finish = (): void => {};
  const failing = scope(async () => {
    await device.sync();
    throw new RangeError('the cause');
  });
  const open = scope(
    () =>
      new Promise<void>((resolve) => {
        finish = resolve;
      }),
  );
  assert.is((await rejection(failing)).message, 'the cause');
  finish();
  await open;
});

test('the gradient of a leaf goes with it, unless it is returned by itself', async () => {
  const start = buffers();
  const grad = await scope(async () => {
    const x = tensor([1, 2], { device, requiresGrad: true });
    await sum(mul(x, x)).backward();
    return x.grad;
  });
  assert.equal([...(await grad!.data())], [2, 4]);
  const leaf = await scope(async () => {
    const x = tensor([3], { device, requiresGrad: true });
    await mul(x, x).backward();
    return x;
  });
  assert.equal([...(await leaf.grad!.data())], [6]);
  grad!.dispose();
  leaf.dispose();
  assert.is(buffers(), start);
});

test('reading within a scope may be what is returned', async () => {
  const numbers = await scope(() => mul(make(2), 3).data());
  assert.equal([...numbers], [3, 3]);
  const reading = scope(() => {
    const x = mul(make(2), 4);
    const data = x.data();
    x.dispose();
    mul(make(2), 5);
    return [data];
  });
  assert.equal([...(await reading[0]!)], [4, 4], 'data() of a tensor that was disposed of right after');
});

test.run();
