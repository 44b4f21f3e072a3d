/**
 * The plan of row-wise kernels on teams of several sizes: the same bits, those of the plain loop to rounding, for rows
 * along and across the memory, whole and in pieces.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { planFoldMap } from '../../../src/backends/cpu/kernels/foldMap/plan.js';
import { loops } from '../../../src/backends/cpu/kernels/loops.js';
import { e } from '../../../src/core/expr.js';
import { contiguousStrides, type Shape, sizeOf } from '../../../src/core/shape.js';
import { dense, nmse, seededRandom, zeros } from './numbers.js';
import { acrossTeams, neverAlone } from './planner.js';

const test = suite('foldMap');
const random = seededRandom('foldMap');

/** Softmax over the reduced axes of a dense tensor whose axes come in `order`, the first `kept` of them counting rows. */
function check(sizes: Shape, order: readonly number[], kept: number): void {
  const turned = (own: readonly number[]): number[] => order.map((axis) => own[axis]!);
  const [shape, strides] = [turned(sizes), turned(contiguousStrides(sizes))];
  const numbers = Float32Array.from({ length: sizeOf(sizes) }, () => 3 * random.normal());
  const rows = shape.slice(0, kept);
  const weight = e.exp(e.sub(e.input(0), e.input(1)));
  const program = {
    numbers: [
      { op: 'max', expr: e.input(0) },
      { op: 'sum', expr: weight },
      { op: 'min', expr: e.input(0) },
    ],
    exprs: [e.div(weight, e.input(2))],
    shape,
    kept,
    params: [],
  } as const;
  const x = { ...dense(numbers, sizes), shape, strides };
  const [out, smallest] = [{ ...zeros(sizes), shape, strides }, zeros(rows)];
  loops.foldMap({ ...program, inputs: [x], outputs: [out], keeps: [null, null, smallest] });
  const results = acrossTeams((planner) => {
    const input = planner.view(numbers, shape, strides);
    const result = planner.view(new Float32Array(numbers.length).fill(Number.NaN), shape, strides);
    const keep = planner.view(new Float32Array(sizeOf(rows)).fill(Number.NaN), rows);
    const args = { ...program, inputs: [input], outputs: [result], keeps: [null, null, keep] };
    assert.ok(planFoldMap(args, neverAlone(planner)), `${sizes} in ${order} isn't declined`);
    return [planner.read(result, numbers.length), planner.read(keep, sizeOf(rows))];
  });
  for (const [all, least] of results) {
    const error = nmse(all!, out.data);
    assert.ok(error < 1e-11, `${sizes} in ${order}: error ${error}`);
    assert.equal([...least!], [...smallest.data]);
  }
}

test('rows along the memory, short and long, few and many', () => {
  for (let round = 0; round < 10; round++) check([1 + random.integer(90), 1 + random.integer(70)], [0, 1], 1);
  check([100, 1000], [0, 1], 1);
  check([3, 50_001], [0, 1], 1);
  check([90_000], [0], 0);
});

test('rows across the memory, and in several axes', () => {
  check([40, 30], [1, 0], 1);
  check([257, 1030], [1, 0], 1);
  check([6, 5, 700], [1, 0, 2], 1);
  check([9, 70, 80], [1, 0, 2], 1);
  check([4, 5, 6, 7], [1, 3, 0, 2], 2);
  check([2, 50, 3, 40], [0, 2, 3, 1], 3);
});

test('rows in stretches that lie apart', () => {
  check([40, 80, 90], [1, 0, 2], 1);
  check([9, 7, 90, 50], [1, 0, 2, 3], 1);
  check([3, 20, 2, 2500], [1, 2, 0, 3], 2);
});

test('softmax of what is near the largest of a row has the same bits in a row that reaches far', () => {
  const [rows, length] = [70, 41];
  const softmaxOf = (numbers: Float32Array, columns: number): Float32Array[] =>
    acrossTeams((planner) => {
      const shape = [rows, columns];
      const weight = e.exp(e.sub(e.input(0), e.input(1)));
      const folds = [
        { op: 'max', expr: e.input(0) },
        { op: 'sum', expr: weight },
      ] as const;
      const out = planner.view(new Float32Array(rows * columns), shape);
      const args = { numbers: folds, exprs: [e.div(weight, e.input(2))], shape, kept: 1, params: [] };
      const operands = { inputs: [planner.view(numbers, shape)], outputs: [out], keeps: [null, null] };
      assert.ok(planFoldMap({ ...args, ...operands }, neverAlone(planner)));
      return [planner.read(out, rows * columns)];
    }).flatMap(([out]) => [Float32Array.from(out!)]);
  // Spans from a few to a hundred, around the 87 within which exponentials take fewer instructions.
  const near = Float32Array.from(
    { length: rows * length },
    (_, i) => (5 + 1.5 * Math.floor(i / length)) * random.uniform(),
  );
  const far = new Float32Array(rows * (length + 1)).fill(-1000);
  for (let row = 0; row < rows; row++)
    far.set(near.subarray(row * length, (row + 1) * length), row * (length + 1));
  const reaching = softmaxOf(far, length + 1);
  for (const [team, own] of softmaxOf(near, length).entries()) {
    for (let row = 0; row < rows; row++) {
      const expected = reaching[team]!.subarray(row * (length + 1), row * (length + 1) + length);
      assert.equal([...own.subarray(row * length, (row + 1) * length)], [...expected], `row ${row}`);
    }
  }
});

test('extremes of a row are NaN where one of its elements is, and of no other row', () => {
  const [rows, length] = [40, 39];
  const numbers = Float32Array.from({ length: rows * length }, () => random.normal());
  // At places all along, within vectors and after them; every second row has none.
  for (let row = 0; row < rows; row += 2) numbers[row * length + ((2 * row) % length)] = Number.NaN;
  const results = acrossTeams((planner) => {
    const input = planner.view(numbers, [rows, length]);
    const keeps = [0, 1].map(() => planner.view(new Float32Array(rows), [rows]));
    const folds = (['max', 'min'] as const).map((op) => ({ op, expr: e.input(0) }));
    const args = { numbers: folds, exprs: [], shape: [rows, length], kept: 1, params: [] };
    assert.ok(planFoldMap({ ...args, inputs: [input], outputs: [], keeps }, neverAlone(planner)));
    return keeps.map((keep) => planner.read(keep, rows));
  });
  for (const [most, least] of results) {
    for (let row = 0; row < rows; row++) {
      const own = numbers.subarray(row * length, (row + 1) * length);
      assert.ok(Object.is(most![row], Math.max(...own)), `the largest of row ${row}`);
      assert.ok(Object.is(least![row], Math.min(...own)), `the smallest of row ${row}`);
    }
  }
});

test.run();
