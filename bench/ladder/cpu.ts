/**
 * The CPU's ladder: from the plain loop to a team of threads.
 */

import { ModuleBuilder } from '../../src/backends/cpu/asm/assembler.js';
import { forRange } from '../../src/backends/cpu/asm/flow.js';
import { f32x4, i32, v128 } from '../../src/backends/cpu/asm/instructions.js';
import { openDevice } from '../../src/backends/open.js';
import type { Problem } from './problems.js';
import { type Climb, climbOnDevice, type Rung } from './rung.js';

/** Rungs for one thread, and the last for `threads`. */
export function cpuRungs(threads: number): Rung[] {
  const device = (options: Parameters<typeof openDevice>[1]) => (problem: Problem) =>
    climbOnDevice(problem, openDevice('cpu:0', options));
  return [
    {
      name: 'plain loop',
      buys: 'The specification: three nested loops over typed arrays, each sum in double precision. One multiply-add waits for the last.',
      start: device({ threads: 1, kernels: 'plain' }),
    },
    {
      name: 'blocked',
      buys: 'Tiles of 4x4 sums in local variables: each number loaded is used four times, and sixteen sums do not wait for each other.',
      start: async (problem) => blocked(problem),
    },
    {
      name: 'SIMD',
      buys: 'WebAssembly SIMD, emitted here: four multiply-adds in an instruction, 4x8 sums in registers. But rows of `right` lie far apart, so each step of k touches another page and cache line.',
      start: async (problem) => simd(problem),
    },
    {
      name: 'SIMD, packed panels',
      buys: 'Blocks of both operands are copied into panels in the order they are used, sized for the caches: the inner loop only reads on. A convolution packs pixels straight from the image, so im2col never exists.',
      start: device({ threads: 1, deterministic: true }),
    },
    {
      name: 'relaxed SIMD',
      buys: 'Multiply and add in one instruction, and the register it saves makes the tile 6x8: more multiply-adds for each load.',
      start: device({ threads: 1 }),
    },
    {
      name: `${threads} threads`,
      buys: 'Panels are shared out among workers over one shared memory; a barrier takes a microsecond while they are awake.',
      start: device({ threads }),
    },
  ];
}

/** Tiles of 4x4 sums in plain JavaScript. */
function blocked({ m, k, n, left, writeOut }: Problem): Climb {
  const out = new Float32Array(m * n);
  const columns = Math.ceil(n / 4) * 4;
  return {
    run() {
      const right = writeOut(columns);
      const tile = new Float64Array(16);
      for (let i = 0; i < m; i += 4) {
        for (let j = 0; j < n; j += 4) {
          tile4x4(left, right, i, j, k, columns, tile);
          for (let t = 0; t < 16; t++) {
            const [row, column] = [i + (t >> 2), j + (t & 3)];
            if (row < m && column < n) out[row * n + column] = tile[t]!;
          }
        }
      }
    },
    sync: async () => {},
    result: async () => out,
    close: async () => {},
  };
}

function tile4x4(
  a: Float32Array,
  b: Float32Array,
  i: number,
  j: number,
  depth: number,
  columns: number,
  tile: Float64Array,
): void {
  let [s00, s01, s02, s03, s10, s11, s12, s13] = [0, 0, 0, 0, 0, 0, 0, 0];
  let [s20, s21, s22, s23, s30, s31, s32, s33] = [0, 0, 0, 0, 0, 0, 0, 0];
  for (let k = 0; k < depth; k++) {
    const at = k * columns + j;
    const b0 = b[at]!;
    const b1 = b[at + 1]!;
    const b2 = b[at + 2]!;
    const b3 = b[at + 3]!;
    const row = i * depth + k;
    const a0 = a[row]!;
    const a1 = a[row + depth]!;
    const a2 = a[row + 2 * depth]!;
    const a3 = a[row + 3 * depth]!;
    s00 += a0 * b0;
    s01 += a0 * b1;
    s02 += a0 * b2;
    s03 += a0 * b3;
    s10 += a1 * b0;
    s11 += a1 * b1;
    s12 += a1 * b2;
    s13 += a1 * b3;
    s20 += a2 * b0;
    s21 += a2 * b1;
    s22 += a2 * b2;
    s23 += a2 * b3;
    s30 += a3 * b0;
    s31 += a3 * b1;
    s32 += a3 * b2;
    s33 += a3 * b3;
  }
  tile.set([s00, s01, s02, s03, s10, s11, s12, s13, s20, s21, s22, s23, s30, s31, s32, s33]);
}

/** Rows and vectors of columns of the SIMD rung's tile. */
const [rows, vectors] = [4, 2];

/** `product(left, right, out, m, k, n)`: m a multiple of 4, n of 8, all dense. */
function emitProduct(): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  const f = module.func('product');
  const { left, right, out, m, k, n } = f.params('i32', 'left', 'right', 'out', 'm', 'k', 'n');
  const { i, j, step, a, b, c, aRow, cRow } = f.locals(
    'i32',
    'i',
    'j',
    'step',
    'a',
    'b',
    'c',
    'aRow',
    'cRow',
  );
  const { splat } = f.locals('v128', 'splat');
  const loaded = f.array('v128', vectors);
  const sums = Array.from({ length: rows }, () => f.array('v128', vectors));
  const aRows = f.array('i32', rows);
  f.body(
    aRow.set(i32.shl(k, 2)),
    cRow.set(i32.shl(n, 2)),
    forRange(i, 0, m, rows, [
      forRange(j, 0, cRow, 16 * vectors, [
        a.set(i32.add(left, i32.mul(i, aRow))),
        aRows.map((row, r) => row.set(r === 0 ? a : i32.add(aRows[r - 1]!, aRow))),
        b.set(i32.add(right, j)),
        sums.flat().map((sum) => sum.set(f32x4.const(0))),
        forRange(step, 0, k, 1, [
          loaded.map((vector, v) => vector.set(v128.load(b, 16 * v))),
          sums.map((row, r) => [
            splat.set(v128.load32Splat(aRows[r]!)),
            aRows[r]!.set(i32.add(aRows[r]!, 4)),
            row.map((sum, v) => sum.set(f32x4.add(sum, f32x4.mul(splat, loaded[v]!)))),
          ]),
          b.set(i32.add(b, cRow)),
        ]),
        c.set(i32.add(i32.add(out, i32.mul(i, cRow)), j)),
        sums.map((row) => [row.map((sum, v) => v128.store(c, sum, 16 * v)), c.set(i32.add(c, cRow))]),
      ]),
    ]),
  );
  return module.finish();
}

function simd({ m, k, n, left, writeOut }: Problem): Climb {
  const [height, columns] = [Math.ceil(m / rows) * rows, Math.ceil(n / (4 * vectors)) * 4 * vectors];
  const floats = [0, height * k, k * columns, height * columns];
  const [leftAt = 0, rightAt = 0, outAt = 0, end = 0] = floats.map((_, i) =>
    floats.slice(0, i + 1).reduce((sum, count) => sum + count),
  );
  const pages = Math.ceil((4 * end) / 65536);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const numbers = new Float32Array(memory.buffer);
  numbers.set(left, leftAt);
  const { product } = new WebAssembly.Instance(new WebAssembly.Module(emitProduct()), { env: { memory } })
    .exports;
  if (typeof product !== 'function') throw new Error('the module has no product');
  return {
    run() {
      numbers.set(writeOut(columns), rightAt);
      product(4 * leftAt, 4 * rightAt, 4 * outAt, height, k, columns);
    },
    sync: async () => {},
    async result() {
      const out = new Float32Array(m * n);
      for (let row = 0; row < m; row++) {
        const from = outAt + row * columns;
        out.set(numbers.subarray(from, from + n), row * n);
      }
      return out;
    },
    close: async () => {},
  };
}
