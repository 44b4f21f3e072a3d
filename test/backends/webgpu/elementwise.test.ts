/**
 * Maps on WebGPU against the plain loops: layouts, dtypes, random numbers; NaN and infinities in every function. (How
 * exact the functions are is in math.test.ts.)
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loops } from '../../../src/backends/cpu/kernels/loops.js';
import { type BinaryOp, type Expr, e, type UnaryOp } from '../../../src/core/expr.js';
import { drawOf } from '../../../src/core/random.js';
import { contiguousStrides, type Shape, sizeOf } from '../../../src/core/shape.js';
import { softwareDriver } from '../../../support/driver.js';
import { seededRandom } from '../cpu/numbers.js';
import { Bench, openSoftware } from './harness.js';

const driver = await softwareDriver();
const test = suite('webgpu map');

if (driver !== null) {
  const device = await openSoftware(driver);
  const bench = new Bench(device);
  const random = seededRandom('webgpu map');
  test.after(() => device.close());
  test.after.each(() => bench.clear());

  const x = e.input(0);
  const y = e.input(1);
  const unary: readonly UnaryOp[] = [
    'neg',
    'abs',
    'exp',
    'log',
    'sqrt',
    'sin',
    'cos',
    'tanh',
    'erf',
    'floor',
    'isnan',
  ];
  const arithmetic: readonly BinaryOp[] = ['add', 'sub', 'mul', 'div', 'pow', 'min', 'max'];
  const comparisons: readonly BinaryOp[] = ['eq', 'ne', 'lt', 'le', 'gt', 'ge'];
  const plain = { params: [], draw: null };

  test('copies of int32 numbers keep every bit', async () => {
    for (const [shape, strides, offset] of [
      [[8, 16], [16, 1], 0],
      [[16, 8], [1, 16], 0],
      [[8, 16], [16, -1], 15],
      [[12, 16], [0, 1], 16],
      [[16, 4], [3, 0], 1],
    ] as const) {
      const numbers = Int32Array.from({ length: 128 }, (_, i) => 2 ** 30 + 2 * i + 1 - (i % 3) * 2 ** 31);
      const input = bench.put(numbers, shape, offset, strides);
      const output = bench.result(shape, 'int32');
      await bench.check(
        'map',
        { ...plain, exprs: [x], shape, inputs: [input], outputs: [output], integers: true },
        [output],
        0,
      );
    }
  });

  test('NaN and infinities come out as the contract says', async () => {
    const specials = [Number.NaN, Infinity, -Infinity, 0, -0, 1, -1, 2, -2.5, 1e30, -1e30, 100, -100];
    const pairs = specials.flatMap((a) => specials.map((b) => [a, b] as const));
    const n = pairs.length;
    const [a, b] = [0, 1].map((side) =>
      bench.put(
        Float32Array.from(pairs, (pair) => pair[side]!),
        [n],
      ),
    );
    const ops: Expr[] = [
      ...unary.map((op) => ({ kind: 'unary', op, a: x }) as const),
      ...[...comparisons, ...arithmetic].map((op) => ({ kind: 'binary', op, a: x, b: y }) as const),
      e.ne(x, x),
      e.where(x, y, 5),
      e.add(e.constant(Infinity), x),
      e.div(e.constant(1), e.constant(0)),
      e.exp(e.constant(1000)),
      e.pow(x, 2),
    ];
    for (const expr of ops) {
      const out = bench.result([n]);
      const args = { exprs: [expr], shape: [n], inputs: [a!, b!], outputs: [out], ...plain };
      device.kernels.map(args);
      loops.map(args);
      const actual = await device.read(out);
      for (const [i, expected] of Array.from(out.data).slice(0, n).entries()) {
        const v = actual[i]!;
        // Powers of 1 and -1 are C's, not JavaScript's (math.test.ts).
        const power = expr.kind === 'binary' && expr.op === 'pow' && expr.b === y;
        if (power && Math.abs(pairs[i]![0]) === 1) continue;
        const close =
          Object.is(v, expected) ||
          v === expected ||
          Math.abs(v - expected) <= 1e-4 * Math.abs(expected) + 1e-37;
        assert.ok(close, `${JSON.stringify(expr)} of ${pairs[i]} is ${v}, expected ${expected}`);
      }
    }
  });

  test('broadcast, transposed, flipped and sliced views', async () => {
    for (let round = 0; round < 6; round++) {
      const shape: Shape = [
        1 + random.integer(3),
        1 + random.integer(4),
        4 * (1 + random.integer(3)) + (round % 2),
      ];
      const [A, B, C] = [shape[0]!, shape[1]!, shape[2]!];
      const offset = 4 * random.integer(2) + (round % 3 === 0 ? 0 : 1);
      const whole = bench.normals(random, shape, offset);
      const channel = bench.put(
        Float32Array.from({ length: B + 2 }, () => random.normal()),
        shape,
        1,
        [0, 1, 0],
      );
      const turned = bench.put(
        Float32Array.from({ length: A * B * C }, () => random.normal()),
        shape,
        0,
        [1, A, A * B],
      );
      const flipped = bench.put(
        Float32Array.from({ length: A * B * C }, () => random.normal()),
        shape,
        C - 1,
        [B * C, C, -1],
      );
      const out = bench.result(shape, 'float32', round % 2 === 0 ? offset : 0);
      const sum = e.add(e.mul(x, y), e.sub(e.input(2), e.mul(e.input(3), e.param(0))));
      const inputs = [whole, channel, turned, flipped];
      await bench.check(
        'map',
        { exprs: [sum], shape, inputs, outputs: [out], params: [random.normal()], draw: null },
        [out],
      );
    }
  });

  test('an optimizer step: several outputs, in place, new numbers without a new pipeline', async () => {
    const step = (params: readonly number[]) => {
      const [w, v, g] = [0, 1, 2].map(() => bench.normals(random, [37, 4]));
      const velocity = e.sub(e.mul(e.param(0), e.input(1)), e.mul(e.param(1), e.input(2)));
      const exprs = [e.add(x, velocity), velocity];
      return bench.check(
        'map',
        { exprs, shape: [37, 4], inputs: [w!, v!, g!], outputs: [w!, v!], params, draw: null },
        [w!, v!],
      );
    };
    await step([0.9, 0.01]);
    const before = device.counters().pipelinesCreated;
    await step([0.5, 0.002]);
    assert.is(device.counters().pipelinesCreated, before);
  });

  test('numbers that an expression does not mention are no part of its program', async () => {
    const run = (expr: Expr, params: readonly number[]) => {
      const [a, out] = [bench.normals(random, [3, 5]), bench.result([3, 5])];
      const args = { exprs: [expr], shape: [3, 5], inputs: [a], outputs: [out], params, draw: null };
      return bench.check('map', args, [out]);
    };
    // Infinity goes through a uniform, beside the numbers.
    const guarded = e.where(e.gt(x, e.constant(-Infinity)), x, 0);
    const before = device.counters().pipelinesCreated;
    await run(guarded, []);
    await run(guarded, [2.5]);
    await run(guarded, [2.5, 7]);
    assert.is(device.counters().pipelinesCreated, before + 1);
    // Only the second of three is mentioned; then all, in another order.
    await run(e.add(x, e.param(1)), [1, 2, 3]);
    await run(e.add(e.mul(x, e.param(2)), e.sub(e.param(0), e.param(1))), [1, 2, 3]);
    await run(e.div(1, -0), []);
    await run(e.add(e.div(1, 0), e.div(1, -0)), []);
  });

  test('bytes and int32 in and out, at any offset', async () => {
    for (let round = 0; round < 8; round++) {
      const n = 1 + random.integer(40);
      const [from, to] = [random.integer(5), random.integer(5)];
      const bytes = bench.put(
        Uint8Array.from({ length: n + from }, () => random.integer(256)),
        [n],
        from,
      );
      const whole = bench.put(
        Int32Array.from({ length: n }, () => random.integer(2000) - 1000),
        [n],
      );
      const dtype = (['uint8', 'int32', 'float32'] as const)[round % 3]!;
      const out = bench.result([n], dtype, to);
      const expr = e.abs(e.mul(0.1, e.add(x, y)));
      await bench.check(
        'map',
        { exprs: [expr], shape: [n], inputs: [bytes, whole], outputs: [out], ...plain },
        [out],
        0,
      );
    }
  });

  test('random numbers have the bits of core/random.ts, wherever the part lies', async () => {
    for (const [shape, offset, strides] of [
      [[64], 0, [1]],
      [[5, 12], 1000, [100, 1]],
      [[3, 7], 2 ** 32 - 5, [7, 1]],
      [[4, 8], 3, [1, 4]],
    ] as const) {
      const outputs = [bench.result(shape), bench.result(shape)];
      const draw = { ...drawOf(random.integer(2 ** 30) * 2 ** 20 + 77, 123), offset, strides };
      const exprs = [e.random(0), e.random(1)];
      await bench.check('map', { exprs, shape, inputs: [], outputs, params: [], draw }, outputs, 0);
    }
  });

  test('more buffers than a shader binds, outputs among the inputs', async () => {
    const shape = [3, 8];
    const inputs = Array.from({ length: 12 }, () => bench.normals(random, shape));
    const sum = inputs.reduce<Expr>((tree, _, i) => e.add(e.mul(tree, 0.5), e.input(i)), e.constant(1));
    const outputs = [inputs[0]!, inputs[5]!];
    const exprs = [sum, e.sub(sum, e.input(0))];
    await bench.check('map', { exprs, shape, inputs, outputs, ...plain }, outputs);
  });

  test('a million elements and more go by a grid of several rows', async () => {
    const shape = [65_536 * 64 + 1];
    const value = bench.put(Float32Array.of(3), shape, 0, [0]);
    const data = new Uint8Array(sizeOf(shape));
    const out = bench.put(data, shape, 0, contiguousStrides(shape));
    device.kernels.map({ exprs: [x], shape, inputs: [value], outputs: [out], ...plain });
    assert.equal(await device.read({ ...out, shape: [2], offset: sizeOf(shape) - 2 }), Uint8Array.of(3, 3));
  });
}

test.run();
