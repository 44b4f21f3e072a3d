/**
 * How results are cut into tiles for Winograd's method, whether that pays, and memory and commands of its steps.
 */
import type { Shape, View } from '../../../../core/shape.js';
import { type Method, methods, nameOf } from '../../../winograd.js';
import type { KernelModule, Planner } from '../../plan.js';
import { isSmall, isSmallCopy } from '../matmul/product.js';
import { multiplyModule, multiplyWords } from './multiply.js';
import {
  emitFromPoints,
  emitToPoints,
  fromPointsWords,
  type Result,
  type Side,
  scratchBytes,
  toPointsUnits,
  toPointsWords,
} from './points.js';
import { lineBytes, stripLanes, stripsOf } from './strips.js';

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
  /** Whether x is a gradient, and so are the results. */
  readonly byInput?: boolean;
}

/** Multiply-adds that take as long as moving a number of an image, or of a kernel, to a point or back. */
const moveCost = 24;
const kernelCost = 40;

/** How much longer a multiply-add of the direct way takes, whose operands must be packed. */
const directCost = 1.2;

/** How results are cut into tiles. */
interface Tiling {
  readonly method: Method;
  /** Number of points. */
  readonly points: number;
  readonly rows: number;
  readonly columns: number;
  /** Both multiplied. */
  readonly tiles: number;
}

/** The best tiling of `results` `[N, channels, OH, OW]`; null where no method can do it or would save time. */
export function tilingOf(sizes: Sizes, results: View): Tiling | null {
  const { rows: O, depth, kernel, x, top, left, byInput = false } = sizes;
  const [r, width] = kernel;
  const [images = 0, , H = 0, W = 0] = x.shape;
  const [, , OH = 0, OW = 0] = results.shape;
  if (images === 0 || r !== width) return null;
  if (top < 0 || left < 0 || top + H > OH + r - 1 || left + W > OW + r - 1) return null;
  let least = directCost * O * depth * r * r * OH * OW;
  let best: Tiling | null = null;
  for (const method of methods) {
    const side = method.results;
    if (method.taps !== r || OH < side || OW < side || (byInput && !method.byInput)) continue;
    const [rows, columns] = [Math.ceil(OH / side), Math.ceil(OW / side)];
    const [points, tiles] = [(side + r - 1) ** 2, rows * columns];
    const moved = moveCost * tiles * (O + depth) + (kernelCost * O * depth) / images;
    const cost = points * (O * depth * tiles + moved);
    if (cost > least) continue;
    least = cost;
    best = { method, points, rows, columns, tiles };
  }
  return best;
}

/** A matrix for each point and group, in strips of lanes. */
interface Matrices {
  readonly address: number;
  /** Bytes from one point, and from one group, to the next. */
  readonly point: number;
  readonly group: number;
}

/** Memory for matrices of so many lanes and steps. */
export function allot(
  planner: Planner,
  { points }: Tiling,
  groups: number,
  lanes: number,
  steps: number,
): Matrices {
  // Those of all points are written side by side: an odd number of lines apart they share no set of a cache.
  const group = lineBytes * ((stripsOf(lanes) * steps) | 1);
  return { address: planner.temporary(points * groups * group), point: groups * group, group };
}

/** Scratch memory for the ways to points and back. */
export function scratchOf(planner: Planner): number {
  return planner.temporary(planner.threads * scratchBytes);
}

/** A table of offsets `of(i)` elements, in bytes, of `count` lanes; the last fills up its strip. */
function laneTable(planner: Planner, name: string, count: number, of: (i: number) => number): number {
  return planner.table(`winograd ${name} ${count}`, () =>
    Int32Array.from({ length: stripLanes * stripsOf(count) }, (_, i) => 4 * of(Math.min(i, count - 1))),
  );
}

/** A table of multiples of `step` elements. */
export function multiplesTable(planner: Planner, count: number, step: number): number {
  return laneTable(planner, `multiples ${step}`, count, (i) => i * step);
}

/**
 * A table of the places of tiles in `images` of `[channels, height, width]`. The last tiles of a row or column overlap
 * those before them where they would reach beyond `limits`.
 */
export function tileTable(
  planner: Planner,
  { method: { results: side }, rows, columns, tiles }: Tiling,
  images: number,
  [channels = 0, height = 0, width = 0]: Shape,
  [bottom, right]: readonly [number, number],
): number {
  const name = `tiles ${side} ${rows} ${columns} in ${channels} ${height} ${width} to ${bottom} ${right}`;
  return laneTable(planner, name, images * tiles, (i) => {
    const [image, tile] = [Math.floor(i / tiles), i % tiles];
    const y = Math.min(side * Math.floor(tile / columns), bottom - side);
    const x = Math.min(side * (tile % columns), right - side);
    return (image * channels * height + y) * width + x;
  });
}

/** Patches that go to points: those of lane x and step k at `address + group * .. + lanes[x] + depth[k]`. */
interface Patches {
  readonly address: number;
  /** Bytes of a group, and of a line of pixels. */
  readonly group: number;
  readonly row: number;
  /** Addresses of tables, and how many entries they have. */
  readonly lanes: number;
  readonly laneCount: number;
  readonly depth: number;
  readonly steps: number;
}

/** Enqueues the way of patches to points. */
export function runToPoints(
  planner: Planner,
  side: Side,
  { method, points }: Tiling,
  patches: Patches,
  groups: number,
  to: Matrices,
  scratch: number,
): void {
  const module: KernelModule = {
    key: `winograd toPoints ${side} ${nameOf(method)}`,
    emit: (features) => emitToPoints(method, side, features),
  };
  const strips = stripsOf(patches.laneCount);
  const words = toPointsWords.encode({
    source: patches.address,
    sourceGroup: patches.group,
    lanes: patches.lanes,
    depth: patches.depth,
    rowBytes: patches.row,
    to: to.address,
    toPoint: to.point,
    toGroup: to.group,
    strips,
    steps: patches.steps,
    units: toPointsUnits(groups * strips, patches.steps),
    scratch,
  });
  planner.run(module, 'toPoints', words, isSmallCopy(points * groups * patches.laneCount * patches.steps));
}

/** Patches that come back: of row i and lane x at `address + group * .. + i * row + lanes[x]`. */
interface Results extends Omit<Patches, 'depth' | 'steps'> {
  /** Rows of a group, and bytes from one to the next. */
  readonly rows: number;
  readonly perRow: number;
  /** Address of a number for each row, of all groups. */
  readonly bias?: number;
  /** Bits of what results are at least. */
  readonly floor: number;
}

/** Enqueues the way back from points. */
export function runFromPoints(
  planner: Planner,
  result: Result,
  { method, points }: Tiling,
  results: Results,
  groups: number,
  from: Matrices,
  scratch: number,
): void {
  const module: KernelModule = {
    key: `winograd fromPoints ${result} ${nameOf(method)}`,
    emit: (features) => emitFromPoints(method, result, features),
  };
  const words = fromPointsWords.encode({
    from: from.address,
    fromPoint: from.point,
    fromGroup: from.group,
    to: results.address,
    toGroup: results.group,
    toRow: results.perRow,
    lanes: results.lanes,
    rowBytes: results.row,
    count: results.laneCount,
    rows: results.rows,
    units: groups * results.rows,
    bias: results.bias ?? 0,
    zero: 0,
    floor: results.floor,
    scratch,
  });
  planner.run(module, 'fromPoints', words, isSmallCopy(points * groups * results.laneCount * results.rows));
}

/** Enqueues the products at all points: of `rows` lanes of a and `columns` of b. */
export function runMultiply(
  planner: Planner,
  [a, aSteps]: readonly [Matrices, number],
  [b, bSteps]: readonly [Matrices, number],
  c: Matrices,
  size: {
    /** Points times groups. */
    readonly matrices: number;
    readonly rows: number;
    readonly columns: number;
    readonly depth: number;
    /** Step that the sums begin at. */
    readonly first?: number;
    readonly accumulate?: boolean;
  },
): void {
  const { matrices, rows, columns, depth, first = 0, accumulate = false } = size;
  const words = multiplyWords.encode({
    a: a.address + first * lineBytes,
    aMatrix: a.group,
    aStrip: aSteps * lineBytes,
    b: b.address + first * lineBytes,
    bMatrix: b.group,
    bStrip: bSteps * lineBytes,
    c: c.address,
    cMatrix: c.group,
    matrices,
    rows,
    columns,
    depth,
    accumulate: accumulate ? 1 : 0,
  });
  planner.run(multiplyModule, 'multiply', words, isSmall(matrices * rows * columns * depth));
}
