/**
 * Gradient of a convolution by its input, at stride s, as that of a convolution of stride 1: the pixels of each phase
 * of the stride become a channel, so that few input channels fill whole panels of rows. With d zeros before the kernel,
 * which make `top + d` a multiple of s,
 *
 *     x'[c, p, q]   = x[c, s * q + p]              channel (c, p) of `C * s * s`, position q
 *     w'[c, p, t]   = weight[c, s * t + p - d]     kernels of `ceil((K + d) / s)` taps a side
 *     conv(x, weight, stride s, top) = conv(x', w', stride 1, (top + d) / s)
 *
 * The taps that are zeros are the price.
 */
import type { Kernels } from '../../../../core/backend.js';
import { contiguousStrides, type Shape, sizeOf } from '../../../../core/shape.js';
import { addressOf, type Plan, type Planner } from '../../plan.js';
import { panelsOf } from '../matmul/panels.js';
import { framed, frameOf, runCopy, viewAt } from './images.js';

/** An axis: zeros before the kernel, taps a side and positions of a phase, zeros before the positions. */
function axisOf(stride: number, before: number, size: number, kernel: number) {
  const zeros = (stride - (before % stride)) % stride;
  return {
    stride,
    zeros,
    taps: Math.ceil((kernel + zeros) / stride),
    positions: Math.ceil(size / stride),
    before: (before + zeros) / stride,
  };
}

/**
 * Plans the gradient by the input of a stride above 1; false where phase by phase is faster, and of dilation.
 * @param plan does it at stride 1
 */
export function planInputGradOfPhases(
  args: Kernels['conv2dInputGrad'],
  planner: Planner,
  plan: Plan<'conv2dInputGrad'>,
): boolean {
  const { groups, grad, weight, out, dilation } = args;
  const [images = 0, channels = 0, H = 0, W = 0] = out.shape;
  const [O = 0, C = 0, KH = 0, KW = 0] = weight.shape;
  const high = axisOf(args.stride[0], args.padding[0], H, KH);
  const wide = axisOf(args.stride[1], args.padding[1], W, KW);
  const [sv, sh] = [high.stride, wide.stride];
  const phases = sv * sh;
  // Of equal depth and columns, a product takes as long as it has panels, and about one more to pack the columns.
  const cost = (rows: number, taps: number) => (panelsOf(rows, planner.features).panels + 1) * taps;
  if (phases === 1 || dilation[0] * dilation[1] > 1) return false;
  if (cost(C * phases, high.taps * wide.taps) * 1.25 > cost(C, KH * KW)) return false;

  const frame = frameOf(weight.shape, high.zeros, wide.zeros, sv * high.taps, sh * wide.taps);
  const whole = framed(planner, weight, frame, 0, O, planner.temporary(O * frame.copyBytes));
  const kernel: Shape = [O * C, high.taps, sv, wide.taps, sh];
  const [perKernel, perTapY, perY, perTapX, perX] = contiguousStrides(kernel);
  const turned: Shape = [O * C, sv, sh, high.taps, wide.taps];
  const taps = planner.temporary(4 * sizeOf(turned));
  runCopy(
    planner,
    viewAt(whole, turned, [perKernel!, perY!, perX!, perTapY!, perTapX!]),
    viewAt(taps, turned),
  );

  const positions: Shape = [images, channels * phases, high.positions, wide.positions];
  const parts = planner.temporary(4 * sizeOf(positions));
  const operands = {
    grad,
    weight: viewAt(taps, [O, C * phases, high.taps, wide.taps]),
    out: viewAt(parts, positions),
  };
  const padding = [high.before, wide.before, 0, 0] as const;
  plan({ stride: [1, 1], padding, dilation: [1, 1], groups, ...operands }, planner);

  const plane = high.positions * wide.positions;
  const strides = [phases * plane, wide.positions, 1];
  for (let y = 0; y < sv; y++) {
    for (let x = 0; x < sh; x++) {
      const shape = [images * channels, Math.ceil((H - y) / sv), Math.ceil((W - x) / sh)];
      const pixels = viewAt(addressOf(out) + 4 * (y * W + x), shape, [H * W, sv * W, sh]);
      runCopy(planner, viewAt(parts + 4 * (y * sh + x) * plane, shape, strides), pixels);
    }
  }
  return true;
}
