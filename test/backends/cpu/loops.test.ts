/**
 * The plain loops against numbers worked out by hand, definitions written another way, and finite differences.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type LoopView, loops } from '../../../src/backends/cpu/kernels/loops.js';
import { threefry, toUniform } from '../../../src/backends/threefry.js';
import { e } from '../../../src/core/expr.js';
import { type Shape, sizeOf } from '../../../src/core/shape.js';
import { dense, doubles, nmse, normals, seededRandom, zeros } from './numbers.js';

const random = seededRandom('loops');
const noPadding = [0, 0, 0, 0] as const;

/** d sum(grad * out) / d x by central differences, to compare with a gradient kernel. */
function differences(x: LoopView, out: LoopView, grad: LoopView, run: () => void): number[] {
  const objective = (): number => {
    run();
    return Array.from(out.data).reduce((sum, value, i) => sum + value * grad.data[i]!, 0);
  };
  return Array.from(x.data, (value, i) => {
    const h = 1e-5;
    x.data[i] = value + h;
    const above = objective();
    x.data[i] = value - h;
    const below = objective();
    x.data[i] = value;
    return (above - below) / (2 * h);
  });
}

function mapOf(expr: Parameters<typeof e.neg>[0], inputs: LoopView[], out: LoopView, params: number[] = []) {
  const exprs = [typeof expr === 'number' ? e.constant(expr) : expr];
  loops.map({ exprs, shape: out.shape, inputs, outputs: [out], params, draw: null });
  return [...out.data];
}

test('map computes every function, and hands NaN on as the contract says', () => {
  const x = e.input(0);
  const y = e.input(1);
  const a = doubles([-2, 0.5, 3, NaN]);
  const b = doubles([2, 0.5, -1, 1]);
  const of = (expr: Parameters<typeof e.neg>[0]) => mapOf(expr, [a, b], zeros([4]));
  assert.equal(of(e.add(e.mul(x, 2), y)), [-2, 1.5, 5, NaN]);
  assert.equal(of(e.max(x, y)), [2, 0.5, 3, NaN]);
  assert.equal(of(e.min(y, x)), [-2, 0.5, -1, NaN]);
  assert.equal(of(e.where(e.gt(x, 0), x, e.neg(y))), [-2, 0.5, 3, -1]);
  assert.equal(of(e.eq(x, y)), [0, 1, 0, 0]);
  assert.equal(of(e.ne(x, y)), [1, 0, 1, 1]);
  assert.equal(of(e.le(x, y)), [1, 1, 0, 0]);
  assert.equal(of(e.isnan(x)), [0, 0, 0, 1]);
  assert.equal(of(e.floor(e.div(x, 0.75))), [-3, 0, 4, NaN]);
  assert.equal(of(e.pow(e.abs(x), y)), [4, Math.SQRT1_2, 1 / 3, NaN]);
  assert.equal(of(e.sqrt(e.exp(e.log(e.abs(x))))).slice(1, 2), [Math.SQRT1_2]);
});

test('map rounds every step to float32 unless a float64 tensor takes part', () => {
  const narrow = dense(Float32Array.of(0.1), [1]);
  const isTenth = e.eq(e.input(0), 0.1);
  assert.equal(mapOf(isTenth, [narrow], dense(new Float32Array(1), [1])), [1]);
  assert.equal(mapOf(isTenth, [doubles([0.1])], zeros([1])), [1]);
  assert.equal(mapOf(isTenth, [narrow], zeros([1])), [0]);
  const swallowed = e.sub(e.add(e.input(0), 1e9), 1e9);
  assert.equal(mapOf(swallowed, [dense(Float32Array.of(3), [1])], dense(new Float32Array(1), [1])), [0]);
});

test('map truncates toward zero for integer outputs and reads integers as numbers', () => {
  const x = dense(Float32Array.of(-2.75, 2.75, 200), [3]);
  assert.equal(mapOf(e.input(0), [x], dense(new Int32Array(3), [3])), [-2, 2, 200]);
  const bytes = dense(Uint8Array.of(1, 2, 3), [3]);
  assert.equal(mapOf(e.mul(e.input(0), e.param(0)), [bytes], zeros([3]), [1.5]), [1.5, 3, 4.5]);
});

test('map follows strides: transposed, flipped and broadcast views, several outputs in place', () => {
  const data = Float64Array.of(1, 2, 3, 4, 5, 6);
  const transposed: LoopView = { data, shape: [3, 2], strides: [1, 3], offset: 0 };
  assert.equal(mapOf(e.input(0), [transposed], zeros([3, 2])), [1, 4, 2, 5, 3, 6]);
  const flipped: LoopView = { data, shape: [2, 3], strides: [3, -1], offset: 2 };
  assert.equal(mapOf(e.input(0), [flipped], zeros([2, 3])), [3, 2, 1, 6, 5, 4]);
  const column: LoopView = { data, shape: [2, 3], strides: [1, 0], offset: 4 };
  assert.equal(mapOf(e.input(0), [column], zeros([2, 3])), [5, 5, 5, 6, 6, 6]);
  const a = doubles([1, 2]);
  const b = doubles([10, 20]);
  const exprs = [e.add(e.input(0), e.input(1)), e.sub(e.input(0), e.input(1))];
  loops.map({ exprs, shape: [2], inputs: [a, b], outputs: [a, b], params: [], draw: null });
  assert.equal([...a.data, ...b.data], [11, 22, -9, -18]);
});

test('random numbers are the words of the element counter, wherever a slice begins', () => {
  const out = zeros([2, 3]);
  const draw = { seed: [5, 6], stream: 9, offset: 2 ** 32 - 2, strides: [3, 1] } as const;
  const exprs = [e.add(e.random(0), e.mul(4, e.random(1)))];
  loops.map({ exprs, shape: [2, 3], inputs: [], outputs: [out], params: [], draw });
  const expected = [2 ** 32 - 2, 2 ** 32 - 1, 0, 1, 2, 3].map((index) => {
    const [a, b] = threefry([5, 6], [index, 9]);
    return toUniform(a) + 4 * toUniform(b);
  });
  assert.equal([...out.data], expected);
});

test('reduce sums, and finds extremes, over the last axes of any view', () => {
  const data = Float64Array.of(1, 2, 3, 4, 5, 6);
  const columns: LoopView = { data, shape: [3, 2], strides: [1, 3], offset: 0 };
  const of = (op: 'sum' | 'max' | 'min', x: LoopView, kept: number, scale = 1) => {
    const out = zeros(x.shape.slice(0, kept));
    loops.reduce({ op, x, kept, scale, out });
    return [...out.data];
  };
  assert.equal(of('sum', columns, 1, 0.5), [2.5, 3.5, 4.5]);
  assert.equal(of('max', columns, 0), [6]);
  assert.equal(of('min', columns, 2), [1, 4, 2, 5, 3, 6]);
  assert.equal(of('max', doubles([1, NaN, 3]), 0), [NaN]);
  assert.equal(of('sum', zeros([2, 0]), 1), [0, 0]);
});

test('matmul multiplies transposed and broadcast operands, adds the bias, then clips', () => {
  const a = doubles([1, 2, 3, 4, 5, 6], [1, 2, 3]);
  const b: LoopView = {
    data: Float64Array.of(1, 0, -1, 2, 1, 0),
    shape: [1, 3, 2],
    strides: [0, 1, 3],
    offset: 0,
  };
  const out = zeros([1, 2, 2]);
  loops.matmul({ a, b, bias: null, relu: false, out });
  assert.equal([...out.data], [-2, 4, -2, 13]);
  loops.matmul({ a, b, bias: doubles([1, -5]), relu: true, out });
  assert.equal([...out.data], [0, 0, 0, 8]);
  const empty = zeros([1, 2, 2]);
  loops.matmul({ a: zeros([1, 2, 0]), b: zeros([1, 0, 2]), bias: doubles([1, 2]), relu: false, out: empty });
  assert.equal([...empty.data], [1, 2, 1, 2]);
});

test('conv2d: small cases by hand', () => {
  const x = doubles([1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 1, 3, 3]);
  const weight = doubles([1, 0, 0, -1], [1, 1, 2, 2]);
  const common = { dilation: [1, 1], groups: 1, bias: null, relu: false } as const;
  const valid = zeros([1, 1, 2, 2]);
  loops.conv2d({ ...common, x, weight, stride: [1, 1], padding: noPadding, out: valid });
  assert.equal([...valid.data], [-4, -4, -4, -4]);
  // One row of zeros above, one column to the right, stride 2: windows at rows -1 and 1, columns 0 and 2.
  const padded = zeros([1, 1, 2, 2]);
  loops.conv2d({ ...common, x, weight, stride: [2, 2], padding: [1, 0, 0, 1], out: padded });
  assert.equal([...padded.data], [-2, 0, 4 - 8, 6]);
});

test('conv2d and its gradients: the definition pixel by pixel, and finite differences', () => {
  const geometry = { stride: [2, 1], padding: [1, 2, 0, 1], dilation: [1, 2], groups: 2 } as const;
  const x = normals(random, [2, 4, 5, 6]);
  const weight = normals(random, [6, 2, 3, 2]);
  const bias = normals(random, [6]);
  const out = zeros([2, 6, 2, 7]);
  const run = () => loops.conv2d({ ...geometry, x, weight, bias, relu: false, out });
  run();
  const pixel = (n: number, c: number, row: number, column: number): number =>
    row < 0 || row >= 5 || column < 0 || column >= 6 ? 0 : x.data[((n * 4 + c) * 5 + row) * 6 + column]!;
  const expected: number[] = [];
  for (let i = 0; i < sizeOf(out.shape); i++) {
    const [n, o, y, column] = [Math.floor(i / 84), Math.floor(i / 14) % 6, Math.floor(i / 7) % 2, i % 7];
    let sum = bias.data[o]!;
    for (let t = 0; t < 12; t++) {
      const [c, ki, kj] = [Math.floor(t / 6), Math.floor(t / 2) % 3, t % 2];
      const channel = (o < 3 ? 0 : 2) + c;
      sum += pixel(n, channel, y * 2 + ki - 1, column + 2 * kj - 2) * weight.data[o * 12 + t]!;
    }
    expected.push(sum);
  }
  assert.ok(nmse(out.data, expected) < 1e-28);

  const grad = normals(random, out.shape);
  const inputGrad = zeros(x.shape);
  loops.conv2dInputGrad({ ...geometry, grad, weight, out: inputGrad });
  assert.ok(nmse(inputGrad.data, differences(x, out, grad, run)) < 1e-16);
  const weightGrad = zeros(weight.shape);
  loops.conv2dWeightGrad({ ...geometry, x, grad, out: weightGrad });
  assert.ok(nmse(weightGrad.data, differences(weight, out, grad, run)) < 1e-16);
});

test('max pooling takes the first largest pixel, NaN before all, and sends the gradient there', () => {
  const x = doubles([1, 5, 5, 2, 0, 5, NaN, 1, 3, 3, NaN, 3], [1, 1, 3, 4]);
  const geometry = {
    mode: 'max',
    kernel: [2, 2],
    stride: [1, 2],
    padding: noPadding,
    countIncludePad: true,
  } as const;
  const out = zeros([1, 1, 2, 2]);
  const indices = dense(new Int32Array(4), out.shape);
  loops.pool2d({ ...geometry, x, out, indices });
  assert.equal([...out.data], [5, NaN, 5, NaN]);
  assert.equal([...indices.data], [1, 6, 5, 6]);
  const back = zeros(x.shape);
  loops.pool2dGrad({ ...geometry, grad: doubles([1, 2, 3, 4], out.shape), indices, out: back });
  assert.equal([...back.data], [0, 1, 0, 0, 0, 3, 6, 0, 0, 0, 0, 0]);
});

test('average pooling divides by the window within the padded image, or within the image', () => {
  const x = doubles([1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 1, 3, 3]);
  const geometry = { mode: 'avg', kernel: [2, 2], stride: [2, 2], padding: [1, 1, 0, 0] } as const;
  // Ceil mode: windows begin at -1, 1, 3 on both axes; the last ones overhang below and to the right.
  const average = (countIncludePad: boolean) => {
    const out = zeros([1, 1, 2, 2]);
    loops.pool2d({ ...geometry, countIncludePad, x, out, indices: null });
    return [...out.data];
  };
  assert.equal(average(true), [0.25, 5 / 4, 11 / 4, 7]);
  assert.equal(average(false), [1, 2.5, 5.5, 7]);
  const overhanging = zeros([1, 1, 1, 2]);
  const wide = { ...geometry, kernel: [3, 2], padding: noPadding, countIncludePad: true } as const;
  loops.pool2d({ ...wide, x, out: overhanging, indices: null });
  assert.equal([...overhanging.data], [27 / 6, 18 / 3]);

  for (const countIncludePad of [true, false]) {
    const image = normals(random, [1, 2, 3, 3]);
    const out = zeros([1, 2, 2, 2]);
    const grad = normals(random, out.shape);
    const back = zeros(image.shape);
    const run = () => loops.pool2d({ ...geometry, countIncludePad, x: image, out, indices: null });
    loops.pool2dGrad({ ...geometry, countIncludePad, grad, indices: null, out: back });
    assert.ok(nmse(back.data, differences(image, out, grad, run)) < 1e-16);
  }
});

test('response normalization: numbers worked out by hand', () => {
  const x = doubles([1, 2, 3], [1, 3, 1, 1]);
  const out = zeros(x.shape);
  loops.lrn({ x, out, size: 3, alpha: 1, beta: 1, k: 1 });
  assert.equal([...out.data], [1 / 6, 2 / 15, 3 / 14]);
  // An even window reaches further down than up: i - 1 and i.
  loops.lrn({ x, out, size: 2, alpha: 2, beta: 2, k: 0 });
  assert.ok(nmse(out.data, [1 / 4, 2 / 100, 3 / 676]) < 1e-30);
});

test('the gradient of response normalization agrees with finite differences', () => {
  const shape: Shape = [2, 7, 2, 1];
  for (const size of [1, 4, 5, 20]) {
    const geometry = { size, alpha: 0.3, beta: 0.75, k: 2 };
    const x = normals(random, shape);
    const out = zeros(shape);
    const grad = normals(random, shape);
    const back = zeros(shape);
    loops.lrnGrad({ ...geometry, x, grad, out: back });
    assert.ok(
      nmse(
        back.data,
        differences(x, out, grad, () => loops.lrn({ ...geometry, x, out })),
      ) < 1e-16,
    );
  }
});

test('cross-entropy: largest logit and the others apart, NaN for a label that is none', () => {
  const logits = doubles([0, Math.log(3), 1000, 1000, 1, 2], [3, 2]);
  const labels = dense(Int32Array.of(1, 0, 2), [3]);
  const losses = zeros([3]);
  const peaks = zeros([3, 2]);
  loops.crossEntropy({ logits, labels, losses, peaks });
  assert.ok(nmse(peaks.data, [Math.log(3), 1 / 3, 1000, 1, 2, Math.exp(-1)]) < 1e-30);
  assert.ok(nmse(losses.data.subarray(0, 2), [Math.log(4 / 3), Math.LN2]) < 1e-25);
  assert.ok(Number.isNaN(losses.data[2]));

  const out = zeros([3, 2]);
  loops.crossEntropyGrad({ logits, labels, peaks, grad: doubles([1, 2, 0]), out });
  assert.ok(nmse(out.data, [1 / 4, 3 / 4 - 1, -1, 1, NaN, NaN]) < 1e-25);
});

test('gather and scatterAdd select along the middle axis, through broadcast indices too', () => {
  const x = dense(Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), [2, 3, 2]);
  const index: LoopView = {
    data: Int32Array.of(2, 0, 3, 2),
    shape: [2, 4, 2],
    strides: [0, 1, 0],
    offset: 0,
  };
  const out = dense(new Float32Array(16), [2, 4, 2]);
  loops.gather({ x, index, out });
  assert.equal([...out.data], [5, 6, 1, 2, NaN, NaN, 5, 6, 11, 12, 7, 8, NaN, NaN, 11, 12]);
  const whole = dense(new Int32Array(16), [2, 4, 2]);
  loops.gather({ x: dense(Int32Array.from(x.data), x.shape), index, out: whole });
  assert.equal([...whole.data].slice(4, 8), [0, 0, 5, 6]);
  const back = dense(new Float32Array(12).fill(9), x.shape);
  const grad = dense(
    Float32Array.from({ length: 16 }, (_, i) => i),
    out.shape,
  );
  loops.scatterAdd({ grad, index, out: back });
  assert.equal([...back.data], [2, 3, 0, 0, 0 + 6, 1 + 7, 10, 11, 0, 0, 8 + 14, 9 + 15]);
});

test('topk: falling, equal ones by rising index, NaN first', () => {
  const x = doubles([1, 3, NaN, 3, 2, 0, -1, -1, -2, -3], [2, 5]);
  const values = zeros([2, 3]);
  const indices = dense(new Int32Array(6), [2, 3]);
  loops.topk({ x, values, indices });
  assert.equal([...values.data], [NaN, 3, 3, 0, -1, -1]);
  assert.equal([...indices.data], [2, 1, 3, 0, 1, 2]);

  const row = dense(
    Float32Array.from({ length: 50 }, () => random.integer(20)),
    [1, 50],
  );
  const [best, order] = [dense(new Float32Array(50), [1, 50]), dense(new Int32Array(50), [1, 50])];
  loops.topk({ x: row, values: best, indices: order });
  const sorted = [...row.data.keys()].sort((i, j) => row.data[j]! - row.data[i]! || i - j);
  assert.equal([...order.data], sorted);
});

test.run();
