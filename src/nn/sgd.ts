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
import { ArgumentError } from '../core/errors.js';
import { e } from '../core/expr.js';
import { zeros } from '../core/ops/create.js';
import { mapInto } from '../core/ops/launch.js';
import { keep } from '../core/scope.js';
import type { Tensor } from '../core/tensor.js';
import { trace } from '../core/trace.js';
import { dropGradients } from './module.js';

/** Parameters that share their rates. */
export interface ParameterGroup {
  readonly params: readonly Tensor[];
  /** Default 0.01. */
  readonly learningRate?: number;
  /** Default 0.9. */
  readonly momentum?: number;
  /** Default 0.0005. */
  readonly weightDecay?: number;
  /** Whether schedules change its rate. Default true. */
  readonly scheduled?: boolean;
}

const [w, g, v] = [e.input(0), e.input(1), e.input(2)];
const [momentum, rate, decay] = [e.param(0), e.param(1), e.param(2)];
const velocity = e.sub(e.mul(momentum, v), e.mul(rate, e.add(g, e.mul(decay, w))));

/** A group with its rates spelled out; `learningRate` is what the next step uses. */
export interface RateGroup extends Required<Omit<ParameterGroup, 'learningRate'>> {
  readonly initialRate: number;
  learningRate: number;
}

/** The optimizer. */
export class SGD {
  readonly groups: readonly RateGroup[];
  private readonly velocities = new Map<Tensor, Tensor>();

  /** @throws {ArgumentError} for rates below 0, or a parameter in two groups. */
  constructor(groups: readonly ParameterGroup[]) {
    this.groups = groups.map(
      ({ learningRate = 0.01, momentum = 0.9, weightDecay = 0.0005, scheduled = true, params }) => {
        for (const [name, value] of Object.entries({ learningRate, momentum, weightDecay })) {
          if (!(value >= 0)) throw new ArgumentError(`SGD: ${name} is ${value}, expected a number from 0`);
        }
        return { params, momentum, weightDecay, scheduled, learningRate, initialRate: learningRate };
      },
    );
    const all = this.groups.flatMap((group) => group.params);
    if (new Set(all).size !== all.length) throw new ArgumentError('SGD: a parameter is in two groups');
  }

  /** Updates every parameter that has a gradient. */
  step(): void {
    const outer = trace.phase;
    trace.phase = 'update';
    for (const { params, momentum, weightDecay, learningRate } of this.groups) {
      for (const x of params) {
        if (!x.grad) continue;
        const speed = this.velocityOf(x);
        const rates = [momentum, learningRate, weightDecay];
        mapInto('SGD', [e.add(w, velocity), velocity], [x, x.grad, speed], [x, speed], { params: rates });
      }
    }
    trace.phase = outer;
  }

  /** Sets all gradients to none. */
  zeroGrad(): void {
    for (const { params } of this.groups) dropGradients(params);
  }

  /** The velocity v of a parameter (zeros before its first step), to be saved and restored with it. */
  velocityOf(x: Tensor): Tensor {
    let speed = this.velocities.get(x);
    if (!speed) {
      speed = keep(zeros(x.shape, { device: x.device, dtype: x.dtype }));
      this.velocities.set(x, speed);
    }
    return speed;
  }

  /** Gives the velocities back to their devices. */
  dispose(): void {
    for (const speed of this.velocities.values()) speed.dispose();
    this.velocities.clear();
  }
}
