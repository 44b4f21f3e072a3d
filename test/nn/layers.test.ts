/**
 * Each layer's forward pass against plain loops over host numbers.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ArgumentError } from '../../src/core/errors.js';
import { ones } from '../../src/core/ops/create.js';
import { sum } from '../../src/core/ops/reduce.js';
import { Generator, manualSeed } from '../../src/core/random.js';
import { noGrad } from '../../src/core/tape.js';
import * as nn from '../../src/nn/index.js';
import { normal } from '../../src/nn/layer.js';
import type { HostTensor } from '../../src/nn/module.js';
import { seededRandom } from '../backends/cpu/numbers.js';
import { assertClose, onDevice, onHost, randomHost, withDevices } from '../support/devices.js';

const random = seededRandom('layers');
const one = [{ threads: 1 }];

/** Element of a host tensor; 0 outside. */
function at({ shape, data }: HostTensor, ...index: number[]): number {
  if (index.some((i, axis) => i < 0 || i >= shape[axis]!)) return 0;
  return data[index.reduce((offset, i, axis) => offset * shape[axis]! + i, 0)]!;
}

/** A host tensor of `value(index)`. */
function build(shape: number[], value: (...index: number[]) => number): HostTensor {
  const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
  const walk = (index: number[], offset: number): void => {
    if (index.length === shape.length) data[offset] = value(...index);
    else
      for (let i = 0; i < shape[index.length]!; i++) walk([...index, i], offset * shape[index.length]! + i);
  };
  walk([], 0);
  return { shape, data };
}

const range = (n: number): number[] => [...Array(n).keys()];
const total = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
/** A whole number from `least` to `most`. */
const whole = (least: number, most: number): number => least + random.integer(most - least + 1);

async function checkLayer(layer: nn.Layer, x: HostTensor, expected: HostTensor, what: string): Promise<void> {
  await withDevices(one, async (device) => {
    assertClose(await onHost(layer.forward(onDevice(x, device))), expected, what);
  });
}

test('Linear is x W^T + b, without bias and with ReLU if asked', async () => {
  await withDevices([{ threads: 2 }], async (device) => {
    for (const options of [{}, { bias: false }, { relu: true }]) {
      const [n, inputs, outputs] = [whole(1, 9), whole(1, 40), whole(1, 40)];
      const layer = new nn.Linear(inputs, outputs, { device, biasInit: normal(1), ...options });
      const [x, w] = [randomHost(random, [n, inputs]), await onHost(layer.weight)];
      const b = layer.bias && (await onHost(layer.bias));
      const expected = build([n, outputs], (i, o) => {
        const y = total(range(inputs).map((k) => at(x, i, k) * at(w, o, k))) + (b ? at(b, o) : 0);
        return options.relu ? Math.max(0, y) : y;
      });
      assertClose(
        await onHost(layer.forward(onDevice(x, device))),
        expected,
        `Linear ${n} ${inputs} ${outputs}`,
      );
      assert.is(layer.bias === null, options.bias === false);
    }
  });
});

test('Linear in groups: the features of a group go into its units alone', async () => {
  await withDevices(one, async (device) => {
    const layer = new nn.Linear(6, 4, { device, groups: 2, relu: true, biasInit: normal(1) });
    const [x, w, b] = [randomHost(random, [5, 6]), await onHost(layer.weight), await onHost(layer.bias!)];
    assert.equal(w.shape, [4, 3]);
    const expected = build([5, 4], (i, o) => {
      const first = o < 2 ? 0 : 3;
      return Math.max(0, total(range(3).map((k) => at(x, i, first + k) * at(w, o, k))) + at(b, o));
    });
    assertClose(await onHost(layer.forward(onDevice(x, device))), expected, 'Linear in groups');
    for (const groups of [4, 0, 1.5]) {
      assert.throws(() => new nn.Linear(6, 4, { device, groups }), /^Linear: groups/);
    }
  });
});

test('Conv2d slides its kernels with stride, four paddings and groups', async () => {
  await withDevices([{ threads: 2 }], async (device) => {
    for (let round = 0; round < 6; round++) {
      const groups = whole(1, 3);
      const [n, c, o] = [whole(1, 3), groups * whole(1, 3), groups * whole(1, 5)];
      const [kh, kw, stride] = [whole(1, 4), whole(1, 4), whole(1, 3)];
      const [h, w] = [kh + whole(0, 8), kw + whole(0, 8)];
      const padding = [whole(0, 2), whole(0, 2), whole(0, 2), whole(0, 2)] as const;
      const [top, left, bottom, right] = padding;
      const relu = round % 2 === 0;
      const options = { stride, padding, groups, relu, bias: round % 3 > 0, biasInit: normal(1) };
      const layer = new nn.Conv2d(c, o, [kh, kw], { device, ...options });
      const [x, weight] = [randomHost(random, [n, c, h, w]), await onHost(layer.weight)];
      const bias = layer.bias && (await onHost(layer.bias));
      const [oh, ow] = [
        Math.floor((h + top + bottom - kh) / stride) + 1,
        Math.floor((w + left + right - kw) / stride) + 1,
      ];
      const each = c / groups;
      const expected = build([n, o, oh, ow], (i, k, y, z) => {
        const first = Math.floor(k / (o / groups)) * each;
        const terms = range(each * kh * kw).map((t) => {
          const [j, r, s] = [Math.floor(t / kh / kw), Math.floor(t / kw) % kh, t % kw];
          return at(x, i, first + j, y * stride - top + r, z * stride - left + s) * at(weight, k, j, r, s);
        });
        const value = total(terms) + (bias ? at(bias, k) : 0);
        return relu ? Math.max(0, value) : value;
      });
      const what = `Conv2d ${JSON.stringify({ n, c, o, h, w, kh, kw, ...options, padding })}`;
      assertClose(await onHost(layer.forward(onDevice(x, device))), expected, what);
    }
    assert.throws(
      () => new nn.Conv2d(3, 4, 3, { device, groups: 2 }),
      (error: unknown) =>
        error instanceof ArgumentError && /groups=2 must divide the 3 input/.test(error.message),
    );
  });
});

test('pooling takes the largest or the mean of each window, overhanging in ceil mode', async () => {
  const x = randomHost(random, [2, 3, 8, 7]);
  for (const ceilMode of [false, true]) {
    for (const padding of [0, 1]) {
      const size = (length: number): number =>
        (ceilMode ? Math.ceil : Math.floor)((length + 2 * padding - 3) / 2) + 1;
      /** The window's pixels within `margin` of the image. */
      const pixels = (i: number, c: number, y: number, z: number, margin: number): number[] =>
        range(9).flatMap((t) => {
          const [r, s] = [y * 2 - padding + Math.floor(t / 3), z * 2 - padding + (t % 3)];
          const inside = r >= -margin && r < 8 + margin && s >= -margin && s < 7 + margin;
          return inside ? [at(x, i, c, r, s)] : [];
        });
      const shape = [2, 3, size(8), size(7)];
      const options = { stride: 2, padding, ceilMode };
      const what = JSON.stringify(options);
      await checkLayer(
        new nn.MaxPool2d(3, options),
        x,
        build(shape, (i, c, y, z) => Math.max(...pixels(i, c, y, z, 0))),
        `MaxPool2d ${what}`,
      );
      for (const countIncludePad of [true, false]) {
        const mean = build(shape, (i, c, y, z) => {
          return total(pixels(i, c, y, z, 0)) / pixels(i, c, y, z, countIncludePad ? padding : 0).length;
        });
        await checkLayer(new nn.AvgPool2d(3, { ...options, countIncludePad }), x, mean, `AvgPool2d ${what}`);
      }
    }
  }
});

test("LocalResponseNorm is the paper's formula by default; 'mean' divides alpha by the window", async () => {
  const x = randomHost(random, [2, 9, 3, 2]);
  for (const [size, alpha, beta, k, scaling] of [
    [undefined, undefined, undefined, undefined, undefined],
    [3, 0.5, 0.6, 1, 'sum'],
    [4, 0.5, 0.75, 1.5, 'mean'],
  ] as const) {
    const n = size ?? 5;
    const factor = (alpha ?? 1e-4) / (scaling === 'mean' ? n : 1);
    const expected = build([2, 9, 3, 2], (i, c, h, w) => {
      // Krizhevsky 2012, section 3.3: maps c - n/2 .. c + n/2, clipped at the ends.
      const window = range(9).filter((j) => j >= c - Math.floor(n / 2) && j <= c + Math.floor((n - 1) / 2));
      const squares = total(window.map((j) => at(x, i, j, h, w) ** 2));
      return at(x, i, c, h, w) / ((k ?? 2) + factor * squares) ** (beta ?? 0.75);
    });
    await checkLayer(new nn.LocalResponseNorm({ size, alpha, beta, k, scaling }), x, expected, `LRN of ${n}`);
  }
});

test('LocalResponseNorm in groups is the normalization of each group alone', async () => {
  const x = randomHost(random, [2, 6, 2, 3]);
  const expected = build([2, 6, 2, 3], (i, c, h, w) => {
    const group = range(6).filter((j) => Math.floor(j / 3) === Math.floor(c / 3));
    const squares = total(group.filter((j) => Math.abs(j - c) <= 2).map((j) => at(x, i, j, h, w) ** 2));
    return at(x, i, c, h, w) / (2 + 0.5 * squares) ** 0.75;
  });
  await checkLayer(new nn.LocalResponseNorm({ alpha: 0.5, groups: 2 }), x, expected, 'LRN in groups');
  await withDevices(one, async (device) => {
    const layer = new nn.LocalResponseNorm({ groups: 4 });
    assert.throws(
      () => layer.forward(onDevice(x, device)),
      /groups=4 must divide the 6 input and 6 output maps/,
    );
  });
});

test('SpatialResponseNorm looks at a square of pixels of the same map', async () => {
  const x = randomHost(random, [2, 2, 5, 4]);
  for (const scaling of ['sum', 'mean'] as const) {
    const expected = build([2, 2, 5, 4], (i, c, h, w) => {
      const squares = total(
        range(9).map((t) => at(x, i, c, h - 1 + Math.floor(t / 3), w - 1 + (t % 3)) ** 2),
      );
      return at(x, i, c, h, w) / (1 + (0.3 / (scaling === 'mean' ? 9 : 1)) * squares) ** 0.75;
    });
    const layer = new nn.SpatialResponseNorm({ size: 3, alpha: 0.3, k: 1, scaling });
    await checkLayer(layer, x, expected, `SpatialResponseNorm ${scaling}`);
  }
});

test('ReLU, Tanh, Abs, Sigmoid, Flatten and Lambda', async () => {
  const x = randomHost(random, [3, 2, 5]);
  const by = (fn: (v: number) => number): HostTensor => ({ shape: x.shape, data: x.data.map(fn) });
  await checkLayer(
    new nn.ReLU(),
    x,
    by((v) => Math.max(0, v)),
    'ReLU',
  );
  await checkLayer(new nn.Tanh(), x, by(Math.tanh), 'Tanh');
  await checkLayer(
    new nn.Sigmoid(),
    x,
    by((v) => 1 / (1 + Math.exp(-v))),
    'Sigmoid',
  );
  await checkLayer(new nn.Abs(), x, by(Math.abs), 'Abs');
  await checkLayer(new nn.Flatten(), x, { shape: [3, 10], data: x.data }, 'Flatten');
  await checkLayer(
    new nn.Lambda((t) => sum(t, { axes: 2 })),
    x,
    build([3, 2], (i, j) => {
      return total(range(5).map((k) => at(x, i, j, k)));
    }),
    'Lambda',
  );
});

test('Dropout drops its share while training, another each time, and scales as its form says', async () => {
  await withDevices(one, async (device) => {
    const x = ones([100, 100], { device, requiresGrad: true });
    for (const form of ['inverted', 'paper'] as const) {
      const layer = new nn.Dropout(0.3, { form });
      manualSeed(5);
      const first = layer.forward(x);
      const [kept, again] = [await first.data(), await layer.forward(x).data()];
      manualSeed(5);
      assert.equal(await layer.forward(x).data(), kept, 'the same seed, the same mask');
      assert.not.equal(again, kept);
      const value = form === 'paper' ? 1 : Math.fround(1 / 0.7);
      assert.equal([...new Set(kept)].sort(), [0, value]);
      const share = kept.filter((v) => v === 0).length / kept.length;
      assert.ok(Math.abs(share - 0.3) < 0.02, `${share} dropped`);
      sum(first).backward();
      assert.equal(await x.grad!.data(), kept, 'the gradient passes where the value did');
      x.grad = null;
      layer.eval();
      const expected = form === 'paper' ? Math.fround(0.7) : 1;
      assert.equal(await layer.forward(x).data(), new Float32Array(10_000).fill(expected));
    }
  });
});

test("Dropout draws from one's own generator, in training alone", async () => {
  await withDevices(one, async (device) => {
    const generator = new Generator(9);
    const layer = new nn.Dropout(0.5, { draw: () => generator.next() });
    const x = ones([50], { device });
    const first = await layer.forward(x).data();
    generator.stream = 0;
    assert.equal(await layer.forward(x).data(), first);
    layer.eval().forward(x);
    assert.is(generator.stream, 1);
  });
});

test('Sequential runs its layers in order and holds no intermediate results without gradients', async () => {
  await withDevices(one, async (device) => {
    const generator = new Generator(3);
    const init = (shape: readonly number[]): ReturnType<typeof ones> =>
      normal(1)(shape, device, generator.next());
    const [a, b] = [
      new nn.Linear(4, 5, { device, weightInit: init }),
      new nn.Linear(5, 2, { device, weightInit: init }),
    ];
    const net = new nn.Sequential(a, new nn.Tanh(), b);
    const x = onDevice(randomHost(random, [3, 4]), device);
    const expected = b.forward(new nn.Tanh().forward(a.forward(x)));
    const before = device.memory().buffers;
    const y = noGrad(() => net.forward(x));
    assert.is(device.memory().buffers, before + 1);
    assert.equal(await y.data(), await expected.data());
    assert.is(x.disposed, false);
    const same = new nn.Sequential(new nn.Lambda((t) => t), new nn.Lambda((t) => t));
    assert.is(same.forward(x), x);
    assert.is(x.disposed, false);
  });
});

test.run();
