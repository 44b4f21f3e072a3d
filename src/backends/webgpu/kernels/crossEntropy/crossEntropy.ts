/**
 * Softmax cross-entropy, a workgroup for each row: every invocation folds logits `local`, `local + 64`, ..., then
 * the 64 results are folded in a tree through workgroup memory. The gradient is element-wise.
 */
import type { Kernels } from '../../../../core/backend.js';
import { sizeOf } from '../../../../core/shape.js';
import { type Recorder, workgroupSize } from '../../runtime/recorder.js';
import { mathFunctions } from '../wgsl.js';

/** Statements that fold `parts` over the workgroup into `parts[0]`. */
function tree(fold: string): string {
  return `workgroupBarrier();
for (var half = ${workgroupSize / 2}; half > 0; half /= 2) {
  if (local < half) { let a = parts[local]; let b = parts[local + half]; parts[local] = ${fold}; }
  workgroupBarrier();
}`;
}

/** See `Kernels.crossEntropy`. */
export function crossEntropy(recorder: Recorder, args: Kernels['crossEntropy']): void {
  const { logits, labels, losses, logZ } = args;
  recorder.dispatch({
    key: 'crossEntropy',
    functions: () => `${mathFunctions('f32', ['maximum', 'expOf', 'logOf'])}
var<workgroup> parts: array<f32, ${workgroupSize}>;`,
    body: () => `let row = u.logitsAt + workgroup * u.C;
var most = u.lowest;
for (var j = local; j < u.C; j += ${workgroupSize}) { most = maximum(most, logits[row + j]); }
parts[local] = most;
${tree('maximum(a, b)')}
let largest = parts[0];
workgroupBarrier();
var sum = 0.0;
for (var j = local; j < u.C; j += ${workgroupSize}) { sum += expOf(logits[row + j] - largest); }
parts[local] = sum;
${tree('a + b')}
if (local == 0) {
  let value = largest + logOf(parts[0]);
  let label = labels[u.labelsAt + workgroup];
  let known = label >= 0 && label < u.C;
  logZ[u.logZAt + workgroup] = value;
  losses[u.lossesAt + workgroup] = select(u.nan, value - logits[row + clamp(label, 0, u.C - 1)], known);
}`,
    i32: { C: logits.shape[1]! },
    f32: { lowest: -Infinity, nan: NaN },
    read: { logits, labels },
    write: { losses, logZ },
    run: { workgroups: logits.shape[0]! },
  });
}

/** See `Kernels.crossEntropyGrad`. */
export function crossEntropyGrad(recorder: Recorder, args: Kernels['crossEntropyGrad']): void {
  const { logits, labels, logZ, grad, out } = args;
  recorder.dispatch({
    key: 'crossEntropyGrad',
    functions: () => mathFunctions('f32', ['expOf']),
    body: () => `let n = index / u.C;
let hit = select(0.0, 1.0, labels[u.labelsAt + n] == index % u.C);
let probability = expOf(logits[u.logitsAt + index] - logZ[u.logZAt + n]);
out[u.outAt + index] = (probability - hit) * grad[u.gradAt + n];`,
    i32: { C: logits.shape[1]! },
    read: { logits, labels, logZ, grad },
    write: { out },
    run: { invocations: sizeOf(out.shape) },
  });
}
