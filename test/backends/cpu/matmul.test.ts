/**
 * Emitted matrix products against the plain loop in doubles: sizes, transposes, batches, bias, ReLU, teams.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type LoopView, loops } from '../../../src/backends/cpu/kernels/loops.js';
import { panelsOf } from '../../../src/backends/cpu/kernels/matmul/panels.js';
import { planMatmul } from '../../../src/backends/cpu/kernels/matmul/plan.js';
import { rowTeams } from '../../../src/backends/cpu/kernels/matmul/product.js';
import { sizeOf } from '../../../src/core/shape.js';
import { dense, errorOfSums, seededRandom, zeros } from './numbers.js';
import { acrossTeams, neverAlone, plainSimd } from './planner.js';

const random = seededRandom('matmul');

interface Options {
  batch?: number;
  transposeA?: boolean;
  transposeB?: boolean;
  /** One a, or b, for all batches. */
  repeatA?: boolean;
  repeatB?: boolean;
  bias?: boolean;
  relu?: boolean;
}

/** A `[batch, rows, columns]` matrix with room around it, so that strides and offset matter. */
function matrix(
  batch: number,
  rows: number,
  columns: number,
  transposed: boolean,
  repeated: boolean,
): LoopView {
  const [outer, inner] = transposed ? [columns, rows] : [rows, columns];
  const pitch = inner + random.integer(3);
  const offset = random.integer(5);
  const data = Float32Array.from({ length: offset + batch * outer * pitch }, () => random.normal());
  const strides = [repeated ? 0 : outer * pitch, transposed ? 1 : pitch, transposed ? pitch : 1];
  return { data, shape: [batch, rows, columns], strides, offset };
}

function check(M: number, N: number, K: number, options: Options = {}): void {
  const { batch = 1, relu = false } = options;
  const a = matrix(batch, M, K, options.transposeA ?? false, options.repeatA ?? false);
  const b = matrix(batch, K, N, options.transposeB ?? false, options.repeatB ?? false);
  const bias = options.bias
    ? dense(
        Float32Array.from({ length: N }, () => random.normal()),
        [N],
      )
    : null;
  const expected = zeros([batch, M, N]);
  loops.matmul({ a, b, bias, relu, out: expected });
  const results = acrossTeams((planner) => {
    const out = planner.view(new Float32Array(batch * M * N).fill(Number.NaN), [batch, M, N]);
    const done = planMatmul(
      { a: planner.viewOf(a), b: planner.viewOf(b), bias: bias && planner.viewOf(bias), relu, out },
      neverAlone(planner),
    );
    assert.ok(done);
    return [planner.read(out, sizeOf(out.shape))];
  });
  for (const [actual] of results) {
    const error = errorOfSums(actual!, expected.data);
    if (!(error < 1e-11)) assert.unreachable(`${M}x${N}x${K} ${JSON.stringify(options)}: error ${error}`);
  }
}

test('every size up to a few tiles', () => {
  for (const M of [1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 13]) {
    for (const N of [1, 3, 7, 8, 9, 15, 16, 17, 21, 33]) {
      check(M, N, 1 + random.integer(9));
      if (M * N >= 20) check(M, N, Math.ceil(5000 / (M * N))); // no small product
    }
  }
});

test('a small product gives the bits that its rows have in a larger one', () => {
  const [M, N, K] = [18, 7, 31];
  const a = matrix(1, 40 * M, K, false, false);
  const b = matrix(1, K, N, false, false);
  acrossTeams((planner) => {
    const [rows, columns] = [planner.viewOf(a), planner.viewOf(b)];
    const [small, large] = [M, 40 * M].map((m) => {
      const out = planner.view(new Float32Array(m * N), [1, m, N]);
      planMatmul({ a: { ...rows, shape: [1, m, K] }, b: columns, bias: null, relu: false, out }, planner);
      return planner.read(out, M * N);
    });
    assert.equal(small, large);
    return [];
  });
});

test('all transposes, with bias and ReLU, across blocks of depth', () => {
  for (let i = 0; i < 32; i++) {
    const [M, N, K] = [1 + random.integer(40), 1 + random.integer(60), 1 + random.integer(600)];
    check(M, N, K, {
      transposeA: (i & 1) !== 0,
      transposeB: (i & 2) !== 0,
      bias: (i & 4) !== 0,
      relu: (i & 8) !== 0,
    });
  }
});

test('many rows or columns: more than one block of each', () => {
  check(300, 40, 270, { bias: true });
  check(20, 1100, 270, { transposeB: true, relu: true });
});

test('batches, also with one matrix for all of them', () => {
  for (let i = 0; i < 8; i++) {
    const [M, N, K] = [1 + random.integer(20), 1 + random.integer(30), 1 + random.integer(300)];
    check(M, N, K, { batch: 2 + random.integer(3), repeatA: i % 4 === 1, repeatB: i % 4 >= 2, bias: i > 3 });
  }
  check(40, 9, 30, { batch: 5, repeatB: true, transposeA: true });
});

test('a depth that the packed operand is cut into stretches for', () => {
  check(4300, 13, 1024, { transposeA: true, bias: true, relu: true });
});

test('long depths: partial results, with bias and ReLU, of batches, and what is left over', () => {
  check(20, 24, 2 * 16384 + 300, { bias: true, relu: true, transposeA: true });
  check(18, 17, 40_000, { transposeB: true });
  check(17, 30, 17_000, { batch: 2, bias: true });
  check(2, 9, 3 * 4096 + 77, { bias: true, relu: true });
  check(3, 6, 4097, { batch: 3, bias: true, repeatA: true });
  check(2, 3, 30_001, { transposeB: true, bias: true });
});

test('sums keep their digits however long they are', () => {
  const tenth = Math.fround(0.1);
  for (const [M, N, K, transposeB, tolerance] of [
    [1, 1, 300_000, true, 1e-6],
    [3, 4, 100_000, true, 1e-6],
    [3, 4, 100_000, false, 1e-6],
    [2, 21, 50_000, false, 1e-6],
    [20, 24, 60_000, false, 4e-6], // 256 terms in one register
  ] as const) {
    const results = acrossTeams((planner) => {
      const a = planner.view(new Float32Array(M * K).fill(tenth), [1, M, K]);
      const strides = transposeB ? [K * N, 1, K] : [K * N, N, 1];
      const b = planner.view(new Float32Array(K * N).fill(1), [1, K, N], strides);
      const out = planner.view(new Float32Array(M * N), [1, M, N]);
      planMatmul({ a, b, bias: null, relu: false, out }, planner);
      return [planner.read(out, M * N)];
    });
    for (const [sums] of results) {
      const error = Math.max(...Array.from(sums!, (sum) => Math.abs(sum / (K * tenth) - 1)));
      assert.ok(error < tolerance, `${M}x${K}x${N}: ${sums![0]} for ${K} times 0.1, error ${error}`);
    }
  }
});

test('few rows or columns, with either operand along the depth', () => {
  for (const M of [1, 2, 3, 5, 8, 16, 24]) {
    const [N, K] = [1 + random.integer(50), 1 + random.integer(500)];
    check(M, N, K, { transposeB: true, bias: M % 2 === 0, relu: M % 3 === 0 });
    check(N, M, K, { transposeB: true, bias: M % 2 === 1, batch: 2 });
    check(M, 40 * N, K, {
      transposeA: M % 2 === 0,
      bias: M % 3 === 0,
      relu: M % 2 === 1,
      batch: 1 + (M % 2),
    });
  }
  check(2, 8500, 7, { batch: 2, bias: true, repeatB: true });
  check(15, 37, 2 * 1024 + 9, { transposeB: true, bias: true, relu: true });
});

test('nothing to sum, and nothing at all', () => {
  check(3, 10, 0, { bias: true, relu: true });
  check(9, 17, 0);
  check(0, 4, 5);
  check(4, 0, 5);
  check(2, 2, 2, { batch: 0 });
});

test('an operand repeated along the depth', () => {
  const data = Float32Array.from({ length: 40 }, () => random.normal());
  const a = { data, shape: [1, 7, 30], strides: [0, 1, 0], offset: 0 };
  const b = { data, shape: [1, 30, 9], strides: [0, 0, 1], offset: 3 };
  const expected = zeros([1, 7, 9]);
  loops.matmul({ a, b, bias: null, relu: false, out: expected });
  for (const [actual] of acrossTeams((planner) => {
    const out = planner.view(new Float32Array(63), [1, 7, 9]);
    planMatmul(
      { a: planner.viewOf(a), b: planner.viewOf(b), bias: null, relu: false, out },
      neverAlone(planner),
    );
    return [planner.read(out, 63)];
  })) {
    assert.ok(errorOfSums(actual!, expected.data) < 1e-11);
  }
});

test('NaN passes through ReLU', () => {
  for (const M of [1, 20]) {
    const results = acrossTeams((planner) => {
      const ones = planner.view(new Float32Array(M * 8).fill(Number.NaN), [1, M, 8]);
      const b = planner.view(new Float32Array(64).fill(1), [1, 8, 8]);
      const out = planner.view(new Float32Array(M * 8), [1, M, 8]);
      planMatmul({ a: ones, b, bias: null, relu: true, out }, neverAlone(planner));
      return [planner.read(out, M * 8)];
    });
    for (const [actual] of results) assert.ok(actual!.every((value) => Number.isNaN(value)));
  }
});

test('rows fall into panels without a thin rest', () => {
  const relaxed = { ...plainSimd, relaxed: true };
  assert.equal(panelsOf(12, relaxed), { panels: 2, lastHeight: 6 });
  assert.equal(panelsOf(128, relaxed), { panels: 22, lastHeight: 4 }); // 20 * 6 + 4 + 4
  assert.equal(panelsOf(13, relaxed), { panels: 3, lastHeight: 3 }); // 6 + 4 + 3
  assert.equal(panelsOf(11, relaxed), { panels: 2, lastHeight: 5 });
  assert.equal(panelsOf(2, relaxed), { panels: 1, lastHeight: 2 });
});

test('threads share columns, and rows where there are few columns', () => {
  const teams = (threads: number, panels: number, columns: number): number =>
    rowTeams({ threads, features: plainSimd }, panels, columns, 1);
  assert.is(teams(2, 20, 4096), 1);
  assert.is(teams(2, 700, 8), 2);
  assert.is(teams(4, 700, 16), 2);
  assert.is(teams(3, 700, 1), 3);
});

test.run();
