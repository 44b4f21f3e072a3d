/**
 * Convolutions of 3x3 taps and stride 1, and their gradients by the input, by Winograd's method (backends/winograd.ts has the
 * formula). With tiles of m x m results and t = m + 2, for points p of t^2, groups g, and n running through the
 * tiles of a run of images:
 *
 *     pixels[p, g, c, n]    = (BT d B)[p]      of tile n of channel c
 *     kernels[p, g, c, o]   = (G k GT)[p]
 *     points[p, g, o, n]    = sum over c of kernels[p, g, c, o] * pixels[p, g, c, n]     tile.ts, t^2 * groups products
 *     out                   = AT points A      + bias, clipped
 *
 * The numbers at points lie in memory meanwhile: as many images at a time as keep them within `most` bytes.
 */
import type { ConvGeometry, Kernels } from '../../../../core/backend.js';
import type { Shape, View } from '../../../../core/shape.js';
import { type Matrix, type Method, matricesOf, methods } from '../../../winograd.js';
import type { Recorder } from '../../runtime/recorder.js';
import { sliceOf } from '../cuts.js';
import { product } from '../matmul/tile.js';
import { range } from '../matmul/tileParts.js';
import { roundUp } from './layout.js';

/** Bytes of pixels and results at their points in a run. */
const most = 128 << 20;

/** Multiply-adds of the instructions that products issue (docs/results.md). */
const share = 0.88;

/** How much of the direct product's time it may take by counting. */
const worthIt = 0.9;

/** A correlation of `x` to `out`. */
interface Correlation {
  readonly x: View;
  readonly out: View;
  readonly groups: number;
  readonly top: number;
  readonly left: number;
  readonly weight: View;
  /** Elements of `weight` from one output channel to the next, one input channel to the next, one group to the next. */
  readonly rowStep: number;
  readonly depthStep: number;
  readonly groupStep: number;
  /** Whether kernels are turned around. */
  readonly turned: boolean;
  readonly bias: View | null;
  readonly relu: boolean;
}

/** The forward convolution; false where the method can't do it or doesn't pay. */
export function winograd(recorder: Recorder, args: Kernels['conv2d']): boolean {
  const { x, weight, bias, relu, out, groups, padding } = args;
  const [O = 0, C = 0] = weight.shape;
  return correlation(recorder, args, weight.shape, false, {
    ...{ x, out, groups, weight, bias, relu, top: padding[0], left: padding[1], turned: false },
    rowStep: 9 * C,
    depthStep: 9,
    groupStep: (O / groups) * 9 * C,
  });
}

/** The gradient by the input, likewise. */
export function winogradInputGrad(recorder: Recorder, args: Kernels['conv2dInputGrad']): boolean {
  const { grad, weight, out, groups, padding } = args;
  const [O = 0, C = 0] = weight.shape;
  return correlation(recorder, args, weight.shape, true, {
    ...{ x: grad, out, groups, weight, bias: null, relu: false, turned: true },
    top: 2 - padding[0],
    left: 2 - padding[1],
    rowStep: 9,
    depthStep: 9 * C,
    groupStep: (O / groups) * 9 * C,
  });
}

function correlation(
  recorder: Recorder,
  { stride, dilation }: ConvGeometry,
  [, , KH, KW]: Shape,
  byInput: boolean,
  c: Correlation,
): boolean {
  if (KH !== 3 || KW !== 3 || [...stride, ...dilation].some((step) => step !== 1)) return false;
  if (c.out.shape.includes(0) || c.x.shape.includes(0)) return false;
  const { winograd } = recorder;
  if (winograd === 'never' || (winograd === 'counted' && recorder.tileDevice.tiles === 'direct'))
    return false;
  const method = methods.find((one) => one.taps === 3 && (one.byInput || !byInput) && one.results !== 3)!;
  if (winograd === 'counted' && !pays(c, method, recorder.tileDevice.perByte)) return false;
  const points = (method.results + 2) ** 2;
  const [, C = 0] = c.x.shape;
  const [, O = 0, H = 0, W = 0] = c.out.shape;
  const tiles = Math.ceil(H / method.results) * Math.ceil(W / method.results);
  const kernels = kernelsAtPoints(recorder, c, method);
  const images = c.x.shape[0]!;
  const runs = Math.ceil((images * 4 * points * (C + O) * tiles) / Math.min(most, recorder.room));
  const each = Math.ceil(images / Math.min(runs, images));
  for (let start = 0; start < images; start += each) {
    const stretch = { start, count: Math.min(each, images - start) };
    const part = { x: sliceOf(c.x, 0, stretch), out: sliceOf(c.out, 0, stretch) };
    run(recorder, { ...c, ...part }, method, kernels);
  }
  recorder.free(kernels);
  return true;
}

/** Whether counted multiply-adds and bytes are enough fewer than the direct product's. */
function pays({ x, out, groups }: Correlation, { results }: Method, perByte: number): boolean {
  const [N = 0, C = 0] = x.shape;
  const [, O = 0, H = 0, W = 0] = out.shape;
  const points = (results + 2) ** 2;
  const tiles = N * Math.ceil(H / results) * Math.ceil(W / results);
  const each = (C * O) / groups;
  const atPoints = perByte * 4 * points * (tiles * (C + O) + each);
  const images = perByte * 4 * (N * H * W * (C + O));
  const ours = atPoints + images + Math.max((points * tiles * each) / share, atPoints);
  return ours < (worthIt * N * H * W * 9 * each) / share;
}

/** `[points, groups, depth, rows in whole vec4s]` */
function kernelsAtPoints(recorder: Recorder, c: Correlation, method: Method): View {
  const { G } = matricesOf(method);
  const points = G.length ** 2;
  const [rows, depth] = [c.out.shape[1]! / c.groups, c.x.shape[1]! / c.groups];
  const width = roundUp(rows);
  const out = recorder.temporary([points, c.groups, depth, width]);
  recorder.dispatch({
    key: `winograd kernels ${method.results} ${c.turned}`,
    body: () => `let o = index % u.width; let line = index / u.width;
let c = line % u.depth; let g = line / u.depth;
let start = u.weightAt + g * u.groupStep + min(o, u.rows - 1) * u.rowStep + c * u.depthStep;
let kept = f32(o < u.rows);
${range(9)
  .map(
    (tap) => `let d${Math.floor(tap / 3)}_${tap % 3} = kept * weight[start + ${c.turned ? 8 - tap : tap}];`,
  )
  .join('\n')}
${twoSided(G, 3, 'd', 'p')}
${range(points)
  .map((p) => `out[index + ${p} * u.step] = p${Math.floor(p / G.length)}_${p % G.length};`)
  .join('\n')}`,
    i32: {
      rows,
      depth,
      width,
      rowStep: c.rowStep,
      depthStep: c.depthStep,
      groupStep: c.groupStep,
      step: c.groups * depth * width,
    },
    read: { weight: c.weight },
    write: { out },
    run: { invocations: c.groups * depth * width },
  });
  return out;
}

/** A run of images. */
function run(recorder: Recorder, c: Correlation, method: Method, kernels: View): void {
  const { BT, AT } = matricesOf(method);
  const { results: m } = method;
  const t = m + 2;
  const [N = 0, C = 0, H = 0, W = 0] = c.x.shape;
  const [, O = 0, OH = 0, OW = 0] = c.out.shape;
  const [down, over] = [Math.ceil(OH / m), Math.ceil(OW / m)];
  const tiles = N * down * over;
  const [width, rows, depth] = [roundUp(tiles), O / c.groups, C / c.groups];
  const numbers = { tiles, width, down, over };
  const find = `let n = index % u.width; let channel = index / u.width;
let column = n % u.over; let line = n / u.over; let row = line % u.down; let image = line / u.down;`;
  const pixels = recorder.temporary([t * t, C, width]);
  recorder.dispatch({
    key: `winograd pixels ${m}`,
    functions: () => `fn pixel(start: i32, y: i32, x: i32) -> f32 {
  if (y < 0 || y >= u.H || x < 0 || x >= u.W) { return 0.0; }
  return image[start + y * u.W + x];
}`,
    body: () => `${find.replace('let image', 'let number')}
let y = row * ${m} - u.top + select(0, u.H + ${t} + u.top, n >= u.tiles); let x = column * ${m} - u.left;
let start = u.imageAt + (number * u.C + channel) * u.H * u.W;
${range(t * t)
  .map((i) => `let d${Math.floor(i / t)}_${i % t} = pixel(start, y + ${Math.floor(i / t)}, x + ${i % t});`)
  .join('\n')}
${twoSided(BT, t, 'd', 'p')}
${range(t * t)
  .map((p) => `out[index + ${p} * u.step] = p${Math.floor(p / t)}_${p % t};`)
  .join('\n')}`,
    i32: { ...numbers, C, H, W, top: c.top, left: c.left, step: C * width },
    read: { image: c.x },
    write: { out: pixels },
    run: { invocations: C * width },
  });
  const points = recorder.temporary([t * t, O, width]);
  product(recorder, {
    key: 'winograd',
    a: { view: kernels, form: 'across', depth: roundUp(rows), group: depth * roundUp(rows) },
    b: { view: pixels, form: 'across', depth: width, group: depth * width },
    M: rows,
    N: width,
    K: depth,
    groups: t * t * c.groups,
    out: points,
    outRow: width,
    outGroup: rows * width,
  });
  recorder.free(pixels);
  recorder.dispatch({
    key: `winograd results ${m} ${c.bias !== null} ${c.relu}`,
    body: () => `${find}
if (n >= u.tiles) { return; }
${range(t * t)
  .map((p) => `let d${Math.floor(p / t)}_${p % t} = points[index + ${p} * u.step];`)
  .join('\n')}
${twoSided(AT, t, 'd', 'r')}
let start = u.outAt + (image * u.O + channel) * u.OH * u.OW;
${c.bias ? 'let bias = bias[u.biasAt + channel];' : ''}
${range(m * m)
  .map((i) => {
    const [y, x] = [`row * ${m} + ${Math.floor(i / m)}`, `column * ${m} + ${i % m}`];
    const value = `r${Math.floor(i / m)}_${i % m}${c.bias ? ' + bias' : ''}`;
    const clipped = c.relu ? `select(${value}, 0.0, ${value} < 0.0)` : value;
    return `if (${y} < u.OH && ${x} < u.OW) { out[start + (${y}) * u.OW + ${x}] = ${clipped}; }`;
  })
  .join('\n')}`,
    i32: { ...numbers, O, OH, OW, step: O * width },
    read: c.bias ? { points, bias: c.bias } : { points },
    write: { out: c.out },
    run: { invocations: O * width },
  });
  recorder.free(points);
}

/** Statements that make `to` = matrix x `from` x matrixT, `from` being `size` x `size` numbers `${from}0_0`, .. */
function twoSided(matrix: Matrix, size: number, from: string, to: string): string {
  const sum = (row: readonly number[], name: (k: number) => string): string =>
    row
      .flatMap((factor, k) =>
        factor === 0
          ? []
          : [factor === 1 ? name(k) : factor === -1 ? `-${name(k)}` : `${literal(factor)} * ${name(k)}`],
      )
      .join(' + ');
  const half = matrix.flatMap((row, i) =>
    range(size).map((j) => `let ${to}half${i}_${j} = ${sum(row, (k) => `${from}${k}_${j}`)};`),
  );
  const whole = range(matrix.length).flatMap((i) =>
    matrix.map((row, j) => `let ${to}${i}_${j} = ${sum(row, (k) => `${to}half${i}_${k}`)};`),
  );
  return [...half, ...whole].join('\n');
}

const literal = (x: number): string => (Number.isInteger(x) ? `${x}.0` : `${x}`);
