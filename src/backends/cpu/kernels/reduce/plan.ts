/**
 * The plan of reductions: finds out which of the two layouts of code.ts the view has; a long sum with few
 * results is cut into pieces, whose number depends on its shape alone, and the pieces' sums are summed.
 */
import type { Kernels } from '../../../../core/backend.js';
import { contiguousStrides, sizeOf } from '../../../../core/shape.js';
import { addressOf, floatBits, type Planner } from '../../plan.js';
import { simplifyAxes } from '../axes.js';
import { columnBlock, emitReduce, type ReduceOp, reduceWords } from './code.js';

/** Pieces that a long run is cut into where there are fewer results than this. */
const pieces = 64;

/** Runs shorter than this aren't cut. */
const longRun = 1 << 16;

interface Axis {
  readonly size: number;
  /** In elements of x. */
  readonly stride: number;
  /** In elements of out; 0 for reduced axes. */
  readonly outStride: number;
}

interface Reduction {
  readonly op: ReduceOp;
  /** Addresses. */
  readonly x: number;
  readonly out: number;
  readonly scale: number;
  readonly kept: readonly Axis[];
  readonly reduced: readonly Axis[];
}

/** See `Kernels.reduce`. Covers float32 views whose kept or reduced axes end in a dense run. */
export function planReduce(args: Kernels['reduce'], planner: Planner): boolean {
  const { op, x, out, scale } = args;
  if (x.dtype !== 'float32' || out.dtype !== 'float32') return false;
  const keptShape = x.shape.slice(0, args.kept);
  if (sizeOf(keptShape) === 0) return true;
  const keptWalk = simplifyAxes(keptShape, [x.strides.slice(0, args.kept), contiguousStrides(keptShape)], 1);
  const kept = axesOf(keptWalk.shape, keptWalk.strides[0]!, keptWalk.strides[1]!);
  const reducedWalk = simplifyAxes(x.shape.slice(args.kept), [x.strides.slice(args.kept)], 0);
  const reduced = axesOf(reducedWalk.shape, reducedWalk.strides[0]!, []);
  if (kept.length > 3 || reduced.length > 3) return false;

  const reduction = { op, x: addressOf(x), out: addressOf(out), scale, kept, reduced };
  const run = reduced.at(-1)!;
  const columns = kept.at(-1)!;
  if (
    run.stride === 1 &&
    reduced.length === 1 &&
    run.size >= longRun &&
    kept.length < 3 &&
    sizeOf(keptShape) < pieces
  ) {
    inPieces(reduction, run.size, planner);
  } else if (run.stride === 1 || (run.size === 1 && columns.stride !== 1)) {
    runRows(reduction, planner);
  } else if (columns.stride === 1 && columns.outStride === 1) {
    runColumns(reduction, planner);
  } else {
    return false;
  }
  return true;
}

function axesOf(shape: readonly number[], strides: readonly number[], outStrides: readonly number[]): Axis[] {
  return shape.map((size, i) => ({ size, stride: strides[i]!, outStride: outStrides[i] ?? 0 }));
}

/** The sums of `pieces` pieces, and of what is left over, into memory of its own; then their sums. */
function inPieces(r: Reduction, length: number, planner: Planner): void {
  const results = r.kept.reduce((product, axis) => product * axis.size, 1);
  const columns = pieces + 1;
  const partial = planner.temporary(4 * results * columns);
  const piece = Math.floor(length / pieces);
  const toPartial = r.kept.map((axis) => ({ ...axis, outStride: axis.outStride * columns }));
  const pass = { ...r, out: partial, scale: 1 };
  runRows(
    {
      ...pass,
      kept: [...toPartial, { size: pieces, stride: piece, outStride: 1 }],
      reduced: [{ size: piece, stride: 1, outStride: 0 }],
    },
    planner,
  );
  const rest = length - piece * pieces;
  const restReduction = {
    ...pass,
    x: r.x + 4 * piece * pieces,
    out: partial + 4 * pieces,
    kept: toPartial,
    reduced: [{ size: rest, stride: 1, outStride: 0 }],
  };
  runRows(restReduction, planner);
  const fromPartial = r.kept.map((axis) => ({ ...axis, stride: axis.outStride * columns }));
  runRows(
    { ...r, x: partial, kept: fromPartial, reduced: [{ size: columns, stride: 1, outStride: 0 }] },
    planner,
  );
}

function runRows(r: Reduction, planner: Planner): void {
  const units = r.kept.reduce((product, axis) => product * axis.size, 1);
  run(r, 'rows', units, planner);
}

function runColumns(r: Reduction, planner: Planner): void {
  const inner = r.kept.at(-1)!.size;
  const outer = r.kept.slice(0, -1).reduce((product, axis) => product * axis.size, 1);
  run(r, 'columns', outer * Math.ceil(inner / columnBlock), planner);
}

function run(r: Reduction, layout: 'rows' | 'columns', units: number, planner: Planner): void {
  const [kept0, kept1, kept2] = threeAxes(r.kept);
  const [reduced0, reduced1, reduced2] = threeAxes(r.reduced);
  const words = reduceWords.encode({
    x: r.x,
    out: r.out,
    scale: floatBits(r.scale),
    units,
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
  const module = {
    key: `reduce ${r.op} ${layout}`,
    emit: (features: Planner['features']) => emitReduce(r.op, layout, features),
  };
  const total = [...r.kept, ...r.reduced].reduce((product, axis) => product * axis.size, 1);
  planner.run(module, 'reduce', words, total < smallReduction);
}

/** Reductions of fewer elements run on one thread. */
const smallReduction = 16384;

/** Pads with axes of size 1 in front. */
function threeAxes(axes: readonly Axis[]): [Axis, Axis, Axis] {
  const one: Axis = { size: 1, stride: 0, outStride: 0 };
  const [a, b, c] = [one, one, one, ...axes].slice(-3);
  return [a!, b!, c!];
}
