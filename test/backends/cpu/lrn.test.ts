/**
 * Emitted response normalization against the plain loop.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loops } from '../../../src/backends/cpu/kernels/loops.js';
import { planLrn, planLrnGrad } from '../../../src/backends/cpu/kernels/lrn/plan.js';
import type { LrnGeometry } from '../../../src/core/backend.js';
import { type Shape, sizeOf } from '../../../src/core/shape.js';
import { dense, nmse, seededRandom } from './numbers.js';
import { acrossTeams } from './planner.js';

const random = seededRandom('lrn');

function check(geometry: LrnGeometry, shape: Shape, scale: number): void {
  const n = sizeOf(shape);
  const x = Float32Array.from({ length: n }, () => scale * random.normal());
  const grad = Float32Array.from({ length: n }, () => random.normal());
  const [expected, expectedBack] = [dense(new Float32Array(n), shape), dense(new Float32Array(n), shape)];
  loops.lrn({ ...geometry, x: dense(x, shape), out: expected });
  loops.lrnGrad({ ...geometry, x: dense(x, shape), grad: dense(grad, shape), out: expectedBack });
  const results = acrossTeams((planner) => {
    const image = planner.view(x, shape);
    const [out, back] = [planner.view(new Float32Array(n), shape), planner.view(new Float32Array(n), shape)];
    assert.ok(planLrn({ ...geometry, x: image, out }, planner));
    assert.ok(planLrnGrad({ ...geometry, x: image, grad: planner.view(grad, shape), out: back }, planner));
    return [planner.read(out, n), planner.read(back, n)];
  });
  for (const [out, back] of results) {
    assert.ok(nmse(out!, expected.data) < 1e-13, `${JSON.stringify(geometry)} ${shape}`);
    assert.ok(nmse(back!, expectedBack.data) < 1e-12, `gradient: ${JSON.stringify(geometry)} ${shape}`);
  }
}

test("AlexNet's normalization, in the paper's numbers and where it bites", () => {
  check({ size: 5, alpha: 1e-4, beta: 0.75, k: 2 }, [2, 96, 11, 13], 30);
  check({ size: 5, alpha: 0.1, beta: 0.75, k: 1 }, [1, 8, 27, 27], 3);
});

test('random windows, exponents and shapes', () => {
  for (let trial = 0; trial < 30; trial++) {
    const shape = [
      1 + random.integer(3),
      1 + random.integer(20),
      1 + random.integer(12),
      1 + random.integer(14),
    ];
    const geometry = {
      size: 1 + random.integer(trial % 4 === 0 ? 30 : 7),
      alpha: random.uniform(),
      beta: [0.75, 0.5, 1, 0.6, 2][random.integer(5)]!,
      k: 0.5 + random.uniform(),
    };
    check(geometry, shape, 2);
  }
});

test('a large number leaves no trace in channels whose window it is not in', () => {
  const shape = [1, 12, 1, 5];
  const x = new Float32Array(60).fill(1e-3);
  x.fill(1e6, 0, 5);
  const [out] = acrossTeams((planner) => {
    const result = planner.view(new Float32Array(60), shape);
    assert.ok(
      planLrn({ x: planner.view(x, shape), out: result, size: 3, alpha: 1, beta: 0.5, k: 0 }, planner),
    );
    return [planner.read(result, 60)];
  });
  for (const value of out![0]!.subarray(15, 55)) assert.ok(Math.abs(value - 1 / Math.sqrt(3)) < 1e-5);
});

test.run();
