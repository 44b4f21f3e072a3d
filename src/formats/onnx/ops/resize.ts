/**
 * ONNX's Resize, and Upsample before it: axes made longer or shorter, each by itself.
 *
 * The element i of what becomes of an axis of m stands at a place of that axis, by the node's coordinates:
 *
 *     half_pixel      (i + 0.5) / scale - 0.5
 *     align_corners   i (m - 1) / (scale m - 1)
 *     asymmetric      i / scale
 *
 * and is the nearest element there, or a mean of the two or four around it by their distance.
 */
import { add, mul } from '../../../core/ops/elementwise.js';
import { indexSelect } from '../../../core/ops/gather.js';
import { reshape } from '../../../core/ops/views.js';
import { formatShape, normalizeAxis } from '../../../core/shape.js';
import type { Tensor } from '../../../core/tensor.js';
import type { OnnxCall, Operator } from '../call.js';

/** An element of an axis for each of the result, with its share. */
interface Tap {
  readonly places: Int32Array;
  readonly shares: Float32Array;
}

/** Longest axis of a result. */
const longest = 2 ** 20;

/** Where an element of a result stands along the axis it comes from. */
function coordinate(
  call: OnnxCall,
  mode: string,
  i: number,
  from: number,
  to: number,
  scale: number,
): number {
  switch (mode) {
    case 'half_pixel':
      return (i + 0.5) / scale - 0.5;
    case 'pytorch_half_pixel':
      return to > 1 ? (i + 0.5) / scale - 0.5 : 0;
    case 'align_corners':
      return to > 1 ? (i * (from - 1)) / (scale * from - 1) : 0;
    case 'asymmetric':
      return i / scale;
    case 'tf_half_pixel_for_nn':
      return (i + 0.5) / scale;
    default:
      return call.fail(`its coordinate_transformation_mode is ${mode}, which isn't read`);
  }
}

/** The whole number that stands for a place. */
function nearest(call: OnnxCall, mode: string, place: number): number {
  if (mode === 'round_prefer_floor') return Math.ceil(place - 0.5);
  if (mode === 'round_prefer_ceil') return Math.floor(place + 0.5);
  if (mode === 'floor') return Math.floor(place);
  return mode === 'ceil' ? Math.ceil(place) : call.fail(`its nearest_mode is ${mode}`);
}

/** Shares of the elements at -1, 0, 1 and 2 from a place that is `rest` behind the one at 0 (Keys 1981). */
function cubic(rest: number, a: number): number[] {
  const near = (d: number): number => (a + 2) * d ** 3 - (a + 3) * d ** 2 + 1;
  const far = (d: number): number => a * d ** 3 - 5 * a * d ** 2 + 8 * a * d - 4 * a;
  return [far(1 + rest), near(rest), near(1 - rest), far(2 - rest)];
}

/** The taps that an axis of `to` is made of. */
function tapsOf(call: OnnxCall, from: number, to: number, scale: number): Tap[] {
  const own = call.opset < 11 ? ['asymmetric', 'floor'] : ['half_pixel', 'round_prefer_floor'];
  const mode = call.text('coordinate_transformation_mode', own[0] ?? '');
  const rounding = call.text('nearest_mode', own[1] ?? '');
  const kind = call.text('mode', 'nearest');
  const offsets = { nearest: [0], linear: [0, 1], cubic: [-1, 0, 1, 2] }[kind];
  if (!offsets) return call.fail(`its mode is ${kind}, expected nearest, linear or cubic`);
  const outside = call.int('exclude_outside', 0) === 1;
  const taps = offsets.map((): Tap => ({ places: new Int32Array(to), shares: new Float32Array(to) }));
  for (let i = 0; i < to; i++) {
    const place = coordinate(call, mode, i, from, to, scale);
    const first = kind === 'nearest' ? nearest(call, rounding, place) : Math.floor(place);
    const rest = place - first;
    const shares =
      kind === 'nearest'
        ? [1]
        : kind === 'linear'
          ? [1 - rest, rest]
          : cubic(rest, call.float('cubic_coeff_a', -0.75));
    const within = offsets.map((offset) => first + offset >= 0 && first + offset < from);
    const kept = shares.map((share, tap) => (outside && !within[tap] ? 0 : share));
    const total = outside ? kept.reduce((sum, share) => sum + share, 0) : 1;
    for (const [tap, { places, shares: into }] of taps.entries()) {
      places[i] = Math.min(Math.max(first + (offsets[tap] ?? 0), 0), from - 1);
      into[i] = (kept[tap] ?? 0) / total;
    }
  }
  return taps;
}

function resizedAxis(call: OnnxCall, x: Tensor, axis: number, to: number, scale: number): Tensor {
  const from = x.shape[axis] ?? 0;
  if (from === 0) call.fail(`reads ${formatShape(x.shape)}, which holds nothing`);
  const after = x.shape.slice(axis + 1).map(() => 1);
  const parts = tapsOf(call, from, to, scale).map(({ places, shares }) => {
    const index = call.lift({ shape: [to], data: places, type: 'int32' });
    const chosen = indexSelect(x, axis, index);
    if (shares.every((share) => share === 1)) return chosen;
    return mul(chosen, reshape(call.lift({ shape: [to], data: shares, type: 'float32' }), [to, ...after]));
  });
  return parts.reduce(add);
}

function resize(call: OnnxCall): Tensor {
  let x = call.tensor(0);
  const { shape } = x;
  if (call.int('antialias', 0) === 1) call.fail('its antialias is 1, expected 0');
  if (call.text('keep_aspect_ratio_policy', 'stretch') !== 'stretch')
    call.fail('keeps the ratio of its sides');
  const axes = (call.list('axes') ?? [...shape.keys()]).map((axis) =>
    normalizeAxis('axes', axis, shape.length),
  );
  const early = call.opset < 11;
  const sizes = !early && call.has(3) ? call.ints(3) : undefined;
  const scales = early ? (call.attribute('scales')?.floats ?? []) : [];
  const factors = scales.length > 0 ? scales : sizes ? [] : call.ints(early ? 1 : 2);
  const given = sizes ?? factors;
  if (given.length !== axes.length) call.fail(`has ${given.length} sizes or scales for ${axes.length} axes`);
  for (const [i, axis] of axes.entries()) {
    const from = shape[axis] ?? 0;
    const to = sizes ? (sizes[i] ?? 0) : Math.floor(from * (factors[i] ?? 1));
    const scale = sizes ? to / from : (factors[i] ?? 1);
    if (!(to >= 1 && to <= longest && Number.isInteger(to)))
      call.fail(`makes an axis of ${from} one of ${to}`);
    if (to !== from) x = resizedAxis(call, x, axis, to, scale);
  }
  return reshape(x, x.shape);
}

/** The operators of this file by name. */
export const resizes: Readonly<Record<string, Operator>> = { Resize: resize, Upsample: resize };
