/**
 * Schedules: when rates drop, which groups follow, when to stop, and going on from a saved state.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ArgumentError } from '../../src/core/errors.js';
import type { PartState } from '../../src/core/state.js';
import type { Optimizer, OptimizerGroup } from '../../src/nn/optimizer.js';
import { PlateauSchedule, type Schedule, StepSchedule } from '../../src/nn/schedule.js';

type Rated = Pick<Optimizer, 'groups'>;

const group = (learningRate: number, scheduled = true): OptimizerGroup => ({
  name: '',
  params: [],
  initialRate: learningRate,
  learningRate,
  scheduled,
});

const optimizer = (): Rated => ({ groups: [group(0.01), group(0.02, false), group(0.5)] });

/** The groups' rates, rounded to 12 digits. */
const rates = (sgd: Rated): number[] => sgd.groups.map((group) => Number(group.learningRate.toPrecision(12)));

test('the step schedule lowers the scheduled groups from each milestone on', () => {
  const sgd = optimizer();
  const schedule: Schedule = new StepSchedule(sgd, { milestones: [2, 3] });
  const seen = [0, 1, 2, 3, 4].map((epoch) => {
    schedule.start(epoch);
    assert.is(schedule.finish(0.5), false);
    return rates(sgd);
  });
  assert.equal(seen, [
    [0.01, 0.02, 0.5],
    [0.01, 0.02, 0.5],
    [0.001, 0.02, 0.05],
    [0.0001, 0.02, 0.005],
    [0.0001, 0.02, 0.005],
  ]);
  // Which epoch it is decides, so that training may go on from anywhere.
  schedule.start(1);
  assert.equal(rates(sgd), [0.01, 0.02, 0.5]);
  const halving = new StepSchedule(sgd, { milestones: [1, 1], factor: 0.5 });
  halving.start(1);
  assert.equal(rates(sgd), [0.0025, 0.02, 0.125]);
});

test('the plateau schedule drops after `patience` epochs without a lower error, and stops after the last drop', () => {
  const sgd = optimizer();
  const schedule: Schedule = new PlateauSchedule(sgd, { patience: 2, maxDrops: 2 });
  const run = (errors: readonly number[]): [rate: number, stop: boolean][] =>
    errors.map((error, epoch) => {
      schedule.start(epoch);
      const stop = schedule.finish(error);
      return [rates(sgd)[0]!, stop];
    });
  // Equal is not lower; an improvement starts the patience anew.
  assert.equal(run([0.9, 0.9, 0.8, 0.85, 0.8]), [
    [0.01, false],
    [0.01, false],
    [0.01, false],
    [0.01, false],
    [0.001, false],
  ]);
  assert.equal(run([0.9, 0.7, 0.7, 0.71]), [
    [0.001, false],
    [0.001, false],
    [0.001, false],
    [0.0001, false],
  ]);
  assert.equal(run([0.7, 0.7, 0.7]), [
    [0.0001, false],
    [0.0001, true],
    [0.0001, true],
  ]);
  assert.equal(rates(sgd).slice(1), [0.02, 0.005]);
});

test("by default the plateau schedule is the paper's: tenths, three times, then stop", () => {
  const sgd = optimizer();
  const schedule = new PlateauSchedule(sgd);
  const stops: boolean[] = [];
  schedule.finish(0.4);
  for (let epoch = 1; epoch <= 20; epoch++) {
    stops.push(schedule.finish(0.4));
    assert.is(rates(sgd)[0], Number((0.01 * 0.1 ** Math.min(3, Math.floor(epoch / 5))).toPrecision(12)));
  }
  assert.equal(stops.indexOf(true), 19);
});

test('an error that is no number counts as no improvement', () => {
  const sgd = optimizer();
  const schedule = new PlateauSchedule(sgd, { patience: 1, maxDrops: 1 });
  assert.is(schedule.finish(Number.NaN), false);
  assert.is(rates(sgd)[0], 0.001);
  assert.is(schedule.finish(0.5), false);
});

test('a schedule goes on from a state that went through JSON, from any moment on', () => {
  const errors = [0.9, 0.8, 0.8, 0.8, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7];
  const options = { patience: 2, maxDrops: 2 };
  const play = (schedule: Schedule, sgd: Rated, from: number, until: number): [number, boolean][] =>
    errors.slice(from, until).map((error, i) => {
      schedule.start(from + i);
      return [rates(sgd)[0]!, schedule.finish(error)];
    });
  for (const make of [
    (sgd: Rated): Schedule => new PlateauSchedule(sgd, options),
    (sgd: Rated): Schedule => new StepSchedule(sgd, { milestones: [3, 6] }),
  ]) {
    const whole = optimizer();
    const expected = play(make(whole), whole, 0, errors.length);
    for (let cut = 0; cut <= errors.length; cut++) {
      const [before, after] = [optimizer(), optimizer()];
      const [first, second] = [make(before), make(after)];
      const begun = play(first, before, 0, cut);
      const state: PartState = JSON.parse(JSON.stringify(first.state()));
      second.loadState(state);
      assert.equal(rates(after), rates(before));
      assert.equal([...begun, ...play(second, after, cut, errors.length)], expected, `cut at ${cut}`);
    }
  }
});

test('settings that make no sense are refused', () => {
  const sgd = optimizer();
  for (const factor of [0, 1, 10, -0.1, Number.NaN]) {
    assert.throws(() => new StepSchedule(sgd, { milestones: [1], factor }), /StepSchedule: factor is/);
    assert.throws(() => new PlateauSchedule(sgd, { factor }), /PlateauSchedule: factor is/);
  }
  assert.throws(() => new StepSchedule(sgd, { milestones: [1, -1] }), /a milestone is -1/);
  assert.throws(() => new PlateauSchedule(sgd, { patience: 0 }), /patience is 0/);
  assert.throws(
    () => new PlateauSchedule(sgd, { maxDrops: 1.5 }),
    (error: unknown) => error instanceof ArgumentError && /maxDrops is 1.5/.test(error.message),
  );
});

test.run();
