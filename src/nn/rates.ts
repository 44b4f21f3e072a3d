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
