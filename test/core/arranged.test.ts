/**
 * Tensors arranged anew, running sums, sorting, Einstein's summation and norms: on each kind of device against what
 * their definitions give element by element, and their gradients by finite differences.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Shape, sizeOf } from '../../src/core/shape.js';
import {
  all,
  any,
  cast,
  chunk,
  clone,
  conv2d,
  cumsum,
  einsum,
  matmul,
  mul,
  norm,
  openDevice,
  permute,
  reshape,
  sort,
  split,
  sum,
  type Tensor,
  tensor,
  tile,
  tril,
  triu,
  unfold,
} from '../../src/index.js';
import { seededRandom } from '../backends/cpu/numbers.js';
import { type Differentiable, distinctLeaf, gradcheck, normalLeaf } from '../support/gradcheck.js';
import { leaklessOnEach, list, openEachKind } from './devices.js';
import { assertNd, indices, Nd } from './nd.js';
import { between, disguise, oneOf, randomAxes, randomShape } from './shapes.js';

const test = suite('arranged');
const random = seededRandom('core/arranged');
const devices = await openEachKind();
const onEach = leaklessOnEach(test, devices);
const exact = await openDevice('cpu:1', { threads: 1 });
test.after(async () => {
  await Promise.all([...devices, exact].map((device) => device.close()));
});

/** Checks f's gradient at tensors of `shapes`, each reached through a random view. */
async function check(what: string, f: Differentiable, shapes: readonly Shape[], make = normalLeaf) {
  const ways = shapes.map((shape) => disguise(random, shape));
  const leaves = ways.map(({ shape }) => make(random, shape));
  const seen = (...xs: Tensor[]) => f(...xs.map((x, i) => ways[i]!.view(x)));
  await gradcheck(`${what} of ${JSON.stringify(shapes)}`, exact, random, seen, leaves);
}

onEach('clone has elements of its own; split and chunk are the parts, tile repeats', async (device) => {
  const x = Nd.integers(random, [2, 7], -9, 9);
  const source = x.seen(random, device);
  const copy = clone(source);
  const doubled = mul(source, 2);
  await assertNd(copy, x, 'clone');
  doubled.dispose();
  const shapes = (parts: Tensor[]) => parts.map((part) => part.shape[1]);
  assert.equal(shapes(split(source, 3, 1)), [3, 3, 1]);
  assert.equal(shapes(chunk(source, 3, -1)), [3, 3, 1]);
  assert.equal(shapes(chunk(source, 5, 1)), [2, 2, 2, 1]);
  const starts = [0, 4, 4];
  for (const [i, part] of split(source, [4, 0, 3], 1).entries()) {
    const expected = Nd.build([2, [4, 0, 3][i]!], ([r = 0, c = 0]) => x.at(r, c + starts[i]!));
    await assertNd(part, expected, `part ${i}`);
  }
  for (const repeats of [[3], [2, 3], [2, 1, 3], []]) {
    const rank = Math.max(2, repeats.length);
    const times = [...new Array<number>(rank - repeats.length).fill(1), ...repeats];
    const shape = times.map((n, axis) => n * (axis < rank - 2 ? 1 : x.shape[axis - rank + 2]!));
    const expected = Nd.build(shape, (at) => x.at(...at.slice(-2).map((i, axis) => i % x.shape[axis]!)));
    await assertNd(tile(source, repeats), expected, `tile ${repeats}`);
  }
});

onEach('tril and triu keep a triangle, of NaN, infinities and integers, too', async (device) => {
  const x = Nd.build([2, 3, 4], ([b = 0, i = 0, j = 0]) =>
    b === 1 && i === 0 ? Number.NaN : 10 * i + j + 1,
  );
  for (const dtype of ['float32', 'int32'] as const) {
    for (const diagonal of [-5, -1, 0, 1, 2, 9]) {
      const source = x.seen(random, device);
      const whole = dtype === 'int32' ? cast(source, 'int32') : source;
      const kept = [...(await tril(whole, diagonal).data())];
      const others = [...(await triu(whole, diagonal).data())];
      for (const [n, at] of [...indices(x.shape)].entries()) {
        const [, i = 0, j = 0] = at;
        const own = dtype === 'int32' && Number.isNaN(x.at(...at)) ? 0 : x.at(...at);
        assert.equal(kept[n], j - i <= diagonal ? own : 0, `tril ${diagonal} at ${at}`);
        assert.equal(others[n], j - i >= diagonal ? own : 0, `triu ${diagonal} at ${at}`);
      }
    }
  }
});

onEach('any and all count NaN as not 0, and nothing as all and not any', async (device) => {
  const x = tensor(
    [
      [0, Number.NaN],
      [0, 0],
      [1, 2],
    ],
    { device },
  );
  assert.equal(await list(any(x, { axes: 1 })), [1, 0, 1]);
  assert.equal(await list(all(x, { axes: 1 })), [0, 0, 1]);
  assert.equal([await any(x).item(), await all(x).item()], [1, 0]);
  const none = tensor(new Int32Array(0), { shape: [2, 0], device });
  assert.equal(await list(any(none, { axes: 1 })), [0, 0]);
  assert.equal(await list(all(none, { axes: 1, keepDim: true })), [1, 1]);
});

onEach('cumsum along any axis; infinities and NaN reach only what comes after', async (device) => {
  for (let rank = 1; rank <= 3; rank++) {
    const shape = randomShape(random, rank, 9);
    const axis = random.integer(rank);
    const x = Nd.integers(random, shape, -50, 50);
    const expected = Nd.build(shape, (at) => {
      const before = Array.from({ length: at[axis]! + 1 }, (_, i) => x.at(...at.with(axis, i)));
      return before.reduce((a, b) => a + b);
    });
    await assertNd(cumsum(x.seen(random, device), axis), expected, `cumsum ${axis} of ${shape}`);
  }
  for (const n of [0, 1, 2, 31, 32, 33, 1000]) {
    const ones = tensor(new Int32Array(n).fill(3), { device });
    assert.equal(
      await list(cumsum(ones, 0)),
      Array.from({ length: n }, (_, i) => 3 * i + 3),
      `of ${n}`,
    );
  }
  const large = tensor(Int32Array.of(2 ** 30 + 1, 2 ** 30, 5), { device });
  assert.equal(await list(cumsum(large, 0)), [2 ** 30 + 1, -(2 ** 31) + 1, -(2 ** 31) + 6]);
  const odd = tensor([1, 2, Number.POSITIVE_INFINITY, 4, Number.NaN, 6], { device });
  const infinity = Number.POSITIVE_INFINITY;
  assert.equal(await list(cumsum(odd, 0)), [1, 3, infinity, infinity, Number.NaN, Number.NaN]);
});

/** What sort gives of one row, by the definition. */
function sorted(row: readonly number[], descending: boolean): number[] {
  const order = [...row.keys()];
  const nan = (i: number): number => +Number.isNaN(row[i]!);
  const rising = (a: number, b: number): number =>
    nan(a) + nan(b) > 0 ? nan(a) - nan(b) : row[a]! - row[b]! || 0;
  return order.sort((a, b) => (descending ? rising(b, a) : rising(a, b)) || a - b);
}

onEach('sort: values and indices, ties by index, NaN last, along any axis', async (device) => {
  const of = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array };
  for (const dtype of ['float32', 'int32', 'uint8'] as const) {
    for (const n of [1, 2, 5, 8, 33, 64]) {
      for (const descending of [false, true]) {
        const ends =
          dtype === 'float32'
            ? [Number.NaN, -1e38, Infinity, -Infinity]
            : dtype === 'int32'
              ? [2 ** 31 - 1, -(2 ** 31)]
              : [255, 0];
        const pick = (): number => (random.integer(4) === 0 ? oneOf(random, ends) : between(random, 0, 20));
        const rows = [0, 1].map(() => [...of[dtype].from(Array.from({ length: n }, pick))]);
        const x = tensor(of[dtype].from(rows.flat()), { shape: [2, n], device });
        const { values, indices: places } = sort(x, { descending });
        const expected = rows.map((row) => sorted(row, descending));
        const what = `${dtype} ${n} descending=${descending}: ${rows}`;
        assert.equal(await list(places), expected.flat(), what);
        assert.equal(
          await list(values),
          rows.flatMap((row, r) => expected[r]!.map((i) => row[i]!)),
          what,
        );
        assert.is(values.dtype, dtype);
        const columns = sort(reshape(x, [2, n]), { axis: 0, descending });
        assert.equal([...columns.values.shape], [2, n]);
      }
    }
  }
  const down = tensor(
    [
      [3, 1],
      [2, 5],
    ],
    { device },
  );
  assert.equal(await list(sort(down, { axis: 0 }).values), [2, 1, 3, 5]);
});

/** What an equation without ellipsis says, summed over every combination of letters. */
function bySumming(equation: string, operands: readonly Nd[]): Nd {
  const [left = '', right = ''] = equation.split('->');
  const inputs = left.split(',');
  const letters = [...new Set(left.replaceAll(',', ''))];
  const sizes = letters.map((letter) =>
    Math.max(
      ...inputs.flatMap((text, k) =>
        [...text].map((l, axis) => (l === letter ? operands[k]!.shape[axis]! : 1)),
      ),
    ),
  );
  const sums = new Map<string, number>();
  for (const at of indices(sizes)) {
    const place = (text: string): number[] => [...text].map((letter) => at[letters.indexOf(letter)]!);
    const product = inputs.reduce((value, text, k) => value * operands[k]!.broadcastAt(place(text)), 1);
    const key = String(place(right));
    sums.set(key, (sums.get(key) ?? 0) + product);
  }
  return Nd.build(
    [...right].map((letter) => sizes[letters.indexOf(letter)]!),
    (at) => sums.get(String(at)) ?? 0,
  );
}

const equations: readonly (readonly [string, ...Shape[]])[] = [
  ['ij,jk->ik', [3, 4], [4, 2]],
  ['bij,bjk->bik', [2, 3, 4], [2, 4, 2]],
  ['bij,bkj->kbi', [2, 3, 4], [2, 5, 4]],
  ['i,j->ij', [3], [4]],
  ['i,i->', [5], [5]],
  ['ij->ji', [3, 4]],
  ['ij->', [3, 4]],
  ['ii->i', [4, 4]],
  ['ii->', [4, 4]],
  ['iji->j', [3, 2, 3]],
  ['ij,ij->ij', [3, 4], [3, 4]],
  ['ij,ij->i', [3, 4], [3, 4]],
  ['ij,k->i', [3, 4], [2]],
  ['ij,jk,kl->il', [2, 3], [3, 4], [4, 2]],
  ['abc,cd,ae->bde', [2, 3, 2], [2, 3], [2, 2]],
  ['ij,jk->ik', [3, 1], [4, 2]],
  ['bhqd,bhkd->bhqk', [2, 2, 3, 4], [2, 2, 5, 4]],
];

onEach('einsum is the sum over all letters that the result lacks', async (device) => {
  for (const [equation, ...shapes] of equations) {
    const operands = shapes.map((shape) => Nd.normal(random, shape));
    const actual = einsum(equation, ...operands.map((x) => x.seen(random, device)));
    await assertNd(actual, bySumming(equation, operands), `${equation} of ${JSON.stringify(shapes)}`);
  }
  const [a, b] = [Nd.normal(random, [2, 1, 3, 4]), Nd.normal(random, [5, 4, 2])];
  const product = matmul(a.on(device), b.on(device));
  const dotted = einsum('...ij,...jk->...ik', a.on(device), b.on(device));
  assert.equal([...dotted.shape], [2, 5, 3, 2]);
  assert.equal(await list(dotted), await list(product));
  assert.equal(await list(einsum('...ij, ...jk', a.on(device), b.on(device))), await list(product));
  assert.equal([...einsum('b...->...b', a.on(device)).shape], [1, 3, 4, 2]);
  assert.equal([...einsum('ba', tensor([[1, 2, 3]], { device })).shape], [3, 1], 'letters by the alphabet');
  const whole = tensor(Int32Array.of(2 ** 30, 3), { device });
  assert.equal(await list(einsum('i,i->i', whole, whole)), [0, 9], 'integers stay integers');
});

test('einsum names the subscript that is wrong', () => {
  const x = tensor([[1, 2, 3]], { device: exact });
  const cases: readonly (readonly [string, Tensor[], RegExp])[] = [
    ['ij,jk->ik', [x], /einsum: 'ij,jk->ik': has subscripts for 2 operands, got 1/],
    ['ijk->i', [x], /'ijk' doesn't fit operand 0, which is 1x3/],
    ['ij,jk->ik', [x, tensor([[1], [2]], { device: exact })], /j is 3, but 2 in operand 1, which is 2x1/],
    ['ij->ik', [x], /k of the result is in no operand/],
    ['ij->ii', [x], /i is in the result twice/],
    ['i1->i', [x], /'i1' isn't letters and at most one \.\.\./],
    ['ij->i->j', [x], /more than one arrow/],
  ];
  for (const [equation, operands, message] of cases)
    assert.throws(() => einsum(equation, ...operands), message);
  x.dispose();
});

onEach(
  'unfold: a product with kernels is the convolution, and each window is where it belongs',
  async (device) => {
    for (let i = 0; i < 6; i++) {
      const [c, h, w] = [between(random, 1, 3), between(random, 5, 8), between(random, 5, 8)];
      const kernel = [between(random, 1, 3), between(random, 1, 3)] as const;
      const stride = [between(random, 1, 3), between(random, 1, 2)] as const;
      const padding = [0, 1, 2, 0].map((n) => random.integer(n + 1)) as unknown as [
        number,
        number,
        number,
        number,
      ];
      const x = Nd.normal(random, [2, c, h, w]);
      const weight = Nd.normal(random, [4, c, ...kernel]);
      const columns = unfold(x.seen(random, device), kernel, { stride, padding });
      const product = matmul(reshape(weight.on(device), [4, -1]), columns);
      const last = unfold(x.seen(random, device), kernel, { stride, padding, batchLast: true });
      assert.equal(await list(permute(last, [2, 1, 0])), await list(columns), 'the batch last');
      const expected = conv2d(x.on(exact), weight.on(exact), { stride, padding });
      const image = Nd.build(expected.shape, () => 0);
      const data = await list(expected);
      let at = 0;
      const values = Nd.build([2, 4, sizeOf(image.shape.slice(2))], () => data[at++]!);
      await assertNd(product, values, `kernel ${kernel} stride ${stride} padding ${padding}`);
    }
    const x = Nd.normal(random, [1, 1, 5, 6]);
    const apart = Nd.build([1, 4, 6], ([, tap = 0, place = 0]) =>
      x.at(0, 0, 2 * Math.floor(tap / 2) + Math.floor(place / 2), 3 * (tap % 2) + 2 * (place % 2)),
    );
    await assertNd(unfold(x.on(device), 2, { dilation: [2, 3], stride: [1, 2] }), apart, 'dilation');
  },
);

onEach('norms', async (device) => {
  const x = tensor(
    [
      [3, -4],
      [0, 0],
    ],
    { device, requiresGrad: true },
  );
  assert.equal(await list(norm(x, { axes: 1 })), [5, 0]);
  assert.equal(await list(norm(x, { p: 1, axes: 1, keepDim: true })), [7, 0]);
  assert.equal(await list(norm(x, { p: Number.POSITIVE_INFINITY, axes: 1 })), [4, 0]);
  sum(norm(x, { axes: 1 })).backward();
  assert.ok(
    (await list(x.grad!)).every((g, i) => Math.abs(g - [0.6, -0.8, 0, 0][i]!) < 1e-6),
    'flat at 0',
  );
});

test('gradients', async () => {
  for (let rank = 1; rank <= 3; rank++) {
    const shape = randomShape(random, rank);
    const axis = random.integer(rank);
    const axes = randomAxes(random, rank);
    await check('clone', clone, [shape]);
    await check(
      'split, of which one part is used twice',
      (x) => {
        const parts = split(x, 1, axis);
        return mul(parts[0]!, mul(parts[0]!, parts.at(-1)!));
      },
      [shape],
    );
    await check('tile', (x) => tile(x, [2, 1, 3]), [shape]);
    await check(`cumsum ${axis}`, (x) => cumsum(x, axis), [shape]);
    for (const descending of [false, true])
      await check('sort', (x) => sort(x, { axis, descending }).values, [shape], distinctLeaf);
    for (const p of [1, 2, Number.POSITIVE_INFINITY])
      await check(`norm ${p} over ${axes}`, (x) => norm(x, { p, axes }), [shape], distinctLeaf);
    await check('tril', (x) => tril(x, 1), [[...shape, 2]]);
    await check('triu', (x) => triu(x, 1), [[2, ...shape]]);
  }
  for (const [equation, ...shapes] of equations)
    await check(equation, (...xs) => einsum(equation, ...xs), shapes);
  for (const batchLast of [false, true])
    await check(
      `unfold, batchLast ${batchLast}`,
      (x) => unfold(x, [2, 3], { stride: [1, 2], padding: [1, 0, 0, 2], dilation: [2, 1], batchLast }),
      [[2, 2, 4, 5]],
    );
});

test('arguments that make no sense', () => {
  const x = tensor([[1, 2, 3]], { device: exact });
  const wrong: readonly (readonly [() => unknown, RegExp])[] = [
    [() => split(x, [1, 1], 1), /split: sizes \[1, 1\] of axis 1 of 1x3: .*add up to 3/],
    [() => split(x, 0, 1), /split: sizes is 0, expected a whole number from 1/],
    [() => chunk(x, 1.5), /chunk: chunks is 1.5/],
    [() => tile(x, [-1]), /tile: a repeat is -1/],
    [() => tril(tensor([1], { device: exact })), /tril: x is \[1\], expected matrices/],
    [() => cumsum(x, 2), /cumsum: axis 2 doesn't exist/],
    [() => norm(x, { p: 3 }), /norm: p is 3, expected 1, 2 or Infinity/],
    [() => any(x, { axis: 1 } as object), /any: there is no option axis/],
    [() => unfold(reshape(x, [1, 1, 1, 3]), 2), /unfold: a 2x2 window doesn't fit into 1x3/],
    [() => sort(x, { descend: true } as object), /sort: there is no option descend/],
  ];
  for (const [f, message] of wrong) assert.throws(f, message);
  x.dispose();
});

test.run();
