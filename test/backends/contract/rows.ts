/**
 * Arguments of row-wise kernels: softmax, the moments of a row and what is normalized by them, over rows that lie along
 * the last axis, across it, or in several axes; short ones and long ones.
 */
import { type Expr, e } from '../../../src/core/expr.js';
import { contiguousStrides, type Shape, sizeOf } from '../../../src/core/shape.js';
import type { Case, Held, Maker } from './maker.js';

/** How rows lie in a dense tensor: the sizes and strides of the kept axes, then of a row's. */
interface Lying {
  readonly shape: Shape;
  readonly kept: number;
  readonly strides: readonly number[];
}

/** A dense tensor of `sizes` whose axes come in another order, the first `kept` of them counting rows. */
function turned(sizes: Shape, order: readonly number[], kept: number): Lying {
  const strides = contiguousStrides(sizes);
  return { shape: order.map((axis) => sizes[axis]!), strides: order.map((axis) => strides[axis]!), kept };
}

function* layouts(make: Maker): Generator<Lying> {
  const [A, B, C] = [make.upTo(5), make.upTo(6), make.upTo(90)];
  yield turned([A * B, C], [0, 1], 1);
  yield turned([A, B, C], [0, 1, 2], 1);
  yield turned([A, C], [1, 0], 1);
  yield turned([A, B, C], [1, 0, 2], 1);
  yield turned([A, C, B], [0, 2, 1], 2);
  yield turned([C], [0], 0);
  yield turned([1, 1], [0, 1], 1);
  // Long rows, few of them; rows across a long axis.
  yield turned([2, 40_000], [0, 1], 1);
  yield turned([3, 2, 20_003], [1, 0, 2], 1);
  yield turned([130, 600], [1, 0], 1);
}

const operands = (shape: Shape, outs: readonly Held[], keeps: readonly (Held | null)[]) => ({
  exprs: [] as readonly Expr[],
  shape,
  outputs: outs,
  keeps,
  outs: [...outs, ...keeps.filter((keep) => keep !== null)],
});

/** Numbers of x, shifted, with an infinity or a NaN where `odd`. */
function filled(make: Maker, { shape, strides }: Lying, odd: number | null): Held {
  const numbers = make.numbers(sizeOf(shape) + 1, () => 2 * make.random.normal() + 5);
  if (odd !== null) numbers[make.random.integer(numbers.length)] = odd;
  return make.put(numbers, shape, 1, strides);
}

export function* foldMap(make: Maker): Generator<Case<'foldMap'>> {
  for (const lying of layouts(make)) {
    yield softmax(make, lying);
    yield standardized(make, lying);
    yield extremes(make, lying);
  }
}

/** A maximum, a sum, a quotient. */
function softmax(make: Maker, lying: Lying): Case<'foldMap'> {
  const { shape, kept, strides } = lying;
  const x = filled(make, lying, null);
  const out = make.put(
    make.numbers(sizeOf(shape), () => 7),
    shape,
    0,
    strides,
  );
  const keeps = [null, make.result(shape.slice(0, kept), 'float', 1)];
  const weight = e.exp(e.sub(e.input(0), e.input(1)));
  const numbers = [
    { op: 'max', expr: e.input(0) },
    { op: 'sum', expr: weight },
  ] as const;
  const { outs, ...rest } = operands(shape, [out], keeps);
  const args = { ...rest, numbers, exprs: [e.div(weight, e.input(2))], kept, inputs: [x], params: [] };
  return { args, outs };
}

/** Mean and variance from the row's first element; then two outputs, with a factor that repeats over rows, another along them. */
function standardized(make: Maker, lying: Lying): Case<'foldMap'> {
  const { shape, kept, strides } = lying;
  const count = sizeOf(shape.slice(kept));
  const x = filled(make, lying, null);
  const first = { ...x, strides: strides.map((stride, axis) => (axis < kept ? stride : 0)) };
  const own = shape.slice(kept);
  const along = make.put(make.numbers(sizeOf(own)), shape, 0, [
    ...shape.slice(0, kept).map(() => 0),
    ...contiguousStrides(own),
  ]);
  const rows = shape.slice(0, kept);
  const across = make.put(make.numbers(sizeOf(rows)), shape, 0, [
    ...contiguousStrides(rows),
    ...own.map(() => 0),
  ]);
  const outs = [
    make.result(shape),
    make.put(
      make.numbers(sizeOf(shape), () => 7),
      shape,
      0,
      strides,
    ),
  ];
  const keeps = [null, null, make.result(rows), make.result(rows, 'float', 2), null];
  const difference = e.sub(e.input(0), e.input(1));
  const [sum, squares, mean, root] = [4, 5, 6, 8].map(e.input);
  const shift = e.div(sum!, e.param(0));
  const numbers = [
    { op: 'sum', expr: difference },
    { op: 'sum', expr: e.mul(difference, difference) },
    { op: null, expr: e.add(e.input(1), shift) },
    { op: null, expr: e.sub(e.div(squares!, e.param(0)), e.mul(shift, shift)) },
    { op: null, expr: e.div(1, e.sqrt(e.add(e.input(7), e.param(1)))) },
  ] as const;
  const standard = e.mul(e.sub(e.input(0), mean!), root!);
  const exprs = [e.mul(standard, e.input(2)), e.add(standard, e.input(3))];
  const { outs: written, ...rest } = operands(shape, outs, keeps);
  const inputs = [x, first, along, across];
  return { args: { ...rest, numbers, exprs, kept, inputs, params: [count, 0.25] }, outs: written };
}

/** Largest and smallest, which hand NaN on, and nothing else. */
function extremes(make: Maker, lying: Lying): Case<'foldMap'> {
  const { shape, kept } = lying;
  const odd = [Number.NaN, Infinity, null][make.random.integer(3)]!;
  const x = filled(make, lying, odd);
  const rows = shape.slice(0, kept);
  const numbers = [
    { op: 'max', expr: e.neg(e.input(0)) },
    { op: 'min', expr: e.input(0) },
  ] as const;
  const { outs, ...rest } = operands(shape, [], [make.result(rows), make.result(rows, 'float', 1)]);
  return { args: { ...rest, numbers, kept, inputs: [x], params: [] }, outs };
}
