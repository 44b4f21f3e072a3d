/**
 * Local response normalization across channels and its gradient, an invocation for each element:
 * `d[i] = k + alpha * sum over j in [i - h, i - h + size - 1] of x[j]^2`, `h = floor(size / 2)`.
 *
 * The gradient goes in two runs, so that the powers are taken once for each element: the first leaves
 * `grad * d^-beta` in `out` and `grad * x * d^(-beta - 1)` in a temporary, the second sums the temporary's windows.
 */
import type { Kernels, LrnGeometry } from '../../../core/backend.js';
import { sizeOf, type View } from '../../../core/shape.js';
import type { Recorder } from '../recorder.js';

function numbers(g: LrnGeometry, x: View): { i32: Record<string, number>; f32: Record<string, number> } {
  return {
    i32: { C: x.shape[1]!, plane: x.shape[2]! * x.shape[3]!, size: g.size, half: Math.floor(g.size / 2) },
    f32: { alpha: g.alpha, beta: g.beta, k: g.k },
  };
}

/** Statements that give `channel`, `first` (index of the pixel's channel 0), `d`, and `power` = d^-beta. */
const denominator = `let channel = index / u.plane % u.C;
let first = index - channel * u.plane;
var squares = 0.0;
for (var j = max(0, channel - u.half); j <= min(u.C - 1, channel - u.half + u.size - 1); j++) {
  let v = x[u.xAt + first + j * u.plane];
  squares += v * v;
}
let d = u.k + u.alpha * squares;
let power = pow(d, -u.beta);`;

/** See `Kernels.lrn`. */
export function lrn(recorder: Recorder, args: Kernels['lrn']): void {
  const { x, out } = args;
  recorder.dispatch({
    key: 'lrn',
    body: () => `${denominator}\nout[u.outAt + index] = x[u.xAt + index] * power;`,
    ...numbers(args, x),
    read: { x },
    write: { out },
    run: { invocations: sizeOf(x.shape) },
  });
}

/** See `Kernels.lrnGrad`. */
export function lrnGrad(recorder: Recorder, args: Kernels['lrnGrad']): void {
  const { x, grad, out } = args;
  const shares = recorder.temporary(x.shape);
  recorder.dispatch({
    key: 'lrnGrad shares',
    body: () => `${denominator}
let direct = grad[u.gradAt + index] * power;
out[u.outAt + index] = direct;
shares[u.sharesAt + index] = direct * x[u.xAt + index] / d;`,
    ...numbers(args, x),
    read: { x, grad },
    write: { out, shares },
    run: { invocations: sizeOf(x.shape) },
  });
  recorder.dispatch({
    key: 'lrnGrad sum',
    body: () => `let channel = index / u.plane % u.C;
let first = index - channel * u.plane;
var sum = 0.0;
for (var j = max(0, channel + u.half - u.size + 1); j <= min(u.C - 1, channel + u.half); j++) {
  sum += shares[u.sharesAt + first + j * u.plane];
}
out[u.outAt + index] -= 2.0 * u.alpha * u.beta * x[u.xAt + index] * sum;`,
    ...numbers(args, x),
    read: { x, shares },
    write: { out },
    run: { invocations: sizeOf(x.shape) },
  });
  recorder.free(shares);
}
