/**
 * Images in tiles for Winograd's method: how results are cut, whether that pays, and the commands that bring images to
 * their points and back (tiles.ts).
 */
import type { View } from '../../../../core/shape.js';
import type { KernelModule, Planner } from '../../plan.js';
import { type Frame, framed, frameOf } from '../conv/images.js';
import { isSmallCopy } from '../matmul/product.js';
import { hasPoints, tileResults } from './code.js';
import { emitToPoints, type Side, tilesAtOnce, tileWords } from './tiles.js';

/** What a convolution of stride 1 and its gradients have in common. */
export interface Sizes {
  readonly groups: number;
  /** Channels of a group: of the results, and of x. */
  readonly rows: number;
  readonly depth: number;
  /** Sides of the kernels. */
  readonly kernel: readonly [number, number];
  /** Images `[N, groups * depth, H, W]`. */
  readonly x: View;
  /** Zeros above and left of x that results see. */
  readonly top: number;
  readonly left: number;
}

/** Multiply-adds that take as long as moving a number to a point or back. */
const moveCost = 16;

/** How results are cut into tiles. */
interface Tiling {
  /** Side of the kernels, and number of points. */
  readonly r: number;
  readonly points: number;
  readonly rows: number;
  readonly columns: number;
  /** Both multiplied. */
  readonly tiles: number;
  /** x in the zeros that tiles see. */
  readonly frame: Frame;
}

/** The tiling of `results` `[N, channels, OH, OW]`; null where the method can't do it or wouldn't save time. */
export function tilingOf({ rows: O, depth, kernel, x, top, left }: Sizes, results: View): Tiling | null {
  const [r, width] = kernel;
  const [images = 0, , H = 0, W = 0] = x.shape;
  const [, , OH = 0, OW = 0] = results.shape;
  const [rows, columns] = [Math.ceil(OH / tileResults), Math.ceil(OW / tileResults)];
  if (images === 0 || r !== width || !hasPoints(r) || depth % 4 !== 0 || columns < tilesAtOnce) return null;
  const [high, wide] = [tileResults * rows + r - 1, tileResults * columns + r - 1];
  if (top < 0 || left < 0 || top + H > high || left + W > wide) return null;
  const [points, tiles] = [(tileResults + r - 1) ** 2, rows * columns];
  const moved = tiles * (O + depth) + (O * depth) / images;
  if (points * (O * depth * tiles + moveCost * moved) > O * depth * r * r * OH * OW) return null;
  return { r, points, rows, columns, tiles, frame: frameOf(x.shape, top, left, high, wide) };
}

/** A matrix for each point and group. */
interface Matrices {
  readonly address: number;
  /** Bytes from one point, and from one group, to the next. */
  readonly point: number;
  readonly group: number;
}

/** Memory for matrices of so many numbers. */
export function allot(planner: Planner, { points }: Tiling, groups: number, numbers: number): Matrices {
  // Those of all points are written side by side: an odd number of lines apart they share no set of a cache.
  const group = 64 * (Math.ceil(numbers / 16) | 1);
  return { address: planner.temporary(points * groups * group), point: groups * group, group };
}

/** The module that `emit` makes for the tiling's kernels. */
export function moduleOf(
  name: string,
  emit: (kernel: number, features: Planner['features']) => Uint8Array<ArrayBuffer>,
  { r }: Tiling,
): KernelModule {
  return { key: `winograd ${name} ${r}`, emit: (features) => emit(r, features) };
}

/** Images `[count, channels, height, width]`. */
interface Images {
  readonly image: number;
  readonly height: number;
  readonly width: number;
  readonly count: number;
  readonly channels: number;
}

/** Enqueues the way of images to points or back, the channels of a group being `perGroup`. */
export function runTiles(
  planner: Planner,
  [module, fn]: [KernelModule, string],
  tiling: Tiling,
  { image, height, width, count, channels }: Images,
  matrices: Matrices,
  perGroup: number,
  ends: { readonly bias: number; readonly relu: number } = { bias: 0, relu: 0 },
): void {
  const words = tileWords.encode({
    image,
    planeBytes: 4 * height * width,
    rowBytes: 4 * width,
    height,
    width,
    points: matrices.address,
    pointBytes: matrices.point,
    groupBytes: matrices.group,
    lineBytes: 4 * count * tiling.tiles,
    units: count * channels,
    channels,
    perGroup,
    tileRows: tiling.rows,
    tileColumns: tiling.columns,
    ...ends,
  });
  planner.run(module, fn, words, isSmallCopy(tiling.points * tiling.tiles * count * channels));
}

/**
 * Enqueues what takes `count` images, from number `first` on, to points; images that need zeros around are copied to
 * `copy` first.
 */
export function runToPoints(
  planner: Planner,
  side: Side,
  tiling: Tiling,
  [view, frame, copy]: [View, Frame, number],
  [first, count]: [number, number],
  matrices: Matrices,
  perGroup: number,
): void {
  const module = moduleOf(`toPoints ${side}`, (r, features) => emitToPoints(r, side, features), tiling);
  const image = framed(planner, view, frame, first, count, copy);
  const images = { image, count, ...frame };
  runTiles(planner, [module, 'toPoints'], tiling, images, matrices, perGroup);
}
