/**
 * Softmax cross-entropy, a workgroup for each row: every invocation folds logits `local`, `local + 64`, ..., then
 * the 64 results are folded (workgroupFold.ts). The gradient is element-wise. The largest logit and
 * the sum of the others' exponentials stay apart, as in the contract.
 */
import type { Kernels } from '../../../../core/backend.js';
import { sizeOf } from '../../../../core/shape.js';
import { type Recorder, workgroupSize } from '../../runtime/recorder.js';
import { mathFunctions } from '../math/functions.js';
import { foldMemory, workgroupFold } from '../workgroupFold.js';

/** Terms an invocation adds up before it adds them to its sum: one sum over all would lose the last digits. */
const block = 32;

/** See `Kernels.crossEntropy`. */
export function crossEntropy(recorder: Recorder, args: Kernels['crossEntropy']): void {
  const { logits, labels, losses, peaks } = args;
  recorder.dispatch({
    key: 'crossEntropy',
    folds: true,
    functions: () => `${mathFunctions('f32', ['maximum', 'expOf', 'log1pOf'])}
${foldMemory(recorder, 2)}`,
    body: () => `let row = u.logitsAt + workgroup * u.C;
var most = u.lowest;
for (var j = local; j < u.C; j += ${workgroupSize}) { most = maximum(most, logits[row + j]); }
${workgroupFold(recorder, [{ name: 'most', fold: (a, b) => `maximum(${a}, ${b})` }])}
let largest = most;
var equal = 0.0;
var below = 0.0;
for (var start = local; start < u.C; start += ${workgroupSize * block}) {
  var some = 0.0;
  for (var j = start; j < min(start + ${workgroupSize * block}, u.C); j += ${workgroupSize}) {
    let logit = logits[row + j];
    if (logit == largest) { equal += 1.0; } else { some += expOf(logit - largest); }
  }
  below += some;
}
${workgroupFold(
  recorder,
  ['equal', 'below'].map((name) => ({ name, fold: (a, b) => `(${a} + ${b})` })),
)}
let ties = equal - 1.0;
if (local == 0) {
  let finite = (bitcast<u32>(largest) & 0x7fffffffu) < 0x7f800000u;
  let others = select(u.nan, below + ties, finite);
  let label = labels[u.labelsAt + workgroup];
  let known = label >= 0 && label < u.C;
  let loss = (largest - logits[row + clamp(label, 0, u.C - 1)]) + log1pOf(others);
  peaks[u.peaksAt + 2 * workgroup] = largest;
  peaks[u.peaksAt + 2 * workgroup + 1] = others;
  losses[u.lossesAt + workgroup] = select(u.nan, loss, known && finite);
}`,
    i32: { C: logits.shape[1]! },
    f32: { lowest: -Infinity, nan: NaN },
    read: { logits, labels },
    write: { losses, peaks },
    run: { workgroups: logits.shape[0]! },
  });
}

/** See `Kernels.crossEntropyGrad`. */
export function crossEntropyGrad(recorder: Recorder, args: Kernels['crossEntropyGrad']): void {
  const { logits, labels, peaks, grad, out } = args;
  recorder.dispatch({
    key: 'crossEntropyGrad',
    functions: () => mathFunctions('f32', ['expOf']),
    body: () => `let n = index / u.C;
let label = labels[u.labelsAt + n];
let logit = logits[u.logitsAt + index];
let largest = peaks[u.peaksAt + 2 * n];
let others = peaks[u.peaksAt + 2 * n + 1];
let all = 1.0 + others;
let weight = expOf(logit - largest);
let less = select(weight - all, -others, logit == largest);
let share = select(weight, less, index % u.C == label) / all * grad[u.gradAt + n];
out[u.outAt + index] = select(u.nan, share, label >= 0 && label < u.C);`,
    i32: { C: logits.shape[1]! },
    f32: { nan: NaN },
    read: { logits, labels, peaks, grad },
    write: { out },
    run: { invocations: sizeOf(out.shape) },
  });
}
