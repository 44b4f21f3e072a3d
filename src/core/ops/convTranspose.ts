/**
 * Transposed convolution: the gradient of a convolution by its input, as an op of its own. Output sizes are
 * `(H - 1) * stride - top - bottom + (KH - 1) * dilation + outputPadding + 1`.
 */
import { readOptions } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import { record } from '../record.js';
import { scope } from '../scope.js';
import { formatShape } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { type ConvWindow, convDevice, type PairLike, toGeometry, toPair, windowDefaults } from './conv.js';
import { add } from './elementwise.js';
import { computed } from './launch.js';
import { checkBias, type FusedOptions } from './matmul.js';
import { contiguous, reshape } from './views.js';

/** Options of `convTranspose2d`. `padding` is what is cut off each side of the result. */
export interface ConvTranspose2dOptions extends ConvWindow, Pick<FusedOptions, 'bias'> {
  /** Rows and columns more at the bottom and right, less than the stride or the dilation. Default 0. */
  readonly outputPadding?: PairLike | undefined;
}

/**
 * Transposed convolution: x `[N, C, H, W]`, weight `[C, O / groups, KH, KW]`, bias `[O]`, result `[N, O, OH, OW]`: the
 * gradient by its input of the `conv2d` with the same weight and options, whose output x has the shape of.
 * @throws {ArgumentError} for shapes that don't fit
 */
export function convTranspose2d(x: Tensor, weight: Tensor, options: ConvTranspose2dOptions = {}): Tensor {
  const op = 'convTranspose2d';
  const defaults = { bias: null, outputPadding: 0, ...windowDefaults };
  const { bias, outputPadding, ...window } = readOptions(op, options, defaults);
  const device = convDevice(op, x, weight, bias, '[C, O / groups, KH, KW]');
  const geometry = toGeometry(op, window);
  const { stride, padding, dilation, groups } = geometry;
  const extra = toPair(op, 'outputPadding', outputPadding, 0);
  const [n = 0, channels = 0] = x.shape;
  const [inputs = 0, each = 0] = weight.shape;
  if (inputs !== channels || channels % groups !== 0) {
    const shapes = `x is ${formatShape(x.shape)}, weight ${formatShape(weight.shape)}`;
    throw new ArgumentError(
      `${op}: ${shapes}, expected as many channels in x as kernels in weight, and groups=${groups} to divide them`,
    );
  }
  checkBias(op, bias, each * groups, weight.dtype);
  const sizeAlong = (axis: 0 | 1): number => {
    const [step, apart, more] = [stride[axis], dilation[axis], extra[axis]];
    if (more >= Math.max(step, apart)) {
      const steps = `stride [${stride.join(', ')}] or dilation [${dilation.join(', ')}]`;
      throw new ArgumentError(`${op}: outputPadding is [${extra.join(', ')}], expected less than ${steps}`);
    }
    const reach = (weight.shape[2 + axis]! - 1) * apart + 1;
    return (x.shape[2 + axis]! - 1) * step - padding[axis] - padding[axis + 2]! + reach + more;
  };
  const [oh, ow] = [sizeAlong(0), sizeAlong(1)];
  if (oh < 1 || ow < 1)
    throw new ArgumentError(
      `${op}: padding [${padding.join(', ')}] leaves nothing of ${formatShape(x.shape)}`,
    );
  const out = computed(op, x, [n, each * groups, oh, ow], (dense, out) =>
    device.run('conv2dInputGrad', { ...geometry, grad: dense(x), weight: dense(weight), out }),
  );
  const [inputShape, weightShape] = [x.shape, weight.shape];
  record({
    op,
    inputs: [x, weight],
    outputs: [out],
    saved: [weight.requiresGrad ? x : null, x.requiresGrad ? weight : null],
    gradient: ({ grads: [grad], saved: [input, kernel] }) => {
      if (!grad) return [];
      const g = contiguous(grad);
      const byInput = (kernel: Tensor): Tensor =>
        computed(op, g, inputShape, (dense, out) => {
          const ends = { bias: null, relu: false, out };
          device.run('conv2d', { ...geometry, x: dense(g), weight: dense(kernel), ...ends });
        });
      const byWeight = (input: Tensor): Tensor =>
        computed(op, g, weightShape, (dense, out) =>
          device.run('conv2dWeightGrad', { ...geometry, x: dense(g), grad: dense(input), out }),
        );
      return [kernel ? byInput(kernel) : null, input ? byWeight(input) : null];
    },
  });
  if (!bias) return out;
  return scope(() => add(out, reshape(bias, [each * groups, 1, 1])));
}
