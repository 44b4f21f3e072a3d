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
import { readOptions, requireArray, wrongArgument } from '../core/arguments.js';
import { e } from '../core/expr.js';
import { mapInto } from '../core/ops/launch.js';
import type { Tensor } from '../core/tensor.js';
import { checkSetting, type GroupOptions, type OptimizerGroup, SlotOptimizer } from './optimizer.js';

/** Parameters that share their rates. */
export interface ParameterGroup extends Omit<GroupOptions, 'learningRate'> {
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

const defaults = {
  name: '',
  params: undefined,
  learningRate: 0.01,
  momentum: 0.9,
  weightDecay: 0.0005,
  scheduled: true,
};

/** A group with its rates spelled out. */
export interface RateGroup extends OptimizerGroup {
  readonly momentum: number;
  readonly weightDecay: number;
}

/** The optimizer. */
export class SGD extends SlotOptimizer<RateGroup> {
  /** @throws {ArgumentError} for rates below 0, or a parameter in two groups. */
  constructor(groups: readonly ParameterGroup[]) {
    requireArray('SGD', 'groups', groups, 'an array of groups, as in [{ params: model.parameters() }]');
    const settled = groups.map((group, i): RateGroup => {
      if (group === undefined) throw wrongArgument('SGD', `groups[${i}]`, group, 'an object of params');
      const settings = readOptions(`SGD: groups[${i}]`, group, defaults);
      const { learningRate, momentum, weightDecay } = settings;
      for (const [setting, value] of Object.entries({ learningRate, momentum, weightDecay })) {
        checkSetting('SGD', setting, value);
      }
      return { ...settings, params: group.params, initialRate: learningRate };
    });
    super('SGD', settled, ['velocity']);
  }

  protected update(x: Tensor, gradient: Tensor, { momentum, weightDecay, learningRate }: RateGroup): void {
    const speed = this.velocityOf(x);
    const rates = [momentum, learningRate, weightDecay];
    mapInto('SGD', [e.add(w, velocity), velocity], [x, gradient, speed], [x, speed], { params: rates });
  }

  /** The velocity v of a parameter (zeros before its first step). */
  velocityOf(x: Tensor): Tensor {
    return this.slot('velocity', x);
  }
}
