/**
 * Convolutions of stride 1 and their gradients by Winograd's method (backends/winograd.ts), where that saves time. For each
 * group, with images and kernels at their points, and n running through the tiles of a chunk of images:
 *
 *     correlation:   out[o, n] = sum over c of kernel[o, c] * x[c, n]     for each point
 *     weight grad:    dw[o, c] = sum over n of grad[o, n] * x[c, n]       for each point
 *
 * The forward convolution is a correlation; the gradient by the input one of the output's gradient, with kernels turned
 * around and channels exchanged. A correlation goes a few strips of tiles at a time, so that what lies between its three
 * steps stays in the caches.
 */
import type { ConvGeometry, Kernels } from '../../../../core/backend.js';
import type { Shape, View } from '../../../../core/shape.js';
import { addressOf, floatBits, type Planner } from '../../plan.js';
import { chunkOf, framed, frameOf } from '../conv/images.js';
import { Partials } from '../matmul/partials.js';
import { lineBytes, stripLanes, stripsOf } from './strips.js';
import {
  allot,
  multiplesTable,
  runFromPoints,
  runMultiply,
  runToPoints,
  type Sizes,
  scratchOf,
  tileTable,
  tilingOf,
} from './tiling.js';

/** Bytes of images and results at their points that a correlation works on at a time. */
const stretchBytes = 2 << 20;

/**
 * Bytes of kernels, or of their gradients, at their points that are worked on at a time: with all else, half of what a
 * third level cache holds.
 */
const blockBytes = 8 << 20;

/** A correlation of x to `out` `[N, groups * rows, OH, OW]`. */
interface Correlation extends Sizes {
  /** Where the kernels of group g begin, row o, channel c: at `from + g * group + 4 * (o * row + c * depth)`. */
  readonly kernels: {
    readonly from: number;
    readonly group: number;
    readonly row: number;
    readonly depth: number;
    /** Whether they are turned around. */
    readonly turned: boolean;
  };
  readonly bias: View | null;
  readonly relu: boolean;
  readonly out: View;
}

/** Sizes of a convolution with weights `[O, C, KH, KW]`, or null if its stride or dilation isn't 1. */
function sizesOf({ groups, stride, padding, dilation }: ConvGeometry, x: View, weight: Shape): Sizes | null {
  const [O = 0, C = 0, KH = 0, KW = 0] = weight;
  if ([...stride, ...dilation].some((step) => step !== 1)) return null;
  return { groups, rows: O / groups, depth: C, kernel: [KH, KW], x, top: padding[0], left: padding[1] };
}

/** Plans the forward convolution; false where the method can't do it or doesn't pay. */
export function planWinograd(args: Kernels['conv2d'], planner: Planner): boolean {
  const sizes = sizesOf(args, args.x, args.weight.shape);
  if (!sizes) return false;
  const { rows, depth, kernel } = sizes;
  const taps = kernel[0] * kernel[1];
  const from = addressOf(args.weight);
  const kernels = { from, group: 4 * rows * depth * taps, row: depth * taps, depth: taps, turned: false };
  return planCorrelation({ ...sizes, kernels, bias: args.bias, relu: args.relu, out: args.out }, planner);
}

/** Plans the gradient by the input; false where the method can't do it or doesn't pay. */
export function planWinogradInputGrad(args: Kernels['conv2dInputGrad'], planner: Planner): boolean {
  const { grad, weight, out } = args;
  const sizes = sizesOf(args, grad, weight.shape);
  if (!sizes) return false;
  const { rows, depth, kernel, top, left } = sizes;
  const taps = kernel[0] * kernel[1];
  const from = addressOf(weight);
  const turned = {
    ...sizes,
    byInput: true,
    rows: depth,
    depth: rows,
    top: kernel[0] - 1 - top,
    left: kernel[1] - 1 - left,
    kernels: { from, group: 4 * rows * depth * taps, row: taps, depth: depth * taps, turned: true },
  };
  return planCorrelation({ ...turned, bias: null, relu: false, out }, planner);
}

function planCorrelation(c: Correlation, planner: Planner): boolean {
  const tiling = planner.winograd ? tilingOf(c, c.out) : null;
  if (!tiling) return false;
  const { groups, depth, kernels, x, out } = c;
  const { points, tiles } = tiling;
  const r = c.kernel[0];
  const [images = 0, channels = 0, height = 0, width = 0] = out.shape;
  const plane = height * width;
  const frame = frameOf(x.shape, c.top, c.left, height + r - 1, width + r - 1);
  const chunk = chunkOf(images, Math.max(1, frame.copyBytes), tiles);
  const copy = planner.temporary(chunk * frame.copyBytes);
  const scratch = scratchOf(planner);
  const blocks = rowBlocks(c.rows, points * depth);
  const most = Math.max(...blocks.map(({ rows }) => rows));
  const perStrip = points * (most + depth) * lineBytes;
  const stretch = Math.min(stripsOf(chunk * tiles), Math.max(1, Math.floor(stretchBytes / perStrip)));
  const ours = allot(planner, tiling, 1, most, depth);
  const ins = allot(planner, tiling, 1, stretch * stripLanes, depth);
  const outs = allot(planner, tiling, 1, stretch * stripLanes, most);
  const limits = [height, width] as const;
  const kernelTables = {
    lanes: multiplesTable(planner, c.rows, kernels.row),
    depth: multiplesTable(planner, depth, kernels.depth),
  };
  const parts = Array.from({ length: groups }, (_, group) => blocks.map((block) => ({ group, ...block })));
  for (let first = 0; first < images; first += chunk) {
    const count = Math.min(chunk, images - first);
    const address = framed(planner, x, frame, first, count, copy);
    const [, allDepth = 0] = x.shape;
    const from = tileTable(planner, tiling, count, [allDepth, frame.height, frame.width], limits);
    const to = tileTable(planner, tiling, count, [channels, height, width], limits);
    for (const { group, row, rows } of parts.flat()) {
      const channel = group * c.rows + row;
      runToPoints(
        planner,
        kernels.turned ? 'turned' : 'kernels',
        tiling,
        {
          address: kernels.from + group * kernels.group,
          group: 0,
          row: 0,
          lanes: kernelTables.lanes + 4 * row,
          laneCount: rows,
          depth: kernelTables.depth,
          steps: depth,
        },
        1,
        ours,
        scratch,
      );
      for (let tile = 0; tile < count * tiles; tile += stretch * stripLanes) {
        const laneCount = Math.min(stretch * stripLanes, count * tiles - tile);
        runToPoints(
          planner,
          'pixels',
          tiling,
          {
            address: address + group * depth * frame.planeBytes,
            group: 0,
            row: 4 * frame.width,
            lanes: from + 4 * tile,
            laneCount,
            depth: multiplesTable(planner, depth, frame.planeBytes / 4),
            steps: depth,
          },
          1,
          ins,
          scratch,
        );
        const size = { matrices: points, rows, columns: laneCount, depth };
        runMultiply(planner, [ours, depth], [ins, depth], outs, size);
        runFromPoints(
          planner,
          'results',
          tiling,
          {
            address: addressOf(out) + 4 * (first * channels + channel) * plane,
            group: 0,
            row: 4 * width,
            lanes: to + 4 * tile,
            laneCount,
            rows,
            perRow: 4 * plane,
            bias: c.bias === null ? 0 : addressOf(c.bias) + 4 * channel,
            floor: floatBits(c.relu ? 0 : Number.NEGATIVE_INFINITY),
          },
          1,
          outs,
          scratch,
        );
      }
    }
  }
  return true;
}

/**
 * Blocks of a group's rows: whole strips, as even as can be, whose numbers, `perRow` for each row, stay within
 * `blockBytes`.
 */
function rowBlocks(rows: number, perRow: number): { readonly row: number; readonly rows: number }[] {
  const blocks = Math.ceil((4 * rows * perRow) / blockBytes);
  const most = stripLanes * stripsOf(Math.ceil(rows / blocks));
  return Array.from({ length: Math.ceil(rows / most) }, (_, i) => ({
    row: i * most,
    rows: Math.min(most, rows - i * most),
  }));
}

/**
 * Plans the gradient by the weight; false where the method can't do it or doesn't pay. All taps of a kernel come from
 * the same points, so each has the rounding error of the largest.
 */
export function planWinogradWeightGrad(args: Kernels['conv2dWeightGrad'], planner: Planner): boolean {
  const { x, grad, out } = args;
  const [images = 0] = grad.shape;
  const sizes = planner.winograd ? sizesOf(args, x, out.shape) : null;
  const tiling = sizes && tilingOf(sizes, grad);
  if (!tiling) return false;
  const { groups, depth, top, left } = sizes;
  const { method, points, tiles } = tiling;
  const { taps: r, results: side } = method;
  const [high, wide] = [side * tiling.rows, side * tiling.columns];
  const frame = frameOf(x.shape, top, left, high + r - 1, wide + r - 1);
  const gradFrame = frameOf(grad.shape, 0, 0, high, wide);
  const blocks = rowBlocks(sizes.rows, points * groups * depth);
  const most = Math.max(...blocks.map(({ rows }) => rows));
  const copies = frame.copyBytes + gradFrame.copyBytes;
  const perTile = 4 * points * groups * (most + depth);
  const chunk = chunkOf(images, 2 * (copies + tiles * perTile), tiles);
  const copy = planner.temporary(chunk * frame.copyBytes);
  const gradCopy = planner.temporary(chunk * gradFrame.copyBytes);
  const scratch = scratchOf(planner);
  const steps = chunk * tiles;
  const ins = allot(planner, tiling, groups, depth, steps);
  const grads = allot(planner, tiling, groups, most, steps);
  const sums = allot(planner, tiling, groups, depth, most);
  const taps = r * r;
  for (const { row, rows } of blocks) {
    const partials = new Partials(planner, sums.address, (points * sums.point) / 4, images * tiles);
    const sides = [
      { side: 'pixels', view: x, frame, copy, to: ins, all: depth, first: 0, lanes: depth },
      {
        side: 'gradients',
        view: grad,
        frame: gradFrame,
        copy: gradCopy,
        to: grads,
        all: sizes.rows,
        first: row,
        lanes: rows,
      },
    ] as const;
    for (let first = 0; first < images; first += chunk) {
      const count = Math.min(chunk, images - first);
      for (const { side, view, frame, copy, to, all, first: lane, lanes } of sides) {
        const { planeBytes, height, width } = frame;
        runToPoints(
          planner,
          side,
          tiling,
          {
            address: framed(planner, view, frame, first, count, copy),
            group: all * planeBytes,
            row: 4 * width,
            lanes: multiplesTable(planner, all, planeBytes / 4) + 4 * lane,
            laneCount: lanes,
            depth: tileTable(planner, tiling, count, [groups * all, height, width], [high, wide]),
            steps: count * tiles,
          },
          groups,
          to,
          scratch,
        );
      }
      const size = { matrices: points * groups, rows, columns: depth };
      for (let k = 0; k < count * tiles; ) {
        const { steps: taken, address, accumulate } = partials.take(count * tiles - k);
        runMultiply(
          planner,
          [grads, count * tiles],
          [ins, count * tiles],
          { ...sums, address },
          { ...size, depth: taken, first: k, accumulate },
        );
        k += taken;
      }
    }
    partials.sum();
    runFromPoints(
      planner,
      'kernelGrads',
      tiling,
      {
        address: addressOf(out) + 4 * row * depth * taps,
        group: 4 * sizes.rows * depth * taps,
        row: 0,
        lanes: multiplesTable(planner, depth, taps),
        laneCount: depth,
        rows,
        perRow: 4 * depth * taps,
        floor: 0,
      },
      groups,
      sums,
      scratch,
    );
  }
  return true;
}
