/**
 * Gradients held within bounds before a step. Nothing is waited for: a norm is worked out, and multiplied by, on the
 * devices.
 */
import { readOptions, requireNumber, wrongArgument } from '../core/arguments.js';
import { ArgumentError } from '../core/errors.js';
import { add, clamp, div, minimum, mul } from '../core/ops/elementwise.js';
import { requireTensors } from '../core/ops/launch.js';
import { to } from '../core/ops/transfer.js';
import { norm } from '../core/ops/variance.js';
import { stack } from '../core/ops/views.js';
import { keep, scope } from '../core/scope.js';
import { noGrad } from '../core/tape.js';
import type { Tensor } from '../core/tensor.js';

function requireBound(op: string, params: readonly Tensor[], name: string, bound: number): void {
  requireTensors(op, 'params', params);
  requireNumber(op, name, bound);
  if (!(bound >= 0)) throw wrongArgument(op, name, bound, 'a number from 0');
}

function replaceGradients(params: readonly Tensor[], change: (grad: Tensor) => Tensor): void {
  for (const x of params) {
    const { grad } = x;
    if (grad) x.grad = keep(noGrad(() => change(grad)));
    grad?.dispose();
  }
}

/**
 * Scales the gradients of `params` so that the norm of all of them as one vector is at most `maxNorm`.
 * @param options `p` of the norm: 1, 2 (default) or Infinity
 * @returns the norm before, on the first gradient's device
 * @throws {ArgumentError} where no parameter has a gradient
 */
export function clipGradNorm(
  params: readonly Tensor[],
  maxNorm: number,
  options: { readonly p?: number } = {},
): Tensor {
  const op = 'clipGradNorm';
  requireBound(op, params, 'maxNorm', maxNorm);
  const { p } = readOptions(op, options, { p: 2 });
  const grads = params.flatMap(({ grad }) => grad ?? []);
  const [first] = grads;
  if (!first) throw new ArgumentError(`${op}: no parameter has a gradient; call backward() before`);
  return scope(() => {
    const total = norm(stack(grads.map((grad) => to(norm(grad, { p }), first.device))), { p });
    const factor = minimum(div(maxNorm, add(total, 1e-6)), 1);
    replaceGradients(params, (grad) => mul(grad, to(factor, grad.device)));
    return total;
  });
}

/** Holds each element of the gradients of `params` within `[-bound, bound]`. */
export function clipGradValue(params: readonly Tensor[], bound: number): void {
  requireBound('clipGradValue', params, 'bound', bound);
  replaceGradients(params, (grad) => clamp(grad, -bound, bound));
}
