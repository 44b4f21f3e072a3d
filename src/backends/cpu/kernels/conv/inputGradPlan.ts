/**
 * Gradient of a convolution by its input, as convolutions of the output's gradient (conv.ts): for each group
 *
 *     dx[c, n] = sum over k of weight[k, c] * grad[pixel(n) + tap(k)]     for each phase of the stride
 *
 * A pixel y of dx gets something from output row q through kernel row i where y + top = q * stride + i * dilation. So
 * the pixels of one phase of y + top are a convolution (stride 1) of grad with every `stride / g`-th kernel row and
 * column, turned around, at output rows `dilation / g` apart, g being the greatest common divisor of both; stride 1 has
 * one phase, that of the whole kernel. Of few channels all phases are done at once (phases.ts).
 */
import type { Kernels } from '../../../../core/backend.js';
import { addressOf, type Planner } from '../../plan.js';
import { runPack, runProduct, tables, workspaceOf } from '../matmul/product.js';
import { planWinogradInputGrad } from '../winograd/plan.js';
import { chunkOf, framed, frameOf, multiples, table } from './images.js';
import { planInputGradOfPhases } from './phases.js';

/** The pixels of one phase of the stride along one axis, and the kernel taps they see. */
interface Phase {
  /** Number of the first tap, and the distance of the others. */
  readonly tap: number;
  readonly tapStep: number;
  readonly taps: number;
  readonly stride: number;
  /** First pixel; the others follow `stride` apart. */
  readonly first: number;
  readonly pixels: number;
  /** Output positions from one tap to the next. */
  readonly step: number;
  /** Output position that the first pixel's last tap meets; may be negative. */
  readonly start: number;
}

function phasesOf(stride: number, dilation: number, before: number, size: number, kernel: number): Phase[] {
  const common = commonDivisor(stride, dilation);
  const [tapStep, step] = [stride / common, dilation / common];
  return Array.from({ length: stride }, (_, phase) => {
    const first = (((phase - before) % stride) + stride) % stride;
    const all = Array.from({ length: kernel }, (_, i) => i).filter(
      (i) => (i * dilation - phase) % stride === 0,
    );
    const [tap = 0] = all;
    const taps = all.length;
    const pixels = Math.max(0, Math.ceil((size - first) / stride));
    const start = taps === 0 ? 0 : (first + before - tap * dilation) / stride - (taps - 1) * step;
    return { tap, tapStep, taps, stride, first, pixels, step, start };
  }).filter((phase) => phase.pixels > 0);
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}

/** Zeros before the outputs, and the framed size, that all phases of an axis read within. */
function reachOf(phases: readonly Phase[], outputs: number): { before: number; size: number } {
  const read = phases.filter((phase) => phase.taps > 0);
  const before = Math.max(0, ...read.map((phase) => -phase.start));
  const ends = read.map((phase) => phase.start + phase.pixels + (phase.taps - 1) * phase.step);
  return { before, size: before + Math.max(outputs, ...ends) };
}

/** Plans the gradient by the input; covers all arguments of the contract. */
export function planConv2dInputGrad(args: Kernels['conv2dInputGrad'], planner: Planner): boolean {
  if (planWinogradInputGrad(args, planner)) return true;
  const { groups, grad, weight, out } = args;
  const [images = 0, allC = 0, H = 0, W = 0] = out.shape;
  const [allO = 0, C = 0, KH = 0, KW = 0] = weight.shape;
  const [, , OH = 0, OW = 0] = grad.shape;
  const O = allO / groups;
  if (images * allC * H * W === 0) return true;
  if (planInputGradOfPhases(args, planner, planConv2dInputGrad)) return true;
  const rows = phasesOf(args.stride[0], args.dilation[0], args.padding[0], H, KH);
  const columns = phasesOf(args.stride[1], args.dilation[1], args.padding[1], W, KW);
  const high = reachOf(rows, OH);
  const wide = reachOf(columns, OW);
  const frame = frameOf(grad.shape, high.before, wide.before, high.size, wide.size);
  const plane = frame.planeBytes / 4;
  const chunk = chunkOf(images, Math.max(1, frame.copyBytes), H * W);
  const copy = planner.temporary(chunk * frame.copyBytes);
  const packedWeight = planner.temporary(4 * allO * C * KH * KW);
  const workspace = workspaceOf(planner);

  let packed = packedWeight;
  const products = rows.flatMap((row) =>
    columns.map((column) => {
      const depth = O * row.taps * column.taps;
      const a = packed;
      packed += 4 * groups * C * depth;
      const kernelTap = (o: number, i: number, j: number) =>
        o * C * KH * KW + (row.tap + i * row.tapStep) * KW + column.tap + j * column.tapStep;
      const taps: [number, number, number] = [O, row.taps, column.taps];
      const name = [C, KH, KW, row.tap, column.tap, row.tapStep, column.tapStep];
      const source = {
        address: addressOf(weight),
        group: 4 * O * C * KH * KW,
        lanes: multiples(planner, C, KH * KW),
        depth: table(planner, ['phase taps', ...name], taps, kernelTap),
      };
      runPack(planner, tables, source, { groups, rows: C, depth }, a);
      const pixels: [number, number, number] = [chunk, row.pixels, column.pixels];
      const [y0, x0] = [row.start + frame.top, column.start + frame.left];
      return {
        a,
        aGroup: 4 * C * depth,
        depth,
        pixels: row.pixels * column.pixels,
        lanes: table(
          planner,
          ['places', allO * plane, frame.width, y0, x0],
          pixels,
          (n, y, x) => n * allO * plane + (y + y0) * frame.width + x + x0,
        ),
        taps: table(
          planner,
          ['turned', plane, frame.width, row.step, column.step],
          taps,
          (o, i, j) =>
            o * plane + (row.taps - 1 - i) * row.step * frame.width + (column.taps - 1 - j) * column.step,
        ),
        columns: table(
          planner,
          ['phase pixels', allC * H * W, W, row.first, column.first, row.stride, column.stride],
          pixels,
          (n, y, x) => n * allC * H * W + (row.first + y * row.stride) * W + column.first + x * column.stride,
        ),
      };
    }),
  );
  for (let first = 0; first < images; first += chunk) {
    const count = Math.min(chunk, images - first);
    const address = framed(planner, grad, frame, first, count, copy);
    for (const { a, aGroup, depth, pixels, lanes, taps, columns } of products) {
      runProduct(planner, tables, {
        a,
        aGroup,
        b: { address, group: O * frame.planeBytes, lanes, depth: taps },
        c: {
          address: addressOf(out) + 4 * first * allC * H * W,
          group: 4 * C * H * W,
          row: 4 * H * W,
          columns,
        },
        groups,
        rows: C,
        columns: count * pixels,
        depth,
        workspace,
      });
    }
  }
  return true;
}
