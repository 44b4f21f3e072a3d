/**
 * Reductions, in a fixed order: row r of the output is shared by T invocations; number t folds elements t, t + T,
 * t + 2T, ... (neighbours in memory by neighbours in the workgroup), and further runs fold the T partial results. Sums
 * are nested, within an invocation and by the runs, so that long ones keep their digits.
 */
import type { Kernels } from '../../../../core/backend.js';
import { e } from '../../../../core/expr.js';
import { sizeOf, type View } from '../../../../core/shape.js';
import type { Recorder } from '../../runtime/recorder.js';
import { halvesOf, sliceOf, widestAxis } from '../cuts.js';
import { map } from '../map/map.js';
import { mathFunctions } from '../math/functions.js';
import { levelsOf, mergeAxes, numbered, splitIndex, sumOf } from '../wgsl.js';

type Op = Kernels['reduce']['op'];

/** Invocations that keep a large GPU busy (an H100 has 270,336), and elements that make an invocation worth its start. */
const enoughInvocations = 131_072;
const enoughElements = 32;

/** Elements that one invocation adds up at most. */
const mostElements = 4096;

/** Invocations of a workgroup that folds partial results, too: of a row or of several. */
const workgroup = 256;

/** See `Kernels.reduce`. */
export function reduce(recorder: Recorder, { op, x, kept, scale, out }: Kernels['reduce']): void {
  const rows = sizeOf(x.shape.slice(0, kept));
  const length = sizeOf(x.shape.slice(kept));
  if (rows === 0) return;
  if (!recorder.fits(x) && reduceHalves(recorder, { op, x, kept, scale, out })) return;
  const shares = sharesOf(rows, length);
  if (shares < 2) {
    fold(recorder, { op, x, kept, shares: 1, scale, out });
    return;
  }
  if (shares <= workgroup && recorder.tileDevice.tiles !== 'direct') {
    foldAtOnce(recorder, { op, x, kept, shares, scale, out });
    return;
  }
  const partial = recorder.temporary([rows, shares]);
  fold(recorder, { op, x, kept, shares, scale: 1, out: partial });
  reduce(recorder, { op, x: partial, kept: 1, scale, out });
  recorder.free(partial);
}

/** Invocations that share a row. */
function sharesOf(rows: number, length: number): number {
  return Math.max(
    Math.min(Math.floor(enoughInvocations / rows), Math.floor(length / enoughElements), 1024),
    Math.ceil(length / mostElements),
  );
}

/** Reduces both halves of a view that a kernel can't see as a whole; false where it can't be halved. */
function reduceHalves(recorder: Recorder, args: Kernels['reduce']): boolean {
  const { op, x, kept, scale, out } = args;
  const axis = widestAxis(x);
  const n = x.shape[axis]!;
  if (n === 1) return false;
  if (axis < kept) {
    // Halves of the result are dense along its first axis alone.
    if (x.shape.slice(0, axis).some((size) => size > 1)) return false;
    for (const half of halvesOf(n)) {
      reduce(recorder, { op, x: sliceOf(x, axis, half), kept, scale, out: sliceOf(out, axis, half) });
    }
    return true;
  }
  // Each half into a buffer of its own: one of both might be too large again.
  const shape = x.shape.slice(0, kept);
  const halves = halvesOf(n).map((half) => {
    const part = recorder.temporary(shape);
    reduce(recorder, { op, x: sliceOf(x, axis, half), kept, scale: 1, out: part });
    return part;
  });
  const both = { sum: e.add, max: e.max, min: e.min }[op](e.input(0), e.input(1));
  const exprs = [e.mul(both, e.param(0))];
  map(recorder, { exprs, shape, inputs: halves, outputs: [{ ...out, shape }], params: [scale], draw: null });
  for (const half of halves) recorder.free(half);
  return true;
}

/** A matrix with its axes exchanged. */
function turned(view: View): View {
  const [rows = 0, columns = 0] = view.shape;
  return { ...view, shape: [columns, rows], strides: [1, columns] };
}

/** Adds up chunks `[chunks, size of out]` of partial sums. */
export function sumChunks(recorder: Recorder, chunks: View, out: View): void {
  const dense = { ...out, shape: [sizeOf(out.shape)], strides: [1] };
  reduce(recorder, { op: 'sum', x: turned(chunks), kept: 1, scale: 1, out: dense });
}

/** What keeps one of two elements. */
const choice = { max: 'maximum', min: 'minimum' } as const;

/** How x is walked: the axes of rows and of what is folded, and WGSL that finds elements `i` of row `row`. */
function walkOf(x: View, kept: number) {
  const outer = mergeAxes(x.shape.slice(0, kept), [x.strides.slice(0, kept)]);
  const inner = mergeAxes(x.shape.slice(kept), [x.strides.slice(kept)]);
  const [outerRank, innerRank] = [outer.shape.length, inner.shape.length];
  const position = (prefix: string, rank: number): string =>
    Array.from({ length: rank }, (_, axis) => ` + ${prefix}${axis} * u.${prefix}s${axis}`).join('');
  return {
    rows: sizeOf(outer.shape),
    length: sizeOf(inner.shape),
    ranks: `${outerRank} ${innerRank}`,
    start: () => `${splitIndex('row', 'o', 'on', outerRank)}
let start = u.xAt${position('o', outerRank)};`,
    find: () => splitIndex('i', 'r', 'rn', innerRank),
    element: () => `x[start${position('r', innerRank)}]`,
    numbers: {
      ...numbered('on', outer.shape),
      ...numbered('os', outer.strides[0]!),
      ...numbered('rn', inner.shape),
      ...numbered('rs', inner.strides[0]!),
    },
  };
}

/** Terms that are folded into a variable: the index `i` from `from` on, below `to`, by `step`. */
interface Terms extends Readonly<Record<'i' | 'from' | 'to' | 'step' | 'term', string>> {
  /** Statements before each term. */
  readonly find?: string;
}

/** Statements that fold terms into a new variable, sums in so many levels. */
function folded(op: Op, name: string, { find = '', term, ...walk }: Terms, levels: 1 | 2 | 3): string {
  if (op === 'sum') return sumOf({ sum: name, zero: '0.0', ...walk }, levels, find, term);
  return `var ${name} = u.begin;
for (var ${walk.i} = ${walk.from}; ${walk.i} < ${walk.to}; ${walk.i} += ${walk.step}) {
${find}
  ${name} = ${choice[op]}(${name}, ${term});
}`;
}

const functionsOf = (op: Op): string => mathFunctions('f32', op === 'sum' ? [] : [choice[op]]);

/** Where folds begin that aren't sums. */
const beginOf = (op: Op): number => (op === 'max' ? -Infinity : Infinity);

/** A reduction whose rows are shared by so many invocations each. */
type Shared = Kernels['reduce'] & { readonly shares: number };

/** One run: `shares` partial results for each row. */
function fold(recorder: Recorder, { op, x, kept, shares, scale, out }: Shared): void {
  const { rows, length, ranks, start, find, element, numbers } = walkOf(x, kept);
  const levels = op === 'sum' ? levelsOf(length / shares) : 1;
  recorder.dispatch({
    key: `reduce ${op} ${ranks} in ${levels}`,
    functions: () => functionsOf(op),
    body: () => {
      const terms = { i: 'i', from: 'index % u.shares', to: 'u.length', step: 'u.shares' };
      return `let row = index / u.shares;
${start()}
${folded(op, 'value', { ...terms, find: find(), term: element() }, levels)}
out[u.outAt + index] = value * u.scale;`;
    },
    i32: { shares, length, ...numbers },
    f32: { scale, begin: beginOf(op) },
    read: { x },
    write: { out },
    run: { invocations: rows * shares },
  });
}

/** All runs in one, a workgroup for each few rows: partial results of `shares` invocations, folded by `fewer`, then by one. */
function foldAtOnce(recorder: Recorder, { op, x, kept, shares, scale, out }: Shared): void {
  const { rows, length, ranks, start, find, element, numbers } = walkOf(x, kept);
  const fewer = sharesOf(rows, shares);
  const [first, second] = [levelsOf(length / shares), levelsOf(shares / fewer)];
  const together = Math.floor(workgroup / shares);
  recorder.dispatch({
    key: `reduce ${op} ${ranks} at once in ${op === 'sum' ? `${first} ${second}` : 1}`,
    functions: () => `${functionsOf(op)}
var<workgroup> parts: array<f32, ${workgroup}>;`,
    body: () => {
      const own = { i: 'i', to: 'u.length', step: 'u.shares', find: find(), term: element() };
      const ofParts = { i: 'j', to: 'begin + u.shares', step: 'u.fewer', term: 'parts[j]' };
      const last = {
        i: 'k',
        from: 'local * u.fewer',
        to: '(local + 1) * u.fewer',
        step: '1',
        term: 'parts[k]',
      };
      return `let row = workgroup * u.together + local / u.shares;
let busy = local < u.together * u.shares && row < u.rows;
${start()}
${folded(op, 'value', { ...own, from: 'select(u.length, local % u.shares, busy)' }, first)}
parts[local] = value;
workgroupBarrier();
let begin = select(${workgroup}, local / u.fewer * u.shares, local < u.together * u.fewer);
${folded(op, 'part', { ...ofParts, from: `select(begin + u.shares, begin + local % u.fewer, begin < ${workgroup})` }, second)}
workgroupBarrier();
parts[local] = part;
workgroupBarrier();
let result = workgroup * u.together + local;
if (local < u.together && result < u.rows) {
${folded(op, 'total', last, 1)}
out[u.outAt + result] = total * u.scale;
}`;
    },
    i32: { shares, fewer, together, rows, length, ...numbers },
    f32: { scale, begin: beginOf(op) },
    read: { x },
    write: { out },
    run: { workgroups: Math.ceil(rows / together), size: workgroup },
  });
}
