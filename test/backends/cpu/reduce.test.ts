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

test('long reductions are cut into pieces, wide ones go many lines at a time', () => {
  assert.ok(check([70001], [0], 0));
  assert.ok(check([3, 65537], [0, 1], 1));
  assert.ok(check([2, 3, 66000], [0, 1, 2], 2));
  assert.ok(check([30011, 5], [1, 0], 1));
  assert.ok(check([130, 1031], [1, 0], 1));
  assert.ok(check([3, 700, 83], [0, 2, 1], 2));
  assert.ok(check([2, 1025, 3, 65], [3, 1, 0, 2], 1));
});

test('sums keep their digits however long they are, in every layout, cut into pieces or not', () => {
  const tenth = Math.fround(0.1);
  for (const [what, shape, order, kept] of [
    ['one column', [300_000, 1], [1, 0], 1],
    ['a few columns', [100_000, 3], [1, 0], 1],
    ['vectors of columns', [100_000, 20], [1, 0], 1],
    ['many columns', [9001, 300], [1, 0], 1],
    ['columns of outer rows', [3, 5000, 70], [0, 2, 1], 2],
    ['columns over a short inner axis', [40_000, 3, 8], [2, 0, 1], 1],
    ['rows', [3, 300_000], [0, 1], 1],
    ['rows of short runs', [5000, 3, 13], [1, 0, 2], 1],
    ['everything', [999_999], [0], 0],
  ] as const) {
    const count = sizeOf(order.slice(kept).map((axis) => shape[axis]!));
    const strides = contiguousStrides(shape);
    const outShape = order.slice(0, kept).map((axis) => shape[axis]!);
    const n = sizeOf(outShape);
    const results = acrossTeams((planner) => {
      const x = planner.view(new Float32Array(sizeOf(shape)).fill(tenth), shape);
      const view = {
        ...x,
        shape: order.map((axis) => shape[axis]!),
        strides: order.map((axis) => strides[axis]!),
      };
      const out = planner.view(new Float32Array(n), outShape);
      assert.ok(planReduce({ op: 'sum', x: view, kept, scale: 1, out }, planner), what);
      return [planner.read(out, n)];
    });
    for (const [sums] of results) {
      for (const sum of sums!) {
        const error = Math.abs(sum / (count * tenth) - 1);
        assert.ok(error < 8e-7, `${what}: ${count} times 0.1 is ${sum}, error ${error}`);
      }
    }
  }
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
