/** The loops by which kernels are measured do the work that is counted. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { probeModule, probeSums, probeWords } from '../../../src/backends/cpu/asm/probe.js';
import { floatBits } from '../../../src/backends/cpu/plan.js';
import { plainSimd, relaxedModes, TestPlanner } from './planner.js';

for (const relaxed of relaxedModes) {
  test(`flops: every turn multiplies and adds in each of its sums, relaxed ${relaxed}`, () => {
    const planner = new TestPlanner(1, { ...plainSimd, relaxed });
    planner.run(probeModule, 'flops', [1000, floatBits(2), floatBits(0.25), 0, 0, 0, 0, 0]);
    const words = { buffer: 0, dtype: 'float32', shape: [8], strides: [1], offset: 0 } as const;
    assert.equal([...planner.read(words, 8)].slice(4), Array(4).fill(probeSums * 1000 * 0.5));
  });

  test(`pairs: the same in twice as many sums, relaxed ${relaxed}`, () => {
    const planner = new TestPlanner(1, { ...plainSimd, relaxed });
    planner.run(probeModule, 'pairs', [
      1000,
      floatBits(2),
      floatBits(0.25),
      ...Array(probeWords - 3).fill(0),
    ]);
    const words = { buffer: 0, dtype: 'float32', shape: [probeWords], strides: [1], offset: 0 } as const;
    const sums = [...planner.read(words, probeWords)].slice(4);
    assert.equal(sums, Array(4 * 2 * probeSums).fill(1000 * 0.5));
  });

  test(`read: every thread sums its part, relaxed ${relaxed}`, () => {
    for (const threads of [1, 2, 3]) {
      const planner = new TestPlanner(threads, { ...plainSimd, relaxed });
      const share = 64 * 5;
      const data = planner.view(new Float32Array((threads * share) / 4).fill(1), [threads, share / 4]);
      planner.run(probeModule, 'read', [data.buffer, threads * share]);
      const sums = planner.read(data, (threads * share) / 4);
      for (let thread = 0; thread < threads; thread++) assert.is(sums[(thread * share) / 4], share / 16);
      planner.checkGuards();
    }
  });
}

test.run();
