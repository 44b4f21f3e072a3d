/**
 * Tiny ops, JavaScript included: checks, allocation, the tape's look, enqueueing and giving back. At 64 elements the
 * kernel is the least of it.
 */
import { randn } from '../src/core/ops/create.js';
import { add, mul, relu } from '../src/core/ops/elementwise.js';
import { matmul } from '../src/core/ops/matmul.js';
import { sum } from '../src/core/ops/reduce.js';
import { drawOf } from '../src/core/random.js';
import type { Tensor } from '../src/core/tensor.js';
import { type Work, workOnOne } from './work.js';

/** @param moved numbers read and written, in units of an operand's. */
function op(name: string, side: number, moved: number, compute: (a: Tensor, b: Tensor) => Tensor): Work {
  return workOnOne(`op ${name} of ${side}x${side}`, (device, seed) => {
    const make = (stream: number): Tensor => randn([side, side], { device, draw: drawOf(seed, stream) });
    const [a, b] = [make(0), make(1)];
    return {
      cost: { flops: name === 'matmul' ? 2 * side ** 3 : 0, bytes: 4 * moved * side * side },
      run: () => compute(a, b).dispose(),
      dispose() {
        a.dispose();
        b.dispose();
      },
    };
  });
}

/** A row for each kind of op at 64 elements; the first also at `sides` squared. */
export function opRows(sides: readonly number[]): Work[] {
  return [
    op('add', 8, 3, add),
    op('multiply', 8, 3, mul),
    op('relu', 8, 2, (a) => relu(a)),
    op('sum', 8, 1, (a) => sum(a)),
    op('matmul', 8, 3, matmul),
    ...sides.map((side) => op('add', side, 3, add)),
  ];
}
