/**
 * Learning-rate schedules. A schedule keeps one factor; a group's rate is its initial rate times the factor, unless
 * the group is not `scheduled` (cuda-convnet's recipe lowers only the rate of the weights). Courses are functions from
 * the epochs done, a fraction within an epoch, to that factor.
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
import { ArgumentError } from '../core/errors.js';
import { countOf, nullableNumberOf, numberOf, type PartState, type Stateful } from '../core/state.js';
import type { Optimizer } from './optimizer.js';

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

/** A factor for the epochs done. */
export type Course = (epochs: number) => number;

function requireNumbers(op: string, numbers: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(numbers))
    if (!(typeof value === 'number' && value >= 0)) throw wrongArgument(op, name, value, 'a number from 0');
}

const shareOf = (done: number, epochs: number): number => Math.min(1, done / epochs || 0);

/** Half a cosine from 1 down to `least` in so many epochs (Loshchilov and Hutter 2017). */
export function cosine(epochs: number, least = 0): Course {
  requireNumbers('cosine', { epochs, least });
  return (done) => least + ((1 - least) / 2) * (1 + Math.cos(Math.PI * shareOf(done, epochs)));
}

/** A line from `from` up to 1 in so many epochs. */
export function warmUp(epochs: number, from = 1 / 3): Course {
  requireNumbers('warmUp', { epochs, from });
  return (done) => from + (1 - from) * shareOf(done, epochs);
}

/** `factor` to the power of the epochs. */
export function exponential(factor: number): Course {
  requireNumbers('exponential', { factor });
  return (done) => factor ** done;
}

/** `factor` once more after `every` epochs. */
export function everyEpochs(every: number, factor = 0.1): Course {
  requireNumbers('everyEpochs', { every, factor });
  return (done) => factor ** Math.floor(done / every);
}

/** Options of `oneCycle`. */
export interface OneCycleOptions {
  /** Share of the epochs in which the rate rises. Default 0.3. */
  readonly rise?: number;
  /** What the factor is divided by at the beginning. Default 25. */
  readonly divide?: number;
  /** By how much more at the end. Default 10,000. */
  readonly finalDivide?: number;
  /** Default 'cos'. */
  readonly anneal?: 'cos' | 'linear';
  /** With it the last step has the last rate, as in PyTorch; without, the end of the last epoch. */
  readonly stepsPerEpoch?: number;
}

const cycle = { rise: 0.3, divide: 25, finalDivide: 1e4, anneal: 'cos', stepsPerEpoch: Infinity } as const;

/** From `1 / divide` up to 1, and down to almost nothing (Smith and Topin 2018): a group's rate is the highest. */
export function oneCycle(epochs: number, options: OneCycleOptions = {}): Course {
  const { anneal, ...numbers } = readOptions('oneCycle', options, cycle);
  requireChoice('oneCycle', 'anneal', anneal, ['cos', 'linear']);
  requireNumbers('oneCycle', { epochs, ...numbers });
  const { rise, divide, finalDivide, stepsPerEpoch } = numbers;
  const [top, end] = [rise * epochs - 1 / stepsPerEpoch, epochs - 1 / stepsPerEpoch];
  const between = (from: number, to: number, share: number): number =>
    from + (to - from) * (anneal === 'cos' ? (1 - Math.cos(Math.PI * share)) / 2 : share);
  return (done) =>
    done <= top
      ? between(1 / divide, 1, shareOf(done, top))
      : between(1, 1 / (divide * finalDivide), shareOf(done - top, end - top));
}

/** The product of courses. */
export function chained(...courses: readonly Course[]): Course {
  for (const [i, course] of courses.entries()) requireFunction('chained', `course ${i}`, course);
  return (done) => courses.reduce((factor, course) => factor * course(done), 1);
}

/** One course after the other; each begins anew at its milestone, in epochs, the first at 0. */
export function sequential(courses: readonly Course[], milestones: readonly number[]): Course {
  const op = 'sequential';
  requireArray(op, 'courses', courses, 'an array of courses');
  requireArray(op, 'milestones', milestones, 'an array of epochs');
  for (const [i, course] of courses.entries()) requireFunction(op, `courses[${i}]`, course);
  const starts = [0, ...milestones];
  if (starts.length !== courses.length || starts.some((start, i) => !(start >= (starts[i - 1] ?? 0)))) {
    const given = `${courses.length} courses and milestones [${milestones.join(', ')}]`;
    throw new ArgumentError(`${op}: ${given}: one milestone less, in rising order, is needed`);
  }
  return (done) => {
    const i = starts.findLastIndex((start) => start <= done);
    return courses[i]!(done - starts[i]!);
  };
}
