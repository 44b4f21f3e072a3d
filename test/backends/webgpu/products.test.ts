/**
 * Matrix products and convolutions on WebGPU against the plain loops, in every form of tiles that GPUs take. (The contract's
 * tests run them with the forms that are chosen, and without.)
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { tileForms } from '../../../src/backends/webgpu/kernels/matmul/forms.js';
import type { Tiles } from '../../../src/backends/webgpu/runtime/options.js';
import type { Padding, Pair } from '../../../src/core/backend.js';
import { softwareDriver } from '../../../support/driver.js';
import { seededRandom } from '../cpu/numbers.js';
import { Bench, type Held, openSoftware } from './harness.js';

const driver = await softwareDriver();
const test = suite('webgpu products');

if (driver !== null) {
  const random = seededRandom('webgpu products');
  const direct = new Bench(await openSoftware(driver, { tiles: 'direct' }));
  test.after(() => direct.device.close());
  test.after.each(() => direct.clear());

  /** A matrix for each batch, stored as it is or transposed, rows maybe longer than it. */
  function matrix(
    bench: Bench,
    B: number,
    rows: number,
    columns: number,
    turned: boolean,
    slack: number,
  ): Held {
    const [outer, inner] = turned ? [columns, rows] : [rows, columns];
    const stride = inner + slack;
    const data = Float32Array.from({ length: B * outer * stride }, () => random.normal());
    return bench.put(data, [B, rows, columns], 0, [outer * stride, turned ? 1 : stride, turned ? stride : 1]);
  }

  async function product(
    bench: Bench,
    B: number,
    M: number,
    N: number,
    K: number,
    form: number,
  ): Promise<void> {
    const a = matrix(bench, B, M, K, (form & 1) !== 0, form & 4);
    const b = matrix(bench, B, K, N, (form & 2) !== 0, 0);
    const bias = form % 3 === 0 ? bench.normals(random, [N], 1) : null;
    const out = bench.result([B, M, N], 'float32', form % 2 === 0 ? 4 : 1);
    await bench.check('matmul', { a, b, bias, relu: form % 3 === 0, out }, [out]);
  }

  /** Runs on a device whose products are all of one form. */
  async function inForm(tiles: Tiles, run: (bench: Bench) => Promise<void>): Promise<void> {
    const bench = new Bench(await openSoftware(driver!, { tiles }));
    try {
      await run(bench);
    } finally {
      await bench.device.close();
    }
  }

  // Compiling takes seconds where a tile is large, so each form is run once, and the smallest in every way.
  // Depths of 48 and 32 are whole turns, others end within one; 4160 is a long sum.
  const once: Readonly<Record<string, readonly [K: number, form: number, spare: number]>> = {
    '128x128': [48, 0, 4],
    '96x128': [19, 0, 3],
    '64x128': [32, 1, 4],
    '128x64': [48, 2, 4],
    '48x128': [20, 3, 4],
    '64x64': [20, 0, 4],
    '32x128': [4160, 2, 4],
    '128x32': [20, 1, 4],
    '32x64': [16, 0, 4],
  };
  for (const { name, rows, columns } of tileForms) {
    const way = once[name];
    if (way === undefined) continue;
    const [K, form, spare] = way;
    test(`matmul, tiles ${name}`, () =>
      inForm(name, (bench) => product(bench, 1, rows + spare, columns + spare, K, form)));
  }

  test('every form is tried', () => {
    assert.equal(tileForms.map(({ name }) => name).sort(), [...Object.keys(once), '32x32'].sort());
  });

  test('matmul, tiles 32x32: transposed or not, whole turns or not, few rows or columns', () =>
    inForm('32x32', async (bench) => {
      for (const form of [0, 1, 2, 3]) await product(bench, 2, 36, 40, 48, form);
      for (const form of [0, 3]) await product(bench, 1, 44, 36, 20, form);
      await product(bench, 1, 3, 5, 7, 0);
    }));

  test('a row times a matrix is cut along its depth where a GPU computes it', () =>
    inForm('shared', async (bench) => {
      const [a, b] = [bench.normals(random, [1, 1, 1024]), bench.normals(random, [1, 1024, 24])];
      const out = bench.result([1, 1, 24]);
      await bench.check('matmul', { a, b, bias: null, relu: false, out }, [out]);
      assert.is(bench.device.counters().dispatches, 2, 'one of chunks, one of their sums');
    }));

  test('matmul of a batch-broadcast matrix gives the same bits again', async () => {
    const a = direct.put(
      Float32Array.from({ length: 40 }, () => random.normal()),
      [3, 5, 8],
      0,
      [0, 8, 1],
    );
    const b = direct.normals(random, [3, 8, 12]);
    const outs = [direct.result([3, 5, 12]), direct.result([3, 5, 12])];
    for (const out of outs) direct.device.kernels.matmul({ a, b, bias: null, relu: false, out });
    const [first, second] = await Promise.all(outs.map((out) => direct.device.read(out)));
    assert.equal(first, second);
    await direct.check('matmul', { a, b, bias: null, relu: false, out: outs[0]! }, [outs[0]!]);
  });

  /** All three directions on one geometry. */
  async function conv(
    bench: Bench,
    [N, C, H, W]: readonly [number, number, number, number],
    [O, KH, KW]: readonly [number, number, number],
    stride: Pair,
    padding: Padding,
    groups: number,
  ): Promise<void> {
    const OH = Math.floor((H + padding[0] + padding[2] - KH) / stride[0]) + 1;
    const OW = Math.floor((W + padding[1] + padding[3] - KW) / stride[1]) + 1;
    const geometry = { stride, padding, dilation: [1, 1], groups } as const;
    const weightShape = [O, C / groups, KH, KW];
    const bias = O % 2 === 0 ? bench.normals(random, [O], 1) : null;
    const out = bench.result([N, O, OH, OW], 'float32', 1);
    const x = bench.normals(random, [N, C, H, W], 2);
    const weight = bench.normals(random, weightShape, 1);
    await bench.check('conv2d', { ...geometry, x, weight, bias, relu: bias !== null, out }, [out]);
    const back = bench.result([N, C, H, W], 'float32', 1);
    const grad = bench.normals(random, [N, O, OH, OW], 1);
    const again = bench.normals(random, weightShape);
    await bench.check('conv2dInputGrad', { ...geometry, grad, weight: again, out: back }, [back]);
    const sums = bench.result(weightShape, 'float32', 1);
    const [images, sent] = [bench.normals(random, [N, C, H, W]), bench.normals(random, [N, O, OH, OW])];
    await bench.check('conv2dWeightGrad', { ...geometry, x: images, grad: sent, out: sums }, [sums]);
  }

  test('conv2d and gradients, tiles 32x32', () =>
    inForm('32x32', async (bench) => {
      // Whole turns: 16 channels, and 16 pixels.
      await conv(bench, [2, 16, 6, 6], [16, 3, 3], [1, 1], [0, 0, 0, 0], 1);
      await conv(bench, [3, 18, 9, 8], [20, 3, 3], [1, 1], [1, 0, 1, 2], 2);
      // All phases of the stride at once, some of them without taps, some with fewer positions.
      await conv(bench, [2, 3, 19, 21], [10, 5, 3], [4, 3], [2, 1, 0, 3], 1);
      await conv(bench, [2, 4, 9, 8], [6, 2, 2], [3, 2], [1, 1, 1, 1], 2);
    }));
}

test.run();
