/**
 * What tests of training share: a small regression on numbers, no image in sight, whose model has dropout, buffers and a
 * part of its own.
 */

import { HostRandom } from '../../src/backends/threefry.js';
import type { Device } from '../../src/core/device.js';
import { e } from '../../src/core/expr.js';
import { tensor, zeros } from '../../src/core/ops/create.js';
import { abs, mul, sub } from '../../src/core/ops/elementwise.js';
import { mean, sum } from '../../src/core/ops/reduce.js';
import { update } from '../../src/core/ops/update.js';
import { drawOf, Generator, manualSeed } from '../../src/core/random.js';
import { scope } from '../../src/core/scope.js';
import { noGrad } from '../../src/core/tape.js';
import type { Tensor } from '../../src/core/tensor.js';
import { type BatchSource, batchesOf } from '../../src/data/batchSource.js';
import { Dropout, Layer, Linear, Sequential, Tanh } from '../../src/nn/index.js';
import { StepSchedule } from '../../src/nn/schedule.js';
import { SGD } from '../../src/nn/sgd.js';
import type { FitOptions } from '../../src/train/fit.js';

/** Some rows of the problem. */
export interface Rows {
  /** `[count, 3]` and `[count]`. */
  readonly x: Float32Array;
  readonly y: Float32Array;
}

/** Rows in batches of 4, shuffled: 4 batches an epoch. */
export function rows(seed: number, count = 16): BatchSource<Rows> {
  const random = new HostRandom(drawOf(seed, 0));
  const x = Float32Array.from({ length: 3 * count }, () => random.normal());
  const y = Float32Array.from(
    { length: count },
    (_, i) => Math.sin(x[3 * i]!) - x[3 * i + 1]! * x[3 * i + 2]!,
  );
  return batchesOf('rows', count, { batchSize: 4, shuffle: true, seed }, (indices) => ({
    x: Float32Array.from(
      { length: 3 * indices.length },
      (_, i) => x[3 * indices[Math.floor(i / 3)]! + (i % 3)]!,
    ),
    y: Float32Array.from(indices, (index) => y[index]!),
  }));
}

/** Less the mean of what it saw, which it remembers, with the number of batches, in buffers. */
class Centered extends Layer {
  readonly mean: Tensor;
  readonly batches: Tensor;

  constructor(features: number, device: Device) {
    super();
    this.mean = this.buffer(zeros([features], { device }));
    this.batches = this.buffer(zeros([], { device, dtype: 'int32' }));
  }

  forward(x: Tensor): Tensor {
    const [old, now] = [e.input(0), e.input(1)];
    if (this.training) {
      update(this.batches, e.add(old, 1), [this.batches]);
      scope(() =>
        update(this.mean, e.add(e.mul(old, 0.5), e.mul(now, 0.5)), [this.mean, mean(x, { axes: 0 })]),
      );
    }
    // The next step changes the mean: sub's gradient doesn't need it.
    return sub(x, this.mean);
  }
}

/** Everything to fit, made anew as a program that is started does. */
export function regression(
  device: Device,
): FitOptions<Rows> & { readonly model: Sequential; readonly optimizer: SGD; dispose(): void } {
  manualSeed(7);
  const model = new Sequential(
    new Linear(3, 8, { device }),
    new Centered(8, device),
    new Tanh(),
    new Dropout(0.25),
    new Linear(8, 1, { device }),
  );
  const optimizer = new SGD([{ params: model.parameters(), learningRate: 0.02 }]);
  const noise = new Generator(5);
  return {
    model,
    optimizer,
    schedule: new StepSchedule(optimizer, { milestones: [1], factor: 0.5 }),
    data: rows(1),
    validation: rows(2),
    epochs: 3,
    parts: { noise },
    about: { what: 'regression' },
    step: ({ x, y }) => {
      const count = y.length;
      const shift = model.training ? new HostRandom(noise.next()).normal() / 10 : 0;
      const out = model.forward(tensor(x, { shape: [count, 3], device }));
      const difference = sub(
        out,
        tensor(
          y.map((value) => value + shift),
          { shape: [count, 1], device },
        ),
      );
      return {
        loss: mean(mul(difference, difference)),
        sums: noGrad(() => ({ distance: sum(abs(difference)) })),
        count,
      };
    },
    dispose: () => {
      for (const each of [model, optimizer]) each.dispose();
    },
  };
}
