/**
 * Tensors larger than a kernel may see of one buffer, on devices that are told to see little: maps, products,
 * reductions and kernels of images cut their work, others refuse it with a way out. AlexNet's fc6 (151 MB of weights)
 * runs with the 128 MiB that WebGPU promises of every adapter, checked by the driver.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Kernels } from '../../../src/core/backend.js';
import { OutOfMemoryError } from '../../../src/core/errors.js';
import { e } from '../../../src/core/expr.js';
import { drawOf } from '../../../src/core/random.js';
import { type Shape, sizeOf, type View } from '../../../src/core/shape.js';
import { softwareDriver } from '../../../support/driver.js';
import { seededRandom } from '../cpu/numbers.js';
import { Bench, openSoftware } from './harness.js';

const driver = await softwareDriver();
const test = suite('webgpu limits');

if (driver !== null) {
  const random = seededRandom('webgpu limits');
  /** Elements that fill more than a kernel may see: 4096 bytes. */
  const bench = new Bench(await openSoftware(driver, { bindingLimit: 4096 }));
  test.after(() => bench.device.close());
  test.after.each(() => bench.clear());

  const plain = { params: [], draw: null };

  test('maps: updates in place, broadcasts, transposes, bytes, random numbers', async () => {
    const shape = [70, 60];
    const [w, v, g] = [0, 1, 2].map((i) => bench.normals(random, shape, i));
    const velocity = e.sub(e.mul(e.param(0), e.input(1)), e.mul(e.param(1), e.input(2)));
    const update = { exprs: [e.add(e.input(0), velocity), velocity], params: [0.9, 0.1], draw: null };
    await bench.check('map', { ...update, shape, inputs: [w!, v!, g!], outputs: [w!, v!] }, [w!, v!]);

    const sizes = Float32Array.from({ length: 70 * 60 }, () => random.normal());
    const turned = bench.put(sizes, shape, 0, [1, 70]);
    const channel = bench.put(sizes, shape, 3, [0, 1]);
    const flipped = bench.put(sizes, shape, 59, [60, -1]);
    const sum = e.add(e.input(0), e.mul(e.input(1), e.input(2)));
    const out = bench.result(shape, 'float32', 1);
    const inputs = [turned, channel, flipped];
    await bench.check('map', { ...plain, exprs: [sum], shape, inputs, outputs: [out] }, [out]);

    const bytes = bench.put(
      Uint8Array.from({ length: 9003 }, () => random.integer(100)),
      [9001],
      2,
    );
    const doubled = bench.result([9001], 'uint8', 3);
    const twice = { ...plain, exprs: [e.mul(e.input(0), 2)], shape: [9001] };
    await bench.check('map', { ...twice, inputs: [bytes], outputs: [doubled] }, [doubled], 0);

    const draws = bench.result([3, 2000]);
    const draw = { ...drawOf(77, 5), offset: 11, strides: [2000, 1] };
    const uniform = { exprs: [e.random()], shape: [3, 2000], inputs: [], params: [], draw };
    await bench.check('map', { ...uniform, outputs: [draws] }, [draws], 0);
  });

  test('matrix products whose operands, results or both are large, transposed or not', async () => {
    const matrix = (rows: number, columns: number, turned: boolean) =>
      bench.put(
        Float32Array.from({ length: 2 * rows * columns }, () => random.normal()),
        [2, rows, columns],
        0,
        [rows * columns, turned ? 1 : columns, turned ? rows : 1],
      );
    for (const [M, K, N] of [
      [4, 300, 70],
      [60, 40, 4],
      [3, 4000, 3],
    ] as const) {
      for (const form of [0, 1, 2, 3]) {
        const [a, b] = [matrix(M, K, (form & 1) !== 0), matrix(K, N, (form & 2) !== 0)];
        const bias = form < 2 ? bench.normals(random, [N], 1) : null;
        const out = bench.result([2, M, N], 'float32', 1);
        await bench.check('matmul', { a, b, bias, relu: form % 2 === 0, out }, [out]);
      }
    }
  });

  test('reductions of every operation, over any axes', async () => {
    for (const op of ['sum', 'max', 'min'] as const) {
      for (const [shape, strides, kept] of [
        [[50, 6, 30], [30, 1500, 1], 1],
        [[300, 30], [30, 1], 1],
        [[9000], [1], 0],
        [[30, 300], [1, 30], 1],
      ] as const) {
        const x = bench.put(
          Float32Array.from({ length: 9000 }, () => random.normal()),
          shape,
          0,
          strides,
        );
        const out = bench.result(shape.slice(0, kept));
        await bench.check('reduce', { op, x, kept, scale: op === 'sum' ? 0.5 : 1, out }, [out]);
      }
    }
  });

  test('kernels of images: convolution and its gradients, pooling, normalization', async () => {
    const [N, C, H, W, O, OH, OW] = [9, 4, 7, 8, 6, 4, 5];
    const geometry = { stride: [2, 2], padding: [1, 1, 1, 2], dilation: [1, 1], groups: 2 } as const;
    const [x, weight, bias] = [
      bench.normals(random, [N, C, H, W]),
      bench.normals(random, [O, C / 2, 3, 3]),
      bench.normals(random, [O]),
    ];
    const out = bench.result([N, O, OH, OW]);
    await bench.check('conv2d', { ...geometry, x, weight, bias, relu: true, out }, [out]);
    const back = {
      grad: bench.normals(random, [N, O, OH, OW]),
      weight: bench.normals(random, [O, C / 2, 3, 3]),
      out: bench.result([N, C, H, W]),
    };
    await bench.check('conv2dInputGrad', { ...geometry, ...back }, [back.out]);
    const sums = {
      x: bench.normals(random, [N, C, H, W]),
      grad: bench.normals(random, [N, O, OH, OW]),
      out: bench.result([O, C / 2, 3, 3]),
    };
    await bench.check('conv2dWeightGrad', { ...geometry, ...sums }, [sums.out]);

    const windows = {
      kernel: [2, 2],
      stride: [2, 2],
      padding: [0, 0, 0, 0],
      countIncludePad: false,
    } as const;
    for (const mode of ['max', 'avg'] as const) {
      const image = bench.normals(random, [N, C, H, W]);
      const pooled = bench.result([N, C, 3, 4]);
      const indices = mode === 'max' ? bench.result([N, C, 3, 4], 'int32') : null;
      const results = indices ? [pooled, indices] : [pooled];
      await bench.check('pool2d', { ...windows, mode, x: image, out: pooled, indices }, results);
      const places = indices && bench.put(indices.data, indices.shape);
      const grad = bench.normals(random, [N, C, 3, 4]);
      const spread = bench.result([N, C, H, W]);
      await bench.check('pool2dGrad', { ...windows, mode, grad, indices: places, out: spread }, [spread]);
    }

    const norm = { size: 3, alpha: 0.3, beta: 0.75, k: 2 };
    const normalized = bench.result([N, C, H, W]);
    await bench.check('lrn', { ...norm, x: bench.normals(random, [N, C, H, W]), out: normalized }, [
      normalized,
    ]);
    const [image, grad, spread] = [
      bench.normals(random, [N, C, H, W]),
      bench.normals(random, [N, C, H, W]),
      bench.result([N, C, H, W]),
    ];
    await bench.check('lrnGrad', { ...norm, x: image, grad, out: spread }, [spread]);
  });

  test('what is not cut is refused, with what can be done', () => {
    const logits = bench.normals(random, [40, 40]);
    const rows = bench.result([40]);
    const args: Kernels['crossEntropy'] = {
      logits,
      labels: bench.put(new Int32Array(40), [40]),
      losses: rows,
      peaks: bench.result([40, 2]),
    };
    assert.throws(
      () => bench.device.kernels.crossEntropy(args),
      (error: Error) =>
        error instanceof OutOfMemoryError &&
        /crossEntropy: 40x40 spans 6400 bytes, and webgpu:0 shows a kernel at most 4096 .*smaller batches/.test(
          error.message,
        ),
    );
    // A single image is no longer cut.
    const x = bench.normals(random, [1, 2, 40, 40]);
    const out = bench.result([1, 2, 40, 40]);
    const norm = { size: 3, alpha: 0.3, beta: 0.75, k: 2, x, out };
    assert.throws(() => bench.device.kernels.lrn(norm), /lrn: 1x2x40x40 spans/);
  });

  test("fc6's weights with 128 MiB bindings: product, both gradients, update", async () => {
    const device = await openSoftware(driver, { bindingLimit: 2 ** 27 });
    try {
      const [batch, inputs, outputs] = [2, 9216, 4096];
      const cycle = (count: number, period: number) =>
        Float32Array.from({ length: count }, (_, i) => ((i % period) - period / 2) / period);
      const [x, w, g] = [cycle(batch * inputs, 89), cycle(outputs * inputs, 97), cycle(batch * outputs, 83)];
      const view = (data: Float32Array<ArrayBuffer>, shape: Shape): View => {
        const strides = [sizeOf(shape), shape[1]!, 1];
        return {
          buffer: device.upload(data, 'test'),
          dtype: 'float32',
          shape: [1, ...shape],
          strides,
          offset: 0,
        };
      };
      const turned = ({ shape: [n = 0, r = 0, c = 0], strides, ...rest }: View): View => {
        return { ...rest, shape: [n, c, r], strides: [strides[0]!, strides[2]!, strides[1]!] };
      };
      const [X, W, G] = [view(x, [batch, inputs]), view(w, [outputs, inputs]), view(g, [batch, outputs])];
      const product = async (a: View, b: View, shape: Shape): Promise<View> => {
        const bytes = 4 * sizeOf(shape);
        const strides = [sizeOf(shape), shape[1]!, 1];
        const buffer = device.alloc(bytes, 'test');
        const out = { ...X, buffer, shape: [1, ...shape], strides };
        device.kernels.matmul({ a, b, bias: null, relu: false, out });
        return out;
      };
      /** A few elements, by the sums themselves. */
      const check = async (out: View, at: (m: number, n: number) => number, what: string): Promise<void> => {
        const data = await device.read(out);
        const [, rows = 0, columns = 0] = out.shape;
        for (let i = 0; i < 60; i++) {
          const place = i === 0 ? data.length - 1 : random.integer(rows * columns);
          const want = at(Math.floor(place / columns), place % columns);
          assert.ok(
            Math.abs(data[place]! - want) <= 5e-5,
            `${what}: element ${place} is ${data[place]}, expected ${want}`,
          );
        }
      };
      const sum = (n: number, term: (k: number) => number): number => {
        let total = 0;
        for (let k = 0; k < n; k++) total += term(k);
        return total;
      };
      const y = await product(X, turned(W), [batch, outputs]);
      await check(y, (m, n) => sum(inputs, (k) => x[m * inputs + k]! * w[n * inputs + k]!), 'product');
      const dx = await product(G, W, [batch, inputs]);
      await check(
        dx,
        (m, n) => sum(outputs, (k) => g[m * outputs + k]! * w[k * inputs + n]!),
        'by the input',
      );
      const dw = await product(turned(G), X, [outputs, inputs]);
      const byWeight = (m: number, n: number): number =>
        sum(batch, (k) => g[k * outputs + m]! * x[k * inputs + n]!);
      await check(dw, byWeight, 'by the weight');
      device.kernels.map({
        ...plain,
        exprs: [e.sub(e.input(0), e.mul(0.5, e.input(1)))],
        shape: W.shape,
        inputs: [W, dw],
        outputs: [W],
      });
      await check(W, (m, n) => w[m * inputs + n]! - 0.5 * byWeight(m, n), 'update');
    } finally {
      await device.close();
    }
  });
}

test.run();
