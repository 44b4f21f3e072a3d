/**
 * What tells row-wise kernels apart (`Kernels.foldMap`), and the words of their commands.
 */
import type { RowNumber } from '../../../../core/backend.js';
import { type Expr, exprKey } from '../../../../core/expr.js';
import { WordLayout } from '../../asm/words.js';
import type { MapOperand } from '../map/code.js';

/** What the code depends on. */
export interface FoldMapKind {
  readonly layout: 'rows' | 'columns';
  readonly numbers: readonly RowNumber[];
  readonly exprs: readonly Expr[];
  /** How the operands lie along the inner axis. */
  readonly inputs: readonly MapOperand[];
  readonly outputs: readonly MapOperand[];
  /** Which numbers are written. */
  readonly keeps: readonly boolean[];
  /** How many axes there are of each. */
  readonly kept: number;
  readonly reduced: number;
  readonly params: number;
  /** Of `columns`: whether there are at most `shortLines` lines, of which single precision holds the sums. */
  readonly short: boolean;
}

/** Tells kernels of different code apart. */
export function foldMapKey(kind: FoldMapKind): string {
  const numbers = kind.numbers.map(({ op, expr }, k) => `${kind.keeps[k] ? '!' : ''}${op}:${exprKey(expr)}`);
  const lying = [...kind.inputs, ...kind.outputs].map(({ inner }) => inner);
  const axes = `${kind.kept} ${kind.reduced}`;
  return `foldMap ${kind.layout} ${kind.short} ${axes} (${lying};${kind.params}) ${numbers} ${kind.exprs.map(exprKey)}`;
}

/**
 * Words: units and scratch memory; sizes of the axes, `kept0`, .., `reduced0`, ..; of each operand `at0` and its strides
 * in bytes, `at0 kept0`, .., `at0 reduced0`, ..; strides of kept numbers, `keep kept0`, .., and where they go, `keep0`,
 * ..; params.
 */
export function foldMapWords(kind: FoldMapKind): WordLayout<string> {
  const numbered = (name: string, count: number): string[] =>
    Array.from({ length: count }, (_, i) => `${name}${i}`);
  const axes = [...numbered('kept', kind.kept), ...numbered('reduced', kind.reduced)];
  const operands = numbered('at', kind.inputs.length + kind.outputs.length);
  return new WordLayout<string>(
    'units',
    'scratch',
    ...axes,
    ...operands.flatMap((at) => [at, ...axes.map((axis) => `${at} ${axis}`)]),
    ...numbered('keep kept', kind.kept),
    ...numbered('keep', kind.numbers.length),
    ...numbered('param', kind.params),
  );
}
