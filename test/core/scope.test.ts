/**
 * Scopes: what they free, what outlives them, and that async ones know what is theirs.
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
import { rejection, thrown } from '../support/errors.js';

const test = suite('scope');
let device: Device;

test.before(async () => {
  device = await openDevice('cpu:0', { threads: 1 });
});
test.after(() => device.close());

const buffers = (): number => device.memory().buffers;
const make = (n = 1): Tensor => ones([n], { device });

test('what a scope made and does not return is freed', async () => {
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
  assert.is(outside.disposed, false);
  for (const x of [outside, result]) x.dispose();
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

test('an error frees everything and comes out as it is', () => {
  assert.throws(
    () =>
      scope(() => {
        make();
        throw new RangeError('sync');
      }),
    (error: unknown) => error instanceof RangeError && error.message === 'sync',
  );
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

test('an async function is a scope until its promise is settled, whatever runs meanwhile', async () => {
  const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));
  const flow = (n: number): Promise<Tensor> =>
    scope(async () => {
      make();
      await pause();
      const inner = await scope(async () => {
        make();
        await pause();
        return scope(() => mul(make(n), 2));
      });
      await pause();
      make();
      return inner;
    });
  const [outside, ...results] = await Promise.all([
    pause().then(() => make(7)),
    ...Array.from({ length: 5 }, (_, i) => flow(i + 1)),
  ]);
  assert.is(buffers(), 6, 'what each returned, and what was made in no scope');
  for (const [i, x] of results.entries()) assert.equal(x.shape, [i + 1]);
  for (const x of [outside!, ...results]) x.dispose();
  const failed = await rejection(
    scope(async () => {
      make();
      await pause();
      make();
      throw new RangeError('async');
    }),
  );
  assert.instance(failed, RangeError);
  assert.is(buffers(), 0);
});

test('a function that is not async but returns a promise is refused, and what it made is freed', async () => {
  for (const fail of [false, true]) {
    const error = thrown(() =>
      scope(() => {
        const x = make();
        return device.sync().then(() => {
          if (fail) throw new RangeError('nobody is told of this one');
          return x;
        });
      }),
    );
    assert.instance(error, TandemError);
    assert.match(
      error.message,
      /^scope: its function returned a promise.*return tensors, or data\(\) or item\(\)/,
    );
    assert.is(buffers(), 0);
  }
  await device.sync();
  using next = scope(() => make());
  assert.is(next.disposed, false);
});

test('the gradient of a leaf goes with it, unless it is returned by itself', async () => {
  const start = buffers();
  const grad = scope(() => {
    const x = tensor([1, 2], { device, requiresGrad: true });
    sum(mul(x, x)).backward();
    return x.grad;
  });
  assert.equal([...(await grad!.data())], [2, 4]);
  const leaf = scope(() => {
    const x = tensor([3], { device, requiresGrad: true });
    mul(x, x).backward();
    return x;
  });
  assert.equal([...(await leaf.grad!.data())], [6]);
  grad!.dispose();
  leaf.dispose();
  assert.is(buffers(), start);
});

test('reading within a scope may be what is returned', async () => {
  const numbers = await scope(() => mul(make(2), 3).data());
  assert.is(await scope(() => mul(make(), 3).item()), 3);
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
