/**
 * Transposed convolution and convolutions along one axis, adaptive pooling: values on each kind of device against plain
 * JavaScript, gradients by finite differences, what is refused.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  adaptiveAvgPool2d,
  conv1d,
  conv2d,
  convTranspose1d,
  convTranspose2d,
  type Device,
  type Shape,
  type Tensor,
  zeros,
} from '../../src/index.js';
import { seededRandom } from '../backends/cpu/numbers.js';
import { type Differentiable, gradcheck, normalLeaf } from '../support/gradcheck.js';
import { inScope } from '../support/scope.js';
import { openEachKind } from './devices.js';
import { assertNd, Nd } from './nd.js';
import { between, disguise, oneOf } from './shapes.js';

const test = suite('transposed convolution');
const random = seededRandom('core/convTranspose');
const devices = await openEachKind();
test.after(async () => {
  await Promise.all(devices.map((device) => device.close()));
});

/** A test on each device. */
function onEach(name: string, body: (device: Device) => Promise<void>): void {
  for (const device of devices) test(`${name} (${device.kind})`, () => inScope(() => body(device)));
}

const whole = (shape: Shape): Nd => Nd.integers(random, shape, -9, 9);

/** Shapes and options of a transposed convolution. */
function randomCase() {
  const groups = oneOf(random, [1, 2, 3]);
  const [each, per] = [between(random, 1, 3), between(random, 1, 3)];
  const kernel = [between(random, 1, 4), between(random, 1, 4)] as const;
  const stride = [between(random, 1, 3), between(random, 1, 3)] as const;
  const dilation = [between(random, 1, 3), between(random, 1, 3)] as const;
  const extra = (axis: 0 | 1): number => between(random, 0, Math.max(stride[axis], dilation[axis]) - 1);
  const side = (axis: 0 | 1): number =>
    between(random, 0, Math.floor(((kernel[axis] - 1) * dilation[axis]) / 2));
  const padding = [side(0), side(1), side(0), side(1)] as const;
  const outputPadding = [extra(0), extra(1)] as const;
  const x = [between(random, 1, 2), groups * each, between(random, 1, 5), between(random, 1, 5)] as const;
  return {
    x,
    weight: [groups * each, per, ...kernel] as const,
    bias: [groups * per],
    options: { stride, padding, dilation, outputPadding, groups },
  };
}

/** Each element of x times the kernel, added where it falls. */
function transposed(x: Nd, weight: Nd, bias: Nd, { options }: ReturnType<typeof randomCase>): Nd {
  const { stride, padding, dilation, outputPadding, groups } = options;
  const [N = 0, C = 0, H = 0, W = 0] = x.shape;
  const [, per = 0, KH = 0, KW = 0] = weight.shape;
  const size = (axis: 0 | 1, n: number, k: number): number =>
    (n - 1) * stride[axis] -
    padding[axis] -
    padding[axis + 2]! +
    (k - 1) * dilation[axis] +
    outputPadding[axis] +
    1;
  const shape = [N, per * groups, size(0, H, KH), size(1, W, KW)];
  const sums = new Map<string, number>();
  for (let n = 0; n < N; n++) {
    for (let c = 0; c < C; c++) {
      const first = Math.floor(c / (C / groups)) * per;
      for (let o = 0; o < per; o++) {
        for (let y = 0; y < H; y++) {
          for (let z = 0; z < W; z++) {
            for (let i = 0; i < KH; i++) {
              for (let j = 0; j < KW; j++) {
                const row = y * stride[0] + i * dilation[0] - padding[0];
                const column = z * stride[1] + j * dilation[1] - padding[1];
                const key = [n, first + o, row, column].join();
                sums.set(key, (sums.get(key) ?? 0) + x.at(n, c, y, z) * weight.at(c, o, i, j));
              }
            }
          }
        }
      }
    }
  }
  return Nd.build(shape, (index) => (sums.get(index.join()) ?? 0) + bias.at(index[1]!));
}

onEach('convTranspose2d: strides, dilation, groups, padding and output padding', async (device) => {
  for (let round = 0; round < (device.kind === 'cpu' ? 15 : 5); round++) {
    const c = randomCase();
    const [x, weight, bias] = [whole(c.x), whole(c.weight), whole(c.bias)];
    const what = `convTranspose2d ${JSON.stringify(c)}`;
    const options = { ...c.options, bias: bias.seen(random, device) };
    const expected = transposed(x, weight, bias, c);
    await assertNd(
      convTranspose2d(x.seen(random, device), weight.seen(random, device), options),
      expected,
      what,
    );
  }
});

onEach('conv1d and convTranspose1d: as along two axes, one of them a pixel high', async (device) => {
  const [x, weight, back] = [whole([2, 4, 9]), whole([6, 2, 3]), whole([4, 3, 3])];
  const bias = whole([6]);
  const options = { stride: 2, padding: [1, 2], dilation: 2, groups: 2 } as const;
  const line = conv1d(x.seen(random, device), weight.seen(random, device), {
    ...options,
    bias: bias.on(device),
  });
  const length = Math.floor((9 + 3 - 5) / 2) + 1;
  const expected = Nd.build([2, 6, length], ([n, o, i]) => {
    let sum = bias.at(o!);
    for (let c = 0; c < 2; c++) {
      for (let k = 0; k < 3; k++) {
        const at = i! * 2 + k * 2 - 1;
        if (at >= 0 && at < 9) sum += x.at(n!, (o! < 3 ? 0 : 2) + c, at) * weight.at(o!, c, k);
      }
    }
    return sum;
  });
  await assertNd(line, expected, 'conv1d');
  const turned = convTranspose1d(x.seen(random, device), back.seen(random, device), {
    ...options,
    outputPadding: 1,
  });
  const wide = {
    ...options,
    stride: [1, 2],
    padding: [0, 1, 0, 2],
    dilation: [1, 2],
    outputPadding: [0, 1],
  } as const;
  const high = (nd: Nd): Nd =>
    Nd.build([nd.shape[0]!, nd.shape[1]!, 1, nd.shape[2]!], ([a, b, , d]) => nd.at(a!, b!, d!));
  assert.equal(turned.shape, [2, 6, 8 * 2 - 3 + 4 + 1 + 1]);
  const zero = Nd.build([6], () => 0);
  const right = transposed(high(x), high(back), zero, { ...randomCase(), options: wide });
  await assertNd(
    turned,
    Nd.build(turned.shape, ([a, b, d]) => right.at(a!, b!, 0, d!)),
    'convTranspose1d',
  );
});

onEach('adaptiveAvgPool2d: windows of sizes that differ where they must', async (device) => {
  for (const [h, w, oh, ow] of [
    [5, 7, 3, 4],
    [6, 6, 3, 2],
    [3, 4, 5, 1],
    [7, 1, 7, 1],
    [13, 9, 6, 6],
  ] as const) {
    const x = whole([2, 3, h, w]);
    const ends = (i: number, n: number, count: number): [number, number] => [
      Math.floor((i * n) / count),
      Math.ceil(((i + 1) * n) / count),
    ];
    const expected = Nd.build([2, 3, oh, ow], ([n, c, i, j]) => {
      const [[top, bottom], [left, right]] = [ends(i!, h, oh), ends(j!, w, ow)];
      let sum = 0;
      for (let y = top; y < bottom; y++) for (let z = left; z < right; z++) sum += x.at(n!, c!, y, z);
      return sum / ((bottom - top) * (right - left));
    });
    await assertNd(adaptiveAvgPool2d(x.seen(random, device), [oh, ow]), expected, `${h}x${w} to ${oh}x${ow}`);
  }
});

/** Checks f of tensors of `shapes`, each reached through a random view. */
async function check(what: string, f: Differentiable, shapes: readonly Shape[]): Promise<void> {
  const disguises = shapes.map((shape) => disguise(random, shape));
  const leaves = disguises.map(({ shape }) => normalLeaf(random, shape));
  const seen = (...inputs: Tensor[]) => f(...inputs.map((x, i) => disguises[i]!.view(x)));
  await gradcheck(`${what} of ${JSON.stringify(shapes)}`, devices[0]!, random, seen, leaves);
}

test('gradients of convTranspose2d by x, weight and bias', async () => {
  for (let round = 0; round < 8; round++) {
    const c = randomCase();
    const f: Differentiable = (x, weight, bias) =>
      convTranspose2d(x!, weight!, { ...c.options, bias: bias! });
    await check(`convTranspose2d ${JSON.stringify(c.options)}`, f, [c.x, c.weight, c.bias]);
  }
});

test('gradients of conv2d with dilation, conv1d, convTranspose1d and adaptiveAvgPool2d', async () => {
  const options = { stride: [2, 3], dilation: [3, 2], padding: [1, 2, 0, 1], groups: 2 } as const;
  await check('conv2d', (x, w, bias) => conv2d(x!, w!, { ...options, bias: bias! }), [
    [2, 4, 9, 8],
    [4, 2, 3, 2],
    [4],
  ]);
  await check('conv1d', (x, w, bias) => conv1d(x!, w!, { bias: bias!, dilation: 2, padding: 1, stride: 2 }), [
    [2, 3, 8],
    [2, 3, 3],
    [2],
  ]);
  await check('convTranspose1d', (x, w) => convTranspose1d(x!, w!, { stride: 2, outputPadding: 1 }), [
    [2, 3, 4],
    [3, 2, 3],
  ]);
  await check('adaptiveAvgPool2d', (x) => adaptiveAvgPool2d(x!, [3, 2]), [[2, 2, 5, 3]]);
});

test('what does not fit is refused, by the name of the op', () => {
  const device = devices[0]!;
  const [x, w] = [zeros([1, 4, 5, 5], { device }), zeros([4, 2, 3, 3], { device })];
  assert.throws(
    () => convTranspose2d(x, zeros([3, 2, 3, 3], { device })),
    /convTranspose2d: x is 1x4x5x5, weight 3x2x3x3/,
  );
  assert.throws(() => convTranspose2d(x, w, { groups: 3 }), /groups=3/);
  assert.throws(
    () => convTranspose2d(x, w, { outputPadding: 1 }),
    /outputPadding is \[1, 1\], expected less than/,
  );
  assert.throws(() => convTranspose2d(x, w, { padding: 4 }), /padding \[4, 4, 4, 4\] leaves nothing/);
  assert.throws(() => convTranspose2d(x, w, { bias: zeros([4], { device }) }), /bias is \[4\]/);
  assert.throws(
    () => conv2d(x, zeros([2, 4, 3, 3], { device }), { dilation: 3 }),
    /3x3 window of dilation \[3, 3\]/,
  );
  assert.throws(() => conv2d(x, w, { dilation: 0 }), /dilation is \[0, 0\]/);
  assert.throws(() => conv1d(x, w), /conv1d: x is 1x4x5x5, expected 3 axes \[N, C, L\]/);
  assert.throws(() => adaptiveAvgPool2d(x, 0), /adaptiveAvgPool2d: size/);
});

test.run();
