/**
 * Reductions, in a fixed order: row r of the output is shared by T invocations; number t folds elements t, t + T,
 * t + 2T, ... (neighbours in memory by neighbours in the workgroup), and further runs fold the T partial results. Sums
 * are nested, within an invocation and by the runs, so that long ones keep their digits.
 */
import type { Kernels } from '../../../../core/backend.js';
import { sizeOf, type View } from '../../../../core/shape.js';
import type { Recorder } from '../../runtime/recorder.js';
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

/** Adds up chunks `[chunks, size of out]` of partial sums. */
export function sumChunks(recorder: Recorder, chunks: View, out: View): void {
  const [count = 0, size = 0] = chunks.shape;
  reduce(recorder, {
    op: 'sum',
    x: { ...chunks, shape: [size, count], strides: [1, size] },
    kept: 1,
    scale: 1,
    out: { ...out, shape: [size], strides: [1] },
  });
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
