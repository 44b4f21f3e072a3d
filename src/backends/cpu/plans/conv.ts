/**
 * Convolution and its two gradients as products of panels, the matrices of image patches never made: the packer
 * finds pixel and kernel tap by two tables of offsets, `image[pixel(n) + tap(k)]` (wasm/pack.ts). For each group:
 *
 *     forward      out[o, n]  = sum over k of weight[o, k] * x[pixel(n) + tap(k)]
 *     input grad   dx[c, n]   = sum over k of weight[k, c] * grad[pixel(n) + tap(k)]     for each phase of the stride
 *     weight grad  dw[o, k]   = sum over n of grad[o, n] * x[pixel(n) + tap(k)]
 *
 * The columns n run through the pixels of all images of a chunk, so that small maps fill whole tiles too. Where a
 * kernel reaches beyond the image, the chunk is copied into frames of zeros first; chunks are as large as
 * `chunkBytes` allows, whatever the number of threads.
 *
 * A pixel y of dx gets something from output row q - t through kernel row i = phase + t * stride, where
 * y + top = q * stride + phase. So the pixels of one phase are a convolution (stride 1) of grad with every
 * stride-th kernel row and column, turned around; stride 1 has one phase, that of the whole kernel.
 */
import type { ConvGeometry, Kernels } from '../../../core/backend.js';
import type { Shape, View } from '../../../core/shape.js';
import { addressOf, type Planner } from '../plan.js';
import { padModule, padWords } from '../wasm/pad.js';
import { chunkBytes, runPack, runProduct, strided, tables, workspaceOf } from './product.js';

/** Most pixels whose offsets a table holds. */
const tablePixels = 1 << 16;

/** Images `[channels, height, width]` within a frame of zeros. */
interface Frame {
  readonly channels: number;
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
  /** Bytes of a framed image; 0 if the frame is empty, so that nothing needs to be copied. */
  readonly copyBytes: number;
  readonly planeBytes: number;
}

function frameOf(image: Shape, top: number, left: number, height: number, width: number): Frame {
  const [, channels = 0, innerHeight = 0, innerWidth = 0] = image;
  const planeBytes = 4 * height * width;
  const empty = height === innerHeight && width === innerWidth;
  return { channels, top, left, height, width, planeBytes, copyBytes: empty ? 0 : channels * planeBytes };
}

/** Images of one chunk, at most: those whose bytes fit, spread evenly. */
function chunkOf(images: number, bytesPerImage: number, pixels: number): number {
  const most = Math.min(Math.floor(chunkBytes / bytesPerImage), Math.floor(tablePixels / pixels));
  return Math.ceil(images / Math.ceil(images / Math.max(1, most)));
}

/** The address of framed images: `count` from image `first` on, copied to `to` if need be. */
function framed(
  planner: Planner,
  image: View,
  frame: Frame,
  first: number,
  count: number,
  to: number,
): number {
  const [, channels = 0, height = 0, width = 0] = image.shape;
  const from = addressOf(image) + 4 * first * channels * height * width;
  if (frame.copyBytes === 0) return from;
  const { top, left, height: paddedHeight, width: paddedWidth } = frame;
  const units = count * channels;
  const words = { from, to, units, height, width, top, left, paddedHeight, paddedWidth };
  planner.run(padModule, 'pad', padWords.encode(words));
  return to;
}

/** A table `4 * offset(i, j, k)` for i < I, j < J, k < K, the last fastest; made once for its name. */
function table(
  planner: Planner,
  name: readonly (string | number)[],
  [I, J, K]: readonly [number, number, number],
  offset: (i: number, j: number, k: number) => number,
): number {
  return planner.table(`conv ${name.join(' ')} ${I} ${J} ${K}`, () => {
    const result = new Int32Array(I * J * K);
    let at = 0;
    for (let i = 0; i < I; i++) {
      for (let j = 0; j < J; j++) for (let k = 0; k < K; k++) result[at++] = 4 * offset(i, j, k);
    }
    return result;
  });
}

/** A table of `count` multiples of `step` elements: `[a, b]` gives `4 * (i * a + j * b)` for all pairs. */
function multiples(planner: Planner, count: number, step: number): number {
  return table(planner, ['steps', step], [1, 1, count], (_i, _j, k) => k * step);
}

/** What forward and weight gradient share: sizes, the framed image, and the tables of pixels, taps and results. */
function geometryOf(g: ConvGeometry, x: View, weight: Shape, out: Shape) {
  const [images = 0, , H = 0, W = 0] = x.shape;
  const [O = 0, C = 0, KH = 0, KW = 0] = weight;
  const [, , OH = 0, OW = 0] = out;
  const [sv, sh] = g.stride;
  const [top, left] = g.padding;
  const frame = frameOf(
    x.shape,
    top,
    left,
    Math.max(H + top, (OH - 1) * sv + KH),
    Math.max(W + left, (OW - 1) * sh + KW),
  );
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
      table(planner, ['taps', plane, frame.width], [C, KH, KW], (c, i, j) => c * plane + i * frame.width + j),
    places: (planner: Planner, count: number) =>
      table(
        planner,
        ['pixels', frame.channels * plane, frame.width, sv, sh],
        [count, OH, OW],
        (n, y, x) => n * frame.channels * plane + y * sv * frame.width + x * sh,
      ),
    outs: (planner: Planner, count: number) =>
      table(planner, ['outs', O * pixels], [count, 1, pixels], (n, _, p) => n * O * pixels + p),
  };
}

/** Plans the forward convolution; covers all arguments of the contract. */
export function planConv2d(args: Kernels['conv2d'], planner: Planner): boolean {
  const { groups, x, weight, bias, out } = args;
  const { images, O, K, pixels, frame, groupBytes, outBytes, ...tablesOf } = geometryOf(
    args,
    x,
    weight.shape,
    out.shape,
  );
  if (images === 0 || O === 0 || pixels === 0) return true;
  const chunk = chunkOf(images, Math.max(1, frame.copyBytes), pixels);
  const copy = planner.temporary(chunk * frame.copyBytes);
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
        address: framed(planner, x, frame, first, count, copy),
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
    runProduct(planner, tables, {
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
    });
    if (chunk === 0) break;
  }
  return true;
}

/** The pixels of one phase of the stride along one axis, and the kernel taps they see. */
interface Phase {
  readonly phase: number;
  readonly stride: number;
  /** First pixel; the others follow `stride` apart. */
  readonly first: number;
  readonly pixels: number;
  readonly taps: number;
  /** Output position that the first pixel's last tap meets; may be negative. */
  readonly start: number;
}

function phasesOf(stride: number, before: number, size: number, kernel: number): Phase[] {
  return Array.from({ length: stride }, (_, phase) => {
    const first = (((phase - before) % stride) + stride) % stride;
    const taps = Math.max(0, Math.ceil((kernel - phase) / stride));
    const start = (first + before - phase) / stride - (taps - 1);
    return { phase, stride, first, pixels: Math.max(0, Math.ceil((size - first) / stride)), taps, start };
  }).filter((phase) => phase.pixels > 0);
}

/** Zeros before the outputs, and the framed size, that all phases of an axis read within. */
function reachOf(phases: readonly Phase[], outputs: number): { before: number; size: number } {
  const read = phases.filter((phase) => phase.taps > 0);
  const before = Math.max(0, ...read.map((phase) => -phase.start));
  const ends = read.map((phase) => phase.start + phase.pixels - 1 + phase.taps);
  return { before, size: before + Math.max(outputs, ...ends) };
}

/** Plans the gradient by the input; covers all arguments of the contract. */
export function planConv2dInputGrad(args: Kernels['conv2dInputGrad'], planner: Planner): boolean {
  const { groups, grad, weight, out } = args;
  const [images = 0, allC = 0, H = 0, W = 0] = out.shape;
  const [allO = 0, C = 0, KH = 0, KW = 0] = weight.shape;
  const [, , OH = 0, OW = 0] = grad.shape;
  const O = allO / groups;
  if (images * allC * H * W === 0) return true;
  const rows = phasesOf(args.stride[0], args.padding[0], H, KH);
  const columns = phasesOf(args.stride[1], args.padding[1], W, KW);
  const high = reachOf(rows, OH);
  const wide = reachOf(columns, OW);
  const frame = frameOf(grad.shape, high.before, wide.before, high.size, wide.size);
  const plane = frame.planeBytes / 4;
  const chunk = chunkOf(images, Math.max(1, frame.copyBytes), H * W);
  const copy = planner.temporary(chunk * frame.copyBytes);
  const packedWeight = planner.temporary(4 * allO * C * KH * KW);
  const workspace = workspaceOf(planner);

  let packed = packedWeight;
  const products = rows.flatMap((row) =>
    columns.map((column) => {
      const depth = O * row.taps * column.taps;
      const a = packed;
      packed += 4 * groups * C * depth;
      const kernelTap = (o: number, i: number, j: number) =>
        o * C * KH * KW + (row.phase + i * row.stride) * KW + (column.phase + j * column.stride);
      const taps: [number, number, number] = [O, row.taps, column.taps];
      const name = [C, KH, KW, row.phase, column.phase, row.stride, column.stride];
      const source = {
        address: addressOf(weight),
        group: 4 * O * C * KH * KW,
        lanes: multiples(planner, C, KH * KW),
        depth: table(planner, ['phase taps', ...name], taps, kernelTap),
      };
      runPack(planner, tables, source, { groups, rows: C, depth }, a);
      const pixels: [number, number, number] = [chunk, row.pixels, column.pixels];
      const [y0, x0] = [row.start + frame.top, column.start + frame.left];
      return {
        a,
        aGroup: 4 * C * depth,
        depth,
        pixels: row.pixels * column.pixels,
        lanes: table(
          planner,
          ['places', allO * plane, frame.width, y0, x0],
          pixels,
          (n, y, x) => n * allO * plane + (y + y0) * frame.width + x + x0,
        ),
        taps: table(
          planner,
          ['turned', plane, frame.width],
          taps,
          (o, i, j) => o * plane + (row.taps - 1 - i) * frame.width + column.taps - 1 - j,
        ),
        columns: table(
          planner,
          ['phase pixels', allC * H * W, W, row.first, column.first, row.stride, column.stride],
          pixels,
          (n, y, x) => n * allC * H * W + (row.first + y * row.stride) * W + column.first + x * column.stride,
        ),
      };
    }),
  );
  for (let first = 0; first < images; first += chunk) {
    const count = Math.min(chunk, images - first);
    const address = framed(planner, grad, frame, first, count, copy);
    for (const { a, aGroup, depth, pixels, lanes, taps, columns } of products) {
      runProduct(planner, tables, {
        a,
        aGroup,
        b: { address, group: O * frame.planeBytes, lanes, depth: taps },
        c: {
          address: addressOf(out) + 4 * first * allC * H * W,
          group: 4 * C * H * W,
          row: 4 * H * W,
          columns,
        },
        groups,
        rows: C,
        columns: count * pixels,
        depth,
        workspace,
      });
    }
  }
  return true;
}
