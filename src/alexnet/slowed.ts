/**
 * Layers that learn more slowly from an epoch on, or not at all, as the 2012 code's conv1 did late in training: a
 * schedule around another one.
 *
 * A scheduled group's rate is the inner schedule's times the least factor of the events due; a factor of 0 freezes
 * weights and biases both.
 */
import type { PartState } from '../core/state.js';
import type { Optimizer } from '../nn/optimizer.js';
import type { Schedule } from '../nn/schedule.js';
import type { Recipe } from './recipes.js';

/** A schedule that slows layers. Groups are named `LAYER.weight` and `LAYER.bias`. */
export class SlowedLayers implements Schedule {
  constructor(
    private readonly inner: Schedule,
    private readonly optimizer: Pick<Optimizer, 'groups'>,
    private readonly slowed: Recipe['slowed'],
  ) {}

  start(epoch: number): void {
    this.inner.start(epoch);
    for (const group of this.optimizer.groups) {
      const due = this.slowed.filter(
        (event) => event.epoch <= epoch && group.name.startsWith(`${event.layer}.`),
      );
      if (due.length === 0) continue;
      const factor = Math.min(...due.map((event) => event.factor));
      if (group.scheduled) group.learningRate *= factor;
      for (const x of group.params) x.requiresGrad = factor > 0;
    }
  }

  finish(error: number): boolean {
    return this.inner.finish(error);
  }

  state(): PartState | Promise<PartState> {
    return this.inner.state();
  }

  checkState(state: PartState): void {
    this.inner.checkState(state);
  }

  loadState(state: PartState): void {
    this.inner.loadState(state);
  }
}
