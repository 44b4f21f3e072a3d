/**
 * Views: any composition of slice, permute, flip, reshape and expand shows what the same steps give on plain arrays,
 * to every way of reading it; and what is joined or padded.
 */
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { DType } from '../../src/core/shape.js';
import {
  concat,
  contiguous,
  type Device,
  expand,
  flatten,
  flip,
  mul,
  openDevice,
  pad,
  permute,
  reshape,
  scope,
  slice,
  squeeze,
  stack,
  sum,
  type Tensor,
  tensor,
  transpose,
  unsqueeze,
} from '../../src/index.js';
import { seededRandom } from '../backends/cpu/numbers.js';
import { inScope } from '../support/scope.js';
import { assertNd, type Index, indices, Nd } from './nd.js';
import { between, randomShape } from './shapes.js';

const test = suite('views');
const random = seededRandom('core/views');
let device: Device;

test.before(async () => {
  device = await openDevice('cpu:0', { threads: 2 });
});
test.after(() => device.close());

/** A tensor and the same as a plain array. */
interface Pair {
  readonly x: Tensor;
  readonly model: Nd;
}

/** One step, chosen by numbers that are taken modulo what there is to choose from. */
type Step = (pair: Pair, choices: readonly number[]) => Pair;

const steps: Readonly<Record<string, Step>> = {
  slice({ x, model }, [a = 0, b = 0, c = 0]) {
    if (model.shape.length === 0) return { x, model };
    const axis = a % model.shape.length;
    const n = model.shape[axis]!;
    const start = b % (n + 1);
    const end = start + (c % (n - start + 1));
    const shape = model.shape.map((size, i) => (i === axis ? end - start : size));
    return {
      x: slice(x, axis, start, end),
      model: Nd.build(shape, (index) => model.at(...index.map((i, k) => (k === axis ? i + start : i)))),
    };
  },
  permute({ x, model }, choices) {
    const order = [...model.shape.keys()].sort((a, b) => (choices[a] ?? 0) - (choices[b] ?? 0) || a - b);
    const shape = order.map((axis) => model.shape[axis]!);
    return {
      x: permute(x, order),
      model: Nd.build(shape, (index) =>
        model.at(...model.shape.map((_, axis) => index[order.indexOf(axis)]!)),
      ),
    };
  },
  flip({ x, model }, choices) {
    const axes = [...model.shape.keys()].filter((axis) => (choices[axis] ?? 0) % 2 === 1);
    const turned = (index: Index): number[] =>
      index.map((i, axis) => (axes.includes(axis) ? model.shape[axis]! - 1 - i : i));
    return { x: flip(x, axes), model: Nd.build(model.shape, (index) => model.at(...turned(index))) };
  },
  reshape({ x, model }, choices) {
    const shape: number[] = [];
    let left = model.data.length;
    for (const choice of choices) {
      const divisors = [...Array(left + 1).keys()].filter((d) => d > 0 && left % d === 0);
      const size = divisors[choice % divisors.length] ?? 1;
      shape.push(size);
      left /= size;
    }
    shape.push(left);
    const data = model.data.values();
    return { x: reshape(x, shape), model: Nd.build(shape, () => data.next().value ?? Number.NaN) };
  },
  expand({ x, model }, [a = 0, b = 0]) {
    const grown = model.shape.map((n) => (n === 1 ? 1 + (a % 3) : n));
    const shape = model.data.length > 100 ? [...model.shape] : b % 2 === 0 ? grown : [2, ...grown];
    return { x: expand(x, shape), model: Nd.build(shape, (index) => model.broadcastAt(index)) };
  },
};

test('any composition of views: read, copied, summed, computed with, differentiated', async () => {
  const dtypes: readonly DType[] = ['float32', 'float64', 'int32', 'uint8'];
  const composition = fc.record({
    shape: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 4 }),
    dtype: fc.constantFrom(...dtypes),
    chosen: fc.array(
      fc.tuple(fc.constantFrom(...Object.keys(steps)), fc.array(fc.nat(100), { minLength: 3, maxLength: 4 })),
      { minLength: 1, maxLength: 6 },
    ),
  });
  const property = fc.asyncProperty(composition, ({ shape, dtype, chosen }) =>
    inScope(async () => {
      let count = 0;
      const source = Nd.build(shape, () => count++);
      const floats = dtype.startsWith('float');
      const leaf = source.on(device, dtype, floats);
      const start: Pair = { x: leaf, model: source };
      const { x, model } = chosen.reduce((pair, [name, choices]) => steps[name]!(pair, choices), start);
      assert.equal([...x.shape], [...model.shape]);
      assert.is(x.dtype, dtype);
      assert.equal([...(await x.data())], [...model.data]);
      assert.equal([...(await contiguous(x).data())], [...model.data]);
      assert.equal(
        [...(await mul(x, 2).data())],
        model.data.map((n) => 2 * n),
      );
      const axis = model.shape.length - 1;
      const rows = axis < 0 ? model.data : sumRows(model);
      assert.equal([...(await sum(x, { axes: axis < 0 ? [] : axis }).data())], [...rows]);
      if (!floats) return;
      sum(x).backward();
      const shown = source.data.map((n) => model.data.filter((m) => m === n).length);
      assert.equal([...(await leaf.grad!.data())], shown, 'gradient: how often an element is seen');
    }),
  );
  await fc.assert(property, { numRuns: 150, seed: random.integer(2 ** 31) });
});

/** Sums along the last axis. */
function sumRows(model: Nd): number[] {
  const n = model.shape.at(-1)!;
  const kept = model.shape.slice(0, -1);
  return [...indices(kept)].map((index) => {
    let total = 0;
    for (let i = 0; i < n; i++) total += model.at(...index, i);
    return total;
  });
}

test('views share the elements: no bytes are taken until something must be dense', () => {
  const x = tensor(new Float32Array(1000), { shape: [10, 100], device });
  const held = device.memory().live;
  scope(() => {
    const view = flip(permute(slice(reshape(x, [10, 10, 10]), 1, 2, 7), [2, 0, 1]), [0, 2]);
    expand(reshape(x, [1, 1000]), [500, 1000]);
    assert.is(device.memory().live, held);
    assert.is(view.contiguous, false);
    assert.is(contiguous(view).contiguous, true);
    assert.ok(device.memory().live > held);
  });
  x.dispose();
});

test('the elements live as long as a view of them', async () => {
  const x = tensor([1, 2, 3, 4], { device });
  const view = slice(x, 0, 1, 3);
  x.dispose();
  assert.equal([...(await view.data())], [2, 3]);
  view.dispose();
  assert.is(device.memory().buffers, 0);
});

test('slice and reshape by negative numbers, flatten, transpose', async () => {
  const x = Nd.integers(random, [2, 3, 4], 0, 99);
  const source = x.on(device);
  await assertNd(
    slice(source, -1, -3, -1),
    Nd.build([2, 3, 2], ([i, j, k]) => x.at(i!, j!, k! + 1)),
    'slice',
  );
  await assertNd(
    slice(source, 1, 1),
    Nd.build([2, 2, 4], ([i, j, k]) => x.at(i!, j! + 1, k!)),
    'slice to the end',
  );
  await assertNd(
    transpose(source, 0, -1),
    Nd.build([4, 3, 2], ([k, j, i]) => x.at(i!, j!, k!)),
    'transpose',
  );
  for (const [start, shape] of [
    [0, [24]],
    [1, [2, 12]],
    [2, [2, 3, 4]],
  ] as const) {
    assert.equal([...flatten(source, start).shape], [...shape]);
  }
  assert.equal([...reshape(source, [4, -1]).shape], [4, 6]);
});

test('stack, unsqueeze and squeeze by any axis', async () => {
  const [a, b] = [tensor([1, 2, 3], { device }), tensor([4, 5, 6], { device })];
  for (const [axis, shape, data] of [
    [0, [2, 3], [1, 2, 3, 4, 5, 6]],
    [1, [3, 2], [1, 4, 2, 5, 3, 6]],
    [-1, [3, 2], [1, 4, 2, 5, 3, 6]],
  ] as const) {
    const both = stack([a, b], axis);
    assert.equal([...both.shape], [...shape]);
    assert.equal([...(await both.data())], [...data]);
  }
  const shapes = [0, 1, -1, -2].map((axis) => [...unsqueeze(a, axis).shape]);
  assert.equal(shapes, [
    [1, 3],
    [3, 1],
    [3, 1],
    [1, 3],
  ]);
  const wide = reshape(a, [1, 3, 1]);
  assert.equal(
    [squeeze(wide), squeeze(wide, 0), squeeze(wide, -1)].map(({ shape }) => [...shape]),
    [[3], [3, 1], [1, 3]],
  );
});

test('concat and pad: any axis and dtype, of parts that are views', async () => {
  for (const dtype of ['float32', 'float64', 'int32', 'uint8'] as const) {
    for (let rank = 1; rank <= 4; rank++) {
      const axis = between(random, 0, rank - 1);
      const base = randomShape(random, rank, 4);
      const parts = [1, between(random, 1, 6), 3].map((n) =>
        Nd.integers(
          random,
          base.map((size, i) => (i === axis ? n : size)),
          0,
          255,
        ),
      );
      const views = parts.map((part) => flip(part.on(device, dtype), axis));
      const sizes = parts.map((part) => part.shape[axis]!);
      const total = sizes.reduce((a, b) => a + b);
      const joined = Nd.build(
        base.map((n, i) => (i === axis ? total : n)),
        (index) => {
          let i = index[axis]!;
          let p = 0;
          while (i >= sizes[p]!) i -= sizes[p++]!;
          return parts[p]!.at(...index.map((k, a) => (a === axis ? sizes[p]! - 1 - i : k)));
        },
      );
      await assertNd(concat(views, axis), joined, `concat ${dtype} along ${axis} of ${base}`, 0);

      const widths = base.map(() => [between(random, 0, 2), between(random, 0, 5)] as const);
      const padded = base.map((n, i) => widths[i]![0] + n + widths[i]![1]);
      const inner = Nd.integers(random, base, 0, 255);
      const expected = Nd.build(padded, (index) => {
        const own = index.map((i, a) => i - widths[a]![0]);
        return own.every((i, a) => i >= 0 && i < base[a]!) ? inner.at(...own) : 7;
      });
      const turned = permute(inner.on(device, dtype), [...base.keys()].reverse());
      const back = permute(turned, [...base.keys()].reverse());
      await assertNd(pad(back, widths, 7), expected, `pad ${dtype} by ${widths.join('; ')}`, 0);
    }
  }
});

test('copies of int32 keep every bit of large numbers, by fast kernels and plain loops', async () => {
  const numbers = Int32Array.from({ length: 64 }, (_, i) => 2 ** 30 + 2 * i + 1 - (i % 3) * 2 ** 31);
  const model = Nd.build([4, 16], ([i, j]) => numbers[i! * 16 + j!]!);
  const plain = await openDevice('cpu:1', { threads: 1, kernels: 'plain' });
  for (const place of [device, plain]) {
    const x = tensor(numbers, { shape: [4, 16], device: place });
    const exact = async (what: string, actual: Tensor, expected: Nd): Promise<void> => {
      assert.equal([...(await actual.data())], [...expected.data], `${what} on ${place.name}`);
    };
    const row = expand(slice(x, 0, 0, 1), [3, 16]);
    await exact(
      'transposed',
      transpose(x, 0, 1),
      Nd.build([16, 4], ([i, j]) => model.at(j!, i!)),
    );
    await exact(
      'reversed',
      flip(x, 1),
      Nd.build([4, 16], ([i, j]) => model.at(i!, 15 - j!)),
    );
    await exact('joined', concat([slice(x, 1, 0, 5), slice(x, 1, 5)], 1), model);
    await exact(
      'repeated',
      reshape(row, [48]),
      Nd.build([48], ([i]) => model.at(0, i! % 16)),
    );
    await exact(
      'padded',
      slice(
        pad(x, [
          [0, 0],
          [1, 2],
        ]),
        1,
        1,
        17,
      ),
      model,
    );
  }
  await plain.close();
});

test.run();
