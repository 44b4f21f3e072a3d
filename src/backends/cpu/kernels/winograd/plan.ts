/**
 * Convolutions of stride 1 and their gradients by Winograd's method (code.ts), where that saves time. For each
 * group, with images and kernels at their points, and n running through the tiles of a chunk of images:
 *
 *     correlation:   out[o, n] = sum over c of kernel[o, c] * x[c, n]     for each point
 *     weight grad:    dw[o, c] = sum over n of grad[o, n] * x[c, n]       for each point
 *
 * The forward convolution is a correlation; the gradient by the input one of the output's gradient, with kernels turned
 * around and channels exchanged.
 */
import type { ConvGeometry, Kernels } from '../../../../core/backend.js';
import type { Shape, View } from '../../../../core/shape.js';
import { addressOf, type Planner } from '../../plan.js';
import { chunkOf, frameOf } from '../conv/images.js';
import { panelsOf } from '../matmul/panels.js';
import { Partials, runInPartials } from '../matmul/partials.js';
import { isSmallCopy, runPack, runProduct, strided, workspaceOf } from '../matmul/product.js';
import { emitKernelGrads, emitKernels, kernelGradWords, kernelWords, tileResults } from './code.js';
import { emitToResults } from './tiles.js';
import { allot, moduleOf, runTiles, runToPoints, type Sizes, tilingOf } from './tiling.js';

/** A correlation of x to `out` `[N, groups * rows, OH, OW]`. */
interface Correlation extends Sizes {
  /** Where the kernels of group g begin, row o, channel c: at `from + g * group + o * row + c * depth`, in bytes. */
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
  const depth = 4 * sizes.kernel[0] * sizes.kernel[1];
  const row = sizes.depth * depth;
  const kernels = { from: addressOf(args.weight), group: sizes.rows * row, row, depth, turned: false };
  return planCorrelation({ ...sizes, kernels, bias: args.bias, relu: args.relu, out: args.out }, planner);
}

/** Plans the gradient by the input; false where the method can't do it or doesn't pay. */
export function planWinogradInputGrad(args: Kernels['conv2dInputGrad'], planner: Planner): boolean {
  const { grad, weight, out } = args;
  const sizes = sizesOf(args, grad, weight.shape);
  if (!sizes) return false;
  const { rows, depth, kernel, top, left } = sizes;
  const row = 4 * kernel[0] * kernel[1];
  const turned = {
    ...sizes,
    rows: depth,
    depth: rows,
    top: kernel[0] - 1 - top,
    left: kernel[1] - 1 - left,
    kernels: { from: addressOf(weight), group: rows * depth * row, row, depth: depth * row, turned: true },
  };
  return planCorrelation({ ...turned, bias: null, relu: false, out }, planner);
}

function planCorrelation(c: Correlation, planner: Planner): boolean {
  const tiling = tilingOf(c, c.out);
  if (!tiling) return false;
  const { groups, rows, depth, kernels, x, out } = c;
  const { points, tiles, frame } = tiling;
  const [images = 0, channels = 0, height = 0, width = 0] = out.shape;
  const chunk = chunkOf(images, frame.copyBytes + 4 * points * tiles * groups * (rows + depth), tiles);
  const copy = planner.temporary(chunk * frame.copyBytes);
  const packed = allot(planner, tiling, groups, rows * depth);
  const ins = allot(planner, tiling, groups, depth * chunk * tiles);
  const outs = allot(planner, tiling, groups, rows * chunk * tiles);
  const workspace = workspaceOf(planner);
  const panels = panelsOf(rows, planner.features);
  const { turned } = kernels;
  planner.run(
    moduleOf(`kernels ${turned}`, (r, features) => emitKernels(r, turned, features), tiling),
    'kernels',
    kernelWords.encode({
      from: kernels.from,
      fromGroup: kernels.group,
      fromRow: kernels.row,
      fromDepth: kernels.depth,
      to: packed.address,
      toPoint: packed.point,
      toGroup: packed.group,
      units: groups * panels.panels,
      rows,
      depth,
      ...panels,
    }),
    isSmallCopy(points * groups * rows * depth),
  );
  const results = moduleOf('toResults', emitToResults, tiling);
  const ends = { bias: c.bias === null ? 0 : addressOf(c.bias), relu: c.relu ? 1 : 0 };
  for (let first = 0; first < images; first += chunk) {
    const count = Math.min(chunk, images - first);
    const line = 4 * count * tiles;
    runToPoints(planner, 'pixels', tiling, [x, frame, copy], [first, count], ins, depth);
    runProduct(planner, strided, {
      a: packed.address,
      aGroup: packed.group,
      b: { address: ins.address, group: ins.group, lanes: 4, depth: line },
      c: { address: outs.address, group: outs.group, row: line, columns: 0 },
      groups: points * groups,
      rows,
      columns: count * tiles,
      depth,
      workspace,
    });
    const image = addressOf(out) + 4 * first * channels * height * width;
    const part = { image, height, width, count, channels };
    runTiles(planner, [results, 'toResults'], tiling, part, outs, rows, ends);
  }
  return true;
}

/**
 * Plans the gradient by the weight; false where the method can't do it or doesn't pay. All taps of a kernel come from
 * the same points, so each has the rounding error of the largest.
 */
export function planWinogradWeightGrad(args: Kernels['conv2dWeightGrad'], planner: Planner): boolean {
  const { x, grad, out } = args;
  const [images = 0] = grad.shape;
  const sizes = sizesOf(args, x, out.shape);
  const tiling = sizes && tilingOf(sizes, grad);
  if (!tiling) return false;
  const { groups, rows, depth } = sizes;
  const { points, tiles, frame } = tiling;
  const gradFrame = frameOf(grad.shape, 0, 0, tileResults * tiling.rows, tileResults * tiling.columns);
  const copies = frame.copyBytes + gradFrame.copyBytes;
  const chunk = chunkOf(images, copies + 4 * points * tiles * groups * (2 * rows + depth), tiles);
  const copy = planner.temporary(chunk * frame.copyBytes);
  const gradCopy = planner.temporary(chunk * gradFrame.copyBytes);
  const ins = allot(planner, tiling, groups, depth * chunk * tiles);
  const grads = allot(planner, tiling, groups, rows * chunk * tiles);
  const packed = planner.temporary(4 * points * groups * rows * chunk * tiles);
  const sums = allot(planner, tiling, groups, rows * depth);
  const workspace = workspaceOf(planner);
  const partials = new Partials(planner, sums.address, (points * sums.point) / 4, images * tiles);
  for (let first = 0; first < images; first += chunk) {
    const part: [number, number] = [first, Math.min(chunk, images - first)];
    const columns = part[1] * tiles;
    const line = 4 * columns;
    runToPoints(planner, 'pixels', tiling, [x, frame, copy], part, ins, depth);
    runToPoints(planner, 'gradients', tiling, [grad, gradFrame, gradCopy], part, grads, rows);
    const a = { address: grads.address, group: grads.group, lanes: line, depth: 4 };
    runPack(planner, strided, a, { groups: points * groups, rows, depth: columns }, packed);
    const product = {
      a: packed,
      aGroup: line * rows,
      b: { address: ins.address, group: ins.group, lanes: line, depth: 4 },
      c: { address: sums.address, group: sums.group, row: 4 * depth, columns: 0 },
      groups: points * groups,
      rows,
      columns: depth,
      depth: columns,
      accumulate: first > 0,
      workspace,
    };
    runInPartials(planner, strided, product, partials);
  }
  partials.sum();
  planner.run(
    moduleOf('kernelGrads', emitKernelGrads, tiling),
    'kernelGrads',
    kernelGradWords.encode({
      from: sums.address,
      fromPoint: sums.point,
      fromGroup: sums.group,
      to: addressOf(out),
      units: groups * rows,
      rows,
      depth,
    }),
    isSmallCopy(points * groups * rows * depth),
  );
  return true;
}
