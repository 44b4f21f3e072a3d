/**
 * The emitted element-wise maps against the plain loop: layouts, dtypes, random numbers, several outputs.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { simplifyAxes } from '../../../src/backends/cpu/kernels/axes.js';
import { type LoopArgs, type LoopView, loops } from '../../../src/backends/cpu/kernels/loops.js';
import { planMap } from '../../../src/backends/cpu/kernels/map/plan.js';

import { type Expr, e } from '../../../src/core/expr.js';
import {
  contiguousStrides,
  type DType,
  makeArray,
  type Shape,
  sizeOf,
  type View,
} from '../../../src/core/shape.js';
import { dense, nmse, seededRandom } from './numbers.js';
import { acrossTeams, TestPlanner } from './planner.js';

const random = seededRandom('map');

function randomView(shape: Shape, dtype: DType = 'float32'): LoopView {
  const data = makeArray(dtype, sizeOf(shape));
  data.forEach((_, i) => {
    data[i] = dtype === 'float32' ? random.normal() : random.integer(200);
  });
  return dense(data, shape);
}

/** Runs a map both ways and compares what its outputs' arrays hold afterwards. */
function check(args: LoopArgs<'map'>, limit = 1e-13): void {
  const arrays = [...new Set([...args.inputs, ...args.outputs].map((view) => view.data))];
  const results = acrossTeams((planner) => {
    const buffers = new Map(arrays.map((data) => [data, planner.view(data, [data.length])]));
    const toView = ({ data, shape, strides, offset }: LoopView): View => ({
      ...buffers.get(data)!,
      shape,
      strides,
      offset,
    });
    const inputs = args.inputs.map(toView);
    const outputs = args.outputs.map(toView);
    assert.ok(planMap({ ...args, inputs, outputs }, planner));
    return args.outputs.map((host) => planner.read(buffers.get(host.data)!, host.data.length));
  });
  loops.map(args);
  for (const actual of results) {
    args.outputs.forEach((output, j) => {
      const error = nmse(actual[j]!, output.data);
      if (!(error <= limit)) assert.unreachable(`output ${j} of ${args.shape}: error ${error}`);
    });
  }
}

const [x, y] = [e.input(0), e.input(1)];
const plain = { params: [], draw: null };

test('axes merge where all operands allow it, in the order of the output', () => {
  assert.equal(
    simplifyAxes(
      [2, 1, 3, 4],
      [
        [12, 7, 4, 1],
        [12, 0, 4, 1],
      ],
      0,
    ),
    { shape: [24], strides: [[1], [1]] },
  );
  assert.equal(
    simplifyAxes(
      [2, 3, 5, 5],
      [
        [0, 1, 0, 0],
        [75, 25, 5, 1],
      ],
      1,
    ),
    {
      shape: [2, 3, 25],
      strides: [
        [0, 1, 0],
        [75, 25, 1],
      ],
    },
  );
  assert.equal(
    simplifyAxes(
      [3, 4],
      [
        [1, 3],
        [1, 3],
      ],
      1,
    ),
    { shape: [12], strides: [[1], [1]] },
  );
  assert.equal(simplifyAxes([], [[]], 0), { shape: [1], strides: [[0]] });
});

test('every function over dense operands of any length', () => {
  const exprs: Expr[] = [
    ...(['neg', 'abs', 'exp', 'sin', 'cos', 'tanh', 'erf', 'floor', 'isnan'] as const).map((op) => e[op](x)),
    ...(['log', 'sqrt'] as const).map((op) => e[op](e.abs(x))),
    ...(['add', 'sub', 'mul', 'div', 'min', 'max', 'eq', 'ne', 'lt', 'le', 'gt', 'ge'] as const).map((op) =>
      e[op](x, y),
    ),
    e.pow(e.abs(x), y),
    e.where(e.lt(x, y), e.add(x, 1), e.param(0)),
    e.where(e.sub(e.floor(x), 1), x, 0),
    e.max(0, e.min(x, 0.5)),
  ];
  for (const n of [1, 3, 4, 15, 16, 17, 100 + random.integer(100)]) {
    for (const expr of exprs) {
      const a = randomView([n]);
      const b = randomView([n]);
      b.data[0] = a.data[0]!;
      check({
        ...plain,
        params: [0.3],
        exprs: [expr],
        shape: [n],
        inputs: [a, b],
        outputs: [dense(new Float32Array(n), [n])],
      });
    }
  }
});

test('min and max hand NaN on, from either side', () => {
  const a = dense(Float32Array.of(NaN, 1, NaN, 2, NaN), [5]);
  const b = dense(Float32Array.of(1, NaN, NaN, 3, 0), [5]);
  for (const expr of [e.max(x, y), e.min(x, y), e.max(x, 0), e.min(0, x)]) {
    check({
      ...plain,
      exprs: [expr],
      shape: [5],
      inputs: [a, b],
      outputs: [dense(new Float32Array(5), [5])],
    });
  }
});

test('random shapes with broadcast, permuted, flipped and sliced operands', () => {
  for (let trial = 0; trial < 60; trial++) {
    const rank = 1 + random.integer(5);
    // Long axes where they are few: the plain loop visits every element.
    const longest = rank <= 3 ? 19 : 6;
    const shape = Array.from({ length: rank }, () => 1 + random.integer(longest));
    const inputs = [0, 1].map(() =>
      disguised(shape, random.uniform() < 0.8 ? 'float32' : random.uniform() < 0.5 ? 'int32' : 'uint8'),
    );
    const out = random.uniform() < 0.6 ? dense(new Float32Array(sizeOf(shape)), shape) : scattered(shape);
    check({ ...plain, exprs: [e.add(e.mul(x, 3), y)], shape, inputs, outputs: [out] });
  }
});

/** A view of the given shape whose axes were permuted, broadcast, flipped or sliced. */
function disguised(shape: Shape, dtype: DType): LoopView {
  const order = random.permutation(shape.length);
  const steps = shape.map(() => (random.uniform() < 0.2 ? 2 : 1));
  const repeated = shape.map(() => random.uniform() < 0.25);
  const stored = Array.from(order, (axis) => (repeated[axis] ? 1 : shape[axis]! * steps[axis]!));
  const source = randomView([sizeOf(stored) + 1], dtype);
  const storedStrides = contiguousStrides(stored);
  const strides = new Array<number>(shape.length).fill(0);
  let offset = 1;
  order.forEach((axis, i) => {
    if (repeated[axis]) return;
    strides[axis] = storedStrides[i]! * steps[axis]!;
    if (random.uniform() < 0.2) {
      offset += strides[axis]! * (shape[axis]! - 1);
      strides[axis] = -strides[axis]!;
    }
  });
  return { data: source.data, shape, strides, offset };
}

/** An output whose elements lie two apart, axes reversed. */
function scattered(shape: Shape): LoopView {
  const strides = contiguousStrides([...shape].reverse())
    .reverse()
    .map((stride) => 2 * stride);
  return { data: new Float32Array(2 * sizeOf(shape)), shape, strides, offset: 1 };
}

test('transposed copies of every proportion', () => {
  for (const [rows, columns] of [
    [1, 9],
    [64, 64],
    [33, 70],
    [5, 200],
    [200, 3],
  ] as const) {
    const source = randomView([columns, rows]);
    const transposed = { ...source, shape: [rows, columns], strides: [1, rows] };
    const out = dense(new Float32Array(rows * columns), [rows, columns]);
    check({ ...plain, exprs: [x], shape: out.shape, inputs: [transposed], outputs: [out] }, 0);
    const whole = { ...transposed, data: Int32Array.from(source.data, (value) => 1000 * value) };
    const turned = dense(new Int32Array(rows * columns), [rows, columns]);
    check({ ...plain, exprs: [x], shape: turned.shape, inputs: [whole], outputs: [turned] }, 0);
    const images = randomView([2, columns, rows, 3]);
    const channelsFirst = {
      ...images,
      shape: [2, 3, columns, rows],
      strides: [columns * rows * 3, 1, rows * 3, 3],
    };
    const planes = dense(new Float32Array(sizeOf(images.shape)), channelsFirst.shape);
    check({ ...plain, exprs: [x], shape: planes.shape, inputs: [channelsFirst], outputs: [planes] }, 0);
  }
});

test('integers: widened, and truncated toward zero', () => {
  for (const n of [3, 21, 64]) {
    for (const from of ['int32', 'uint8', 'float32'] as const) {
      for (const to of ['int32', 'uint8', 'float32'] as const) {
        const source = randomView([n], from);
        const out = dense(makeArray(to, n), [n]);
        const expr = e.add(e.mul(e.abs(x), to === 'uint8' ? 0.7 : -40.3), 2.9);
        check({ ...plain, exprs: [expr], shape: [n], inputs: [source], outputs: [out] });
      }
    }
  }
});

test('what a byte cannot hold is the same on any number of threads', () => {
  const n = 1003;
  const numbers = Float32Array.from({ length: n }, () => 1000 * random.normal());
  acrossTeams((planner) => {
    const out = planner.view(new Uint8Array(n), [n]);
    const inputs = [planner.view(numbers, [n])];
    assert.ok(planMap({ ...plain, exprs: [x], shape: [n], inputs, outputs: [out] }, planner));
    return [planner.read(out, n)];
  });
});

test('an update of weight and velocity in one pass, in place', () => {
  const n = 1000 + random.integer(50);
  const [weight, velocity, gradient] = [randomView([n]), randomView([n]), randomView([n])];
  const [w, v, g] = [e.input(0), e.input(1), e.input(2)];
  const next = e.sub(e.mul(v, e.param(0)), e.mul(e.param(1), e.add(g, e.mul(w, e.param(2)))));
  const exprs = [e.add(w, next), next];
  check({
    exprs,
    shape: [n],
    inputs: [weight, velocity, gradient],
    outputs: [weight, velocity],
    params: [0.9, 0.01, 5e-4],
    draw: null,
  });
});

test('random numbers have exactly the bits of core/random.ts, across slices', () => {
  for (let trial = 0; trial < 10; trial++) {
    const shape = [1 + random.integer(5), 1 + random.integer(40)];
    const draw = {
      seed: [random.integer(2 ** 32), random.integer(2 ** 32)] as const,
      stream: random.integer(1000),
      offset: 2 ** 32 - 30,
      strides: trial % 2 === 0 ? contiguousStrides(shape) : [1, 77],
    };
    const outputs = [0, 1].map(() => dense(new Float32Array(sizeOf(shape)), shape));
    check({ exprs: [e.random(0), e.random(1)], shape, inputs: [], outputs, params: [], draw }, 0);
  }
});

test('dropout and Box-Muller, as ops will write them', () => {
  const shape = [37, 11];
  const draw = { seed: [1, 2] as const, stream: 3, offset: 0, strides: [11, 1] };
  const kept = e.ge(e.random(), e.param(0));
  const source = randomView(shape);
  const out = () => dense(new Float32Array(sizeOf(shape)), shape);
  check({
    exprs: [e.mul(x, e.mul(kept, 2)), kept],
    shape,
    inputs: [source],
    outputs: [out(), out()],
    params: [0.5],
    draw,
  });
  const radius = e.sqrt(e.mul(-2, e.log(e.sub(1, e.random(0)))));
  const normal = e.mul(radius, e.cos(e.mul(2 * Math.PI, e.random(1))));
  check({ exprs: [normal], shape, inputs: [], outputs: [out()], params: [], draw });
});

test('nothing is done for no elements, and float64 is declined', () => {
  const planner = new TestPlanner(1);
  const empty = planner.view(new Float32Array(0), [0, 3]);
  const common = { ...plain, exprs: [x] };
  assert.ok(planMap({ ...common, shape: [0, 3], inputs: [empty], outputs: [empty] }, planner));
  const wide = planner.view(new Float64Array(3), [3]);
  assert.not(planMap({ ...common, shape: [3], inputs: [wide], outputs: [wide] }, planner));
  assert.is(planner.commands, 0);
});

test.run();
