/** Error bars of ablations, against numbers worked out by hand. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { changeBetween, estimateOf } from '../../src/alexnet/chance.js';

const near = (found: number, expected: number): void =>
  assert.ok(Math.abs(found - expected) < 1e-9, `${found}`);

test('a mean, its standard error and its 95 % interval', () => {
  // Deviations -1, 0, 1: variance 1, error sqrt(1 / 3), t of 2 degrees of freedom 4.303.
  const { mean, error, halfWidth } = estimateOf([4, 5, 6]);
  near(mean, 5);
  near(error, Math.sqrt(1 / 3));
  near(halfWidth, 4.303 * Math.sqrt(1 / 3));
  assert.ok(Number.isNaN(estimateOf([4]).error) && Number.isNaN(estimateOf([4]).halfWidth));
});

test('a change is taken seed by seed: one that all seeds share is more than chance, however far apart the seeds lie', () => {
  const base = [0.1, 0.3, 0.5];
  const shared = changeBetween(base, [0.12, 0.321, 0.519]);
  near(shared.mean, 0.02);
  near(shared.halfWidth, 4.303 * (0.001 / Math.sqrt(3)));
  assert.is(shared.beyondChance, true);
  assert.is(changeBetween(base, [0.12, 0.29, 0.51]).beyondChance, false);
  assert.is(changeBetween([0.1], [0.2]).beyondChance, null, 'one seed tells nothing of chance');
});

test.run();
