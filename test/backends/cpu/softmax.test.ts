/**
 * Emitted softmax cross-entropy against the plain loop.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  planCrossEntropy,
  planCrossEntropyGrad,
} from '../../../src/backends/cpu/kernels/crossEntropy/plan.js';
import { loops } from '../../../src/backends/cpu/kernels/loops.js';
import { dense, nmse, seededRandom } from './numbers.js';
import { acrossTeams } from './planner.js';

const random = seededRandom('softmax');

function check(
  logits: Float32Array,
  labels: Int32Array,
): { losses: ArrayLike<number>; out: ArrayLike<number> } {
  const [N, C] = [labels.length, logits.length / labels.length];
  const row = () => dense(new Float32Array(N), [N]);
  const host = {
    logits: dense(logits, [N, C]),
    labels: dense(labels, [N]),
    losses: row(),
    peaks: dense(new Float32Array(2 * N), [N, 2]),
  };
  loops.crossEntropy(host);
  const grad = Float32Array.from({ length: N }, () => random.normal());
  const expected = dense(new Float32Array(N * C), [N, C]);
  loops.crossEntropyGrad({ ...host, grad: dense(grad, [N]), out: expected });
  const results = acrossTeams((planner) => {
    const view = (data: Float32Array) => planner.view(data, [data.length]);
    const args = {
      logits: planner.view(logits, [N, C]),
      labels: planner.view(labels, [N]),
      losses: view(new Float32Array(N)),
      peaks: planner.view(new Float32Array(2 * N), [N, 2]),
    };
    assert.ok(planCrossEntropy(args, planner));
    const out = planner.view(new Float32Array(N * C), [N, C]);
    assert.ok(planCrossEntropyGrad({ ...args, grad: view(grad), out }, planner));
    return [planner.read(args.losses, N), planner.read(args.peaks, 2 * N), planner.read(out, N * C)];
  });
  // The plain loop takes differences of logits in double precision: rounded, a difference of 80 is 4e-6 off, and its
  // exponential, of which alone a small batch's losses may consist, is by as large a part.
  const finite = logits.filter(Number.isFinite);
  const reach = Math.min(104, Math.max(...finite) - Math.min(...finite));
  const tolerance = 1e-11 + (2 ** -24 * reach) ** 2;
  for (const [losses, peaks, out] of results) {
    assert.ok(nmse(losses!, host.losses.data) < tolerance, `losses of ${N}x${C}`);
    assert.ok(nmse(peaks!, host.peaks.data) < 1e-12, `peaks of ${N}x${C}`);
    assert.ok(nmse(out!, expected.data) < tolerance, `gradient of ${N}x${C}`);
  }
  return { losses: results[0]![0]!, out: results[0]![2]! };
}

test('batches of all sizes, ordinary and large logits', () => {
  for (const [N, C] of [
    [1, 1],
    [3, 2],
    [5, 7],
    [17, 10],
    [9, 1000],
    [2, 4097],
  ] as const) {
    for (const scale of [1, 50]) {
      const logits = Float32Array.from({ length: N * C }, () => scale * random.normal());
      check(
        logits,
        Int32Array.from({ length: N }, () => random.integer(C)),
      );
    }
  }
});

test('logits far beyond the range of exp give finite losses', () => {
  const { losses } = check(Float32Array.of(1e4, -1e4, 0, 1e4, 1e4, -1e4), Int32Array.of(0, 1));
  assert.ok(Math.abs(losses[0]! - 0) < 1e-6 && Math.abs(losses[1]! - Math.LN2) < 1e-6);
});

test('a difference of logits is rounded once, by as much as half a unit of its last place', () => {
  check(Float32Array.of(40 + 2 ** -18, -35), Int32Array.of(0));
});

test('a label that is no class gives a NaN loss, and a NaN logit spoils its own row only', () => {
  const { losses } = check(Float32Array.of(1, 2, NaN, 4, 5, 6), Int32Array.of(0, 1, 2));
  assert.ok(!Number.isNaN(losses[0]) && Number.isNaN(losses[1]) && Number.isNaN(losses[2]));
  check(Float32Array.of(1, 2, 3, 4), Int32Array.of(-1, 0));
});

test.run();
