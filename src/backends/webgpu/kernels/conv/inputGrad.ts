/**
 * The gradient of a convolution by its input, as implicit matrix products (tile.ts): one for each phase of the stride, or
 * one for all phases where channels are few.
 */
import type { Kernels } from '../../../../core/backend.js';
import { e } from '../../../../core/expr.js';
import { type Shape, sizeOf, type View } from '../../../../core/shape.js';
import type { Recorder } from '../../runtime/recorder.js';
import { byImages } from '../cuts.js';
import { map } from '../map/map.js';
import { product } from '../matmul/tile.js';
import { grid, pack, packByTable, pad, pixelFunction, roundUp } from './layout.js';
import { winogradInputGrad } from './winograd.js';

/**
 * The phases along both axes, output rows and columns before 0 that some pixel of the input asks for, and the image that
 * holds all it asks for.
 */
function asked({ grad, weight, out, stride, padding, dilation }: Kernels['conv2dInputGrad']) {
  const along = (axis: 0 | 1): Phases =>
    phasesOf(out.shape[2 + axis]!, stride[axis], dilation[axis], padding[axis], weight.shape[2 + axis]!);
  const [high, wide] = [along(0), along(1)];
  const image: Shape = [grad.shape[0]!, grad.shape[1]!, high.size, wide.size];
  return { high, wide, above: high.before, before: wide.before, image };
}

/**
 * See `Kernels.conv2dInputGrad`. Input rows y of one residue `(y + top) mod sv` meet the kernel rows i whose `i * dv` has
 * that residue, at output rows that go up by one as y goes up by sv: a product without stride for each of the sv * sh
 * phases.
 */
export function conv2dInputGrad(recorder: Recorder, args: Kernels['conv2dInputGrad']): void {
  if (winogradInputGrad(recorder, args)) return;
  const { grad, out } = args;
  const joined = recorder.tileDevice.tiles === 'direct' ? null : joinPhases(args);
  const image = joined?.image ?? asked(args).image;
  const whole = joined?.whole ?? image;
  byImages(recorder, [grad, out, { shape: image }, { shape: whole }], (slice) => {
    const part = { ...args, grad: slice(grad), out: slice(out) };
    if (joined) convolveJoined(recorder, part, joined);
    else convolveBack(recorder, part);
  });
}

/** Rows up to which phases are joined: with more, each has enough of its own. */
const fewRows = 16;

/** How all phases of an axis ask for the same output positions: `low` to `high` away from the input position's. */
interface Axis {
  readonly stride: number;
  /** Input positions of a phase, those past the end included. */
  readonly count: number;
  readonly low: number;
  readonly high: number;
  /** The kernel's tap for each phase and each distance, from the highest down; negative where there is none. */
  readonly taps: readonly (readonly number[])[];
}

/**
 * All phases as one product, its rows the channels at every phase: a window of the output's gradient serves them all, with
 * zeros among the weights where a phase has no tap. For convolutions with a stride over few channels; null for others.
 */
function joinPhases({ grad, weight, out, stride, padding, dilation }: Kernels['conv2dInputGrad']) {
  const channels = weight.shape[1]!;
  if (channels > fewRows || stride[0] * stride[1] === 1 || dilation[0] * dilation[1] !== 1) return null;
  const along = (axis: 0 | 1): Axis => {
    const [size, kernel, step] = [out.shape[2 + axis]!, weight.shape[2 + axis]!, stride[axis]];
    const { phases } = phasesOf(size, step, 1, padding[axis], kernel);
    const distances = phases.flatMap(({ taps, shift }) => taps.map((_, t) => shift - t));
    const [low, high] = [Math.min(0, ...distances), Math.max(0, ...distances)];
    const all = Array.from({ length: high - low + 1 }, (_, i) => high - i);
    const taps = phases.map((phase) => all.map((distance) => phase.taps[phase.shift - distance] ?? -1));
    return { stride: step, count: Math.ceil(size / step), low, high, taps };
  };
  const [v, h] = [along(0), along(1)];
  if (v.taps.length < v.stride || h.taps.length < h.stride) return null;
  const reach = ({ count, low, high }: Axis): number => count + high - low;
  const [N = 0, C = 0] = out.shape;
  return {
    v,
    h,
    image: [N, grad.shape[1]!, reach(v), reach(h)],
    whole: [N, C, v.count * v.stride, h.count * h.stride],
  };
}

function convolveJoined(
  recorder: Recorder,
  { grad, weight, out, groups }: Kernels['conv2dInputGrad'],
  { v, h, image: [, ...planes], whole: [, ...sizes] }: NonNullable<ReturnType<typeof joinPhases>>,
): void {
  const [O = 0, groupC = 0, KH = 0, KW = 0] = weight.shape;
  const [N = 0, C = 0] = out.shape;
  if (sizeOf(out.shape) === 0) return;
  const groupO = O / groups;
  const image = pad(recorder, grad, -v.low, -h.low, [N, ...planes]);
  const [GH, GW] = [image.view.shape[2]!, image.view.shape[3]!];
  const [plane, [, H = 0, W = 0]] = [GH * GW, sizes];
  const M = groupC * v.stride * h.stride;
  const distances: Shape = [groupO, v.high - v.low + 1, h.high - h.low + 1];
  const K = sizeOf(distances);
  const entries = (): Int32Array<ArrayBuffer> => {
    const places: number[] = [];
    for (let o = 0; o < groupO; o++)
      for (let dv = 0; dv < distances[1]!; dv++)
        for (let dh = 0; dh < distances[2]!; dh++)
          for (let m = 0; m < roundUp(M); m++) {
            const [c, phase] = [Math.floor(m / (v.stride * h.stride)), m % (v.stride * h.stride)];
            const i = v.taps[Math.floor(phase / h.stride)]![dv]!;
            const j = h.taps[phase % h.stride]![dh]!;
            places.push(m < M && i >= 0 && j >= 0 ? ((o * groupC + c) * KH + i) * KW + j : -1);
          }
    return Int32Array.from(places);
  };
  const key = `joined phases ${[groupO, groupC, KH, KW, v.stride, h.stride, v.low, v.high, h.low, h.high]}`;
  const taps = `${v.taps.map(String)} ${h.taps.map(String)}`;
  const table = recorder.table(`${key} ${taps}`, entries);
  const packed = packByTable(recorder, weight, groups, groupO * groupC * KH * KW, table);
  // Where a phase has fewer positions than another, what it has too many goes to a wider image's edge.
  const exact = H === out.shape[2] && W === out.shape[3];
  const result = exact ? out : recorder.temporary([N, C, H, W]);
  product(recorder, {
    key: 'conv2dInputGrad joined',
    a: { view: packed, form: 'across', depth: roundUp(M), group: K * roundUp(M) },
    M,
    K,
    ...positions({
      from: image.view,
      first: (v.high - v.low) * GW + h.high - h.low,
      to: result.shape,
      groups,
      count: [v.count, h.count],
      stride: [v.stride, h.stride],
    }),
    out: result,
    outRow: 0,
    rowAt: 'lines[u.linesAt + m]',
    read: {
      offsets: grid(recorder, distances, [plane, -GW, -1]),
      lines: grid(recorder, [groupC, v.stride, h.stride], [H * W, W, 1]),
    },
  });
  if (result !== out) {
    const seen = { ...result, shape: out.shape };
    map(recorder, {
      exprs: [e.input(0)],
      shape: out.shape,
      inputs: [seen],
      outputs: [out],
      params: [],
      draw: null,
    });
    recorder.free(result);
  }
  recorder.free(packed);
  image.free();
}

function convolveBack(recorder: Recorder, args: Kernels['conv2dInputGrad']): void {
  const { grad, weight, out, groups } = args;
  const [O = 0, groupC = 0, KH = 0, KW = 0] = weight.shape;
  const [, , H = 0, W = 0] = out.shape;
  if (sizeOf(out.shape) === 0) return;
  const groupO = O / groups;
  const { high, wide, above, before, image: whole } = asked(args);
  const image = pad(recorder, grad, above, before, whole);
  const [GH, GW] = [image.view.shape[2]!, image.view.shape[3]!];
  const plane = GH * GW;

  const phases = high.phases.flatMap((v) =>
    wide.phases.map((h) => ({ v, h, depth: groupO * v.taps.length * h.taps.length })),
  );
  const order = (): Int32Array<ArrayBuffer> =>
    Int32Array.from(
      phases.flatMap(({ v, h }) => {
        const taps = v.taps.flatMap((i) => h.taps.map((j) => i * KW + j));
        return Array.from({ length: groupO }, (_, o) => taps.map((tap) => o * groupC * KH * KW + tap)).flat();
      }),
    );
  const K = groupO * KH * KW;
  const packed = pack(recorder, weight, {
    blocks: groups,
    depth: K,
    channels: groupC,
    channelStep: KH * KW,
    blockStep: K * groupC,
    half: true,
    order: recorder.table(
      `input grad ${[groupO, groupC, KH, KW, H, W, args.stride, args.padding, args.dilation]}`,
      order,
    ),
  });
  let firstDepth = 0;
  for (const { v, h, depth } of phases) {
    const taps: Shape = [groupO, v.taps.length, h.taps.length];
    product(recorder, {
      key: 'conv2dInputGrad',
      a: {
        view: packed,
        form: 'across',
        depth: roundUp(groupC),
        group: K * roundUp(groupC),
        first: firstDepth * roundUp(groupC),
      },
      M: groupC,
      K: depth,
      ...positions({
        from: image.view,
        first: (above + v.shift) * GW + before + h.shift,
        to: out.shape,
        groups,
        count: [v.count, h.count],
        stride: args.stride,
      }),
      out: { ...out, offset: out.offset + v.phase * W + h.phase },
      outRow: H * W,
      read: { offsets: grid(recorder, taps, [plane, -GW * high.step, -wide.step]) },
    });
    firstDepth += depth;
  }
  recorder.free(packed);
  image.free();
}

/** A product's columns: for each image, the positions of the input that lie `stride` apart. */
interface Positions {
  /** The output's gradient, with its border, and where in it the first position looks for its first tap. */
  readonly from: View;
  readonly first: number;
  /** The gradient by the input, `[N, C, H, W]`. */
  readonly to: Shape;
  readonly groups: number;
  /** Rows and columns of positions. */
  readonly count: readonly [number, number];
  readonly stride: readonly [number, number];
}

/** Where a product's columns are read and stored; of its depth, `offsets[k]` tells how far a tap lies from the first. */
function positions({ from, first, to, groups, count: [rows, columns], stride: [sv, sh] }: Positions) {
  const [N = 0, O = 0, GH = 0, GW = 0] = from.shape;
  const [, C = 0, H = 0, W = 0] = to;
  return {
    b: {
      view: from,
      form: 'scattered',
      group: (O / groups) * GH * GW,
      first,
      outersAt: 'pixelsAt(o, last, u.imageIn, u.rowIn, 1)',
      depthAt: 'offsets[u.offsetsAt + k]',
    },
    N: N * rows * columns,
    groups,
    outGroup: (C / groups) * H * W,
    columnsAt: 'pixelsAt(o, last, u.imageOut, u.rowOut, u.columnOut)',
    functions: pixelFunction,
    i32: {
      rows,
      columns,
      imageIn: O * GH * GW,
      rowIn: GW,
      imageOut: C * H * W,
      rowOut: sv * W,
      columnOut: sh,
    },
  } as const;
}

/** Positions `phase`, `phase + stride`, ... along one axis of the input, and the kernel's taps that reach them. */
interface Phase {
  readonly phase: number;
  readonly count: number;
  readonly taps: readonly number[];
  /** The output position that the first tap has at the first position. */
  readonly shift: number;
}

/** All phases along an axis. */
interface Phases {
  readonly phases: readonly Phase[];
  /** Output positions from one tap of a phase to the next. */
  readonly step: number;
  /** Output positions before 0 that are asked for, and how many from there on. */
  readonly before: number;
  readonly size: number;
}

function phasesOf(size: number, stride: number, dilation: number, padding: number, kernel: number): Phases {
  const all = Array.from({ length: kernel }, (_, tap) => tap);
  const phases = Array.from({ length: Math.min(stride, size) }, (_, phase): Phase => {
    const taps = all.filter((tap) => (phase + padding - tap * dilation) % stride === 0);
    const shift = taps.length === 0 ? 0 : (phase + padding - taps[0]! * dilation) / stride;
    return { phase, count: Math.ceil((size - phase) / stride), taps, shift };
  });
  const second = all.find((tap) => tap > 0 && (tap * dilation) % stride === 0) ?? 0;
  const step = (second * dilation) / stride;
  const before = Math.max(0, ...phases.map(({ taps, shift }) => (taps.length - 1) * step - shift));
  const last = Math.max(0, ...phases.map(({ count, shift }) => shift + count - 1));
  return { phases, step, before, size: before + last + 1 };
}
