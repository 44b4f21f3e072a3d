/**
 * Convolution and its two gradients as implicit matrix products (tile.ts).
 *
 * The image side of a product is read in place: the pixel of output position n at depth k = (c, i, j) lies at
 * `pixel(n) + offset(k)`: `pixel` by arithmetic, once for each column, `offset` from a table made once for each shape. So that no index
 * leaves the image, an image that needs padding is copied with its border of zeros first. The other side (weights,
 * or for the weight gradient the output's gradient) is packed as [k][channel], channels padded to whole vec4s.
 */
import type { ConvGeometry, Kernels } from '../../../../core/backend.js';
import { type Shape, sizeOf, type View } from '../../../../core/shape.js';
import type { Recorder } from '../../runtime/recorder.js';
import { byImages, imageParts, sliceOf } from '../cuts.js';
import { chunksFor, type Product, product } from '../matmul/tile.js';
import { sumChunks } from '../reduce/reduce.js';
import { grid, pack, pad, roundUp } from './layout.js';

/**
 * The places of pixels o to o + 3 of images `u.rows` x `u.columns` at these steps, those past `last` like it. Only the
 * first is divided for: the others are its neighbours.
 */
const pixelFunction = `fn pixelsAt(o: i32, last: i32, image: i32, row: i32, column: i32) -> vec4i {
  let first = min(o, last);
  let line = i32(u32(first) / u32(u.columns)); let number = i32(u32(line) / u32(u.rows));
  var x = first - line * u.columns; var y = line - number * u.rows;
  var place = number * image + y * row + x * column;
  var places = vec4i(place);
  for (var i = 1; i < 4; i++) {
    if (o + i <= last) {
      x++; place += column;
      if (x == u.columns) { x = 0; y++; place += row - u.columns * column; }
      if (y == u.rows) { y = 0; place += image - u.rows * row; }
    }
    places[i] = place;
  }
  return places;
}`;

/** The image that the windows of a convolution cover, its border of zeros included. */
function covered(
  x: View,
  [, , KH = 0, KW = 0]: Shape,
  [, , OH = 0, OW = 0]: Shape,
  { stride: [sv, sh], dilation: [dv, dh] }: ConvGeometry,
): Shape {
  return [x.shape[0]!, x.shape[1]!, (OH - 1) * sv + (KH - 1) * dv + 1, (OW - 1) * sh + (KW - 1) * dh + 1];
}

/** See `Kernels.conv2d`. */
export function conv2d(recorder: Recorder, args: Kernels['conv2d']): void {
  const { x, weight, out } = args;
  const border = { shape: covered(x, weight.shape, out.shape, args) };
  byImages(recorder, [x, out, border], (slice) =>
    convolve(recorder, { ...args, x: slice(x), out: slice(out) }),
  );
}

function convolve(recorder: Recorder, args: Kernels['conv2d']): void {
  const { x, weight, bias, relu, out, groups } = args;
  const [O = 0, groupC = 0, KH = 0, KW = 0] = weight.shape;
  const [N = 0, , OH = 0, OW = 0] = out.shape;
  if (sizeOf(out.shape) === 0) return;
  const [sv, sh] = args.stride;
  const [dv, dh] = args.dilation;
  const image = pad(recorder, x, args.padding[0], args.padding[1], covered(x, weight.shape, out.shape, args));
  const [, C = 0, H = 0, W = 0] = image.view.shape;
  const [M, K] = [O / groups, groupC * KH * KW];
  const packed = pack(recorder, weight, {
    blocks: groups,
    blockStep: M * K,
    depth: K,
    channels: M,
    channelStep: K,
  });
  product(recorder, {
    key: 'conv2d',
    a: { view: packed, form: 'across', depth: roundUp(M), group: K * roundUp(M) },
    b: {
      view: image.view,
      form: 'scattered',
      group: groupC * H * W,
      outersAt: 'pixelsAt(o, last, u.imageIn, u.rowIn, u.columnIn)',
      depthAt: 'offsets[u.offsetsAt + k]',
    },
    M,
    N: N * OH * OW,
    K,
    groups,
    bias: bias && { view: bias, along: 'rows' },
    relu,
    out,
    outRow: OH * OW,
    outGroup: M * OH * OW,
    columnsAt: 'pixelsAt(o, last, u.imageOut, u.columns, 1)',
    functions: pixelFunction,
    i32: {
      rows: OH,
      columns: OW,
      imageIn: C * H * W,
      rowIn: sv * W,
      columnIn: sh,
      imageOut: O * OH * OW,
    },
    read: { offsets: grid(recorder, [groupC, KH, KW], [H * W, dv * W, dh]) },
  });
  recorder.free(packed);
  image.free();
}

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
  const { grad, out } = args;
  byImages(recorder, [grad, out, { shape: asked(args).image }], (slice) =>
    convolveBack(recorder, { ...args, grad: slice(grad), out: slice(out) }),
  );
}

function convolveBack(recorder: Recorder, args: Kernels['conv2dInputGrad']): void {
  const { grad, weight, out, groups } = args;
  const [O = 0, groupC = 0, KH = 0, KW = 0] = weight.shape;
  const [N = 0, C = 0, H = 0, W = 0] = out.shape;
  if (sizeOf(out.shape) === 0) return;
  const [sv, sh] = args.stride;
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
      b: {
        view: image.view,
        form: 'scattered',
        group: groupO * plane,
        first: (above + v.shift) * GW + before + h.shift,
        outersAt: 'pixelsAt(o, last, u.imageIn, u.rowIn, 1)',
        depthAt: 'offsets[u.offsetsAt + k]',
      },
      M: groupC,
      N: N * v.count * h.count,
      K: depth,
      groups,
      out: { ...out, offset: out.offset + v.phase * W + h.phase },
      outRow: H * W,
      outGroup: groupC * H * W,
      columnsAt: 'pixelsAt(o, last, u.imageOut, u.rowOut, u.columnOut)',
      functions: pixelFunction,
      i32: {
        rows: v.count,
        columns: h.count,
        imageIn: O * plane,
        rowIn: GW,
        imageOut: C * H * W,
        rowOut: sv * W,
        columnOut: sh,
      },
      read: { offsets: grid(recorder, taps, [plane, -GW * high.step, -wide.step]) },
    });
    firstDepth += depth;
  }
  recorder.free(packed);
  image.free();
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

/** Direct tiles that the weight gradient's product should have, so that all threads of a software driver are kept busy. */
const enoughTiles = 8192;

/**
 * See `Kernels.conv2dWeightGrad`. The sum runs over the pixels of every image. Its rows and columns being few, the images
 * are cut into chunks whose partial sums are added in order.
 */
export function conv2dWeightGrad(recorder: Recorder, args: Kernels['conv2dWeightGrad']): void {
  const { x, grad, out, groups } = args;
  const [N = 0, O = 0, OH = 0, OW = 0] = grad.shape;
  if (sizeOf(out.shape) === 0) return;
  const border = { shape: covered(x, out.shape, grad.shape, args) };
  const packed = { shape: [N, groups * roundUp(O / groups), OH, OW] };
  const parts = imageParts(recorder, [x, grad, border, packed]);
  if (parts.length === 1) {
    correlate(recorder, args);
    return;
  }
  const size = sizeOf(out.shape);
  const sums = recorder.temporary([parts.length, size]);
  parts.forEach((part, i) => {
    const [images, grads] = [sliceOf(x, 0, part), sliceOf(grad, 0, part)];
    correlate(recorder, {
      ...args,
      x: images,
      grad: grads,
      out: { ...sums, shape: out.shape, strides: out.strides, offset: i * size },
    });
  });
  sumChunks(recorder, sums, out);
  recorder.free(sums);
}

function correlate(recorder: Recorder, args: Kernels['conv2dWeightGrad']): void {
  const { x, grad, out, groups } = args;
  const [O = 0, groupC = 0, KH = 0, KW = 0] = out.shape;
  const [N = 0, , OH = 0, OW = 0] = grad.shape;
  const [sv, sh] = args.stride;
  const [dv, dh] = args.dilation;
  const image = pad(recorder, x, args.padding[0], args.padding[1], covered(x, out.shape, grad.shape, args));
  const [, C = 0, H = 0, W = 0] = image.view.shape;
  const [M, columns, pixels] = [O / groups, groupC * KH * KW, OH * OW];
  const packed = pack(recorder, grad, {
    blocks: groups,
    blockStep: M * pixels,
    parts: N,
    partStep: groups * M * pixels,
    depth: pixels,
    channels: M,
    channelStep: pixels,
  });
  const wanted = Math.max(
    recorder.tiles === 'direct'
      ? Math.floor(enoughTiles / (Math.ceil(M / 8) * Math.ceil(columns / 8) * groups))
      : 1,
    chunksFor(recorder, { M, N: columns, K: N * pixels, groups }),
  );
  const perChunk = Math.max(1, Math.ceil(N / Math.max(1, wanted)));
  const chunks = Math.max(1, Math.ceil(N / perChunk));
  const sums = chunks === 1 ? out : recorder.temporary([chunks, O * columns]);
  const shared: Omit<Product, 'out'> = {
    key: 'conv2dWeightGrad',
    a: {
      view: packed,
      form: 'across',
      depth: roundUp(M),
      group: N * pixels * roundUp(M),
      chunk: perChunk * pixels * roundUp(M),
    },
    b: {
      view: image.view,
      form: 'scattered',
      group: groupC * H * W,
      chunk: perChunk * C * H * W,
      outersAt: `vec4i(${[0, 1, 2, 3].map((i) => `taps[u.tapsAt + min(o + ${i}, last)]`).join(', ')})`,
      depthAt: 'pixels[u.pixelsAt + k]',
    },
    M,
    N: columns,
    K: perChunk * pixels,
    depth: N * pixels,
    groups,
    outRow: columns,
    outGroup: M * columns,
    outChunk: O * columns,
    read: {
      taps: grid(recorder, [groupC, KH, KW], [H * W, dv * W, dh]),
      pixels: grid(recorder, [perChunk, OH, OW], [C * H * W, sv * W, sh]),
    },
  };
  product(recorder, { ...shared, out: sums });
  if (chunks > 1) {
    sumChunks(recorder, sums, out);
    recorder.free(sums);
  }
  recorder.free(packed);
  image.free();
}
