/**
 * What the backends' `foldMap` share: which numbers of a row one walk along it gives, and the kernel in several steps,
 * where a row is too long for one thread or workgroup.
 */
import type { Kernels, RowNumber } from '../core/backend.js';
import { inputsOf } from '../core/expr.js';
import { contiguousStrides, type Shape, type View } from '../core/shape.js';

type Args = Kernels['foldMap'];

/**
 * The numbers in groups that one walk along the row gives: neighbours that don't name one another; one without an op
 * by itself.
 * @param inputs how many inputs there are
 */
export function passesOf(numbers: readonly RowNumber[], inputs: number): number[][] {
  const passes: number[][] = [];
  for (const [k, { op, expr }] of numbers.entries()) {
    const last = passes.at(-1);
    const named = Math.max(-1, ...inputsOf(expr).map((i) => i - inputs));
    const joins = last && op !== null && numbers[last[0]!]!.op !== null && named < last[0]!;
    if (joins) last.push(k);
    else passes.push([k]);
  }
  return passes;
}

/** A kernel of numbers that one walk along a row gives, all kept, without outputs. */
export interface OnePass extends Args {
  readonly keeps: readonly View[];
}

/** How a backend does the steps. */
interface Steps {
  /** Memory for float32 numbers until the last step has run. */
  temporary(shape: Shape): View;
  fold(args: OnePass): void;
  map(args: Kernels['map']): void;
}

/** Enqueues a `foldMap` pass by pass. */
export function inPasses(args: Args, { temporary, fold, map }: Steps): void {
  const { numbers, exprs, shape, kept, inputs, outputs, keeps, params } = args;
  const rows = shape.slice(0, kept);
  const found: View[] = [];
  const spread = (view: View): View => {
    const strides = [...contiguousStrides(rows), ...shape.slice(kept).map(() => 0)];
    return { ...view, shape, strides };
  };
  const ofRow = (view: View): View => ({ ...view, shape: rows, strides: view.strides.slice(0, kept) });
  for (const pass of passesOf(numbers, inputs.length)) {
    const chosen = pass.map((k) => numbers[k]!);
    const places = pass.map((k) => keeps[k] ?? temporary(rows));
    if (chosen[0]!.op === null) {
      const operands = { inputs: [...inputs.map(ofRow), ...found], outputs: places };
      map({ exprs: chosen.map(({ expr }) => expr), shape: rows, ...operands, params, draw: null });
    } else {
      const all = [...inputs, ...found.map(spread)];
      fold({ ...args, numbers: chosen, inputs: all, keeps: places, exprs: [], outputs: [] });
    }
    found.push(...places);
  }
  if (exprs.length > 0) {
    map({ exprs, shape, inputs: [...inputs, ...found.map(spread)], outputs, params, draw: null });
  }
}
