/**
 * Emitted pooling against the plain loop.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loops } from '../../../src/backends/cpu/kernels/loops.js';
import { planPool, planPoolGrad } from '../../../src/backends/cpu/kernels/pool/plan.js';
import type { PoolGeometry } from '../../../src/core/backend.js';
import { type Shape, sizeOf } from '../../../src/core/shape.js';
import { dense, nmse, seededRandom } from './numbers.js';
import { acrossTeams } from './planner.js';

const random = seededRandom('pool');

/** Whole numbers, so that there are ties, and here and there a NaN or infinity. */
function pixels(shape: Shape, odd: boolean): Float32Array {
  return Float32Array.from({ length: sizeOf(shape) }, () => {
    if (odd && random.uniform() < 0.02) return NaN;
    if (odd && random.uniform() < 0.3) return -Infinity;
    return random.integer(9) - 4;
  });
}

function check(geometry: PoolGeometry, xShape: Shape, outShape: Shape): void {
  const max = geometry.mode === 'max';
  const name = `${JSON.stringify(geometry)} ${xShape} -> ${outShape}`;
  const x = pixels(xShape, max && random.uniform() < 0.5);
  const expected = dense(new Float32Array(sizeOf(outShape)), outShape);
  const indices = dense(new Int32Array(sizeOf(outShape)), outShape);
  loops.pool2d({ ...geometry, x: dense(x, xShape), out: expected, indices: max ? indices : null });
  const grad = Float32Array.from(expected.data, () => random.normal());
  const expectedBack = dense(new Float32Array(x.length), xShape);
  loops.pool2dGrad({
    ...geometry,
    grad: dense(grad, outShape),
    indices: max ? indices : null,
    out: expectedBack,
  });

  const results = acrossTeams((planner) => {
    const image = planner.view(x, xShape);
    const out = planner.view(new Float32Array(grad.length), outShape);
    const chosen = max ? planner.view(new Int32Array(grad.length), outShape) : null;
    assert.ok(planPool({ ...geometry, x: image, out, indices: chosen }, planner));
    const back = planner.view(new Float32Array(x.length).fill(7), xShape);
    assert.ok(
      planPoolGrad({ ...geometry, grad: planner.view(grad, outShape), indices: chosen, out: back }, planner),
    );
    const pooled = planner.read(out, grad.length);
    if (!max) return [pooled, planner.read(back, x.length)];
    assert.ok(planPool({ ...geometry, x: image, out, indices: null }, planner));
    assert.is(nmse(planner.read(out, grad.length), pooled), 0, `${name}: without indices`);
    return [pooled, planner.read(back, x.length), planner.read(chosen!, grad.length)];
  });
  for (const [pooled, back, chosen] of results) {
    assert.ok(nmse(pooled!, expected.data) <= (max ? 0 : 1e-13), name);
    assert.ok(nmse(back!, expectedBack.data) <= 1e-13, `${name}: gradient`);
    if (max) assert.equal([...chosen!], [...indices.data], `${name}: indices`);
  }
}

test("AlexNet's overlapping pools", () => {
  for (const [size, pooled] of [
    [55, 27],
    [27, 13],
    [13, 6],
  ] as const) {
    const geometry = {
      mode: 'max',
      kernel: [3, 3],
      stride: [2, 2],
      padding: [0, 0, 0, 0],
      countIncludePad: true,
    } as const;
    check(geometry, [2, 3, size, size], [2, 3, pooled, pooled]);
  }
});

test('random windows, strides, paddings, floor and ceil', () => {
  for (let trial = 0; trial < 60; trial++) {
    const kernel = [1 + random.integer(5), 1 + random.integer(trial % 5 === 0 ? 12 : 5)] as const;
    const stride = [1 + random.integer(4), 1 + random.integer(5)] as const;
    const pad = (axis: 0 | 1) => random.integer(Math.floor(kernel[axis] / 2) + 1);
    const padding = [pad(0), pad(1), pad(0), pad(1)] as const;
    const xShape = [
      1 + random.integer(2),
      1 + random.integer(3),
      kernel[0] + random.integer(9),
      kernel[1] + random.integer(30),
    ];
    const outSize = (axis: 0 | 1): number => {
      const room = xShape[2 + axis]! + padding[axis] + padding[2 + axis]! - kernel[axis];
      if (random.uniform() < 0.5) return Math.floor(room / stride[axis]) + 1;
      // Ceil mode: the last window must begin within the image or its leading padding.
      const n = Math.ceil(room / stride[axis]) + 1;
      return (n - 1) * stride[axis] >= xShape[2 + axis]! + padding[axis] ? n - 1 : n;
    };
    const geometry: PoolGeometry = {
      mode: trial % 2 === 0 ? 'max' : 'avg',
      kernel,
      stride,
      padding,
      countIncludePad: random.uniform() < 0.5,
    };
    check(geometry, xShape, [xShape[0]!, xShape[1]!, outSize(0), outSize(1)]);
  }
});

test('one window over the whole image', () => {
  for (const mode of ['max', 'avg'] as const) {
    const geometry = {
      mode,
      kernel: [7, 9],
      stride: [7, 9],
      padding: [0, 0, 0, 0],
      countIncludePad: true,
    } as const;
    check(geometry, [3, 2, 7, 9], [3, 2, 1, 1]);
  }
});

test('averages of many pixels keep their digits', () => {
  for (const [H, W, kernel, stride] of [
    [300, 300, [300, 300], [1, 1]],
    [40, 700, [40, 600], [1, 20]],
    [60, 100, [20, 30], [4, 3]],
  ] as const) {
    const [OH, OW] = [(H - kernel[0]) / stride[0] + 1, Math.floor((W - kernel[1]) / stride[1]) + 1];
    const results = acrossTeams((planner) => {
      const x = planner.view(new Float32Array(H * W).fill(0.1), [1, 1, H, W]);
      const out = planner.view(new Float32Array(OH * OW), [1, 1, OH, OW]);
      const geometry = { kernel, stride, padding: [0, 0, 0, 0], countIncludePad: true } as const;
      assert.ok(planPool({ ...geometry, mode: 'avg', x, out, indices: null }, planner));
      return [planner.read(out, OH * OW)];
    });
    for (const [means] of results) {
      for (const mean of means!) {
        assert.ok(Math.abs(mean / Math.fround(0.1) - 1) < 1e-6, `${kernel}: ${mean}, expected 0.1`);
      }
    }
  }
});

test.run();
