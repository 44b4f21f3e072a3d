/**
 * Local response normalization across channels and its gradient:
 * `d[i] = k + alpha * sum over j in [i - h, i - h + size - 1] of x[j]^2`, `h = floor(size / 2)`.
 *
 * An invocation goes through all channels of one pixel with the window in variables, so that every element is loaded
 * once and neighbouring invocations load neighbours. The gradient,
 *
 *     grad[i] * d[i]^-beta - 2 * alpha * beta * x[i] * sum over the j whose windows hold i of grad[j] * x[j] * d[j]^(-beta - 1),
 *
 * has a second window, of that sum's terms, and writes a channel when the last window that holds it was passed.
 */
import type { Kernels, LrnGeometry } from '../../../../core/backend.js';
import type { View } from '../../../../core/shape.js';
import type { Recorder, Spec } from '../../runtime/recorder.js';
import { byImages } from '../cuts.js';
import { mathFunctions } from '../math/functions.js';
import { range } from '../matmul/tileParts.js';

/** What every run here has: an invocation for each pixel. */
function shared(g: LrnGeometry, { shape }: View): Pick<Spec, 'i32' | 'f32' | 'run'> {
  const [N = 0, C = 0, H = 0, W = 0] = shape;
  return {
    i32: { C, plane: H * W },
    f32: { alpha: g.alpha, beta: g.beta, k: g.k },
    run: { invocations: C === 0 ? 0 : N * H * W },
  };
}

/** Statements that hand each of `count` variables the next one's value, for a new last one. */
function shifted(name: string, count: number): string {
  return range(count - 1)
    .map((i) => `${name}${i} = ${name}${i + 1};`)
    .join(' ');
}

/**
 * Statements that go through the channels: at each, `at` is the element's index, `w0`, `w1`, ... are the values of
 * the window that starts `before` channels ahead of it (0 outside the channels), and `statements` run.
 * @param more turns after the last channel
 */
function march(
  value: (at: string) => string,
  before: number,
  size: number,
  statements: string,
  more = 0,
): string {
  const ahead = size - 1 - before;
  const last = `w${size - 1}`;
  // Before channel 0, the window holds channels -1 - before to ahead - 1.
  const filled = range(size).map((i) => {
    const channel = i - 1 - before;
    return channel < 0
      ? `var w${i} = 0.0;`
      : `var w${i} = 0.0; if (${channel} < u.C) { w${i} = ${value(`first + ${channel} * u.plane`)}; }`;
  });
  return `let image = index / u.plane;
let first = image * u.C * u.plane + index - image * u.plane;
${filled.join('\n')}
for (var channel = 0; channel < u.C + ${more}; channel++) {
  let at = first + channel * u.plane;
  ${shifted('w', size)}
  ${last} = 0.0;
  if (channel + ${ahead} < u.C) { ${last} = ${value(`at + ${ahead} * u.plane`)}; }
${statements}
}`;
}

/** Sum of a term for each place of a window. */
function sum(size: number, term: (i: number) => string): string {
  return range(size).map(term).join(' + ');
}

/** d^-beta where roots do; they are cheaper than powers. */
const roots = new Map([
  [0.5, '1.0 / sqrt(d)'],
  [0.75, '1.0 / (sqrt(d) * sqrt(sqrt(d)))'],
  [1, '1.0 / d'],
]);

/** d and d^-beta of the window's channel. */
function denominator({ size, beta }: LrnGeometry): string {
  return `  let d = u.k + u.alpha * (${sum(size, (i) => `w${i} * w${i}`)});
  let power = ${roots.get(beta) ?? 'powOf(d, -u.beta)'};`;
}

/** The functions that `denominator` calls. */
function powers({ beta }: LrnGeometry): string {
  return roots.has(beta) ? '' : mathFunctions('f32', ['powOf']);
}

/** See `Kernels.lrn`. */
export function lrn(recorder: Recorder, args: Kernels['lrn']): void {
  byImages(recorder, [args.x], (slice) =>
    normalize(recorder, { ...args, x: slice(args.x), out: slice(args.out) }),
  );
}

function normalize(recorder: Recorder, args: Kernels['lrn']): void {
  const { x, out, size, beta } = args;
  const before = Math.floor(size / 2);
  recorder.dispatch({
    ...shared(args, x),
    key: `lrn ${size} ${beta}`,
    functions: () => powers(args),
    body: () => {
      const statements = `${denominator(args)}\n  out[u.outAt + at] = w${before} * power;`;
      return march((at) => `x[u.xAt + ${at}]`, before, size, statements);
    },
    read: { x },
    write: { out },
  });
}

/** See `Kernels.lrnGrad`. */
export function lrnGrad(recorder: Recorder, args: Kernels['lrnGrad']): void {
  const { x, grad, out } = args;
  byImages(recorder, [x], (slice) =>
    normalizeGrad(recorder, { ...args, x: slice(x), grad: slice(grad), out: slice(out) }),
  );
}

function normalizeGrad(recorder: Recorder, args: Kernels['lrnGrad']): void {
  const { x, grad, out, size, beta } = args;
  recorder.dispatch({
    ...shared(args, x),
    key: `lrnGrad ${size} ${beta}`,
    functions: () => powers(args),
    body: () => gradientBody(args),
    read: { x, grad },
    write: { out },
  });
}

/**
 * The gradient's statements: `s0`, `s1`, ... are the window of the sum's terms, and `direct0`, .. and `own0`, .. hold
 * `grad * d^-beta` and x of the channels that aren't written yet.
 */
function gradientBody(geometry: LrnGeometry): string {
  const { size } = geometry;
  const before = Math.floor(size / 2);
  const waiting = before + 1;
  const variables = [
    ...range(size).map((i) => `var s${i} = 0.0;`),
    ...range(waiting).map((i) => `var direct${i} = 0.0; var own${i} = 0.0;`),
  ];
  // The windows that hold channel i are those of the channels from i + before - size + 1 to i + before, the last of which is
  // the one that the loop is at when i is written.
  const statements = `  ${[shifted('s', size), shifted('direct', waiting), shifted('own', waiting)].join(' ')}
  s${size - 1} = 0.0; direct${before} = 0.0; own${before} = 0.0;
  if (channel < u.C) {
  ${denominator(geometry)}
    own${before} = w${before};
    direct${before} = grad[u.gradAt + at] * power;
    s${size - 1} = direct${before} * w${before} / d;
  }
  if (channel >= ${before}) {
    let total = ${sum(size, (i) => `s${i}`)};
    out[u.outAt + at - ${before} * u.plane] = direct0 - 2.0 * u.alpha * u.beta * own0 * total;
  }`;
  return `${variables.join(' ')}
${march((at) => `x[u.xAt + ${at}]`, before, size, statements, before)}`;
}
