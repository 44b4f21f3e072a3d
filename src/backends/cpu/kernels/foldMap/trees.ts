/**
 * What the code of row-wise kernels looks for in a program's trees: folds, what is dear, and exponentials of what elements
 * are below the largest of their row, as softmax has. Of a row that isn't wider than `expReach` these take fewer instructions.
 */
import type { FoldOp, RowNumber } from '../../../../core/backend.js';
import { childrenOf, type Expr, exprKey } from '../../../../core/expr.js';
import { isSimple } from '../map/code.js';
import type { FoldMapKind } from './kind.js';

/** The numbers that are folds. */
export function foldsAmong(numbers: readonly RowNumber[]): { op: FoldOp; expr: Expr }[] {
  return numbers.flatMap(({ op, expr }) => (op === null ? [] : [{ op, expr }]));
}

/** Whether a tree takes more time than reading what it is made of. */
export function isDear(expr: Expr): boolean {
  return !isSimple({ exprs: [expr], inputs: [], outputs: [], integers: false });
}

/** The first fold whose tree is dear, and part of the one output's, or that one lies densely; -1 for none. */
export function dearFold({ numbers, exprs, outputs }: FoldMapKind): number {
  const fits = (expr: Expr): boolean => outputs[0]?.inner === 'dense' || contains(exprs[0]!, exprKey(expr));
  return numbers.findIndex(({ op, expr }) => op && exprs.length === 1 && isDear(expr) && fits(expr));
}

/** The exponential of what a row's elements are below their largest, number `most` of the row. */
export interface NearExp {
  readonly most: number;
  readonly expr: Extract<Expr, { kind: 'unary' }>;
}

/** The first such exponential of the folds, if there is one. */
export function nearExpOf({ numbers, inputs }: FoldMapKind): NearExp | null {
  const search = (tree: Expr): NearExp | null => {
    if (tree.kind === 'unary' && tree.op === 'exp' && tree.a.kind === 'binary' && tree.a.op === 'sub') {
      const { a, b } = tree.a;
      const most = b.kind === 'input' ? b.index - inputs.length : -1;
      const number = numbers[most];
      if (number?.op === 'max' && exprKey(number.expr) === exprKey(a)) return { most, expr: tree };
    }
    return childrenOf(tree).reduce<NearExp | null>((found, child) => found ?? search(child), null);
  };
  return foldsAmong(numbers).reduce<NearExp | null>((found, { expr }) => found ?? search(expr), null);
}

/** Whether a tree is, or has within it, the tree of a key. */
export function contains(tree: Expr, key: string): boolean {
  return exprKey(tree) === key || childrenOf(tree).some((child) => contains(child, key));
}
