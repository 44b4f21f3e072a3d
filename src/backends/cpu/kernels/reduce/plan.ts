/**
 * The plan of reductions: finds out which of the layouts of code.ts the view has; a long reduction with few results is
 * cut into pieces, whose number depends on its shape alone, and the pieces' results are reduced.
 */
import type { FoldOp, Kernels } from '../../../../core/backend.js';
import { contiguousStrides, isContiguous, sizeOf } from '../../../../core/shape.js';
import { addressOf, floatBits, type KernelModule, type Planner } from '../../plan.js';
import { simplifyAxes } from '../axes.js';
import {
  blockOf,
  emitReduce,
  linesAtOnce,
  mostAdditions,
  type ReduceLayout,
  reduceWords,
  scratchBytes,
} from './code.js';

/** Pieces that a long reduction is cut into at most, and units of work beyond which none is. */
const mostPieces = 64;

/** Elements of a long reduction. */
const longReduction = 1 << 16;

/** Elements of a piece of the outermost reduced axis at the least: of a dense run, and of others. */
const leastPiece = { run: 1024, lines: 128 };

/** Dense runs of so many results are wide, in reductions that are too large for a second level cache. */
const wideRun = 64;
const largeReduction = 1 << 17;

/** Reductions of fewer elements run on one thread. */
const smallReduction = 16384;

interface Axis {
  readonly size: number;
  /** In elements of x. */
  readonly stride: number;
  /** In elements of out; 0 for reduced axes. */
  readonly outStride: number;
}

interface Reduction {
  readonly op: FoldOp;
  /** Addresses. */
  readonly x: number;
  readonly out: number;
  readonly scale: number;
  readonly kept: readonly Axis[];
  readonly reduced: readonly Axis[];
}

/** The axes of a sum over all of so many elements that lie side by side. */
function wholeAxes(size: number): Pick<Reduction, 'kept' | 'reduced'> {
  return { kept: [{ size: 1, stride: 0, outStride: 0 }], reduced: [{ size, stride: 1, outStride: 0 }] };
}

function axesOfView(
  { x, kept }: Kernels['reduce'],
  keptShape: readonly number[],
): Pick<Reduction, 'kept' | 'reduced'> {
  const keptWalk = simplifyAxes(keptShape, [x.strides.slice(0, kept), contiguousStrides(keptShape)], 1);
  const reducedWalk = simplifyAxes(x.shape.slice(kept), [x.strides.slice(kept)], 0);
  return {
    kept: axesOf(keptWalk.shape, keptWalk.strides[0]!, keptWalk.strides[1]!),
    reduced: axesOf(reducedWalk.shape, reducedWalk.strides[0]!, []),
  };
}

/** See `Kernels.reduce`. Covers float32 views whose kept or reduced axes end in a dense run. */
export function planReduce(args: Kernels['reduce'], planner: Planner): boolean {
  const { op, x, out, scale } = args;
  if (x.dtype !== 'float32' || out.dtype !== 'float32') return false;
  const keptShape = x.shape.slice(0, args.kept);
  if (sizeOf(keptShape) === 0) return true;
  const whole = args.kept === 0 && isContiguous(x);
  const { kept, reduced } = whole ? wholeAxes(sizeOf(x.shape)) : axesOfView(args, keptShape);
  if (kept.length > 3 || reduced.length > 3) return false;

  const reduction = { op, x: addressOf(x), out: addressOf(out), scale, kept, reduced };
  const layout = layoutOf(reduction);
  if (layout === null) return false;
  plan(reduction, layout, planner);
  return true;
}

function plan(r: Reduction, layout: ReduceLayout, planner: Planner): void {
  const pieces = piecesOf(r, layout);
  if (pieces > 1) inPieces(r, layout, pieces, planner);
  else run(r, layout, planner);
}

/** How many pieces a reduction is cut into, by its shape alone. */
function piecesOf(r: Reduction, layout: ReduceLayout): number {
  const [longest, ...inner] = r.reduced;
  const isShort = sizesOf(r.kept) * sizesOf(r.reduced) < longReduction;
  if (isShort || unitsOf(r, layout) >= mostPieces || r.kept.length === 3) return 1;
  const least = inner.length === 0 && layout === 'rows' ? leastPiece.run : leastPiece.lines;
  return Math.min(mostPieces, Math.floor(longest!.size / least));
}

/** Enqueues `to[i] = sum over k of from[k * numbers + i]` over `lines` lines, both addresses of float32 numbers. */
export function sumLines(
  planner: Planner,
  { from, to, numbers, lines }: { from: number; to: number; numbers: number; lines: number },
): void {
  const kept = [{ size: numbers, stride: 1, outStride: 1 }];
  const reduced = [{ size: lines, stride: numbers, outStride: 0 }];
  const reduction: Reduction = { op: 'sum', x: from, out: to, scale: 1, kept, reduced };
  plan(reduction, layoutOf(reduction)!, planner);
}

function layoutOf({ kept, reduced }: Reduction): ReduceLayout | null {
  const [along, across] = [reduced.at(-1)!, kept.at(-1)!];
  if (along.stride === 1 || (along.size === 1 && across.stride !== 1)) return 'rows';
  if (across.stride !== 1 || across.outStride !== 1) return null;
  const isWide = across.size >= wideRun && sizesOf(kept) * sizesOf(reduced) >= largeReduction;
  return isWide ? 'wide' : 'columns';
}

const sizesOf = (axes: readonly Axis[]): number => axes.reduce((product, axis) => product * axis.size, 1);

function unitsOf({ kept }: Reduction, layout: ReduceLayout): number {
  if (layout === 'rows') return sizesOf(kept);
  return sizesOf(kept.slice(0, -1)) * Math.ceil(kept.at(-1)!.size / blockOf[layout]);
}

function axesOf(shape: readonly number[], strides: readonly number[], outStrides: readonly number[]): Axis[] {
  return shape.map((size, i) => ({ size, stride: strides[i]!, outStride: outStrides[i] ?? 0 }));
}

/**
 * The results of `pieces` equal pieces of the outermost reduced axis, and of what is left over, into memory of its own;
 * then theirs.
 */
function inPieces(r: Reduction, layout: ReduceLayout, pieces: number, planner: Planner): void {
  const results = sizesOf(r.kept);
  const partial = planner.temporary(4 * results * (pieces + 1));
  const [longest, ...inner] = r.reduced;
  const { size, stride } = longest!;
  const piece = Math.floor(size / pieces / linesAtOnce) * linesAtOnce;
  const rest = size - piece * pieces;
  const part = (length: number): Axis => ({ size: length, stride, outStride: 0 });
  const each = { size: pieces, stride: piece * stride, outStride: results };
  const cut = { ...r, scale: 1, out: partial, kept: [each, ...r.kept], reduced: [part(piece), ...inner] };
  run(cut, layout, planner);
  const last = {
    ...cut,
    x: r.x + 4 * piece * pieces * stride,
    out: partial + 4 * pieces * results,
    kept: r.kept,
    reduced: [part(rest), ...inner],
  };
  if (rest > 0) run(last, layout, planner);
  const lines = pieces + (rest > 0 ? 1 : 0);
  const kept = [{ size: results, stride: 1, outStride: 1 }];
  const partials = { ...r, x: partial, kept, reduced: [{ size: lines, stride: results, outStride: 0 }] };
  run(partials, layoutOf(partials)!, planner);
}

/** The modules of an operation, by layout; `short` is `columns` of few additions. */
function modulesOf(op: FoldOp): Readonly<Record<ReduceLayout | 'short', KernelModule>> {
  const moduleOf = (name: string, layout: ReduceLayout, short = false): KernelModule => ({
    key: `reduce ${op} ${name}`,
    emit: (features) => emitReduce(op, layout, short, features),
  });
  return {
    rows: moduleOf('rows', 'rows'),
    columns: moduleOf('columns', 'columns'),
    wide: moduleOf('wide', 'wide'),
    short: moduleOf('short', 'columns', true),
  };
}

const modules = { sum: modulesOf('sum'), max: modulesOf('max'), min: modulesOf('min') };

function run(r: Reduction, layout: ReduceLayout, planner: Planner): void {
  const [kept0, kept1, kept2] = threeAxes(r.kept);
  const [reduced0, reduced1, reduced2] = threeAxes(r.reduced);
  const words = reduceWords.encode({
    x: r.x,
    out: r.out,
    scale: floatBits(r.scale),
    units: unitsOf(r, layout),
    scratch: layout === 'wide' ? planner.temporary(scratchBytes * planner.threads) : 0,
    kept0: kept0.size,
    kept1: kept1.size,
    kept2: kept2.size,
    keptStride0: 4 * kept0.stride,
    keptStride1: 4 * kept1.stride,
    keptStride2: 4 * kept2.stride,
    outStride0: 4 * kept0.outStride,
    outStride1: 4 * kept1.outStride,
    outStride2: 4 * kept2.outStride,
    reduced0: reduced0.size,
    reduced1: reduced1.size,
    reduced2: reduced2.size,
    reducedStride0: 4 * reduced0.stride,
    reducedStride1: 4 * reduced1.stride,
    reducedStride2: 4 * reduced2.stride,
  });
  const short = layout === 'columns' && sizesOf(r.reduced) <= mostAdditions;
  const module = modules[r.op][short ? 'short' : layout];
  const total = sizesOf(r.kept) * sizesOf(r.reduced);
  planner.run(module, 'reduce', words, total < smallReduction);
}

/** Pads with axes of size 1 in front. */
function threeAxes(axes: readonly Axis[]): [Axis, Axis, Axis] {
  const one: Axis = { size: 1, stride: 0, outStride: 0 };
  const [a, b, c] = [one, one, one, ...axes].slice(-3);
  return [a!, b!, c!];
}
