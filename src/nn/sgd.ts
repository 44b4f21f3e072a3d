/**
 * Stochastic gradient descent as the paper writes it (section 5):
 *
 *     v := momentum * v - weightDecay * rate * w - rate * g
 *     w := w + v
 *
 * g is the gradient averaged over the batch. The rate sits inside v, so that after the rate drops, the velocity still
 * carries what the old rate put there (PyTorch's SGD multiplies by the rate outside and differs then).
 * One pass over each parameter reads w, g, v and writes w, v.
 */
import { e } from '../core/expr.js';
import { update } from '../core/ops/update.js';
import type { Tensor } from '../core/tensor.js';
import { type OptimizerGroup, SlotOptimizer, type Trained } from './optimizer.js';

/** Options of `SGD`, or of one of its groups. */
export interface SGDOptions {
  /** Default 0.01. */
  readonly learningRate?: number;
  /** Default 0.9. */
  readonly momentum?: number;
  /** Default 0.0005. */
  readonly weightDecay?: number;
}

const [w, g, v] = [e.input(0), e.input(1), e.input(2)];
const [momentum, rate, decay] = [e.param(0), e.param(1), e.param(2)];
const velocity = e.sub(e.mul(momentum, v), e.mul(rate, e.add(g, e.mul(decay, w))));

const defaults = { learningRate: 0.01, momentum: 0.9, weightDecay: 0.0005 };

/** The optimizer. */
export class SGD extends SlotOptimizer<typeof defaults> {
  /**
   * @param params tensors, as `model.parameters()`, or groups of them whose settings differ from `options`
   * @throws {ArgumentError} for settings below 0, or a parameter in two groups
   */
  constructor(params: Trained<SGDOptions>, options: SGDOptions = {}) {
    super('SGD', params, options, defaults, ['velocity']);
  }

  protected update(x: Tensor, gradient: Tensor, group: OptimizerGroup & typeof defaults): void {
    const speed = this.velocityOf(x);
    const params = [group.momentum, group.learningRate, group.weightDecay];
    update([x, speed], [e.add(w, velocity), velocity], [x, gradient, speed], { params, op: 'SGD' });
  }

  /** The velocity v of a parameter (zeros before its first step). */
  velocityOf(x: Tensor): Tensor {
    return this.slot('velocity', x);
  }
}
