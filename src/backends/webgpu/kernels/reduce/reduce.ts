/**
 * Reductions, in a fixed order: row r of the output is shared by T invocations; number t folds elements t, t + T,
 * t + 2T, ... (neighbours in memory by neighbours in the workgroup), and a second run folds the T partial results.
 */
import type { Kernels } from '../../../../core/backend.js';
import { sizeOf, type View } from '../../../../core/shape.js';
import type { Recorder } from '../../runtime/recorder.js';
import { mathFunctions } from '../math/functions.js';
import { mergeAxes, numbered, splitIndex } from '../wgsl.js';

type Op = Kernels['reduce']['op'];

/** Invocations that keep a GPU busy, and elements that make an invocation worth its start. */
const enoughInvocations = 16_384;
const enoughElements = 32;

const foldOf: Readonly<Record<Op, string>> = {
  sum: 'value + next',
  max: 'maximum(value, next)',
  min: 'minimum(value, next)',
};

/** See `Kernels.reduce`. */
export function reduce(recorder: Recorder, { op, x, kept, scale, out }: Kernels['reduce']): void {
  const rows = sizeOf(x.shape.slice(0, kept));
  const length = sizeOf(x.shape.slice(kept));
  if (rows === 0) return;
  const wanted = Math.min(Math.floor(enoughInvocations / rows), Math.floor(length / enoughElements), 1024);
  if (wanted < 2) {
    fold(recorder, op, x, kept, 1, scale, out);
    return;
  }
  const partial = recorder.temporary([rows, wanted]);
  fold(recorder, op, x, kept, wanted, 1, partial);
  fold(recorder, op, partial, 1, 1, scale, out);
  recorder.free(partial);
}

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
  const position = (prefix: string, rank: number): string =>
    Array.from({ length: rank }, (_, axis) => ` + ${prefix}${axis} * u.${prefix}s${axis}`).join('');
  recorder.dispatch({
    key: `reduce ${op} ${outerRank} ${innerRank}`,
    functions: () => mathFunctions('f32', op === 'sum' ? [] : [op === 'max' ? 'maximum' : 'minimum']),
    body: () => `let row = index / u.shares;
${splitIndex('row', 'o', 'on', outerRank)}
let start = u.xAt${position('o', outerRank)};
var value = ${op === 'sum' ? '0.0' : 'u.begin'};
for (var i = index % u.shares; i < u.length; i += u.shares) {
${splitIndex('i', 'r', 'rn', innerRank)}
  let next = x[start${position('r', innerRank)}];
  value = ${foldOf[op]};
}
out[u.outAt + index] = value * u.scale;`,
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
