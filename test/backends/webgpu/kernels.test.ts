/**
 * Reductions, pooling, response normalization, softmax cross-entropy and selection on WebGPU against the plain
 * loops, with random shapes.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { softwareDriver } from '../../../support/driver.js';
import { seededRandom } from '../cpu/numbers.js';
import { Bench, type Held, openSoftware } from './harness.js';

const driver = await softwareDriver();
const test = suite('webgpu kernels');

if (driver !== null) {
  const device = await openSoftware(driver, { tiles: 'direct' });
  const bench = new Bench(device);
  const random = seededRandom('webgpu kernels');
  test.after(() => device.close());
  test.after.each(() => bench.clear());
  const upTo = (n: number): number => 1 + random.integer(n);

  test('reduce: axes kept and reduced in any order, NaN handed on', async () => {
    for (const op of ['sum', 'max', 'min', 'sum', 'max'] as const) {
      const [A, B, C] = [upTo(6), upTo(9), upTo(300)];
      const data = Float32Array.from({ length: A * B * C + 1 }, () => random.normal());
      if (op !== 'sum') data[random.integer(data.length)] = Number.NaN;
      // [B, A, C] kept 1: channels of images; [A, B, C] kept 2: rows.
      for (const [shape, strides, kept] of [
        [[B, A, C], [C, B * C, 1], 1],
        [[A, B, C], [B * C, C, 1], 2],
        [[A * B, C], [C, 1], 0],
      ] as const) {
        const x = bench.put(data, shape, 1, strides);
        const out = bench.result(shape.slice(0, kept), 'float32', 1);
        await bench.check('reduce', { op, x, kept, scale: op === 'sum' ? 0.25 : 1, out }, [out]);
      }
    }
    const [x, out] = [bench.put(new Float32Array(1), [2, 0], 0, [0, 1]), bench.result([2])];
    await bench.check('reduce', { op: 'sum', x, kept: 1, scale: 1, out }, [out]);
  });

  test('reduce in one run has the bits of several, where a device has workgroup memory', async () => {
    const other = await openSoftware(driver!, { tiles: 'shared' });
    for (const [op, rows, length, leading, runs] of [
      ['sum', 1, 128, false, 1],
      ['max', 1, 20_000, false, 2], // by more invocations than a workgroup has
      ['sum', 5, 7000, false, 1],
      ['min', 1 + random.integer(20), 3000 + random.integer(2000), true, 1],
      ['sum', 70, 4096, true, 1],
      ['sum', 300 + random.integer(100), 65 + random.integer(300), true, 1],
    ] as const) {
      const data = Float32Array.from({ length: rows * length }, () => random.normal());
      const results: Uint32Array[] = [];
      for (const one of [device, other]) {
        const own = new Bench(one);
        const x = own.put(data, [rows, length], 0, leading ? [1, rows] : [length, 1]);
        const out = own.result([rows]);
        const before = one.counters().dispatches;
        one.kernels.reduce({ op, x, kept: 1, scale: 0.3, out });
        const result = await one.read(out);
        own.clear();
        results.push(new Uint32Array(result.buffer));
        const made = one.counters().dispatches - before;
        assert.ok(one === other ? made === runs : made > runs, `${made} runs for ${rows} of ${length}`);
      }
      assert.equal(results[0], results[1], `${op} of ${length} in ${rows} rows`);
    }
    await other.close();
  });

  test('pool2d and its gradient: windows clipped, overhanging, overlapping', async () => {
    for (let round = 0; round < 10; round++) {
      const kernel = [1 + upTo(3), upTo(3)] as const;
      const stride = [upTo(3), upTo(3)] as const;
      const padding = [kernel[0], kernel[1], kernel[0], kernel[1]].map((k) => random.integer(k));
      const [top, left, bottom, right] = [padding[0]!, padding[1]!, padding[2]!, padding[3]!];
      const [N, C, H, W] = [upTo(2), upTo(3), upTo(9) + 4, upTo(9) + 4];
      const count = (size: number, k: number, s: number): number => {
        const n = Math.ceil((size - k) / s) + 1;
        return n;
      };
      // Ceil mode, except that the last window must start inside the image.
      let OH = count(H + top + bottom, kernel[0], stride[0]);
      let OW = count(W + left + right, kernel[1], stride[1]);
      if ((OH - 1) * stride[0] >= H + top) OH--;
      if ((OW - 1) * stride[1] >= W + left) OW--;
      const mode = round % 2 === 0 ? 'max' : 'avg';
      const shared = {
        mode,
        kernel,
        stride,
        padding: [top, left, bottom, right],
        countIncludePad: round % 4 < 2,
      } as const;
      const x = bench.normals(random, [N, C, H, W], 1);
      if (mode === 'max' && round % 3 === 0) x.data[random.integer(x.data.length)] = Number.NaN;
      const again = bench.put(x.data, x.shape, 1);
      const out = bench.result([N, C, OH, OW]);
      const indices = mode === 'max' ? bench.result([N, C, OH, OW], 'int32') : null;
      const outs: Held[] = indices ? [out, indices] : [out];
      const places = indices && Int32Array.from(indices.data);
      await bench.check('pool2d', { ...shared, x: again, out, indices }, outs);
      const grad = bench.normals(random, [N, C, OH, OW], 1);
      const sent = indices && places ? bench.put(indices.data, indices.shape) : null;
      const image = bench.result([N, C, H, W]);
      await bench.check('pool2dGrad', { ...shared, grad, indices: sent, out: image }, [image]);
    }
  });

  test('lrn and its gradient: even and odd windows, larger than the channels too', async () => {
    for (const size of [5, 4, 1, 9]) {
      const shape = [upTo(2), upTo(8), upTo(5), upTo(5)];
      const shared = { size, alpha: 0.3, beta: 0.75, k: 2 };
      const x = bench.normals(random, shape, 2);
      const out = bench.result(shape);
      await bench.check('lrn', { ...shared, x, out }, [out]);
      const [again, grad, back] = [
        bench.normals(random, shape),
        bench.normals(random, shape, 1),
        bench.result(shape),
      ];
      const before = device.counters().dispatches;
      await bench.check('lrnGrad', { ...shared, x: again, grad, out: back }, [back]);
      assert.is(device.counters().dispatches - before, 1);
    }
  });

  test('crossEntropy and its gradient: large logits, labels out of range', async () => {
    for (const C of [1, 10, 200]) {
      const N = upTo(5);
      const numbers = Float32Array.from({ length: N * C }, () => 30 * random.normal());
      const classes = Int32Array.from({ length: N }, (_, n) => (n === 3 ? C : random.integer(C)));
      const [logits, labels] = [bench.put(numbers, [N, C]), bench.put(classes, [N])];
      const [losses, peaks] = [bench.result([N]), bench.result([N, 2], 'float32', 1)];
      await bench.check('crossEntropy', { logits, labels, losses, peaks }, [losses, peaks]);
      const inputs = {
        logits: bench.put(numbers, [N, C]),
        labels: bench.put(classes, [N]),
        peaks: bench.put(peaks.data, [N, 2], 1),
        grad: bench.normals(random, [N]),
      };
      const out = bench.result([N, C]);
      await bench.check('crossEntropyGrad', { ...inputs, out }, [out], 1e-8);
    }
  });

  test('gather and scatterAdd: every dtype, broadcast indices, indices out of range', async () => {
    for (const dtype of ['float32', 'int32', 'uint8'] as const) {
      const [O, A, I, J] = [upTo(3), upTo(6), upTo(5), upTo(7)];
      const values = Array.from({ length: O * A * I + 3 }, () => random.integer(200));
      const data = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array }[dtype].from(values);
      const x = bench.put(data, [O, A, I], 3);
      const picks = Int32Array.from({ length: J }, () => random.integer(A + 2) - 1);
      const index = bench.put(picks, [O, J, I], 0, [0, 1, 0]);
      const out = bench.result([O, J, I], dtype, 2);
      await bench.check('gather', { x, index, out }, [out]);
      if (dtype !== 'float32') continue;
      const [grad, sums] = [bench.normals(random, [O, J, I]), bench.result([O, A, I])];
      await bench.check('scatterAdd', { grad, index: bench.put(picks, [O, J, I], 0, [0, 1, 0]), out: sums }, [
        sums,
      ]);
    }
  });

  test('topk: ties by index, NaN first, every dtype', async () => {
    for (const dtype of ['float32', 'int32', 'uint8'] as const) {
      const [R, C] = [upTo(4), 5 + upTo(150)];
      const k = upTo(Math.min(C, 7));
      const values = Array.from({ length: R * C }, () => random.integer(40) - (dtype === 'uint8' ? 0 : 20));
      const data = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array }[dtype].from(values);
      if (dtype === 'float32') {
        data[3] = Number.NaN;
        data[4] = -0;
      }
      const x = bench.put(data, [R, C]);
      const [out, indices] = [bench.result([R, k], dtype), bench.result([R, k], 'int32')];
      await bench.check('topk', { x, values: out, indices }, [out, indices]);
    }
  });
}

test.run();
