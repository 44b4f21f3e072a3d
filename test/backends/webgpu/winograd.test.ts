/**
 * Convolutions of 3x3 taps and stride 1 by Winograd's method on WebGPU against the plain loops: ragged tiles, borders, groups,
 * bias and clipping, forward and by the input; that it is chosen where counting says so, and within the CPU's bounds of error.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WebGpuBooks } from '../../../src/backends/webgpu/runtime/dry.js';
import { contiguousStrides, type Shape, sizeOf, type View } from '../../../src/core/shape.js';
import { softwareDriver } from '../../../support/driver.js';
import { seededRandom } from '../cpu/numbers.js';
import { Bench, openSoftware } from './harness.js';

const driver = await softwareDriver();
const test = suite('webgpu winograd');

/** AlexNet's conv3: images are what grows it. */
function launches(kernel: 'conv2d' | 'conv2dInputGrad', images: number, stride: number): number {
  const books = new WebGpuBooks('webgpu:0', {});
  const view = (shape: Shape): View => ({
    buffer: books.alloc(4 * sizeOf(shape), 'test'),
    dtype: 'float32',
    shape,
    strides: contiguousStrides(shape),
    offset: 0,
  });
  const side = stride === 1 ? 13 : 7;
  const [small, large] = [view([images, 256, 13, 13]), view([images, 384, side, side])];
  const shared = {
    weight: view([384, 256, 3, 3]),
    stride: [stride, stride],
    padding: [1, 1, 1, 1],
    dilation: [1, 1],
    groups: 1,
  } as const;
  return kernel === 'conv2d'
    ? books.launch('conv2d', { ...shared, x: small, out: large, bias: null, relu: false })
    : books.launch('conv2dInputGrad', { ...shared, grad: large, out: small });
}

test('it is chosen for many images, not for few, in runs that hold no more than 128 MB', () => {
  // Kernels once, then three dispatches for each run; directly a border, a packing and a product.
  assert.is(launches('conv2d', 64, 1), 1 + 3);
  assert.is(launches('conv2d', 128, 1), 1 + 3 * 2);
  assert.is(launches('conv2dInputGrad', 128, 1), 1 + 3 * 2);
  assert.is(launches('conv2d', 1, 1), 3);
});

if (driver !== null) {
  const random = seededRandom('webgpu winograd');
  const device = await openSoftware(driver, { winograd: 'always' });
  const plain = await openSoftware(driver, { winograd: 'never' });
  const bench = new Bench(device);
  test.after(async () => {
    await device.close();
    await plain.close();
  });
  const upTo = (n: number): number => 1 + random.integer(n);

  for (const groups of [1, 2]) {
    test(`forward and by the input, ${groups} groups`, async () => {
      for (let round = 0; round < 3; round++) {
        const [N, C, O, H, W] = [upTo(3), upTo(5), upTo(6), 3 + upTo(9), 3 + upTo(9)];
        const padding = [random.integer(3), random.integer(3), random.integer(3), random.integer(3)] as const;
        const [OH, OW] = [H + padding[0] + padding[2] - 2, W + padding[1] + padding[3] - 2];
        const geometry = { stride: [1, 1], dilation: [1, 1], padding, groups } as const;
        const before = device.counters().dispatches;
        const weight = bench.normals(random, [O * groups, C, 3, 3], 1);
        const x = bench.normals(random, [N, C * groups, H, W], 3);
        const out = bench.result([N, O * groups, OH, OW], 'float32', 1);
        const bias = round % 2 === 0 ? bench.normals(random, [O * groups], 1) : null;
        // Of independent numbers 4 x 4 results have 3.5 times the error of direct sums; 1e-12 is a relative error of 1e-6.
        await bench.check('conv2d', { ...geometry, x, weight, bias, relu: round > 0, out }, [out], 1e-12);
        const again = bench.normals(random, [O * groups, C, 3, 3]);
        const grad = bench.normals(random, [N, O * groups, OH, OW], 2);
        const back = bench.result([N, C * groups, H, W]);
        await bench.check('conv2dInputGrad', { ...geometry, grad, weight: again, out: back }, [back], 1e-12);
        // Kernels, pixels, products and results, both ways.
        assert.is(device.counters().dispatches - before, 8);
      }
    });
  }

  test('an image of infinities spreads within its tiles; directly it does not', async () => {
    const spread: number[] = [];
    for (const one of [device, plain]) {
      const own = new Bench(one);
      const numbers = new Float32Array(64);
      numbers[9] = Number.POSITIVE_INFINITY;
      const x = own.put(numbers, [1, 1, 8, 8]);
      const weight = own.put(new Float32Array(9).fill(1), [1, 1, 3, 3]);
      const out = own.result([1, 1, 6, 6]);
      const geometry = { stride: [1, 1], dilation: [1, 1], padding: [0, 0, 0, 0], groups: 1 } as const;
      one.kernels.conv2d({ ...geometry, x, weight, bias: null, relu: false, out });
      const result = await one.read(out);
      spread.push([...result].filter((value) => !Number.isFinite(value)).length);
      own.clear();
    }
    assert.is(spread[1], 4);
    assert.ok(spread[0]! > 4 && spread[0]! <= 16, `${spread[0]}`);
  });
}

test.run();
