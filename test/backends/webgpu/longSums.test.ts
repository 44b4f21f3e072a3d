/**
 * Long sums on WebGPU keep their digits: matrix products over a long depth, weight gradients of convolutions over many
 * pixels, reductions along any axes, averages and scattered sums, all of equal numbers (whose rounding errors add up)
 * and of random ones. A single sum over ten million of them would be off by several percent.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { softwareDriver } from '../../../support/driver.js';
import { seededRandom } from '../cpu/numbers.js';
import { Bench, type Held, openSoftware } from './harness.js';

const driver = await softwareDriver();
const test = suite('webgpu long sums');

if (driver !== null) {
  const random = seededRandom('webgpu long sums');
  const benches = {
    direct: new Bench(await openSoftware(driver, { tiles: 'direct' })),
    shared: new Bench(await openSoftware(driver, { tiles: 'shared' })),
  };
  const { direct } = benches;
  test.after(async () => {
    for (const bench of Object.values(benches)) await bench.device.close();
  });
  test.after.each(() => {
    for (const bench of Object.values(benches)) bench.clear();
  });

  const table = Float32Array.from({ length: 10_007 }, () => random.uniform());
  /** Ways of filling operands. */
  const fillings: readonly ((i: number) => number)[] = [
    () => 0.1,
    () => 0.3,
    (i) => table[i % table.length]!,
  ];

  function filled(count: number, at: (i: number) => number): Float32Array<ArrayBuffer> {
    const data = new Float32Array(count);
    for (let i = 0; i < count; i++) data[i] = at(i);
    return data;
  }

  /** Fails unless each number is within `limit` of the wanted one, by its size. */
  function close(actual: ArrayLike<number>, wanted: ArrayLike<number>, what: string, limit = 1e-6): void {
    Array.from(actual).forEach((value, i) => {
      const want = wanted[i]!;
      const error = Math.abs(value - want) / Math.abs(want);
      assert.ok(error < limit, `${what}: element ${i} is ${value}, expected ${want}: off by ${error}`);
    });
  }

  /** The first element of a product over depth K in doubles, whose other elements repeat its rows and columns. */
  async function product(
    bench: Bench,
    [M, K, N]: readonly [number, number, number],
    at: (i: number) => number,
  ) {
    const [row, column] = [filled(K, at), filled(K, (k) => at(k + 5))];
    const a = bench.put(row, [1, M, K], 0, [0, 0, 1]);
    const b = bench.put(column, [1, K, N], 0, [0, 1, 0]);
    const out = bench.result([1, M, N]);
    bench.device.kernels.matmul({ a, b, bias: null, relu: false, out });
    const want = row.reduce((sum, x, k) => sum + x * column[k]!, 0);
    close(await bench.device.read(out), new Float64Array(M * N).fill(want), `${M}x${K}x${N}`);
    bench.clear();
  }

  test('products over ten million', async () => {
    for (const at of fillings) await product(direct, [1, 1e7, 1], at);
  });

  for (const [tiles, bench] of Object.entries(benches)) {
    test(`products over a long depth, ${tiles} tiles`, async () => {
      for (const at of fillings) {
        // Large enough for a workgroup's tile, or for a small one of an invocation.
        await product(bench, tiles === 'shared' ? [17, 300_001, 20] : [3, 300_001, 4], at);
        await product(bench, tiles === 'shared' ? [17, 9216, 20] : [3, 9216, 4], at);
      }
    });
  }

  test('a long product with bias and clipping', async () => {
    const [M, K, N] = [3, 20_000, 6];
    const a = direct.put(
      filled(M * K, () => random.uniform()),
      [1, M, K],
    );
    const b = direct.put(
      filled(K * N, () => random.uniform()),
      [1, K, N],
    );
    const bias = direct.put(Float32Array.of(1, -1e5, 3, -1e5, 5, 6), [N]);
    const out = direct.result([1, M, N], 'float32', 1);
    await direct.check('matmul', { a, b, bias, relu: true, out }, [out], 1e-13);
  });

  test("convolutions' weight gradients over many pixels", async () => {
    for (const [N, size] of [
      [40, 60],
      [30_000, 1],
      [1, 400],
    ] as const) {
      for (const at of fillings) {
        const [x, grad] = [filled(N * size * size, at), filled(N * size * size, (i) => at(i + 5))];
        const out = direct.result([1, 1, 1, 1]);
        direct.device.kernels.conv2dWeightGrad({
          x: direct.put(x, [N, 1, size, size]),
          grad: direct.put(grad, [N, 1, size, size]),
          out,
          stride: [1, 1],
          padding: [0, 0, 0, 0],
          dilation: [1, 1],
          groups: 1,
        });
        const want = x.reduce((sum, value, i) => sum + value * grad[i]!, 0);
        close(await direct.device.read(out), [want], `${N} images of ${size} x ${size}`);
        direct.clear();
      }
    }
  });

  test('sums along any axes', async () => {
    const cases: readonly (readonly [shape: readonly number[], kept: readonly number[]])[] = [
      [[1_000_001], []],
      [[2, 400_000], [0]],
      [[400_000, 2], [1]],
      [[5000, 60], [1]],
      [[20_000, 40], [0]],
      [[64, 3, 5000], [1]],
    ];
    for (const [shape, kept] of cases) {
      for (const at of fillings) {
        const data = filled(
          shape.reduce((product, n) => product * n, 1),
          at,
        );
        const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, n) => product * n, 1));
        const order = [...kept, ...[...shape.keys()].filter((axis) => !kept.includes(axis))];
        const pick = (list: readonly number[]): number[] => order.map((axis) => list[axis]!);
        const x: Held = direct.put(data, pick(shape), 0, pick(strides));
        const out = direct.result(kept.map((axis) => shape[axis]!));
        direct.device.kernels.reduce({ op: 'sum', x, kept: kept.length, scale: 1, out });
        const want = new Float64Array(out.shape.reduce((product, n) => product * n, 1));
        data.forEach((value, i) => {
          const place = kept.reduce(
            (sum, axis) => sum * shape[axis]! + (Math.floor(i / strides[axis]!) % shape[axis]!),
            0,
          );
          want[place]! += value;
        });
        close(await direct.device.read(out), want, `sum of ${shape} kept ${kept}`);
        direct.clear();
      }
    }
  });

  test('averages over a whole image, sums scattered to one place', async () => {
    for (const at of fillings) {
      const data = filled(300 * 300, at);
      const want = data.reduce((sum, value) => sum + value, 0);
      const out = direct.result([1, 1, 1, 1]);
      direct.device.kernels.pool2d({
        mode: 'avg',
        x: direct.put(data, [1, 1, 300, 300]),
        out,
        indices: null,
        kernel: [300, 300],
        stride: [1, 1],
        padding: [0, 0, 0, 0],
        countIncludePad: false,
      });
      close(await direct.device.read(out), [want / data.length], 'average');
      const sum = direct.result([1, 1, 1]);
      direct.device.kernels.scatterAdd({
        grad: direct.put(data, [1, data.length, 1]),
        index: direct.put(new Int32Array(1), [1, data.length, 1], 0, [0, 0, 0]),
        out: sum,
      });
      close(await direct.device.read(sum), [want], 'scattered');
      direct.clear();
    }
  });
}

test.run();
