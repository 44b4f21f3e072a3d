/**
 * What row-wise ops share: running a program of numbers of each row, and of its elements by them (`Kernels.foldMap`),
 * over any axes of tensors.
 */
import type { RowNumber } from '../backend.js';
import { type Expr, e } from '../expr.js';
import { broadcastTo, contiguousStrides, permuted, type View } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { withDense } from './launch.js';

/** What is computed of each row. */
export interface RowProgram {
  readonly numbers: readonly RowNumber[];
  readonly exprs: readonly Expr[];
}

/** A program as it is written: input k is `x[k]`, what `number` returns stands for that number. */
export interface RowWriter {
  readonly sum: (expr: Expr) => Expr;
  readonly max: (expr: Expr) => Expr;
  readonly number: (expr: Expr) => Expr;
}

/**
 * A program, written once for each number of inputs and handed out again.
 * @param write adds its numbers in the order in which they are kept, and returns the elements' expressions
 */
export function rowProgram(
  inputs: number,
  write: (writer: RowWriter, input: (k: number) => Expr) => readonly Expr[],
): RowProgram {
  const numbers: RowNumber[] = [];
  const adding =
    (op: RowNumber['op']) =>
    (expr: Expr): Expr =>
      e.input(inputs + numbers.push({ op, expr }) - 1);
  const exprs = write({ sum: adding('sum'), max: adding('max'), number: adding(null) }, e.input);
  return { numbers, exprs };
}

interface RowOperands {
  readonly axes: readonly number[];
  /** The first says the shape, to which the others broadcast. */
  readonly inputs: readonly Tensor[];
  /** One for each expression, of that shape. */
  readonly outputs?: readonly Tensor[];
  /** Where numbers go, one for each row in the order of the other axes. */
  readonly keeps?: readonly (Tensor | null)[];
  readonly params?: readonly number[];
}

/** Runs a program over the rows of its inputs. */
export function runRows(op: string, { numbers, exprs }: RowProgram, operands: RowOperands): void {
  const { axes, inputs, outputs = [], keeps = [], params = [] } = operands;
  const [first] = inputs;
  if (!first) return;
  const { shape } = first;
  const kept = [...shape.keys()].filter((axis) => !axes.includes(axis));
  const order = [...kept, ...axes];
  const rows = kept.map((axis) => shape[axis]!);
  const turned = (view: View): View => permuted(broadcastTo(view, shape), order);
  withDense(op, (dense) => {
    // What repeats one number needs no copy.
    const seen = (x: Tensor): View =>
      x.view(op).strides.every((step) => step === 0) ? x.view(op) : dense(x);
    first.device.run('foldMap', {
      numbers,
      exprs,
      shape: order.map((axis) => shape[axis]!),
      kept: kept.length,
      inputs: inputs.map((x) => turned(seen(x))),
      outputs: outputs.map((x) => turned(x.view(op))),
      keeps: numbers.map((_, k) => {
        const keep = keeps[k];
        return keep ? { ...keep.view(op), shape: rows, strides: contiguousStrides(rows) } : null;
      }),
      params,
    });
  });
}
