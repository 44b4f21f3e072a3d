/**
 * The emitted elementary functions against double precision, over the whole range of float32.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { planMap } from '../../../src/backends/cpu/kernels/map/plan.js';
import { type Expr, e } from '../../../src/core/expr.js';
import { edges, functions, inDoubles, magnitudes, worstUlp } from '../ulps.js';
import { seededRandom } from './numbers.js';
import { plainSimd, relaxedModes, TestPlanner } from './planner.js';

const random = seededRandom('math');

/** Values of `expr` at the numbers of `inputs`, by the emitted code. */
function evaluate(expr: Expr, relaxed: boolean, ...inputs: Float32Array[]): Float32Array {
  const planner = new TestPlanner(1, { ...plainSimd, relaxed });
  const shape = [inputs[0]!.length];
  const out = planner.view(new Float32Array(shape[0]!), shape);
  const views = inputs.map((data) => planner.view(data, shape));
  assert.ok(
    planMap({ exprs: [expr], shape, inputs: views, outputs: [out], params: [], draw: null }, planner),
  );
  planner.checkGuards();
  return Float32Array.from(planner.read(out, shape[0]!));
}

for (const [name, low, high, limit] of functions) {
  test(`${name} is within ${limit} ulp from 2^${low} to 2^${high}`, () => {
    for (const relaxed of relaxedModes) {
      const x = magnitudes(random, low, high);
      const y = evaluate(e[name](e.input(0)), relaxed, x);
      const worst = worstUlp(
        y,
        (i) => inDoubles[name](x[i]!),
        (i) => `${name}(${x[i]})`,
      );
      assert.ok(worst <= limit, `${worst} ulp, relaxed ${relaxed}`);
    }
  });
}

test('exp of a NaN is NaN, whatever its bits', () => {
  const bits = Array.from(
    { length: 64 },
    () => 0x7f800001 + random.integer(0x7ffffe) + 2 ** 31 * random.integer(2),
  );
  const x = new Float32Array(Uint32Array.from(bits).buffer);
  for (const relaxed of relaxedModes)
    assert.ok(evaluate(e.exp(e.input(0)), relaxed, x).every((y) => Number.isNaN(y)));
});

test('sin keeps the sign of zero and of the smallest numbers', () => {
  const y = evaluate(e.sin(e.input(0)), false, Float32Array.of(-0, 0, 1e-45, -1e-45));
  assert.ok(Object.is(y[0], -0) && Object.is(y[1], 0) && y[2]! > 0 && y[3]! < 0);
});

test('sine and cosine of a lane do not depend on its neighbours', () => {
  const alone = evaluate(e.sin(e.input(0)), false, Float32Array.of(1.25, 1.25, 1.25, 1.25));
  const beside = evaluate(e.sin(e.input(0)), false, Float32Array.of(1e30, 1.25, Infinity, NaN));
  assert.is(beside[1], alone[1]);
});

test('pow is within 2 ulp, with the limits of the definition', () => {
  for (const relaxed of relaxedModes) {
    const a = magnitudes(random, -149, 128);
    const b = Float32Array.from(a, (x) => {
      if (x < 0) return Math.round(8 * (random.uniform() - 0.5));
      const whole = Math.log2(x);
      return Number.isFinite(whole) ? (300 * (random.uniform() - 0.5)) / Math.max(1, Math.abs(whole)) : 0.5;
    });
    edges.forEach((x, i) => {
      edges.forEach((y, j) => {
        // C and JavaScript differ at 1^NaN and 1^infinity; NaN below 0 has one exception at -infinity^0.5.
        if (Math.abs(x) === 1 && !Number.isFinite(y)) return;
        if (x === -Infinity && !Number.isInteger(y)) return;
        a[1000 + i * edges.length + j] = x;
        b[1000 + i * edges.length + j] = y;
      });
    });
    const y = evaluate(e.pow(e.input(0), e.input(1)), relaxed, a, b);
    const worst = worstUlp(
      y,
      (i) => a[i]! ** b[i]!,
      (i) => `${a[i]}^${b[i]}`,
    );
    assert.ok(worst <= 2, `${worst} ulp`);
  }
});

test('pow by a known exponent: quarters without logarithms, others as ever', () => {
  for (const exponent of [
    0, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, -0.25, -0.5, -0.75, -1, -1.75, -2, 0.3, -0.9,
  ]) {
    const a = Float32Array.from({ length: 1000 }, () => 2 ** (20 * (random.uniform() - 0.5)));
    const y = evaluate(e.pow(e.input(0), exponent), false, a);
    const worst = worstUlp(
      y,
      (i) => a[i]! ** Math.fround(exponent),
      (i) => `${a[i]}^${exponent}`,
    );
    // Roots, their product and its reciprocal round five times: 4.4 at the worst of three million numbers to the power -1.75.
    assert.ok(worst <= 4.5, `exponent ${exponent}: ${worst} ulp`);
  }
});

test.run();
