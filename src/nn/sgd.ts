/**
 * Stochastic gradient descent, as the paper writes it (section 5):
 *
 *     v := momentum * v - weightDecay * rate * w - rate * g
 *     w := w + v
 *
 * g is the gradient averaged over the batch. The rate sits inside v, so that after the rate drops, the velocity still
 * carries what the old rate put there. PyTorch's form has the rate outside, and with d = g + weightDecay * w:
 *
 *     v := momentum * v + (1 - dampening) * d      (in the first step v := d)
 *     w := w - rate * v                            (with nesterov: w - rate * (d + momentum * v))
 *
 * One pass over each parameter reads w, g, v and writes w, v.
 */
import { requireChoice } from '../core/arguments.js';
import { ArgumentError } from '../core/errors.js';
import { e } from '../core/expr.js';
import { update } from '../core/ops/update.js';
import type { Tensor } from '../core/tensor.js';
import { type OptimizerGroup, SlotOptimizer, type Trained } from './optimizer.js';

/** Options of `SGD`, or of one of its groups. */
export interface SGDOptions {
  /** Default 'paper'. */
  readonly form?: 'paper' | 'pytorch';
  /** Default 0.01. */
  readonly learningRate?: number;
  /** Default 0.9; in PyTorch's form 0. */
  readonly momentum?: number;
  /** Default 0.0005; in PyTorch's form 0. */
  readonly weightDecay?: number;
  /** Of PyTorch's form alone. Default 0. */
  readonly dampening?: number;
  /** Of PyTorch's form alone. Default false. */
  readonly nesterov?: boolean;
}

const [w, g, v] = [e.input(0), e.input(1), e.input(2)];
const [momentum, rate, decay] = [e.param(0), e.param(1), e.param(2)];
const velocity = e.sub(e.mul(momentum, v), e.mul(rate, e.add(g, e.mul(decay, w))));

const paper = [e.add(w, velocity), velocity];

const decayed = e.add(g, e.mul(decay, w));
const mixed = e.add(e.mul(momentum, v), e.mul(e.param(3), decayed));
const pytorch = [mixed, e.add(decayed, e.mul(momentum, mixed))].map((step) => [
  e.sub(w, e.mul(rate, step)),
  mixed,
]);

const defaults = { learningRate: 0.01, momentum: 0.9, weightDecay: 0.0005, dampening: 0, nesterov: false };
type Settings = typeof defaults & { form: 'paper' | 'pytorch' };

/** The optimizer. */
export class SGD extends SlotOptimizer<Settings> {
  /**
   * @param params tensors, as `model.parameters()`, or groups of them whose settings differ from `options`
   * @throws {ArgumentError} for settings below 0, or a parameter in two groups
   */
  constructor(params: Trained<SGDOptions>, options: SGDOptions = {}) {
    const form = options?.form ?? 'paper';
    const usual = form === 'pytorch' ? { ...defaults, momentum: 0, weightDecay: 0 } : defaults;
    super('SGD', params, options, { ...usual, form }, ['velocity']);
    for (const { form, dampening, nesterov } of this.groups) {
      requireChoice('SGD', 'form', form, ['paper', 'pytorch']);
      if (form === 'paper' && (dampening > 0 || nesterov))
        throw new ArgumentError("SGD: dampening and nesterov are of PyTorch's form: pass form: 'pytorch'");
    }
  }

  protected update(x: Tensor, gradient: Tensor, group: OptimizerGroup & Settings): void {
    const { form, nesterov, dampening, momentum, learningRate, weightDecay } = group;
    const speed = this.velocityOf(x);
    const exprs = form === 'paper' ? paper : pytorch[Number(nesterov)]!;
    const params = [momentum, learningRate, weightDecay, this.steps === 1 ? 1 : 1 - dampening];
    update([x, speed], exprs, [x, gradient, speed], { params, op: 'SGD' });
  }

  /** The velocity v of a parameter (zeros before its first step). */
  velocityOf(x: Tensor): Tensor {
    return this.slot('velocity', x);
  }
}
