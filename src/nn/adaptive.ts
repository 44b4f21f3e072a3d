/**
 * Optimizers that divide by a running measure of the gradients' size, in PyTorch's form. g is the gradient, to which
 * `weightDecay * w` is added (AdamW shrinks w by `rate * weightDecay` instead); t counts steps from 1; `a <- b` is
 * `a := d * a + (1 - d) * b` with a factor d of its own:
 *
 *     Adam, AdamW   m <- g, v <- g^2        w -= rate / (1 - beta1^t) * m / (sqrt(v / (1 - beta2^t)) + eps)
 *     RMSprop       v <- g^2 (, m <- g)     u := momentum * u + g / (sqrt(v (- m^2)) + eps), w -= rate * u
 *     Adagrad       v += g^2                w -= rate / (1 + (t - 1) * learningRateDecay) * g / (sqrt(v) + eps)
 */
import { ArgumentError } from '../core/errors.js';
import { type Expr, e } from '../core/expr.js';
import { update } from '../core/ops/update.js';
import type { Tensor } from '../core/tensor.js';
import { type OptimizerGroup, SlotOptimizer, type Trained } from './optimizer.js';

const [w, v, m, u] = [e.input(0), e.input(2), e.input(3), e.input(4)];
const [rate, decay, eps] = [e.param(0), e.param(1), e.param(2)];
const g = e.add(e.input(1), e.mul(decay, w));
const squared = e.mul(g, g);
/** A running mean. Its factor is given as params d and 1 - d: in single precision the difference has fewer digits. */
const mixed = (mean: Expr, x: Expr, d: number): Expr =>
  e.add(e.mul(e.param(d), mean), e.mul(e.param(d + 1), x));

const adam = { learningRate: 0.001, betas: [0.9, 0.999] as readonly number[], eps: 1e-8, weightDecay: 0 };

/** Options of `Adam` and `AdamW`, or of a group: 0.001, 0.9 and 0.999, 1e-8, and 0 by default; `weightDecay` of AdamW 0.01. */
export type AdamOptions = Partial<typeof adam>;

function adamStep(weight: Expr, gradient: Expr): readonly Expr[] {
  const [mean, square] = [mixed(m, gradient, 3), mixed(v, e.mul(gradient, gradient), 5)];
  const size = e.add(e.div(e.sqrt(square), e.param(7)), eps);
  return [e.sub(weight, e.mul(rate, e.div(mean, size))), square, mean];
}

const [coupled, decoupled] = [adamStep(w, g), adamStep(e.sub(w, e.mul(decay, w)), e.input(1))];

abstract class AdamForm extends SlotOptimizer<typeof adam> {
  /** @throws {ArgumentError} for settings below 0, betas from 1 on, or a parameter in two groups */
  constructor(
    private readonly op: string,
    params: Trained<AdamOptions>,
    options: AdamOptions,
    usual: typeof adam,
    private readonly exprs: readonly Expr[],
  ) {
    super(op, params, options, usual, ['square', 'mean']);
    for (const { betas } of this.groups) requireFactors(op, 'betas', betas, 2);
  }

  protected update(x: Tensor, gradient: Tensor, group: OptimizerGroup & typeof adam): void {
    const { learningRate, betas, eps, weightDecay } = group;
    const [beta1 = 0, beta2 = 0] = betas;
    const [first, second] = [1 - beta1 ** this.steps, 1 - beta2 ** this.steps];
    const shrink = this.exprs === coupled ? weightDecay : weightDecay * learningRate;
    const params = [learningRate / first, shrink, eps, beta1, 1 - beta1, beta2, 1 - beta2, Math.sqrt(second)];
    const [square, mean] = [this.slot('square', x), this.slot('mean', x)];
    update([x, square, mean], this.exprs, [x, gradient, square, mean], { params, op: this.op });
  }
}

/** Adam (Kingma and Ba 2015). */
export class Adam extends AdamForm {
  constructor(params: Trained<AdamOptions>, options: AdamOptions = {}) {
    super('Adam', params, options, adam, coupled);
  }
}

/** Adam with weight decay apart from the gradient (Loshchilov and Hutter 2019). */
export class AdamW extends AdamForm {
  constructor(params: Trained<AdamOptions>, options: AdamOptions = {}) {
    super('AdamW', params, options, { ...adam, weightDecay: 0.01 }, decoupled);
  }
}

/** @throws {ArgumentError} unless these are so many factors of means, from 0 to below 1 */
function requireFactors(op: string, name: string, factors: readonly number[], count: number): void {
  if (factors.length === count && factors.every((d) => d >= 0 && d < 1)) return;
  throw new ArgumentError(`${op}: ${name} is ${factors.join(', ')}, expected ${count} from 0 to below 1`);
}

const rms = { learningRate: 0.01, alpha: 0.99, eps: 1e-8, weightDecay: 0, momentum: 0, centered: false };

/** Options of `RMSprop`, or of a group: `alpha` (0.99) is the means' factor, `centered` (false) subtracts m^2. */
export type RMSpropOptions = Partial<typeof rms>;

function rmsStep(centered: boolean, moving: boolean): readonly Expr[] {
  const [square, mean] = [mixed(v, squared, 3), mixed(m, g, 3)];
  const size = e.add(e.sqrt(centered ? e.sub(square, e.mul(mean, mean)) : square), eps);
  const step = moving ? e.add(e.mul(e.param(5), u), e.div(g, size)) : e.div(g, size);
  return [e.sub(w, e.mul(rate, step)), square, ...(centered ? [mean] : []), ...(moving ? [step] : [])];
}

const rmsSteps = [false, true].map((centered) => [false, true].map((moving) => rmsStep(centered, moving)));

/** RMSprop (Tieleman and Hinton 2012; centered: Graves 2013). */
export class RMSprop extends SlotOptimizer<typeof rms> {
  /** @throws {ArgumentError} for settings below 0, alpha from 1 on, or a parameter in two groups */
  constructor(params: Trained<RMSpropOptions>, options: RMSpropOptions = {}) {
    super('RMSprop', params, options, rms, ['square', 'mean', 'velocity']);
    for (const { alpha } of this.groups) requireFactors('RMSprop', 'alpha', [alpha], 1);
  }

  protected update(x: Tensor, gradient: Tensor, group: OptimizerGroup & typeof rms): void {
    const { learningRate, alpha, eps, weightDecay, momentum, centered } = group;
    const square = this.slot('square', x);
    const mean = centered ? this.slot('mean', x) : square;
    const velocity = momentum > 0 ? this.slot('velocity', x) : square;
    const params = [learningRate, weightDecay, eps, alpha, 1 - alpha, momentum];
    const targets = [...new Set([x, square, mean, velocity])];
    const exprs = rmsSteps[Number(centered)]![Number(momentum > 0)]!;
    update(targets, exprs, [x, gradient, square, mean, velocity], { params, op: 'RMSprop' });
  }
}

const ada = {
  learningRate: 0.01,
  learningRateDecay: 0,
  weightDecay: 0,
  initialAccumulatorValue: 0,
  eps: 1e-10,
};

/** Options of `Adagrad`, or of a group: v begins with `initialAccumulatorValue` (0). */
export type AdagradOptions = Partial<typeof ada>;

const sum = e.add(e.add(v, e.param(3)), squared);
const adagradStep = [e.sub(w, e.mul(rate, e.div(g, e.add(e.sqrt(sum), eps)))), sum];

/** Adagrad (Duchi, Hazan and Singer 2011). */
export class Adagrad extends SlotOptimizer<typeof ada> {
  /** @throws {ArgumentError} for settings below 0, or a parameter in two groups */
  constructor(params: Trained<AdagradOptions>, options: AdagradOptions = {}) {
    super('Adagrad', params, options, ada, ['sum']);
  }

  protected update(x: Tensor, gradient: Tensor, group: OptimizerGroup & typeof ada): void {
    const { learningRate, learningRateDecay, eps, weightDecay, initialAccumulatorValue } = group;
    const squares = this.slot('sum', x);
    const rate = learningRate / (1 + (this.steps - 1) * learningRateDecay);
    const params = [rate, weightDecay, eps, this.steps === 1 ? initialAccumulatorValue : 0];
    update([x, squares], adagradStep, [x, gradient, squares], { params, op: 'Adagrad' });
  }
}
