/**
 * The plan of row-wise kernels: whole rows at once where there are many of them along a dense axis, else pass by pass
 * (backends/foldMap.ts): few long rows in pieces whose number depends on the shape alone, and rows that lie apart in
 * memory, as a channel's pixels in all images do, stretch by stretch in the memory's order, in which it is quickest.
 */
import type { Kernels } from '../../../../core/backend.js';
import { contiguousStrides, sizeOf, type View } from '../../../../core/shape.js';
import { inPasses, type OnePass } from '../../../foldMap.js';
import { addressOf, floatBits, type KernelModule, type Planner } from '../../plan.js';
import { simplifyAxes } from '../axes.js';
import type { MapOperand } from '../map/code.js';
import { planMap } from '../map/plan.js';
import { planReduce } from '../reduce/plan.js';
import { blockRows, emitFoldMap, scratchBytes, shortLines } from './code.js';
import { type FoldMapKind, foldMapKey, foldMapWords } from './kind.js';

type Args = Kernels['foldMap'];

/** Elements of a kernel that is cut into pieces, units of work beyond which none is, and elements of a piece at the least. */
const long = 1 << 16;
const mostPieces = 64;
const leastPiece = 1 << 13;

/** Stretches of rows that lie apart: elements of a kernel that goes along them, and of one at the least. */
const large = 1 << 18;
const leastStretch = 32;

/** Kernels of fewer elements run on one thread. */
const small = 1 << 13;

/** Sizes and strides of the axes: of all operands, and of the kept numbers (which have none along the row). */
interface Axes {
  readonly kept: readonly number[];
  readonly reduced: readonly number[];
  /** For each operand along the kept axes and then the reduced ones, in elements. */
  readonly strides: readonly (readonly number[])[];
  readonly keep: readonly number[];
  readonly layout: FoldMapKind['layout'];
}

/** See `Kernels.foldMap`. Covers float32 views of up to three axes of either kind, once neighbours are joined. */
export function planFoldMap(args: Args, planner: Planner): boolean {
  const { shape, kept, inputs, outputs } = args;
  if ([...inputs, ...outputs].some((view) => view.dtype !== 'float32')) return false;
  if (sizeOf(shape.slice(0, kept)) === 0) return true;
  const axes = axesOf(args);
  if (axes === null || sizeOf(shape) === 0) return false;
  const isWhole = sizeOf(axes.kept) >= mostPieces && !liesApart(axes);
  if (axes.layout === 'rows' && (isWhole || sizeOf(shape) < long)) {
    run(args, axes, planner);
    return true;
  }
  inPasses(args, {
    temporary: (rows) => viewAt(planner.temporary(4 * Math.max(1, sizeOf(rows))), rows),
    fold: (pass) => planPass(pass, planner),
    map: (map) => planMap(map, planner),
  });
  return true;
}

function viewAt(buffer: number, shape: readonly number[]): View {
  return { buffer, dtype: 'float32', shape, strides: contiguousStrides(shape), offset: 0 };
}

/** Null where there are too many axes, or no layout is for them. */
function axesOf({ shape, kept, inputs, outputs }: Args): Axes | null {
  const views = [...inputs, ...outputs];
  const rows = shape.slice(0, kept);
  const outer = simplifyAxes(
    rows,
    [...views.map(({ strides }) => strides.slice(0, kept)), contiguousStrides(rows)],
    views.length,
  );
  const inner = simplifyAxes(
    shape.slice(kept),
    views.map(({ strides }) => strides.slice(kept)),
    0,
  );
  if (outer.shape.length > 3 || inner.shape.length > 3) return null;
  const strides = views.map((_, w) => [...outer.strides[w]!, ...inner.strides[w]!]);
  const across = strides.map((own) => own[outer.shape.length - 1]!);
  const keep = outer.strides[views.length]!;
  const runs = inner.strides[0]!.at(-1) === 1 || inner.shape.at(-1) === 1;
  const isAcross =
    keep.at(-1) === 1 && across.includes(1) && across.every((stride) => stride === 0 || stride === 1);
  return {
    kept: outer.shape,
    reduced: inner.shape,
    strides,
    keep,
    layout: isAcross && !runs ? 'columns' : 'rows',
  };
}

/** Whether a row is several stretches with others' in between. */
function liesApart({ kept, reduced, strides, layout }: Axes): boolean {
  const [x] = strides;
  return (
    layout === 'rows' &&
    reduced.length === 2 &&
    kept.length < 3 &&
    sizeOf(kept) * sizeOf(reduced) >= large &&
    reduced[1]! >= leastStretch &&
    x![kept.length]! > x![0]!
  );
}

/** Which reduced axis a pass is cut along, and into how many pieces. */
function cutOf(axes: Axes): { longest: number; pieces: number } {
  const { kept, reduced, layout } = axes;
  if (liesApart(axes)) return { longest: 0, pieces: reduced[0]! };
  const longest = reduced.indexOf(Math.max(...reduced));
  const total = sizeOf(kept) * sizeOf(reduced);
  if (total < long || unitsOf(axes) >= mostPieces || kept.length === 3) return { longest, pieces: 1 };
  const least = layout === 'columns' ? Math.ceil(sizeOf(reduced) / shortLines) : 0;
  const even = Math.min(mostPieces, Math.floor(total / leastPiece));
  return { longest, pieces: Math.min(Math.max(even, least), Math.floor(reduced[longest]! / 8)) };
}

/** One pass of numbers. */
function planPass(args: OnePass, planner: Planner): void {
  const axes = axesOf(args)!;
  const { kept, reduced, strides, keep } = axes;
  const { longest, pieces } = cutOf(axes);
  if (pieces < 2) {
    run(args, axes, planner);
    return;
  }
  const size = reduced[longest]!;
  const results = sizeOf(kept);
  const piece = Math.floor(size / pieces);
  const rest = size - pieces * piece;
  const lines = pieces + (rest > 0 ? 1 : 0);
  const partials = args.keeps.map(() => viewAt(planner.temporary(4 * lines * results), [lines, results]));
  const at = kept.length + longest;
  const cut = (length: number): number[] => reduced.map((n, axis) => (axis === longest ? length : n));
  const into = (line: number): View[] => partials.map((view) => ({ ...view, offset: line * results }));
  const each: Axes = {
    ...axes,
    kept: [pieces, ...kept],
    reduced: cut(piece),
    strides: strides.map((own) => [piece * own[at]!, ...own]),
    keep: [results, ...keep],
  };
  run({ ...args, keeps: into(0) }, each, planner);
  if (rest > 0) {
    const moved = (view: View, w: number): View => ({
      ...view,
      offset: view.offset + pieces * piece * strides[w]![at]!,
    });
    run(
      { ...args, inputs: args.inputs.map(moved), keeps: into(pieces) },
      { ...axes, reduced: cut(rest) },
      planner,
    );
  }
  partials.forEach((view, i) => {
    const x = { ...view, shape: [results, lines], strides: [1, results] };
    const out = { ...args.keeps[i]!, shape: [results], strides: [1] };
    planReduce({ op: args.numbers[i]!.op ?? 'sum', x, kept: 1, scale: 1, out }, planner);
  });
}

function unitsOf({ kept, layout }: Axes): number {
  const inner = layout === 'rows' ? kept.at(-1)! : Math.ceil(kept.at(-1)! / blockRows);
  return sizeOf(kept.slice(0, -1)) * inner;
}

function operandOf(stride: number): MapOperand {
  return { dtype: 'float32', inner: stride === 1 ? 'dense' : stride === 0 ? 'still' : 'strided' };
}

/** Enqueues the kernel over these axes. */
function run(args: Args, axes: Axes, planner: Planner): void {
  const { numbers, exprs, inputs, outputs, keeps, params } = args;
  const { kept, reduced, strides, keep, layout } = axes;
  const inner = layout === 'rows' ? kept.length + reduced.length - 1 : kept.length - 1;
  const operands = strides.map((own) => operandOf(own[inner]!));
  const kind: FoldMapKind = {
    layout,
    numbers,
    exprs,
    inputs: operands.slice(0, inputs.length),
    outputs: operands.slice(inputs.length),
    keeps: keeps.map((view) => view !== null),
    kept: kept.length,
    reduced: reduced.length,
    params: params.length,
    short: layout === 'columns' && sizeOf(reduced) <= shortLines,
  };
  const scratch =
    layout === 'columns' ? planner.temporary(scratchBytes * numbers.length * planner.threads) : 0;
  const words = [
    unitsOf(axes),
    scratch,
    ...kept,
    ...reduced,
    ...[...inputs, ...outputs].flatMap((view, w) => [
      addressOf(view),
      ...strides[w]!.map((stride) => 4 * stride),
    ]),
    ...keep.map((stride) => 4 * stride),
    ...keeps.map((view) => (view ? addressOf(view) : 0)),
    ...params.map(floatBits),
  ];
  const names = foldMapWords(kind).names;
  if (names.length !== words.length)
    throw new RangeError(`foldMap: ${words.length} words for ${names.length}`);
  const module: KernelModule = { key: foldMapKey(kind), emit: (features) => emitFoldMap(kind, features) };
  const work = sizeOf(kept) * sizeOf(reduced) * (numbers.length + exprs.length);
  planner.run(module, 'foldMap', words, work < small);
}
