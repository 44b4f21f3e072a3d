/**
 * The plans of selection along an axis and its gradient.
 */
import type { Kernels } from '../../../../core/backend.js';
import { sizeOf, type View } from '../../../../core/shape.js';
import { addressOf, floatBits, type KernelModule, type Planner } from '../../plan.js';
import { emitGather, selectRun, selectWords } from './code.js';
import { emitLink, emitScatterFew, emitScatterMany, emitScatterRows, rowsWords } from './scatter.js';

/** Selections of fewer elements run on one thread: they are done before another one has woken. */
const smallSelection = 8192;

/** Terms of a sum that may be added up in single precision, as many as a matrix product's. */
const mostFew = 256;

/** Bytes of scratch memory for each thread that a run is shortened for, as long as it has `leastRun` elements. */
const mostScratch = 1 << 18;
const leastRun = 16;

/** The words of a selection: `larger` is `[O, A, I]`, index and `smaller` are `[O, J, I]`. */
function wordsOf(
  larger: View,
  smaller: View,
  index: View,
  source: View,
  out: View,
  [run, scratch, scratchBytes]: readonly [number, number, number] = [selectRun, 0, 0],
): number[] {
  const [O = 0, A = 0, I = 0] = larger.shape;
  const [, J = 0] = smaller.shape;
  const runs = Math.ceil(I / run);
  const [indexO = 0, indexJ = 0, indexI = 0] = index.strides;
  const [sourceO = 0, sourceJ = 0, sourceI = 0] = source.strides;
  return selectWords.encode({
    source: addressOf(source),
    index: addressOf(index),
    out: addressOf(out),
    units: O * runs,
    run,
    runs,
    scratch,
    scratchBytes,
    A,
    J,
    I,
    missing: out.dtype === 'float32' ? floatBits(NaN) : 0,
    indexO: 4 * indexO,
    indexJ: 4 * indexJ,
    indexI: 4 * indexI,
    sourceO: 4 * sourceO,
    sourceJ: 4 * sourceJ,
    sourceI: 4 * sourceI,
  });
}

/** Whether an index counts for the whole of its row. */
const isOfRows = (index: View): boolean => index.strides[2] === 0;

/** See `Kernels.gather`. Covers dtypes of 4 bytes. */
export function planGather({ x, index, out }: Kernels['gather'], planner: Planner): boolean {
  if (x.dtype !== 'float32' && x.dtype !== 'int32') return false;
  const rows = isOfRows(index);
  const module = { key: `gather ${rows}`, emit: (f: Planner['features']) => emitGather(rows, f) };
  planner.run(module, 'gather', wordsOf(x, out, index, x, out), sizeOf(out.shape) < smallSelection);
  return true;
}

/** See `Kernels.scatterAdd`. Covers float32. */
export function planScatterAdd(args: Kernels['scatterAdd'], planner: Planner): boolean {
  const { grad, index, out } = args;
  if (grad.dtype !== 'float32' || out.dtype !== 'float32') return false;
  if (isOfRows(index) && grad.strides[2] === 1) {
    planRows(args, planner);
    return true;
  }
  const [, A = 0, I = 0] = out.shape;
  if (grad.shape[1]! <= mostFew) {
    planner.run(few, 'scatterFew', wordsOf(out, grad, index, grad, out), isSmall(args));
    return true;
  }
  const run = Math.min(I, selectRun, Math.max(leastRun, Math.floor(mostScratch / (8 * Math.max(1, A)))));
  const scratchBytes = 8 * A * run;
  const scratch = planner.temporary(scratchBytes * planner.threads);
  const words = wordsOf(out, grad, index, grad, out, [run, scratch, scratchBytes]);
  planner.run(many, 'scatterMany', words, isSmall(args));
  return true;
}

const few: KernelModule = { key: 'scatterFew', emit: emitScatterFew };
const many: KernelModule = { key: 'scatterMany', emit: emitScatterMany };
const link: KernelModule = { key: 'scatterLink', emit: emitLink };
const rows: KernelModule = { key: 'scatterRows', emit: emitScatterRows };

const isSmall = ({ grad, out }: Kernels['scatterAdd']): boolean =>
  sizeOf(out.shape) + sizeOf(grad.shape) < smallSelection;

function planRows(args: Kernels['scatterAdd'], planner: Planner): void {
  const { grad, index, out } = args;
  const [O = 0, A = 0, I = 0] = out.shape;
  const [, J = 0] = grad.shape;
  const [indexO = 0, indexJ = 0] = index.strides;
  const [sourceO = 0, sourceJ = 0] = grad.strides;
  const lists = indexO === 0 ? Math.min(O, 1) : O;
  const words = {
    source: addressOf(grad),
    index: addressOf(index),
    out: addressOf(out),
    heads: planner.temporary(4 * lists * A),
    nexts: planner.temporary(4 * lists * J),
    A,
    J,
    I,
    indexO: 4 * indexO,
    indexJ: 4 * indexJ,
    sourceO: 4 * sourceO,
    sourceJ: 4 * sourceJ,
    headsO: indexO === 0 ? 0 : 4 * A,
    nextsO: indexO === 0 ? 0 : 4 * J,
  };
  planner.run(link, 'link', rowsWords.encode({ ...words, units: lists }), lists * (A + J) < smallSelection);
  planner.run(rows, 'scatterRows', rowsWords.encode({ ...words, units: O * A }), isSmall(args));
}
