/**
 * Learning-rate schedules. A schedule keeps one factor; a group's rate is its initial rate times the factor, unless
 * the group is not `scheduled` (cuda-convnet's recipe lowers only the rate of the weights).
 */
import { ArgumentError } from '../core/errors.js';
import type { SGD } from './sgd.js';

/** A schedule's memory, to be saved in a checkpoint: numbers that survive JSON. */
export interface ScheduleState {
  readonly factor: number;
  readonly drops: number;
  /** Lowest error so far, null before the first. */
  readonly best: number | null;
  readonly stalled: number;
}

/** Follows epochs and their validation error. */
export interface Schedule {
  /** Called before each epoch, counted from 0. */
  start(epoch: number): void;
  /** Called after each epoch with its validation error. True when nothing more is to be gained: training may stop. */
  finish(error: number): boolean;
  state(): ScheduleState;
  load(state: ScheduleState): void;
}

abstract class FactorSchedule implements Schedule {
  protected factor = 1;
  protected drops = 0;
  protected best: number | null = null;
  protected stalled = 0;

  constructor(private readonly optimizer: SGD) {}

  abstract start(epoch: number): void;
  abstract finish(error: number): boolean;

  state(): ScheduleState {
    const { factor, drops, best, stalled } = this;
    return { factor, drops, best, stalled };
  }

  load(state: ScheduleState): void {
    this.drops = state.drops;
    this.best = state.best;
    this.stalled = state.stalled;
    this.apply(state.factor);
  }

  protected apply(factor: number): void {
    this.factor = factor;
    for (const group of this.optimizer.groups) {
      if (group.scheduled) group.learningRate = group.initialRate * factor;
    }
  }
}

/** Multiplies the rate by `factor` at each of the given epochs. */
export class StepSchedule extends FactorSchedule {
  private readonly milestones: readonly number[];
  private readonly step: number;

  /**
   * @param options `milestones`: epochs, counted from 0, from which on the rate is lower; `factor`: 0.1 by default
   * @throws {ArgumentError} for a milestone that is no whole number from 0, or a factor outside (0, 1)
   */
  constructor(optimizer: SGD, options: { readonly milestones: readonly number[]; readonly factor?: number }) {
    super(optimizer);
    for (const milestone of options.milestones) checkCount('StepSchedule', 'a milestone', milestone, 0);
    this.milestones = options.milestones;
    this.step = checkFactor('StepSchedule', options.factor ?? 0.1);
  }

  start(epoch: number): void {
    this.drops = this.milestones.filter((milestone) => milestone <= epoch).length;
    this.apply(this.step ** this.drops);
  }

  finish(_error?: number): boolean {
    return false;
  }
}

/** Options of `PlateauSchedule`. */
export interface PlateauOptions {
  /** What a drop multiplies the rate by. Default 0.1. */
  readonly factor?: number;
  /** Epochs without a lower error before a drop. Default 5. */
  readonly patience?: number;
  /** Number of drops; when the error stalls after the last, `finish` says stop. Default 3. */
  readonly maxDrops?: number;
}

/**
 * Divides the rate by ten when the validation error stops improving, three times, then stops: the paper's section 5,
 * where a person did this by hand.
 */
export class PlateauSchedule extends FactorSchedule {
  private readonly step: number;
  private readonly patience: number;
  private readonly maxDrops: number;

  /** @throws {ArgumentError} for a factor outside (0, 1), a patience below 1 or drops below 0 */
  constructor(optimizer: SGD, { factor = 0.1, patience = 5, maxDrops = 3 }: PlateauOptions = {}) {
    super(optimizer);
    checkCount('PlateauSchedule', 'patience', patience, 1);
    checkCount('PlateauSchedule', 'maxDrops', maxDrops, 0);
    this.step = checkFactor('PlateauSchedule', factor);
    this.patience = patience;
    this.maxDrops = maxDrops;
  }

  start(_epoch?: number): void {
    this.apply(this.factor);
  }

  finish(error: number): boolean {
    if (error < (this.best ?? Number.POSITIVE_INFINITY)) {
      this.best = error;
      this.stalled = 0;
      return false;
    }
    if (++this.stalled < this.patience) return false;
    if (this.drops >= this.maxDrops) return true;
    this.drops++;
    this.stalled = 0;
    this.apply(this.factor * this.step);
    return false;
  }
}

function checkFactor(who: string, factor: number): number {
  if (!(factor > 0 && factor < 1))
    throw new ArgumentError(`${who}: factor is ${factor}, expected a number in (0, 1)`);
  return factor;
}

function checkCount(who: string, name: string, value: number, least: number): void {
  if (Number.isInteger(value) && value >= least) return;
  throw new ArgumentError(`${who}: ${name} is ${value}, expected a whole number from ${least}`);
}
