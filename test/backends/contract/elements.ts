/**
 * Arguments of maps, reductions and selections.
 */

import { loops } from '../../../src/backends/cpu/kernels/loops.js';
import { type BinaryOp, type Expr, e, isWhole, type UnaryOp } from '../../../src/core/expr.js';
import { drawOf } from '../../../src/core/random.js';
import { makeArray, type Shape } from '../../../src/core/shape.js';
import { type Case, dot, type Maker } from './maker.js';

const x = e.input(0);
const y = e.input(1);
const plain = { params: [], draw: null };

// Tables over the operations' names, so that a new one asks for its row.
const ofOne: { readonly [Op in UnaryOp]: Expr } = {
  neg: e.neg(x),
  abs: e.abs(x),
  exp: e.exp(x),
  log: e.log(y),
  sqrt: e.sqrt(y),
  sin: e.sin(x),
  cos: e.cos(x),
  tanh: e.tanh(x),
  erf: e.erf(x),
  floor: e.floor(x),
  isnan: e.isnan(x),
};
const ofTwo: { readonly [Op in BinaryOp]: Expr } = {
  add: e.add(x, y),
  sub: e.sub(x, y),
  mul: e.mul(x, y),
  div: e.div(x, y),
  pow: e.pow(y, x),
  min: e.min(x, y),
  max: e.max(x, y),
  eq: e.eq(x, e.floor(x)),
  ne: e.ne(x, e.floor(x)),
  lt: e.lt(x, y),
  le: e.le(x, y),
  gt: e.gt(x, y),
  ge: e.ge(x, y),
};

export function* map(make: Maker): Generator<Case<'map'>> {
  // Whole vectors, and a rest that fills none.
  for (const n of [100, 99]) {
    for (const expr of [...Object.values(ofOne), ...Object.values(ofTwo)]) {
      const any = make.put(
        make.numbers(n, () => 4 * make.random.normal()),
        [n],
      );
      const positive = make.put(
        make.numbers(n, () => 1e-3 + 20 * make.random.uniform()),
        [n],
      );
      const out = make.result([n]);
      yield {
        args: { ...plain, exprs: [expr], shape: [n], inputs: [any, positive], outputs: [out] },
        outs: [out],
      };
    }
  }
  yield* views(make);
  yield* types(make);
  yield* whole(make);
  yield* casts(make);
  // An optimizer's step: two outputs, in place.
  const [w, v, g] = [make.normals([37, 4]), make.normals([37, 4]), make.normals([37, 4])];
  const velocity = e.sub(e.mul(e.param(0), y), e.mul(e.param(1), e.input(2)));
  const exprs = [e.add(x, velocity), velocity];
  const step = { exprs, shape: [37, 4], inputs: [w, v, g], outputs: [w, v], params: [0.9, 0.01], draw: null };
  yield { args: step, outs: [w, v] };
  // Random numbers have the bits of core/random.ts, wherever the part lies.
  for (const [shape, offset, strides] of [
    [[64], 0, [1]],
    [[5, 12], 1000, [100, 1]],
    [[3, 7], 2 ** 32 - 5, [7, 1]],
    [[4, 8], 3, [1, 4]],
  ] as const) {
    const outputs = [make.result(shape), make.result(shape)];
    const draw = { ...drawOf(make.random.integer(2 ** 30) * 2 ** 20 + 77, 123), offset, strides };
    const args = { exprs: [e.random(0), e.random(1)], shape, inputs: [], outputs, params: [], draw };
    yield { args, outs: outputs, tolerance: 0 };
  }
}

/** Broadcast, transposed, flipped and sliced views. */
function* views(make: Maker): Generator<Case<'map'>> {
  for (let round = 0; round < 6; round++) {
    const shape: Shape = [make.upTo(3), make.upTo(4), 4 * make.upTo(3) + (round % 2)];
    const [A, B, C] = [shape[0]!, shape[1]!, shape[2]!];
    const offset = 4 * make.random.integer(2) + (round % 3 === 0 ? 0 : 1);
    const inputs = [
      make.normals(shape, offset),
      make.put(make.numbers(B + 2), shape, 1, [0, 1, 0]),
      make.put(make.numbers(A * B * C), shape, 0, [1, A, A * B]),
      make.put(make.numbers(A * B * C), shape, C - 1, [B * C, C, -1]),
    ];
    const out = make.result(shape, 'float', round % 2 === 0 ? offset : 0);
    const sum = e.add(e.mul(x, y), e.sub(e.input(2), e.mul(e.input(3), e.param(0))));
    const params = [make.random.normal()];
    yield { args: { exprs: [sum], shape, inputs, outputs: [out], params, draw: null }, outs: [out] };
  }
}

/** Bytes and int32 in and out, at any offset; copies keep every bit of them. */
function* types(make: Maker): Generator<Case<'map'>> {
  for (let round = 0; round < 8; round++) {
    const n = make.upTo(40);
    const [from, to] = [make.random.integer(5), make.random.integer(5)];
    const bytes = Uint8Array.from({ length: n + from }, () => make.random.integer(256));
    const whole = Int32Array.from({ length: n }, () => make.random.integer(2000) - 1000);
    const inputs = [make.put(bytes, [n], from), make.put(whole, [n])];
    const out = make.result([n], (['uint8', 'int32', 'float'] as const)[round % 3], to);
    const expr = e.mul(0.125, e.abs(e.add(x, y)));
    yield {
      args: { ...plain, exprs: [expr], shape: [n], inputs, outputs: [out] },
      outs: [out],
      tolerance: 0,
    };
  }
  for (const [shape, strides, offset] of [
    [[8, 16], [16, 1], 0],
    [[16, 8], [1, 16], 0],
    [[8, 16], [16, -1], 15],
    [[12, 16], [0, 1], 16],
    [[16, 4], [3, 0], 1],
  ] as const) {
    const numbers = Int32Array.from({ length: 128 }, (_, i) => 2 ** 30 + 2 * i + 1 - (i % 3) * 2 ** 31);
    const [input, out] = [make.put(numbers, shape, offset, strides), make.result(shape, 'int32')];
    yield {
      args: { ...plain, exprs: [x], shape, inputs: [input], outputs: [out], integers: true },
      outs: [out],
      tolerance: 0,
    };
  }
}

/** Whole trees of integers too large for a float32, of which sums and products wrap around. */
function* whole(make: Maker): Generator<Case<'map'>> {
  const chosen = e.where(e.sub(x, y), e.mul(x, e.param(0)), e.add(y, -(2 ** 31)));
  const trees = [...Object.values(ofOne), ...Object.values(ofTwo), chosen, e.constant(2 ** 31 - 1)];
  const large = (): number =>
    [2 ** 24, 2 ** 31, 300][make.random.integer(3)]! * (2 * make.random.uniform() - 1);
  for (const [i, expr] of trees.filter(isWhole).entries()) {
    for (const n of [20, 4 * make.upTo(9) + 1]) {
      const [from, to] = [make.random.integer(5), make.random.integer(5)];
      const bytes = Uint8Array.from({ length: n + from }, () => make.random.integer(256));
      const first = make.put(Int32Array.from({ length: n }, large), [n]);
      const second =
        i % 3 === 0
          ? make.put(bytes, [n], from)
          : make.put(
              first.data.map((a, k) => a - (k % 3)),
              [n],
            );
      const out = make.result([n], (['int32', 'float', 'uint8'] as const)[i % 3], to);
      const settings = { params: [2 ** 24 + 1], draw: null, integers: true };
      const args = { ...settings, exprs: [expr], shape: [n], inputs: [first, second], outputs: [out] };
      yield { args, outs: [out], tolerance: 0 };
    }
  }
  // More tensors than a program can bind, and bytes beside another output.
  const many = Array.from({ length: 11 }, () => make.put(Int32Array.from({ length: 12 }, large), [12]));
  const total = many.map((_, i) => e.input(i)).reduce((sum: Expr, term) => e.add(e.mul(sum, 3), term), x);
  const outputs = [make.result([12], 'int32'), make.result([12], 'uint8', 1), make.result([12])];
  const exprs = [total, e.sub(total, y), e.max(x, y)];
  yield {
    args: { ...plain, exprs, shape: [12], inputs: many, outputs, integers: true },
    outs: outputs,
    tolerance: 0,
  };
}

/** Floats as integers: toward zero, at the ends of the range, NaN as 0. */
function* casts(make: Maker): Generator<Case<'map'>> {
  const edges = [Number.NaN, Infinity, -Infinity, 3e9, -3e9, 2 ** 31, -(2 ** 31), 2147483520, -0.9, 0.9];
  const bytes = [-1, 255, 255.9, 256, 300, -300, 128.5, 1e-40, -0, 70000];
  const numbers = makeArray(make.float, 20);
  numbers.set([...edges, ...bytes]);
  for (const n of [20, 17]) {
    for (const dtype of ['int32', 'uint8'] as const) {
      const out = make.result([n], dtype);
      const input = make.put(numbers.slice(0, n), [n]);
      const args = { ...plain, exprs: [x], shape: [n], inputs: [input], outputs: [out] };
      yield { args, outs: [out], tolerance: 0 };
    }
  }
}

export function* reduce(make: Maker): Generator<Case<'reduce'>> {
  for (const op of ['sum', 'max', 'min', 'sum', 'max'] as const) {
    const [A, B, C] = [make.upTo(6), make.upTo(9), make.upTo(300)];
    const data = make.numbers(A * B * C + 1);
    if (op !== 'sum') data[make.random.integer(data.length)] = Number.NaN;
    // Channels of images; rows; all.
    for (const [shape, strides, kept] of [
      [[B, A, C], [C, B * C, 1], 1],
      [[A, B, C], [B * C, C, 1], 2],
      [[A * B, C], [C, 1], 0],
      [[C, A * B], [1, C], 1],
    ] as const) {
      const x = make.put(data, shape, 1, strides);
      const out = make.result(shape.slice(0, kept), 'float', 1);
      yield { args: { op, x, kept, scale: op === 'sum' ? 0.25 : 1, out }, outs: [out] };
    }
  }
  const [none, out] = [make.put(make.numbers(1), [2, 0], 0, [0, 1]), make.result([2])];
  yield { args: { op: 'sum', x: none, kept: 1, scale: 1, out }, outs: [out] };
}

/** Whole numbers up to `n` in the maker's type, int32 and uint8. */
function* integers(make: Maker, length: number, n: number) {
  for (const dtype of [make.float, 'int32', 'uint8'] as const) {
    yield { dtype, data: makeArray(dtype, length).map(() => make.random.integer(n)) };
  }
}

/** Indices, broadcast over two axes, some of them outside. */
function* picks(make: Maker) {
  const [O, A, I, J] = [make.upTo(3), make.upTo(6), make.upTo(5), make.upTo(7)];
  const numbers = Int32Array.from({ length: J }, () => make.random.integer(A + 2) - 1);
  yield { O, A, I, J, index: () => make.put(numbers, [O, J, I], 0, [0, 1, 0]) };
}

export function* gather(make: Maker): Generator<Case<'gather'>> {
  for (const { O, A, I, J, index } of picks(make)) {
    for (const { dtype, data } of integers(make, O * A * I + 3, 200)) {
      const x = make.put(data, [O, A, I], 3);
      const out = make.result([O, J, I], dtype === 'int32' || dtype === 'uint8' ? dtype : 'float', 2);
      yield { args: { x, index: index(), out }, outs: [out] };
    }
  }
}

export function* scatterAdd(make: Maker): Generator<Case<'scatterAdd'>> {
  for (const { O, A, I, J, index } of picks(make)) {
    const [grad, out] = [make.normals([O, J, I]), make.result([O, A, I])];
    yield { args: { grad, index: index(), out }, outs: [out] };
  }
  // Indices that are all inside: then it is the gradient of gather.
  const [by, grad, forward] = [make.normals([2, 5, 3]), make.normals([2, 4, 3]), make.result([2, 4, 3])];
  const index = make.put(Int32Array.of(4, 0, 4, 2), [2, 4, 3], 0, [0, 1, 0]);
  const out = make.result([2, 5, 3]);
  const value = (): number => {
    loops.gather({ x: by, index, out: forward });
    return dot(grad, forward);
  };
  yield { args: { grad, index, out }, outs: [out], derivative: { by, value } };
}

export function* topk(make: Maker): Generator<Case<'topk'>> {
  const [R, C] = [make.upTo(4), 5 + make.upTo(150)];
  const k = make.upTo(Math.min(C, 7));
  for (const { dtype, data } of integers(make, R * C, 40)) {
    const float = dtype !== 'int32' && dtype !== 'uint8';
    if (float) {
      data[3] = Number.NaN;
      data[4] = -0;
    }
    const [values, indices] = [make.result([R, k], float ? 'float' : dtype), make.result([R, k], 'int32')];
    yield { args: { x: make.put(data, [R, C]), values, indices }, outs: [values, indices] };
  }
}
