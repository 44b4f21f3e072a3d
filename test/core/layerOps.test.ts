/**
 * Values of products, convolution, pooling, response normalization, softmax and losses against plain JavaScript, on
 * each kind of device, with operands that are views. (Element-wise ops and reductions are in ops.test.ts.)
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Shape } from '../../src/core/shape.js';
import {
  avgPool2d,
  conv2d,
  crossEntropy,
  type Device,
  expand,
  linear,
  localResponseNorm,
  logSoftmax,
  matmul,
  maxPool2d,
  ones,
  relu,
  softmax,
  spatialResponseNorm,
  tensor,
  transpose,
} from '../../src/index.js';
import { seededRandom } from '../backends/cpu/numbers.js';
import { inScope } from '../support/scope.js';
import { openEachKind } from './devices.js';
import { assertNd, broadcastShape, type Index, indices, Nd } from './nd.js';
import { between, broadcastingShapes, oneOf } from './shapes.js';

const test = suite('layer ops');
const random = seededRandom('core/layerOps');
const devices = await openEachKind();
test.after(async () => {
  await Promise.all(devices.map((device) => device.close()));
});

/** A test on each device. */
function onEach(name: string, body: (device: Device) => Promise<void>): void {
  for (const device of devices) test(`${name} (${device.kind})`, () => inScope(() => body(device)));
}

/** How often to try, where a kernel is compiled for each shape: less often where compiling takes long. */
const rounds = (device: Device, onCpu: number): number =>
  device.kind === 'cpu' ? onCpu : Math.ceil(onCpu / 3);

/** The sum of f over the numbers from 0 to n - 1. */
function total(n: number, f: (i: number) => number): number {
  let result = 0;
  for (let i = 0; i < n; i++) result += f(i);
  return result;
}

/** Small whole numbers, whose sums of products are exact in float32: nothing hides behind rounding. */
const whole = (shape: Shape): Nd => Nd.integers(random, shape, -9, 9);

onEach('matmul: batches broadcast, operands of any layout', async (device) => {
  for (let round = 0; round < rounds(device, 9); round++) {
    const [batchA = [], batchB = []] = broadcastingShapes(random, 2, round % 3);
    const [m, k, n] = [between(random, 1, 20), between(random, 1, 20), between(random, 1, 20)];
    const [a, b] = [whole([...batchA, m, k]), whole([...batchB, k, n])];
    const expected = Nd.build([...broadcastShape(batchA, batchB), m, n], (index) => {
      const [i, j] = index.slice(-2);
      const batch = index.slice(0, -2);
      const own = (nd: Nd, ...last: number[]): number => {
        const rank = nd.shape.length - 2;
        const place = batch.slice(batch.length - rank).map((at, axis) => (nd.shape[axis] === 1 ? 0 : at));
        return nd.at(...place, ...last);
      };
      return total(k, (l) => own(a, i!, l) * own(b, l, j!));
    });
    const what = `matmul ${a.shape} by ${b.shape}`;
    await assertNd(matmul(a.seen(random, device), b.seen(random, device)), expected, what);
  }
  const [row, column] = [whole([1, 5]), whole([5, 1])];
  const repeated = matmul(expand(row.on(device), [3, 5]), transpose(expand(column.on(device), [5, 2]), 0, 0));
  const product = total(5, (l) => row.at(0, l) * column.at(l, 0));
  await assertNd(
    repeated,
    Nd.build([3, 2], () => product),
    'matmul of repeated rows and columns',
  );
  assert.equal([...(await matmul(ones([2, 0], { device }), ones([0, 2], { device })).data())], [0, 0, 0, 0]);
});

onEach('linear: x W^T + bias, then ReLU', async (device) => {
  const [n, k, o] = [between(random, 1, 9), between(random, 1, 30), between(random, 1, 9)];
  const [x, w, b] = [whole([n, k]), whole([o, k]), whole([o])];
  const plain = Nd.build([n, o], ([i, j]) => total(k, (l) => x.at(i!, l) * w.at(j!, l)));
  const biased = Nd.build([n, o], ([i, j]) => plain.at(i!, j!) + b.at(j!));
  const rectified = Nd.build([n, o], (index) => Math.max(0, biased.at(...index)));
  const operands = () => [x.seen(random, device), w.seen(random, device)] as const;
  await assertNd(linear(...operands()), plain, 'linear');
  await assertNd(linear(...operands(), { bias: b.seen(random, device) }), biased, 'linear with bias');
  await assertNd(linear(...operands(), { bias: b.on(device), relu: true }), rectified, 'linear with ReLU');
});

onEach(
  'conv2d: the sum over the window, in groups, with strides, dilation and four paddings',
  async (device) => {
    for (let round = 0; round < rounds(device, 9); round++) {
      const groups = oneOf(random, [1, 2, 3]);
      const [each, per] = [between(random, 1, 3), between(random, 1, 3)];
      const [kh, kw] = [between(random, 1, 4), between(random, 1, 4)];
      const stride = [between(random, 1, 3), between(random, 1, 3)] as const;
      const [top, left, bottom, right] = [0, 0, 0, 0].map(() => between(random, 0, 2));
      const dilation = [between(random, 1, 3), between(random, 1, 3)] as const;
      const [high, wide] = [(kh - 1) * dilation[0] + 1, (kw - 1) * dilation[1] + 1];
      const [h, w] = [high + between(random, 0, 5), wide + between(random, 0, 5)];
      const x = whole([between(random, 1, 2), groups * each, h, w]);
      const weight = whole([groups * per, each, kh, kw]);
      const bias = whole([groups * per]);
      const shape = [
        x.shape[0]!,
        groups * per,
        Math.floor((h + top! + bottom! - high) / stride[0]) + 1,
        Math.floor((w + left! + right! - wide) / stride[1]) + 1,
      ];
      const pixel = (n: number, c: number, i: number, j: number): number =>
        i >= 0 && i < h && j >= 0 && j < w ? x.at(n, c, i, j) : 0;
      const expected = Nd.build(shape, ([n, o, y, z]) => {
        const group = Math.floor(o! / per);
        const sum = total(each, (c) =>
          total(kh, (i) =>
            total(
              kw,
              (j) =>
                weight.at(o!, c, i, j) *
                pixel(
                  n!,
                  group * each + c,
                  y! * stride[0] + i * dilation[0] - top!,
                  z! * stride[1] + j * dilation[1] - left!,
                ),
            ),
          ),
        );
        return sum + bias.at(o!);
      });
      const options = { stride, dilation, padding: [top!, left!, bottom!, right!] as const, groups };
      const what = `conv2d ${JSON.stringify(options)} ${x.shape} by ${weight.shape}`;
      const operands = () => [x.seen(random, device), weight.seen(random, device)] as const;
      const full = { ...options, bias: bias.seen(random, device) };
      await assertNd(conv2d(...operands(), full), expected, what);
      const rectified = Nd.build(shape, (index) => Math.max(0, expected.at(...index)));
      await assertNd(conv2d(...operands(), { ...full, relu: true }), rectified, `${what} with ReLU`);
      await assertNd(relu(conv2d(...operands(), full)), rectified, `${what}, ReLU apart`);
    }
  },
);

onEach(
  "conv2d: the paper's first layer gives 55 x 55 from 224 with zeros at the right and bottom",
  async (device) => {
    const x = ones([1, 3, 224, 224], { device });
    const out = conv2d(x, ones([2, 3, 11, 11], { device }), { stride: 4, padding: [1, 1, 2, 2] });
    assert.equal([...out.shape], [1, 2, 55, 55]);
  },
);

/** Rows (or columns) of the window number `at`, those within the image, and how many lie within the padding. */
function windowOf(at: number, n: number, kernel: number, stride: number, before: number, after: number) {
  const start = at * stride - before;
  const inside = [...Array(kernel).keys()].map((i) => start + i).filter((i) => i >= 0 && i < n);
  return { inside, padded: Math.min(start + kernel, n + after) - start };
}

onEach('pooling: overlapping, padded, overhanging in ceil mode', async (device) => {
  for (let round = 0; round < 12; round++) {
    const kernel = [between(random, 1, 4), between(random, 1, 4)] as const;
    const stride = [between(random, 1, 4), between(random, 1, 4)] as const;
    const padding = [0, 1, 2, 3].map((side) => between(random, 0, kernel[side % 2]! - 1));
    const [top = 0, left = 0, bottom = 0, right = 0] = padding;
    const [h, w] = [kernel[0] + between(random, 0, 6), kernel[1] + between(random, 0, 6)];
    const ceilMode = random.uniform() < 0.5;
    const x = whole([2, 2, h, w]);
    const count = (n: number, k: number, s: number, before: number, after: number): number => {
      let windows = Math.floor((n + before + after - k) / s) + 1;
      // In ceil mode one more, if any pixel is left over and it starts before the padding behind the image.
      const more = (windows - 1) * s + k < n + before + after && windows * s < n + before;
      if (ceilMode && more) windows++;
      return windows;
    };
    const shape = [
      2,
      2,
      count(h, kernel[0], stride[0], top, bottom),
      count(w, kernel[1], stride[1], left, right),
    ];
    const windows = ([n, c, y, z]: Index) => {
      const rows = windowOf(y!, h, kernel[0], stride[0], top, bottom);
      const columns = windowOf(z!, w, kernel[1], stride[1], left, right);
      const values = rows.inside.flatMap((i) => columns.inside.map((j) => x.at(n!, c!, i, j)));
      return { values, sum: values.reduce((a, b) => a + b, 0), padded: rows.padded * columns.padded };
    };
    const options = { kernel, stride, padding: [top, left, bottom, right] as const, ceilMode };
    const what = `${JSON.stringify(options)} of ${x.shape}`;
    const largest = Nd.build(shape, (index) => Math.max(...windows(index).values));
    await assertNd(maxPool2d(x.seen(random, device), options), largest, `maxPool2d ${what}`, 0);
    const overAll = Nd.build(shape, (index) => windows(index).sum / windows(index).padded);
    await assertNd(avgPool2d(x.seen(random, device), options), overAll, `avgPool2d ${what}`);
    const overImage = Nd.build(shape, (index) => windows(index).sum / windows(index).values.length);
    const excluding = avgPool2d(x.seen(random, device), { ...options, countIncludePad: false });
    await assertNd(excluding, overImage, `avgPool2d countIncludePad=false ${what}`);
  }
  const nan = tensor([[[[1, Number.NaN, 3, 4]]]], { device });
  const [first, second] = await maxPool2d(nan, { kernel: [1, 2] }).data();
  assert.ok(Number.isNaN(first));
  assert.is(second, 4);
});

onEach(
  'localResponseNorm: the window from i - floor(size / 2) on, clipped, by both scalings',
  async (device) => {
    for (const size of [1, 2, 3, 4, 5, 9]) {
      const x = Nd.normal(random, [2, between(random, 1, 7), 2, between(random, 1, 9)]);
      const channels = x.shape[1]!;
      const [alpha, beta, k] = [
        oneOf(random, [1e-4, 0.3]),
        oneOf(random, [0.75, 0.5, 1, 0.6]),
        oneOf(random, [1, 2]),
      ];
      for (const scaling of ['sum', 'mean'] as const) {
        const factor = scaling === 'mean' ? alpha / size : alpha;
        const expected = Nd.build(x.shape, ([n, c, i, j]) => {
          const from = c! - Math.floor(size / 2);
          const squares = total(size, (s) =>
            from + s >= 0 && from + s < channels ? x.at(n!, from + s, i!, j!) ** 2 : 0,
          );
          return x.at(n!, c!, i!, j!) / (k + factor * squares) ** beta;
        });
        const what = `size=${size} alpha=${alpha} beta=${beta} k=${k} ${scaling} of ${x.shape}`;
        const options = { size, alpha, beta, k, scaling };
        await assertNd(localResponseNorm(x.seen(random, device), options), expected, what);
      }
    }
    const x = Nd.normal(random, [1, 7, 1, 3]);
    const paper = Nd.build(x.shape, ([, c, , j]) => {
      const squares = total(5, (s) =>
        c! - 2 + s >= 0 && c! - 2 + s < 7 ? x.at(0, c! - 2 + s, 0, j!) ** 2 : 0,
      );
      return x.at(0, c!, 0, j!) / (2 + 1e-4 * squares) ** 0.75;
    });
    await assertNd(localResponseNorm(x.on(device)), paper, "the paper's constants by default");
  },
);

onEach('spatialResponseNorm: the square of pixels around each, zero outside the map', async (device) => {
  for (const [size, scaling] of [
    [3, 'sum'],
    [5, 'mean'],
    [1, 'sum'],
  ] as const) {
    const [h, w] = [between(random, 1, 6), between(random, 1, 6)];
    const x = Nd.normal(random, [1, 2, h, w]);
    const reach = (size - 1) / 2;
    const factor = scaling === 'mean' ? 0.3 / size ** 2 : 0.3;
    const expected = Nd.build(x.shape, ([n, c, i, j]) => {
      const near = [...indices([h, w])].filter(
        ([y, z]) => Math.abs(y! - i!) <= reach && Math.abs(z! - j!) <= reach,
      );
      const squares = near.reduce((sum, [y, z]) => sum + x.at(n!, c!, y!, z!) ** 2, 0);
      return x.at(n!, c!, i!, j!) / (1.5 + factor * squares) ** 0.75;
    });
    const options = { size, alpha: 0.3, beta: 0.75, k: 1.5, scaling };
    await assertNd(spatialResponseNorm(x.seen(random, device), options), expected, `size=${size} ${scaling}`);
  }
});

onEach('softmax and logSoftmax along any axis, of large numbers too', async (device) => {
  for (const axis of [0, 1, 2]) {
    const x = Nd.build([3, 4, 5], () => Math.fround(3 * random.normal() + 200));
    const sumAt = (index: Index): number =>
      total(x.shape[axis]!, (i) => Math.exp(x.at(...index.map((own, a) => (a === axis ? i : own))) - 200));
    const logs = Nd.build(x.shape, (index) => x.at(...index) - 200 - Math.log(sumAt(index)));
    await assertNd(logSoftmax(x.seen(random, device), axis), logs, `logSoftmax along ${axis}`, 1e-10);
    const shares = Nd.build(x.shape, (index) => Math.exp(logs.at(...index)));
    await assertNd(softmax(x.seen(random, device), axis - 3), shares, `softmax along ${axis}`, 1e-9);
  }
});

onEach('crossEntropy: mean, sum, each; labels outside give NaN and no other one', async (device) => {
  const [n, classes] = [between(random, 2, 9), between(random, 2, 40)];
  const logits = Nd.normal(random, [n, classes]);
  const labels = Nd.integers(random, [n], 0, classes - 1);
  const losses = Nd.build([n], ([i]) => {
    const z = total(classes, (j) => Math.exp(logits.at(i!, j)));
    return Math.log(z) - logits.at(i!, labels.at(i!));
  });
  const sum = losses.data.reduce((a, b) => a + b, 0);
  const operands = () => [logits.seen(random, device), labels.seen(random, device, 'int32')] as const;
  await assertNd(crossEntropy(...operands(), 'none'), losses, 'each');
  await assertNd(
    crossEntropy(...operands(), 'sum'),
    Nd.build([], () => sum),
    'sum',
  );
  await assertNd(
    crossEntropy(...operands()),
    Nd.build([], () => sum / n),
    'mean by default',
  );
  const some = await crossEntropy(
    ones([3, 2], { device }),
    tensor(Int32Array.of(0, 2, -1), { device }),
    'none',
  ).data();
  assert.equal([...some].map(Number.isNaN), [false, true, true]);
});

test.run();
