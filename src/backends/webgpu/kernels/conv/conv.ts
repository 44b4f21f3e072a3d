/**
 * Convolution and its gradient by the weights as implicit matrix products (tile.ts); by the input: inputGrad.ts.
 *
 * The image side of a product is read in place: the pixel of output position n at depth k = (c, i, j) lies at
 * `pixel(n) + offset(k)`: `pixel` by arithmetic, once for each column, `offset` from a table made once for each shape. So
 * that no index leaves the image, an image that needs padding is copied with its border of zeros first. The other side
 * (weights, or for the weight gradient the output's gradient) is packed as [k][channel], channels padded to whole vec4s.
 */
import type { ConvGeometry, Kernels } from '../../../../core/backend.js';
import { type Shape, sizeOf, type View } from '../../../../core/shape.js';
import type { Recorder } from '../../runtime/recorder.js';
import { byImages, imageParts, sliceOf } from '../cuts.js';
import { chunksFor, type Product, product } from '../matmul/tile.js';
import { blockLength } from '../matmul/tileDirect.js';
import { sumChunks } from '../reduce/reduce.js';
import { grid, pack, pad, pixelFunction, roundUp } from './layout.js';
import { winograd } from './winograd.js';

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
  if (winograd(recorder, args)) return;
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
  const image = pad(
    recorder,
    x,
    args.padding[0],
    args.padding[1],
    covered(x, weight.shape, out.shape, args),
    true,
  );
  const [, C = 0, H = 0, W = 0] = image.view.shape;
  const [M, K] = [O / groups, groupC * KH * KW];
  const packed = pack(recorder, weight, {
    blocks: groups,
    blockStep: M * K,
    depth: K,
    channels: M,
    channelStep: K,
    half: true,
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

/** Direct tiles that the weight gradient's product should have, so that all threads of a software driver are kept busy. */
const enoughTiles = 8192;

/**
 * See `Kernels.conv2dWeightGrad`. The sum runs over the pixels of every image. Its rows and columns being few, it
 * is cut into chunks whose partial sums are added in order.
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
  const image = pad(
    recorder,
    x,
    args.padding[0],
    args.padding[1],
    covered(x, out.shape, grad.shape, args),
    true,
  );
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
    recorder.tileDevice.tiles === 'direct'
      ? Math.floor(enoughTiles / (Math.ceil(M / 8) * Math.ceil(columns / 8) * groups))
      : 1,
    chunksFor(recorder, { M, N: columns, K: N * pixels, groups, gathered: true }),
  );
  const depth = N * pixels;
  const K = Math.min(depth, Math.ceil(depth / wanted / blockLength) * blockLength);
  const chunks = depth === 0 ? 1 : Math.ceil(depth / K);
  const sums = chunks === 1 ? out : recorder.temporary([chunks, O * columns]);
  const shared: Omit<Product, 'out'> = {
    key: 'conv2dWeightGrad',
    a: {
      view: packed,
      form: 'across',
      depth: roundUp(M),
      group: depth * roundUp(M),
      chunk: K * roundUp(M),
    },
    b: {
      view: image.view,
      form: 'scattered',
      group: groupC * H * W,
      outersAt: `vec4i(${[0, 1, 2, 3].map((i) => `taps[u.tapsAt + min(o + ${i}, last)]`).join(', ')})`,
      depthAt: 'pixels[u.pixelsAt + k]',
    },
    M,
    N: columns,
    K,
    depth,
    groups,
    outRow: columns,
    outGroup: M * columns,
    outChunk: O * columns,
    read: {
      taps: grid(recorder, [groupC, KH, KW], [H * W, dv * W, dh]),
      pixels: grid(recorder, [N, OH, OW], [C * H * W, sv * W, sh]),
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
