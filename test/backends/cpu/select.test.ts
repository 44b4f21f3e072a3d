/**
 * Emitted selection against the plain loop.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loops } from '../../../src/backends/cpu/kernels/loops.js';
import { planGather, planScatterAdd } from '../../../src/backends/cpu/kernels/select/plan.js';
import { type Shape, sizeOf } from '../../../src/core/shape.js';
import { dense, nmse, seededRandom } from './numbers.js';
import { acrossTeams } from './planner.js';

const random = seededRandom('select');

/** `strides` of the index are those of its view; its array is as large as they reach. */
function check(
  [O, A, I]: readonly [number, number, number],
  J: number,
  strides: readonly [number, number, number],
): void {
  const outShape = [O, J, I];
  const reach = 1 + (O - 1) * strides[0] + (J - 1) * strides[1] + (I - 1) * strides[2];
  // Now and then an index that points nowhere.
  const indices = Int32Array.from({ length: reach }, () => random.integer(A + 2) - 1);
  const index = { data: indices, shape: outShape, strides, offset: 0 };
  const x = Float32Array.from({ length: O * A * I }, () => random.normal());
  const whole = Int32Array.from(x, (value) => 1e9 * value);
  const grad = Float32Array.from({ length: sizeOf(outShape) }, () => random.normal());
  const results = (shape: Shape) => dense(new Float32Array(sizeOf(shape)), shape);
  const [out, back, wholeOut] = [
    results(outShape),
    results([O, A, I]),
    dense(new Int32Array(grad.length), outShape),
  ];
  loops.gather({ x: dense(x, [O, A, I]), index, out });
  loops.gather({ x: dense(whole, [O, A, I]), index, out: wholeOut });
  loops.scatterAdd({ grad: dense(grad, outShape), index, out: back });

  const all = acrossTeams((planner) => {
    const at = planner.viewOf(index);
    const chosen = planner.view(new Float32Array(grad.length), outShape);
    const chosenWhole = planner.view(new Int32Array(grad.length), outShape);
    const summed = planner.view(new Float32Array(x.length).fill(5), [O, A, I]);
    assert.ok(planGather({ x: planner.view(x, [O, A, I]), index: at, out: chosen }, planner));
    assert.ok(planGather({ x: planner.view(whole, [O, A, I]), index: at, out: chosenWhole }, planner));
    assert.ok(planScatterAdd({ grad: planner.view(grad, outShape), index: at, out: summed }, planner));
    return [
      planner.read(chosen, grad.length),
      planner.read(chosenWhole, grad.length),
      planner.read(summed, x.length),
    ];
  });
  for (const [chosen, chosenWhole, summed] of all) {
    assert.is(nmse(chosen!, out.data), 0, `gather ${outShape} of ${A}`);
    assert.is(nmse(chosenWhole!, wholeOut.data), 0, `gather ${outShape} of ${A} int32`);
    assert.ok(nmse(summed!, back.data) < 1e-13, `scatterAdd ${outShape} to ${A}`);
  }
}

test('an index for each element', () => {
  for (let trial = 0; trial < 15; trial++) {
    const [O, A, I] = [1 + random.integer(5), 1 + random.integer(6), 1 + random.integer(30)];
    const J = 1 + random.integer(9);
    check([O, A, I], J, [J * I, I, 1]);
    check([O, A, I], J, [0, 1, J]);
  }
  check([2, 3, 2500], 2, [5000, 2500, 1]);
});

test('an index for whole rows', () => {
  for (let trial = 0; trial < 15; trial++) {
    const J = 1 + random.integer(9);
    check([1 + random.integer(5), 1 + random.integer(6), 1 + random.integer(70)], J, [
      trial % 2 === 0 ? J : 0,
      1,
      0,
    ]);
  }
  check([1, 4, 3000], 7, [0, 1, 0]);
  check([2, 5, 9], 200, [200, 1, 0]);
});

test('many indices: sums keep their digits', () => {
  check([2, 3, 40], 100, [4000, 40, 1]);
  check([1, 5000, 20], 70, [0, 20, 1]);
  const [J, I] = [100_000, 5];
  const tenths = new Float32Array(J * I).fill(0.1);
  for (const strides of [
    [0, 1, 0],
    [J * I, I, 1],
  ]) {
    const results = acrossTeams((planner) => {
      const grad = planner.view(tenths, [1, J, I]);
      const index = planner.view(new Int32Array(J * I), [1, J, I], strides);
      const out = planner.view(new Float32Array(2 * I), [1, 2, I]);
      assert.ok(planScatterAdd({ grad, index, out }, planner));
      return [planner.read(out, 2 * I)];
    });
    for (const [sums] of results) {
      const wanted = J * Math.fround(0.1);
      for (let i = 0; i < I; i++) assert.ok(Math.abs(sums![i]! / wanted - 1) < 1e-7, `${sums![i]}`);
      assert.equal([...sums!.subarray(I)], [0, 0, 0, 0, 0]);
    }
  }
});

test.run();
