/**
 * ONNX's operators that slide a window over maps: convolution and pooling, `[N, C, L]` or `[N, C, H, W]`.
 *
 * Maps of one axis are images of one row. `auto_pad` says padding by its result: with SAME_UPPER and SAME_LOWER an axis
 * of n comes to ceil(n / stride), and of the padding that takes, an odd one is after or before the map.
 */
import type { Padding } from '../../../core/backend.js';
import { conv2d, convTranspose2d } from '../../../core/ops/conv.js';
import { cast } from '../../../core/ops/elementwise.js';
import { indexSelect } from '../../../core/ops/gather.js';
import { avgPool2d, maxPool2d } from '../../../core/ops/pool.js';
import { max, mean } from '../../../core/ops/reduce.js';
import { pad, reshape } from '../../../core/ops/views.js';
import { formatShape } from '../../../core/shape.js';
import type { Tensor } from '../../../core/tensor.js';
import type { OnnxCall, Operator } from '../call.js';

/** Longest axis that is made by repeating or mirroring its elements. */
const mostPadded = 2 ** 24;

/** A window over two axes. */
interface Window {
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly dilation: readonly [number, number];
  readonly padding: Padding;
}

/** An image of x, `[N, C, H, W]`. */
function asImage(call: OnnxCall, x: Tensor): Tensor {
  const [n = 0, c = 0, ...map] = x.shape;
  if (map.length === 2) return x;
  if (map.length === 1) return reshape(x, [n, c, 1, ...map]);
  return call.fail(
    `reads ${formatShape(x.shape)}, expected maps of one or two axes: [N, C, L] or [N, C, H, W]`,
  );
}

/** A result as the map it came from: without the row that `asImage` added. */
function asMap(x: Tensor, like: Tensor): Tensor {
  if (like.shape.length !== 3) return x;
  const [n = 0, c = 0, , length = 0] = x.shape;
  return reshape(x, [n, c, length]);
}

/** What a node's attributes say of its window but for padding, for maps of `axes` axes. */
function stepsOf(call: OnnxCall, axes: number, kernelShape: readonly number[]): Omit<Window, 'padding'> {
  return {
    kernel: pairOf(call, 'kernel_shape', kernelShape, axes, 1),
    stride: pairOf(call, 'strides', call.list('strides') ?? [], axes, 1),
    dilation: pairOf(call, 'dilations', call.list('dilations') ?? [], axes, 1),
  };
}

/** Two numbers, one for each axis of an image. */
function pairOf(
  call: OnnxCall,
  name: string,
  given: readonly number[],
  axes: number,
  missing: number,
  least = 1,
): readonly [number, number] {
  const list = given.length === 0 ? new Array<number>(axes).fill(missing) : given;
  const [first = missing, second = missing] = axes === 1 ? [missing, ...list] : list;
  if (list.length !== axes || !list.every((n) => Number.isSafeInteger(n) && n >= least))
    call.fail(
      `its ${name} are [${list.slice(0, 8).join(', ')}], expected ${axes} whole numbers from ${least}`,
    );
  return [first, second];
}

function paddingOf(
  call: OnnxCall,
  image: Tensor,
  axes: number,
  { kernel, stride, dilation }: Omit<Window, 'padding'>,
): Padding {
  const auto = call.text('auto_pad', 'NOTSET');
  if (auto === 'NOTSET') {
    const pads = call.list('pads') ?? new Array<number>(2 * axes).fill(0);
    if (pads.length !== 2 * axes || !pads.every((n) => Number.isSafeInteger(n) && n >= 0))
      call.fail(`its pads are [${pads.slice(0, 8).join(', ')}], expected ${2 * axes} whole numbers from 0`);
    const [a = 0, b = 0, c = 0, d = 0] = axes === 1 ? [0, pads[0], 0, pads[1]] : pads;
    return [a, b, c, d];
  }
  if (auto === 'VALID') return [0, 0, 0, 0];
  if (auto !== 'SAME_UPPER' && auto !== 'SAME_LOWER') call.fail(`its auto_pad is ${auto}`);
  const sides = ([0, 1] as const).map((axis) => {
    const n = image.shape[axis + 2] ?? 0;
    const reach = (kernel[axis] - 1) * dilation[axis] + 1;
    const total = Math.max(0, (Math.ceil(n / stride[axis]) - 1) * stride[axis] + reach - n);
    const less = Math.floor(total / 2);
    return auto === 'SAME_UPPER' ? [less, total - less] : [total - less, less];
  });
  const [[top = 0, bottom = 0] = [], [left = 0, right = 0] = []] = sides;
  return [top, left, bottom, right];
}

function convolution(call: OnnxCall): Tensor {
  const [x, weight] = [call.tensor(0), call.tensor(1)];
  const axes = x.shape.length - 2;
  const [image, kernels] = [asImage(call, x), asImage(call, weight)];
  const { kernel, stride, dilation } = stepsOf(call, axes, kernelOf(call, weight));
  const padding = paddingOf(call, image, axes, { kernel, stride, dilation });
  const [bias, groups] = [call.optional(2), call.int('group', 1)];
  return asMap(conv2d(image, kernels, { bias, groups, stride, padding, dilation }), x);
}

/** The size of a convolution's window. */
function kernelOf(call: OnnxCall, weight: Tensor): readonly number[] {
  const own = weight.shape.slice(2);
  const said = call.list('kernel_shape') ?? own;
  if (String(said) !== String(own))
    call.fail(`its kernel_shape is [${said.join(', ')}], its weight ${formatShape(weight.shape)}`);
  return own;
}

/**
 * Transposed convolution. Where it says its result's size, the padding is what that takes: with SAME_UPPER an odd one is
 * less at the end, else at the beginning.
 */
function transposedConvolution(call: OnnxCall): Tensor {
  const [x, weight] = [call.tensor(0), call.tensor(1)];
  const axes = x.shape.length - 2;
  const [image, kernels] = [asImage(call, x), asImage(call, weight)];
  const auto = call.text('auto_pad', 'NOTSET');
  const { kernel, stride, dilation } = stepsOf(call, axes, kernelOf(call, weight));
  const more = call.list('output_padding') ?? new Array<number>(axes).fill(0);
  const extra = axes === 1 ? [0, ...more] : [...more];
  const size = outputOf(call, image, stride, axes);
  const options = { bias: call.optional(2), groups: call.int('group', 1), stride, dilation };
  if (size === null) {
    const padding = paddingOf(call, image, axes, { kernel, stride, dilation });
    const outputPadding = pairOf(call, 'output_padding', extra, 2, 0, 0);
    return asMap(convTranspose2d(image, kernels, { ...options, padding, outputPadding }), x);
  }
  const sides = ([0, 1] as const).map((axis) => {
    const reach = (kernel[axis] - 1) * dilation[axis] + 1;
    const full = ((image.shape[axis + 2] ?? 0) - 1) * stride[axis] + reach + (extra[axis] ?? 0);
    const total = full - (size[axis] ?? 0);
    // More than the windows reach is put after them.
    if (total < 0) extra[axis] = (extra[axis] ?? 0) - total;
    const half = Math.floor(Math.max(0, total) / 2);
    const rest = Math.max(0, total) - half;
    return auto === 'SAME_UPPER' ? [half, rest] : [rest, half];
  });
  const [[top = 0, bottom = 0] = [], [left = 0, right = 0] = []] = sides;
  const outputPadding = pairOf(call, 'output_padding', extra, 2, 0, 0);
  return asMap(
    convTranspose2d(image, kernels, { ...options, padding: [top, left, bottom, right], outputPadding }),
    x,
  );
}

/** The size that a transposed convolution's result is said to have, or null. */
function outputOf(
  call: OnnxCall,
  image: Tensor,
  stride: readonly [number, number],
  axes: number,
): readonly number[] | null {
  const said = call.list('output_shape');
  if (said) return axes === 1 ? [1, ...said.slice(-1)] : said.slice(-2);
  const auto = call.text('auto_pad', 'NOTSET');
  if (auto !== 'SAME_UPPER' && auto !== 'SAME_LOWER') return null;
  return ([0, 1] as const).map((axis) => (image.shape[axis + 2] ?? 0) * stride[axis]);
}

function pooling(mode: 'max' | 'average'): Operator {
  return (call) => {
    if (call.outputs > 1) call.fail('has a second output, the places of the largest: they are not given');
    const x = call.tensor();
    const image = asImage(call, x);
    const axes = x.shape.length - 2;
    const { kernel, stride, dilation } = stepsOf(call, axes, call.list('kernel_shape') ?? []);
    const padding = paddingOf(call, image, axes, { kernel, stride, dilation });
    if (dilation.some((n) => n !== 1)) call.fail(`its dilations are [${dilation.join(', ')}], expected 1`);
    const options = { kernel, stride, padding, ceilMode: call.int('ceil_mode', 0) === 1 };
    if (mode === 'average') {
      const countIncludePad = call.int('count_include_pad', 0) === 1;
      return asMap(avgPool2d(image, { ...options, countIncludePad }), x);
    }
    if (x.dtype !== 'uint8') return asMap(maxPool2d(image, options), x);
    return asMap(cast(maxPool2d(cast(image, 'float32'), options), 'uint8'), x);
  };
}

/** Over all of each map. */
const overMaps =
  (reduce: typeof mean): Operator =>
  (call) => {
    const x = call.tensor();
    const axes = [...x.shape.keys()].slice(2);
    return axes.length === 0 ? reshape(x, x.shape) : reduce(x, { axes, keepDim: true });
  };

/** Elements around a tensor: of a number, those of its edge, or its own mirrored at the edge. */
function padding(call: OnnxCall): Tensor {
  const x = call.tensor();
  const mode = call.text('mode', 'constant');
  const widths = call.list('pads') ?? call.list('paddings') ?? call.ints(1);
  const rank = x.shape.length;
  const value = call.attribute('value')?.float ?? (call.has(2) ? call.scalar(2) : 0);
  const named = call.has(3)
    ? call.ints(3).map((axis) => (axis < 0 ? axis + rank : axis))
    : [...x.shape.keys()];
  if (widths.length !== 2 * named.length)
    call.fail(`its pads are ${widths.length} numbers, expected ${2 * named.length}`);
  const around = x.shape.map((_, axis): [number, number] => {
    const at = named.indexOf(axis);
    return at < 0 ? [0, 0] : [widths[at] ?? 0, widths[at + named.length] ?? 0];
  });
  if (mode === 'constant') return pad(x, around, value);
  if (mode !== 'edge' && mode !== 'reflect')
    return call.fail(`its mode is ${mode}, expected constant, edge or reflect`);
  return around.reduce((padded, widths, axis) => extended(call, padded, axis, widths, mode === 'reflect'), x);
}

/** An axis with elements of its own before and after it. */
function extended(
  call: OnnxCall,
  x: Tensor,
  axis: number,
  [before, after]: readonly [number, number],
  mirrored: boolean,
): Tensor {
  if (before === 0 && after === 0) return x;
  const last = (x.shape[axis] ?? 0) - 1;
  const most = mirrored ? last : Number.MAX_SAFE_INTEGER;
  if (![before, after].every((n) => Number.isInteger(n) && n >= 0 && n <= most))
    call.fail(`pads an axis of ${last + 1} by ${before} and ${after}`);
  const nearest = (at: number): number => Math.min(Math.max(at, 0), last);
  const placed = mirrored ? (at: number): number => last - Math.abs(last - Math.abs(at)) : nearest;
  const length = before + last + 1 + after;
  if (length > mostPadded) call.fail(`pads an axis to ${length}, at most ${mostPadded} are made this way`);
  const places = Int32Array.from({ length }, (_, i) => placed(i - before));
  return indexSelect(x, axis, call.lift({ shape: [length], data: places, type: 'int32' }));
}

/** The operators of this file by name. */
export const windows: Readonly<Record<string, Operator>> = {
  AveragePool: pooling('average'),
  Conv: convolution,
  ConvTranspose: transposedConvolution,
  GlobalAveragePool: overMaps(mean),
  GlobalMaxPool: overMaps(max),
  MaxPool: pooling('max'),
  Pad: padding,
};
