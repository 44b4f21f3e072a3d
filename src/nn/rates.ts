/**
 * Courses of the learning rate: functions from the epochs done, a fraction within an epoch, to the factor that a group's
 * initial rate is multiplied by. `LambdaSchedule` follows one; `chained` and `sequential` make one of several.
 */
import {
  readOptions,
  requireArray,
  requireChoice,
  requireFunction,
  wrongArgument,
} from '../core/arguments.js';
import { ArgumentError } from '../core/errors.js';

/** A factor for the epochs done. */
export type Course = (epochs: number) => number;

function requirePositive(op: string, numbers: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(numbers))
    if (!(value > 0)) throw wrongArgument(op, name, value, 'a number above 0');
}

/** Half a cosine from 1 down to `least` (0 by default) in so many epochs (Loshchilov and Hutter 2017). */
export function cosine(options: { readonly epochs: number; readonly least?: number }): Course {
  const { epochs, least } = readOptions('cosine', options, { epochs: Number.NaN, least: 0 });
  requirePositive('cosine', { epochs });
  return (done) => least + ((1 - least) / 2) * (1 + Math.cos(Math.PI * Math.min(1, done / epochs)));
}

/** A line from `from` (1 / 3 by default) up to 1 in so many epochs. */
export function warmUp(options: { readonly epochs: number; readonly from?: number }): Course {
  const { epochs, from } = readOptions('warmUp', options, { epochs: Number.NaN, from: 1 / 3 });
  requirePositive('warmUp', { epochs });
  return (done) => from + (1 - from) * Math.min(1, done / epochs);
}

/** `factor` to the power of the epochs. */
export function exponential(options: { readonly factor: number }): Course {
  const { factor } = readOptions('exponential', options, { factor: Number.NaN });
  requirePositive('exponential', { factor });
  return (done) => factor ** done;
}

/** `factor` (0.1 by default) once more after `every` epochs. */
export function everyEpochs(options: { readonly every: number; readonly factor?: number }): Course {
  const { every, factor } = readOptions('everyEpochs', options, { every: Number.NaN, factor: 0.1 });
  requirePositive('everyEpochs', { every, factor });
  return (done) => factor ** Math.floor(done / every);
}

/** Options of `oneCycle`. */
export interface OneCycleOptions {
  readonly epochs: number;
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

/** From `1 / divide` up to 1, and down to almost nothing (Smith and Topin 2018): a group's rate is the highest. */
export function oneCycle(options: OneCycleOptions): Course {
  const op = 'oneCycle';
  const defaults = {
    rise: 0.3,
    divide: 25,
    finalDivide: 1e4,
    anneal: 'cos',
    stepsPerEpoch: Infinity,
  } as const;
  const given = readOptions(op, options, { epochs: Number.NaN, ...defaults });
  const { anneal, ...numbers } = given;
  requireChoice(op, 'anneal', anneal, ['cos', 'linear']);
  requirePositive(op, numbers);
  const { epochs, rise, divide, finalDivide, stepsPerEpoch } = numbers;
  const [top, end] = [rise * epochs - 1 / stepsPerEpoch, epochs - 1 / stepsPerEpoch];
  const between = (from: number, to: number, share: number): number => {
    const way = Math.min(1, share);
    return from + (to - from) * (anneal === 'cos' ? (1 - Math.cos(Math.PI * way)) / 2 : way);
  };
  return (done) =>
    done <= top
      ? between(1 / divide, 1, done / top)
      : between(1, 1 / (divide * finalDivide), (done - top) / (end - top));
}

/** The product of courses. */
export function chained(...courses: readonly Course[]): Course {
  for (const [i, course] of courses.entries()) requireFunction('chained', `course ${i}`, course);
  return (done) => courses.reduce((factor, course) => factor * course(done), 1);
}

/** One course after the other; each begins anew at its milestone, in epochs, the first at 0. */
export function sequential(courses: readonly Course[], milestones: readonly number[]): Course {
  requireArray('sequential', 'courses', courses, 'an array of courses');
  requireArray('sequential', 'milestones', milestones, 'an array of epochs');
  for (const [i, course] of courses.entries()) requireFunction('sequential', `courses[${i}]`, course);
  const starts = [0, ...milestones];
  if (starts.length !== courses.length || starts.some((start, i) => !(start >= (starts[i - 1] ?? 0))))
    throw new ArgumentError(
      `sequential: ${courses.length} courses and milestones [${milestones.join(', ')}]: one less, in rising order, is needed`,
    );
  return (done) => {
    const i = starts.findLastIndex((start) => start <= done);
    return courses[i]!(done - starts[i]!);
  };
}
