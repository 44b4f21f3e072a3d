/**
 * Convolution and its two gradients.
 *
 * All three are sums over the same triples: output pixel (n, o, y, x) meets input pixel (n, c, y * sv + i * dv - top,
 * x * sh + j * dh - left) through weight (o, c, i, j). `forEachRun` names the triples once, a run of neighbouring output
 * pixels at a time; each kernel says which two of the three it multiplies and which one sums.
 */
import type { ConvGeometry } from '../../../../core/backend.js';
import { type Shape, sizeOf } from '../../../../core/shape.js';
import type { LoopArgs, LoopView } from '../view.js';

/** `count` output pixels from `out` on (step 1) meet input pixels from `x` on (step sh) through one weight. */
type Run = (x: number, weight: number, out: number, count: number) => void;

function forEachRun(g: ConvGeometry, xShape: Shape, weightShape: Shape, outShape: Shape, visit: Run): void {
  const [N = 0, C = 0, H = 0, W = 0] = xShape;
  const [O = 0, groupC = 0, KH = 0, KW = 0] = weightShape;
  const [OH, OW] = [outShape[2]!, outShape[3]!];
  const [sv, sh] = g.stride;
  const [top, left] = g.padding;
  const [dv, dh] = g.dilation;
  const groupO = O / g.groups;
  for (let n = 0; n < N; n++) {
    for (let o = 0; o < O; o++) {
      const firstC = Math.floor(o / groupO) * groupC;
      for (let c = 0; c < groupC; c++) {
        for (let i = 0; i < KH; i++) {
          for (let j = 0; j < KW; j++) {
            const weight = ((o * groupC + c) * KH + i) * KW + j;
            // The output columns whose input column x * sh + shift lies in [0, W).
            const shift = j * dh - left;
            const begin = Math.max(0, Math.ceil(-shift / sh));
            const end = Math.min(OW, Math.floor((W - 1 - shift) / sh) + 1);
            if (end <= begin) continue;
            for (let y = 0; y < OH; y++) {
              const row = y * sv + i * dv - top;
              if (row < 0 || row >= H) continue;
              const x = ((n * C + firstC + c) * H + row) * W + begin * sh + shift;
              visit(x, weight, ((n * O + o) * OH + y) * OW + begin, end - begin);
            }
          }
        }
      }
    }
  }
}

/** Dense elements as doubles, so that sums don't round on the way. */
function doublesOf(view: LoopView): Float64Array {
  return Float64Array.from(view.data.subarray(view.offset, view.offset + sizeOf(view.shape)));
}

/** See `Kernels.conv2d`. */
export function conv2d(args: LoopArgs<'conv2d'>): void {
  const { bias, out } = args;
  const step = args.stride[1];
  const x = doublesOf(args.x);
  const weight = doublesOf(args.weight);
  const sums = new Float64Array(sizeOf(out.shape));
  forEachRun(args, args.x.shape, args.weight.shape, out.shape, (xAt, weightAt, outAt, count) => {
    const w = weight[weightAt]!;
    for (let t = 0; t < count; t++) sums[outAt + t]! += x[xAt + t * step]! * w;
  });
  const O = out.shape[1]!;
  const pixels = out.shape[2]! * out.shape[3]!;
  for (let i = 0; i < sums.length; i++) {
    const value = sums[i]! + (bias === null ? 0 : bias.data[bias.offset + (Math.floor(i / pixels) % O)]!);
    out.data[out.offset + i] = args.relu ? Math.max(0, value) : value;
  }
}

/** See `Kernels.conv2dInputGrad`. */
export function conv2dInputGrad(args: LoopArgs<'conv2dInputGrad'>): void {
  const { out } = args;
  const step = args.stride[1];
  const grad = doublesOf(args.grad);
  const weight = doublesOf(args.weight);
  const sums = new Float64Array(sizeOf(out.shape));
  forEachRun(args, out.shape, args.weight.shape, args.grad.shape, (xAt, weightAt, gradAt, count) => {
    const w = weight[weightAt]!;
    for (let t = 0; t < count; t++) sums[xAt + t * step]! += grad[gradAt + t]! * w;
  });
  out.data.set(sums, out.offset);
}

/** See `Kernels.conv2dWeightGrad`. */
export function conv2dWeightGrad(args: LoopArgs<'conv2dWeightGrad'>): void {
  const { out } = args;
  const step = args.stride[1];
  const x = doublesOf(args.x);
  const grad = doublesOf(args.grad);
  const sums = new Float64Array(sizeOf(out.shape));
  forEachRun(args, args.x.shape, out.shape, args.grad.shape, (xAt, weightAt, gradAt, count) => {
    let sum = 0;
    for (let t = 0; t < count; t++) sum += x[xAt + t * step]! * grad[gradAt + t]!;
    sums[weightAt]! += sum;
  });
  out.data.set(sums, out.offset);
}
