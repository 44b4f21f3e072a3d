/**
 * Initializers: their distributions, and that a seed gives the same numbers again.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { drawOf, manualSeed } from '../../src/core/random.js';
import type { TypedArray } from '../../src/core/shape.js';
import { Conv2d, Linear } from '../../src/nn/index.js';
import {
  constant,
  fanInUniform,
  type Initializer,
  kaimingNormal,
  normal,
  uniform,
} from '../../src/nn/layer.js';
import { withDevices } from '../support/devices.js';

const mean = (numbers: TypedArray, power: number): number => {
  let sum = 0;
  for (const x of numbers) sum += x ** power;
  return sum / numbers.length;
};

/** 40 outputs of 5 x 8 x 10 inputs. */
const shape = [40, 5, 8, 10];
const fanIn = 400;

test('each initializer has the moments it promises', async () => {
  await withDevices([{ threads: 2 }], async (device) => {
    const cases: [name: string, init: Initializer, std: number, bound: number, kurtosis: number][] = [
      ['normal(0.01)', normal(0.01), 0.01, Number.POSITIVE_INFINITY, 3],
      ['uniform(0.2)', uniform(0.2), 0.2 / Math.sqrt(3), 0.2, 1.8],
      ['kaimingNormal', kaimingNormal(), Math.sqrt(2 / fanIn), Number.POSITIVE_INFINITY, 3],
      ['fanInUniform', fanInUniform(), Math.sqrt(1 / fanIn / 3), Math.sqrt(1 / fanIn), 1.8],
    ];
    for (const [name, init, std, bound, kurtosis] of cases) {
      const numbers = await init(shape, device, drawOf(1, 2)).data();
      assert.ok(Math.abs(mean(numbers, 1)) < 0.03 * std, `${name}: mean ${mean(numbers, 1)}`);
      assert.ok(Math.abs(mean(numbers, 2) / std ** 2 - 1) < 0.04, `${name}: variance ${mean(numbers, 2)}`);
      const fourth = mean(numbers, 4) / mean(numbers, 2) ** 2;
      assert.ok(Math.abs(fourth - kurtosis) < 0.2, `${name}: kurtosis ${fourth}`);
      assert.ok(numbers.every((x) => Math.abs(x) <= bound));
      assert.ok(new Set(numbers).size > 0.9 * numbers.length, `${name}: numbers repeat`);
    }
    assert.equal(await constant(-1.5)([3], device).data(), Float32Array.of(-1.5, -1.5, -1.5));
  });
});

test('a draw gives the same bits on any device; the default generator gives others each time', async () => {
  await withDevices([{ threads: 1 }, { threads: 2, kernels: 'plain' }], async (first, second) => {
    for (const init of [uniform(0.5), fanInUniform()]) {
      assert.equal(
        await init([7, 9], first, drawOf(4, 1)).data(),
        await init([7, 9], second, drawOf(4, 1)).data(),
      );
    }
    for (const init of [normal(1), uniform(1), kaimingNormal(), fanInUniform()]) {
      manualSeed(8);
      const [one, other] = [await init([50], first).data(), await init([50], first).data()];
      assert.not.equal(one, other);
      manualSeed(8);
      assert.equal(await init([50], first).data(), one);
    }
  });
});

test('a part of a tensor can be drawn by its place in the whole', async () => {
  await withDevices([{ threads: 1 }], async (device) => {
    for (const init of [normal(1), uniform(1)]) {
      const whole = await init([6, 5], device, drawOf(2, 0)).data();
      const rows = await init([2, 5], device, { ...drawOf(2, 0), offset: 15 }).data();
      assert.equal(rows, whole.slice(15, 25));
    }
  });
});

test('layers take their initializers, and by default the uniform numbers of their fan-in', async () => {
  await withDevices([{ threads: 1 }], async (device) => {
    const conv = new Conv2d(6, 8, 5, { device, groups: 2 });
    const bound = 1 / Math.sqrt(3 * 5 * 5);
    const weights = await conv.weight.data();
    assert.ok(weights.every((x) => Math.abs(x) <= bound));
    assert.ok(Math.max(...weights) > 0.95 * bound);
    assert.equal(await conv.bias?.data(), new Float32Array(8));
    const linear = new Linear(2, 2, { device, weightInit: constant(3), biasInit: constant(1) });
    assert.equal(await linear.weight.data(), Float32Array.of(3, 3, 3, 3));
    assert.equal(await linear.bias?.data(), Float32Array.of(1, 1));
  });
});

test.run();
