/**
 * Softmax and normalizations, forward and backward, allocation and tape included. Their bytes are those of reading and
 * writing their tensors once (forward x and the result; backward x or the result, the gradient and that by x), so the
 * share of the peak says how many times that they take: 50 % are twice. The row of a copy is there to compare.
 */
import { randn } from '../src/core/ops/create.js';
import { neg } from '../src/core/ops/elementwise.js';
import { logSoftmax, softmax } from '../src/core/ops/softmax.js';
import { batchNorm, groupNorm, layerNorm } from '../src/core/ops/standardize.js';
import { drawOf } from '../src/core/random.js';
import { type Shape, sizeOf } from '../src/core/shape.js';
import { noGrad } from '../src/core/tape.js';
import type { Tensor } from '../src/core/tensor.js';
import { type Work, workOnOne } from './work.js';

type Op = (x: Tensor, weight: Tensor, bias: Tensor) => Tensor;

/** An op forward, and forward and backward together. @param channels of weight and bias */
function rows(name: string, shape: Shape, channels: number, op: Op): Work[] {
  const size = sizeOf(shape);
  const row = (direction: string, moved: number, backward: boolean): Work =>
    workOnOne(`${name} ${shape.join('x')}${direction}`, (device, seed) => {
      const make = (own: Shape, stream: number, requiresGrad: boolean): Tensor =>
        randn(own, { device, draw: drawOf(seed, stream), requiresGrad });
      const leaves = [make(shape, 0, true), make([channels], 1, true), make([channels], 2, true)] as const;
      const grad = make(shape, 3, false);
      const forward = (): Tensor => op(...leaves);
      return {
        cost: { flops: 0, bytes: 4 * moved * size },
        run: () => {
          const out = backward ? forward() : noGrad(forward);
          if (backward) out.backward(grad);
          out.dispose();
          for (const leaf of leaves) {
            leaf.grad?.dispose();
            leaf.grad = null;
          }
        },
        dispose: () => {
          for (const x of [...leaves, grad]) x.dispose();
        },
      };
    });
  return [row('', 2, false), row(', and gradient', 5, true)];
}

/** All rows. @param examples of a batch */
export function rowOpRows(examples: number): Work[] {
  const [lines, images] = [
    [64 * examples, 1000],
    [examples, 64, 28, 28],
  ];
  return [
    ...rows('copy', lines!, 1, (x) => neg(x)).slice(0, 1),
    ...rows('softmax', lines!, 1, (x) => softmax(x)),
    ...rows('logSoftmax', lines!, 1, (x) => logSoftmax(x)),
    ...rows('layerNorm', lines!, 1000, (x, weight, bias) => layerNorm(x, 1000, { weight, bias })),
    ...rows('batchNorm', lines!, 1000, (x, weight, bias) => batchNorm(x, { weight, bias }).out),
    ...rows('copy', images!, 1, (x) => neg(x)).slice(0, 1),
    ...rows('batchNorm', images!, 64, (x, weight, bias) => batchNorm(x, { weight, bias }).out),
    ...rows('groupNorm', images!, 64, (x, weight, bias) => groupNorm(x, 8, { weight, bias })),
  ];
}
