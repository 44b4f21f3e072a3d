/**
 * Emitted reductions against the plain loop.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loops } from '../../../src/backends/cpu/kernels/loops.js';
import { planReduce } from '../../../src/backends/cpu/kernels/reduce/plan.js';
import { contiguousStrides, type Shape, sizeOf } from '../../../src/core/shape.js';
import { dense, nmse, seededRandom } from './numbers.js';
import { acrossTeams } from './planner.js';

const random = seededRandom('reduce');
const operations = ['sum', 'max', 'min'] as const;

/** Reduces the axes of a dense tensor of `shape` that come after the first `kept` of `order`; says if it was planned. */
function check(shape: Shape, order: readonly number[], kept: number, data?: Float32Array): boolean {
  const numbers = data ?? Float32Array.from({ length: sizeOf(shape) }, () => random.normal() + 2);
  const strides = contiguousStrides(shape);
  const view = {
    shape: order.map((axis) => shape[axis]!),
    strides: order.map((axis) => strides[axis]!),
    offset: 0,
  };
  const outShape = view.shape.slice(0, kept);
  const n = sizeOf(outShape);
  const scale = 0.5;
  let planned = true;
  for (const op of operations) {
    const expected = dense(new Float32Array(n), outShape);
    loops.reduce({ op, x: { ...view, data: numbers }, kept, scale, out: expected });
    const results = acrossTeams((planner) => {
      const x = { ...planner.view(numbers, shape), ...view };
      const out = planner.view(new Float32Array(n), outShape);
      planned = planReduce({ op, x, kept, scale, out }, planner);
      return [planner.read(out, n)];
    });
    if (!planned) return false;
    for (const [actual] of results) {
      const limit = op === 'sum' ? 1e-11 : 0;
      const error = nmse(actual!, expected.data);
      assert.ok(error <= limit, `${op} of ${shape} in order ${order}, ${kept} kept: error ${error}`);
    }
  }
  return true;
}

test('row sums, column sums, bias gradients, whole tensors', () => {
  assert.ok(check([7, 33], [0, 1], 1));
  assert.ok(check([33, 70], [1, 0], 1));
  assert.ok(check([3, 5, 7, 9], [1, 0, 2, 3], 1));
  assert.ok(check([3, 5, 7, 9], [0, 2, 3, 1], 3));
  assert.ok(check([3, 5, 7, 9], [0, 1, 2, 3], 0));
  assert.ok(check([2, 3, 4, 5, 6], [1, 3, 0, 2, 4], 2));
});

test('any split of axes that ends in a dense run, and small ones that need none', () => {
  let planned = 0;
  for (let trial = 0; trial < 60; trial++) {
    const shape = Array.from(
      { length: 1 + random.integer(4) },
      () => 1 + random.integer(trial % 3 === 0 ? 40 : 9),
    );
    const order = [...random.permutation(shape.length)];
    if (check(shape, order, random.integer(shape.length + 1))) planned++;
  }
  assert.ok(planned >= 45, `only ${planned} of 60 were planned`);
});

test('long sums are cut into pieces', () => {
  assert.ok(check([70001], [0], 0));
  assert.ok(check([3, 65537], [0, 1], 1));
  assert.ok(check([2, 3, 66000], [0, 1, 2], 2));
});

test('NaN is handed on by max and min, wherever it stands', () => {
  const shape = [9, 21];
  const data = Float32Array.from({ length: 189 }, () => random.normal() + 2);
  for (let i = 0; i < 9; i++) data[21 * i + ((7 * i) % 21)] = NaN;
  assert.ok(check(shape, [0, 1], 1, data));
  assert.ok(check(shape, [1, 0], 1, data));
});

test('an empty sum is 0', () => {
  assert.ok(check([3, 0], [0, 1], 1));
  assert.ok(check([0, 5], [1, 0], 1));
});

test.run();
