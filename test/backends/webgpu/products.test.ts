/**
 * Matrix products and convolutions on WebGPU against the plain loops, with both kinds of tiles: 'direct', as software
 * adapters use them, and 'shared', as GPUs do.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Padding, Pair } from '../../../src/core/backend.js';
import { softwareDriver } from '../../../support/driver.js';
import { seededRandom } from '../cpu/numbers.js';
import { Bench, type Held, openSoftware } from './harness.js';

const driver = await softwareDriver();
const test = suite('webgpu products');

if (driver !== null) {
  const random = seededRandom('webgpu products');
  const upTo = (n: number): number => 1 + random.integer(n);
  const direct = new Bench(await openSoftware(driver, { tiles: 'direct' }));
  const shared = new Bench(await openSoftware(driver, { tiles: 'shared' }));
  test.after(async () => {
    await direct.device.close();
    await shared.device.close();
  });
  test.after.each(() => {
    direct.clear();
    shared.clear();
  });

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

  test('matmul, direct tiles: aligned and odd sizes, transposed or not, few rows or columns', async () => {
    // Each kind of tile is a pipeline to compile, so only the aligned sizes go through all the forms.
    for (const [B, M, N, K, forms] of [
      [2, 12, 16, 20, [0, 1, 2, 3, 6]],
      [1, 67, 12, 9, [1]],
      [1, 9, 13, 11, [0, 3]],
      [1, 1, 24, 37, [2]],
      [1, 4, 8, 6, [1]],
      [2, 17, 3, 8, [2]],
      [1, 8, 8, 0, [2]],
    ] as const) {
      for (const form of forms) await product(direct, B, M, N, K, form);
    }
  });

  test('matmul, shared tiles: aligned and odd sizes, transposed or not', async () => {
    for (const [B, M, N, K] of [
      [2, 68, 72, 36],
      [1, 65, 67, 19],
    ] as const) {
      for (const form of [0, 3]) await product(shared, B, M, N, K, form);
    }
  });

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

  test('conv2d and gradients, direct tiles: strides, groups, four-sided padding', async () => {
    await conv(direct, [2, 3, 19, 21], [10, 5, 3], [4, 3], [2, 1, 0, 3], 1);
    await conv(direct, [3, 6, 7, 6], [12, 3, 3], [1, 1], [1, 1, 1, 1], 3);
    await conv(direct, [1, 16, 5, 5], [32, 1, 1], [1, 1], [0, 0, 0, 0], 1);
    await conv(direct, [1, 3, 5, 5], [5, 2, 2], [1, 1], [0, 0, 0, 0], 1);
    await conv(direct, [2, 4, 6, 6], [4, 2, 2], [3, 3], [0, 0, 0, 0], 2);
    for (let round = 0; round < 6; round++) {
      const groups = upTo(2);
      const kernel = [6 + groups * upTo(2), upTo(4), upTo(4)] as const;
      const channels = groups * 2;
      await conv(
        direct,
        [upTo(3), channels, 4 + upTo(6), 4 + upTo(6)],
        [kernel[0] - (kernel[0] % groups), kernel[1], kernel[2]],
        [upTo(3), upTo(3)],
        [random.integer(3), random.integer(3), random.integer(3), random.integer(3)],
        groups,
      );
    }
  });

  test('conv2d and gradients, shared tiles', async () => {
    await conv(shared, [2, 18, 9, 8], [20, 3, 3], [1, 1], [1, 0, 1, 2], 1);
    await conv(shared, [2, 36, 9, 8], [36, 3, 2], [2, 1], [1, 1, 1, 1], 2);
  });
}

test.run();
