/** Assembles each instruction, runs it, and compares with the same computation in JavaScript. */
import { setFlagsFromString } from 'node:v8';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModuleBuilder, maximumPages } from '../../../src/backends/cpu/asm/assembler.js';
import {
  choose,
  doWhile,
  forRange,
  if_,
  return_,
  select,
  while_,
} from '../../../src/backends/cpu/asm/flow.js';
import {
  type Code,
  f32,
  f32x4,
  f64,
  f64x2,
  i8x16,
  i16x8,
  i32,
  i32x4,
  memory,
  type V128,
  type Value,
  v128,
} from '../../../src/backends/cpu/asm/instructions.js';

const shared = new WebAssembly.Memory({ initial: 2, maximum: maximumPages, shared: true });
const bytes = new Uint8Array(shared.buffer);
const floats = new Float32Array(shared.buffer);
const ints = new Int32Array(shared.buffer);
const doubles = new Float64Array(shared.buffer);

function instantiate(module: ModuleBuilder): WebAssembly.Exports {
  return new WebAssembly.Instance(new WebAssembly.Module(module.finish()), { env: { memory: shared } })
    .exports;
}

function callable(exports: WebAssembly.Exports, name: string): (...args: number[]) => number {
  const fn = exports[name];
  assert.type(fn, 'function');
  if (typeof fn !== 'function') throw new Error('unreachable');
  return (...args) => Number(fn(...args));
}

/** Runs statements in a function without parameters. */
function run(...code: Code[]): void {
  const module = new ModuleBuilder();
  module.func('main').body(...code);
  callable(instantiate(module), 'main')();
}

const [A, B, C, OUT] = [1024, 1040, 1056, 2048];
const [a, b, c] = [v128.load(A), v128.load(B), v128.load(C)];

/** Stores float lanes at A, B and C, evaluates the vector and gives its lanes. */
function lanes(kind: 'float' | 'int', value: V128, ...inputs: number[][]): number[] {
  const array = kind === 'float' ? floats : ints;
  for (const [i, input] of inputs.entries()) array.set(input, (A + 16 * i) / 4);
  run(v128.store(OUT, value));
  return [...array.subarray(OUT / 4, OUT / 4 + 4)];
}

const x = [1.5, -2.25, 0, 7];
const y = [-0.5, -2.25, 3, 0.125];
const zip = (f: (p: number, q: number) => number, p: number[], q: number[]) => p.map((v, i) => f(v, q[i]!));

const floatBinary: [keyof typeof f32x4 & keyof typeof f32, V128, (p: number, q: number) => number][] = [
  ['add', f32x4.add(a, b), (p, q) => p + q],
  ['sub', f32x4.sub(a, b), (p, q) => p - q],
  ['mul', f32x4.mul(a, b), (p, q) => p * q],
  ['div', f32x4.div(a, b), (p, q) => Math.fround(p / q)],
  ['min', f32x4.min(a, b), Math.min],
  ['max', f32x4.max(a, b), Math.max],
];
for (const [name, vector, expected] of floatBinary) {
  test(`f32x4.${name}`, () => {
    assert.equal(lanes('float', vector, x, y), zip(expected, x, y));
    // NaN in, NaN out, for min and max too
    assert.ok(Number.isNaN(lanes('float', vector, [Number.NaN, 1, 1, 1], y)[0]));
  });
}
test('f32x4.pmin and pmax take the first operand unless the second compares', () => {
  assert.equal(lanes('float', f32x4.pmin(a, b), x, y), zip(Math.min, x, y));
  assert.equal(lanes('float', f32x4.pmax(a, b), x, y), zip(Math.max, x, y));
  assert.equal(lanes('float', f32x4.pmax(a, b), [1, 1, 1, 1], [Number.NaN, 2, 0, 1]), [1, 2, 1, 1]);
});

const floatUnary: [string, V128, (p: number) => number][] = [
  ['abs', f32x4.abs(a), Math.abs],
  ['neg', f32x4.neg(a), (p) => -p],
  ['sqrt', f32x4.sqrt(f32x4.abs(a)), (p) => Math.fround(Math.sqrt(Math.abs(p)))],
  ['ceil', f32x4.ceil(a), Math.ceil],
  ['floor', f32x4.floor(a), Math.floor],
  ['trunc', f32x4.trunc(a), Math.trunc],
  ['nearest', f32x4.nearest(a), (p) => (p === 2.5 ? 2 : p === -1.5 ? -2 : Math.round(p))],
];
for (const [name, vector, expected] of floatUnary) {
  test(`f32x4.${name}`, () => {
    const input = [2.5, -1.5, 3.75, -7.25];
    assert.equal(lanes('float', vector, input), input.map(expected));
  });
}

const mask = (condition: boolean) => (condition ? -1 : 0);
const floatCompare: [string, V128, (p: number, q: number) => boolean][] = [
  ['eq', f32x4.eq(a, b), (p, q) => p === q],
  ['ne', f32x4.ne(a, b), (p, q) => p !== q],
  ['lt', f32x4.lt(a, b), (p, q) => p < q],
  ['gt', f32x4.gt(a, b), (p, q) => p > q],
  ['le', f32x4.le(a, b), (p, q) => p <= q],
  ['ge', f32x4.ge(a, b), (p, q) => p >= q],
];
for (const [name, vector, expected] of floatCompare) {
  test(`f32x4.${name}`, () => {
    floats.set([...x, ...y], A / 4);
    assert.equal(
      lanes('int', vector),
      zip((p, q) => mask(expected(p, q)), x, y),
    );
  });
}

const m = [5, -3, 0x7fffffff, 12];
const n = [5, 4, -1, -8];
const intBinary: [string, V128, (p: number, q: number) => number][] = [
  ['i32x4.add', i32x4.add(a, b), (p, q) => (p + q) | 0],
  ['i32x4.sub', i32x4.sub(a, b), (p, q) => (p - q) | 0],
  ['i32x4.mul', i32x4.mul(a, b), Math.imul],
  ['i32x4.minS', i32x4.minS(a, b), Math.min],
  ['i32x4.maxS', i32x4.maxS(a, b), Math.max],
  ['i32x4.eq', i32x4.eq(a, b), (p, q) => mask(p === q)],
  ['i32x4.ne', i32x4.ne(a, b), (p, q) => mask(p !== q)],
  ['i32x4.ltS', i32x4.ltS(a, b), (p, q) => mask(p < q)],
  ['i32x4.ltU', i32x4.ltU(a, b), (p, q) => mask(p >>> 0 < q >>> 0)],
  ['i32x4.gtS', i32x4.gtS(a, b), (p, q) => mask(p > q)],
  ['i32x4.gtU', i32x4.gtU(a, b), (p, q) => mask(p >>> 0 > q >>> 0)],
  ['i32x4.leS', i32x4.leS(a, b), (p, q) => mask(p <= q)],
  ['i32x4.geS', i32x4.geS(a, b), (p, q) => mask(p >= q)],
  ['i32x4.shl', i32x4.shl(a, 3), (p) => p << 3],
  ['i32x4.shrS', i32x4.shrS(a, 3), (p) => p >> 3],
  ['i32x4.shrU', i32x4.shrU(a, 3), (p) => (p >>> 3) | 0],
  ['i32x4.abs', i32x4.abs(a), (p) => Math.abs(p) | 0],
  ['i32x4.neg', i32x4.neg(a), (p) => -p | 0],
  ['v128.and', v128.and(a, b), (p, q) => p & q],
  ['v128.or', v128.or(a, b), (p, q) => p | q],
  ['v128.xor', v128.xor(a, b), (p, q) => p ^ q],
  ['v128.andnot', v128.andnot(a, b), (p, q) => p & ~q],
  ['v128.not', v128.not(a), (p) => ~p],
  ['v128.bitselect', v128.bitselect(a, b, i32x4.const(0xff00)), (p, q) => (p & 0xff00) | (q & ~0xff00)],
];
for (const [name, vector, expected] of intBinary) {
  test(name, () => assert.equal(lanes('int', vector, m, n), zip(expected, m, n)));
}

test('conversions between lanes of float and int', () => {
  ints.set([3, -4, 1 << 30, -1], A / 4);
  assert.equal(lanes('float', f32x4.convertI32x4S(a)), [3, -4, 2 ** 30, -1]);
  assert.equal(lanes('float', f32x4.convertI32x4U(a)), [3, 2 ** 32, 2 ** 30, 2 ** 32]);
  floats.set([1.75, -1.75, 1e20, Number.NaN], A / 4);
  assert.equal(lanes('int', i32x4.truncSatF32x4S(a)), [1, -1, 0x7fffffff, 0]);
  assert.equal(lanes('int', i32x4.truncSatF32x4U(a)), [1, 0, -1, 0]);
});

test('bytes widen to int32 and narrow back', () => {
  bytes.set(
    [...Array(16).keys()].map((i) => i * 17),
    A,
  );
  const low = i16x8.extendLowI8x16U(a);
  const high = i16x8.extendHighI8x16U(a);
  assert.equal(lanes('int', i32x4.extendLowI16x8U(low)), [0, 17, 34, 51]);
  assert.equal(lanes('int', i32x4.extendHighI16x8U(low)), [68, 85, 102, 119]);
  assert.equal(lanes('int', i32x4.extendLowI16x8U(high)), [136, 153, 170, 187]);
  ints.set([1, 300, -5, 255, 7, 70000, 8, 9], A / 4);
  const words = i16x8.narrowI32x4S(a, b);
  run(v128.store(OUT, i8x16.narrowI16x8U(words, words)));
  assert.equal([...bytes.subarray(OUT, OUT + 8)], [1, 255, 0, 255, 7, 255, 8, 9]);
});

test('lanes: splat, extract, replace, shuffle', () => {
  assert.equal(lanes('float', f32x4.splat(2.5)), [2.5, 2.5, 2.5, 2.5]);
  assert.equal(lanes('float', f32x4.const(-1.25)), [-1.25, -1.25, -1.25, -1.25]);
  assert.equal(lanes('int', i32x4.splat(-7)), [-7, -7, -7, -7]);
  assert.equal(lanes('int', i32x4.const(70000)), [70000, 70000, 70000, 70000]);
  assert.equal(lanes('int', i32x4.const(1, -2, 3, 0)), [1, -2, 3, 0]);
  assert.equal(lanes('float', f32x4.splat(f32x4.extractLane(a, 2)), [1, 2, 3, 4]), [3, 3, 3, 3]);
  assert.equal(lanes('int', i32x4.splat(i32x4.extractLane(a, 3)), [1, 2, 3, 4]), [4, 4, 4, 4]);
  assert.equal(lanes('float', f32x4.replaceLane(a, 1, 9), [1, 2, 3, 4]), [1, 9, 3, 4]);
  assert.equal(lanes('int', i32x4.replaceLane(a, 0, 9), [1, 2, 3, 4]), [9, 2, 3, 4]);
  assert.equal(lanes('int', v128.shuffle32(a, b, 0, 5, 7, 2), [1, 2, 3, 4], [5, 6, 7, 8]), [1, 6, 8, 3]);
  const order = [3, 2, 1, 0, 16, 17, 18, 19, 4, 4, 4, 4, 31, 30, 29, 28];
  bytes.set([...Array(32).keys()], A);
  run(v128.store(OUT, v128.shuffle8(a, b, order)));
  assert.equal([...bytes.subarray(OUT, OUT + 16)], order);
});

test('loads that splat, zero or store single lanes', () => {
  ints.set([1, 2, 3, 4], A / 4);
  assert.equal(lanes('int', v128.load32Splat(A, 8)), [3, 3, 3, 3]);
  assert.equal(lanes('int', v128.load8Splat(A, 4)), [0x02020202, 0x02020202, 0x02020202, 0x02020202]);
  assert.equal(lanes('int', v128.load32Zero(A, 4)), [2, 0, 0, 0]);
  assert.equal(lanes('int', v128.load64Zero(A, 4)), [2, 3, 0, 0]);
  run(v128.store(OUT, i32x4.const(0)), v128.store32Lane(OUT, a, 2, 4), v128.store64Lane(OUT, a, 1, 8));
  assert.equal([...ints.subarray(OUT / 4, OUT / 4 + 4)], [0, 3, 3, 4]);
});

test('masks: anyTrue and bitmask', () => {
  ints.set([0, -1, 0, -1, 0, 0, 0, 0], A / 4);
  run(
    i32.store(OUT, i32x4.bitmask(a)),
    i32.store(OUT, v128.anyTrue(a), 4),
    i32.store(OUT, v128.anyTrue(b), 8),
  );
  assert.equal([...ints.subarray(OUT / 4, OUT / 4 + 3)], [0b1010, 1, 0]);
});

test('f64x2: splat, sums, products and widening', () => {
  floats.set([1.5, -3, 0, 0], A / 4);
  const wide = f64x2.promoteLowF32x4(a);
  const value = f64x2.sub(f64x2.mul(wide, f64x2.splat(4)), f64x2.add(wide, f64x2.splat(0.25)));
  run(v128.store(OUT, value), f64.store(OUT, f64x2.extractLane(value, 1), 16));
  assert.equal([...doubles.subarray(OUT / 8, OUT / 8 + 3)], [6 - 1.75, -12 + 2.75, -12 + 2.75]);
});

test('relaxed multiply-add, where the engine has it', () => {
  const module = new ModuleBuilder();
  module
    .func('main')
    .body(v128.store(OUT, f32x4.relaxedMadd(a, b, c)), v128.store(OUT, f32x4.relaxedNmadd(a, b, c), 16));
  if (!WebAssembly.validate(module.finish())) setFlagsFromString('--experimental-wasm-relaxed-simd');
  floats.set([1, 2, 3, 4, 5, 6, 7, 8, 0.5, 0.5, 0.5, 0.5], A / 4);
  callable(instantiate(module), 'main')();
  assert.equal(
    [...floats.subarray(OUT / 4, OUT / 4 + 8)],
    [5.5, 12.5, 21.5, 32.5, -4.5, -11.5, -20.5, -31.5],
  );
});

test('scalar instructions', () => {
  const integer: [Value<'i32'>, number][] = [
    [i32.add(-3, 5), 2],
    [i32.sub(3, 5), -2],
    [i32.mul(-3, 5), -15],
    [i32.divS(-7, 2), -3],
    [i32.divU(-7, 2), 0x7ffffffc],
    [i32.remS(-7, 3), -1],
    [i32.remU(-7, 3), 0xfffffff9 % 3],
    [i32.and(12, 10), 8],
    [i32.or(12, 10), 14],
    [i32.xor(12, 10), 6],
    [i32.shl(-3, 2), -12],
    [i32.shrS(-12, 2), -3],
    [i32.shrU(-12, 2), 0x3ffffffd],
    [i32.eqz(0), 1],
    [i32.eq(3, 3), 1],
    [i32.ne(3, 3), 0],
    [i32.ltS(-1, 1), 1],
    [i32.ltU(-1, 1), 0],
    [i32.gtS(-1, 1), 0],
    [i32.gtU(-1, 1), 1],
    [i32.leS(-1, 1), 1],
    [i32.leU(-1, 1), 0],
    [i32.geS(-1, 1), 0],
    [i32.geU(-1, 1), 1],
    [i32.const(-(2 ** 31)), -(2 ** 31)],
    [i32.const(4000000000), 4000000000 | 0],
    [i32.truncSatF32S(-2.75), -2],
    [i32.truncSatF64S(1e300), 0x7fffffff],
    [i32.reinterpretF32(1), 0x3f800000],
    [f32.eq(1, 1), 1],
    [f32.ne(1, 1), 0],
    [f32.lt(1, 2), 1],
    [f32.gt(1, 2), 0],
    [f32.le(2, 2), 1],
    [f32.ge(1, 2), 0],
    [f64.eq(1, 1), 1],
    [f64.lt(1, 2), 1],
    [f64.gt(1, 2), 0],
    [select(1, i32.const(5), 6), 5],
    [choose(0, i32.const(5), 6), 6],
  ];
  run(integer.map(([value], i) => i32.store(OUT, value, 4 * i)));
  assert.equal(
    integer.map((_, i) => ints[OUT / 4 + i]),
    integer.map(([, expected]) => expected),
  );
  const float: [Value<'f32'>, number][] = [
    [f32.const(0.1), Math.fround(0.1)],
    [f32.abs(-2), 2],
    [f32.neg(2), -2],
    [f32.ceil(1.25), 2],
    [f32.floor(-1.25), -2],
    [f32.trunc(-1.75), -1],
    [f32.nearest(2.5), 2],
    [f32.sqrt(2), Math.fround(Math.SQRT2)],
    [f32.add(1, 2), 3],
    [f32.sub(1, 2), -1],
    [f32.mul(3, 2), 6],
    [f32.div(1, 3), Math.fround(1 / 3)],
    [f32.min(1, 2), 1],
    [f32.max(1, 2), 2],
    [f32.copysign(1, -2), -1],
    [f32.convertI32S(-3), -3],
    [f32.convertI32U(-1), 2 ** 32],
    [f32.reinterpretI32(0x3f800000), 1],
    [f32.demoteF64(f64.sqrt(f64.div(f64.sub(f64.mul(3, 4), f64.add(1, 3)), 2))), 2],
    [f32.demoteF64(f64.max(f64.min(3, f64.convertI32S(2)), f64.promoteF32(1.5))), 2],
    [f32.demoteF64(f64.const(0.1)), Math.fround(0.1)],
  ];
  run(float.map(([value], i) => f32.store(OUT, value, 4 * i)));
  assert.equal(
    float.map((_, i) => floats[OUT / 4 + i]),
    float.map(([, expected]) => expected),
  );
});

test('memory: scalar loads and stores, fill, copy', () => {
  run(
    memory.fill(A, 0xab, 8),
    memory.copy(B, A, 4),
    i32.store8(A, 0x1ff, 1),
    i32.store(OUT, i32.load8U(A, 1)),
    i32.store(OUT, i32.load(B), 4),
    f64.store(OUT, f64.promoteF32(f32.load(OUT)), 8),
    f32.store(OUT, f32.demoteF64(f64.load(OUT, 8)), 16),
  );
  assert.is(ints[OUT / 4], 255);
  assert.is(ints[OUT / 4 + 1], 0xabababab | 0);
  assert.is(ints[OUT / 4 + 4], 255);
});

test('control flow: loops, branches, calls, early return', () => {
  const module = new ModuleBuilder();
  // Collatz steps of n, counted with while_ and if_
  const steps = module.func('steps', 'i32');
  {
    const { n } = steps.params('i32', 'n');
    const { count } = steps.locals('i32', 'count');
    const odd = i32.and(n, 1);
    steps.body(
      while_(i32.ne(n, 1), [
        if_(odd, n.set(i32.add(i32.mul(n, 3), 1)), n.set(i32.shrU(n, 1))),
        count.set(i32.add(count, 1)),
      ]),
      count.code,
    );
  }
  const main = module.func('main');
  const { to } = main.params('i32', 'to');
  const { i, total, power } = main.locals('i32', 'i', 'total', 'power');
  main.body(
    forRange(i, 1, i32.add(to, 1), 1, total.set(i32.add(total, steps.value(i)))),
    i32.store(OUT, total),
    power.set(1),
    doWhile(power.set(i32.shl(power, 1)), i32.ltU(power, to)),
    i32.store(OUT, i32.add(power.tee(i32.mul(power, 2)), power), 4),
    if_(i32.eq(to, 10), return_),
    i32.store(OUT, 0),
  );
  callable(instantiate(module), 'main')(10);
  assert.equal([ints[OUT / 4], ints[OUT / 4 + 1]], [0 + 1 + 7 + 2 + 5 + 8 + 16 + 3 + 19 + 6, 64]);
  callable(instantiate(module), 'main')(1);
  assert.equal([ints[OUT / 4], ints[OUT / 4 + 1]], [0, 8]);
});

test('loops count without sign, up to 4 GiB, and not at all when the range is empty', () => {
  const module = new ModuleBuilder();
  const f = module.func('main', 'i32');
  const { from, to } = f.params('i32', 'from', 'to');
  const { i, turns } = f.locals('i32', 'i', 'turns');
  f.body(forRange(i, from, to, 0x1000000, turns.set(i32.add(turns, 1))), turns.code);
  const main = callable(instantiate(module), 'main');
  assert.is(main(0x7f000000, 0x82000000), 3);
  assert.is(main(5, 5), 0);
  assert.is(main(6, 5), 0);
});

test('arrays of locals, and parameters declared too late', () => {
  const module = new ModuleBuilder();
  const f = module.func('main');
  const sums = f.array('v128', 3);
  f.body(
    sums.map((sum, i) => sum.set(f32x4.const(i))),
    v128.store(
      OUT,
      sums.reduce<V128>((total, sum) => f32x4.add(total, sum), f32x4.const(0.5)),
    ),
  );
  callable(instantiate(module), 'main')();
  assert.is(floats[OUT / 4], 3.5);
  assert.throws(() => f.params('i32', 'late'), /parameters come before locals/);
});

test.run();
