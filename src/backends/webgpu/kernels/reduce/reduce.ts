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

/** Invocations that keep a GPU busy, and elements that make an invocation worth its start. */
const enoughInvocations = 16_384;
const enoughElements = 32;

/** Elements that one invocation adds up at most. */
const mostElements = 4096;

/** See `Kernels.reduce`. */
export function reduce(recorder: Recorder, { op, x, kept, scale, out }: Kernels['reduce']): void {
  const rows = sizeOf(x.shape.slice(0, kept));
  const length = sizeOf(x.shape.slice(kept));
  if (rows === 0) return;
  if (!recorder.fits(x) && reduceHalves(recorder, { op, x, kept, scale, out })) return;
  const wanted = Math.max(
    Math.min(Math.floor(enoughInvocations / rows), Math.floor(length / enoughElements), 1024),
    Math.ceil(length / mostElements),
  );
  if (wanted < 2) {
    fold(recorder, op, x, kept, 1, scale, out);
    return;
  }
  const partial = recorder.temporary([rows, wanted]);
  fold(recorder, op, x, kept, wanted, 1, partial);
  reduce(recorder, { op, x: partial, kept: 1, scale, out });
  recorder.free(partial);
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

/** One run: `shares` partial results for each row. */
function fold(
  recorder: Recorder,
  op: Op,
  x: View,
  kept: number,
  shares: number,
  scale: number,
  out: View,
): void {
  const outer = mergeAxes(x.shape.slice(0, kept), [x.strides.slice(0, kept)]);
  const inner = mergeAxes(x.shape.slice(kept), [x.strides.slice(kept)]);
  const [outerRank, innerRank] = [outer.shape.length, inner.shape.length];
  const length = sizeOf(inner.shape);
  const levels = op === 'sum' ? levelsOf(length / shares) : 1;
  const position = (prefix: string, rank: number): string =>
    Array.from({ length: rank }, (_, axis) => ` + ${prefix}${axis} * u.${prefix}s${axis}`).join('');
  recorder.dispatch({
    key: `reduce ${op} ${outerRank} ${innerRank} in ${levels}`,
    functions: () => mathFunctions('f32', op === 'sum' ? [] : [choice[op]]),
    body: () => {
      const find = splitIndex('i', 'r', 'rn', innerRank);
      const next = `x[start${position('r', innerRank)}]`;
      const walk = { i: 'i', from: 'index % u.shares', to: 'u.length', step: 'u.shares' };
      const value =
        op === 'sum'
          ? sumOf({ sum: 'value', zero: '0.0', ...walk }, levels, find, next)
          : `var value = u.begin;
for (var i = ${walk.from}; i < u.length; i += u.shares) {
${find}
  value = ${choice[op]}(value, ${next});
}`;
      return `let row = index / u.shares;
${splitIndex('row', 'o', 'on', outerRank)}
let start = u.xAt${position('o', outerRank)};
${value}
out[u.outAt + index] = value * u.scale;`;
    },
    i32: {
      shares,
      length,
      ...numbered('on', outer.shape),
      ...numbered('os', outer.strides[0]!),
      ...numbered('rn', inner.shape),
      ...numbered('rs', inner.strides[0]!),
    },
    f32: { scale, begin: op === 'max' ? -Infinity : Infinity },
    read: { x },
    write: { out },
    run: { invocations: sizeOf(outer.shape) * shares },
  });
}
