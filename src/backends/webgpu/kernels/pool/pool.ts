/**
 * Pooling, an invocation for each output pixel, and its gradient, an invocation for each input pixel that sums what
 * the windows holding it send back (no two invocations write the same element).
 */
import type { Kernels, PoolGeometry } from '../../../../core/backend.js';
import { type Shape, sizeOf } from '../../../../core/shape.js';
import type { Recorder } from '../../runtime/recorder.js';
import { byImages } from '../cuts.js';
import { mathFunctions } from '../math/functions.js';

function geometry(g: PoolGeometry, image: Shape, out: Shape): Record<string, number> {
  return {
    H: image[2]!,
    W: image[3]!,
    OH: out[2]!,
    OW: out[3]!,
    kh: g.kernel[0],
    kw: g.kernel[1],
    sv: g.stride[0],
    sh: g.stride[1],
    top: g.padding[0],
    left: g.padding[1],
    bottom: g.padding[2],
    right: g.padding[3],
  };
}

/** The window of output (oy, ox): rows [y0, y1), columns [x0, x1), and `area`, the divisor of an average. */
function windowStatements(g: PoolGeometry): string {
  const area = g.countIncludePad
    ? '(min(u.H + u.bottom, firstY + u.kh) - firstY) * (min(u.W + u.right, firstX + u.kw) - firstX)'
    : '(y1 - y0) * (x1 - x0)';
  return `let firstY = oy * u.sv - u.top; let firstX = ox * u.sh - u.left;
let y0 = max(0, firstY); let y1 = min(u.H, firstY + u.kh);
let x0 = max(0, firstX); let x1 = min(u.W, firstX + u.kw);
let area = f32(${area});`;
}

/** See `Kernels.pool2d`. */
export function pool2d(recorder: Recorder, args: Kernels['pool2d']): void {
  const { x, out, indices } = args;
  byImages(recorder, [x, out], (slice) =>
    pool(recorder, { ...args, x: slice(x), out: slice(out), indices: indices && slice(indices) }),
  );
}

function pool(recorder: Recorder, args: Kernels['pool2d']): void {
  const { mode, x, out, indices } = args;
  const step = {
    avg: 'line += value;',
    max: 'if (value > largest || (isNan(value) && !isNan(largest))) { largest = value; place = iy * u.W + ix; }',
  }[mode];
  recorder.dispatch({
    key: `pool2d ${mode} ${args.countIncludePad}`,
    functions: () => mathFunctions('f32', ['isNan']),
    body: () => `let line = index / u.OW; let ox = index - line * u.OW;
let plane = line / u.OH; let oy = line - plane * u.OH;
${windowStatements(args)}
let start = u.xAt + plane * u.H * u.W;
var sum = 0.0; var largest = u.lowest; var place = y0 * u.W + x0;
for (var iy = y0; iy < y1; iy++) {
  var line = 0.0;
  for (var ix = x0; ix < x1; ix++) {
    let value = x[start + iy * u.W + ix];
    ${step}
  }
  sum += line;
}
out[u.outAt + index] = ${mode === 'max' ? 'largest' : 'sum / area'};
${indices ? 'indices[u.indicesAt + index] = place;' : ''}`,
    i32: geometry(args, x.shape, out.shape),
    f32: { lowest: -Infinity },
    read: { x },
    write: indices ? { out, indices } : { out },
    run: { invocations: sizeOf(out.shape) },
  });
}

/** See `Kernels.pool2dGrad`. */
export function pool2dGrad(recorder: Recorder, args: Kernels['pool2dGrad']): void {
  const { grad, indices, out } = args;
  byImages(recorder, [grad, out], (slice) =>
    poolGrad(recorder, { ...args, grad: slice(grad), indices: indices && slice(indices), out: slice(out) }),
  );
}

function poolGrad(recorder: Recorder, args: Kernels['pool2dGrad']): void {
  const { grad, indices, out } = args;
  recorder.dispatch({
    key: `pool2dGrad ${args.mode} ${args.countIncludePad}`,
    // The windows holding row y are those oy with oy * sv - top in (y - kh, y].
    body: () => `let line = index / u.W; let x = index - line * u.W;
let plane = line / u.H; let y = line - plane * u.H;
let lastY = min(u.OH - 1, (y + u.top) / u.sv); let lastX = min(u.OW - 1, (x + u.left) / u.sh);
var sum = 0.0;
for (var oy = lastY; oy >= 0 && oy * u.sv - u.top > y - u.kh; oy--) {
  var line = 0.0;
  for (var ox = lastX; ox >= 0 && ox * u.sh - u.left > x - u.kw; ox--) {
    let source = (plane * u.OH + oy) * u.OW + ox;
    ${
      indices
        ? 'line += select(0.0, grad[u.gradAt + source], indices[u.indicesAt + source] == y * u.W + x);'
        : `${windowStatements(args)}\n    line += grad[u.gradAt + source] / area;`
    }
  }
  sum += line;
}
out[u.outAt + index] = sum;`,
    i32: geometry(args, out.shape, grad.shape),
    read: indices ? { grad, indices } : { grad },
    write: { out },
    run: { invocations: sizeOf(out.shape) },
  });
}
