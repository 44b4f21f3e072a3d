/**
 * All operators that imported graphs may have, by name.
 */
import type { Operator, Value } from './call.js';
import { elementwise } from './ops/elementwise.js';
import { hostOperator, onHostAlone } from './ops/host.js';
import { indices } from './ops/indices.js';
import { products } from './ops/products.js';
import { reductions } from './ops/reductions.js';
import { resizes } from './ops/resize.js';
import { shapes } from './ops/shapes.js';
import { windows } from './ops/windows.js';

const operators: ReadonlyMap<string, Operator> = new Map(
  [elementwise, indices, products, reductions, resizes, shapes, windows].flatMap((table) =>
    Object.entries(table),
  ),
);

/** Whether there is an operator of a name. */
export function isKnown(op: string): boolean {
  return operators.has(op) || onHostAlone.includes(op);
}

/** What computes an operator from these inputs: on the host where they all are there, else on the device. */
export function operatorOf(op: string, inputs: readonly (Value | undefined)[]): Operator | undefined {
  return hostOperator(op, inputs) ?? operators.get(op);
}
