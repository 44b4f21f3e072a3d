/**
 * Convolution and its gradient by the weight as products of panels, the matrices of image patches never made: the
 * packer finds pixel and kernel tap by two tables of offsets, `image[pixel(n) + tap(k)]` (matmul/pack.ts). For each
 * group:
 *
 *     forward      out[o, n]  = sum over k of weight[o, k] * x[pixel(n) + tap(k)]
 *     weight grad  dw[o, k]   = sum over n of grad[o, n] * x[pixel(n) + tap(k)]
 *
 * Forward at a horizontal stride s, images are taken apart first, so that the pixels that a tap sees lie side by side and
 * are packed as whole vectors: a row `[s * q + p]` becomes `[p][q]`.
 *
 * The columns n run through the pixels of all images of a chunk, so that small maps fill whole tiles too. Where a
 * kernel reaches beyond the image, the chunk is copied into frames of zeros first; chunks are as large as
 * `chunkBytes` allows, whatever the number of threads.
 */
import type { ConvGeometry, Kernels } from '../../../../core/backend.js';
import type { Shape, View } from '../../../../core/shape.js';
import { addressOf, type Planner } from '../../plan.js';
import { Partials, runInPartials } from '../matmul/partials.js';
import { runPack, runProduct, strided, tables, workspaceOf } from '../matmul/product.js';
import { planWinograd, planWinogradWeightGrad } from '../winograd/plan.js';
import { chunkOf, framed, frameOf, multiples, runCopy, table, viewAt } from './images.js';

/** Whether each pixel is packed often enough that taking images apart before pays. */
function takesApart({ stride: [sv, sh] }: ConvGeometry, [, , KH = 0, KW = 0]: Shape): boolean {
  return sh > 1 && KW > sh && KH * KW >= 4 * sv * sh;
}

/**
 * What forward and weight gradient share: sizes, the framed image, and the tables of pixels, taps and results.
 * @param apart numbers that rows are taken apart into; 1 leaves them
 */
function geometryOf(g: ConvGeometry, x: View, weight: Shape, out: Shape, apart = 1) {
  const [images = 0, , H = 0, W = 0] = x.shape;
  const [O = 0, C = 0, KH = 0, KW = 0] = weight;
  const [, , OH = 0, OW = 0] = out;
  const [sv, sh] = g.stride;
  const [top, left] = g.padding;
  const [dv, dh] = g.dilation;
  const frame = frameOf(
    x.shape,
    top,
    left,
    Math.max(H + top, (OH - 1) * sv + (KH - 1) * dv + 1),
    apart * Math.ceil(Math.max(W + left, (OW - 1) * sh + (KW - 1) * dh + 1) / apart),
  );
  const part = frame.width / apart;
  const plane = frame.planeBytes / 4;
  const pixels = OH * OW;
  return {
    images,
    O: O / g.groups,
    K: C * KH * KW,
    pixels,
    frame,
    groupBytes: C * frame.planeBytes,
    /** Bytes of an image's outputs, of all groups. */
    outBytes: 4 * O * pixels,
    taps: (planner: Planner) =>
      table(
        planner,
        ['taps', plane, frame.width, dv, dh, apart],
        [C, KH, KW],
        (c, i, j) =>
          c * plane + i * dv * frame.width + ((j * dh) % apart) * part + Math.floor((j * dh) / apart),
      ),
    places: (planner: Planner, count: number) =>
      table(
        planner,
        ['pixels', frame.channels * plane, frame.width, sv, sh, apart],
        [count, OH, OW],
        (n, y, x) => n * frame.channels * plane + y * sv * frame.width + (x * sh) / apart,
      ),
    outs: (planner: Planner, count: number) =>
      table(planner, ['outs', O * pixels], [count, 1, pixels], (n, _, p) => n * O * pixels + p),
  };
}

/** Plans the forward convolution; covers all arguments of the contract. */
export function planConv2d(args: Kernels['conv2d'], planner: Planner): boolean {
  if (planWinograd(args, planner)) return true;
  const { groups, x, weight, bias, out } = args;
  const apart = takesApart(args, weight.shape) ? args.stride[1] : 1;
  const { images, O, K, pixels, frame, groupBytes, outBytes, ...tablesOf } = geometryOf(
    args,
    x,
    weight.shape,
    out.shape,
    apart,
  );
  if (images === 0 || O === 0 || pixels === 0) return true;
  const imageBytes = frame.channels * frame.planeBytes;
  const chunk = chunkOf(images, Math.max(1, apart > 1 ? 2 * imageBytes : frame.copyBytes), pixels);
  const copy = planner.temporary(chunk * frame.copyBytes);
  const parts = apart > 1 ? planner.temporary(chunk * imageBytes) : 0;
  /** The address of `count` images from number `first` on, framed and taken apart. */
  const imagesAt = (first: number, count: number): number => {
    const whole = framed(planner, x, frame, first, count, copy);
    if (apart === 1) return whole;
    const shape = [count * frame.channels * frame.height, apart, frame.width / apart];
    runCopy(planner, viewAt(whole, shape, [frame.width, 1, apart]), viewAt(parts, shape));
    return parts;
  };
  const packed = planner.temporary(4 * groups * O * K);
  const workspace = workspaceOf(planner);
  const source = { address: addressOf(weight), group: 4 * O * K, lanes: 4 * K, depth: 4 };
  runPack(planner, strided, source, { groups, rows: O, depth: K }, packed);
  for (let first = 0; first < images; first += chunk) {
    const count = Math.min(chunk, images - first);
    runProduct(planner, tables, {
      a: packed,
      aGroup: 4 * O * K,
      b: {
        address: imagesAt(first, count),
        group: groupBytes,
        lanes: tablesOf.places(planner, chunk),
        depth: tablesOf.taps(planner),
      },
      c: {
        address: addressOf(out) + first * outBytes,
        group: 4 * O * pixels,
        row: 4 * pixels,
        columns: tablesOf.outs(planner, chunk),
      },
      groups,
      rows: O,
      columns: count * pixels,
      depth: K,
      rowBias: bias === null ? 0 : addressOf(bias),
      relu: args.relu,
      workspace,
    });
  }
  return true;
}

/** Plans the gradient by the weight; covers all arguments of the contract. */
export function planConv2dWeightGrad(args: Kernels['conv2dWeightGrad'], planner: Planner): boolean {
  if (planWinogradWeightGrad(args, planner)) return true;
  const { groups, x, grad, out } = args;
  const { images, O, K, pixels, frame, groupBytes, outBytes, ...tablesOf } = geometryOf(
    args,
    x,
    out.shape,
    grad.shape,
  );
  if (O === 0 || K === 0) return true;
  const chunk = images * pixels === 0 ? 0 : chunkOf(images, frame.copyBytes + outBytes, pixels);
  const copy = planner.temporary(chunk * frame.copyBytes);
  const packed = planner.temporary(chunk * outBytes);
  const workspace = workspaceOf(planner);
  const partials = new Partials(planner, addressOf(out), groups * O * K, images * pixels);
  for (let first = 0; first === 0 || first < images; first += chunk) {
    const count = Math.min(chunk, images - first);
    const depth = count * pixels;
    const outs = tablesOf.outs(planner, chunk);
    const source = {
      address: addressOf(grad) + first * outBytes,
      group: 4 * O * pixels,
      lanes: multiples(planner, O, pixels),
      depth: outs,
    };
    runPack(planner, tables, source, { groups, rows: O, depth }, packed);
    const product = {
      a: packed,
      aGroup: 4 * O * depth,
      b: {
        address: framed(planner, x, frame, first, count, copy),
        group: groupBytes,
        lanes: tablesOf.taps(planner),
        depth: tablesOf.places(planner, chunk),
      },
      c: { address: addressOf(out), group: 4 * O * K, row: 4 * K, columns: 0 },
      groups,
      rows: O,
      columns: K,
      depth,
      accumulate: first > 0,
      workspace,
    };
    runInPartials(planner, tables, product, partials);
    if (chunk === 0) break;
  }
  partials.sum();
  return true;
}
