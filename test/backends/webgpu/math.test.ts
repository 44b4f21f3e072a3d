/**
 * The elementary functions as WGSL against double precision, over the whole range of float32: whatever a driver does
 * with denormal numbers, infinities and the order of operations, they are within the errors of the CPU's.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Expr, e } from '../../../src/core/expr.js';
import type { View } from '../../../src/core/shape.js';
import { softwareDriver } from '../../../support/driver.js';
import { seededRandom } from '../cpu/numbers.js';
import { edges, functions, inDoubles, magnitudes, power, worstUlp } from '../ulps.js';
import { Bench, openSoftware } from './harness.js';

const driver = await softwareDriver();
const test = suite('webgpu math');

if (driver !== null) {
  const device = await openSoftware(driver);
  const bench = new Bench(device);
  const random = seededRandom('webgpu math');
  test.after(() => device.close());
  test.after.each(() => bench.clear());

  /** Values of `expr` at the numbers of `inputs`, computed one by one and four at a time. */
  async function evaluate(
    expr: Expr,
    inputs: readonly Float32Array[],
    params: readonly number[] = [],
  ): Promise<Float32Array[]> {
    const results: Float32Array[] = [];
    // An offset that is no multiple of four keeps elements single.
    for (const offset of [0, 1]) {
      const shape = [inputs[0]!.length];
      const views = inputs.map((data) =>
        bench.put(Float32Array.of(...Array(offset).fill(0), ...data), shape, offset),
      );
      const out = bench.result(shape, 'float32', offset);
      device.kernels.map({ exprs: [expr], shape, inputs: views, outputs: [out], params, draw: null });
      results.push(Float32Array.from(await device.read(out)));
      bench.clear();
    }
    return results;
  }

  async function check(
    limit: number,
    expr: Expr,
    exact: (...numbers: readonly number[]) => number,
    ...inputs: Float32Array[]
  ): Promise<void> {
    const at = (i: number): number[] => inputs.map((data) => data[i]!);
    for (const actual of await evaluate(expr, inputs)) {
      const worst = worstUlp(
        actual,
        (i) => exact(...at(i)),
        (i) => `at ${at(i).join(', ')}: value`,
      );
      assert.ok(worst <= limit, `${worst} ulp`);
    }
  }

  const x = e.input(0);
  const y = e.input(1);

  // Of erf without numbers whose eighth part is denormal, which the driver may take for 0.
  const numbersFor = (name: string, low: number, high: number): Float32Array<ArrayBuffer> => {
    const numbers = magnitudes(random, low, high);
    return name === 'erf' ? numbers.map((size) => (Math.abs(size) < 2 ** -122 ? 0 : size)) : numbers;
  };

  for (const [name, low, high, cpuLimit] of functions) {
    // One more than on the CPU: a driver may regroup.
    const limit = cpuLimit + 1;
    test(`${name} is within ${limit} ulp from 2^${low} to 2^${high}`, () =>
      check(limit, e[name](x), inDoubles[name], numbersFor(name, low, high)));
  }

  test('sine and cosine near multiples of pi/2, of every size', async () => {
    const near = Float32Array.from({ length: 8000 }, (_, i) => {
      const turns = Math.round(2 ** (random.uniform() * 24));
      return (turns * Math.PI) / 2 + (i % 3) * 2 ** (-24 * random.uniform());
    });
    await check(3, e.sin(x), Math.sin, near);
    await check(3, e.cos(x), Math.cos, near);
  });

  test('sin keeps the sign of zero and of the smallest numbers', async () => {
    for (const y of await evaluate(e.sin(x), [Float32Array.of(-0, 0, 1e-45, -1e-45)])) {
      assert.equal([...y], [-0, 0, 1e-45, -1e-45].map(Math.fround));
      assert.ok(Object.is(y[0], -0) && Object.is(y[1], 0));
    }
  });

  test('pow is within 2 ulp, at the edges as in C', async () => {
    const a = magnitudes(random, -149, 128);
    const b = Float32Array.from(a, (x) => {
      if (x < 0) return Math.round(8 * (random.uniform() - 0.5));
      const whole = Math.log2(x);
      return Number.isFinite(whole) ? (300 * (random.uniform() - 0.5)) / Math.max(1, Math.abs(whole)) : 0.5;
    });
    [...edges, 3, -3, -0.5, -2].forEach((u, i, all) => {
      all.forEach((v, j) => {
        a[1000 + i * all.length + j] = u;
        b[1000 + i * all.length + j] = v;
      });
    });
    await check(2, e.pow(x, y), power, a, b);
  });

  test('pow near base 1, by exponents up to 1e9', async () => {
    const a = Float32Array.from(
      { length: 8000 },
      () => 1 + (random.uniform() - 0.5) * 2 ** (-22 * random.uniform()),
    );
    const b = Float32Array.from(a, (base) => (250 * (random.uniform() - 0.5)) / (Math.log2(base) || 1));
    await check(3, e.pow(x, y), power, a, b);
  });

  test('whole powers of whole numbers are exact while float32 holds them', async () => {
    const pairs: [number, number][] = [];
    for (let base = 2; base <= 4096; base++) {
      for (let exponent = 1; base ** exponent <= 2 ** 24; exponent++) pairs.push([base, exponent]);
    }
    for (let exponent = -149; exponent <= 127; exponent++) pairs.push([2, exponent]);
    const [a, b] = [0, 1].map((side) => Float32Array.from(pairs, (pair) => pair[side]!));
    for (const actual of await evaluate(e.pow(x, y), [a!, b!])) {
      pairs.forEach(([base, exponent], i) => {
        assert.is(actual[i], base ** exponent, `${base}^${exponent}`);
      });
    }
  });

  test('pow by a number known beforehand: multiplied where that is few, at the edges as ever', async () => {
    const a = Float32Array.from({ length: 1000 }, () => 2 ** (20 * (random.uniform() - 0.5)));
    a.set([0, -0, Infinity, -Infinity, NaN, 1]);
    for (const exponent of [1, 2, 3, 4, 5, 0.5, -1]) {
      await check(2, e.pow(x, exponent), (base) => base ** exponent, a);
      // A parameter's value isn't known beforehand; that it is one for all elements is.
      for (const actual of await evaluate(e.pow(x, e.add(e.param(0), 1)), [a], [exponent - 1])) {
        const worst = worstUlp(
          actual,
          (i) => a[i]! ** exponent,
          (i) => `${a[i]}^${exponent}`,
        );
        assert.ok(worst <= 2, `${worst} ulp`);
      }
    }
  });

  test('loss and gradient at large logits are within 4 ulp', async () => {
    const [N, C] = [300, 10];
    // Up to 1e5, and neighbours so near the largest that all of the loss is in the difference.
    const logits = Float32Array.from({ length: N * C }, (_, i) => {
      const scale = 10 ** (Math.floor(i / C) % 6);
      return scale * random.normal() + (Math.floor(i / C) % 2 === 0 ? 1e4 : 0);
    });
    for (let n = 0; n < N; n += 3) logits[n * C + 1] = logits[n * C]! * (1 + 2 ** -20);
    const classes = Int32Array.from({ length: N }, () => random.integer(C));
    const views = { logits: bench.put(logits, [N, C]), labels: bench.put(classes, [N]) };
    const [losses, peaks, out] = [bench.result([N]), bench.result([N, 2]), bench.result([N, C])];
    const grad = bench.put(new Float32Array(N).fill(1), [N]);
    device.kernels.crossEntropy({ ...views, losses, peaks });
    device.kernels.crossEntropyGrad({ ...views, peaks, grad, out });
    const rows = Array.from({ length: N }, (_, n) => {
      const row = logits.subarray(n * C, (n + 1) * C);
      const largest = Math.max(...row);
      const first = row.indexOf(largest);
      // Differences are taken in float32, on CPUs too.
      const below = row.map((x) => x - largest);
      const others = below.reduce((sum, x, j) => (j === first ? sum : sum + Math.exp(x)), 0);
      return { below, first, others, label: classes[n]! };
    });
    const loss = (n: number): number => {
      const { below, others, label } = rows[n]!;
      return Math.log1p(others) - below[label]!;
    };
    const gradient = (i: number): number => {
      const { below, first, others, label } = rows[Math.floor(i / C)]!;
      const j = i % C;
      if (j !== label) return Math.exp(below[j]!) / (1 + others);
      return j === first ? -others / (1 + others) : (Math.exp(below[j]!) - 1 - others) / (1 + others);
    };
    // A driver may take denormal numbers for 0; in a sum the nine terms as well, which are over an ulp of it below 2^-99.
    const worst = async (
      out: View,
      exact: (i: number) => number,
      name: string,
      isSum: (i: number) => boolean,
    ): Promise<number> => {
      const normal = (x: number, i: number): number => (Math.abs(x) < 2 ** (isSum(i) ? -99 : -126) ? 0 : x);
      return worstUlp(
        Array.from(await device.read(out), normal),
        (i) => normal(exact(i), i),
        (i) => `${name} ${i}`,
      );
    };
    const isOfLabel = (i: number): boolean => i % C === rows[Math.floor(i / C)]!.label;
    assert.ok((await worst(losses, loss, 'loss', () => true)) <= 4);
    assert.ok((await worst(out, gradient, 'gradient', isOfLabel)) <= 4);
  });

  test('arithmetic, roots, floors, logistic function', async () => {
    const a = magnitudes(random, -40, 40);
    const b = magnitudes(random, -40, 40).map((v, i) => (i < edges.length ? 3 : v));
    await check(0.5, e.add(x, y), (u, v) => u + v, a, b);
    await check(0.5, e.sub(x, y), (u, v) => u - v, a, b);
    await check(0.5, e.mul(x, y), (u, v) => u * v, a.subarray(edges.length), b.subarray(edges.length));
    await check(2.5, e.div(x, y), (u, v) => u / v, a.subarray(edges.length), b.subarray(edges.length));
    await check(
      2.5,
      e.sqrt(x),
      Math.sqrt,
      magnitudes(random, -120, 127).subarray(edges.length).map(Math.abs),
    );
    await check(0, e.floor(x), Math.floor, magnitudes(random, -20, 30).subarray(edges.length));
    const logistic = e.div(1, e.add(1, e.exp(e.neg(x))));
    const range = magnitudes(random, -30, 6.4).subarray(edges.length);
    await check(4, logistic, (u) => 1 / (1 + Math.exp(-u)), range);
  });
}

test.run();
