/**
 * The plans of selection along an axis and its gradient.
 */
import type { Kernels } from '../../../../core/backend.js';
import { sizeOf, type View } from '../../../../core/shape.js';
import { addressOf, floatBits, type Planner } from '../../plan.js';
import { emitGather, emitScatterAdd, selectRun, selectWords } from './code.js';

/** Selections of fewer elements run on one thread: they are done before another one has woken. */
const smallSelection = 8192;

/** The words of a selection: `larger` is `[O, A, I]`, index and `smaller` are `[O, J, I]`. */
function wordsOf(larger: View, smaller: View, index: View, source: View, out: View): number[] {
  const [O = 0, A = 0, I = 0] = larger.shape;
  const [, J = 0] = smaller.shape;
  const runs = Math.ceil(I / selectRun);
  const [indexO = 0, indexJ = 0, indexI = 0] = index.strides;
  const [sourceO = 0, sourceJ = 0, sourceI = 0] = source.strides;
  return selectWords.encode({
    source: addressOf(source),
    index: addressOf(index),
    out: addressOf(out),
    units: O * runs,
    runs,
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
export function planScatterAdd({ grad, index, out }: Kernels['scatterAdd'], planner: Planner): boolean {
  if (grad.dtype !== 'float32' || out.dtype !== 'float32') return false;
  const rows = isOfRows(index) && grad.strides[2] === 1;
  const module = { key: `scatterAdd ${rows}`, emit: (f: Planner['features']) => emitScatterAdd(rows, f) };
  const alone = sizeOf(out.shape) + sizeOf(grad.shape) < smallSelection;
  planner.run(module, 'scatterAdd', wordsOf(out, grad, index, grad, out), alone);
  return true;
}
