/**
 * Learning-rate schedules. A schedule keeps one factor; a group's rate is its initial rate times the factor, unless
 * the group is not `scheduled` (cuda-convnet's recipe lowers only the rate of the weights).
 */
import {
  readOptions,
  requireArray,
  requireChoice,
  requireFunction,
  requireNumber,
  requireWhole,
  wrongArgument,
} from '../core/arguments.js';
import { countOf, nullableNumberOf, numberOf, type PartState, type Stateful } from '../core/state.js';
import type { Optimizer } from './optimizer.js';
import type { Course } from './rates.js';

/** Follows epochs and their error, and sets the rates of an optimizer's groups. */
export interface Schedule extends Stateful {
  /**
   * Sets the rates of an epoch, counted from 0. Called before its first step, and again where training goes on in the
   * middle of it.
   */
  start(epoch: number): void;
  /** Called before each step with the epochs done, a fraction: for rates that change within an epoch. */
  beforeStep?(epochs: number): void;
  /**
   * Called after each epoch with the number that should fall, its validation error. True when nothing more is to be
   * gained: training may stop.
   */
  finish(error: number): boolean;
}

/** What the schedules of this file remember. */
export interface ScheduleState {
  readonly factor: number;
  readonly drops: number;
  /** Lowest error so far, null before the first. */
  readonly best: number | null;
  /** Epochs since. */
  readonly stalled: number;
}

type Rates = Pick<Optimizer, 'groups'>;

abstract class FactorSchedule implements Schedule {
  protected now: ScheduleState = { factor: 1, drops: 0, best: null, stalled: 0 };

  /** @param name for messages */
  constructor(
    protected readonly name: string,
    private readonly optimizer: Rates,
  ) {
    if (!Array.isArray(optimizer?.groups)) throw wrongArgument(name, 'optimizer', optimizer, 'an optimizer');
  }

  abstract start(epoch: number): void;

  finish(_error?: number): boolean {
    return false;
  }

  state(): { readonly json: ScheduleState } {
    return { json: this.now };
  }

  checkState(state: PartState): void {
    scheduleState(state);
  }

  loadState(state: PartState): void {
    this.now = scheduleState(state);
    this.apply(this.now.factor);
  }

  protected apply(factor: number): void {
    this.now = { ...this.now, factor };
    for (const group of this.optimizer.groups) {
      if (group.scheduled) group.learningRate = group.initialRate * factor;
    }
  }
}

function scheduleState(state: PartState): ScheduleState {
  const what = 'schedule';
  return {
    factor: numberOf(what, state, 'factor'),
    drops: countOf(what, state, 'drops'),
    best: nullableNumberOf(what, state, 'best'),
    stalled: countOf(what, state, 'stalled'),
  };
}

/** Multiplies the rate by `factor` at each of the given epochs. */
export class StepSchedule extends FactorSchedule {
  private readonly milestones: readonly number[];
  private readonly drop: number;

  /**
   * @param options `milestones`: epochs, counted from 0, from which on the rate is lower; `factor`: 0.1 by default
   * @throws {ArgumentError} for a milestone that is no whole number from 0, or a factor outside (0, 1)
   */
  constructor(
    optimizer: Rates,
    options: { readonly milestones: readonly number[]; readonly factor?: number },
  ) {
    super('StepSchedule', optimizer);
    const { milestones = [], factor } = readOptions(this.name, options, {
      milestones: undefined,
      factor: 0.1,
    });
    requireArray(this.name, 'milestones', options?.milestones, 'an array of epochs');
    for (const milestone of milestones) requireWhole(this.name, 'a milestone', milestone, 0);
    this.milestones = milestones;
    this.drop = checkFactor(this.name, factor);
  }

  start(epoch: number): void {
    requireWhole(this.name, 'epoch', epoch, 0);
    const drops = this.milestones.filter((milestone) => milestone <= epoch).length;
    this.now = { ...this.now, drops };
    this.apply(this.drop ** drops);
  }
}

/** Follows a course of the learning rate: any function of the epochs done, or those of `cosine()`, `warmUp()`, .. */
export class LambdaSchedule extends FactorSchedule {
  private readonly by: 'epoch' | 'step';

  /**
   * @param course gives the factor on the initial rates
   * @param options `by`: whether rates change before each 'epoch' (the default) or each 'step'
   */
  constructor(
    optimizer: Rates,
    private readonly course: Course,
    options: { readonly by?: 'epoch' | 'step' } = {},
  ) {
    super('LambdaSchedule', optimizer);
    requireFunction(this.name, 'course', course);
    const { by } = readOptions(this.name, options, { by: 'epoch' } as const);
    requireChoice(this.name, 'by', by, ['epoch', 'step']);
    this.by = by;
  }

  start(epoch: number): void {
    requireWhole(this.name, 'epoch', epoch, 0);
    this.apply(this.course(epoch));
  }

  beforeStep(epochs: number): void {
    if (this.by === 'step') this.apply(this.course(epochs));
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
  private readonly options: Required<PlateauOptions>;

  /** @throws {ArgumentError} for a factor outside (0, 1), a patience below 1 or drops below 0 */
  constructor(optimizer: Rates, options: PlateauOptions = {}) {
    super('PlateauSchedule', optimizer);
    this.options = readOptions(this.name, options, { factor: 0.1, patience: 5, maxDrops: 3 });
    requireWhole(this.name, 'patience', this.options.patience, 1);
    requireWhole(this.name, 'maxDrops', this.options.maxDrops, 0);
    checkFactor(this.name, this.options.factor);
  }

  start(_epoch?: number): void {
    this.apply(this.now.factor);
  }

  override finish(error: number): boolean {
    requireNumber(this.name, 'error', error);
    const { best, drops, stalled, factor } = this.now;
    const { patience, maxDrops } = this.options;
    if (error < (best ?? Number.POSITIVE_INFINITY)) {
      this.now = { ...this.now, best: error, stalled: 0 };
      return false;
    }
    this.now = { ...this.now, stalled: stalled + 1 };
    if (stalled + 1 < patience) return false;
    if (drops >= maxDrops) return true;
    this.now = { ...this.now, drops: drops + 1, stalled: 0 };
    this.apply(factor * this.options.factor);
    return false;
  }
}

function checkFactor(who: string, factor: number): number {
  if (!(factor > 0 && factor < 1)) throw wrongArgument(who, 'factor', factor, 'a number in (0, 1)');
  return factor;
}
