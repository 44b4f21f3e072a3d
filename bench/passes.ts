/**
 * Rows of kernels that pass over memory once: element-wise work, updates, copies, reductions.
 */
import type { Kernels } from '../src/core/backend.js';
import { e, usesRandom } from '../src/core/expr.js';
import { drawOf } from '../src/core/random.js';
import { contiguousStrides, type Shape } from '../src/core/shape.js';
import { kernelWork, turned, type Work } from './work.js';

/** An element-wise expression of `inputs` tensors of a shape. */
function elementwise(
  name: string,
  expr: Kernels['map']['exprs'][number],
  inputs: number,
  shape: Shape,
): Work {
  const draw = usesRandom(expr) ? { ...drawOf(1, 1), offset: 0, strides: contiguousStrides(shape) } : null;
  return kernelWork(name, 'map', (make) => ({
    exprs: [expr],
    shape,
    inputs: Array.from({ length: inputs }, () => make.random(shape)),
    outputs: [make.empty(shape)],
    params: [0.5, 1],
    draw,
  }));
}

const [a, b, c] = [e.input(0), e.input(1), e.input(2)];

/** The update of nn/sgd.ts. */
function update(name: string, shape: Shape): Work {
  const v = e.sub(e.mul(e.param(0), c), e.mul(e.param(1), e.add(b, e.mul(e.param(2), a))));
  return kernelWork(name, 'map', (make) => {
    const [weight, grad, velocity] = [make.random(shape), make.random(shape), make.random(shape)];
    return {
      exprs: [e.add(a, v), v],
      shape,
      inputs: [weight, grad, velocity],
      outputs: [weight, velocity],
      params: [0.9, 0.01, 0.0005],
      draw: null,
    };
  });
}

/** Element-wise work on conv1's activations, updates, reductions and copies. */
export function passes(batch: number): Work[] {
  const maps = [batch, 96, 55, 55];
  const units = [batch, 4096];
  const size = maps.join('x');
  return [
    elementwise(`relu ${size}`, e.max(a, 0), 1, maps),
    elementwise(`relu gradient ${size}`, e.where(e.gt(a, 0), b, 0), 2, maps),
    elementwise(`add ${size}`, e.add(a, b), 2, maps),
    elementwise(`tanh ${size}`, e.tanh(a), 1, maps),
    elementwise(
      `dropout ${units.join('x')}`,
      e.where(e.ge(e.random(), e.param(0)), e.mul(a, e.param(1)), 0),
      1,
      units,
    ),
    elementwise('add 64', e.add(a, b), 2, [64]),
    elementwise(`copy ${size}`, a, 1, maps),
    kernelWork(`copy turned ${size}`, 'map', (make) => {
      const x = turned(make.random(maps), [0, 2, 3, 1]);
      const { shape } = x;
      return { exprs: [a], shape, inputs: [x], outputs: [make.empty(shape)], params: [], draw: null };
    }),
    update('sgd conv3 256x384x3x3', [384, 256, 3, 3]),
    update('sgd fc7 4096x4096', [4096, 4096]),
    kernelWork(`sum over images and pixels ${size}`, 'reduce', (make) => ({
      op: 'sum',
      x: turned(make.random(maps), [1, 0, 2, 3]),
      kept: 1,
      scale: 1,
      out: make.empty([96]),
    })),
    kernelWork(`sum over rows ${units.join('x')}`, 'reduce', (make) => ({
      op: 'sum',
      x: turned(make.random(units), [1, 0]),
      kept: 1,
      scale: 1,
      out: make.empty([4096]),
    })),
    kernelWork(`max of rows ${units.join('x')}`, 'reduce', (make) => ({
      op: 'max',
      x: make.random(units),
      kept: 1,
      scale: 1,
      out: make.empty([batch]),
    })),
  ];
}
