/**
 * Locally connected layers: convolutions whose kernels differ from place to place. With P = OH * OW places and windows of
 * K = in * KH * KW numbers, the layer is P products of kernels `[out, K]`, copied since rows P * K apart pack slowly, by
 * windows `[K, N]`. The images come last, so that windows are copied and their gradients added in runs of N.
 */
import { readOptions, requireWhole } from '../core/arguments.js';
import type { ConvGeometry } from '../core/backend.js';
import { ArgumentError } from '../core/errors.js';
import { unfold } from '../core/ops/arrange.js';
import { type Conv2dOptions, type PairLike, toGeometry, toPair } from '../core/ops/conv.js';
import { add, relu as clipped } from '../core/ops/elementwise.js';
import { requireTensor } from '../core/ops/launch.js';
import { matmul } from '../core/ops/matmul.js';
import { contiguous, permute, reshape, transpose } from '../core/ops/views.js';
import { scope } from '../core/scope.js';
import { formatShape } from '../core/shape.js';
import type { Tensor } from '../core/tensor.js';
import { WeightedLayer, type WeightOptions, weightDefaults } from './layer.js';

const op = 'LocallyConnected2d';
const defaults = { ...weightDefaults, stride: 1, padding: 0, dilation: 1 };

/** Kernels of their own at each place: `[N, in, H, W]` to `[N, out, OH, OW]`; the weight is `[out, OH, OW, in, KH, KW]`. */
export class LocallyConnected2d extends WeightedLayer {
  readonly kernel: readonly [number, number];
  /** Height and width of the maps read. */
  readonly size: readonly [number, number];
  /** Whether max(0, .) is applied at the end. */
  readonly relu: boolean;
  private readonly window: Omit<ConvGeometry, 'groups'>;

  /**
   * @param size height and width of the maps it reads, which the number of kernels depends on
   * @param options the bias is `[out, OH, OW]`, one for each place
   * @throws {ArgumentError} for a window larger than the padded maps
   */
  constructor(
    readonly inChannels: number,
    outChannels: number,
    size: PairLike,
    kernel: PairLike,
    options: WeightOptions & Pick<Conv2dOptions, 'stride' | 'padding' | 'dilation'>,
  ) {
    const { stride, padding, dilation, relu, ...making } = readOptions(op, options, defaults);
    requireWhole(op, 'inChannels', inChannels, 1);
    requireWhole(op, 'outChannels', outChannels, 1);
    const { groups: _, ...window } = toGeometry(op, { stride, padding, dilation, groups: 1 });
    const [maps, taps] = [toPair(op, 'size', size, 1), toPair(op, 'kernel', kernel, 1)];
    const places = taps.map((tap, axis) => {
      const span = maps[axis]! + window.padding[axis]! + window.padding[axis + 2]!;
      return Math.floor((span - (tap - 1) * window.dilation[axis]! - 1) / window.stride[axis]!) + 1;
    });
    if (Math.min(...places) < 1)
      throw new ArgumentError(`${op}: a ${taps.join('x')} window doesn't fit into maps of ${maps.join('x')}`);
    const units = [outChannels, ...places];
    super(op, [...units, inChannels, ...taps], making, units);
    this.kernel = taps;
    this.size = maps;
    this.relu = relu;
    this.window = window;
  }

  forward(x: Tensor): Tensor {
    const { weight, bias, relu, inChannels, size, kernel, window } = this;
    requireTensor(op, 'x', x);
    const [n = 0, ...map] = x.shape;
    if (formatShape(map) !== formatShape([inChannels, ...size]))
      throw new ArgumentError(
        `${op}: x is ${formatShape(x.shape)}, expected [N, ${[inChannels, ...size].join(', ')}]: each place has kernels of its own`,
      );
    const [out = 0, oh = 0, ow = 0] = weight.shape;
    return scope(() => {
      const windows = unfold(x, kernel, { ...window, batchLast: true });
      const kernels = contiguous(transpose(reshape(weight, [out, oh * ow, -1]), 0, 1));
      const products = matmul(kernels, windows);
      const y = contiguous(permute(reshape(products, [oh, ow, out, n]), [3, 2, 0, 1]));
      const sum = bias ? add(y, bias) : y;
      return relu ? clipped(sum) : sum;
    });
  }
}
